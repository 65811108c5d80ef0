// Training steps: one workgroup trains one network and walks through the batches of a dispatch. After random, activation and
// network. Weights and gradients lie in storage memory and are read through the first-level cache; the maps of a tile of
// images lie in workgroup memory, where the backward pass overwrites each map by its gradient.

/// The learning rate of every step, for Adam with its correction.
@group(0) @binding(5) var<storage, read> rates: array<f32>;
@group(0) @binding(6) var<storage, read_write> gradients: array<vec4f>;
/// Of each slot the last batch's loss (the bits of an f32), and how many images were looked at, 0 where loops ended early.
@group(0) @binding(7) var<storage, read_write> outcomes: array<vec2u>;

var<workgroup> losses: array<f32, MOST_TILE>;
var<workgroup> stop: u32;

/// Where z of the quad `at` lies in `maps`.
fn saved_preactivation(at: u32) -> u32 {
    return maps_base + at + select(0u, zero_quad_index() + 1u, OUTSIDE);
}

fn save_preactivation(network: Network, at: u32, z: vec4f) {
    if (network.activation == GELU) {
        maps[saved_preactivation(at)] = z;
    }
}

/// `y ← dy·f'(z)` and dropout for one quad; `space` holds y.
fn epilogue_backward(network: Network, layer: Layer, n: u32, m: u32, o: u32, dy: vec4f) {
    let at = n * job.units + layer.map + m * layer.outputs + o;
    var z = vec4f(0.0);
    if (network.activation == GELU) {
        z = maps[saved_preactivation(at)];
    }
    let y = fetch(at);
    if (network.threshold > 0u) {
        let dz = dy * (1.0 / network.keep) * slope(network.activation, y * network.keep, z);
        store(at, select(vec4f(0.0), dz, dropout_mask(layer, n, m, o)));
    } else {
        store(at, dy * slope(network.activation, y, z));
    }
}

/// Draws the decisions of every layer; an invocation draws eight positions of four channels.
fn draw(me: u32, network: Network, step: u32, first: u32, images: u32) {
    for (var l = 0u; l < job.convolutions; l++) {
        let layer = job.layers[l];
        let words = (layer.p * layer.q + 7u) / 8u * layer.outputs;
        let channels = (layer.channels + 15u) / 16u * 16u;
        for (var item = me; item < images * words; item += WIDTH) {
            let n = item / words;
            let o = item % layer.outputs;
            let block = item % words / layer.outputs * channels + 4u * o;
            var word = 0u;
            for (var c = 0u; c < 4u; c++) {
                let counter = vec4u(block + c, first + n, step, DROPOUT_PURPOSE + l);
                word |= kept_positions(counter, network.key, network.threshold) << (8u * c);
            }
            dropout_words[n * job.words + layer.words + item % words] = word;
        }
    }
}

/// Adds to a partial gradient, or starts it with the first tile of a batch.
fn accumulate(at: u32, fresh: bool, g: vec4f) {
    if (fresh) {
        gradients[at] = g;
    } else {
        gradients[at] += g;
    }
}

/// Gradient of the dense layer: 4 inputs × 4 outputs for an invocation; then the bias.
fn dense_weight(me: u32, gradient: u32, layer: Layer, images: u32, fresh: bool) {
    for (var item = me; item < (layer.inputs + 1u) * layer.outputs; item += WIDTH) {
        let o = item % layer.outputs;
        let i = item / layer.outputs;
        var bias = vec4f(0.0);
        var g0 = vec4f(0.0);
        var g1 = vec4f(0.0);
        var g2 = vec4f(0.0);
        var g3 = vec4f(0.0);
        for (var n = 0u; n < images; n++) {
            let dy = fetch(n * job.units + layer.map + o);
            if (i == layer.inputs) {
                bias += dy;
            } else {
                let x = fetch(n * job.units + job.pooled + i);
                g0 += x.x * dy;
                g1 += x.y * dy;
                g2 += x.z * dy;
                g3 += x.w * dy;
            }
        }
        if (i == layer.inputs) {
            accumulate(gradient + o, fresh, bias);
        } else {
            let at = gradient + layer.outputs * (1u + 4u * i) + o;
            accumulate(at, fresh, g0);
            accumulate(at + layer.outputs, fresh, g1);
            accumulate(at + 2u * layer.outputs, fresh, g2);
            accumulate(at + 3u * layer.outputs, fresh, g3);
        }
    }
}

