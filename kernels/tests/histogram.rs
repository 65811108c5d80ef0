//! Histograms and cuts against their reference, on every instruction set of this machine.

use proptest::prelude::*;
use zoometry_kernels::Isa;
use zoometry_kernels::histogram::{
    Bin, Codes, GROUP, GainRule, Leaf, Packing, add, build, build_weighted, gather, scan, storage, subtract,
};
use zoometry_kernels::reference::histogram as reference;

#[derive(Clone, Debug)]
struct Case {
    packing: Packing,
    codes: Vec<[u8; GROUP]>,
    rows: Vec<u32>,
    values: Vec<i32>,
    bins: usize,
}

fn case() -> impl Strategy<Value = Case> {
    (1usize..300, 1usize..256, prop_oneof![Just(100usize), Just(32_768), Just(Packing::MAX_ROWS)]).prop_flat_map(
        |(rows, bins, of)| {
            let packing = Packing::new(of.max(rows)).unwrap();
            let limit = packing.limit();
            let codes = prop::collection::vec(prop::array::uniform8(0..bins as u8), rows);
            let chosen = prop::collection::vec((0..rows as u32, -limit..=limit), 1..=rows);
            (codes, chosen).prop_map(move |(codes, chosen)| {
                let (rows, values) = chosen.into_iter().unzip();
                Case { packing, codes, rows, values, bins }
            })
        },
    )
}

impl Case {
    fn build(&self, isa: Isa) -> Vec<Bin> {
        // the group is the second of three; the others have codes that must not be counted
        let words: Vec<[u8; GROUP]> = self.codes.iter().flat_map(|&word| [[255; GROUP], word, [254; GROUP]]).collect();
        let (m, codes) = (self.rows.len(), Codes { words: &words, groups: 3 });
        let mut words = vec![[0; GROUP]; 2 * m];
        gather(isa, codes, 1, &self.rows, &mut words);
        assert!(words[m..].iter().all(|&word| word == [254; GROUP]));
        let mut bins = vec![Bin::default(); storage(self.bins)];
        build(isa, self.packing, &self.values, &words[..m], &mut bins);
        bins
    }

    fn reference(&self, feature: usize) -> Vec<reference::Bin> {
        let mut bins = vec![reference::Bin::default(); self.bins];
        let codes = self.rows.iter().map(|&row| self.codes[row as usize][feature]);
        reference::build(codes, self.values.iter().map(|&v| f64::from(v)), &mut bins);
        bins
    }

    fn leaf(&self) -> Leaf {
        Leaf { gradient: self.values.iter().map(|&v| i64::from(v)).sum(), count: self.rows.len() as u32 }
    }
}

