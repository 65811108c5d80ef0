//! The fast path against the definition, the general path and the bounds of its arrays.

use super::layout::Places;
use super::source::{evaluation, training};
use super::*;
use crate::cnn::Arch;
use crate::cnn::choice::Choice;
use crate::dataset::Examples;
use crate::gpu::tests::card;
use crate::gpu::{Buffer, Dispatch, Gpu, Pipeline, shader};
use crate::kernels::activation::Activation;
use crate::train::gpu::tests::{arch, fleet_on, hyperparameters, initial, kinds, place, split};
use crate::train::gpu::{Fleet, Path, Steps, Subset};
use crate::train::reference;
use crate::train::run::{Optimizer, Run};

const STACK: &str = "16s2,16s2,16s2";

fn shape(side: usize, classes: usize) -> Shape {
    Shape::of(&arch(side, STACK, classes)).unwrap()
}

fn layouts() -> Vec<Layout> {
    let placements = [(true, true), (true, false), (false, true), (false, false)];
    let of = |tile| placements.map(|(second, third)| Layout { tile, placement: Placement { second, third } });
    [8, 4].into_iter().flat_map(of).collect()
}

#[test]
fn the_family_is_what_the_head_says() {
    for (side, stack, classes, covered) in [
        (28, STACK, 10, true),
        (32, STACK, 16, true),
        (28, STACK, 17, false),
        (29, STACK, 10, false),
        (28, "16s2,16s2", 10, false),
        (28, "16s2,16s2,16s1", 10, false),
        (28, "16s2,16s2same,16s2", 10, false),
        (28, "16s2,8s2,16s2", 10, false),
    ] {
        assert_eq!(Shape::of(&arch(side, stack, classes)).is_some(), covered, "{side} {stack} {classes}");
    }
    assert_eq!(shape(28, 10).executed_flops().0, 471_552);
    assert_eq!(shape(32, 10).executed_flops().0, arch(32, STACK, 10).plan().flops().0.training);
}

#[test]
fn workgroup_memory_is_what_was_counted() {
    let (small, large) = (shape(28, 10), shape(32, 10));
    let both = Placement { second: true, third: true };
    let tile = |layout: Option<Layout>| layout.map(|layout| (layout.tile, layout.placement));
    assert_eq!(tile(Layout::training(&small, 48 << 10, 1024)), Some((8, both)));
    assert_eq!(tile(Layout::training(&large, 48 << 10, 1024)), Some((4, both)));
    assert_eq!(tile(Layout::training(&small, 32 << 10, 1024)), Some((4, Placement { third: false, ..both })));
    assert_eq!(tile(Layout::training(&large, 32 << 10, 1024)), Some((4, Placement { second: false, third: false })));
    assert_eq!(tile(Layout::training(&small, 14 << 10, 1024)), None);
    assert_eq!(tile(Layout::evaluation(&small, 48 << 10, 1024)), Some((12, both)));
    assert_eq!(tile(Layout::evaluation(&large, 48 << 10, 1024)), Some((7, both)));
}

#[test]
fn every_parameter_has_a_place_of_its_own() {
    for (side, classes) in [(28, 10), (32, 1), (28, 16)] {
        let shape = shape(side, classes);
        let places = Places::new(&shape.numbers());
        let table = places.table(&shape);
        let parameters = arch(side, STACK, classes).parameters();
        let different: std::collections::HashSet<usize> = table.iter().copied().collect();
        assert_eq!((table.len(), different.len()), (parameters, parameters));
        assert!(table.iter().all(|&place| place < 2 * places.end));
    }
}

/// Every text is a valid shader, and its workgroup memory is what the layout says.
#[test]
fn texts_are_valid() {
    for (side, classes) in [(28, 10), (32, 7)] {
        for (kind, layout) in
            kinds().into_iter().flat_map(|kind| layouts().into_iter().map(move |layout| (kind, layout)))
        {
            let (shape, random) = (shape(side, classes), [shader::WIDE, shader::RANDOM].concat());
            let train = random + &training(&shape, layout, kind, Options::default());
            let evaluate = evaluation(&shape, layout, kind.activation, Options::default());
            for (text, train) in [(train, true), (evaluate, false)] {
                let module = naga::front::wgsl::parse_str(&text)
                    .unwrap_or_else(|error| panic!("{}", error.emit_to_string(&text)));
                let flags = naga::valid::ValidationFlags::all();
                let mut validator = naga::valid::Validator::new(flags, naga::valid::Capabilities::all());
                if let Err(error) = validator.validate(&module) {
                    panic!("{kind:?} {layout:?}: {}", error.emit_to_string(&text));
                }
                let shared = module.global_variables.iter().filter(|(_, v)| v.space == naga::AddressSpace::WorkGroup);
                let size = |(_, v): (_, &naga::GlobalVariable)| module.types[v.ty].inner.size(module.to_ctx()) as usize;
                let bytes: usize = shared.map(size).sum();
                assert!(bytes <= layout.bytes(&shape, train), "{kind:?} {layout:?}: {bytes} bytes");
            }
        }
    }
}

