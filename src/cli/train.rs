//! `zoometry train`

use super::device::Device;
use super::output::{self, Output, count, counted, duration};
use super::progress::Training;
use super::suggest::suggest;
use super::{Data, MachineArgs, estimate, shard};
use clap::Args;
use std::path::{Path, PathBuf};
use zoometry::cnn::plan::{Flops, Function};
use zoometry::dataset::{self, Dataset};
use zoometry::out::{FileKind, OutPath};
use zoometry::train::{self as training, Event, Executor, Job, Log, checkpoints, recipe::Recipe};
use zoometry::zoo::{Place, Zoo, hyper};
use zoometry::{Error, Result};

/// Train a zoo of networks, continue one, or let one grow
///
/// Every network draws its hyperparameters by the recipe's laws. The zoo is a valid .safetensors file at every moment; the same
/// command continues where it was stopped, and the file's bytes do not depend on threads or interruptions. A zoo may be
/// continued on another device with --allow-mixed: GPUs round otherwise than CPUs.
#[derive(Args)]
pub struct Train {
    /// mnist, fashion-mnist, cifar10, svhn, glyphs, or a folder in one of their formats
    #[arg(long, value_name = "NAME", value_parser = clap::builder::OsStringValueParser::new())]
    dataset: std::ffi::OsString,
    /// Number of networks
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = super::number::<usize>)]
    models: usize,
    /// Epochs of each network's training
    #[arg(long, value_name = "E", allow_negative_numbers = true, value_parser = super::count_in::<u32>(0..=1_000_000))]
    epochs: u32,
    /// The zoo file; a shard of it is beside it, as zoo-00002-of-00008.safetensors
    #[arg(short, long, value_name = "ZOO")]
    out: PathBuf,
    /// Train only every N-th network, from the I-th on, into a file of its own, for `merge` [default: the task's place in an array
    /// of Slurm or Grid Engine or in an indexed job of Kubernetes; outside of these all networks]
    #[arg(long, value_name = "I/N", env = "ZOOMETRY_SHARD")]
    shard: Option<Place>,
    #[command(flatten)]
    data: Data,
    /// Epochs whose weights are kept, besides the last [default: 0,1,2,3 and every twentieth]
    #[arg(long, value_name = "EPOCHS")]
    checkpoints: Option<String>,
    /// Seed of the zoo
    #[arg(long, value_name = "S", default_value_t = 1, allow_negative_numbers = true,
        value_parser = super::number::<u64>)]
    seed: u64,
    /// small-cnn-zoo, model-zoos-small, model-zoos-large, mlp, or a JSON file with laws
    #[arg(long, value_name = "RECIPE", default_value = "small-cnn-zoo", hide_possible_values = true, value_parser = suggest(Recipe::names()))]
    recipe: String,
    /// Fix a hyperparameter: learning_rate=0.01, optimizer=adam, layers=8k5,max2,act,flatten,20,act; images=colour,
    /// preparation=standard, batch=10 …
    #[arg(long, value_name = "NAME=VALUE")]
    set: Vec<String>,
    /// Give all networks one seed, as the released zoo did
    #[arg(long)]
    shared_seed: bool,
    /// Continue a zoo whose networks another family of rounding trained (portable, avx2 and avx512, a GPU): its bytes then depend
    /// on who trained which; every row says who did
    #[arg(long)]
    allow_mixed: bool,
    /// Also a table that grows by a line with every network that is finished: run, test_accuracy, diverged, seconds since the
    /// session began. Later sessions go on at its end
    #[arg(long, value_name = "FILE.csv", conflicts_with = "estimate")]
    log: Option<PathBuf>,
    /// Say how much room and time it is going to take, by a measurement of a second or two, and stop
    #[arg(long)]
    estimate: bool,
    #[command(flatten)]
    device: Device,
    /// How a GPU's invocations wait for those of their warp: `workgroup`, right everywhere, or `subgroup`, some 6 to 15 % faster where
    /// subgroups have at least 32 invocations and their barriers order workgroup memory, as on NVIDIA's cards [default: workgroup]
    #[arg(long, value_name = "KIND", value_parser = ["workgroup", "subgroup"], hide_possible_values = true)]
    barriers: Option<String>,
    #[command(flatten)]
    pub machine: MachineArgs,
}

impl Train {
    pub fn run(&self) -> Result<Output> {
        self.device.check()?;
        if let Some(barriers) = &self.barriers {
            self.device.only_gpu("--barriers", barriers)?;
        }
        let place = shard::place(self.shard)?;
        let mut guard = output::careful([] as [&Path; 0]);
        let out = guard.continued(shard::file(&self.out, place), FileKind::Zoo)?;
        let log = self.log.as_ref().map(|path| guard.continued(path, FileKind::Table)).transpose()?;
        check_models(self.models)?;
        let mut recipe = Recipe::load(&self.recipe)?;
        for assignment in &self.set {
            recipe.set(assignment)?;
        }
        recipe.shared_seed |= self.shared_seed;
        let checkpoints = match &self.checkpoints {
            Some(text) => checkpoints::parse(text, self.epochs)?,
            None => checkpoints::reference(self.epochs),
        };
        let context = self.machine.context()?;
        let dataset = dataset::load(&self.dataset, self.data.folder(), recipe.images)?;
        let mut job = Job::new(&dataset, &recipe, self.models, checkpoints);
        (job.place, job.seed, job.allow_mixed) = (place, self.seed, self.allow_mixed);
        (job.context, job.threads) = (context, usize::from(self.machine.threads));
        let mut output = Output::default();
        let (executor, device) = self.device.executor(&job, self.barriers.as_deref().unwrap_or("workgroup"))?;
        output.set("device", device);
        estimate::tell(&job, &*executor, out.path(), self.estimate, &mut output)?;
        if self.estimate {
            return Ok(output);
        }
        let log = log.as_ref().map(Log::open).transpose()?;
        session(&job, &*executor, &out, log.as_ref(), &mut output)?;
        if let Some(log) = log {
            log.close()?;
        }
        Ok(output)
    }
}

