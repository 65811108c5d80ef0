// Accuracy and loss on the fast path, dropout off. A workgroup looks at a segment of a network's images; nothing is kept but
// what the next layer reads. Before it: constants, job, activation, fast.

@group(0) @binding(5) var<storage, read> segments: array<Segment>;
/// For each segment the sum of its losses (the bits of an f32), how many images it looked at (0 where loops ended early), then
/// the images of each class that were classified rightly.
@group(0) @binding(6) var<storage, read_write> results: array<u32>;

var<workgroup> right: array<atomic<u32>, 16>;
var<workgroup> losses: array<f32, TILE>;

@compute @workgroup_size(WIDTH)
fn evaluate(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) me: u32,
) {
    let number = group.y * groups.x + group.x;
    let segment = segments[number];
    let network = networks[segment.network];
    let weights = network.state;
    let warp = me >> 5u;
    let lane = me & 31u;
    // lane maps as in fast_train.wgsl
    let pair = (lane & 1u) | ((lane >> 1u) & 6u);
    let quarter = ((lane >> 1u) & 1u) | ((lane >> 3u) & 2u);
    let half = (lane >> 1u) & 1u;
    let side = lane >> 4u;
    let left = lane & 1u;
    let row = min(lane >> 1u, FIRST_SIDE - 1u);
    let mine = warp * Y1 + row * FIRST_SIDE + COLUMNS * left;
    if (me < 16u) {
        atomicStore(&right[me], 0u);
    }
    load_weights(me, weights);
    workgroupBarrier();
    var loss = 0.0;
    var seen = 0u;
    for (var first = segment.first; first < segment.end; first += TILE) {
        let valid = first + warp < segment.end;
        let entry = order[min(first + warp, segment.end - 1u)];
        let label = entry >> 24u;
        let source = entry & 0xffffffu;
        //@ pixels
        //@ second_convolution
        //@ second_map
        //@ third_convolution
        warp_sync();
        //@ logits
        // every lane needs all logits
        warp_sync();
        //@ softmax
        if (valid && lane == 0u) {
            loss += cross_entropy(total, largest, labelled);
            if (first_of_largest) {
                atomicAdd(&right[label], 1u);
            }
        }
        // the next image takes the place of the logits
        warp_sync();
        seen += min(TILE, segment.end - first);
    }
    if (lane == 0u) {
        losses[warp] = loss;
    }
    workgroupBarrier();
    let at = number * (CLASSES + 2u);
    if (me == 0u) {
        var sum = 0.0;
        for (var n = 0u; n < TILE; n++) {
            sum += losses[n];
        }
        results[at] = bitcast<u32>(sum);
        results[at + 1u] = select(0u, seen, loops_ran_to_end(min(seen, 8u)));
    }
    if (me < CLASSES) {
        results[at + 2u + me] = atomicLoad(&right[me]);
    }
}