/// Networks whose units keep their distance from 0, where a ReLU may fall to either side in single precision.
fn sound(arch: &Arch, run: Run, images: &Examples, step: u32) -> Run {
    let seeds = (0..200).map(|seed| Run { seed, ..run });
    let is_sound = |run: &Run| {
        let flat: Vec<f64> = initial(arch, run).iter().map(|&w| f64::from(w)).collect();
        reference::smallest_preactivation(arch, run, images, step, &flat) > 1e-5
    };
    seeds.into_iter().find(is_sound).expect("one of 200 networks keeps its distance")
}

/// The largest relative error of a tensor: norm of the difference over norm of the tensor.
fn tensor_error(arch: &Arch, got: &[f32], expected: &[f64]) -> f64 {
    let error = |tensor: crate::cnn::plan::Tensor| {
        let (got, expected) = (&got[tensor.range.clone()], &expected[tensor.range.clone()]);
        let norm = expected.iter().map(|x| x * x).sum::<f64>().sqrt();
        let difference = got.iter().zip(expected).map(|(&got, x)| (f64::from(got) - x).powi(2)).sum::<f64>().sqrt();
        if difference.is_nan() { f64::INFINITY } else { difference / norm.max(1e-30) }
    };
    arch.plan().tensors.into_iter().map(error).fold(0.0, f64::max)
}

/// What the first moments of momentum with rate 1 are after one step: the gradient, its sign turned.
fn gradient(fleet: &Fleet, arch: &Arch, slot: usize) -> Vec<f32> {
    let weights = fleet.engine.weights;
    let at = fleet.place(slot) + 4 * weights as u64;
    let working: Vec<f32> = fleet.gpu().download(&fleet.state, at, weights).unwrap();
    let mut flat = vec![0.0; arch.parameters()];
    fleet.engine.pack(&working, &mut flat);
    flat.iter().map(|m| -m).collect()
}

/// Layouts that fit on a card: the best one and whatever else shows another tile or place of the kernels.
fn fitting(shape: &Shape) -> Vec<Layout> {
    let Some(gpu) = card() else { return Vec::new() };
    let limits = gpu.limits();
    let fits =
        |layout: &Layout| layout.bytes(shape, true) <= limits.workgroup_bytes && layout.width() <= limits.invocations;
    layouts().into_iter().filter(fits).collect()
}

/// A layout with the kinds that are tried on it: all on the best one for small images, on others
/// few, because compiling takes most of the time.
fn tried(side: usize) -> Vec<(Layout, Vec<Kind>)> {
    let kind = |activation, dropout| Kind { activation, dropout };
    let some = vec![kind(Activation::Tanh, true)];
    let more = [&some[..], &[kind(Activation::Relu, false), kind(Activation::Gelu, true)]].concat();
    let first = if side == 28 { kinds() } else { more };
    fitting(&shape(side, 10)).into_iter().zip(std::iter::once(first).chain(std::iter::repeat(some))).collect()
}

