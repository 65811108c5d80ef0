// Accuracy and loss, dropout off: workgroup (segment, network) looks at a segment of the images. After random, activation and
// network.

/// For each workgroup the sum of its losses (the bits of an f32), how many images it looked at (0 where loops ended early), then
/// the images of each class that were classified rightly.
@group(0) @binding(5) var<storage, read_write> results: array<u32>;

var<workgroup> right: array<atomic<u32>, MOST_CLASSES>;
var<workgroup> losses: array<f32, MOST_TILE>;

fn remember(network: Network, at: u32, z: vec4f) {}

@compute @workgroup_size(WIDTH)
fn evaluate(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) me: u32) {
    var network = networks[group.y];
    network.threshold = 0u;
    corner = (group.y * job.segments + group.x) * (nothing() + 1u);
    for (var k = me; k < job.classes; k += WIDTH) {
        atomicStore(&right[k], 0u);
    }
    workgroupBarrier();
    var loss = 0.0;
    var seen = 0u;
    let end = min((group.x + 1u) * job.segment, network.images);
    for (var first = group.x * job.segment; first < end; first += job.tile) {
        let images = min(job.tile, end - first);
        gather(me, network.order + first, images);
        meet();
        forward(me, network, images);
        if (me < images) {
            let outcome = cross_entropy(job.layers[job.convolutions], me, 1.0);
            loss += outcome.loss;
            if (outcome.predicted == labels[me]) {
                atomicAdd(&right[outcome.predicted], 1u);
            }
        }
        seen += images;
        meet();
    }
    if (me < MOST_TILE) {
        losses[me] = loss;
    }
    workgroupBarrier();
    let at = (group.y * job.segments + group.x) * (job.classes + 2u);
    if (me == 0u) {
        var sum = 0.0;
        for (var n = 0u; n < MOST_TILE; n++) {
            sum += losses[n];
        }
        results[at] = bitcast<u32>(sum);
        results[at + 1u] = select(0u, seen, alive(job.classes + 2u));
    }
    for (var k = me; k < job.classes; k += WIDTH) {
        results[at + 2u + k] = atomicLoad(&right[k]);
    }
}
