//! The probes' numbers against their definitions, on every ISA of this machine.

mod common;
use common::{Numbers, assert_close, isas};
use zoometry_kernels::activation::{Activation, apply};
use zoometry_kernels::probes::{
    LAYER, NUMBERS, Name, OUTPUT, PROBES, Response, numbers, output, response_len, scratch_len,
};
use zoometry_kernels::{Block, Isa, LANES, TILE};

const POSITIONS: usize = 4;
const TANH: Activation = Activation::Tanh;

/// Maps of a layer of so many units for all probes behind their activation, tile by tile.
fn maps(units: usize) -> Vec<Vec<Block>> {
    let mut random = Numbers(units as u64);
    let mut tile = || {
        let mut map = random.blocks(POSITIONS * units.div_ceil(LANES));
        for lanes in map.as_flattened_mut() {
            // some saturate
            lanes.0.iter_mut().for_each(|z| *z *= 4.0);
            apply(Isa::detect(), TANH, std::slice::from_mut(&mut lanes.0));
        }
        map
    };
    (0..PROBES / TILE).map(|_| tile()).collect()
}

fn by_tiles(isa: Isa, units: usize, maps: &[Vec<Block>]) -> [f64; LAYER.len()] {
    let mut response = Response::new(vec![0.0; response_len(units)]);
    // what was there before does not matter
    response.add_tile(isa, 1, &maps[0], TANH);
    response.clear();
    maps.iter().enumerate().for_each(|(tile, map)| response.add_tile(isa, tile, map, TANH));
    response.numbers(isa, &mut vec![f64::NAN; scratch_len(units)])
}

fn mean(x: &[f64]) -> f64 {
    x.iter().sum::<f64>() / x.len() as f64
}