/// The last tile of the batch partly empty.
#[test]
fn gradients_agree_with_the_definition() {
    let (batch, step) = (13, 3);
    for (side, (layout, kinds)) in [28, 32].into_iter().flat_map(|side| tried(side).into_iter().map(move |t| (side, t)))
    {
        let (arch, images) = (arch(side, STACK, 10), split(side, batch, 10));
        let run = |kind: &Kind| {
            let run = hyperparameters(kind.activation, Optimizer::Momentum, if kind.dropout { 0.4 } else { 0.0 });
            sound(&arch, Run { learning_rate: 1.0, ..run }, &images, step)
        };
        let runs: Vec<Run> = kinds.iter().map(run).collect();
        let path = Path::Fast(Options::default(), layout);
        let Some(fleet) = fleet_on(&arch, &images, batch, runs.len(), &kinds, path) else { return };
        assert!(fleet.engine.shape.is_none(), "{}", fleet.engine.name);
        let mut work = Vec::new();
        for (slot, &run) in runs.iter().enumerate() {
            place(&fleet, slot, &initial(&arch, &run), (0..batch as u32).collect());
            work.push(Steps { slot, run, first: 0, before: step, count: 1, all: 1 });
        }
        let losses = fleet.steps(&work).unwrap();
        for (slot, (run, loss)) in runs.iter().zip(losses).enumerate() {
            let flat: Vec<f64> = initial(&arch, run).iter().map(|&w| f64::from(w)).collect();
            let (expected_loss, expected) = reference::loss_and_gradient(&arch, run, &images, step, &flat);
            let error = tensor_error(&arch, &gradient(&fleet, &arch, slot), &expected);
            let name = format!("{side} {layout:?} {:?} dropout {}", run.activation, run.dropout);
            eprintln!("{name}: loss {:.1e}, gradient {error:.1e}", f64::from(loss) - expected_loss);
            assert!((f64::from(loss) - expected_loss).abs() < 1e-5 * expected_loss, "{name}: {loss} {expected_loss}");
            assert!(error < 1e-5, "{name}: {error:e}");
        }
    }
}

/// Steps of every optimizer in two dispatches, with L2, then an evaluation of a part of the images: twice on the fast path and
/// once on the general one.
#[test]
fn both_paths_agree_and_the_fast_one_with_itself() {
    let (batch, steps, evaluated) = (9, 5, 31);
    let (arch, images) = (arch(28, STACK, 7), split(28, batch * steps, 7));
    let kind = Kind { activation: Activation::Tanh, dropout: true };
    let of = |&optimizer: &Optimizer| Run { l2reg: 0.01, ..hyperparameters(kind.activation, optimizer, 0.25) };
    let runs: Vec<Run> = Optimizer::ALL.iter().map(of).collect();
    let results = |path| {
        let fleet = fleet_on(&arch, &images, batch, runs.len(), &[kind], path)?;
        for (slot, run) in runs.iter().enumerate() {
            place(&fleet, slot, &initial(&arch, run), (0..images.len() as u32).rev().collect());
        }
        let some = |first: usize, count: usize| {
            let of = |(slot, &run)| Steps { slot, run, first: first * batch, before: first as u32, count, all: 1 };
            fleet.steps(&runs.iter().enumerate().map(of).collect::<Vec<_>>()).unwrap()
        };
        some(0, 2);
        let losses = some(2, steps - 2);
        let work: Vec<(usize, Run, usize)> = runs.iter().zip(0..).map(|(&run, slot)| (slot, run, evaluated)).collect();
        let weights = |slot| {
            let mut flat = vec![0.0; arch.parameters()];
            fleet.store(slot, &mut flat).unwrap();
            flat
        };
        let weights: Vec<Vec<f32>> = (0..runs.len()).map(weights).collect();
        Some((losses, weights, fleet.evaluate(Subset::Train, &work).unwrap()))
    };
    let Some(general) = results(Path::General) else { return };
    let (fast, again) = (results(Path::default()).unwrap(), results(Path::default()).unwrap());
    // as text, in which NaN is equal to itself
    assert!(format!("{fast:?}") == format!("{again:?}"), "two runs of the same differ");
    for (slot, run) in runs.iter().enumerate() {
        let expected: Vec<f64> = general.1[slot].iter().map(|&w| f64::from(w)).collect();
        let error = tensor_error(&arch, &fast.1[slot], &expected);
        eprintln!("{:?}: weights {error:.1e}, loss {:.1e}", run.optimizer, fast.0[slot] - general.0[slot]);
        // steps of RMSprop and Adam have the size of the rate whatever the gradient's: a rounding of a tiny one is seen
        let tolerance = if matches!(run.optimizer, Optimizer::Sgd | Optimizer::Momentum) { 1e-5 } else { 3e-4 };
        assert!(error < tolerance && error > 0.0, "{:?}: {error:e}", run.optimizer);
        assert!((fast.0[slot] - general.0[slot]).abs() < 1e-4 * general.0[slot]);
        let (fast, general) = (&fast.2[slot], &general.2[slot]);
        assert!((fast.loss - general.loss).abs() < 1e-4 * general.loss, "{fast:?} {general:?}");
        assert!((fast.accuracy - general.accuracy).abs() < 1.5 / evaluated as f32, "{fast:?} {general:?}");
    }
}

