//! A study that was never made: as large and as uneven as a real one.

use zoometry::eval::Score;
use zoometry::rng::Stream;
use zoometry::study::*;

/// Name, networks, share at chance, the upper mode.
const ZOOS: [(&str, usize, f64, f64); 4] = [
    ("fashion-mnist", 1500, 0.28, 0.76),
    ("mnist", 800, 0.25, 0.9),
    ("cifar10", 800, 0.42, 0.3),
    ("svhn", 800, 0.5, 0.62),
];

const INPUTS: [(&str, f64); 8] = [
    ("wstats", 0.95),
    ("probes", 0.965),
    ("wstats+probes", 0.976),
    ("wstats-pooled+probes", 0.974),
    ("wnorm-layers:0,1,2,3-l2", 0.91),
    ("hyper", 0.2),
    ("hyper+hyper.optimizer", 0.77),
    ("weights", 0.9),
];

const PREDICTORS: [(&str, f64); 3] = [("gbm", 0.0), ("mlp", 0.03), ("linear", 0.19)];

const EPOCHS: [u32; 7] = [0, 1, 2, 4, 6, 8, 12];

struct Dice(Stream);

impl Dice {
    fn near(&mut self, value: f64, spread: f64) -> f64 {
        value + spread * self.0.normal()
    }
}

/// Four data sets, three other architectures, one zoo of a shared seed; every part filled.
pub fn study() -> Study {
    let mut dice = Dice(Stream::new(7, 1, 0));
    let mut study = Study {
        header: Header {
            command: "zoometry reproduce fashion-mnist.safetensors mnist.safetensors cifar10.safetensors --out study"
                .into(),
            program: "zoometry 0.1.0".into(),
            ..Header::default()
        },
        ..Study::default()
    };
    for (number, (name, networks, chance, mode)) in ZOOS.into_iter().enumerate() {
        study.zoos.push(zoo(name, networks, number as u64 + 1));
        study.networks.push(nets(&mut dice, name, networks, chance, mode));
        for input in ["wstats", "wstats+probes"] {
            study.importance.push(importance(
                &mut dice,
                name,
                input,
                if input == "wstats" { 56 } else { 105 },
                networks / 2,
            ));
        }
        for input in ["wstats", "probes", "wstats+probes"] {
            for level in [0.8, 0.9, 0.95] {
                let coverage = dice.near(level, 0.012).min(1.0);
                let (zoo, input) = (name.into(), input.into());
                study.coverage.push(Coverage {
                    zoo,
                    input,
                    level,
                    coverage,
                    reach: 0.3 * level * level * level,
                    calibration: networks / 10,
                    n: networks / 2,
                });
            }
        }
        study.galleries.push(Gallery {
            zoo: name.into(),
            size: [28, 28, 1],
            classes: 10,
            members: networks / 10,
            pixels: (0..36 * 28 * 28).map(|at| (at % 28 * 9) as u8).collect(),
        });
        scores(&mut dice, &mut study, name, networks);
        curves(&mut dice, &mut study, name, networks);
    }
    others(&mut dice, &mut study);
    study
}

fn zoo(name: &str, networks: usize, seed: u64) -> ZooEntry {
    ZooEntry {
        name: name.into(),
        path: format!("/home/someone/zoos/{name}.safetensors"),
        dataset: name.split('-').next().unwrap_or(name).into(),
        digest: "3f2a9c".repeat(11)[..64].into(),
        arch: "28×28 16s2,16s2,16s2 → 10".into(),
        reference: true,
        weights: 4970,
        networks,
        sample: None,
        diverged: networks / 90,
        checkpoints: EPOCHS.into(),
        recipe: "small-cnn-zoo".into(),
        overrides: Vec::new(),
        seed,
        shared_seed: false,
        origin: "trained by zoometry 0.1.0".into(),
        caveats: Vec::new(),
    }
}

