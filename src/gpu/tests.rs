//! Every shader that stands alone against its definition, on the first adapter of this machine, and what goes wrong on one.

use super::*;
use crate::kernels::random::philox;
use crate::kernels::reference::{conv, quantile, reduce};
use crate::rng::Stream;

/// A GPU; without one a test is skipped, which `ZOOMETRY_NEED=gpu` forbids.
pub(crate) fn card() -> Option<Gpu> {
    match Gpu::open(None) {
        Ok(gpu) => Some(gpu),
        Err(error) => {
            assert!(!crate::needed("gpu"), "{error}");
            eprintln!("SKIPPED: {error}");
            None
        }
    }
}

fn noise(seed: u64, n: usize) -> Vec<f32> {
    let mut stream = Stream::new(seed, 0, 0);
    (0..n).map(|_| stream.normal() as f32).collect()
}

fn wide(x: &[f32]) -> Vec<f64> {
    x.iter().map(|&x| f64::from(x)).collect()
}

/// The largest difference, relative to the largest expected value.
fn distance(got: &[f32], expected: &[f64]) -> f64 {
    assert_eq!(got.len(), expected.len());
    let largest = expected.iter().fold(1e-30, |largest: f64, x| largest.max(x.abs()));
    let distances = got.iter().zip(expected).map(|(&got, expected)| (f64::from(got) - expected).abs());
    distances.fold(0.0, |worst: f64, d| if d.is_nan() { f64::INFINITY } else { worst.max(d) }) / largest
}

#[test]
fn philox_has_the_bits_of_the_cpu() {
    let Some(gpu) = card() else { return };
    let mut stream = Stream::new(3, 0, 0);
    let mut counters: Vec<[u32; 4]> = (0..1000).map(|_| std::array::from_fn(|_| stream.next_u32())).collect();
    counters.extend([[0; 4], [u32::MAX; 4], [0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344]]);
    let pipeline = gpu.pipeline(&gpu.random(), "philox_blocks", &[]).unwrap();
    for key in [[0, 0], [u32::MAX, u32::MAX], [0xa409_3822, 0x299f_31d0]] {
        let blocks = gpu.uniform("blocks", &[key[0], key[1], counters.len() as u32, 0]).unwrap();
        let from = gpu.upload("counters", &counters).unwrap();
        let to = gpu.zeros("words", counters.len() as u64 * 16).unwrap();
        let bindings = [(0, &blocks), (1, &from), (2, &to)];
        gpu.submit(&Dispatch { pipeline: &pipeline, bindings: &bindings, groups: [counters.len().div_ceil(64), 1] });
        let words: Vec<[u32; 4]> = gpu.download(&to, 0, counters.len()).unwrap();
        let expected: Vec<[u32; 4]> = counters.iter().map(|&counter| philox(counter, key)).collect();
        assert_eq!(words, expected);
    }
}

/// Images, side, input and output channels, side of the kernel, stride, zeros before.
const SHAPES: [[usize; 7]; 6] = [
    [3, 28, 1, 16, 3, 2, 0],
    [2, 13, 16, 16, 3, 2, 0],
    [5, 6, 16, 16, 3, 2, 0],
    [2, 7, 5, 3, 3, 1, 1],
    [1, 9, 4, 7, 5, 2, 2],
    [7, 1, 16, 10, 1, 1, 0],
];

fn dims([images, side, inputs, outputs, kernel, stride, before]: [usize; 7]) -> conv::Dims {
    let p = (side + 2 * before - kernel) / stride + 1;
    conv::Dims {
        images,
        height: side,
        width: side,
        inputs,
        outputs,
        kernel: [kernel; 2],
        stride,
        top: before,
        left: before,
        p,
        q: p,
    }
}

#[test]
fn convolutions_agree_with_their_definitions() {
    let Some(gpu) = card() else { return };
    let pipeline = |entry| gpu.pipeline(&[shader::CONV], entry, &[]).unwrap();
    let [forward, input, weight] = ["forward", "backward_input", "backward_weight"].map(pipeline);
    for shape in SHAPES {
        let d = dims(shape);
        let (x, y) = (d.images * d.height * d.width * d.inputs, d.images * d.p * d.q * d.outputs);
        let rows = d.kernel[0] * d.kernel[1] * d.inputs;
        let [x, w, b, dy] = [x, rows * d.outputs, d.outputs, y].map(|n| noise(n as u64, n));
        let groups = |items: usize| [items.div_ceil(64).min(3), items.div_ceil(64).div_ceil(3)];
        let words = |items: usize| {
            let numbers =
                [d.images, d.height, d.width, d.inputs, d.outputs, d.kernel[0], d.stride, d.top, d.left, d.p, d.q];
            let mut words: Vec<u32> = numbers.iter().map(|&number| number as u32).collect();
            words.push(groups(items)[0] as u32);
            gpu.uniform("dims", &words).unwrap()
        };
        let upload = |data: &[f32]| gpu.upload("operand", data).unwrap();
        let (bx, bw, bb, bdy) = (upload(&x), upload(&w), upload(&b), upload(&dy));
        let zeros = |n: usize| gpu.zeros("answer", 4 * n as u64).unwrap();
        let (y, dx, dw, db) = (zeros(dy.len()), zeros(x.len()), zeros(w.len()), zeros(b.len()));

        let items = d.images * d.p * d.q * d.outputs.div_ceil(4);
        let job = words(items);
        let bindings = [(0, &job), (1, &bx), (2, &bw), (3, &bb), (4, &y)];
        gpu.submit(&Dispatch { pipeline: &forward, bindings: &bindings, groups: groups(items) });
        let mut expected = vec![0.0; dy.len()];
        conv::forward(&d, &wide(&x), &wide(&w), &wide(&b), &mut expected);
        let error = distance(&gpu.download(&y, 0, dy.len()).unwrap(), &expected);
        assert!(error < 1e-6, "forward {shape:?}: {error:e}");

        let job = words(x.len());
        let bindings = [(0, &job), (2, &bw), (5, &bdy), (6, &dx)];
        gpu.submit(&Dispatch { pipeline: &input, bindings: &bindings, groups: groups(x.len()) });
        let mut expected = vec![0.0; x.len()];
        conv::backward_input(&d, &wide(&dy), &wide(&w), &mut expected);
        let error = distance(&gpu.download(&dx, 0, x.len()).unwrap(), &expected);
        assert!(error < 1e-6, "backward_input {shape:?}: {error:e}");

        let bindings = [(0, &job), (1, &bx), (5, &bdy), (7, &dw), (8, &db)];
        gpu.submit(&Dispatch { pipeline: &weight, bindings: &bindings, groups: [rows + 1, d.outputs.div_ceil(4)] });
        let (mut expected, mut bias) = (vec![0.0; w.len()], vec![0.0; b.len()]);
        conv::backward_weight(&d, &wide(&x), &wide(&dy), &mut expected, &mut bias);
        let error = distance(&gpu.download(&dw, 0, w.len()).unwrap(), &expected);
        let bias_error = distance(&gpu.download(&db, 0, b.len()).unwrap(), &bias);
        assert!(error < 1e-6 && bias_error < 1e-6, "backward_weight {shape:?}: {error:e} {bias_error:e}");
    }
}

