//! The small kernels of teams against their definitions, lane by lane, on every ISA: transposition, sums of maps, dropout
//! decisions, loss, optimizers.

mod common;
use common::team::{self, ACTIVATIONS, Epilogue, assert_near, lane};
use common::{Numbers, isas};
use proptest::prelude::*;
use zoometry_kernels::activation::Activation;
use zoometry_kernels::random::DropoutKey;
use zoometry_kernels::random::Grid;
use zoometry_kernels::team::optimizer::{self, Rule};
use zoometry_kernels::team::random;
use zoometry_kernels::team::{Below, gather, loss, residual, scatter};
use zoometry_kernels::{Isa, LANES, Lanes, reference};

#[test]
fn slices_are_put_beside_each_other_and_taken_apart() {
    for isa in isas() {
        for len in [0, 1, 15, 16, 17, 64, 100] {
            let x: [Vec<f32>; LANES] = std::array::from_fn(|l| Numbers(l as u64).vec(len));
            let mut y = vec![Lanes::ZERO; len];
            gather(isa, x.each_ref().map(|x| &x[..]), &mut y);
            assert!((0..len).all(|k| (0..LANES).all(|l| y[k].0[l] == x[l][k])), "gather {len} on {}", isa.kind());
            let mut back: [Vec<f32>; LANES] = std::array::from_fn(|_| vec![0.0; len]);
            scatter(isa, &y, back.each_mut().map(|x| &mut x[..]));
            assert_eq!(back, x, "scatter {len} on {}", isa.kind());
        }
    }
}

#[test]
fn sums_of_maps_agree_with_the_definition() {
    for isa in isas() {
        for (k, activation) in ACTIVATIONS.into_iter().enumerate() {
            for (dropout, shortcut) in [(false, false), (true, false), (false, true), (true, true)] {
                let (mut numbers, units) = (Numbers(k as u64), 21);
                let (a, b, dy) = (numbers.lanes(units), numbers.lanes(units), numbers.lanes(units));
                let end = Epilogue::new(&mut numbers, units, activation, dropout, shortcut);
                let (mut z, mut y, mut x) = (end.empty_z(), vec![Lanes::ZERO; units], end.output.clone());
                residual::forward(isa, activation, end.dropout(), &a, &b, &mut z, &mut y);
                residual::backward(isa, end.below(), &dy, &mut x);
                for l in 0..LANES {
                    let mut expected: Vec<f64> = lane(&a, l).iter().zip(lane(&b, l)).map(|(a, b)| a + b).collect();
                    if !z.is_empty() {
                        assert_near(&lane(&z, l), &expected, "z");
                    }
                    end.finish(l, &mut expected);
                    assert_near(&lane(&y, l), &expected, "forward");
                    let mut expected = lane(&dy, l);
                    end.unfinish(l, &mut expected);
                    assert_near(&lane(&x, l), &expected, "backward");
                }
            }
        }
    }
}

/// The keys of sixteen networks and thresholds that keep everything, drop everything and lie between.
fn networks(seed: u32) -> ([[u32; 2]; LANES], [u32; LANES]) {
    let keys = std::array::from_fn(|l| [seed.wrapping_mul(0x9e37_79b9) ^ l as u32, seed ^ (l as u32) << 20]);
    (keys, std::array::from_fn(|l| [0, 65_536, 1, 65_535, 32_768, 13_107][l % 6]))
}

fn check_decisions(isa: Isa, grid: Grid, channels: usize, seed: u32) {
    let ((keys, thresholds), counter, image) = (networks(seed), [seed >> 3, 11], seed % 100);
    let mut kept = vec![0; grid.rows * grid.columns * channels];
    random::dropout(isa, &keys, counter, &thresholds, image, channels, grid, &mut kept);
    for (unit, &bits) in kept.iter().enumerate() {
        let (position, c) = (unit / channels, unit % channels);
        let m = position / grid.columns * grid.across + position % grid.columns;
        for l in 0..LANES {
            let key = DropoutKey { key: keys[l], counter, threshold: thresholds[l] };
            let expected = reference::random::dropout(key, channels.next_multiple_of(16), m, c, image);
            assert_eq!(bits >> l & 1 == 1, expected, "unit {unit} of network {l} on {}", isa.kind());
        }
    }
}

#[test]
fn decisions_are_those_of_the_definition() {
    let isas = isas();
    let config = ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() };
    let grid = (0usize..7, 1usize..7, 0usize..20);
    proptest!(config, |((rows, columns, beyond) in grid, channels in 1usize..20, seed: u32)| {
        for &isa in &isas {
            check_decisions(isa, Grid { rows, columns, across: columns + beyond }, channels, seed);
        }
    });
}