/// Gradient of the pooled channels, which takes their place.
fn dense_input(me: u32, network: Network, layer: Layer, images: u32) {
    for (var item = me; item < images * layer.inputs; item += WIDTH) {
        let i = item % layer.inputs;
        let n = item / layer.inputs;
        var dx = vec4f(0.0);
        for (var o = 0u; o < layer.outputs; o++) {
            let dy = fetch(n * job.units + layer.map + o);
            let k = network.state + layer.weights + layer.outputs * (1u + 4u * i) + o;
            dx.x += dot(dy, state[k]);
            dx.y += dot(dy, state[k + layer.outputs]);
            dx.z += dot(dy, state[k + 2u * layer.outputs]);
            dx.w += dot(dy, state[k + 3u * layer.outputs]);
        }
        store(n * job.units + job.pooled + i, dx);
    }
}

/// Spreads the pooled channels' gradient over the last map.
fn unpool(me: u32, network: Network, layer: Layer, images: u32) {
    let positions = layer.p * layer.q;
    let share = 1.0 / f32(positions);
    for (var item = me; item < images * positions * layer.outputs; item += WIDTH) {
        let o = item % layer.outputs;
        let m = item / layer.outputs % positions;
        let n = item / (layer.outputs * positions);
        epilogue_backward(network, layer, n, m, o, fetch(n * job.units + job.pooled + o) * share);
    }
}

/// Gradient of the first convolution's weights and bias: 9 taps and a quad for an invocation, over every `parts`-th row.
fn image_weight(me: u32, gradient: u32, layer: Layer, images: u32, fresh: bool) {
    let size = 10u * layer.outputs;
    for (var item = me; item < layer.parts * layer.outputs; item += WIDTH) {
        let o = item % layer.outputs;
        let part = item / layer.outputs;
        var bias = vec4f(0.0);
        var g0 = vec4f(0.0);
        var g1 = vec4f(0.0);
        var g2 = vec4f(0.0);
        var g3 = vec4f(0.0);
        var g4 = vec4f(0.0);
        var g5 = vec4f(0.0);
        var g6 = vec4f(0.0);
        var g7 = vec4f(0.0);
        var g8 = vec4f(0.0);
        for (var row = part; row < images * layer.p; row += layer.parts) {
            let n = row / layer.p;
            let p = row % layer.p;
            let h = p * layer.stride - layer.top;
            let at = n * job.units + layer.map + p * layer.q * layer.outputs + o;
            for (var q = 0u; q < layer.q; q++) {
                let dy = fetch(at + q * layer.outputs);
                let w = q * layer.stride - layer.left;
                bias += dy;
                g0 += pixel(layer, n, h, w) * dy;
                g1 += pixel(layer, n, h, w + 1u) * dy;
                g2 += pixel(layer, n, h, w + 2u) * dy;
                g3 += pixel(layer, n, h + 1u, w) * dy;
                g4 += pixel(layer, n, h + 1u, w + 1u) * dy;
                g5 += pixel(layer, n, h + 1u, w + 2u) * dy;
                g6 += pixel(layer, n, h + 2u, w) * dy;
                g7 += pixel(layer, n, h + 2u, w + 1u) * dy;
                g8 += pixel(layer, n, h + 2u, w + 2u) * dy;
            }
        }
        let to = gradient + part * size + o;
        accumulate(to, fresh, bias);
        accumulate(to + layer.outputs, fresh, g0);
        accumulate(to + 2u * layer.outputs, fresh, g1);
        accumulate(to + 3u * layer.outputs, fresh, g2);
        accumulate(to + 4u * layer.outputs, fresh, g3);
        accumulate(to + 5u * layer.outputs, fresh, g4);
        accumulate(to + 6u * layer.outputs, fresh, g5);
        accumulate(to + 7u * layer.outputs, fresh, g6);
        accumulate(to + 8u * layer.outputs, fresh, g7);
        accumulate(to + 9u * layer.outputs, fresh, g8);
    }
}