fn nets(dice: &mut Dice, name: &str, networks: usize, chance: f64, mode: f64) -> Networks {
    let mut zoo = Networks {
        zoo: name.into(),
        run: (0..networks as u32).collect(),
        train_accuracy: Vec::new(),
        test_accuracy: Vec::new(),
        map: Vec::new(),
        map_share: [0.31, 0.14],
        predictions: Vec::new(),
    };
    for _ in 0..networks {
        let draw = dice.0.uniform();
        let accuracy = match draw {
            d if d < chance => dice.near(0.1, 0.008),
            d if d < chance + 0.2 => dice.0.range(0.1, mode),
            _ => mode + 0.12 * (1.0 - (-2.0 * dice.0.uniform().max(1e-9).ln()).sqrt()).max(-1.0),
        };
        let accuracy = accuracy.clamp(0.02, 0.985);
        zoo.test_accuracy.push(accuracy as f32);
        zoo.train_accuracy.push((accuracy + dice.0.uniform().powi(3) * 0.2 * accuracy).min(1.0) as f32);
        let angle = 2.4 * accuracy + 0.4 * dice.0.normal();
        let radius = dice.near(5.0, 1.2);
        zoo.map.push([(radius * angle.cos()) as f32, (radius * angle.sin() + dice.0.normal()) as f32]);
    }
    for (input, error) in [("wstats", 0.055), ("wstats+probes", 0.035)] {
        let network: Vec<usize> = (0..networks).step_by(2).collect();
        let predicted = network.iter().map(|&n| dice.near(f64::from(zoo.test_accuracy[n]), error) as f32).collect();
        zoo.predictions.push(Predictions { input: input.into(), network, predicted });
    }
    zoo
}

fn cell(
    dice: &mut Dice,
    experiment: &str,
    [fitted, tested]: [&str; 2],
    [input, predictor]: [&str; 2],
    r2: f64,
    n: usize,
) -> Cell {
    let r2 = dice.near(r2, 0.004);
    let tau = if r2 > 0.0 { 0.88 * r2.powf(0.9) } else { 0.6 };
    let wide = 0.25 * (1.0 - r2.clamp(-1.0, 1.0)) + 0.003;
    Cell {
        experiment: experiment.into(),
        fitted: fitted.into(),
        tested: tested.into(),
        input: input.into(),
        predictor: predictor.into(),
        epoch: None,
        n_train: n * 2 / 5,
        draws: 1,
        score: Score { r2, tau, mse: 0.09 * (1.0 - r2), mae: 0.2 * (1.0 - r2).abs().sqrt(), n: n / 2 },
        r2_interval: [r2 - wide, (r2 + 0.7 * wide).min(1.0)],
        tau_interval: [tau - 0.6 * wide, tau + 0.5 * wide],
        r2_replicates: Vec::new(),
        published_r2: None,
        seconds: 0.3,
        left_out: 0,
    }
}

fn scores(dice: &mut Dice, study: &mut Study, zoo: &str, n: usize) {
    for (input, r2) in INPUTS {
        for (predictor, loss) in PREDICTORS {
            let mut cell = cell(dice, "table", [zoo, zoo], [input, predictor], r2 * (1.0 - loss), n);
            let known = zoo != "svhn" && matches!(input, "wstats" | "weights");
            cell.published_r2 = Some(0.993 - 0.3 * loss).filter(|_| known);
            study.cells.push(cell);
        }
    }
    for input in [
        "weights.0",
        "weights.1",
        "weights.2",
        "weights.3",
        "hyper",
        "hyper.learning_rate",
        "hyper.optimizer",
        "wstats",
    ] {
        let r2 = 0.1 + 0.11 * input.len() as f64 % 0.85;
        study.cells.push(cell(dice, "ablation", [zoo, zoo], [input, "gbm"], r2, n));
    }
    for (tested, ..) in ZOOS {
        for input in ["wstats", "probes", "wstats-pooled+probes"] {
            let far = if zoo == tested {
                0.96
            } else if tested == "cifar10" {
                -4.3
            } else {
                0.7
            };
            study.cells.push(cell(dice, "transfer", [zoo, tested], [input, "gbm"], far, n));
        }
    }
}

