//! Activation and inverted dropout at the end of a layer, and their gradient.

use super::Lanes;
use crate::activation::{Activation, Function};
use crate::simd::{LANES, Simd};

/// Which units of a layer are dropped, and how the kept ones are scaled.
#[derive(Clone, Copy, Debug)]
pub struct Dropout<'a> {
    /// One word a unit, in the order of the map: bit `l` is set if network `l` keeps the unit.
    pub kept: &'a [u16],
    /// The share of units that each network keeps, `1 − dropout`.
    pub keep: &'a Lanes,
}

/// What a backward kernel knows of the layer whose gradient it is about to write.
#[derive(Clone, Copy, Debug)]
pub struct Below<'a> {
    /// The layer's activation.
    pub activation: Activation,
    /// Its dropout, if any.
    pub dropout: Option<Dropout<'a>>,
    /// Its `z` where the activation needs it ([`crate::activation::needs_input`]), else empty.
    pub z: &'a [Lanes],
    /// Another gradient of the same output, from a shortcut around the layers above; it is added before all else.
    pub residual: Option<&'a [Lanes]>,
}

impl Below<'_> {
    /// Asserts that all parts belong to a map of `units` units.
    pub(super) fn check(&self, units: usize) {
        check(self.activation, self.dropout, self.z, units);
        assert!(self.residual.is_none_or(|residual| residual.len() == units), "shape of residual");
    }
}

/// Asserts that the parts of an epilogue belong to a map of `units` units.
pub(super) fn check(activation: Activation, dropout: Option<Dropout>, z: &[Lanes], units: usize) {
    assert!(dropout.is_none_or(|dropout| dropout.kept.len() == units), "shape of kept");
    assert!(z.len() == units || !crate::activation::needs_input(activation), "shape of z");
}

/// [`Dropout`] as a kernel uses it.
#[derive(Clone, Copy)]
struct Scaled<'a, S: Simd> {
    kept: Option<&'a [u16]>,
    keep: S::F,
    scale: S::F,
}

impl<'a, S: Simd> Scaled<'a, S> {
    #[inline(always)]
    fn new(s: S, dropout: Option<Dropout<'a>>) -> Scaled<'a, S> {
        let keep = s.load(dropout.map_or(&Lanes([1.0; LANES]), |dropout| dropout.keep));
        Scaled { kept: dropout.map(|dropout| dropout.kept), keep, scale: s.div(s.splat(1.0), keep) }
    }
}

/// The end of a forward kernel.
pub(super) struct Finish<'a, S: Simd, A> {
    dropout: Scaled<'a, S>,
    z: &'a mut [Lanes],
    y: &'a mut [Lanes],
    activation: core::marker::PhantomData<A>,
}

impl<'a, S: Simd, A: Function> Finish<'a, S, A> {
    #[inline(always)]
    pub(super) fn new(s: S, dropout: Option<Dropout<'a>>, z: &'a mut [Lanes], y: &'a mut [Lanes]) -> Self {
        Finish { dropout: Scaled::new(s, dropout), z, y, activation: core::marker::PhantomData }
    }

    /// `y ← r·f(z)/keep` of unit `index`; `z` is stored where the gradient needs it.
    #[inline(always)]
    pub(super) fn unit(&mut self, s: S, index: usize, z: S::F) {
        if A::NEEDS_INPUT {
            s.store(z, &mut self.z[index]);
        }
        let y = A::apply(s, z);
        let y = match self.dropout.kept {
            Some(kept) => s.keep(s.mask(kept[index]), s.mul(y, self.dropout.scale)),
            None => y,
        };
        s.store(y, &mut self.y[index]);
    }

    /// [`Finish::unit`] of units from `first`, one a sum.
    #[inline(always)]
    pub(super) fn units(&mut self, s: S, first: usize, sums: &[Lanes]) {
        let y = &mut self.y[first..][..sums.len()];
        if A::NEEDS_INPUT {
            self.z[first..][..sums.len()].copy_from_slice(sums);
        }
        match self.dropout.kept {
            Some(kept) => {
                for ((y, z), &kept) in y.iter_mut().zip(sums).zip(&kept[first..]) {
                    let f = s.mul(A::apply(s, s.load(z)), self.dropout.scale);
                    s.store(s.keep(s.mask(kept), f), y);
                }
            }
            None => {
                for (y, z) in y.iter_mut().zip(sums) {
                    s.store(A::apply(s, s.load(z)), y);
                }
            }
        }
    }
}

/// The end of a backward kernel.
pub(super) struct Unfinish<'a, S: Simd, A> {
    below: Below<'a>,
    dropout: Scaled<'a, S>,
    x: &'a mut [Lanes],
    activation: core::marker::PhantomData<A>,
}

impl<'a, S: Simd, A: Function> Unfinish<'a, S, A> {
    #[inline(always)]
    pub(super) fn new(s: S, below: Below<'a>, x: &'a mut [Lanes]) -> Self {
        Unfinish { below, dropout: Scaled::new(s, below.dropout), x, activation: core::marker::PhantomData }
    }

    /// `dz ← r·f'(z)·(dy + residual)/keep` of unit `index`; the layer's output in `x` is overwritten by `dz`.
    #[inline(always)]
    pub(super) fn unit(&mut self, s: S, index: usize, dy: S::F) {
        let dy = match self.below.residual {
            Some(residual) => s.add(dy, s.load(&residual[index])),
            None => dy,
        };
        let z = if A::NEEDS_INPUT { s.load(&self.below.z[index]) } else { s.splat(0.0) };
        let y = s.load(&self.x[index]);
        let dz = match self.dropout.kept {
            Some(kept) => {
                let slope = A::slope(s, s.mul(y, self.dropout.keep), z);
                let dz = s.mul(s.mul(dy, self.dropout.scale), slope);
                if A::ZERO_IS_FLAT { dz } else { s.keep(s.mask(kept[index]), dz) }
            }
            None => s.mul(dy, A::slope(s, y, z)),
        };
        s.store(dz, &mut self.x[index]);
    }

    /// [`Unfinish::unit`] of units from `first`, one a gradient.
    #[inline(always)]
    pub(super) fn units(&mut self, s: S, first: usize, dy: &[Lanes]) {
        for (k, dy) in dy.iter().enumerate() {
            self.unit(s, first + k, s.load(dy));
        }
    }
}