/// Gradient of a convolution's bias, over every `parts`-th row.
fn convolution_bias(me: u32, gradient: u32, layer: Layer, images: u32, fresh: bool) {
    let size = layer.outputs * (1u + 36u * layer.inputs);
    for (var item = me; item < layer.parts * layer.outputs; item += WIDTH) {
        let o = item % layer.outputs;
        let part = item / layer.outputs;
        var bias = vec4f(0.0);
        for (var row = part; row < images * layer.p; row += layer.parts) {
            let at = row / layer.p * job.units + layer.map + row % layer.p * layer.q * layer.outputs + o;
            for (var q = 0u; q < layer.q; q++) {
                bias += fetch(at + q * layer.outputs);
            }
        }
        accumulate(gradient + part * size + o, fresh, bias);
    }
}

/// Gradient of a convolution's kernel: a row of 3 taps, 4 inputs and 4 outputs for an invocation, over every `parts`-th row of
/// positions, so that four reads of four numbers feed 48 multiply-adds.
fn convolution_weight(me: u32, gradient: u32, layer: Layer, below: u32, images: u32, fresh: bool) {
    let size = layer.outputs * (1u + 36u * layer.inputs);
    let items = layer.parts * 3u * layer.inputs * layer.outputs;
    for (var item = me; item < items; item += WIDTH) {
        let o = item % layer.outputs;
        let i = item / layer.outputs % layer.inputs;
        let u = item / (layer.outputs * layer.inputs) % 3u;
        let part = item / (layer.outputs * layer.inputs * 3u);
        var a0 = vec4f(0.0);
        var a1 = vec4f(0.0);
        var a2 = vec4f(0.0);
        var a3 = vec4f(0.0);
        var b0 = vec4f(0.0);
        var b1 = vec4f(0.0);
        var b2 = vec4f(0.0);
        var b3 = vec4f(0.0);
        var c0 = vec4f(0.0);
        var c1 = vec4f(0.0);
        var c2 = vec4f(0.0);
        var c3 = vec4f(0.0);
        for (var row = part; row < images * layer.p; row += layer.parts) {
            let n = row / layer.p;
            let p = row % layer.p;
            let h = p * layer.stride + u - layer.top;
            if (h >= layer.height) {
                continue;
            }
            let x = n * job.units + below + h * layer.width * layer.inputs + i;
            let at = n * job.units + layer.map + p * layer.q * layer.outputs + o;
            for (var q = 0u; q < layer.q; q++) {
                let w = q * layer.stride - layer.left;
                let dy = fetch(at + q * layer.outputs);
                let xa = fetch(select(zero_quad_index(), x + w * layer.inputs, w < layer.width));
                let xb = fetch(select(zero_quad_index(), x + (w + 1u) * layer.inputs, w + 1u < layer.width));
                let xc = fetch(select(zero_quad_index(), x + (w + 2u) * layer.inputs, w + 2u < layer.width));
                a0 += xa.x * dy;
                a1 += xa.y * dy;
                a2 += xa.z * dy;
                a3 += xa.w * dy;
                b0 += xb.x * dy;
                b1 += xb.y * dy;
                b2 += xb.z * dy;
                b3 += xb.w * dy;
                c0 += xc.x * dy;
                c1 += xc.y * dy;
                c2 += xc.z * dy;
                c3 += xc.w * dy;
            }
        }
        var to = gradient + part * size + layer.outputs * (1u + (3u * u * layer.inputs + i) * 4u) + o;
        let tap = 4u * layer.inputs * layer.outputs;
        accumulate(to, fresh, a0);
        accumulate(to + layer.outputs, fresh, a1);
        accumulate(to + 2u * layer.outputs, fresh, a2);
        accumulate(to + 3u * layer.outputs, fresh, a3);
        to += tap;
        accumulate(to, fresh, b0);
        accumulate(to + layer.outputs, fresh, b1);
        accumulate(to + 2u * layer.outputs, fresh, b2);
        accumulate(to + 3u * layer.outputs, fresh, b3);
        to += tap;
        accumulate(to, fresh, c0);
        accumulate(to + layer.outputs, fresh, c1);
        accumulate(to + 2u * layer.outputs, fresh, c2);
        accumulate(to + 3u * layer.outputs, fresh, c3);
    }
}