fn curves(dice: &mut Dice, study: &mut Study, zoo: &str, n: usize) {
    for (input, end) in [("wstats", 0.955), ("probes", 0.965), ("wstats+probes", 0.976)] {
        for n_train in [25, 50, 100, 200, 400, n * 2 / 5].into_iter().filter(|count| *count <= n * 2 / 5) {
            let r2 = end - 2.2 / (n_train as f64).powf(0.75);
            let draws = if n_train < n * 2 / 5 { 5 } else { 1 };
            study.cells.push(Cell {
                n_train,
                draws,
                ..cell(dice, "learning-curve", [zoo, zoo], [input, "gbm"], r2, n)
            });
        }
        for epoch in EPOCHS {
            let r2 = end * (1.0 - 0.85 * (-f64::from(epoch) / 1.6).exp());
            let epoch = Some(epoch).filter(|epoch| *epoch != 12);
            study.cells.push(Cell { epoch, ..cell(dice, "early", [zoo, zoo], [input, "gbm"], r2, n) });
        }
    }
    for epoch in [1, 2, 4] {
        for (input, skill) in [("wstats", 3.0), ("wstats+probes", 4.0), ("test_accuracy", 2.0)] {
            let point = |stopped: f64| StoppingPoint {
                stopped,
                saved: stopped * (1.0 - f64::from(epoch) / 12.0),
                hopeless: if stopped > 0.0 { 1.0 - 0.5 * stopped } else { f64::NAN },
                best_lost: stopped.powf(skill + f64::from(epoch)),
                regret: 0.01 * stopped,
            };
            let points = (0..10).map(|k| point(f64::from(k) / 10.0)).collect();
            study.stopping.push(Stopping { zoo: zoo.into(), input: input.into(), epoch, epochs: 12, points });
        }
    }
}

fn others(dice: &mut Dice, study: &mut Study) {
    for (name, arch, loss) in [
        ("fm-wide", "32s2,32s2,32s2", 0.06),
        ("fm-narrow", "8s2,8s2,8s2", 0.1),
        ("fm-deep", "16s2,16s1same,16s2,16s1same,16s2", 0.25),
    ] {
        study.zoos.push(ZooEntry { arch: format!("28×28 {arch} → 10"), reference: false, ..zoo(name, 300, 40) });
        for (input, r2) in [("probes", 0.94), ("wstats-pooled", 0.92), ("wstats-pooled+probes", 0.95)] {
            study.cells.push(cell(dice, "architectures", ["fashion-mnist", name], [input, "gbm"], r2 - loss, 300));
            study.cells.push(cell(dice, "architectures", [name, name], [input, "gbm"], r2, 300));
        }
    }
    study.zoos.push(ZooEntry { shared_seed: true, ..zoo("fm-one-seed", 600, 1) });
    for (input, own, shared) in [("weights", 0.78, 0.9), ("wstats", 0.95, 0.952), ("wstats+probes", 0.97, 0.973)] {
        study.cells.push(cell(dice, "seeds", ["fashion-mnist"; 2], [input, "gbm"], own, 600));
        study.cells.push(cell(dice, "seeds", ["fm-one-seed"; 2], [input, "gbm"], shared, 600));
    }
}

