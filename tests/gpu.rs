//! A zoo trained on a GPU and on the CPU: the same initial weights, nearly the same accuracies, one file for both.
#![cfg(feature = "gpu")]

mod common;
use common::{fail, run, scratch, succeed};
use std::path::Path;
use zoometry::cnn::Arch;
use zoometry::dataset::{Dataset, glyphs};
use zoometry::features::{Fitted, Input, Networks};
use zoometry::gpu::{Gpu, adapters};
use zoometry::kernels::{Isa, activation::Activation};
use zoometry::out::{FileKind, OutPath};
use zoometry::par::Stop;
use zoometry::train::{self, Cpu, Event, Executor, Job, recipe::Recipe};
use zoometry::zoo::{Status, Zoo};
use zoometry::{Error, Result};

/// Networks of the compared zoos.
const MODELS: usize = 64;

/// Learning rates from here on are left out where losses are compared: steps of Adam and RMSprop have the size of the rate
/// whatever the gradient's, and roundings grow with it in a few steps.
const CALM: f32 = 0.01;

/// Whether there is a GPU.
fn card_is_there() -> bool {
    common::there("gpu", !adapters().is_empty())
}

fn images() -> Dataset {
    glyphs::generate(&glyphs::Glyphs { train: 480, test: 200, ..glyphs::Glyphs::default() })
}

fn recipe() -> Recipe {
    let mut recipe = Recipe { batch: 24, ..Recipe::default() };
    recipe.set("train_fraction=0.1,0.25,0.5").unwrap();
    recipe
}

fn job<'a>(dataset: &'a Dataset, recipe: &'a Recipe, models: usize) -> Job<'a> {
    let mut job = Job::new(dataset, recipe, models, vec![0, 2]);
    // zoos are continued from one device on another here
    (job.seed, job.allow_mixed) = (11, true);
    job
}

fn train(executor: &dyn Executor, job: &Job, out: &Path) -> Result<Zoo> {
    train::train_on(executor, job, &OutPath::continued(out, FileKind::Zoo)?, &|_| {}, &Stop::new())?;
    Zoo::open(out)
}

fn card(job: &Job) -> train::gpu::Executor {
    train::gpu::Executor::new(Gpu::open(None).unwrap(), job).unwrap()
}

#[test]
fn a_zoo_of_a_card_is_that_of_the_cpu() {
    if !card_is_there() {
        return;
    }
    let (dataset, recipe) = (images(), recipe());
    let job = job(&dataset, &recipe, MODELS);
    let (_folder, cpu) = scratch("cpu");
    let (_other, gpu) = scratch("gpu");
    let cpu = train(&Cpu, &job, &cpu).unwrap();
    let gpu = train(&card(&job), &job, &gpu).unwrap();
    let (mut accuracy, mut losses) = (0.0, Vec::new());
    for row in 0..cpu.rows() {
        assert_eq!((cpu.run()[row], cpu.epoch()[row]), (gpu.run()[row], gpu.epoch()[row]));
        if cpu.epoch()[row] == 0 {
            let bits = |zoo: &Zoo| zoo.weights(row).iter().map(|w| w.to_bits()).collect::<Vec<_>>();
            assert_eq!(bits(&cpu), bits(&gpu), "initial weights of row {row}");
        }
        if cpu.epoch()[row] == 2 {
            accuracy += f64::from((cpu.test_accuracy()[row] - gpu.test_accuracy()[row]).abs());
            let rate = cpu.config(cpu.run()[row] as usize).number("learning_rate");
            if rate < CALM && cpu.status()[row] == Status::Done && gpu.status()[row] == Status::Done {
                let [cpu, gpu] = [&cpu, &gpu].map(|zoo| zoo.metrics(row).test_loss);
                losses.push(f64::from((cpu - gpu).abs() / cpu));
            }
        }
    }
    let (accuracy, calm) = (accuracy / MODELS as f64, losses.len());
    let loss = losses.iter().sum::<f64>() / calm as f64;
    eprintln!("mean |difference| after 2 epochs: accuracy {accuracy:.2e}, relative loss of {calm} networks {loss:.2e}");
    assert!(calm > MODELS / 2, "{calm}");
    assert!(accuracy <= 0.01 && loss <= 1e-4, "{accuracy} {loss:e}");
}

#[test]
fn a_zoo_is_continued_on_the_other_device() {
    if !card_is_there() {
        return;
    }
    let (dataset, recipe) = (images(), recipe());
    let job = job(&dataset, &recipe, MODELS);
    let (_folder, out) = scratch("zoo");
    let stop = Stop::new();
    let tell = |event| {
        if matches!(event, Event::Finished { .. }) {
            stop.request();
        }
    };
    let zoo_out = OutPath::continued(&out, FileKind::Zoo).unwrap();
    let stopped = train::train_on(&Cpu, &job, &zoo_out, &tell, &stop);
    let some = Zoo::open(&out).unwrap();
    let kept: Vec<usize> = some.final_rows();
    assert!(matches!(stopped, Err(Error::Interrupted)));
    assert!((1..MODELS).contains(&kept.len()), "{} networks were finished", kept.len());
    let rows: Vec<Vec<f32>> = kept.iter().map(|&row| some.weights(row).to_vec()).collect();
    let zoo = train(&card(&job), &job, &out).unwrap();
    assert_eq!(zoo.final_rows().len(), MODELS);
    for (row, weights) in kept.iter().zip(rows) {
        assert_eq!(zoo.weights(*row), weights, "a row that was there was changed");
    }
}

