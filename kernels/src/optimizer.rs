//! One step of an optimizer over a flat vector, L2 regularisation and weight decay included.
//!
//! With `g = dw + decay·w` (`decay = 2·λ` for the gradient of `λ·Σw²`):
//! SGD `w −= η·g`; momentum `v = μ·v − η·g, w += v`; RMSprop `v = ρ·v + (1−ρ)·g², w −= η·g/√(v+ε)`;
//! Adam `m += (1−β₁)(g−m), v += (1−β₂)(g²−v), w −= η·√(1−β₂ᵗ)/(1−β₁ᵗ) · m/(√v+ε)`. Constants and formulas are those of Keras 3.

use crate::{Cost, Isa, Kernel, Lanes, simd::Simd};

/// An optimizer's rule with the learning rate of this step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Rule {
    /// Plain gradient descent.
    Sgd {
        /// η
        rate: f32,
    },
    /// Gradient descent with momentum.
    Momentum {
        /// η
        rate: f32,
        /// μ
        momentum: f32,
    },
    /// RMSprop with ρ = 0.9, ε = 10⁻⁷, not centred.
    RmsProp {
        /// η
        rate: f32,
    },
    /// Adam with β₁ = 0.9, β₂ = 0.999, ε = 10⁻⁷.
    Adam {
        /// η·√(1−β₂ᵗ)/(1−β₁ᵗ), the rate corrected for the step t = 1, 2, …
        corrected: f32,
    },
}

impl Rule {
    /// Of [`step`] for so many weights.
    pub fn cost(self, weights: usize) -> Cost {
        // two operations for the decay; what is read, and w with the state written as well
        let (flops, streams) = match self {
            Rule::Sgd { .. } => (4, 3),
            Rule::Momentum { .. } => (6, 5),
            Rule::RmsProp { .. } => (11, 5),
            Rule::Adam { .. } => (14, 7),
        };
        Cost { flops, bytes: streams * size_of::<f32>() } * weights
    }
}

/// ρ of RMSprop.
pub const RHO: f32 = 0.9;
/// β₁ of Adam.
pub const BETA_1: f32 = 0.9;
/// β₂ of Adam.
pub const BETA_2: f32 = 0.999;
/// ε of RMSprop and Adam.
pub const EPSILON: f32 = 1e-7;

/// Updates weights and the optimizer's state.
///
/// Shapes.   all of one length; `m` is the momentum or Adam's first moment, `v` the second moment; unused ones may be empty.
/// Panics.   if a length that the rule uses differs; no weight has moved then.
/// Cost.     4 to 14 flop a weight ([`Rule::cost`]); reads and writes w, m, v, reads dw.
/// Numerics. each weight alone, no sums.
/// Source.   [`crate::reference::optimizer::step`]; Kingma and Ba 2015 for Adam, Hinton's lecture 6e for RMSprop.
pub fn step(isa: Isa, rule: Rule, decay: f32, dw: &[Lanes], w: &mut [Lanes], m: &mut [Lanes], v: &mut [Lanes]) {
    assert!(dw.len() == w.len(), "shape of dw or w");
    assert!(m.len() == w.len() || !matches!(rule, Rule::Momentum { .. } | Rule::Adam { .. }), "shape of m");
    assert!(v.len() == w.len() || !matches!(rule, Rule::RmsProp { .. } | Rule::Adam { .. }), "shape of v");
    isa.run(Step { rule, decay, dw, w, m, v });
}

struct Step<'a> {
    rule: Rule,
    decay: f32,
    dw: &'a [Lanes],
    w: &'a mut [Lanes],
    m: &'a mut [Lanes],
    v: &'a mut [Lanes],
}

impl Kernel for Step<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let decay = s.splat(self.decay);
        let gradient = |dw: &Lanes, w: S::F| s.fma(decay, w, s.load(dw));
        match self.rule {
            Rule::Sgd { rate } => {
                let rate = s.splat(-rate);
                for k in 0..self.w.len() {
                    let w = s.load(&self.w[k]);
                    s.store(s.fma(rate, gradient(&self.dw[k], w), w), &mut self.w[k]);
                }
            }
            Rule::Momentum { rate, momentum } => {
                let (rate, momentum) = (s.splat(-rate), s.splat(momentum));
                for k in 0..self.w.len() {
                    let w = s.load(&self.w[k]);
                    let m = s.fma(rate, gradient(&self.dw[k], w), s.mul(momentum, s.load(&self.m[k])));
                    s.store(m, &mut self.m[k]);
                    s.store(s.add(w, m), &mut self.w[k]);
                }
            }
            Rule::RmsProp { rate } => {
                let (rate, rho, rest) = (s.splat(-rate), s.splat(RHO), s.splat(1.0 - RHO));
                let epsilon = s.splat(EPSILON);
                for k in 0..self.w.len() {
                    let w = s.load(&self.w[k]);
                    let g = gradient(&self.dw[k], w);
                    let v = s.fma(rest, s.mul(g, g), s.mul(rho, s.load(&self.v[k])));
                    s.store(v, &mut self.v[k]);
                    let direction = s.div(g, s.sqrt(s.add(v, epsilon)));
                    s.store(s.fma(rate, direction, w), &mut self.w[k]);
                }
            }
            Rule::Adam { corrected } => {
                let (rate, epsilon) = (s.splat(-corrected), s.splat(EPSILON));
                let (first, second) = (s.splat(1.0 - BETA_1), s.splat(1.0 - BETA_2));
                for k in 0..self.w.len() {
                    let w = s.load(&self.w[k]);
                    let g = gradient(&self.dw[k], w);
                    let m = s.load(&self.m[k]);
                    let m = s.fma(first, s.sub(g, m), m);
                    s.store(m, &mut self.m[k]);
                    let v = s.load(&self.v[k]);
                    let v = s.fma(second, s.sub(s.mul(g, g), v), v);
                    s.store(v, &mut self.v[k]);
                    let direction = s.div(m, s.add(s.sqrt(v), epsilon));
                    s.store(s.fma(rate, direction, w), &mut self.w[k]);
                }
            }
        }
    }
}
