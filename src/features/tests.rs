//! Inputs by their keys: columns, values, refusals.

use super::{Input, Networks};
use crate::cnn::Arch;
use crate::kernels::activation::Activation;
use crate::table::Table;
use crate::{Context, Result};

fn arch() -> Arch {
    Arch::reference(28, 28, 10).unwrap()
}

/// Two networks of any weights.
fn weights(arch: &Arch) -> Vec<f32> {
    (0..2 * arch.parameters()).map(|k| ((k * 7919 % 1013) as f32 / 1013.0 - 0.5) / 3.0).collect()
}

fn table(key: &str, arch: &Arch, weights: &[f32]) -> Result<Table> {
    let networks = Networks::Loose { arch, weights, activation: Some(Activation::Relu) };
    key.parse::<Input>()?.table(&Context::default(), &networks)
}

#[test]
fn keys_give_their_columns() {
    let (arch, weights) = (arch(), weights(&arch()));
    for (key, width, first, last) in [
        ("wstats", 56, "conv1.bias.min", "dense.kernel.mean"),
        ("wstats-layers:0,1,2,3-qts:0,25,50,75,100", 56, "conv1.bias.min", "dense.kernel.mean"),
        ("wstats-layers:3,0-qts:2.5,50", 16, "dense.bias.q2.5", "conv1.kernel.mean"),
        ("wstats-glob", 7, "all.min", "all.mean"),
        ("wstats-pooled", 42, "first.bias.min", "last.kernel.mean"),
        ("wnorm-layers:0,1,2,3-l1", 8, "conv1.bias.l1", "dense.kernel.l1"),
        ("wnorm-layers:2-l2", 2, "conv3.bias.l2", "conv3.kernel.l2"),
        ("weights", 4970, "conv1.bias.0", "dense.kernel.159"),
        ("weights.1", 2320, "conv2.bias.0", "conv2.kernel.2303"),
        ("probes", 49, "probes.first.scale", "probes.answers.variety"),
        ("wstats + probes", 105, "conv1.bias.min", "probes.answers.variety"),
    ] {
        let table = table(key, &arch, &weights).unwrap();
        assert_eq!((table.width(), table.rows(), table.x.len()), (width, 2, 2 * width), "{key}");
        assert_eq!((&*table.columns[0], &*table.columns[width - 1]), (first, last), "{key}");
        assert!(table.x.iter().all(|x| x.is_finite()), "{key}");
    }
}

#[test]
fn what_is_no_key_is_refused_with_what_would_be() {
    let (arch, weights) = (arch(), weights(&arch()));
    for (key, texts) in [
        ("wstat", &["did you mean \"wstats\"?", "probes"][..]),
        ("", &["input", "wstats"]),
        ("wstats+", &["input"]),
        ("hyper.learning_rat", &["\"learning_rate\""]),
        ("weights.first", &["weights.LAYER", "weights.first"]),
        ("weights.4", &["0 to 3", "got 4"]),
        ("wstats-layers:0,4-qts:0", &["0 to 3", "got 4"]),
        ("wstats-layers:0", &["-qts:"]),
        ("wstats-layers:-qts:0", &["LAYERS"]),
        ("wstats-layers:0-qts:101", &["0 to 100", "101"]),
        ("wstats-layers:0-qts:nan", &["0 to 100"]),
        ("wnorm-layers:0-l3", &["-l1 or -l2"]),
        ("wstats+wstats-layers:3-qts:0", &["dense.bias.min twice"]),
        ("hyper", &["hyper", "a zoo", "weights alone"]),
    ] {
        let error = table(key, &arch, &weights).unwrap_err();
        assert!(matches!(error, crate::Error::Invalid { .. } | crate::Error::Unknown { .. }), "{key}: {error}");
        texts.iter().for_each(|text| assert!(error.to_string().contains(text), "{key}: no {text:?} in {error}"));
    }
    let networks = Networks::Loose { arch: &arch, weights: &weights, activation: None };
    let error = "probes".parse::<Input>().unwrap().table(&Context::default(), &networks).unwrap_err().to_string();
    assert!(error.contains("`activation`") && error.contains("gelu"), "{error}");
}

#[test]
fn shapes_without_middle_layers_have_the_columns_of_all() {
    let columns = |key: &str, stack: &str, classes: usize| {
        let arch = Arch::grey(28, 28, stack, classes).unwrap();
        let table = table(key, &arch, &weights(&arch)).unwrap();
        let missing = table.row(0).iter().filter(|x| x.is_nan()).count();
        (table.columns, missing)
    };
    for (key, middle) in [("probes", 10), ("wstats-pooled", 14)] {
        let (reference, missing) = columns(key, "16s2,16s2,16s2", 10);
        assert_eq!(missing, 0);
        for (stack, classes, probes) in [("8s1same", 3, 10), ("5s2,20s1", 26, 10), ("4s2same,4s1,4s1,4s2", 10, 0)] {
            let (columns, missing) = columns(key, stack, classes);
            assert_eq!(columns, reference, "{key} {stack}");
            let expected = match (key, stack) {
                // a middle layer between a convolution and the dense one
                ("wstats-pooled", "8s1same") => middle,
                ("wstats-pooled", _) => 0,
                _ => probes,
            };
            assert_eq!(missing, expected, "{key} {stack}");
        }
    }
}

#[test]
fn other_percentiles_are_numpys() {
    let arch = arch();
    let weights = weights(&arch);
    let table = table("wstats-layers:0-qts:0,10,50,97.5,100", &arch, &weights).unwrap();
    let mut sorted = weights[16..160].to_vec();
    sorted.sort_by(f32::total_cmp);
    let at = |position: f64| {
        let (low, t) = (sorted[position as usize], position.fract());
        f64::from(low) + (f64::from(sorted[(position as usize + 1).min(143)]) - f64::from(low)) * t
    };
    let want = [0.0, 14.3, 71.5, 0.975 * 143.0, 143.0].map(|position| at(position) as f32);
    assert_eq!(table.row(0)[7..12], want);
    let mut broken = weights.clone();
    broken[20] = f32::NAN;
    let table = super::tests::table("wstats-layers:0-qts:10", &arch, &broken).unwrap();
    assert!(table.row(0)[3..6].iter().all(|x| x.is_nan()) && table.row(0)[..3].iter().all(|x| x.is_finite()));
}

#[test]
fn blocks_of_networks_have_the_rows_of_their_table() {
    let arch = arch();
    let weights: Vec<f32> = weights(&arch).repeat(450);
    let networks = Networks::Loose { arch: &arch, weights: &weights, activation: Some(Activation::Tanh) };
    let input: Input = "wstats+probes".parse().unwrap();
    let whole = input.table(&Context::default(), &networks).unwrap();
    crate::par::with_threads(1, || {
        let blocks: Vec<_> = networks.blocks(whole.width()).collect();
        assert!(blocks.len() > 2, "{blocks:?}");
        let mut seen = Table::default();
        for block in blocks {
            let table = input.table(&Context::default(), &networks.part(block)).unwrap();
            seen.x.extend(table.x);
            seen.origin.networks.extend(table.origin.networks);
        }
        assert!(seen.x == whole.x && seen.origin.networks == whole.origin.networks);
        // wide tables come in smaller blocks, at least one network a thread
        assert_eq!(networks.blocks(usize::MAX / 8).count(), networks.count());
    });
}
