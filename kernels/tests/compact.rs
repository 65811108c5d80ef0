//! Tables of trees: what they predict, and that no other bytes pass.

mod common;
use common::{Numbers, isas};
use zoometry_kernels::compact::{Compact, Refusal, crc32};
use zoometry_kernels::summary::summary;

/// What a table is made of, so that each part can be changed.
#[derive(Clone)]
struct Parts {
    base: f32,
    unit: f32,
    reach: f32,
    windows: Vec<u32>,
    ranges: Vec<f32>,
    ends: Vec<u16>,
    sizes: Vec<u16>,
    cuts: Vec<f32>,
    nodes: Vec<[u16; 2]>,
}

/// A test of a node: column, cut, distance to the left child.
fn test(column: u16, cut: u16, step: u16) -> [u16; 2] {
    [column | cut << 8, step]
}

fn leaf(value: i16) -> [u16; 2] {
    [value as u16, 0]
}

/// Two trees over one window of five weights: one asks for the minimum (column 0) twice, one for the mean (column 6).
fn parts() -> Parts {
    Parts {
        base: 0.5,
        unit: 0.125,
        reach: 0.25,
        windows: vec![5],
        ranges: [-2.0, 2.0].repeat(7),
        ends: vec![2, 2, 2, 2, 2, 2, 3],
        sizes: vec![5, 3],
        cuts: vec![-1.0, 0.5, 0.25],
        nodes: vec![test(0, 1, 1), test(0, 0, 2), leaf(-2), leaf(3), leaf(1), test(6, 0, 1), leaf(16), leaf(-16)],
    }
}

impl Parts {
    fn bytes(&self) -> Vec<u8> {
        let mut body: Vec<u8> = Vec::new();
        let shorts = |body: &mut Vec<u8>, words: &[u16]| words.iter().for_each(|word| body.extend(word.to_le_bytes()));
        let floats = |body: &mut Vec<u8>, words: &[f32]| words.iter().for_each(|word| body.extend(word.to_le_bytes()));
        shorts(&mut body, &[self.windows.len() as u16, self.sizes.len() as u16]);
        for word in [self.cuts.len() as u32, self.nodes.len() as u32] {
            body.extend(word.to_le_bytes());
        }
        floats(&mut body, &[self.base, self.unit, self.reach]);
        self.windows.iter().for_each(|word| body.extend(word.to_le_bytes()));
        floats(&mut body, &self.ranges);
        shorts(&mut body, &self.ends);
        shorts(&mut body, &self.sizes);
        floats(&mut body, &self.cuts);
        shorts(&mut body, self.nodes.as_flattened());
        [b"ZMC1", &crc32(&body).to_le_bytes()[..], &body].concat()
    }
}

#[test]
fn leaves_are_added_to_the_base() {
    let bytes = parts().bytes();
    // from an address that is no multiple of four as well: nothing is cast
    for offset in 0..4 {
        let moved = [&vec![0; offset][..], &bytes].concat();
        let table = Compact::new(&moved[offset..]).unwrap();
        assert_eq!((table.trees(), table.columns(), table.weights(), table.reach()), (2, 7, 5, Some(0.25)));
        for (minimum, mean, units) in [
            (-2.0, 0.0, 3 + 16),
            (-1.0, 0.25, 3 + 16),
            (0.0, 0.5, 1 - 16),
            (0.5, -9.0, 1 + 16),
            (f32::INFINITY, 1.0, -2 - 16),
        ] {
            let columns = [minimum, 9.0, 9.0, 9.0, 9.0, 9.0, mean];
            assert_eq!(table.predict(&columns), 0.5 + 0.125 * units as f32, "{minimum} {mean}");
        }
        assert!(table.predict(&[0.0, 0.0, f32::NAN, 0.0, 0.0, 0.0, 0.0]).is_nan());
        assert_eq!(table.outside(&[-2.0, 2.0, 2.1, f32::NAN, f32::INFINITY, 0.0, 0.0]), 3);
    }
}

