//! What the tests of vector methods share: kernels of one expression, comparison of bits.

/// A kernel of its arguments and one expression over the vectors of `s`.
#[allow(unused_macros)]
macro_rules! on {
    ($isa:expr, $($arg:ident: $t:ty = $value:expr),+ => $out:ty, |$s:ident| $body:expr) => {{
        struct Op {
            $($arg: $t),+
        }
        impl Kernel for Op {
            type Output = $out;
            #[inline(always)]
            fn run<S: Simd>(self, $s: S) -> $out {
                let Op { $($arg),+ } = self;
                $body
            }
        }
        $isa.run(Op { $($arg: $value),+ })
    }};
}
#[allow(unused_imports)]
pub(crate) use on;

/// `x` turned by `k` lanes: over all `k` each number meets each other one.
pub fn turned<T: Copy, const N: usize>(mut x: [T; N], k: usize) -> [T; N] {
    x.rotate_left(k % N);
    x
}

/// Equal bits, all NaN being one.
#[track_caller]
pub fn assert_bits(got: &[f32], expected: &[f32], what: &str) {
    let bits = |x: &f32| if x.is_nan() { f32::NAN.to_bits() } else { x.to_bits() };
    assert!(got.iter().map(bits).eq(expected.iter().map(bits)), "{what}: {got:?}, expected {expected:?}");
}

#[track_caller]
pub fn assert_bits_w(got: &[f64], expected: &[f64], what: &str) {
    let bits = |x: &f64| if x.is_nan() { f64::NAN.to_bits() } else { x.to_bits() };
    assert!(got.iter().map(bits).eq(expected.iter().map(bits)), "{what}: {got:?}, expected {expected:?}");
}
