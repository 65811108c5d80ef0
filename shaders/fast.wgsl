// What training and evaluation of the fast path share. The constants before it and the loops inserted into
// fast_train.wgsl and fast_evaluate.wgsl come from src/train/gpu/fast, which explains them.
//
// A workgroup is a network. It has TILE warps of 32 lanes; «warp» and «lane» are plain arithmetic on the invocation's number,
// and where lanes of a warp exchange values they meet in warp_sync(). A warp owns an image in the forward pass.
//
// Numbers travel in pairs of channels (vec2f). `y1s` holds a chunk of four channels of the first map for each warp, and when
// that is done with the sums of two halves, the third map, its gradient and the logits; `y2s` the second map of each image,
// before that dropout's decisions, after that its gradient.

@group(0) @binding(1) var<storage, read> pixels: array<vec4f>;
@group(0) @binding(2) var<storage, read> networks: array<Network>;
/// Images in the order of use: index in the low 24 bits, label above.
@group(0) @binding(3) var<storage, read> order: array<u32>;
/// For each network weights, first moments, second moments, PARAMETERS each.
@group(0) @binding(4) var<storage, read_write> state: array<vec2f>;

var<workgroup> first_kernel: array<vec4f, 40>;
var<workgroup> second_kernel: array<vec2f, SECOND_LENGTH>;
var<workgroup> third_kernel: array<vec2f, THIRD_LENGTH>;
var<workgroup> y1s: array<vec2f, TILE * Y1>;

/// Copies a network's large tensors into workgroup memory. The caller waits.
fn load_weights(me: u32, weights: u32) {
    for (var k = me; k < 1152u; k += WIDTH) {
        if (SECOND_INSIDE) {
            second_kernel[k / 144u * SECOND_PAIR + k % 144u / 48u * SECOND_ROW + k % 48u] = state[weights + SECOND + k];
        }
        if (THIRD_INSIDE) {
            third_kernel[k / 128u * THIRD_TAP + k / 16u % 8u * THIRD_PAIR + k % 16u] = state[weights + THIRD + k];
        }
    }
    for (var k = me; k < 40u; k += WIDTH) {
        first_kernel[k] = vec4f(state[weights + FIRST + 2u * k], state[weights + FIRST + 2u * k + 1u]);
    }
}

/// What a loss that is not finite is given as: WGSL promises nothing about infinities and NaN.
const INFINITE = 3e38;

/// Cross-entropy from the sum of e^(logit - largest).
fn cross_entropy(sum: f32, largest: f32, labelled: f32) -> f32 {
    // a sum that is not a number from 1 on has no logarithm: the network has diverged
    let sound = sum >= 1.0 && sum < 3.4e38;
    return select(INFINITE, log(sum) + (largest - labelled), sound);
}
