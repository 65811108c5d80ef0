use super::*;
use crate::Context;
use crate::eval::{Parts, conformal};
use crate::kernels::Isa;
use crate::kernels::compact::{Compact, crc32};
use crate::predictor::Options;
use crate::predictor::boost::{Boost, Params, fit};
use crate::rng::Stream;
use crate::table::Table;

/// Rows of fourteen columns and a target that some of them make.
fn table(rows: usize, seed: u64) -> Table {
    let mut stream = Stream::new(seed, 0, 0);
    let x: Vec<f32> = (0..14 * rows).map(|_| stream.normal() as f32).collect();
    let y = x.chunks(14).map(|x| (0.5 + 0.1 * x[2] + 0.2 * x[7].sin() * x[11].signum()).clamp(0.0, 1.0)).collect();
    Table {
        columns: (0..14).map(|c| c.to_string()).collect(),
        x,
        y,
        group: (0..rows as u64).collect(),
        ..Table::default()
    }
}

const RANGES: [[f32; 2]; 14] = [[-3.0, 3.0]; 14];

fn boost(leaves: usize, trees: usize) -> Boost {
    let params = Params { num_leaves: leaves, n_estimators: trees, ..Params::default() };
    fit(&Context::default(), &table(600, 1), None, &params, &mut |_| ()).unwrap()
}

#[test]
fn a_table_predicts_what_the_trees_do() {
    for (leaves, trees) in [(2, 1), (8, 40), (31, 100)] {
        let boost = boost(leaves, trees);
        let bytes = encode(boost.base, &boost.trees, &[5, 9], &RANGES, Some(0.25)).unwrap();
        assert_eq!(bytes.len(), encode::size(&boost.trees, 2));
        let table = Compact::new(&bytes).unwrap();
        assert_eq!((table.trees(), table.columns(), table.weights(), table.reach()), (trees, 14, 14, Some(0.25)));
        let largest = boost.trees.iter().flat_map(|tree| &tree.nodes).map(|node| node.value.abs()).fold(0.0, f32::max);
        let others = self::table(300, 2);
        for row in 0..others.rows() {
            let (got, expected) = (table.predict(others.row(row)), boost.predict_row(Isa::detect(), others.row(row)));
            // half a unit a tree, and the roundings of f32
            assert!((got - expected).abs() <= largest / 65_534.0 * trees as f32 + 1e-6, "{got} {expected}");
        }
        let mut row = [0.5; 14];
        assert_eq!(table.outside(&row), 0);
        (row[0], row[5], row[9], row[13]) = (3.0, 3.1, -f32::INFINITY, f32::NAN);
        assert_eq!(table.outside(&row), 3, "the bound itself is inside");
        // thresholds are exact: a value on one goes left, the next one right
        let node = boost.trees[0].nodes[0];
        let mut row = others.row(0).to_vec();
        for (value, child) in [(node.threshold, 0), (node.threshold.next_up(), 1)] {
            row[node.feature as usize] = value;
            let one = encode(0.0, &boost.trees[..1], &[5, 9], &RANGES, None).unwrap();
            let got = Compact::new(&one).unwrap().predict(&row);
            assert!((got - boost.trees[0].predict(&row)).abs() <= largest / 65_534.0 + 1e-9, "child {child}");
        }
    }
}

#[test]
fn what_has_no_room_is_refused() {
    let boost = boost(8, 40);
    assert!(encode(0.0, &boost.trees, &[1; 37], &[[0.0, 1.0]; 7 * 37], None).is_err(), "windows");
    assert!(encode(f64::NAN, &boost.trees, &[5, 9], &RANGES, None).is_err(), "base");
    assert!(encode(0.0, &[], &[5, 9], &RANGES, None).is_err(), "trees");
    assert!(encode(0.0, &boost.trees, &[5, 9], &RANGES[1..], None).is_err(), "ranges");
    assert!(encode(0.0, &boost.trees, &[5, 9], &[[1.0, 0.0]; 14], None).is_err(), "a range from above to below");
}

/// The table with another checksum.
fn signed(mut bytes: Vec<u8>) -> Vec<u8> {
    let checksum = crc32(&bytes[8..]).to_le_bytes();
    bytes[4..8].copy_from_slice(&checksum);
    bytes
}

#[test]
fn changed_bytes_are_refused_and_hostile_ones_do_no_harm() {
    let boost = boost(8, 10);
    let bytes = encode(boost.base, &boost.trees, &[5, 9], &RANGES, None).unwrap();
    let rows = table(5, 3);
    let mut stream = Stream::new(9, 0, 0);
    let (mut refused, mut passed) = (0, 0);
    for _ in 0..20_000 {
        let mut changed = bytes.clone();
        let at = stream.below(bytes.len() as u32) as usize;
        changed[at] ^= 1 << stream.below(8);
        assert!(Compact::new(&changed).is_err(), "a flipped bit at {at}");
        if stream.below(2) == 0 {
            changed[at] = stream.below(256) as u8;
        }
        // an attacker knows how to make a checksum
        let changed = signed(changed);
        match Compact::new(&changed) {
            Err(_) => refused += 1,
            Ok(table) => {
                passed += 1;
                for row in 0..rows.rows() {
                    assert!(table.columns() != 14 || !table.predict(rows.row(row)).is_nan());
                }
            }
        }
    }
    assert!(refused > 1000 && passed > 1000, "{refused} {passed}");
    for length in 0..bytes.len() {
        assert!(Compact::new(&bytes[..length]).is_err(), "{length} bytes");
    }
    assert!(Compact::new(&[&bytes[..], &[0]].concat()).is_err(), "a byte more");
}

#[test]
fn checksums_are_those_of_everybody() {
    assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
}

#[test]
fn intervals_hold_on_rows_never_seen() {
    // what no predictor can know is most of the error
    let noisy = |rows, seed| {
        let mut table = table(rows, seed);
        let mut stream = Stream::new(seed, 1, 0);
        table.y.iter_mut().for_each(|y| *y = (*y + 0.05 * stream.normal() as f32).clamp(0.0, 1.0));
        table
    };
    let parts = Parts { train: noisy(200, 1), validation: noisy(60, 2), test: noisy(4000, 3), repeated: 0 };
    let options = Options::networks("gbm").unwrap();
    let teacher = parts.fit(&Context::default(), &options).unwrap();
    let bytes = distill(&Context::default(), &teacher, &parts, &[5, 9], 2048).unwrap();
    let small = Compact::new(&bytes).unwrap();
    let predicted: Vec<f32> = (0..parts.test.rows()).map(|row| small.predict(parts.test.row(row))).collect();
    let held = conformal::coverage(&predicted, &parts.test.y, small.reach().unwrap());
    let [low, high] = conformal::chance(260, 0.9, 4000).unwrap();
    assert!((low..=high).contains(&held), "{held} is not in {low} to {high}");
}
