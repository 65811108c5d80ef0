// What the host asks of a workgroup, for the general and the fast path. src/train/gpu/abi.rs has the same structs.

/// A network in a dispatch.
struct Network {
    activation: u32,
    optimizer: u32,
    threshold: u32,     // dropout: 16 random bits below it drop a unit
    keep: f32,          // the share that is kept
    key: vec2u,         // seed
    state: u32,         // place of its weights in `state`, in its elements
    order: u32,         // training: place of its first image in `order`
    end: u32,           // training: where the images of a batch end that are looked at
    steps: u32,         // training: number of steps
    step: u32,          // training: steps made before
    rates: u32,         // training: place of its first rate in `rates`
    l2: f32,            // 2λ
    slot: u32,
    maps: u32,          // general path: place of its part of `maps`
    begin: u32,         // general path, training: the first image of a batch that is looked at
}

/// What a workgroup evaluates.
struct Segment {
    network: u32,       // among the dispatch's networks
    first: u32,         // its first image in `order`
    end: u32,           // one past its last image
    maps: u32,          // general path: place of its part of `maps`
}

/// Whether loops still go round: a driver that ends them early, as lavapipe does after 65,535 iterations of all loops of an
/// invocation, ends this one too, after its first round. `n` is only known when the shader runs.
fn loops_ran_to_end(n: u32) -> bool {
    var k = 0u;
    for (; k < n; k++) {}
    return k == n;
}
