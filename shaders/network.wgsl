// A network in one workgroup: tables, a tile of images in workgroup memory, the forward pass. Used by step and evaluate, with
// job, activation and random before it; each of them says in `save_preactivation` what becomes of z.
//
// Channels go in fours (quads). Maps lie in `space` as [image of the tile][layer][position][quad]; weights in `state` as
// bias [quad], then kernel [tap][input][quad], inputs filled up to whole quads (an image has one). Filled-up weights are zero.

const WIDTH = 128u;             // invocations of a workgroup
const MOST_LAYERS = 65u;        // 64 convolutions and the dense layer
const MOST_TILE = 8u;           // images of a tile at most
const MOST_CLASSES = 256u;

/// Workgroup memory in vec4f: maps of a tile, and one zero.
override SPACE: u32 = 1u;
/// Whether the maps lie in storage memory instead: those of one image may be too large.
override OUTSIDE: bool = false;
/// Words of a tile's dropout decisions.
override WORDS: u32 = 1u;

/// A layer; letters as in conv.wgsl, channels in quads.
struct Layer {
    height: u32,
    width: u32,
    inputs: u32,        // 0 for an image
    outputs: u32,
    stride: u32,
    top: u32,
    left: u32,
    p: u32,
    q: u32,
    real_inputs: u32,   // channels that are not filled up
    channels: u32,
    weights: u32,       // its bias in a network's weights; the kernel follows
    map: u32,           // its output among an image's maps
    words: u32,         // its decisions among an image's words: [position / 8][quad], byte c of a word is channel c of the quad
    gradient: u32,      // its gradients among a network's: [part][bias, kernel]
    parts: u32,         // partial sums of its gradient
    @size(16) taps: u32,    // 9, or 1 for the dense layer
}

struct Job {
    convolutions: u32,
    classes: u32,
    tile: u32,          // images of a tile
    batch: u32,
    units: u32,         // quads of an image's maps
    words: u32,         // words of an image's decisions
    weights: u32,       // quads of a network's weights
    gradients: u32,     // quads of a network's gradients
    pixels: u32,        // of an image
    @size(12) pooled: u32,  // pooled channels among an image's maps
    layers: array<Layer, MOST_LAYERS>,
}

@group(0) @binding(0) var<uniform> job: Job;
@group(0) @binding(1) var<storage, read> pixels: array<f32>;
@group(0) @binding(2) var<storage, read> networks: array<Network>;
/// Images in the order of use: index in the low 24 bits, label above.
@group(0) @binding(3) var<storage, read> order: array<u32>;
/// For each network weights, first moments, second moments.
@group(0) @binding(4) var<storage, read_write> state: array<vec4f>;

/// For each network the maps of a tile and one zero if they lie here, then z for GELU.
@group(0) @binding(8) var<storage, read_write> maps: array<vec4f>;

var<workgroup> space: array<vec4f, SPACE>;
/// Where this workgroup's part of `maps` begins.
var<private> maps_base: u32;
var<workgroup> dropout_words: array<u32, WORDS>;
var<workgroup> sources: array<u32, MOST_TILE>;
var<workgroup> labels: array<u32, MOST_TILE>;

/// Where the one zero lies: taps outside a map read it.
fn zero_quad_index() -> u32 {
    return job.tile * job.units;
}

/// A quad of the maps.
fn fetch(at: u32) -> vec4f {
    if (OUTSIDE) {
        return maps[maps_base + at];
    }
    return space[at];
}

/// Overwrites a quad of the maps.
fn store(at: u32, quad: vec4f) {
    if (OUTSIDE) {
        maps[maps_base + at] = quad;
    } else {
        space[at] = quad;
    }
}

/// Waits for the workgroup and for what it wrote to the maps.
fn workgroup_sync() {
    if (OUTSIDE) {
        storageBarrier();
    }
    workgroupBarrier();
}

/// Notes which images the tile holds.
fn gather(me: u32, first: u32, images: u32) {
    if (me < images) {
        let entry = order[first + me];
        sources[me] = (entry & 0xffffffu) * job.pixels;
        labels[me] = entry >> 24u;
    }
    if (me == WIDTH - 1u) {
        store(zero_quad_index(), vec4f(0.0));
    }
}