/// Gradient of a convolution's input, through activation and dropout of the layer below: 4 channels at two positions `S` apart
/// for an invocation, so that six reads of four numbers feed 32 multiply-adds. Positions that meet the same taps (equal
/// remainders by `S`) come one after another, so that neighbouring invocations do the same.
fn convolution_input(me: u32, network: Network, layer: Layer, below: Layer, images: u32) {
    let stride = layer.stride;
    let rows = (layer.height + stride - 1u) / stride;
    let pairs = (layer.width + 2u * stride - 1u) / (2u * stride);
    let alike = images * rows * pairs * layer.inputs;
    for (var item = me; item < stride * stride * alike; item += WIDTH) {
        let i = item % layer.inputs;
        let pair = item / layer.inputs % pairs;
        let row = item / (layer.inputs * pairs) % rows;
        let n = item / (layer.inputs * pairs * rows) % images;
        let remainder = item / alike;
        let h = row * stride + remainder / stride;
        let w = pair * 2u * stride + remainder % stride;
        if (h >= layer.height || w >= layer.width) {
            continue;
        }
        let y = n * job.units + layer.map;
        var a0 = vec4f(0.0);
        var a1 = vec4f(0.0);
        var a2 = vec4f(0.0);
        var a3 = vec4f(0.0);
        var b0 = vec4f(0.0);
        var b1 = vec4f(0.0);
        var b2 = vec4f(0.0);
        var b3 = vec4f(0.0);
        for (var u = 0u; u < 3u; u++) {
            // stride is 1 or 2: a position before the first one becomes a very large number
            let down = h + layer.top - u;
            let p = u32(i32(down) >> (stride - 1u));
            if ((down & (stride - 1u)) != 0u || p >= layer.p) {
                continue;
            }
            for (var v = 0u; v < 3u; v++) {
                let right = w + layer.left - v;
                if ((right & (stride - 1u)) != 0u) {
                    continue;
                }
                let q = u32(i32(right) >> (stride - 1u));
                let in_a = q < layer.q;
                let in_b = q + 1u < layer.q;
                var at_a = select(zero_quad_index(), y + (p * layer.q + q) * layer.outputs, in_a);
                var at_b = select(zero_quad_index(), y + (p * layer.q + q + 1u) * layer.outputs, in_b);
                let step_a = select(0u, 1u, in_a);
                let step_b = select(0u, 1u, in_b);
                var k = network.state + layer.weights + layer.outputs * (1u + ((3u * u + v) * layer.inputs + i) * 4u);
                for (var o = 0u; o < layer.outputs; o++) {
                    let ya = fetch(at_a);
                    let yb = fetch(at_b);
                    let k0 = state[k];
                    let k1 = state[k + layer.outputs];
                    let k2 = state[k + 2u * layer.outputs];
                    let k3 = state[k + 3u * layer.outputs];
                    a0 += ya * k0;
                    b0 += yb * k0;
                    a1 += ya * k1;
                    b1 += yb * k1;
                    a2 += ya * k2;
                    b2 += yb * k2;
                    a3 += ya * k3;
                    b3 += yb * k3;
                    at_a += step_a;
                    at_b += step_b;
                    k += 1u;
                }
            }
        }
        let one = vec4f(1.0);
        let m = h * layer.width + w;
        epilogue_backward(network, below, n, m, i, vec4f(dot(a0, one), dot(a1, one), dot(a2, one), dot(a3, one)));
        if (w + stride < layer.width) {
            let dx = vec4f(dot(b0, one), dot(b1, one), dot(b2, one), dot(b3, one));
            epilogue_backward(network, below, n, m + stride, i, dx);
        }
    }
}

/// Adds the tile's gradients; logits hold theirs.
fn backward(me: u32, network: Network, gradient: u32, images: u32, fresh: bool) {
    let last = job.convolutions - 1u;
    let head = job.layers[job.convolutions];
    dense_weight(me, gradient + head.gradient, head, images, fresh);
    workgroup_sync();
    dense_input(me, network, head, images);
    workgroup_sync();
    unpool(me, network, job.layers[last], images);
    workgroup_sync();
    for (var l = last; l > 0u; l--) {
        let layer = job.layers[l];
        let below = job.layers[l - 1u];
        convolution_bias(me, gradient + layer.gradient, layer, images, fresh);
        convolution_weight(me, gradient + layer.gradient, layer, below.map, images, fresh);
        workgroup_sync();
        convolution_input(me, network, layer, below, images);
        workgroup_sync();
    }
    image_weight(me, gradient + job.layers[0].gradient, job.layers[0], images, fresh);
    workgroup_sync();
}

