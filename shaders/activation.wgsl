// Activations and their slopes, four units at a time: the twin of kernels/src/activation.rs and math.rs. The functions are
// the kernels' own, not the driver's, whose precision WGSL leaves open. Comparisons are written so that NaN stays NaN.

const RELU = 0u;
const TANH = 1u;
const SIGMOID = 2u;
const GELU = 3u;

/// e^x to a few ULP: 0 below -104, infinite above 88.8. Cody and Waite's reduction, Taylor polynomial of degree 7.
fn exponential(argument: vec4f) -> vec4f {
    var x = select(argument, vec4f(-104.5), argument < vec4f(-104.5));
    x = select(x, vec4f(89.0), x > vec4f(89.0));
    let n = round(x * 1.44269504);
    var r = fma(n, vec4f(-0.693359375), x);
    r = fma(n, vec4f(2.12194440e-4), r);
    var y = vec4f(1.0 / 5040.0);
    y = fma(y, r, vec4f(1.0 / 720.0));
    y = fma(y, r, vec4f(1.0 / 120.0));
    y = fma(y, r, vec4f(1.0 / 24.0));
    y = fma(y, r, vec4f(1.0 / 6.0));
    y = fma(y, r, vec4f(0.5));
    y = fma(y, r, vec4f(1.0));
    y = fma(y, r, vec4f(1.0));
    // 2^n in two halves, both normal; NaN gives some exponent and stays NaN in y
    let whole = clamp(vec4i(n), vec4i(-152), vec4i(130));
    let less = whole >> vec4u(1u);
    let low = bitcast<vec4f>((less + vec4i(127)) << vec4u(23u));
    let high = bitcast<vec4f>((whole - less + vec4i(127)) << vec4u(23u));
    return y * low * high;
}

/// tanh as a rational function, never beyond ±1.
fn hyperbolic_tangent(argument: vec4f) -> vec4f {
    var x = select(argument, vec4f(-9.0), argument < vec4f(-9.0));
    x = select(x, vec4f(9.0), x > vec4f(9.0));
    let z = x * x;
    var p = fma(z, vec4f(1.3353533e-8), vec4f(2.0608268e-5));
    p = fma(p, z, vec4f(3.4955393e-3));
    p = fma(p, z, vec4f(0.13380985));
    p = fma(p, z, vec4f(1.0));
    var q = fma(z, vec4f(7.776095e-7), vec4f(3.285554e-4));
    q = fma(q, z, vec4f(0.025876798));
    q = fma(q, z, vec4f(0.467143));
    q = fma(q, z, vec4f(1.0));
    let y = x * p / q;
    let above = select(y, vec4f(1.0), y > vec4f(1.0));
    return select(above, vec4f(-1.0), above < vec4f(-1.0));
}

/// Distribution function of the standard normal (Abramowitz and Stegun 7.1.26), given e^(-x²/2).
fn normal_cdf(x: vec4f, e: vec4f) -> vec4f {
    let t = vec4f(1.0) / fma(abs(x), vec4f(0.3275911 * 0.70710678), vec4f(1.0));
    var s = fma(t, vec4f(1.0614054), vec4f(-1.453152));
    s = fma(s, t, vec4f(1.4214137));
    s = fma(s, t, vec4f(-0.28449674));
    s = fma(s, t, vec4f(0.2548296));
    let tail = 0.5 * s * t * e;
    return select(tail, vec4f(1.0) - tail, x > vec4f(0.0));
}

/// f(z)
fn activate(activation: u32, z: vec4f) -> vec4f {
    switch activation {
        case RELU: { return select(z, vec4f(0.0), z < vec4f(0.0)); }
        case TANH: { return hyperbolic_tangent(z); }
        case SIGMOID: { return vec4f(1.0) / (vec4f(1.0) + exponential(-z)); }
        default: { return z * normal_cdf(z, exponential(-0.5 * z * z)); }
    }
}

/// f'(z) from y = f(z); z is looked at for GELU alone.
fn slope(activation: u32, y: vec4f, z: vec4f) -> vec4f {
    switch activation {
        case RELU: { return select(vec4f(0.0), vec4f(1.0), y > vec4f(0.0)); }
        case TANH: { return vec4f(1.0) - y * y; }
        case SIGMOID: { return y * (vec4f(1.0) - y); }
        default: {
            let e = exponential(-0.5 * z * z);
            return fma(z, 0.3989423 * e, normal_cdf(z, e));
        }
    }
}