/// Which units of a quad at position `m` of image `n` are kept.
fn dropout_mask(layer: Layer, n: u32, m: u32, o: u32) -> vec4<bool> {
    let word = dropout_words[n * job.words + layer.words + m / 8u * layer.outputs + o];
    let j = m % 8u;
    return ((vec4u(word) >> vec4u(j, 8u + j, 16u + j, 24u + j)) & vec4u(1u)) != vec4u(0u);
}

/// `y ← dropout(f(z))` for one quad.
fn epilogue(network: Network, layer: Layer, n: u32, m: u32, o: u32, z: vec4f) {
    let at = n * job.units + layer.map + m * layer.outputs + o;
    save_preactivation(network, at, z);
    var y = activate(network.activation, z);
    if (network.threshold > 0u) {
        y = select(vec4f(0.0), y * (1.0 / network.keep), dropout_mask(layer, n, m, o));
    }
    store(at, y);
}

/// The pixel of the tile's image `n`, zero outside it.
fn pixel(layer: Layer, n: u32, h: u32, w: u32) -> f32 {
    let inside = h < layer.height && w < layer.width;
    return select(0.0, pixels[select(0u, sources[n] + h * layer.width + w, inside)], inside);
}

/// The first convolution: one quad at two neighbouring positions `a`, `b` for an invocation.
fn convolve_image(me: u32, network: Network, layer: Layer, images: u32) {
    let pairs = (layer.q + 1u) / 2u;
    let items = images * layer.p * pairs * layer.outputs;
    for (var item = me; item < items; item += WIDTH) {
        let o = item % layer.outputs;
        let q = 2u * (item / layer.outputs % pairs);
        let row = item / (layer.outputs * pairs);
        let p = row % layer.p;
        let n = row / layer.p;
        let h = p * layer.stride - layer.top;
        let w = q * layer.stride - layer.left;
        let bias = network.state + layer.weights + o;
        var a = state[bias];
        var b = a;
        for (var u = 0u; u < 3u; u++) {
            for (var v = 0u; v < 3u; v++) {
                let k = state[bias + layer.outputs * (1u + 3u * u + v)];
                a += pixel(layer, n, h + u, w + v) * k;
                b += pixel(layer, n, h + u, w + layer.stride + v) * k;
            }
        }
        let m = p * layer.q + q;
        epilogue(network, layer, n, m, o, a);
        if (q + 1u < layer.q) {
            epilogue(network, layer, n, m + 1u, o, b);
        }
    }
}

/// The other convolutions: one quad at two neighbouring positions `a`, `b` for an invocation, so that six reads of four
/// numbers feed 32 multiply-adds.
fn convolve(me: u32, network: Network, layer: Layer, below: u32, images: u32) {
    let pairs = (layer.q + 1u) / 2u;
    let items = images * layer.p * pairs * layer.outputs;
    for (var item = me; item < items; item += WIDTH) {
        let o = item % layer.outputs;
        let q = 2u * (item / layer.outputs % pairs);
        let row = item / (layer.outputs * pairs);
        let p = row % layer.p;
        let n = row / layer.p;
        let x = n * job.units + below;
        let bias = network.state + layer.weights + o;
        var a = state[bias];
        var b = a;
        for (var u = 0u; u < 3u; u++) {
            let h = p * layer.stride + u - layer.top;
            if (h >= layer.height) {
                continue;
            }
            for (var v = 0u; v < 3u; v++) {
                let w = q * layer.stride + v - layer.left;
                let in_a = w < layer.width;
                let in_b = w + layer.stride < layer.width;
                var at_a = select(zero_quad_index(), x + (h * layer.width + w) * layer.inputs, in_a);
                var at_b = select(zero_quad_index(), x + (h * layer.width + w + layer.stride) * layer.inputs, in_b);
                let step_a = select(0u, 1u, in_a);
                let step_b = select(0u, 1u, in_b);
                var k = bias + layer.outputs * (1u + (3u * u + v) * 4u * layer.inputs);
                for (var i = 0u; i < layer.inputs; i++) {
                    let xa = fetch(at_a);
                    let xb = fetch(at_b);
                    let k0 = state[k];
                    let k1 = state[k + layer.outputs];
                    let k2 = state[k + 2u * layer.outputs];
                    let k3 = state[k + 3u * layer.outputs];
                    a += xa.x * k0;
                    b += xb.x * k0;
                    a += xa.y * k1;
                    b += xb.y * k1;
                    a += xa.z * k2;
                    b += xb.z * k2;
                    a += xa.w * k3;
                    b += xb.w * k3;
                    at_a += step_a;
                    at_b += step_b;
                    k += 4u * layer.outputs;
                }
            }
        }
        let m = p * layer.q + q;
        epilogue(network, layer, n, m, o, a);
        if (q + 1u < layer.q) {
            epilogue(network, layer, n, m + 1u, o, b);
        }
    }
}