/// One optimizer step of a quad of weights; see kernels/src/optimizer.rs for the formulas.
fn update(network: Network, at: u32, rate: f32, g: vec4f) {
    let first = at + job.weights;
    let second = first + job.weights;
    switch network.optimizer {
        case SGD: {
            state[at] -= rate * g;
        }
        case MOMENTUM: {
            let m = MU * state[first] - rate * g;
            state[first] = m;
            state[at] += m;
        }
        case RMSPROP: {
            let v = RHO * state[second] + (1.0 - RHO) * (g * g);
            state[second] = v;
            state[at] -= rate * (g / sqrt(v + vec4f(EPSILON)));
        }
        default: {
            let m = state[first] + (1.0 - BETA_1) * (g - state[first]);
            let v = state[second] + (1.0 - BETA_2) * (g * g - state[second]);
            state[first] = m;
            state[second] = v;
            state[at] -= rate * (m / (sqrt(v) + vec4f(EPSILON)));
        }
    }
}

/// Moves every weight against the sum of its partial gradients; L2 acts on kernels alone, filled-up weights stay zero.
fn optimize(me: u32, network: Network, gradient: u32, rate: f32) {
    for (var l = 0u; l <= job.convolutions; l++) {
        let layer = job.layers[l];
        let rows = 1u + layer.taps * max(1u, 4u * layer.inputs);
        let size = rows * layer.outputs;
        for (var k = me; k < size; k += WIDTH) {
            var g = vec4f(0.0);
            for (var part = 0u; part < layer.parts; part++) {
                g += gradients[gradient + layer.gradient + part * size + k];
            }
            let o = k % layer.outputs;
            let row = k / layer.outputs;
            let at = network.state + layer.weights + k;
            var real = vec4u(4u * o) + vec4u(0u, 1u, 2u, 3u) < vec4u(layer.channels);
            if (row > 0u) {
                g += network.l2 * state[at];
                real = real & vec4<bool>((row - 1u) % max(1u, 4u * layer.inputs) < layer.real_inputs);
            }
            update(network, at, rate, select(vec4f(0.0), g, real));
        }
    }
}

/// Makes the steps of every network, one workgroup each; stops a network whose loss is no longer finite. Where a dispatch looks
/// at a part of a batch alone, the one with its end moves the weights.
@compute @workgroup_size(WIDTH)
fn train(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) me: u32) {
    let network = networks[group.x];
    maps_base = network.maps;
    let gradient = network.slot * job.gradients;
    let scale = 1.0 / f32(job.batch);
    var sum = 0.0;
    var seen = 0u;
    for (var s = 0u; s < network.steps; s++) {
        var loss = 0.0;
        for (var first = network.begin; first < network.end; first += job.tile) {
            let images = min(job.tile, network.end - first);
            gather(me, network.order + s * job.batch + first, images);
            if (network.threshold > 0u) {
                draw(me, network, network.step + s, first, images);
            }
            workgroup_sync();
            forward(me, network, images);
            if (me < images) {
                loss += cross_entropy(job.layers[job.convolutions], me, scale).loss * scale;
            }
            // what `save_preactivation` wrote is read by other invocations
            storageBarrier();
            workgroupBarrier();
            backward(me, network, gradient, images, first == 0u);
            seen += images;
        }
        if (me < MOST_TILE) {
            losses[me] = loss;
        }
        storageBarrier();
        workgroupBarrier();
        if (network.end == job.batch) {
            optimize(me, network, gradient, rates[network.rates + s]);
        }
        if (me == 0u) {
            sum = select(0.0, bitcast<f32>(outcomes[network.slot].x), network.begin > 0u);
            for (var n = 0u; n < MOST_TILE; n++) {
                sum += losses[n];
            }
            stop = select(1u, 0u, sum < DIVERGED);
        }
        storageBarrier();
        if (workgroupUniformLoad(&stop) != 0u) {
            break;
        }
    }
    if (me == 0u) {
        outcomes[network.slot] = vec2u(bitcast<u32>(sum), select(0u, seen, loops_ran_to_end(job.classes + 2u)));
    }
}