proptest! {
    #[test]
    fn histograms_are_exact(case in case()) {
        for isa in Isa::available() {
            let bins = case.build(isa);
            for feature in 0..GROUP {
                for (bin, expected) in bins.iter().zip(case.reference(feature)) {
                    let (gradient, count) = case.packing.unpack(bin.0[feature]);
                    prop_assert_eq!((gradient as f64, f64::from(count)), (expected.gradient, expected.count));
                }
            }
        }
    }

    #[test]
    fn histograms_of_weights_are_exact(
        rows in prop::collection::vec((prop::array::uniform8(0u8..16), -1.0..1.0f64, 0.0..1.0f64), 1..300),
        of in prop_oneof![Just(100usize), Just(32_767), Just(Packing::MAX_ROWS)],
    ) {
        let packing = Packing::weighted(of.max(rows.len())).unwrap();
        let (gradient, weight) = (f64::from(packing.limit()), f64::from(packing.weight_limit()));
        let words: Vec<[u8; GROUP]> = rows.iter().map(|row| row.0).collect();
        let values: Vec<i32> = rows.iter().map(|row| (row.1 * gradient) as i32).collect();
        let weights: Vec<u32> = rows.iter().map(|row| (row.2 * weight) as u32).collect();
        for isa in Isa::available() {
            let mut bins = vec![Bin::default(); 16];
            build_weighted(isa, packing, &values, &weights, &words, &mut bins);
            for feature in 0..GROUP {
                let mut expected = vec![reference::Bin::default(); 16];
                let codes = words.iter().map(|word| word[feature]);
                let (g, w) = (values.iter().map(|&g| f64::from(g)), weights.iter().map(|&w| f64::from(w)));
                reference::build_weighted(codes, g, w, &mut expected);
                for (bin, expected) in bins.iter().zip(expected) {
                    let (gradient, weight) = packing.unpack(bin.0[feature]);
                    prop_assert_eq!((gradient as f64, f64::from(weight)), (expected.gradient, expected.count));
                }
            }
        }
    }

    #[test]
    fn a_sibling_is_parent_minus_child(case in case(), part in 0.0..1.0f64) {
        let middle = (case.rows.len() as f64 * part) as usize;
        let of = |range: std::ops::Range<usize>| Case {
            rows: case.rows[range.clone()].to_vec(),
            values: case.values[range].to_vec(),
            ..case.clone()
        };
        for isa in Isa::available() {
            let mut rest = case.build(isa);
            subtract(isa, &mut rest, &of(0..middle).build(isa));
            prop_assert_eq!(&rest, &of(middle..case.rows.len()).build(isa));
            add(isa, &mut rest, &of(0..middle).build(isa));
            prop_assert_eq!(rest, case.build(isa));
        }
    }

    #[test]
    fn the_best_cut_is_that_of_the_reference(
        case in case(),
        lambda in prop_oneof![Just(0.0), 0.1..20.0f64],
        alpha in prop_oneof![Just(0.0), Just(0.3)],
        min_count in 1u32..30,
        missing in any::<bool>(),
    ) {
        let alpha = alpha * f64::from(case.packing.limit());
        let (leaf, rule) = (case.leaf(), GainRule { lambda, alpha, min_count });
        let mut isas = Vec::new();
        for isa in Isa::available() {
            let bins = case.build(isa);
            // the last bin as that of the missing values, which go left
            let start = if missing { bins[case.bins - 1].0 } else { [0; GROUP] };
            let cuts = scan(isa, case.packing, &bins[..case.bins], &start, leaf, rule);
            for (feature, cut) in cuts.iter().enumerate() {
                let bins = case.reference(feature);
                let start = if missing { bins[case.bins - 1] } else { reference::Bin::default() };
                let (mut best, mut found) = (0.0f64, 0.0);
                reference::gains(&bins, start, leaf, rule, |b, gain| {
                    best = best.max(gain.unwrap_or(0.0));
                    if b == cut.bin as usize {
                        found = gain.unwrap_or(0.0).max(0.0);
                    }
                });
                let tolerance = 1e-9 * best + 1e-12 * rule.score(leaf) + 1e-9;
                prop_assert!((cut.gain - best).abs() <= tolerance, "{} is not {best} on {}", cut.gain, isa.kind());
                prop_assert!((found - best).abs() <= tolerance, "bin {} has {found}, not {best}", cut.bin);
            }
            isas.push((isa.kind(), cuts));
        }
        for (kind, cuts) in &isas {
            prop_assert_eq!(cuts, &isas[0].1, "{} differs from {}", kind, isas[0].0);
        }
    }
}

#[test]
fn sums_of_the_most_rows_fit() {
    for rows in [1, 2047, 2048, 100_000, Packing::MAX_ROWS] {
        for packing in [Packing::new(rows).unwrap(), Packing::weighted(rows).unwrap()] {
            let weight = packing.weight_limit();
            for gradient in [packing.limit(), -packing.limit()] {
                let sum = packing.pack(gradient, weight).wrapping_mul(2 * rows as u64);
                assert_eq!(packing.unpack(sum), (2 * rows as i64 * i64::from(gradient), 2 * rows as u32 * weight));
            }
        }
    }
    assert!(Packing::weighted(Packing::MAX_ROWS + 1).is_none());
    assert!(Packing::new(Packing::MAX_ROWS + 1).is_none());
    eprintln!("ISAs: {:?}", Isa::available().map(|isa| isa.kind().name()).collect::<Vec<_>>());
}
