//! Walks down trees and divided leaves against their reference, on every instruction set of this machine.

use proptest::prelude::*;
use zoometry_kernels::reference::tree as reference;
use zoometry_kernels::tree::{
    MAX_LEAVES, Node, QsFeature, QsNode, QsSortedNode, WALKS, add_leaf_values, keys, partition, rule_out, walk,
};
use zoometry_kernels::{Isa, LANES, Lanes};

const KEYS: usize = 6;

/// A tree over [`KEYS`] keys: each pair of numbers says which leaf is cut next, and how.
fn tree(cuts: &[(usize, u16, f32)]) -> Vec<Node> {
    let leaf = Node { threshold: f32::INFINITY, key: 0, step: 0 };
    let mut nodes = vec![leaf];
    for &(which, key, threshold) in cuts {
        let leaves: Vec<usize> = (0..nodes.len()).filter(|&i| nodes[i].step == 0).collect();
        let at = leaves[which % leaves.len()];
        nodes[at] = Node { threshold, key, step: (nodes.len() - at) as u16 };
        nodes.extend([leaf; 2]);
    }
    nodes
}

/// The tests of a tree and the nodes of its leaves, from left to right.
fn tests(nodes: &[Node], at: usize, tests_out: &mut Vec<QsNode>, leaves: &mut Vec<usize>) -> u32 {
    let node = nodes[at];
    if node.step == 0 {
        leaves.push(at);
        return 1 << (leaves.len() - 1);
    }
    let left = at + usize::from(node.step);
    let left_leaves = tests(nodes, left, tests_out, leaves);
    tests_out.push(QsNode { threshold: node.threshold, key: node.key.into(), left_leaves });
    left_leaves | tests(nodes, left + 1, tests_out, leaves)
}

fn cuts() -> impl Strategy<Value = Vec<(usize, u16, f32)>> {
    prop::collection::vec((0usize..64, 0..KEYS as u16, (-4i8..4).prop_map(f32::from)), 0..MAX_LEAVES)
}

/// Sixteen rows of keys, infinite ones among them.
fn rows() -> impl Strategy<Value = Vec<Vec<f32>>> {
    let key = prop_oneof![-5.0..5.0f32, (-4i8..4).prop_map(f32::from), Just(f32::INFINITY), Just(f32::NEG_INFINITY)];
    prop::collection::vec(prop::collection::vec(key, KEYS), LANES)
}

proptest! {
    #[test]
    fn all_ways_down_lead_to_the_same_leaf(trees in prop::collection::vec(cuts(), 1..5), rows in rows()) {
        let (mut all_tests, mut ends, mut values) = (Vec::new(), Vec::new(), Vec::new());
        let mut expected = [0.25; LANES];
        for cuts in &trees {
            let nodes = tree(cuts);
            let mut leaves = Vec::new();
            tests(&nodes, 0, &mut all_tests, &mut leaves);
            ends.push(all_tests.len() as u32);
            let mut of_leaf = [0.0; MAX_LEAVES];
            for (i, &node) in leaves.iter().enumerate() {
                of_leaf[i] = node as f32 + 0.1;
            }
            values.push(of_leaf);
            let ends: Vec<usize> = rows.iter().map(|keys| reference::walk(&nodes, keys, 0)).collect();
            for (sum, &end) in expected.iter_mut().zip(&ends) {
                *sum += f64::from(end as f32 + 0.1);
            }
            let mut at = [0; WALKS];
            let keys: [&[f32]; WALKS] = std::array::from_fn(|i| &rows[i][..]);
            walk(&nodes, keys, &mut at);
            prop_assert_eq!(at.map(|i| i as usize).to_vec(), ends[..WALKS].to_vec());
        }
        let block: Vec<Lanes> = (0..KEYS).map(|key| Lanes(std::array::from_fn(|lane| rows[lane][key]))).collect();
        for isa in Isa::available() {
            let mut sums = [0.25; LANES];
            add_leaf_values(isa, &all_tests, &ends, &block, &values, &mut sums);
            prop_assert_eq!(sums, expected, "{}", isa.kind());
        }
        // one row at a time, through the tests in order of key and threshold
        let tree_of = |i: usize| ends.iter().position(|&end| i < end as usize).unwrap() as u32;
        let mut order: Vec<usize> = (0..all_tests.len()).collect();
        order.sort_by(|&a, &b| {
            let (a, b) = (&all_tests[a], &all_tests[b]);
            a.key.cmp(&b.key).then(a.threshold.total_cmp(&b.threshold))
        });
        let ruling = |&i: &usize| {
            let QsNode { threshold, left_leaves, .. } = all_tests[i];
            QsSortedNode { threshold, tree: tree_of(i), left_leaves }
        };
        let rulings: Vec<QsSortedNode> = order.iter().map(ruling).collect();
        let end = |key: u32| order.partition_point(|&i| all_tests[i].key <= key) as u32;
        for stride in [1, 3, 1000] {
            let (mut snapshots, mut begin) = (Vec::new(), 0);
            let tested: Vec<QsFeature> = (0..KEYS as u32)
                .map(|column| {
                    let (snapshot, end) = ((snapshots.len() / LANES) as u32, end(column));
                    let mut out = [0; LANES];
                    for tests in rulings[begin..end as usize].chunks_exact(stride) {
                        tests.iter().for_each(|test| out[test.tree as usize] |= test.left_leaves);
                        snapshots.extend(out);
                    }
                    begin = end as usize;
                    QsFeature { column, side: 0, end, snapshot }
                })
                .collect();
            let finite = rows.iter().zip(expected).filter(|(row, _)| row.iter().all(|x| x.is_finite()));
            for ((row, expected), isa) in finite.flat_map(|pair| Isa::available().map(move |isa| (pair, isa))) {
                let mut ruled_out = [0; LANES];
                rule_out(isa, &rulings, &tested, &snapshots, stride, row, &mut ruled_out);
                let leaves = values.iter().zip(&ruled_out).map(|(values, word)| values[word.trailing_ones() as usize]);
                let sum = leaves.fold(0.25, |sum, value| sum + f64::from(value));
                prop_assert_eq!(sum, expected, "{}, stride {}", isa.kind(), stride);
            }
        }
    }

    #[test]
    fn a_leaf_is_divided_in_order(codes in prop::collection::vec(0u8..9, 1..200), goes in any::<[bool; 9]>()) {
        let mut goes_left = [false; 256];
        goes_left[..9].copy_from_slice(&goes);
        let rows: Vec<u32> = (0..codes.len() as u32).filter(|row| row % 3 != 1).collect();
        let left = |row: &&u32| goes_left[usize::from(codes[**row as usize])];
        let expected: Vec<u32> = rows.iter().filter(left).chain(rows.iter().filter(|row| !left(row))).copied().collect();
        let (mut got, mut scratch) = (rows.clone(), vec![7; rows.len()]);
        let middle = partition(&codes, &goes_left, &mut got, &mut scratch);
        prop_assert_eq!(&got, &expected);
        prop_assert_eq!(middle, rows.iter().filter(left).count());
    }
}

#[test]
fn keys_of_special_values() {
    let (inf, max) = (f32::INFINITY, f32::MAX);
    assert_eq!(keys(f32::NAN), [-inf, inf]);
    assert_eq!([keys(inf), keys(-inf), keys(max), keys(1.5)], [[max; 2], [-max; 2], [max; 2], [1.5; 2]]);
}
