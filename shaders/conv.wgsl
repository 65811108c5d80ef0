// Convolution of any shape on dense arrays: forward, gradient of the input, gradient of the weights. The step has these fused;
// here they stand alone, to be tested and measured.
//
// y[n,p,q,o] = b[o] + Σ_{u,v,i} x[n, S·p+u−T, S·q+v−L, i] · w[u,v,i,o], x zero outside its map.
// `x` N·H·W·I, `w` K·K·I·O, `b` O, `y` N·P·Q·O; letters as in kernels/src/conv/mod.rs, channels counted singly.

struct Dims {
    images: u32,
    height: u32,
    width: u32,
    inputs: u32,
    outputs: u32,
    kernel: u32,
    stride: u32,
    top: u32,
    left: u32,
    p: u32,
    q: u32,
    rows: u32,          // workgroups in a row of the dispatch
}

@group(0) @binding(0) var<uniform> d: Dims;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> w: array<f32>;
@group(0) @binding(3) var<storage, read> b: array<f32>;
@group(0) @binding(4) var<storage, read_write> y: array<f32>;
@group(0) @binding(5) var<storage, read> dy: array<f32>;
@group(0) @binding(6) var<storage, read_write> dx: array<f32>;
@group(0) @binding(7) var<storage, read_write> dw: array<f32>;
@group(0) @binding(8) var<storage, read_write> db: array<f32>;

/// Four outputs from `o` on of row `row` of the weights; those beyond the last are some number that nobody stores.
fn weights(row: u32, o: u32) -> vec4f {
    let at = row * d.outputs + o;
    let most = d.outputs - 1u - o;
    return vec4f(w[at], w[at + min(1u, most)], w[at + min(2u, most)], w[at + min(3u, most)]);
}

/// Four outputs at one position for an invocation.
@compute @workgroup_size(64)
fn forward(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) me: u32) {
    let quads = (d.outputs + 3u) / 4u;
    let item = (group.y * d.rows + group.x) * 64u + me;
    if (item >= d.images * d.p * d.q * quads) {
        return;
    }
    let o = 4u * (item % quads);
    let at = item / quads;
    let q = at % d.q;
    let p = at / d.q % d.p;
    let n = at / (d.q * d.p);
    var z = vec4f(b[o], b[min(o + 1u, d.outputs - 1u)], b[min(o + 2u, d.outputs - 1u)], b[min(o + 3u, d.outputs - 1u)]);
    for (var u = 0u; u < d.kernel; u++) {
        let h = p * d.stride + u - d.top;
        for (var v = 0u; v < d.kernel; v++) {
            let column = q * d.stride + v - d.left;
            if (h >= d.height || column >= d.width) {
                continue;
            }
            let start = ((n * d.height + h) * d.width + column) * d.inputs;
            for (var i = 0u; i < d.inputs; i++) {
                z += x[start + i] * weights((u * d.kernel + v) * d.inputs + i, o);
            }
        }
    }
    for (var k = 0u; k < min(4u, d.outputs - o); k++) {
        y[at * d.outputs + o + k] = z[k];
    }
}

/// `dx[n,h,w,i] = Σ_{u,v,o} dy[n,p,q,o] · w[u,v,i,o]` over the taps with S·p+u−T = h and S·q+v−L = w; one number for an
/// invocation.
@compute @workgroup_size(64)
fn backward_input(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) me: u32) {
    let item = (group.y * d.rows + group.x) * 64u + me;
    if (item >= d.images * d.height * d.width * d.inputs) {
        return;
    }
    let i = item % d.inputs;
    let column = item / d.inputs % d.width;
    let h = item / (d.inputs * d.width) % d.height;
    let n = item / (d.inputs * d.width * d.height);
    var sum = 0.0;
    for (var u = 0u; u < d.kernel; u++) {
        let down = h + d.top - u;
        if (h + d.top < u || down % d.stride != 0u || down / d.stride >= d.p) {
            continue;
        }
        for (var v = 0u; v < d.kernel; v++) {
            let right = column + d.left - v;
            if (column + d.left < v || right % d.stride != 0u || right / d.stride >= d.q) {
                continue;
            }
            let start = ((n * d.p + down / d.stride) * d.q + right / d.stride) * d.outputs;
            let row = ((u * d.kernel + v) * d.inputs + i) * d.outputs;
            for (var o = 0u; o < d.outputs; o++) {
                sum += dy[start + o] * w[row + o];
            }
        }
    }
    dx[item] = sum;
}

var<workgroup> sums: array<vec4f, 64>;

/// `dw[u,v,i,o] = Σ_{n,p,q} x[n, S·p+u−T, S·q+v−L, i] · dy[n,p,q,o]`, `db[o] = Σ dy`; a workgroup for a row (u,v,i) and four
/// outputs, its invocations share the positions; the row after the last is the bias.
@compute @workgroup_size(64)
fn backward_weight(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) me: u32) {
    let row = group.x;
    let o = 4u * group.y;
    let bias = row == d.kernel * d.kernel * d.inputs;
    let i = row % d.inputs;
    let v = row / d.inputs % d.kernel;
    let u = row / (d.inputs * d.kernel);
    var sum = vec4f(0.0);
    for (var at = me; at < d.images * d.p * d.q; at += 64u) {
        let h = at / d.q % d.p * d.stride + u - d.top;
        let column = at % d.q * d.stride + v - d.left;
        if (!bias && (h >= d.height || column >= d.width)) {
            continue;
        }
        var value = 1.0;
        if (!bias) {
            value = x[((at / (d.q * d.p) * d.height + h) * d.width + column) * d.inputs + i];
        }
        let start = at * d.outputs + o;
        let most = d.outputs - 1u - o;
        sum += value * vec4f(dy[start], dy[start + min(1u, most)], dy[start + min(2u, most)], dy[start + min(3u, most)]);
    }
    sums[me] = sum;
    for (var half_way = 32u; half_way > 0u; half_way /= 2u) {
        workgroupBarrier();
        if (me < half_way) {
            sums[me] += sums[me + half_way];
        }
    }
    if (me == 0u) {
        for (var k = 0u; k < min(4u, d.outputs - o); k++) {
            if (bias) {
                db[o + k] = sums[0][k];
            } else {
                dw[row * d.outputs + o + k] = sums[0][k];
            }
        }
    }
}
