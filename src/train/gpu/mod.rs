//! The executor on a card: hundreds of networks side by side, each in a workgroup of its own.
//!
//! A dispatch makes some steps of every network: few enough that it ends before a driver's watchdog, many enough that nobody
//! waits for the next one. Between two dispatches networks that end an epoch get their next order of images, those at a
//! checkpoint are measured, and the slot of a finished one is taken by the next. Two pieces of work are always under way, so
//! that the GPU never waits for the host, and rows are written by a thread of their own.

pub mod abi;
mod engine;
mod evaluate;
pub mod fast;
mod fleet;
mod iterations;
mod pace;
mod shape;
mod stage;
#[cfg(test)]
mod tests;
mod trainer;

pub use engine::{Engine, Path};
pub use evaluate::{Due, Measured, Subset};
pub use fleet::{Fleet, FleetPlan, MOST_STEPS, Steps};
pub use pace::Pace;
pub use shape::Shape;

use super::Job;
use super::executor::Session;
use super::run::{Optimizer, Run};
use crate::Result;
use crate::gpu::Gpu;
use crate::kernels::activation::Activation;
use crate::par::Stop;
use fast::Kind;
use trainer::Trainer;

/// Memory that all slots together may take.
const MEMORY: usize = 1 << 30;
/// Images of one step of all networks at most: longer steps might meet a watchdog.
const IMAGES: usize = 1 << 20;

/// Momentum of the shaders' optimizer.
const MOMENTUM: f32 = 0.9;

/// What of a network in batches of the recipe's size the shaders do not know, if anything.
fn known(run: &Run, batch: usize) -> std::result::Result<(), String> {
    let refused = |what: &str| Err(format!("the shaders know no {what}"));
    match run {
        Run { activation: Activation::LeakyRelu | Activation::Silu, .. } => refused("leaky ReLU or SiLU"),
        Run { weight_decay, .. } if *weight_decay != 0.0 => refused("weight decay"),
        Run { optimizer: Optimizer::Momentum, momentum, .. } if *momentum != MOMENTUM => refused("momentum but 0.9"),
        Run { batch_size, .. } if *batch_size != 0 && *batch_size != batch => refused("batches of several sizes"),
        _ => Ok(()),
    }
}

/// A GPU that trains networks.
pub struct Executor {
    fleet: Fleet,
    pace: pace::Pace,
    /// Slots in use.
    slots: usize,
}

impl Executor {
    /// Makes a GPU ready for a job: everything that can be refused is refused here.
    ///
    /// # Errors
    /// [`Error::Device`](crate::Error::Device) where the networks or the images do not fit;
    /// [`Error::Invalid`](crate::Error::Invalid) for an impossible job.
    pub fn new(gpu: Gpu, job: &Job) -> Result<Executor> {
        Executor::with(gpu, job, Path::default())
    }

    /// As [`Executor::new`], with other shaders than the default ones.
    ///
    /// # Errors
    /// As [`Executor::new`].
    pub fn with(gpu: Gpu, job: &Job, path: Path) -> Result<Executor> {
        let (train, test) = (&job.dataset.train, &job.dataset.test);
        let arch = job.arch()?;
        let runs: Vec<Run> = job.configs().iter().map(Run::from).collect();
        runs.iter().try_for_each(|run| known(run, job.recipe.batch).map_err(|unknown| gpu.fail(unknown)))?;
        let mut kinds: Vec<Kind> = Vec::new();
        for kind in runs.iter().map(Kind::of) {
            if !kinds.contains(&kind) {
                kinds.push(kind);
            }
        }
        let mut plan = FleetPlan { arch: &arch, train, test, batch: job.recipe.batch, slots: 1, kinds: &kinds, path };
        let engine = plan.engine(&gpu)?;
        let (bytes, longest) = plan.bytes(&engine);
        let longest = usize::try_from(gpu.limits().binding_bytes).unwrap_or(usize::MAX) / longest;
        let mut slots = longest.min(MEMORY / bytes).min(IMAGES / plan.batch).min(gpu.limits().groups);
        let software = gpu.adapter().software;
        if software {
            slots = slots.min(2 * std::thread::available_parallelism().map_or(1, usize::from));
        }
        plan.slots = slots.clamp(1, runs.len());
        let fleet = Fleet::new(gpu, engine, &plan)?;
        // a program on the processor has no multiprocessors, and takes long to be asked
        let pace = if software { pace::Pace::unknown() } else { pace::Pace::measure(&fleet, &runs[0])? };
        let slots = pace.slots(plan.slots, runs.len());
        Ok(Executor { fleet, pace, slots })
    }

    /// Gives the GPU back.
    pub fn into_gpu(self) -> Gpu {
        self.fleet.into_parts().0
    }

    /// Which GPU it is, which shaders it runs and how many networks it trains side by side.
    pub fn describe(&self) -> String {
        let adapter = self.fleet.gpu().adapter();
        let software = if adapter.software { " (software)" } else { "" };
        let (path, slots) = (&self.fleet.engine().name, self.slots);
        format!("adapter {}, {}{software}, {path}, {slots} networks side by side", adapter.index, adapter.name)
    }
}

impl super::Executor for Executor {
    fn rounding(&self, _: &Job) -> String {
        format!("gpu: {}, {}", self.fleet.gpu().adapter().name, self.fleet.engine().name)
    }

    fn train(&self, session: &Session, networks: &[usize], stop: &Stop) -> Result<()> {
        let (rows, written) = std::sync::mpsc::sync_channel(2 * self.slots);
        std::thread::scope(|scope| {
            let writer = scope.spawn(move || trainer::write(session, &written));
            let outcome = Trainer::new(&self.fleet, session, self.pace, self.slots, rows).train(networks, stop);
            match writer.join() {
                // what the writer met is why the trainer could not go on
                Ok(written) => written.and(outcome),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        })
    }
}