fn deviation(x: &[f64]) -> f64 {
    let centre = mean(x);
    mean(&x.iter().map(|x| (x - centre) * (x - centre)).collect::<Vec<_>>()).sqrt()
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn columns(rows: &[Vec<f64>]) -> Vec<Vec<f64>> {
    (0..rows[0].len()).map(|c| rows.iter().map(|row| row[c]).collect()).collect()
}

/// `(Σλ)² / Σλ²` of the covariance of the columns.
fn rank(rows: &[Vec<f64>]) -> f64 {
    let centred: Vec<Vec<f64>> =
        columns(rows).iter().map(|column| column.iter().map(|x| x - mean(column)).collect()).collect();
    let trace: f64 = centred.iter().map(|a| dot(a, a)).sum();
    let squares: f64 = centred.iter().flat_map(|a| centred.iter().map(move |b| dot(a, b).powi(2))).sum();
    trace * trace / squares
}

/// Of pairs of different rows, weighted by their lengths.
fn cosine(rows: &[Vec<f64>]) -> f64 {
    let pairs = || (0..rows.len()).flat_map(|a| (0..a).map(move |b| (&rows[a], &rows[b])));
    let lengths: f64 = pairs().map(|(a, b)| (dot(a, a) * dot(b, b)).sqrt()).sum();
    pairs().map(|(a, b)| dot(a, b)).sum::<f64>() / lengths
}

fn layer_by_definition(units: usize, maps: &[Vec<Block>]) -> Vec<f64> {
    let blocks = units.div_ceil(LANES);
    let outputs = |n: usize, c: usize| {
        let map = &maps[n / TILE];
        (0..POSITIONS).map(move |at| f64::from(map[at * blocks + c / LANES][n % TILE].0[c % LANES])).collect::<Vec<_>>()
    };
    let each = |value: &dyn Fn(&[f64]) -> f64| -> Vec<Vec<f64>> {
        (0..PROBES).map(|n| (0..units).map(|c| value(&outputs(n, c))).collect()).collect()
    };
    let means = each(&mean);
    let scale = mean(&each(&|y| dot(y, y) / y.len() as f64).concat()).sqrt();
    let responsive = each(&|y| y.iter().filter(|y| y.abs() < 0.95).count() as f64 / y.len() as f64);
    let responsive: Vec<f64> = columns(&responsive).iter().map(|column| mean(column)).collect();
    let deviations: Vec<f64> = columns(&means).iter().map(|column| deviation(column)).collect();
    let centres: Vec<f64> = columns(&means).iter().map(|column| mean(column)).collect();
    let spread = (dot(&deviations, &deviations) / units as f64).sqrt();
    let silent = deviations.iter().filter(|&&deviation| deviation <= 1e-4 * scale).count() as f64 / units as f64;
    vec![
        scale.ln(),
        mean(&centres),
        spread.ln(),
        (spread / scale).ln(),
        deviation(&centres).max(1e-12).ln(),
        silent,
        mean(&responsive),
        deviation(&responsive),
        rank(&means),
        cosine(&means),
    ]
}

/// Fewer units than probes, and more; blocks that are not full.
#[test]
fn layers_are_described_by_definition() {
    for units in [1, 3, 16, 23, 40] {
        let mut maps = maps(units);
        if units > 1 {
            // the first says the same to all
            let blocks = units.div_ceil(LANES);
            maps.iter_mut().flat_map(|map| map.iter_mut().step_by(blocks)).flatten().for_each(|y| y.0[0] = 0.5);
        }
        let expected = layer_by_definition(units, &maps);
        let first = by_tiles(Isa::detect(), units, &maps);
        for isa in isas() {
            let got = by_tiles(isa, units, &maps);
            assert_eq!(got.map(f64::to_bits), first.map(f64::to_bits), "{} gives other bits", isa.kind());
        }
        // sums over a map are in f32
        assert_close(&first, &expected, 1e-6, 1e-6, &format!("{units} units"));
    }
}

#[test]
fn images_one_by_one_have_the_bits_of_their_tiles() {
    for units in [3, 16] {
        let maps = maps(units);
        for isa in isas() {
            let mut response = Response::new(vec![0.0; response_len(units)]);
            for n in 0..PROBES {
                let map: Vec<[f32; LANES]> = maps[n / TILE].iter().map(|position| position[n % TILE].0).collect();
                response.add(n, &map, TANH);
            }
            let got = response.numbers(isa, &mut vec![f64::NAN; scratch_len(units)]);
            assert_eq!(got.map(f64::to_bits), by_tiles(isa, units, &maps).map(f64::to_bits), "{}", isa.kind());
        }
    }
}

fn entropy(p: &[f64]) -> f64 {
    -p.iter().filter(|&&p| p > 0.0).map(|p| p * p.ln()).sum::<f64>() / (p.len() as f64).ln()
}

fn output_by_definition(rows: &[Vec<f64>]) -> Vec<f64> {
    let classes = rows[0].len();
    let centred: Vec<Vec<f64>> = rows.iter().map(|row| row.iter().map(|z| z - mean(row)).collect()).collect();
    let mut deviations: Vec<f64> = columns(&centred).iter().map(|column| deviation(column)).collect();
    let spread = (dot(&deviations, &deviations) / classes as f64).sqrt();
    let bias = deviation(&columns(&centred).iter().map(|column| mean(column)).collect::<Vec<_>>());
    deviations.sort_by(f64::total_cmp);
    let sorted = |row: &Vec<f64>| {
        let mut row = row.clone();
        row.sort_by(|a, b| b.total_cmp(a));
        row
    };
    let softmax = |row: &Vec<f64>| {
        let sum: f64 = row.iter().map(|z| z.exp()).sum();
        row.iter().map(|z| z.exp() / sum).collect::<Vec<f64>>()
    };
    let p: Vec<Vec<f64>> = rows.iter().map(softmax).collect();
    let each = |value: &dyn Fn(&Vec<f64>) -> f64, rows: &[Vec<f64>]| rows.iter().map(value).collect::<Vec<f64>>();
    let entropies = each(&|p| entropy(p), &p);
    let of_mean = entropy(&columns(&p).iter().map(|column| mean(column)).collect::<Vec<_>>());
    let mut answers = vec![0.0; classes];
    for row in rows {
        let largest = row.iter().copied().fold(f64::MIN, f64::max);
        answers[row.iter().position(|&z| z == largest).unwrap()] += 1.0 / PROBES as f64;
    }
    let mut expected =
        vec![mean(&each(&|row| deviation(row), rows)).ln(), bias.ln(), spread.ln(), (spread / bias).ln()];
    expected.extend((0..5).map(|quarter| deviations[quarter * (classes - 1) / 4].ln()));
    expected.extend([rank(&centred), cosine(&centred)]);
    expected.push(mean(&each(&|row| sorted(row)[0] - sorted(row)[1], rows)).ln());
    expected.extend([mean(&entropies), deviation(&entropies), of_mean, of_mean - mean(&entropies)]);
    expected.push(mean(&each(&|p| sorted(p)[0], &p)));
    expected.push(answers.iter().filter(|&&share| share > 0.0).count() as f64);
    expected.push(entropy(&answers));
    expected
}

#[test]
fn logits_are_described_by_definition() {
    for classes in [2, 10, 30] {
        let mut random = Numbers(classes as u64);
        let logits: Vec<f64> = random.vec(PROBES * classes).iter().map(|&z| f64::from(3.0 * z)).collect();
        let expected = output_by_definition(&logits.chunks(classes).map(<[f64]>::to_vec).collect::<Vec<_>>());
        for isa in isas() {
            let mut scratch = vec![f64::NAN; scratch_len(classes)];
            let got = output(isa, classes, &mut logits.clone(), &mut scratch);
            assert_close(&got, &expected, 1e-9, 1e-9, &format!("{classes} classes on {}", isa.kind()));
        }
    }
}

#[test]
fn stages_are_the_first_the_last_and_the_mean_between() {
    let layer = |value: f64| [value; LAYER.len()];
    let of = |layers: &[f64]| {
        let layers: Vec<_> = layers.iter().map(|&value| layer(value)).collect();
        let all = numbers(&layers, &[7.0; OUTPUT.len()]);
        assert!(all[3 * LAYER.len()..].iter().all(|&number| number == 7.0));
        [0, 1, 2].map(|stage| all[stage * LAYER.len() + 4])
    };
    assert_eq!(of(&[1.0, 2.0, 4.0, 8.0]), [1.0, 3.0, 8.0]);
    let [first, middle, last] = of(&[1.0]);
    assert!(first == 1.0 && middle.is_nan() && last == 1.0);
    assert!(of(&[]).iter().all(|number| number.is_nan()));
}

#[test]
fn every_number_has_a_name_of_its_own() {
    let names: std::collections::BTreeSet<String> = (0..NUMBERS).map(|number| Name(number).to_string()).collect();
    assert_eq!(names.len(), NUMBERS);
    assert_eq!(Name(0).to_string(), "probes.first.scale");
    assert_eq!(Name(NUMBERS - 1).to_string(), "probes.answers.variety");
}
