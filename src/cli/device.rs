//! `--device` and `--adapter`: where networks are trained.

use super::output::Output;
use clap::Args;
use zoometry::train::{Cpu, Executor, Job};
use zoometry::{Error, Result};

/// Where networks are trained.
#[derive(Args)]
pub struct Device {
    /// Where to train: cpu, gpu, or auto (a card if there is one that suffices, else the CPU)
    #[arg(long, value_name = "DEVICE", default_value = "cpu")]
    device: String,
    /// Which card: a part of its name, or its number in `zoometry info --devices` [default: the strongest]
    #[arg(long, value_name = "NAME|INDEX")]
    adapter: Option<String>,
}

impl Device {
    /// Refuses what is no device, before anything is read.
    pub fn check(&self) -> Result<()> {
        match (self.device.as_str(), &self.adapter) {
            ("cpu", Some(adapter)) => Err(Error::invalid("--adapter", "--device gpu or auto with it", adapter)),
            ("cpu" | "gpu" | "auto", _) => Ok(()),
            (other, _) => Err(Error::unknown("device", other, ["cpu", "gpu", "auto"])),
        }
    }

    /// The executor for a job; says on stderr which device it is unless that was given.
    pub fn executor(&self, job: &Job) -> Result<Box<dyn Executor>> {
        match self.device.as_str() {
            "cpu" => Ok(Box::new(Cpu)),
            "gpu" => card(self.adapter.as_deref(), job, true),
            _ => match card(self.adapter.as_deref(), job, self.adapter.is_some()) {
                Err(error @ Error::Device { .. }) => {
                    eprintln!("training on the CPU: {error}");
                    Ok(Box::new(Cpu))
                }
                other => other,
            },
        }
    }
}

/// A card as executor; one that is only a program where `software` allows it.
#[cfg(feature = "gpu")]
fn card(adapter: Option<&str>, job: &Job, software: bool) -> Result<Box<dyn Executor>> {
    let gpu = zoometry::gpu::Gpu::open(adapter)?;
    if gpu.adapter().software && !software {
        return Err(gpu.fail("it is a program on this processor, slower than the CPU itself"));
    }
    let executor = zoometry::train::gpu::Executor::new(gpu, job)?;
    eprintln!("training on {}", executor.describe());
    Ok(Box::new(executor))
}

/// There are no cards in this build.
#[cfg(not(feature = "gpu"))]
fn card(_: Option<&str>, _: &Job, _: bool) -> Result<Box<dyn Executor>> {
    Err(missing())
}

/// Why there is no card.
#[cfg(not(feature = "gpu"))]
pub fn missing() -> Error {
    let problem = "this program was built without the feature `gpu`".into();
    Error::Device { device: "graphics adapter".into(), problem }
}

/// Lists the cards of this machine.
#[cfg(feature = "gpu")]
pub fn list() -> Result<Output> {
    let adapters = zoometry::gpu::adapters();
    let mut output = Output::default();
    if adapters.is_empty() {
        output.line("no adapter: a driver for Vulkan, Metal or Direct3D 12 is needed");
    }
    for adapter in &adapters {
        let software = if adapter.software { ", software" } else { "" };
        let limits = &adapter.limits;
        output.line(format!(
            "{}  {} ({}{software}): {} KiB and {} invocations a workgroup, {} MiB a buffer{}",
            adapter.index,
            adapter.name,
            adapter.backend,
            limits.workgroup_bytes >> 10,
            limits.invocations,
            limits.binding_bytes >> 20,
            if adapter.timestamps { "" } else { ", no timestamps" }
        ));
    }
    output.set("adapters", adapters);
    Ok(output)
}

/// Lists the cards of this machine: none in this build.
#[cfg(not(feature = "gpu"))]
pub fn list() -> Result<Output> {
    Err(missing())
}
