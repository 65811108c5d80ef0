//! Register tiles: a kernel's body with the height that an instruction set has room for.

/// Runs a piece of code with a constant for [`crate::simd::Simd::ROWS`] of the instruction set `$S`.
///
/// `with_rows!(S, R => code)` names the height; `with_rows!(S { 12 => …, 6 => …, 3 => … })` has code for each of those that
/// exist. An instruction set of another height does not compile. `with_rows!(S, images, R => code)` takes the next smaller
/// height where it leaves fewer rows of a tile's `images` empty: a batch of ten is one tile of ten rows, not of twelve.
macro_rules! with_rows {
    ($S:ident { 12 => $twelve:expr, 6 => $six:expr, 3 => $three:expr $(,)? }) => {{
        const { assert!(matches!($S::ROWS, 12 | 6 | 3), "kernels know register tiles of 12, 6 and 3 rows") };
        match $S::ROWS {
            12 => $twelve,
            6 => $six,
            _ => $three,
        }
    }};
    ($S:ident, $R:ident => $body:expr) => {
        $crate::rows::with_rows!($S {
            12 => { const $R: usize = 12; $body },
            6 => { const $R: usize = 6; $body },
            3 => { const $R: usize = 3; $body },
        })
    };
    ($S:ident, $images:expr, $R:ident => $body:expr) => {
        $crate::rows::with_rows!($S {
            12 => $crate::rows::with_rows!(@ $images, 12 or 10, $R => $body),
            6 => $crate::rows::with_rows!(@ $images, 6 or 5, $R => $body),
            3 => $crate::rows::with_rows!(@ $images, 3 or 2, $R => $body),
        })
    };
    (@ $images:expr, $high:literal or $low:literal, $R:ident => $body:expr) => {
        if usize::next_multiple_of($images, $high) <= usize::next_multiple_of($images, $low) {
            const $R: usize = $high;
            $body
        } else {
            const $R: usize = $low;
            $body
        }
    };
}
pub(crate) use with_rows;

/// Where the register tiles of `R` rows begin that hold a tile's first `images`; one that holds them all takes no loop.
#[inline(always)]
pub(crate) fn starts<const R: usize>(images: usize) -> impl Iterator<Item = usize> {
    (0..if 2 * R > crate::TILE { 1 } else { images }).step_by(R)
}