/// Equal logits classify as the first class; a network whose loss is not finite stops; a driver that ends loops is found out.
#[test]
fn what_is_special_is_as_on_the_cpu() {
    let (batch, classes) = (600, 10);
    let (arch, images) = (arch(28, STACK, classes), split(28, batch, classes));
    let kind = Kind { activation: Activation::Relu, dropout: false };
    let Some(mut fleet) = fleet_on(&arch, &images, batch, 2, &[kind], Path::default()) else { return };
    let calm = hyperparameters(kind.activation, Optimizer::Sgd, 0.0);
    let wild = Run { learning_rate: 1e30, ..calm };
    place(&fleet, 0, &vec![0.0; arch.parameters()], (0..batch as u32).collect());
    let found = &fleet.evaluate(Subset::Test, &[(0, calm, batch)]).unwrap()[0];
    let first = images.labels.iter().filter(|&&label| label == 0).count() as f32 / batch as f32;
    assert_eq!((found.accuracy, found.class_accuracy[0]), (first, 1.0));
    (0..2).for_each(|slot| place(&fleet, slot, &initial(&arch, &calm), (0..batch as u32).collect()));
    let steps = |slot, run, count| Steps { slot, run, first: 0, before: 0, count, all: 1 };
    let losses = fleet.steps(&[steps(0, calm, 1), steps(1, wild, 1)]).unwrap();
    assert!(losses.iter().all(|loss| loss.is_finite()), "{losses:?}");
    let losses = fleet.steps(&[steps(0, calm, 1), steps(1, wild, 1)]).unwrap();
    assert!(losses[0].is_finite() && losses[1].is_nan(), "{losses:?}");
    if fleet.limit.take().is_some() {
        let many = vec![0; 16 * batch];
        let images = Examples { images: images.images.repeat(16), labels: images.labels.repeat(16), ..images };
        let Some(mut fleet) = fleet_on(&arch, &images, many.len() / 2, 1, &[kind], Path::default()) else { return };
        assert!(fleet.engine.shape.is_some(), "a step that is too long takes the general path");
        fleet.limit = None;
    }
}

/// The contract of `Gpu::trusted_pipeline`: each index of an access goes through a function that notes the largest one. Batches
/// and segments end within a tile, and the last network's at the end of every buffer.
#[test]
fn no_access_is_out_of_bounds() {
    let batch = 13;
    for (side, kind) in [
        (28, Kind { activation: Activation::Relu, dropout: false }),
        (28, Kind { activation: Activation::Gelu, dropout: true }),
        (32, Kind { activation: Activation::Tanh, dropout: true }),
    ] {
        let (arch, images) = (arch(side, STACK, 9), split(side, 2 * batch, 9));
        let run = hyperparameters(kind.activation, Optimizer::Adam, if kind.dropout { 0.4 } else { 0.0 });
        let Some(fleet) = fleet_on(&arch, &images, batch, 2, &[kind], Path::default()) else { return };
        let limits = fleet.gpu().limits();
        let design = Design::of(&arch, limits, batch, None).unwrap();
        let text = design.training_text(fleet.gpu(), kind, Options::default());
        let (program, reach) = watched(fleet.gpu(), &text, "train");
        let mut work = Vec::new();
        for slot in 0..2 {
            place(&fleet, slot, &initial(&arch, &run), (0..images.len() as u32).collect());
            work.push(Steps { slot, run, first: 0, before: 0, count: 2, all: 1 });
        }
        let counts = fleet.prepare(&work, &fleet.pieces(&work)[0]);
        let mut bindings = fleet.bindings().swap_remove(0);
        bindings.push((REACH, &reach));
        fleet.gpu().submit(&Dispatch { pipeline: &program, bindings: &bindings, groups: [counts[0], 1] });
        let saves = kind.saves_map();
        let unused = |name: &str| match name {
            "second_kernel" => !design.training.placement.second,
            "third_kernel" => !design.training.placement.third,
            "saved" => !saves,
            "segments" | "results" | "right" => true,
            _ => false,
        };
        check_reach(fleet.gpu(), &reach, unused);

        let (program, reach) =
            watched(fleet.gpu(), &design.evaluation_text(kind.activation, Options::default()), "evaluate");
        let chunks =
            fleet.evaluate_watched(&[(0, run, images.len() - 3), (1, run, images.len())], &program, (REACH, &reach));
        assert_eq!(chunks, 1);
        let unused = |name: &str| match name {
            "second_kernel" => !design.evaluation.placement.second,
            "third_kernel" => !design.evaluation.placement.third,
            "y2s" | "rates" | "gradients" | "outcomes" | "saved" => true,
            _ => false,
        };
        check_reach(fleet.gpu(), &reach, unused);
    }
}

