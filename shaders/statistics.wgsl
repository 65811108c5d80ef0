// The seven statistics of every tensor of every network: min, quartiles, max, standard deviation, mean. A workgroup takes one
// tensor of one network; nothing is sorted or copied, ranks are found bit by bit.
//
// Order statistics are exact. Sums run in f32 over numbers shifted by the first one, in 128 partial sums and then a tree.

struct Shape {
    tensors: u32,
    networks: u32,
    stride: u32,        // numbers of a network
    unused: u32,
}

struct Tensor {
    start: u32,
    count: u32,
}

@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read> tensors: array<Tensor>;
@group(0) @binding(2) var<storage, read> weights: array<f32>;
/// Seven numbers for each tensor, tensor by tensor, network by network.
@group(0) @binding(3) var<storage, read_write> statistics: array<f32>;

var<workgroup> counts: array<vec4u, 128>;
var<workgroup> sums: array<f32, 128>;
var<workgroup> counted: vec4u;

/// A number whose unsigned order is that of the floats.
fn ordered(x: f32) -> u32 {
    let bits = bitcast<u32>(x);
    return bits ^ select(0x80000000u, 0xffffffffu, (bits & 0x80000000u) != 0u);
}

fn number(key: u32) -> f32 {
    return bitcast<f32>(key ^ select(0xffffffffu, 0x80000000u, (key & 0x80000000u) != 0u));
}

/// Sums four counts over the workgroup.
fn total(me: u32, count: vec4u) -> vec4u {
    counts[me] = count;
    for (var n = 64u; n > 0u; n /= 2u) {
        workgroupBarrier();
        if (me < n) {
            counts[me] += counts[me + n];
        }
    }
    if (me == 0u) {
        counted = counts[0];
    }
    return workgroupUniformLoad(&counted);
}

@compute @workgroup_size(128)
fn weight_statistics(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) me: u32) {
    let tensor = tensors[group.x];
    let start = group.y * shape.stride + tensor.start;
    let n = tensor.count;
    let first = weights[start];

    // extremes as ordered words: max of key and of its complement
    var extremes = vec2u(0u);
    var sum = 0.0;
    for (var k = me; k < n; k += 128u) {
        let x = weights[start + k];
        extremes = max(extremes, vec2u(~ordered(x), ordered(x)));
        sum += x - first;
    }
    counts[me] = vec4u(extremes, 0u, 0u);
    sums[me] = sum;
    for (var m = 64u; m > 0u; m /= 2u) {
        workgroupBarrier();
        if (me < m) {
            counts[me] = max(counts[me], counts[me + m]);
            sums[me] += sums[me + m];
        }
    }
    workgroupBarrier();
    extremes = counts[0].xy;
    let mean = sums[0] / f32(n);
    workgroupBarrier();

    // second pass around the mean: no cancellation
    var squares = 0.0;
    for (var k = me; k < n; k += 128u) {
        let d = (weights[start + k] - first) - mean;
        squares += d * d;
    }
    sums[me] = squares;
    for (var m = 64u; m > 0u; m /= 2u) {
        workgroupBarrier();
        if (me < m) {
            sums[me] += sums[me + m];
        }
    }

    // the largest word with at most k numbers below it, for the three ranks k at once, from the highest bit down
    let quarters = vec3u(n - 1u, 2u * (n - 1u), 3u * (n - 1u));
    let ranks = quarters / vec3u(4u);
    var key = vec3u(0u);
    for (var bit = 0x80000000u; bit > 0u; bit /= 2u) {
        let candidate = key | vec3u(bit);
        var below = vec4u(0u);
        for (var k = me; k < n; k += 128u) {
            below += vec4u(select(vec3u(0u), vec3u(1u), vec3u(ordered(weights[start + k])) < candidate), 0u);
        }
        let all = total(me, below);
        key = select(key, candidate, all.xyz <= ranks);
    }
    // the next in order: the same number if it is there often enough, else the smallest above it
    var not_above = vec4u(0u);
    var next = vec3u(0u);
    for (var k = me; k < n; k += 128u) {
        let word = vec3u(ordered(weights[start + k]));
        not_above += vec4u(select(vec3u(0u), vec3u(1u), word <= key), 0u);
        next = max(next, select(vec3u(0u), ~word, word > key));
    }
    let known = total(me, not_above);
    workgroupBarrier();
    counts[me] = vec4u(next, 0u);
    for (var m = 64u; m > 0u; m /= 2u) {
        workgroupBarrier();
        if (me < m) {
            counts[me] = max(counts[me], counts[me + m]);
        }
    }
    workgroupBarrier();
    if (me == 0u) {
        let at = 7u * (group.y * shape.tensors + group.x);
        statistics[at] = number(~extremes.x);
        for (var k = 0u; k < 3u; k++) {
            let low = number(key[k]);
            let same = known[k] > ranks[k] + 1u || ranks[k] + 1u >= n;
            let high = select(number(~counts[0][k]), low, same);
            let t = f32(quarters[k] % 4u) * 0.25;
            statistics[at + 1u + k] = select(low + (high - low) * t, low, low == high || t == 0.0);
        }
        statistics[at + 4u] = number(extremes.y);
        statistics[at + 5u] = sqrt(sums[0] / f32(n));
        statistics[at + 6u] = first + mean;
    }
}
