//! One step of an optimizer for sixteen networks, each with its own rates; formulas and constants of [`crate::optimizer`].

use super::Lanes;
use crate::optimizer::{BETA_1, BETA_2, EPSILON, RHO};
use crate::simd::Simd;
use crate::{Isa, Kernel};

/// An optimizer's rule with each network's rate of this step.
#[derive(Clone, Copy, Debug)]
pub enum Rule<'a> {
    /// Plain gradient descent.
    Sgd {
        /// η
        rate: &'a Lanes,
    },
    /// Gradient descent with momentum.
    Momentum {
        /// η
        rate: &'a Lanes,
        /// μ
        momentum: &'a Lanes,
    },
    /// RMSprop, not centred.
    RmsProp {
        /// η
        rate: &'a Lanes,
    },
    /// Adam.
    Adam {
        /// η·√(1−β₂ᵗ)/(1−β₁ᵗ), the rate corrected for the step t = 1, 2, …
        corrected: &'a Lanes,
    },
}

/// Updates weights and the optimizer's state of the networks whose bit is set in `lanes`.
///
/// With `g = dw + decay·w` (decay is `2·λ` for the penalty `λ·Σw²`): the formulas of [`crate::optimizer`].
///
/// Shapes.   `dw`, `w` of one length; `m` (momentum, or Adam's first moment) and `v` (second moment) as well where the rule
///           uses them, else of any length.
/// Panics.   if a length that is used differs.
/// Cost.     at most 15·16 flop a weight; reads and writes w, m, v, reads dw.
/// Numerics. each weight alone, no sums; a network that is not moved keeps its bits.
/// Source.   [`crate::reference::optimizer::step`].
pub fn step(
    isa: Isa,
    rule: Rule,
    lanes: u16,
    decay: &Lanes,
    dw: &[Lanes],
    w: &mut [Lanes],
    m: &mut [Lanes],
    v: &mut [Lanes],
) {
    let (uses_m, uses_v) = match rule {
        Rule::Sgd { .. } => (false, false),
        Rule::Momentum { .. } => (true, false),
        Rule::RmsProp { .. } => (false, true),
        Rule::Adam { .. } => (true, true),
    };
    assert!(dw.len() == w.len(), "shape of dw or w");
    assert!((!uses_m || m.len() == w.len()) && (!uses_v || v.len() == w.len()), "shape of m or v");
    isa.run(Step { rule, lanes, decay, dw, w, m, v });
}

struct Step<'a> {
    rule: Rule<'a>,
    lanes: u16,
    decay: &'a Lanes,
    dw: &'a [Lanes],
    w: &'a mut [Lanes],
    m: &'a mut [Lanes],
    v: &'a mut [Lanes],
}

impl Kernel for Step<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let (moved, decay, n) = (s.mask(self.lanes), s.load(self.decay), self.w.len());
        let gradient = |dw: &Lanes, w: S::F| s.fma(decay, w, s.load(dw));
        let minus = |rate: &Lanes| s.sub(s.splat(0.0), s.load(rate));
        let put = |new: S::F, old: S::F, to: &mut Lanes| s.store(s.select(moved, new, old), to);
        match self.rule {
            Rule::Sgd { rate } => {
                let rate = minus(rate);
                for k in 0..n {
                    let w = s.load(&self.w[k]);
                    put(s.fma(rate, gradient(&self.dw[k], w), w), w, &mut self.w[k]);
                }
            }
            Rule::Momentum { rate, momentum } => {
                let (rate, momentum) = (minus(rate), s.load(momentum));
                for k in 0..n {
                    let (w, old) = (s.load(&self.w[k]), s.load(&self.m[k]));
                    let m = s.fma(rate, gradient(&self.dw[k], w), s.mul(momentum, old));
                    put(m, old, &mut self.m[k]);
                    put(s.add(w, m), w, &mut self.w[k]);
                }
            }
            Rule::RmsProp { rate } => {
                let (rate, rho, rest) = (minus(rate), s.splat(RHO), s.splat(1.0 - RHO));
                let epsilon = s.splat(EPSILON);
                for k in 0..n {
                    let (w, old) = (s.load(&self.w[k]), s.load(&self.v[k]));
                    let g = gradient(&self.dw[k], w);
                    let v = s.fma(rest, s.mul(g, g), s.mul(rho, old));
                    put(v, old, &mut self.v[k]);
                    let direction = s.div(g, s.sqrt(s.add(v, epsilon)));
                    put(s.fma(rate, direction, w), w, &mut self.w[k]);
                }
            }
            Rule::Adam { corrected } => {
                let (rate, epsilon) = (minus(corrected), s.splat(EPSILON));
                let (first, second) = (s.splat(1.0 - BETA_1), s.splat(1.0 - BETA_2));
                for k in 0..n {
                    let (w, old_m, old_v) = (s.load(&self.w[k]), s.load(&self.m[k]), s.load(&self.v[k]));
                    let g = gradient(&self.dw[k], w);
                    let m = s.fma(first, s.sub(g, old_m), old_m);
                    put(m, old_m, &mut self.m[k]);
                    let v = s.fma(second, s.sub(s.mul(g, g), old_v), old_v);
                    put(v, old_v, &mut self.v[k]);
                    let direction = s.div(m, s.add(s.sqrt(v), epsilon));
                    put(s.fma(rate, direction, w), w, &mut self.w[k]);
                }
            }
        }
    }
}
