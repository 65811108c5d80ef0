// Training steps of the fast path. Before it: constants, job, activation, fast, fast_sums.
//
// Gradients of the weights stay in registers for a whole batch. The backward pass through the first two layers goes by
// quarters: a warp owns a chunk of four of the first map's channels (chunk = warp % 4) of an image, one image after another,
// so that what a lane sums always belongs to the same weights.

@group(0) @binding(5) var<storage, read> rates: array<f32>;
/// For each workgroup the partial sums of its gradients, SUMS.
@group(0) @binding(6) var<storage, read_write> gradients: array<vec2f>;
/// Of each slot the last batch's loss (the bits of an f32), and how many images were looked at, 0 where loops ended early.
@group(0) @binding(7) var<storage, read_write> outcomes: array<vec2u>;
/// For each image of a workgroup's tile the first map and, where needed, the slopes of both lower maps.
@group(0) @binding(8) var<storage, read_write> saved: array<vec4f>;

var<workgroup> y2s: array<vec2f, TILE * Y2>;
var<workgroup> losses: array<f32, TILE>;
var<workgroup> stop: u32;

@compute @workgroup_size(WIDTH)
fn train(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) me: u32) {
    let network = networks[group.x];
    let weights = network.state;
    let batch = network.end;
    let scale = 1.0 / f32(batch);
    let share = 1.0 / network.keep;
    let sums = group.x * SUMS;
    let warp = me >> 5u;
    let lane = me & 31u;

    // lane maps; each phase says which it uses
    let pair = (lane & 1u) | ((lane >> 1u) & 6u);               // a pair of 16 channels: bits 0, 2, 3
    let quarter = ((lane >> 1u) & 1u) | ((lane >> 3u) & 2u);    // what is left: bits 1, 4
    let half = (lane >> 1u) & 1u;                               // bit 1
    let side = lane >> 4u;                                      // bit 4
    let left = lane & 1u;                                       // half of a row of the first map
    let row = min(lane >> 1u, FIRST_SIDE - 1u);                 // its row
    let mine = warp * Y1 + row * FIRST_SIDE + COLUMNS * left;   // and its place in y1s
    let chunk = warp & 3u;                                      // backward: four channels of the first map
    let part = warp >> 2u;                                      // and which images
    let third_part = me >> 6u;                                  // third kernel: which two images
    let third_input = quarter + 4u * (warp & 1u);               // and which pair of inputs

    load_weights(me, weights);
    workgroupBarrier();
    var sum = 0.0;
    var seen = 0u;
    for (var s = 0u; s < network.steps; s++) {
        let base = network.order + s * batch;
        var loss = 0.0;
        //@ declare_sums
        for (var first = 0u; first < batch; first += TILE) {
            // forward: a warp's image; beyond the end of the batch the last one again, with gradient 0
            let valid = first + warp < batch;
            let entry = order[min(base + first + warp, base + batch - 1u)];
            let label = entry >> 24u;
            var source = entry & 0xffffffu;
            //@ pixels
            if (DROPOUT) {
                draw(network, warp, lane, first + warp, network.step + s);
                // decisions are used by other lanes than those that drew them
                warp_sync();
            }
            //@ second_convolution
            //@ second_map
            //@ third_convolution
            warp_sync();
            //@ logits
            // every lane needs all logits
            warp_sync();
            //@ softmax
            if (valid && lane == 0u) {
                loss += cross_entropy(total, largest, labelled) * scale;
            }
            //@ third_map_gradient
            //@ dense_kernel_gradient
            if (SAVES_MAP) {
                // another warp reads back what this one kept
                storageBarrier();
            }
            // the third kernel's gradient goes over the images of other warps
            workgroupBarrier();
            //@ third_kernel_gradient
            //@ second_map_gradient
            // other warps have read the second map before its gradient takes its place
            workgroupBarrier();
            //@ store_second_map_gradient
            // and now go over the gradients of other warps' images
            workgroupBarrier();
            for (var turn = 0u; turn < 4u; turn++) {
                let image = turn * (TILE / 4u) + part;
                source = order[min(base + first + image, base + batch - 1u)] & 0xffffffu;
                //@ first_convolution_again
                warp_sync();
                //@ second_kernel_gradient
                //@ first_map_gradient
                //@ first_kernel_gradient
                // the next chunk takes the place of this one's gradient
                warp_sync();
            }
            // the next tile takes the place of maps that other warps have been reading
            workgroupBarrier();
            seen += min(TILE, batch - first);
        }
        //@ store_sums
        if (lane == 0u) {
            losses[warp] = loss;
        }
        storageBarrier();
        workgroupBarrier();
        optimize(me, network, sums, rates[network.rates + s]);
        if (me == 0u) {
            sum = 0.0;
            for (var n = 0u; n < TILE; n++) {
                sum += losses[n];
            }
            stop = select(1u, 0u, sum < DIVERGED);
        }
        storageBarrier();
        if (workgroupUniformLoad(&stop) != 0u) {
            break;
        }
        load_weights(me, weights);
        workgroupBarrier();
    }
    if (me == 0u) {
        outcomes[network.slot] = vec2u(bitcast<u32>(sum), select(0u, seen, loops_ran_to_end(min(seen, 8u))));
    }
}
