// Dropout's decisions and the optimizer's step of the fast path.

/// Draws the decisions of an image: a lane draws eight positions of a channel after another. They are kept as bits of floats
/// that are surely normal, because those of others might be flushed to zero.
fn draw(network: Network, warp: u32, lane: u32, image: u32, step: u32) {
    const SECOND_BEGIN = 16u * FIRST_GROUPS;
    const THIRD_BEGIN = SECOND_BEGIN + 16u * SECOND_GROUPS;
    const END = THIRD_BEGIN + 16u * THIRD_GROUPS;
    for (var k = lane; k < END; k += 32u) {
        var layer = 0u;
        // [four channels][group][channel], so that the first convolution reads a quad
        var block = k % 4u + k / 4u % FIRST_GROUPS * 16u + k / (4u * FIRST_GROUPS) * 4u;
        if (k >= SECOND_BEGIN) {
            layer = 1u;
            block = k - SECOND_BEGIN;
        }
        if (k >= THIRD_BEGIN) {
            layer = 2u;
            block = k - THIRD_BEGIN;
        }
        let bits = kept_positions(vec4u(block, image, step, DROPOUT_PURPOSE + layer), network.key, network.threshold);
        y2s[warp * Y2 + (k >> 1u)][k & 1u] = bitcast<f32>(0x3f800000u | bits);
    }
}

/// `dy·f'(z)` and dropout from y alone: for kinds that keep no slopes.
fn through(y: vec4f, dy: vec4f, keep: f32) -> vec4f {
    let dropped = dy * select(1.0, 1.0 / keep, DROPOUT);
    if (ACTIVATION == RELU) {
        return select(vec4f(0.0), dropped, y > vec4f(0.0));
    }
    return dropped * slope(ACTIVATION, y * select(1.0, keep, DROPOUT), vec4f(0.0));
}

/// Adds up partial sums and moves every weight; L2 acts on kernels alone.
fn optimize(me: u32, network: Network, sums: u32, rate: f32) {
    for (var k = me; k < PARAMETERS; k += WIDTH) {
        var at = sums;
        var stride = 0u;
        var parts = SECOND_PARTS;
        var l2 = 0.0;
        if (k < THIRD) {
            at += SECOND_SUMS + k;
            stride = 1152u;
            l2 = network.l2;
        } else if (k < FIRST) {
            at += THIRD_SUMS + k - THIRD;
            stride = 1152u;
            parts = THIRD_PARTS;
            l2 = network.l2;
        } else if (k < SECOND_BIAS) {
            at += FIRST_SUMS + k - FIRST;
            stride = 80u;
            parts = FIRST_PARTS;
            l2 = select(network.l2, 0.0, (k - FIRST) % 20u >= 18u);
        } else if (k < THIRD_BIAS) {
            at += SECOND_BIAS_SUMS + k - SECOND_BIAS;
            stride = 8u;
        } else if (k < DENSE) {
            at += THIRD_BIAS_SUMS + k - THIRD_BIAS;
            stride = 8u;
            parts = THIRD_PARTS;
        } else {
            at += DENSE_SUMS + k - DENSE;
            stride = 17u * CLASS_PAIRS;
            parts = TILE;
            l2 = select(0.0, network.l2, k < DENSE_BIAS);
        }
        var g = vec2f(0.0);
        for (var n = 0u; n < parts; n++) {
            g += gradients[at + n * stride];
        }
        g += l2 * state[network.state + k];
        update(network, network.state + k, rate, g);
    }
}

/// One optimizer step of a pair of weights; see kernels/src/optimizer.rs for the formulas.
fn update(network: Network, at: u32, rate: f32, g: vec2f) {
    let first = at + PARAMETERS;
    let second = first + PARAMETERS;
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
            state[at] -= rate * (g / sqrt(v + vec2f(EPSILON)));
        }
        default: {
            let m = state[first] + (1.0 - BETA_1) * (g - state[first]);
            let v = state[second] + (1.0 - BETA_2) * (g * g - state[second]);
            state[first] = m;
            state[second] = v;
            state[at] -= rate * (m / (sqrt(v) + vec2f(EPSILON)));
        }
    }
}
