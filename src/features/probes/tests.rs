//! Probes: what they must not depend on, and what they say of networks whose behaviour is known.

use super::*;
use crate::Context;
use crate::cnn::choice::Choice;
use crate::features::Input;
use crate::par::with_threads;
use crate::rng::Stream;
use crate::table::Table;

fn reference() -> Arch {
    Arch::reference(28, 28, 10).unwrap()
}

fn weights(arch: &Arch, networks: usize) -> Vec<f32> {
    let mut stream = Stream::new(3, 0, 0);
    (0..networks * arch.parameters()).map(|_| 0.2 * stream.normal() as f32).collect()
}

fn table(isa: Isa, arch: &Arch, weights: &[f32], activation: Activation) -> Table {
    let networks = Networks::Loose { arch, weights, activation: Some(activation) };
    "probes".parse::<Input>().unwrap().table(&Context::new().isa(isa), &networks).unwrap()
}

/// A number of the first network.
fn number(table: &Table, name: &str) -> f32 {
    let column = table.columns.iter().position(|column| column == &format!("probes.{name}"));
    table.row(0)[column.unwrap_or_else(|| panic!("no {name}"))]
}

#[test]
fn the_field_is_what_one_last_unit_sees() {
    for (layers, side) in [
        ("16s2,16s2,16s2", 15),
        ("16s1", 3),
        ("16s2", 3),
        ("16s1,16s1", 5),
        ("4s2,4s1,4s2", 11),
        ("8k5,max2,act,4k3", 10),
        ("8k5,[act,8k3same],avg2,act", 8),
        ("8k5,max2,act,flatten,20", 64),
        ("flatten,20", 64),
    ] {
        assert_eq!(field(&Arch::grey(64, 64, layers, 10).unwrap().plan()), [side; 2], "{layers}");
    }
    assert_eq!(field(&reference().plan()), [15; 2]);
}

#[test]
fn neither_order_of_units_nor_of_classes_changes_anything() {
    let arch = reference();
    let flat = weights(&arch, 1);
    for &activation in Activation::ALL {
        let before = table(Isa::detect(), &arch, &flat, activation);
        let mut turned = flat.clone();
        // units of the second convolution, with what reads them; then the classes
        let unit = |u: usize| (u + 5) % 16;
        for u in 0..16 {
            turned[160 + unit(u)] = flat[160 + u];
            for k in 0..144 {
                turned[176 + k * 16 + unit(u)] = flat[176 + k * 16 + u];
            }
            for tap in 0..9 {
                let row = |u: usize| 2496 + (tap * 16 + u) * 16;
                let (to, from) = (row(unit(u)), row(u));
                turned[to..to + 16].copy_from_slice(&flat[from..from + 16]);
            }
        }
        for k in 0..10 {
            let to = (k + 3) % 10;
            turned[4800 + to] = flat[4800 + k];
            (0..16).for_each(|u| turned[4810 + u * 10 + to] = flat[4810 + u * 10 + k]);
        }
        assert_ne!(turned, flat);
        let after = table(Isa::detect(), &arch, &turned, activation);
        for ((before, after), column) in before.x.iter().zip(&after.x).zip(&before.columns) {
            assert!((before - after).abs() <= 1e-4 * before.abs().max(1.0), "{column}: {before} {after}");
        }
    }
}

#[test]
fn networks_of_known_behaviour_are_described() {
    let arch = reference();
    // zero kernels: everything says the same
    let mut dead = vec![0.0; arch.parameters()];
    dead[4803] = 2.0;
    let zeros = table(Isa::detect(), &arch, &dead, Activation::Relu);
    for (name, value) in [
        ("first.silent", 1.0),
        ("last.responsive", 0.0),
        ("middle.rank", 0.0),
        ("last.cosine", 0.0),
        ("logits.rank", 0.0),
        ("answers.distinct", 1.0),
        ("answers.variety", 0.0),
        ("answers.entropy_spread", 0.0),
        ("answers.information", 0.0),
    ] {
        assert!((number(&zeros, name) - value).abs() < 1e-6, "{name} {}", number(&zeros, name));
    }
    let e = 2f64.exp();
    let confidence = e / (e + 9.0);
    let rest = 1.0 / (e + 9.0);
    let entropy = -(confidence * confidence.ln() + 9.0 * rest * rest.ln()) / 10f64.ln();
    assert!((f64::from(number(&zeros, "answers.confidence")) - confidence).abs() < 1e-6);
    assert!((f64::from(number(&zeros, "answers.entropy")) - entropy).abs() < 1e-6);
    assert!((number(&zeros, "logits.margin") - 2f32.ln()).abs() < 1e-6);
    // tanh far in saturation: nothing responds
    let loud: Vec<f32> = weights(&arch, 1).iter().map(|w| 1e4 * w).collect();
    assert!(number(&table(Isa::detect(), &arch, &loud, Activation::Tanh), "last.responsive") < 0.05);
    let quiet: Vec<f32> = weights(&arch, 1).iter().map(|w| 1e-3 * w).collect();
    assert_eq!(number(&table(Isa::detect(), &arch, &quiet, Activation::Tanh), "last.responsive"), 1.0);
}

#[test]
fn every_thread_count_gives_the_same_bits_and_isas_agree() {
    let arch = reference();
    let flat = weights(&arch, 70);
    let first = table(Isa::detect(), &arch, &flat, Activation::Tanh);
    for threads in [1, 3] {
        assert!(with_threads(threads, || table(Isa::detect(), &arch, &flat, Activation::Tanh)) == first, "{threads}");
    }
    for isa in Isa::available() {
        let other = table(isa, &arch, &flat, Activation::Tanh);
        for ((a, b), k) in other.x.iter().zip(&first.x).zip(0..) {
            assert!((a - b).abs() <= 1e-3 * b.abs().max(1.0), "{} {}: {a} {b}", isa.kind(), first.columns[k % 49]);
        }
    }
}

#[test]
fn weights_that_are_no_numbers_do_no_harm() {
    let arch = reference();
    for bad in [f32::NAN, f32::INFINITY, 3e38] {
        let mut flat = weights(&arch, 1);
        flat.iter_mut().step_by(3).for_each(|w| *w = bad);
        for &activation in Activation::ALL {
            assert_eq!(table(Isa::detect(), &arch, &flat, activation).width(), 49);
        }
    }
    for layers in ["1s1same", "flatten", "flatten,3", "2k2,max2,act,flatten,4"] {
        let one = Arch::grey(3, 3, layers, 1).unwrap();
        assert_eq!(table(Isa::detect(), &one, &weights(&one, 1), Activation::Gelu).width(), 49);
    }
}

#[test]
fn layers_are_seen_behind_their_activation() {
    let seen = |layers: &str| hidden(&Arch::grey(28, 28, layers, 10).unwrap().plan());
    assert_eq!(seen("16s2,16s2,16s2"), [0, 1, 2]);
    // conv, pool with activation, conv, pool, conv, dense
    assert_eq!(seen("8k5,max2,act,6k5,max2,act,4k2,act,flatten,20,act"), [1, 3, 4, 5]);
    assert_eq!(seen("flatten"), [0; 0]);
}
