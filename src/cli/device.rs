//! `--device` and `--adapter`: where networks are trained and statistics of weights computed.

use super::output::{self, Output};
use super::suggest::suggest;
use clap::Args;
use zoometry::features::{Fitted, Networks};
use zoometry::table::Table;
#[cfg(feature = "full")]
use zoometry::train::{Cpu, Executor, Job};
use zoometry::{Context, Error, Result};

/// Where the work is done.
#[derive(Args)]
pub struct Device {
    /// Where to compute: cpu, gpu, or auto (a GPU if there is one that suffices, else the CPU)
    #[arg(long, value_name = "DEVICE", default_value = "cpu", hide_possible_values = true, value_parser = suggest(["cpu", "gpu", "auto"]))]
    device: String,
    /// Which card: a part of its name, or its number in `zoometry info --devices` [default: the strongest]
    #[arg(long, value_name = "NAME|INDEX")]
    adapter: Option<String>,
}

impl Device {
    /// Refuses what is no device, before anything is read.
    pub fn check(&self) -> Result<()> {
        match self.device.as_str() {
            "cpu" | "gpu" | "auto" => self.adapter.iter().try_for_each(|adapter| self.only_gpu("--adapter", adapter)),
            other => Err(Error::unknown("device", other, ["cpu", "gpu", "auto"])),
        }
    }

    /// Refuses an option of GPUs where only the CPU is to work.
    pub fn only_gpu(&self, option: &str, value: &str) -> Result<()> {
        match self.device.as_str() {
            "cpu" => Err(Error::invalid(option, "--device gpu or auto with it", value)),
            _ => Ok(()),
        }
    }

    /// The executor for a job and what it is called; says so on stderr too, unless it was given.
    #[cfg(feature = "full")]
    pub fn executor(&self, job: &Job, barriers: &str) -> Result<(Box<dyn Executor>, String)> {
        let cpu = || -> Result<(Box<dyn Executor>, String)> { Ok((Box::new(Cpu), "cpu".into())) };
        self.choose("training", cpu, |adapter, software| card::executor(adapter, software, job, barriers))
    }

    /// An input's columns as a card computes them, which is said on stderr; none where the CPU is to.
    pub fn table(&self, input: &Fitted, context: &Context, networks: &Networks) -> Result<Option<Table>> {
        let card = |adapter: Option<&str>, software| card::table(adapter, software, input, context, networks).map(Some);
        self.choose("computing", || Ok(None), card)
    }

    /// Calls `cpu`, or `GPU` with the adapter's name and whether one that is only a program will do.
    fn choose<T>(
        &self,
        doing: &str,
        cpu: impl FnOnce() -> Result<T>,
        card: impl FnOnce(Option<&str>, bool) -> Result<T>,
    ) -> Result<T> {
        let adapter = self.adapter.as_deref();
        match self.device.as_str() {
            "cpu" => cpu(),
            "gpu" => card(adapter, true),
            _ => match card(adapter, adapter.is_some()) {
                Err(error @ Error::Device { .. }) => {
                    output::tell(format!("{doing} on the CPU: {error}"));
                    cpu()
                }
                other => other,
            },
        }
    }
}

#[cfg(feature = "gpu")]
mod card {
    //! Work on a GPU; on one that is only a program where `software` allows it.

    use super::*;
    #[cfg(feature = "full")]
    use zoometry::cnn::choice::Choice;
    use zoometry::gpu::Gpu;
    #[cfg(feature = "full")]
    use zoometry::train::gpu::{
        self,
        fast::{Options, Sync},
    };

    fn open(adapter: Option<&str>, software: bool) -> Result<Gpu> {
        let gpu = Gpu::open(adapter)?;
        match gpu.adapter().software && !software {
            true => Err(gpu.fail("it is a program on this processor, slower than the CPU itself")),
            false => Ok(gpu),
        }
    }

    #[cfg(feature = "full")]
    pub fn executor(
        adapter: Option<&str>,
        software: bool,
        job: &Job,
        barriers: &str,
    ) -> Result<(Box<dyn Executor>, String)> {
        let options = Options { sync: Sync::parse(barriers)?, ..Options::default() };
        let executor = gpu::Executor::with(open(adapter, software)?, job, gpu::Path::Automatic(options))?;
        let device = executor.describe();
        output::tell(format!("training on {device}"));
        Ok((Box::new(executor), device))
    }

    pub fn table(
        adapter: Option<&str>,
        software: bool,
        input: &Fitted,
        context: &Context,
        networks: &Networks,
    ) -> Result<Table> {
        let gpu = open(adapter, software)?;
        let table = input.table_on(context, &gpu, networks)?;
        output::tell(format!("statistics computed on {}", gpu.adapter().name));
        Ok(table)
    }
}

#[cfg(not(feature = "gpu"))]
mod card {
    //! There are no GPUs in this build.

    use super::*;

    #[cfg(feature = "full")]
    pub fn executor(_: Option<&str>, _: bool, _: &Job, _: &str) -> Result<(Box<dyn Executor>, String)> {
        Err(missing())
    }

    pub fn table(_: Option<&str>, _: bool, _: &Fitted, _: &Context, _: &Networks) -> Result<Table> {
        Err(missing())
    }
}

/// Why there is no GPU.
#[cfg(not(feature = "gpu"))]
pub fn missing() -> Error {
    let problem = "this program was built without the feature `gpu`".into();
    Error::Device { device: "graphics adapter".into(), problem }
}

/// Lists the GPUs of this machine.
#[cfg(feature = "gpu")]
pub fn list() -> Result<Output> {
    let adapters = zoometry::gpu::adapters();
    let mut output = Output::default();
    if adapters.is_empty() {
        output.line(format!("no adapter: {}", zoometry::gpu::NEEDED));
    }
    for adapter in &adapters {
        let software = if adapter.software { ", software" } else { "" };
        let limits = &adapter.limits;
        output.line(format!(
            "{}  {} ({}{software}; {}): {} KiB and {} invocations a workgroup, {} MiB a buffer{}",
            adapter.index,
            adapter.name,
            adapter.backend,
            adapter.driver,
            limits.workgroup_bytes >> 10,
            limits.invocations,
            limits.binding_bytes >> 20,
            if adapter.timestamps { "" } else { ", no timestamps" }
        ));
    }
    output.set("adapters", adapters);
    Ok(output)
}

/// Lists the GPUs of this machine: none in this build.
#[cfg(not(feature = "gpu"))]
pub fn list() -> Result<Output> {
    Err(missing())
}
