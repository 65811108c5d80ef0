//! `Engine`: the shaders that train and evaluate the networks of a fleet, and what they need.
//!
//! There are two: the general one runs any stack, the fast one a family of shapes ([`fast`]). They differ in the order
//! of a network's weights and in the size of their memory, which is all that a [`Fleet`](super::Fleet) knows of it.

use super::fast::{self, Kind, Options};
use super::iterations;
use super::shape::{QUAD, Shape};
use crate::Result;
use crate::cnn::Arch;
use crate::gpu::{Buffer, Checks, Gpu, Pipeline, shader};
use crate::kernels::activation::Activation;
use crate::train::run::Run;
use rayon::prelude::*;

/// Which shaders are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Path {
    /// The fast ones where they cover the networks, else the general ones.
    Automatic(Options),
    /// The general ones.
    General,
    /// The fast ones with a layout of one's own for training; for tests.
    Fast(Options, fast::Layout),
}

impl Default for Path {
    fn default() -> Path {
        Path::Automatic(Options::default())
    }
}

/// A compiled entry point, which networks it is for, and which bindings it has besides those that all have.
#[derive(Debug)]
pub(super) struct Program {
    pub(super) pipeline: Pipeline,
    /// All where there is none.
    pub(super) kind: Option<Kind>,
    pub(super) has_job: bool,
    pub(super) has_maps: bool,
}

/// See the head of the file.
#[derive(Debug)]
pub struct Engine {
    /// `general`, or `fast` with the images of its tile.
    pub name: String,
    /// `place[k]`: number of the flat vector's parameter `k` among the weights.
    pub(super) place: Vec<usize>,
    /// Numbers of a network's weights; first and second moments are as many.
    pub(super) weights: usize,
    /// Numbers of an element of `state`.
    pub(super) element: usize,
    /// Bytes of a network's partial gradients.
    pub(super) gradients: usize,
    /// Bytes of a network's maps in training.
    pub(super) maps: usize,
    /// Quads of maps of a workgroup in evaluation.
    pub(super) evaluation_maps: usize,
    pub(super) classes: usize,
    /// Images that a workgroup evaluates.
    pub(super) segment: usize,
    pub(super) job: Option<Buffer>,
    /// Iterations of an invocation's loops in a step of the fast path.
    pub(super) step_iterations: usize,
    /// The general path's shape, whose steps may be made in pieces.
    pub(super) shape: Option<Shape>,
    pub(super) training: Vec<Program>,
    pub(super) evaluation: Vec<Program>,
}

/// Images that a workgroup evaluates where nothing limits it.
pub(super) const SEGMENT: usize = 512;

/// Segments of a dispatch at most, rows of equal length filled up included.
pub(super) fn most_segments(slots: usize, images: usize, segment: usize, groups: usize) -> usize {
    let most = slots * images.div_ceil(segment);
    most + most.div_ceil(groups)
}

impl Engine {
    /// The engine for networks of `arch` with batches of `batch` images and hyperparameters of these kinds.
    ///
    /// # Errors
    /// [`Error::Device`](crate::Error::Device) where the networks do not fit or a shader is refused.
    pub fn new(gpu: &Gpu, arch: &Arch, batch: usize, kinds: &[Kind], path: Path) -> Result<Engine> {
        let (options, layout) = match path {
            Path::General => return Engine::general(gpu, arch, batch, kinds),
            Path::Automatic(options) => (options, None),
            Path::Fast(options, layout) => (options, Some(layout)),
        };
        match fast::Design::of(arch, gpu.limits(), batch, layout) {
            Some(fast) => Engine::fast(gpu, &fast, batch, kinds, options),
            None => Engine::general(gpu, arch, batch, kinds),
        }
    }

    fn general(gpu: &Gpu, arch: &Arch, batch: usize, kinds: &[Kind]) -> Result<Engine> {
        let shape = Shape::new(arch, gpu)?;
        let constants = shape.constants();
        let [wide, random] = gpu.random();
        let base = [shader::JOB, wide, random, shader::ACTIVATION, shader::OPTIMIZER, shader::NETWORK];
        let program = |last, entry| -> Result<Program> {
            let pipeline = gpu.pipeline(&[&base[..], &[last]].concat(), entry, &constants)?;
            Ok(Program { pipeline, kind: None, has_job: true, has_maps: true })
        };
        let gelu = kinds.iter().any(|kind| kind.activation == Activation::Gelu);
        Ok(Engine {
            name: "general".into(),
            place: shape.place.clone(),
            weights: 4 * shape.weights,
            element: 4,
            gradients: shape.gradients * QUAD,
            maps: shape.training_maps(gelu) * QUAD,
            evaluation_maps: shape.maps(),
            classes: shape.classes,
            segment: iterations::segment(&shape, gpu.limits().iterations).min(SEGMENT),
            job: Some(gpu.uniform("job", &[shape.job(batch)])?),
            step_iterations: 0,
            training: vec![program(shader::STEP, "train")?],
            evaluation: vec![program(shader::EVALUATE, "evaluate")?],
            shape: Some(shape),
        })
    }

