// What the GPU can do at most: multiply-adds, and bytes copied.

@group(0) @binding(0) var<storage, read> from_here: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> to_there: array<vec4f>;

const ROUNDS = 128u;

/// `a ← a·x + y` for eight independent quads four times a round, 128 multiply-adds, so that counting rounds costs little.
@compute @workgroup_size(256)
fn multiply_add(@builtin(global_invocation_id) id: vec3u) {
    let x = from_here[0];
    let y = from_here[1];
    var a0 = x + vec4f(f32(id.x));
    var a1 = a0 + y;
    var a2 = a1 + y;
    var a3 = a2 + y;
    var a4 = a3 + y;
    var a5 = a4 + y;
    var a6 = a5 + y;
    var a7 = a6 + y;
    for (var round = 0u; round < ROUNDS; round++) {
        a0 = fma(a0, x, y);
        a1 = fma(a1, x, y);
        a2 = fma(a2, x, y);
        a3 = fma(a3, x, y);
        a4 = fma(a4, x, y);
        a5 = fma(a5, x, y);
        a6 = fma(a6, x, y);
        a7 = fma(a7, x, y);
        a0 = fma(a0, x, y);
        a1 = fma(a1, x, y);
        a2 = fma(a2, x, y);
        a3 = fma(a3, x, y);
        a4 = fma(a4, x, y);
        a5 = fma(a5, x, y);
        a6 = fma(a6, x, y);
        a7 = fma(a7, x, y);
        a0 = fma(a0, x, y);
        a1 = fma(a1, x, y);
        a2 = fma(a2, x, y);
        a3 = fma(a3, x, y);
        a4 = fma(a4, x, y);
        a5 = fma(a5, x, y);
        a6 = fma(a6, x, y);
        a7 = fma(a7, x, y);
        a0 = fma(a0, x, y);
        a1 = fma(a1, x, y);
        a2 = fma(a2, x, y);
        a3 = fma(a3, x, y);
        a4 = fma(a4, x, y);
        a5 = fma(a5, x, y);
        a6 = fma(a6, x, y);
        a7 = fma(a7, x, y);
    }
    to_there[id.x] = a0 + a1 + a2 + a3 + a4 + a5 + a6 + a7;
}

/// A quad for an invocation.
@compute @workgroup_size(256)
fn copy(@builtin(global_invocation_id) id: vec3u) {
    to_there[id.x] = from_here[id.x];
}