#[test]
fn columns_are_summaries_of_the_windows() {
    let windows = vec![1, 200, 16, 700];
    let parts = Parts { windows, ranges: [-2.0, 2.0].repeat(28), ends: vec![3; 28], ..parts() };
    // all three cuts are those of column 0
    let parts = Parts { cuts: vec![-1.0, 0.0, 1.0], nodes: vec![leaf(1); 2], sizes: vec![1, 1], ..parts };
    let bytes = parts.bytes();
    let table = Compact::new(&bytes).unwrap();
    let weights = Numbers(4).vec(917);
    for isa in isas() {
        let (mut scratch, mut columns) = (vec![0.0; table.scratch_len()], [0.0; 28]);
        table.summarize(isa, &weights, &mut scratch, &mut columns);
        for (window, range) in [0..1, 1..201, 201..217, 217..917].into_iter().enumerate() {
            let expected = summary(isa, &weights[range.clone()], &mut scratch);
            assert_eq!(columns[7 * window..][..7], expected);
            let mut sorted = weights[range].to_vec();
            sorted.sort_by(f32::total_cmp);
            assert_eq!([expected[0], expected[4]], [sorted[0], sorted[sorted.len() - 1]], "minimum and maximum");
        }
    }
}

#[test]
fn every_impossible_part_is_refused() {
    let refused = |change: &dyn Fn(&mut Parts), refusal: Refusal| {
        let mut parts = parts();
        change(&mut parts);
        assert_eq!(Compact::new(&parts.bytes()).err(), Some(refusal));
    };
    assert!(Compact::new(&parts().bytes()).is_ok());
    refused(&|parts| parts.windows[0] = 0, Refusal::Windows);
    refused(&|parts| parts.windows[0] = 1 << 28, Refusal::Windows);
    refused(&|parts| parts.cuts[1] = -1.0, Refusal::Cuts);
    refused(&|parts| parts.cuts[0] = f32::NEG_INFINITY, Refusal::Cuts);
    refused(&|parts| parts.cuts[0] = f32::NAN, Refusal::Cuts);
    refused(&|parts| parts.ends[6] = 2, Refusal::Cuts);
    refused(&|parts| parts.ends[3] = 4, Refusal::Cuts);
    refused(&|parts| parts.ends[0] = 3, Refusal::Cuts);
    refused(&|parts| parts.nodes[0] = test(7, 0, 1), Refusal::Nodes);
    refused(&|parts| parts.nodes[0] = test(0, 2, 1), Refusal::Nodes);
    refused(&|parts| parts.nodes[0] = test(1, 0, 1), Refusal::Nodes);
    refused(&|parts| parts.nodes[0] = test(0, 0, 4), Refusal::Nodes);
    refused(&|parts| parts.nodes[7] = test(6, 0, 1), Refusal::Nodes);
    refused(&|parts| parts.sizes = vec![5, 4], Refusal::Nodes);
    refused(&|parts| parts.sizes = vec![5, 2], Refusal::Nodes);
    refused(&|parts| parts.sizes = vec![8, 0], Refusal::Nodes);
    refused(&|parts| parts.base = f32::NAN, Refusal::Values);
    refused(&|parts| parts.unit = f32::INFINITY, Refusal::Values);
    refused(&|parts| parts.unit = f32::MAX, Refusal::Values);
    refused(&|parts| parts.reach = -0.1, Refusal::Values);
    refused(&|parts| parts.ranges[4] = f32::NAN, Refusal::Values);
    refused(&|parts| parts.ranges[4] = 3.0, Refusal::Values);
    let bytes = parts().bytes();
    for length in 0..bytes.len() {
        assert!(Compact::new(&bytes[..length]).is_err(), "{length} bytes");
    }
    for at in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[at] ^= 4;
        assert!(Compact::new(&changed).is_err(), "byte {at}");
    }
    assert_eq!(Compact::new(b"ZMC").err(), Some(Refusal::Length));
    assert_eq!(Compact::new(&[&b"ZMC2"[..], &bytes[4..]].concat()).err(), Some(Refusal::Magic));
}