fn importance(dice: &mut Dice, zoo: &str, input: &str, width: usize, tested: usize) -> Importance {
    let tensors = [
        "conv1.bias",
        "conv1.kernel",
        "conv2.bias",
        "conv2.kernel",
        "conv3.bias",
        "conv3.kernel",
        "dense.bias",
        "dense.kernel",
    ];
    let statistics = ["min", "q25", "median", "q75", "max", "std", "mean"];
    let mut columns: Vec<String> = tensors.iter().flat_map(|t| statistics.map(|s| format!("{t}.{s}"))).collect();
    columns.extend((columns.len()..width).map(|k| format!("probes.last.responsive.share.{k}")));
    let weight: Vec<f64> = (0..width).map(|k| (-(((k * 37) % width) as f64) / 6.0).exp()).collect();
    let total: f64 = weight.iter().sum();
    let mut first: Vec<usize> = (0..width).collect();
    first.sort_by(|&a, &b| weight[b].total_cmp(&weight[a]));
    let row = |dice: &mut Dice, k: usize| {
        let rank: Vec<f32> = (0..tested).map(|n| n as f32 / tested as f32).collect();
        let sign = if k.is_multiple_of(3) { -1.0 } else { 1.0 };
        let value = |rank: &f32| {
            (sign * 0.12 * weight[k] * (f64::from(*rank) * 3.0 - 1.2).tanh() + 0.006 * dice.0.normal()) as f32
        };
        let shap = rank.iter().map(value).collect();
        Beeswarm { column: columns[k].clone(), rank, shap }
    };
    Importance {
        zoo: zoo.into(),
        input: input.into(),
        gain: weight.iter().map(|w| w / total).collect(),
        split: weight.iter().map(|w| (w * 900.0) as u64).collect(),
        permutation: weight.iter().map(|w| 0.3 * w - 0.002).collect(),
        shap: weight.iter().map(|w| 0.06 * w).collect(),
        beeswarm: first.iter().take(15).map(|&k| row(dice, k)).collect(),
        columns,
    }
}

/// What no study should hold and one day will: no numbers, names of every kind, lists that do not fit.
pub fn ugly() -> Study {
    let mut study = study();
    let long = "a-very-long-name-of-a-zoo-that-somebody-made-in-one-afternoon-<script>alert(1)</script>-&-\"forgot\"";
    let nan = f64::NAN;
    study.zoos[1].name = long.into();
    study.zoos[1].arch = format!("28×28 {}16s2 → 10", "16s1same,".repeat(20));
    study.networks[1].zoo = long.into();
    study.networks[0].test_accuracy[..5].copy_from_slice(&[f32::NAN, f32::INFINITY, -3.0, 7.0, f32::NEG_INFINITY]);
    study.networks[0].map[0] = [f32::NAN, 1e30];
    study.networks[2].train_accuracy.truncate(3);
    study.networks[3].predictions[0].network[0] = usize::MAX;
    study.networks[3].test_accuracy.fill(f32::NAN);
    for (number, cell) in study.cells.iter_mut().enumerate() {
        for name in [&mut cell.fitted, &mut cell.tested] {
            if *name == "mnist" {
                *name = long.into();
            }
        }
        match number % 11 {
            0 => cell.score = Score { r2: nan, tau: nan, mse: nan, mae: nan, n: 0 },
            3 => cell.score.r2 = -1e12,
            5 => cell.r2_interval = [nan, f64::INFINITY],
            7 => cell.n_train = 0,
            _ => {}
        }
    }
    study.stopping[0].points.clear();
    study.stopping[1].epochs = 0;
    study.importance[0].gain.fill(nan);
    study.importance[1].columns.clear();
    study.importance[2].beeswarm[0].shap.truncate(1);
    study.coverage[0].n = 0;
    study.coverage[0].reach = f64::INFINITY;
    study
}

/// One zoo and two scores.
pub fn small() -> Study {
    let all = study();
    let cells = all.cells.into_iter().filter(|cell| cell.experiment == "table" && cell.tested == "mnist").take(2);
    let (zoos, networks) = (all.zoos[1..2].to_vec(), all.networks[1..2].to_vec());
    Study {
        header: Header { command: "zoometry report mnist.safetensors".into(), ..Header::default() },
        cells: cells.collect(),
        zoos,
        networks,
        ..Study::default()
    }
}
