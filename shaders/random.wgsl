// Philox4x32-10: stateless random numbers (Salmon, Moraes, Dror, Shaw, SC'11), the twin of kernels/src/random.rs.
// Before it wide.wgsl or, where the GPU has 64-bit integers, wide64.wgsl.

/// Philox4x32-10 of one counter: four random words.
fn philox(counter: vec4u, key: vec2u) -> vec4u {
    var c = counter;
    var k = key;
    for (var round = 0u; round < 10u; round++) {
        let x = wide(0xD2511F53u, c.x);
        let y = wide(0xCD9E8D57u, c.z);
        c = vec4u(y.x ^ c.y ^ k.x, y.y, x.x ^ c.w ^ k.y, x.y);
        k += vec2u(0x9E3779B9u, 0xBB67AE85u);
    }
    return c;
}

/// Bit `j` is set if position `8·group + j` of a channel is kept: its 16 random bits are not below `threshold`.
fn kept_positions(counter: vec4u, key: vec2u, threshold: u32) -> u32 {
    let words = philox(counter, key);
    let low = select(vec4u(0u), vec4u(1u, 4u, 16u, 64u), (words & vec4u(0xffffu)) >= vec4u(threshold));
    let high = select(vec4u(0u), vec4u(2u, 8u, 32u, 128u), (words >> vec4u(16u)) >= vec4u(threshold));
    let bits = low | high;
    return bits.x | bits.y | bits.z | bits.w;
}

struct Blocks {
    key: vec2u,
    count: u32,
}

@group(0) @binding(0) var<uniform> blocks: Blocks;
@group(0) @binding(1) var<storage, read> counters: array<vec4u>;
@group(0) @binding(2) var<storage, read_write> random_words: array<vec4u>;

/// One block of random words for each counter.
@compute @workgroup_size(64)
fn philox_blocks(@builtin(global_invocation_id) id: vec3u) {
    if (id.x < blocks.count) {
        random_words[id.x] = philox(counters[id.x], blocks.key);
    }
}
