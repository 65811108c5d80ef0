//! What the tests of team kernels share: one lane as a definition's dense array, and the epilogue by its definition.

use super::Numbers;
use zoometry_kernels::activation::{Activation, needs_input};
use zoometry_kernels::reference::{self, activation};
use zoometry_kernels::team::{Below, Dropout, conv};
use zoometry_kernels::{Isa, LANES, Lanes};

pub const ACTIVATIONS: [Activation; 5] =
    [Activation::Identity, Activation::Relu, Activation::Tanh, Activation::Sigmoid, Activation::Gelu];

/// Network `l` of a team's map, weights or bias.
pub fn lane(x: &[Lanes], l: usize) -> Vec<f64> {
    x.iter().map(|x| f64::from(x.0[l])).collect()
}

/// Asserts that values of order 1 and sums of them agree, each within rounding.
#[track_caller]
pub fn assert_near(got: &[f64], expected: &[f64], what: &str) {
    assert_eq!(got.len(), expected.len(), "{what}: length");
    for (k, (g, e)) in got.iter().zip(expected).enumerate() {
        assert!((g - e).abs() <= 1e-5 * (1.0 + e.abs()), "{what}: element {k} is {g}, expected {e}");
    }
}

/// The end of a layer of `units` units with random decisions and shares, and an output as it leaves.
pub struct Epilogue {
    activation: Activation,
    kept: Vec<u16>,
    keep: Lanes,
    dropped: bool,
    residual: Option<Vec<Lanes>>,
    z: Vec<Lanes>,
    /// `r·f(z)/keep`
    pub output: Vec<Lanes>,
}

impl Epilogue {
    pub fn new(numbers: &mut Numbers, units: usize, activation: Activation, dropped: bool, residual: bool) -> Epilogue {
        let z = numbers.lanes(units);
        let kept: Vec<u16> = (0..units).map(|_| (numbers.next() * 40_000.0) as i32 as u16).collect();
        let keep = Lanes(std::array::from_fn(|_| 0.6 + 0.3 * numbers.next()));
        let residual = residual.then(|| numbers.lanes(units));
        let mut end = Epilogue { activation, kept, keep, dropped, residual, z, output: vec![Lanes::ZERO; units] };
        for l in 0..LANES {
            let mut y = lane(&end.z, l);
            end.finish(l, &mut y);
            end.output.iter_mut().zip(y).for_each(|(output, y)| output.0[l] = y as f32);
        }
        end
    }

    /// Room for `z` where a forward kernel stores it.
    pub fn empty_z(&self) -> Vec<Lanes> {
        vec![Lanes::ZERO; if needs_input(self.activation) { self.z.len() } else { 0 }]
    }

    pub fn dropout(&self) -> Option<Dropout<'_>> {
        self.dropped.then_some(Dropout { kept: &self.kept, keep: &self.keep })
    }

    pub fn below(&self) -> Below<'_> {
        let z = if needs_input(self.activation) { &self.z[..] } else { &[] };
        Below { activation: self.activation, dropout: self.dropout(), z, residual: self.residual.as_deref() }
    }

    /// What dropout multiplies unit `k` of network `l` by.
    fn factor(&self, k: usize, l: usize) -> f64 {
        match self.dropped {
            true => f64::from(self.kept[k] >> l & 1) / f64::from(self.keep.0[l]),
            false => 1.0,
        }
    }

    /// Sums become outputs of network `l`.
    pub fn finish(&self, l: usize, z: &mut [f64]) {
        for (k, z) in z.iter_mut().enumerate() {
            *z = self.factor(k, l) * activation::apply(self.activation, *z);
        }
    }

    /// Gradients of outputs become those of sums of network `l`.
    pub fn unfinish(&self, l: usize, dy: &mut [f64]) {
        for (k, dy) in dy.iter_mut().enumerate() {
            let residual = self.residual.as_ref().map_or(0.0, |residual| f64::from(residual[k].0[l]));
            let slope = activation::slope(self.activation, f64::from(self.z[k].0[l]));
            *dy = self.factor(k, l) * slope * (*dy + residual);
        }
    }
}

/// The shape of one network's convolution with a square kernel that holds the one of `d`.
pub fn square(d: &conv::Dims) -> reference::conv::Dims {
    reference::conv::Dims {
        images: d.images,
        height: d.height,
        width: d.width,
        inputs: d.inputs,
        outputs: d.outputs,
        kernel: [d.kernel[0].max(d.kernel[1]); 2],
        stride: d.stride,
        top: d.top,
        left: d.left,
        p: d.p,
        q: d.q,
    }
}

/// Where the weights of `d` lie in the square kernel.
fn places(d: &conv::Dims) -> Vec<usize> {
    let (row, side) = (d.inputs * d.outputs, d.kernel[0].max(d.kernel[1]));
    let place = |k: usize| (k / row / d.kernel[1] * side + k / row % d.kernel[1]) * row + k % row;
    (0..d.w_len()).map(place).collect()
}

/// Weights in the square kernel of [`square`], zero elsewhere.
pub fn widened(d: &conv::Dims, w: &[f64]) -> Vec<f64> {
    let side = d.kernel[0].max(d.kernel[1]);
    let mut wide = vec![0.0; side * side * d.inputs * d.outputs];
    places(d).into_iter().zip(w).for_each(|(place, &w)| wide[place] = w);
    wide
}

/// Undoes [`widened`].
pub fn narrowed(d: &conv::Dims, wide: &[f64]) -> Vec<f64> {
    places(d).into_iter().map(|place| wide[place]).collect()
}

/// What a kernel that takes `inputs` makes of them.
pub type Outputs = Vec<Vec<Lanes>>;

/// Asserts that a network's bits do not depend on its neighbours: neither on their numbers, NaN and ∞ among them, nor on the
/// lane that it has.
#[track_caller]
pub fn assert_alone(inputs: &[Vec<Lanes>], kernel: impl Fn(&[Vec<Lanes>]) -> Outputs) {
    let bits =
        |outputs: &Outputs, l: usize| -> Vec<u32> { outputs.iter().flatten().map(|x| x.0[l].to_bits()).collect() };
    let expected = kernel(inputs);
    let mut numbers = Numbers(77);
    for l in [0, 7, 15] {
        let mut others = inputs.to_vec();
        for (k, x) in others.iter_mut().flatten().enumerate() {
            for (other, x) in x.0.iter_mut().enumerate().filter(|(other, _)| *other != l) {
                *x = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 3.0 * numbers.next()][(k + other) % 4];
            }
        }
        assert_eq!(bits(&kernel(&others), l), bits(&expected, l), "lane {l} beside other networks");
    }
    let mut turned = inputs.to_vec();
    turned.iter_mut().flatten().for_each(|x| x.0.rotate_right(5));
    let got = kernel(&turned);
    for l in 0..LANES {
        assert_eq!(bits(&got, (l + 5) % LANES), bits(&expected, l), "network {l} in another lane");
    }
}

/// Asserts that all fused ISAs give the same bits.
#[track_caller]
pub fn assert_same_bits(kernel: impl Fn(Isa) -> Outputs) {
    let fused = super::fused();
    let bits = |isa| -> Vec<u32> { Lanes::flat(&kernel(isa).concat()).iter().map(|x| x.to_bits()).collect() };
    assert!(fused.iter().all(|&isa| bits(isa) == bits(fused[0])));
}