fn check_loss(isa: Isa, classes: usize, size: f32, seed: u64) {
    let mut numbers = Numbers(seed);
    let mut z = numbers.lanes(classes);
    Lanes::flat_mut(&mut z).iter_mut().for_each(|z| *z *= size);
    // equal logits, the largest among them: the first is predicted
    z[classes / 2] = z[0];
    let labels: [u8; LANES] = std::array::from_fn(|l| ((seed as usize % 1000 + 7 * l) % classes) as u8);
    let mut dz = z.clone();
    let outcome = loss::softmax(isa, &labels, 0.5, &mut dz);
    for l in 0..LANES {
        let (logits, label) = (lane(&z, l), usize::from(labels[l]));
        let mut expected = vec![0.0; classes];
        let loss = reference::loss::softmax(&logits, label, &mut expected);
        let got = f64::from(outcome.loss.0[l]);
        assert!((got - loss).abs() < 1e-5 * (1.0 + loss), "loss of network {l}: {got}, expected {loss}");
        let first = (0..classes).rev().max_by(|&a, &b| logits[a].total_cmp(&logits[b])).unwrap();
        assert_eq!(usize::from(outcome.predicted[l]), first, "prediction of network {l}");
        for (got, want) in lane(&dz, l).iter().zip(expected) {
            assert!((got - 0.5 * want).abs() < 1e-6, "gradient of network {l}: {got}, expected {}", 0.5 * want);
        }
    }
}

#[test]
fn loss_prediction_and_gradient_agree_with_the_definition() {
    let isas = isas();
    let config = ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() };
    proptest!(config, |(classes in 1usize..50, size in 0.01f32..50.0, seed: u64)| {
        for &isa in &isas {
            check_loss(isa, classes, size, seed);
        }
    });
}

#[test]
fn a_diverged_network_has_a_loss_that_is_not_finite() {
    for isa in isas() {
        for wrong in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let mut z = Numbers(2).lanes(10);
            z.iter_mut().for_each(|z| z.0[3] = wrong);
            let outcome = loss::softmax(isa, &[4; LANES], 1.0, &mut z);
            for l in 0..LANES {
                assert_eq!(outcome.loss.0[l].is_finite(), l != 3, "{wrong}: network {l} on {}", isa.kind());
            }
        }
        let mut z = Numbers(2).lanes(10);
        z[7].0[5] = f32::NAN;
        let outcome = loss::softmax(isa, &[4; LANES], 1.0, &mut z);
        assert!(!outcome.loss.0[5].is_finite() && outcome.predicted[5] != 7, "one NaN of ten on {}", isa.kind());
    }
}

/// Sixteen rates, one of them 0.
fn rates(largest: f32) -> Lanes {
    Lanes(std::array::from_fn(|l| largest * l as f32 / 15.0))
}

#[test]
fn ten_steps_follow_the_definitions_and_leave_other_networks_alone() {
    use reference::optimizer::step as definition;
    use zoometry_kernels::optimizer::Rule as One;
    const MOMENTUM: f32 = 0.9;
    let (rate, momentum, lanes) = (rates(0.01), Lanes([MOMENTUM; LANES]), 0b1011_0111_1100_1110_u16);
    let decay = Lanes(std::array::from_fn(|l| 1e-3 * l as f32));
    type Single = fn(f32) -> One;
    let rules: [(Rule, Single); 4] = [
        (Rule::Sgd { rate: &rate }, |rate| One::Sgd { rate }),
        (Rule::Momentum { rate: &rate, momentum: &momentum }, |rate| One::Momentum { rate, momentum: MOMENTUM }),
        (Rule::RmsProp { rate: &rate }, |rate| One::RmsProp { rate }),
        (Rule::Adam { corrected: &rate }, |corrected| One::Adam { corrected }),
    ];
    for (isa, (rule, single)) in isas().into_iter().flat_map(|isa| rules.map(|rule| (isa, rule))) {
        let mut numbers = Numbers(5);
        let start = numbers.lanes(7);
        let (mut w, mut m, mut v) = (start.clone(), vec![Lanes::ZERO; 7], vec![Lanes::ZERO; 7]);
        let mut expected: Vec<[f64; 3]> = Lanes::flat(&w).iter().map(|&w| [f64::from(w), 0.0, 0.0]).collect();
        for _ in 0..10 {
            // gradients of very different sizes, zero among them
            let mut dw = numbers.lanes(7);
            Lanes::flat_mut(&mut dw).iter_mut().enumerate().for_each(|(k, g)| *g *= [1.0, 1e-4, 0.0, 30.0][k % 4]);
            optimizer::step(isa, rule, lanes, &decay, &dw, &mut w, &mut m, &mut v);
            for (k, ([w, m, v], &dw)) in expected.iter_mut().zip(Lanes::flat(&dw)).enumerate() {
                let l = k % LANES;
                definition(single(rate.0[l]), f64::from(decay.0[l]), f64::from(dw), w, m, v);
            }
        }
        for (k, (&got, [want, ..])) in Lanes::flat(&w).iter().zip(&expected).enumerate() {
            if lanes >> (k % LANES) & 1 == 0 {
                let state = [Lanes::flat(&m)[k], Lanes::flat(&v)[k]];
                assert_eq!((got, state), (Lanes::flat(&start)[k], [0.0; 2]), "{rule:?}: a network that is not moved");
                continue;
            }
            assert!(
                (f64::from(got) - want).abs() < 2e-6,
                "{rule:?} on {}: weight {k} is {got}, expected {want}",
                isa.kind()
            );
        }
    }
}