/// Binding of what the watched shaders note.
const REACH: u32 = 9;

/// Every array that the fast path has.
const ARRAYS: [(&str, &str); 17] = [
    ("first_kernel", "40u"),
    ("second_kernel", "SECOND_LENGTH"),
    ("third_kernel", "THIRD_LENGTH"),
    ("y1s", "TILE * Y1"),
    ("y2s", "TILE * Y2"),
    ("losses", "TILE"),
    ("right", "16u"),
    ("pixels", "arrayLength(&pixels)"),
    ("networks", "arrayLength(&networks)"),
    ("order", "arrayLength(&order)"),
    ("state", "arrayLength(&state)"),
    ("rates", "arrayLength(&rates)"),
    ("gradients", "arrayLength(&gradients)"),
    ("outcomes", "arrayLength(&outcomes)"),
    ("saved", "arrayLength(&saved)"),
    ("segments", "arrayLength(&segments)"),
    ("results", "arrayLength(&results)"),
];

/// The shader with every access watched, and where it notes how far each array was reached into and how often beyond its end.
fn watched(gpu: &Gpu, text: &str, entry: &str) -> (Pipeline, Buffer) {
    let mut text = text.to_owned();
    let mut functions = format!("@group(0) @binding({REACH}) var<storage, read_write> reach: array<atomic<u32>>;\n");
    for (number, (name, length)) in ARRAYS.iter().enumerate() {
        let (watched, accesses) = watch(&text, name);
        text = watched;
        if accesses > 0 {
            let (reached, beyond) = (2 * number, 2 * number + 1);
            functions += &format!(
                "fn at_{name}(i: u32) -> u32 {{ atomicMax(&reach[{reached}u], i + 1u); \
                 if (i >= {length}) {{ atomicAdd(&reach[{beyond}u], 1u); }} return min(i, {length} - 1u); }}\n"
            );
        }
    }
    let pipeline = gpu.pipeline(&[&functions, &text], entry, &[]).unwrap();
    (pipeline, gpu.zeros("reach", 8 * ARRAYS.len() as u64).unwrap())
}

/// `name[i]` becomes `name[at_name(i)]`; returns how many there were.
fn watch(text: &str, name: &str) -> (String, usize) {
    let (mut watched, mut rest, mut accesses) = (String::new(), text, 0);
    let access = format!("{name}[");
    while let Some(at) = rest.find(&access) {
        let alone = !rest[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_');
        let begin = at + access.len();
        watched += &rest[..begin];
        rest = &rest[begin..];
        if alone {
            let mut depth = 1;
            let end = rest.find(|c| {
                depth += i32::from(c == '[') - i32::from(c == ']');
                depth == 0
            });
            let end = end.expect("brackets are closed");
            watched += &format!("at_{name}({})", watch(&rest[..end], name).0);
            rest = &rest[end..];
            accesses += 1;
        }
    }
    (watched + rest, accesses)
}

fn check_reach(gpu: &Gpu, reach: &Buffer, unused: impl Fn(&str) -> bool) {
    let found: Vec<[u32; 2]> = gpu.download(reach, 0, ARRAYS.len()).unwrap();
    for ((name, _), [reached, beyond]) in ARRAYS.iter().zip(found) {
        assert_eq!(reached == 0, unused(name), "{name} was reached into up to {reached}");
        assert_eq!(beyond, 0, "{name} was reached into beyond its end: {reached}");
    }
}

/// Text and function see an access in an index, and only those of the array itself.
#[test]
fn accesses_are_found() {
    let (text, accesses) = watch("y1s[a[2] + y1s[b]] = my1s[3][y1s[4]][1];", "y1s");
    assert_eq!(text, "y1s[at_y1s(a[2] + y1s[at_y1s(b)])] = my1s[3][y1s[at_y1s(4)]][1];");
    assert_eq!(accesses, 2);
}
