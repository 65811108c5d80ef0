//! Optimizer steps against their definitions, on every ISA.

mod common;
use common::{Numbers, isas};
use zoometry_kernels::optimizer::{Rule, step};
use zoometry_kernels::{Lanes, reference};

#[test]
fn ten_steps_follow_the_definitions() {
    let rules = [
        Rule::Sgd { rate: 0.01 },
        Rule::Momentum { rate: 0.01, momentum: 0.9 },
        Rule::Momentum { rate: 0.02, momentum: 0.5 },
        Rule::RmsProp { rate: 0.003 },
        Rule::Adam { corrected: 0.003 },
    ];
    for isa in isas() {
        for rule in rules {
            let mut numbers = Numbers(5);
            let mut w = numbers.lanes(7);
            let (mut m, mut v) = (vec![Lanes::ZERO; 7], vec![Lanes::ZERO; 7]);
            let start: Vec<f64> = Lanes::flat(&w).iter().map(|&w| f64::from(w)).collect();
            let mut expected: Vec<[f64; 3]> = start.iter().map(|&w| [w, 0.0, 0.0]).collect();
            for _ in 0..10 {
                // gradients of very different sizes, zero among them
                let mut dw = numbers.lanes(7);
                Lanes::flat_mut(&mut dw).iter_mut().enumerate().for_each(|(k, g)| *g *= [1.0, 1e-4, 0.0, 30.0][k % 4]);
                step(isa, rule, 1e-3, &dw, &mut w, &mut m, &mut v);
                for ([w, m, v], &dw) in expected.iter_mut().zip(Lanes::flat(&dw)) {
                    reference::optimizer::step(rule, f64::from(1e-3f32), f64::from(dw), w, m, v);
                }
            }
            for (k, (&got, [expected, ..])) in Lanes::flat(&w).iter().zip(&expected).enumerate() {
                let error = (f64::from(got) - expected).abs();
                assert!(error < 2e-6, "{rule:?} on {}: weight {k} is {got}, expected {expected}", isa.kind());
                assert!(got.is_finite());
            }
        }
    }
}

#[test]
fn unused_state_may_be_empty() {
    for isa in isas() {
        let mut w = vec![Lanes([1.0; 16]); 2];
        step(isa, Rule::Sgd { rate: 0.5 }, 0.25, &[Lanes([1.0; 16]); 2], &mut w, &mut [], &mut []);
        // 1 − 0.5·(1 + 0.25·1)
        assert_eq!(w, [Lanes([0.375; 16]); 2]);
    }
}

#[test]
#[cfg_attr(target_family = "wasm", ignore = "a panic ends the program")]
fn state_of_another_length_panics_before_a_weight_has_moved() {
    let (momentum, rms) = (Rule::Momentum { rate: 0.5, momentum: 0.9 }, Rule::RmsProp { rate: 0.5 });
    let adam = Rule::Adam { corrected: 0.5 };
    // lengths of m and v beside two lanes of weights
    for (rule, m, v) in [(momentum, 1, 2), (momentum, 3, 0), (rms, 0, 1), (rms, 2, 3), (adam, 1, 2), (adam, 2, 3)] {
        for isa in isas() {
            let mut w = vec![Lanes([1.0; 16]); 2];
            let run = std::panic::AssertUnwindSafe(|| {
                let (mut m, mut v) = (vec![Lanes::ZERO; m], vec![Lanes::ZERO; v]);
                step(isa, rule, 0.25, &[Lanes([1.0; 16]); 2], &mut w, &mut m, &mut v);
            });
            assert!(std::panic::catch_unwind(run).is_err(), "{rule:?} takes m of {m} and v of {v}");
            assert_eq!(w, [Lanes([1.0; 16]); 2], "{rule:?} with m of {m} and v of {v}");
        }
    }
}