#[test]
fn a_network_that_is_not_moved_keeps_its_bits_whatever_its_gradient() {
    for isa in isas() {
        let [nan, ones] = [f32::NAN, 1.0].map(|x| vec![Lanes([x; LANES]); 3]);
        let (mut w, mut m, mut v) = (ones.clone(), ones.clone(), ones.clone());
        let rule = Rule::Adam { corrected: &rates(1.0) };
        optimizer::step(isa, rule, 1 << 4, &Lanes::ZERO, &nan, &mut w, &mut m, &mut v);
        for x in [w, m, v].concat() {
            assert!((0..LANES).all(|l| if l == 4 { x.0[l].is_nan() } else { x.0[l] == 1.0 }), "{x:?}");
        }
    }
}

#[test]
fn unused_state_may_be_empty() {
    for isa in isas() {
        let mut w = vec![Lanes([1.0; LANES]); 2];
        let (rate, decay, dw) = (Lanes([0.5; LANES]), Lanes([0.5; LANES]), vec![Lanes([1.0; LANES]); 2]);
        optimizer::step(isa, Rule::Sgd { rate: &rate }, u16::MAX, &decay, &dw, &mut w, &mut [], &mut []);
        // 1 − 0.5·(1 + 0.5·1)
        assert_eq!(w, [Lanes([0.25; LANES]); 2]);
    }
}

#[test]
#[should_panic(expected = "shape of m or v")]
fn state_of_another_length_is_refused() {
    let (one, mut w) = (Lanes([1.0; LANES]), vec![Lanes::ZERO; 2]);
    let rule = Rule::Adam { corrected: &one };
    optimizer::step(Isa::detect(), rule, 1, &one, &[one; 2], &mut w, &mut [one; 2], &mut [one]);
}

/// A sum of maps both ways, a loss, a step of Adam.
fn small_kernels(isa: Isa, inputs: &[Vec<Lanes>]) -> team::Outputs {
    let [a, b, rate] = inputs else { panic!("three inputs") };
    let (mut z, mut y, mut dx, mut dz) = (a.clone(), a.clone(), a.clone(), a.clone());
    residual::forward(isa, Activation::Gelu, None, a, b, &mut z, &mut y);
    let below = Below { activation: Activation::Gelu, dropout: None, z: b, residual: Some(a) };
    residual::backward(isa, below, b, &mut dx);
    let outcome = loss::softmax(isa, &[2; LANES], 0.1, &mut dz);
    let (mut w, mut m, mut v) = (a.clone(), b.clone(), vec![Lanes([0.5; LANES]); a.len()]);
    let rule = Rule::Adam { corrected: &rate[0] };
    optimizer::step(isa, rule, u16::MAX, &rate[0], b, &mut w, &mut m, &mut v);
    vec![z, y, dx, dz, vec![outcome.loss, Lanes(outcome.predicted.map(f32::from))], w, m, v]
}

#[test]
fn a_network_is_alone_and_fused_isas_agree() {
    let mut numbers = Numbers(8);
    let inputs = [numbers.lanes(9), numbers.lanes(9), numbers.lanes(1)];
    for isa in isas() {
        team::assert_alone(&inputs, |inputs| small_kernels(isa, inputs));
    }
    team::assert_same_bits(|isa| small_kernels(isa, &inputs));
}