#[test]
fn statistics_agree_with_their_definitions() {
    let Some(gpu) = card() else { return };
    let sizes = [1, 2, 3, 10, 16, 144, 160, 2304];
    let mut tensors = Vec::new();
    let mut stride = 0;
    for size in sizes {
        tensors.push([stride as u32, size as u32]);
        stride += size;
    }
    let networks = 3;
    let mut weights = noise(9, networks * stride);
    // ties, zeros of both signs, all equal
    weights[stride..2 * stride].iter_mut().for_each(|w| *w = (2.0 * *w).round());
    weights[2 * stride..].fill(0.25);
    let pipeline = gpu.pipeline(&[shader::STATISTICS], "weight_statistics", &[]).unwrap();
    let shape = gpu.uniform("shape", &[sizes.len() as u32, networks as u32, stride as u32, 0]).unwrap();
    let (table, from) = (gpu.upload("tensors", &tensors).unwrap(), gpu.upload("weights", &weights).unwrap());
    let count = networks * sizes.len() * 7;
    let to = gpu.zeros("statistics", 4 * count as u64).unwrap();
    let bindings = [(0, &shape), (1, &table), (2, &from), (3, &to)];
    gpu.submit(&Dispatch { pipeline: &pipeline, bindings: &bindings, groups: [sizes.len(), networks] });
    let found: Vec<[f32; 7]> = gpu.download(&to, 0, count / 7).unwrap();
    for (index, found) in found.iter().enumerate() {
        let [start, size] = tensors[index % sizes.len()].map(|word| word as usize);
        let x = &weights[index / sizes.len() * stride + start..][..size];
        let (moments, [q25, median, q75]) = (reduce::moments(x), quantile::quartiles(x));
        let (min, max) = (f64::from(moments.min), f64::from(moments.max));
        let expected = [min, q25, median, q75, max, moments.variance.sqrt(), moments.mean];
        assert_eq!((f64::from(found[0]), f64::from(found[4])), (min, max));
        let error = distance(found, &expected);
        assert!(error < 1e-6, "{size} numbers: {found:?} {expected:?}: {error:e}");
    }
}

#[test]
fn what_goes_wrong_is_an_error() {
    let Some(gpu) = card() else { return };
    let most = gpu.limits().binding_bytes;
    let text = |error: crate::Error| error.to_string();
    assert!(text(gpu.zeros("too many", most + 4).unwrap_err()).contains(&format!("at most {most}")));
    assert!(Gpu::open(Some("no such GPU")).is_err());
    let broken = gpu.pipeline(&["@compute @workgroup_size(1) fn main() { let x: u32 = 1.5; }"], "main", &[]);
    assert!(text(broken.unwrap_err()).contains(&gpu.adapter().name));
    // a failure stays: nothing that follows can be trusted
    assert!(gpu.wait().is_err());
    let gpu = card().unwrap();
    let buffer = gpu.upload("numbers", &[1u32; 64]).unwrap();
    assert_eq!(gpu.download::<u32>(&buffer, 0, 64).unwrap(), [1; 64]);
    gpu.abandon();
    let after = gpu.download::<u32>(&buffer, 0, 64).unwrap_err();
    assert!(matches!(after, crate::Error::Device { .. }), "{after}");
}

#[test]
fn dispatches_are_timed() {
    let Some(gpu) = card() else { return };
    let pipeline = gpu.pipeline(&[shader::ROOF], "copy", &[]).unwrap();
    let numbers: Vec<f32> = (0..4 * 256 * 64).map(|n| n as f32).collect();
    let (from, to) = (gpu.upload("from", &numbers).unwrap(), gpu.zeros("to", 4 * numbers.len() as u64).unwrap());
    let dispatch = Dispatch { pipeline: &pipeline, bindings: &[(0, &from), (1, &to)], groups: [64, 1] };
    let seconds = gpu.time(&[dispatch], 3).unwrap();
    assert!(seconds > 0.0 && seconds < 60.0, "{seconds}");
    assert_eq!(gpu.download::<f32>(&to, 0, numbers.len()).unwrap(), numbers);
}