#[test]
fn statistics_of_a_card_are_those_of_the_cpu() {
    if !card_is_there() {
        return;
    }
    let arch = Arch::grey(9, 9, "7s2,5s1same,4s1", 3).unwrap();
    let (parameters, networks) = (arch.parameters(), 70);
    let mut state = 1u32;
    let mut noise = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 23) as f32 - 1.0
    };
    let mut weights: Vec<f32> = (0..networks * parameters).map(|_| noise() * noise()).collect();
    // the last but one has equal weights, the last one that is not a number
    weights[(networks - 2) * parameters..(networks - 1) * parameters].fill(0.25);
    weights[(networks - 1) * parameters + 3] = f32::NAN;
    let networks = Networks::Loose { arch: &arch, weights: &weights, activation: Some(Activation::Relu) };
    let (gpu, isa) = (Gpu::open(None).unwrap(), Isa::detect());
    for key in ["wstats", "probes+wstats-pooled", "wstats-glob+wstats-layers:1,3-qts:0,25,50,75,100+wnorm-layers:0-l1"]
    {
        let input: Input = key.parse().unwrap();
        let (cpu, card) = (
            input.table(isa, &networks).unwrap(),
            Fitted::without(&input).unwrap().table_on(&gpu, isa, &networks).unwrap(),
        );
        assert_eq!((&cpu.columns, &cpu.group), (&card.columns, &card.group));
        for (index, (cpu, card)) in cpu.x.iter().zip(&card.x).enumerate() {
            let close = (cpu - card).abs() <= 1e-6 || (cpu.is_nan() && card.is_nan());
            assert!(close, "{key}, number {index}: {cpu} {card}");
        }
    }
    for wrong in ["probes", "wstats-layers:0-qts:10,90"] {
        let text =
            Fitted::without(&wrong.parse().unwrap()).unwrap().table_on(&gpu, isa, &networks).unwrap_err().to_string();
        assert!(text.contains("GPU") && text.contains(wrong), "{text}");
    }
}

#[test]
fn the_command_line_chooses_the_device() {
    let (_folder, out) = scratch("zoo");
    let train = format!("train --dataset glyphs --models 1 --epochs 0 --out {}", out.display());
    fail(&format!("{train} --device gpux"), 2, &["unknown device", "gpu"]);
    fail(&format!("{train} --adapter 0"), 2, &["--adapter", "--device gpu"]);
    let listed = run("info --devices");
    assert!(listed.status.success());
    let text = String::from_utf8_lossy(&listed.stdout).into_owned();
    if text.starts_with("no adapter") {
        fail(&format!("{train} --device gpu"), 1, &["none found"]);
        let automatic = run(&format!("{train} --device auto"));
        let said = String::from_utf8_lossy(&automatic.stderr).into_owned();
        assert!(automatic.status.success() && said.contains("training on the CPU"), "{said}");
        return;
    }
    assert!(text.contains("KiB") && text.contains("a workgroup"), "{text}");
    fail(&format!("{train} --device gpu --adapter 99"), 2, &["unknown adapter", "99"]);
    fail(&format!("{train} --device gpu --set layers=1024s1"), 1, &["bytes of workgroup memory"]);
    let automatic = run(&format!("{train} --device auto --set layers=1024s1same --set train_fraction=0.1"));
    let said = String::from_utf8_lossy(&automatic.stderr).into_owned();
    assert!(automatic.status.success() && said.contains("training on the CPU"), "{said}");
}

#[test]
fn the_card_is_measured() {
    if !card_is_there() {
        return;
    }
    let (_folder, out) = scratch("report.json");
    let text = succeed("bench --device gpu statistics --seconds 1");
    for part in ["multiply-adds", "copy", "statistics/64x4970", "roof"] {
        assert!(text.contains(part), "no {part} in\n{text}");
    }
    let json = succeed("bench --device gpu random --seconds 1 --json");
    std::fs::write(&out, &json).unwrap();
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert!(json["machine"]["fma_gflops"]["gpu"].as_f64() > Some(0.0), "{json}");
    assert!(json["rows"][0]["gbs"].as_f64() > Some(0.0) && json["card"]["driver"].is_string(), "{json}");
    let text = succeed(&format!("bench --device gpu random --seconds 1 --compare {}", out.display()));
    assert!(text.contains("against the old report"), "{text}");
    let picture = out.with_extension("svg");
    let csv = succeed(&format!("bench --device gpu conv/forward --seconds 1 --csv --svg {}", picture.display()));
    assert_eq!(csv.lines().filter(|line| line.starts_with("conv/forward,")).count(), 3, "{csv}");
    assert!(std::fs::read_to_string(&picture).unwrap().contains("<svg"));
    fail("bench --device gpu nothing --seconds 1", 2, &["train_step"]);
    fail("bench --device gpu --threads 2", 2, &["--threads"]);
}

/// Both paths' steps and evaluations are right, and a whole zoo is trained.
#[test]
fn networks_of_the_card_are_measured() {
    if !card_is_there() {
        return;
    }
    let text = succeed("bench --device gpu 28x28_relu_general --seconds 0.1");
    assert!(text.contains("train_step/28x28_relu_general") && text.contains("evaluate/28x28_relu_general"), "{text}");
    let text = succeed("bench --device gpu end_to_end --seconds 0.1");
    assert!(text.contains("end_to_end/28x28"), "{text}");
}
