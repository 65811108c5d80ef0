// Accuracy and loss, dropout off: a workgroup looks at a segment of a network's images. After job, random, activation and
// network.

@group(0) @binding(5) var<storage, read> segments: array<Segment>;
/// For each segment the sum of its losses (the bits of an f32), how many images it looked at (0 where loops ended early), then
/// the images of each class that were classified rightly.
@group(0) @binding(6) var<storage, read_write> results: array<u32>;

var<workgroup> right: array<atomic<u32>, MOST_CLASSES>;
var<workgroup> losses: array<f32, MOST_TILE>;

fn save_preactivation(network: Network, at: u32, z: vec4f) {}

@compute @workgroup_size(WIDTH)
fn evaluate(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) me: u32,
) {
    let number = group.y * groups.x + group.x;
    let segment = segments[number];
    var network = networks[segment.network];
    network.threshold = 0u;
    maps_base = segment.maps;
    for (var k = me; k < job.classes; k += WIDTH) {
        atomicStore(&right[k], 0u);
    }
    workgroupBarrier();
    var loss = 0.0;
    var seen = 0u;
    for (var first = segment.first; first < segment.end; first += job.tile) {
        let images = min(job.tile, segment.end - first);
        gather(me, first, images);
        workgroup_sync();
        forward(me, network, images);
        if (me < images) {
            let outcome = cross_entropy(job.layers[job.convolutions], me, 1.0);
            loss += outcome.loss;
            if (outcome.predicted == labels[me]) {
                atomicAdd(&right[outcome.predicted], 1u);
            }
        }
        seen += images;
        workgroup_sync();
    }
    if (me < MOST_TILE) {
        losses[me] = loss;
    }
    workgroupBarrier();
    let at = number * (job.classes + 2u);
    if (me == 0u) {
        var sum = 0.0;
        for (var n = 0u; n < MOST_TILE; n++) {
            sum += losses[n];
        }
        results[at] = bitcast<u32>(sum);
        results[at + 1u] = select(0u, seen, loops_ran_to_end(job.classes + 2u));
    }
    for (var k = me; k < job.classes; k += WIDTH) {
        results[at + 2u + k] = atomicLoad(&right[k]);
    }
}