/// Averages the last convolution's channels over its map.
fn pool(me: u32, layer: Layer, images: u32) {
    let positions = layer.p * layer.q;
    for (var item = me; item < images * layer.outputs; item += WIDTH) {
        let o = item % layer.outputs;
        let n = item / layer.outputs;
        var sum = vec4f(0.0);
        for (var m = 0u; m < positions; m++) {
            sum += fetch(n * job.units + layer.map + m * layer.outputs + o);
        }
        store(n * job.units + job.pooled + o, sum * (1.0 / f32(positions)));
    }
}

/// The dense layer on pooled channels.
fn dense(me: u32, network: Network, layer: Layer, images: u32) {
    for (var item = me; item < images * layer.outputs; item += WIDTH) {
        let o = item % layer.outputs;
        let n = item / layer.outputs;
        let bias = network.state + layer.weights + o;
        var z = state[bias];
        for (var i = 0u; i < layer.inputs; i++) {
            let x = fetch(n * job.units + job.pooled + i);
            let k = bias + layer.outputs * (1u + 4u * i);
            z += x.x * state[k];
            z += x.y * state[k + layer.outputs];
            z += x.z * state[k + 2u * layer.outputs];
            z += x.w * state[k + 3u * layer.outputs];
        }
        store(n * job.units + layer.map + o, z);
    }
}

/// What a loss that is not finite is given as: WGSL promises nothing about infinities and NaN.
const INFINITE = 3e38;

/// What the logits of an image say about its label.
struct Outcome {
    loss: f32,
    predicted: u32,
}

/// Cross-entropy of image `n` and its largest logit's class, the first of equals; logits become their gradient times `scale`,
/// zero beyond the classes. One invocation an image.
fn cross_entropy(layer: Layer, n: u32, scale: f32) -> Outcome {
    let z = n * job.units + layer.map;
    var largest = -3.4028235e38;
    var predicted = 0u;
    for (var k = 0u; k < job.classes; k++) {
        let value = fetch(z + k / 4u)[k % 4u];
        if (value > largest) {
            largest = value;
            predicted = k;
        }
    }
    let label = labels[n];
    let labelled = fetch(z + label / 4u)[label % 4u];
    var sum = 0.0;
    for (var o = 0u; o < layer.outputs; o++) {
        let beyond = vec4u(4u * o) + vec4u(0u, 1u, 2u, 3u) >= vec4u(job.classes);
        let e = select(exponential(fetch(z + o) - vec4f(largest)), vec4f(0.0), beyond);
        store(z + o, e);
        sum += e.x + e.y + e.z + e.w;
    }
    for (var o = 0u; o < layer.outputs; o++) {
        var dz = fetch(z + o) * (scale / sum);
        dz -= select(vec4f(0.0), vec4f(scale), vec4u(4u * o) + vec4u(0u, 1u, 2u, 3u) == vec4u(label));
        store(z + o, dz);
    }
    // a sum that is not a number from 1 on has no logarithm: the network has diverged
    let sound = sum >= 1.0 && sum < 3.4e38;
    return Outcome(select(INFINITE, log(sum) + (largest - labelled), sound), predicted);
}

/// Logits of the tile.
fn forward(me: u32, network: Network, images: u32) {
    for (var l = 0u; l < job.convolutions; l++) {
        let layer = job.layers[l];
        if (l == 0u) {
            convolve_image(me, network, layer, images);
        } else {
            convolve(me, network, layer, job.layers[l - 1u].map, images);
        }
        workgroup_sync();
    }
    pool(me, job.layers[job.convolutions - 1u], images);
    workgroup_sync();
    dense(me, network, job.layers[job.convolutions], images);
    workgroup_sync();
}
