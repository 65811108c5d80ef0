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

    /// `y ← r·f(z)/keep` of `C` units from `first`; `z` is stored where the gradient needs it.
    #[inline(always)]
    pub(super) fn few<const C: usize>(&mut self, s: S, first: usize, z: [S::F; C]) {
        if A::NEEDS_INPUT {
            let stored = &mut self.z[first..][..C];
            for k in 0..C {
                s.store(z[k], &mut stored[k]);
            }
        }
        let y = &mut self.y[first..][..C];
        match self.dropout.kept {
            Some(kept) => {
                let kept = &kept[first..][..C];
                for k in 0..C {
                    let f = s.mul(A::apply(s, z[k]), self.dropout.scale);
                    s.store(s.and_mask(s.mask(kept[k]), f), &mut y[k]);
                }
            }
            None => {
                for k in 0..C {
                    s.store(A::apply(s, z[k]), &mut y[k]);
                }
            }
        }
    }

    /// Where a kernel leaves the sums that [`Finish::in_place`] goes on with: in `z` if it is wanted.
    #[inline(always)]
    pub(super) fn sums(&mut self) -> &mut [Lanes] {
        if A::NEEDS_INPUT { self.z } else { self.y }
    }

    /// [`Finish::few`] of `count` units from `first` whose sums lie where they were left.
    #[inline(always)]
    pub(super) fn in_place(&mut self, s: S, first: usize, count: usize) {
        let y = &mut self.y[first..][..count];
        let z = if A::NEEDS_INPUT { Some(&self.z[first..][..count]) } else { None };
        let kept = self.dropout.kept.map(|kept| &kept[first..][..count]);
        for k in 0..count {
            let f = A::apply(s, s.load(z.map_or(&y[k], |z| &z[k])));
            let f = match kept {
                Some(kept) => s.and_mask(s.mask(kept[k]), s.mul(f, self.dropout.scale)),
                None => f,
            };
            s.store(f, &mut y[k]);
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

    /// `dz ← r·f'(z)·(dy + residual)/keep` of `C` units from `first`; the layer's output in `x` is overwritten by `dz`.
    #[inline(always)]
    pub(super) fn few<const C: usize>(&mut self, s: S, first: usize, mut dy: [S::F; C]) {
        if let Some(residual) = self.below.residual {
            let residual = &residual[first..][..C];
            for k in 0..C {
                dy[k] = s.add(dy[k], s.load(&residual[k]));
            }
        }
        let mut z = [s.splat(0.0); C];
        if A::NEEDS_INPUT {
            let stored = &self.below.z[first..][..C];
            for k in 0..C {
                z[k] = s.load(&stored[k]);
            }
        }
        let x = &mut self.x[first..][..C];
        match self.dropout.kept {
            Some(kept) => {
                let kept = &kept[first..][..C];
                for k in 0..C {
                    let slope = A::slope(s, s.mul(s.load(&x[k]), self.dropout.keep), z[k]);
                    let dz = s.mul(s.mul(dy[k], self.dropout.scale), slope);
                    s.store(if A::ZERO_IS_FLAT { dz } else { s.and_mask(s.mask(kept[k]), dz) }, &mut x[k]);
                }
            }
            None => {
                for k in 0..C {
                    s.store(s.mul(dy[k], A::slope(s, s.load(&x[k]), z[k])), &mut x[k]);
                }
            }
        }
    }

    /// [`Unfinish::few`] of any number of units.
    #[inline(always)]
    pub(super) fn many(&mut self, s: S, first: usize, dy: &[Lanes]) {
        let (fours, rest) = dy.as_chunks::<4>();
        for (k, dy) in fours.iter().enumerate() {
            self.few(s, first + 4 * k, [s.load(&dy[0]), s.load(&dy[1]), s.load(&dy[2]), s.load(&dy[3])]);
        }
        for (k, dy) in rest.iter().enumerate() {
            self.few(s, first + 4 * fours.len() + k, [s.load(dy)]);
        }
    }
}
