//! Register tiles: a kernel's body with the height that an instruction set has room for.

/// Runs a piece of code with a constant for [`crate::simd::Simd::ROWS`] of the instruction set `$S`.
///
/// `with_rows!(S, R => code)` names the height; `with_rows!(S { 12 => …, 6 => …, 3 => … })` has code for each of those that
/// exist. An instruction set of another height does not compile.
macro_rules! with_rows {
    ($S:ident, $R:ident => $body:expr) => {
        $crate::rows::with_rows!($S {
            12 => { const $R: usize = 12; $body },
            6 => { const $R: usize = 6; $body },
            3 => { const $R: usize = 3; $body },
        })
    };
    ($S:ident { 12 => $twelve:expr, 6 => $six:expr, 3 => $three:expr $(,)? }) => {{
        const { assert!(matches!($S::ROWS, 12 | 6 | 3), "kernels know register tiles of 12, 6 and 3 rows") };
        match $S::ROWS {
            12 => $twelve,
            6 => $six,
            _ => $three,
        }
    }};
}
pub(crate) use with_rows;