    fn fast(gpu: &Gpu, fast: &fast::Design, batch: usize, kinds: &[Kind], options: Options) -> Result<Engine> {
        if options.sync == fast::Sync::Subgroup && !gpu.adapter().has_warps() {
            let found = gpu.adapter().subgroup.map_or("none that can".into(), |least| format!("some of {least}"));
            return Err(
                gpu.fail(format!("subgroup barriers need subgroups of at least 32 invocations, and it has {found}"))
            );
        }
        let mut engine = Engine {
            name: format!("fast, {} images a tile", fast.training.tile),
            place: fast.place(),
            weights: fast.weights(),
            element: 2,
            gradients: fast.gradients(),
            maps: 0,
            evaluation_maps: 0,
            classes: fast.shape.classes,
            segment: fast.segment(gpu.limits().iterations),
            job: None,
            shape: None,
            step_iterations: fast.step_iterations(batch),
            training: Vec::new(),
            evaluation: Vec::new(),
        };
        let (mut training, mut evaluation): (Vec<Kind>, Vec<Kind>) = (Vec::new(), Vec::new());
        for &kind in kinds {
            if !training.contains(&kind) {
                training.push(kind);
            }
            if !evaluation.iter().any(|other| other.activation == kind.activation) {
                evaluation.push(kind);
            }
        }
        // compiling is slow: all at once
        let train = |&kind: &Kind| -> Result<Program> {
            let pipeline = compile(gpu, &fast.training_text(gpu, kind, options), "train", options.checks)?;
            Ok(Program { pipeline, kind: Some(kind), has_job: false, has_maps: fast.maps(kind) > 0 })
        };
        let evaluate = |&kind: &Kind| -> Result<Program> {
            let pipeline = compile(gpu, &fast.evaluation_text(kind.activation, options), "evaluate", options.checks)?;
            Ok(Program { pipeline, kind: Some(kind), has_job: false, has_maps: false })
        };
        engine.maps = training.iter().map(|&kind| fast.maps(kind)).max().unwrap_or(0);
        engine.training = training.par_iter().map(train).collect::<Result<_>>()?;
        engine.evaluation = evaluation.par_iter().map(evaluate).collect::<Result<_>>()?;
        Ok(engine)
    }

    /// Whether these are the fast shaders.
    pub fn is_fast(&self) -> bool {
        self.shape.is_none()
    }

    /// Number of the program that trains a network.
    pub(super) fn trains(&self, run: &Run) -> usize {
        let kind = Kind::of(run);
        self.training.iter().position(|program| program.kind.is_none_or(|other| other == kind)).unwrap_or(0)
    }

    /// Number of the program that evaluates a network.
    pub(super) fn evaluates(&self, run: &Run) -> usize {
        let fits = |program: &Program| program.activation().is_none_or(|activation| activation == run.activation);
        self.evaluation.iter().position(fits).unwrap_or(0)
    }

    /// Working parameters of a flat vector, into zeros.
    pub(super) fn unpack(&self, flat: &[f32], working: &mut [f32]) {
        for (&at, &value) in self.place.iter().zip(flat) {
            working[at] = value;
        }
    }

    /// The flat vector of working parameters.
    pub(super) fn pack(&self, working: &[f32], flat: &mut [f32]) {
        for (&at, value) in self.place.iter().zip(flat) {
            *value = working[at];
        }
    }
}

impl Program {
    fn activation(&self) -> Option<Activation> {
        self.kind.map(|kind| kind.activation)
    }
}

/// Compiles a text of the fast path.
fn compile(gpu: &Gpu, text: &str, entry: &str, checks: Checks) -> Result<Pipeline> {
    match checks {
        Checks::On => gpu.pipeline(&[text], entry, &[]),
        Checks::Off => gpu.trusted_pipeline(shader::Trusted::vouch(text), entry),
    }
}
