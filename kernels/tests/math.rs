//! Elementary functions against the `f64` ones, on every ISA.

mod common;
use common::isas;
use zoometry_kernels::simd::Simd;
use zoometry_kernels::{Isa, Kernel, LANES, math, reference};

#[derive(Clone, Copy, Debug)]
enum Function {
    Exp,
    Ln,
    Sigmoid,
    Tanh,
    Cdf,
}

struct Apply(Function, [f32; LANES]);

impl Kernel for Apply {
    type Output = [f32; LANES];
    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> [f32; LANES] {
        let x = s.load_array(&self.1);
        let y = match self.0 {
            Function::Exp => math::exp(s, x),
            Function::Ln => math::ln(s, x),
            Function::Sigmoid => math::sigmoid(s, x),
            Function::Tanh => math::tanh(s, x),
            Function::Cdf => math::normal(s, x).1,
        };
        let mut out = [0.0; LANES];
        s.store_array(y, &mut out);
        out
    }
}

fn exact(function: Function, x: f64) -> f64 {
    match function {
        Function::Exp => x.exp(),
        Function::Ln => x.ln(),
        Function::Sigmoid => 1.0 / (1.0 + (-x).exp()),
        Function::Tanh => x.tanh(),
        Function::Cdf => reference::activation::normal(x).1,
    }
}

/// Distance from `exact` in units of the last place of an `f32` there.
fn ulps(got: f32, exact: f64) -> f64 {
    let rounded = exact as f32;
    if got == rounded || (got.is_nan() && rounded.is_nan()) {
        return 0.0;
    }
    if !got.is_finite() || !rounded.is_finite() {
        return f64::INFINITY;
    }
    let exponent = rounded.abs().max(f32::MIN_POSITIVE).log2().floor() as i32;
    (f64::from(got) - exact).abs() / 2f64.powi(exponent - 23)
}

/// The largest error over every `step`-th float.
fn worst(isa: Isa, function: Function, step: usize) -> (f64, f32) {
    let mut worst = (0.0, 0.0);
    let mut floats = (0..=u32::MAX).step_by(step).map(f32::from_bits).filter(|x| match function {
        Function::Ln => x.is_normal() && *x > 0.0,
        Function::Sigmoid => *x > -87.3,
        _ => !x.is_nan(),
    });
    loop {
        let x: [f32; LANES] = std::array::from_fn(|_| floats.next().unwrap_or(1.0));
        let y = isa.run(Apply(function, x));
        for (x, y) in x.into_iter().zip(y) {
            let expected = exact(function, f64::from(x));
            let error = match function {
                Function::Cdf => (f64::from(y) - expected).abs(),
                _ => ulps(y, expected),
            };
            if error > worst.0 || error.is_nan() {
                worst = (error, x);
            }
        }
        if x[LANES - 1] == 1.0 && floats.next().is_none() {
            return worst;
        }
    }
}

fn check(step: usize) {
    std::thread::scope(|scope| {
        for isa in isas() {
            scope.spawn(move || check_isa(isa, step));
        }
    });
}

fn check_isa(isa: Isa, step: usize) {
    for (function, bound) in [
        (Function::Exp, 2.0),
        (Function::Ln, 2.0),
        (Function::Sigmoid, 3.0),
        // each product is rounded where the ISA does not fuse
        (Function::Tanh, if isa.fuses() { 6.0 } else { 7.0 }),
        (Function::Cdf, 4e-7),
    ] {
        let (error, at) = worst(isa, function, step);
        eprintln!("{:8} {function:?}: {error:.3e} at {at:e}", isa.kind());
        assert!(error <= bound, "{function:?}({at:e}) is off by {error} on {}", isa.kind());
    }
}

#[test]
#[cfg_attr(target_family = "wasm", ignore = "no threads")]
fn errors_stay_within_their_bounds() {
    check(4_099);
}

/// All floats: minutes. `cargo test --release -p zoometry-kernels --test math -- --ignored --nocapture`
#[test]
#[ignore = "takes minutes"]
fn errors_stay_within_their_bounds_over_all_floats() {
    check(1);
}

#[test]
fn special_values_are_handled() {
    let x = [
        0.0,
        -0.0,
        f32::INFINITY,
        f32::NEG_INFINITY,
        f32::NAN,
        1e-40,
        -1e-40,
        88.7,
        -103.0,
        200.0,
        -200.0,
        10.0,
        -10.0,
        1.0,
        2.0,
        3.0,
    ];
    for isa in isas() {
        let exp = isa.run(Apply(Function::Exp, x));
        assert_eq!((exp[0], exp[2], exp[3], exp[9], exp[10]), (1.0, f32::INFINITY, 0.0, f32::INFINITY, 0.0));
        assert!(exp[4].is_nan() && exp[8] > 0.0);
        let tanh = isa.run(Apply(Function::Tanh, x));
        assert_eq!((tanh[0], tanh[2], tanh[3], tanh[5], tanh[11]), (0.0, 1.0, -1.0, 1e-40, 1.0));
        assert!(tanh[1].is_sign_negative() && tanh[4].is_nan());
        let sigmoid = isa.run(Apply(Function::Sigmoid, x));
        assert_eq!((sigmoid[0], sigmoid[2], sigmoid[3]), (0.5, 1.0, 0.0));
        assert!(sigmoid[4].is_nan());
    }
}