/// Networks of a zoo at most; their hyperparameters are held in memory.
const MAX_MODELS: usize = 10_000_000;

/// Refuses an impossible number of networks.
pub fn check_models(models: usize) -> Result<()> {
    match models {
        1..=MAX_MODELS => Ok(()),
        _ => Err(Error::invalid("--models", format!("1 to {}", count(MAX_MODELS as u64)), models)),
    }
}

/// Describes a data set in a line.
pub fn describe(dataset: &Dataset) -> String {
    let (train, test) = (&dataset.train, &dataset.test);
    let (images, tests) = (count(train.len() as u64), count(test.len() as u64));
    format!(
        "{}: {images} training and {tests} test images of {}×{}, {} classes",
        dataset.name, train.height, train.width, dataset.classes
    )
}

/// What is drawn for the networks although their layers have no use for it.
fn inert(job: &Job) -> Result<Vec<String>> {
    let plan = job.arch()?.plan();
    let own = plan.steps.iter().any(|step| step.epilogue.function == Some(Function::Own));
    let configs = job.configs();
    let varies = |name: &str| hyper::find(name).map(|at| configs.iter().any(|c| c.values[at] != configs[0].values[at]));
    let mut notes = Vec::new();
    for (name, used, word) in [("activation", own, "act"), ("dropout", plan.dropouts > 0, "drop")] {
        if !used && varies(name)? {
            notes.push(format!("note: {name} is drawn and changes nothing, for the layers have no word {word}"));
        }
    }
    Ok(notes)
}

/// Says that a zoo has grown, and what of it is trained again.
fn grown(job: &Job, out: &Path, [networks, checkpoints]: [usize; 2], [continued, again]: [usize; 2]) {
    let [all, had] = [job.models, networks].map(|networks| count(networks as u64));
    output::tell(format!(
        "{} grows: {had} networks at {checkpoints} checkpoints were there, {all} are wanted",
        out.display()
    ));
    if continued > 0 {
        output::tell(format!("  {} go on from their last weights", count(continued as u64)));
    }
    if again > 0 {
        let again = count(again as u64);
        output::tell(format!(
            "  {again} are trained again from the start, for the state of their optimizer is not kept"
        ));
    }
}

/// Trains with progress and reports; used by `demo` too.
pub fn session(
    job: &Job,
    executor: &dyn Executor,
    out_path: &OutPath,
    log: Option<&Log>,
    output: &mut Output,
) -> Result<Zoo> {
    let out = out_path.path();
    output::tell(describe(job.dataset));
    inert(job)?.into_iter().for_each(output::tell);
    let networks = job.shard()?.map_or(job.models, |shard| shard.runs());
    let progress = Training::new(networks);
    let on_event = |event| {
        if let Event::Grown { networks, checkpoints, continued, again } = event {
            grown(job, out, [networks, checkpoints], [continued, again]);
        }
        progress.tell(event);
        log.iter().for_each(|log| log.tell(event));
    };
    let outcome = training::train_on(executor, job, out_path, &on_event);
    let (images, diverged, seconds) = progress.finish();
    let summary = outcome?;
    let zoo = Zoo::open(out)?;
    let accuracies: Vec<f32> = zoo.final_rows().iter().map(|&row| zoo.test_accuracy()[row]).collect();
    let (nominal, executed) = zoo.schema().arch.plan().flops();
    let gflops = |flops: Flops| (flops.training * images) as f64 / seconds / 1e9;
    let rate = images as f64 / seconds;
    output.line(format!(
        "{}: {} of {} weights",
        out.display(),
        counted(networks, "network"),
        count(zoo.schema().arch.parameters() as u64)
    ));
    if let Some(shard) = zoo.schema().shard {
        let (place, all) = (shard.place(), count(job.models as u64));
        output.line(format!("  shard {place} of a zoo of {all}; `zoometry merge` joins it with the others"));
    }
    if summary.kept > 0 {
        let all = if summary.trained == 0 { "the zoo is complete: all " } else { "" };
        output.line(format!("  {all}{} were there already", count(summary.kept as u64)));
    }
    if summary.trained > 0 {
        output.line(format!(
            "  trained {} in {} ({} images/s, {:.1} GFLOP/s executed, {:.1} nominal, {} diverged)",
            count(summary.trained as u64),
            duration(seconds),
            count(rate as u64),
            gflops(executed),
            gflops(nominal),
            count(diverged)
        ));
    }
    output.line(format!("  test accuracy: {}", output::quantile_line(&accuracies)));
    output.path("zoo", out);
    output.set("models", networks);
    output.set("shard", job.place.to_string());
    output.set("trained", summary.trained);
    output.set("diverged", diverged);
    output.set("seconds", seconds);
    output.set("images_per_second", rate);
    output.set("gflops", gflops(executed));
    output.set("nominal_gflops", gflops(nominal));
    output.set("accuracy_quantiles", output::quantiles(&accuracies));
    Ok(zoo)
}
