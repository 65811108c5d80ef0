//! A zoo in several files: shards that become the file of one machine, files read as one, zoos that grow, and what kills do to them.

mod common;
use common::{fail, scratch, small_zoo, succeed, there, zoometry};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;
use zoometry::rng::Stream;
use zoometry::zoo::{Status, Target, Zoo};

/// Networks and epochs of the zoos here.
const MODELS: usize = 8;
const EPOCHS: u32 = 2;

/// A zoo of one machine.
fn whole(name: &str) -> (tempfile::TempDir, PathBuf) {
    let (folder, path) = scratch(name);
    succeed(&small_zoo(&path, MODELS, EPOCHS));
    (folder, path)
}

fn shard(zoo: &Path, place: &str) -> PathBuf {
    let (index, count) = place.split_once('/').unwrap();
    succeed(&format!("{} --shard {place}", small_zoo(zoo, MODELS, EPOCHS)));
    let stem = zoo.file_stem().unwrap().to_str().unwrap();
    zoo.with_file_name(format!("{stem}-{index:0>5}-of-{count:0>5}.safetensors"))
}

#[track_caller]
fn same(a: &Path, b: &Path) {
    assert!(std::fs::read(a).unwrap() == std::fs::read(b).unwrap(), "{} and {} differ", a.display(), b.display());
}

fn json(arguments: &str) -> serde_json::Value {
    serde_json::from_str(&succeed(&format!("{arguments} --json"))).unwrap()
}

#[test]
fn shards_become_the_file_of_one_machine() {
    let (_folder, one) = whole("one.safetensors");
    let merged = one.with_file_name("merged.safetensors");
    let zoo = one.with_file_name("zoo.safetensors");
    let [first, second, third] = ["1/3", "2/3", "3/3"].map(|place| shard(&zoo, place));
    let merge = |parts: &[&Path]| {
        let parts: Vec<String> = parts.iter().map(|part| part.display().to_string()).collect();
        json(&format!("merge -o {} {}", merged.display(), parts.join(" ")))
    };
    // what is missing is said, and may come later or be trained in the merged file
    let found = merge(&[&first, &third]);
    assert_eq!((&found["missing"], &found["absent"]), (&serde_json::json!([1, 4, 7]), &serde_json::json!(["2/3"])));
    assert_eq!((found["unfinished"].as_u64(), found["copied"].as_u64()), (Some(3), Some(15)));
    let trained = merged.with_file_name("trained.safetensors");
    std::fs::copy(&merged, &trained).unwrap();
    succeed(&small_zoo(&trained, MODELS, EPOCHS));
    same(&trained, &one);
    let found = merge(&[&third, &second]);
    assert_eq!((found["unfinished"].as_u64(), found["doubled"].as_u64()), (Some(0), Some(6)));
    same(&merged, &one);
    // a pattern, for where no shell is
    std::fs::remove_file(&merged).unwrap();
    merge(&[&zoo.with_file_name("zoo-*-of-00003.safetensors")]);
    same(&merged, &one);
    // zoos of fewer networks, whole ones and shards, are parts too
    std::fs::remove_file(&merged).unwrap();
    let few = one.with_file_name("few.safetensors");
    succeed(&small_zoo(&few, 5, EPOCHS));
    assert_eq!(merge(&[&few])["networks"], 5);
    merge(&[&first, &second, &third]);
    same(&merged, &one);
}

#[test]
fn parts_that_do_not_fit_are_refused() {
    let (_folder, one) = whole("one.safetensors");
    let part = shard(&one.with_file_name("zoo.safetensors"), "2/3");
    let (out, part) = (one.with_file_name("out.safetensors"), part.display().to_string());
    let other = one.with_file_name("other.safetensors");
    succeed(&format!("train --dataset glyphs --models 2 --epochs 2 --seed 6 --out {}", other.display()));
    fail(&format!("merge -o {} {part} {}", out.display(), other.display()), 1, &["seed is 6", "not 5"]);
    fail(&format!("merge -o {part} {part}"), 2, &["another file than the inputs"]);
    fail(&format!("merge -o {part} {}", one.display()), 1, &["a whole zoo", "shard 2/3"]);
    // a weight that is not what the checksum says, and a row that two files have differently
    let zoo = Zoo::open(&part).unwrap();
    let bytes = std::fs::read(&part).unwrap();
    let weights: &[u8] = bytemuck::cast_slice(zoo.weights(4));
    let at = bytes.windows(weights.len()).position(|window| window == weights).unwrap();
    let mut damaged = bytes.clone();
    damaged[at] ^= 1;
    let broken = one.with_file_name("broken.safetensors");
    std::fs::write(&broken, damaged).unwrap();
    fail(&format!("merge -o {} {}", out.display(), broken.display()), 1, &["network 4 at epoch 1", "checksum"]);
    fail(&format!("merge -o {} {}", one.display(), broken.display()), 1, &["network 4 at epoch 1", "other weights"]);
    succeed(&format!("merge -o {} {part}", out.display()));
    fail(&format!("{} --shard 9/9", small_zoo(&one, MODELS, EPOCHS)), 2, &["--shard", "1 to 8"]);
    fail(&format!("features {part} {part}"), 1, &["network 1 is in"]);
    fail(&format!("info {part} {}", one.with_file_name("*.none").display()), 1, &["*.none"]);
}

/// A CSV table without the column that says in which file a network is.
fn without_files(text: &str) -> String {
    let column = text.lines().next().and_then(|names| names.split(',').position(|name| name == "file"));
    let Some(column) = column else { return text.to_owned() };
    let kept = |line: &str| {
        let cells = line.split(',').enumerate().filter(|(number, _)| *number != column);
        cells.map(|(_, cell)| cell).collect::<Vec<_>>().join(",")
    };
    text.lines().map(|line| kept(line) + "\n").collect()
}

#[test]
fn several_files_are_read_as_one() {
    let (folder, one) = scratch("one.safetensors");
    succeed(&small_zoo(&one, 24, 1));
    let zoo = one.with_file_name("zoo.safetensors");
    for place in ["1/3", "2/3", "3/3"] {
        succeed(&format!("{} --shard {place}", small_zoo(&zoo, 24, 1)));
    }
    let all = zoo.with_file_name("zoo-*-of-00003.safetensors").display().to_string();
    let (one, at) = (one.display().to_string(), |name: &str| folder.path().join(name).display().to_string());
    let alike = |arguments: &dyn Fn(&str) -> String| {
        let (several, single) = (without_files(&succeed(&arguments(&all))), succeed(&arguments(&one)));
        assert!(several == single, "{}: {several:.200} … {single:.200}", arguments(&all));
    };
    alike(&|zoo| format!("features {zoo} --input wstats+probes+hyper"));
    let model = at("model.safetensors");
    let fit = |zoo: &str| json(&format!("fit {zoo} --param n_estimators=20 --out {model}"));
    let (first, second) = (fit(&all), fit(&one));
    assert_eq!((&first["r2"], &first["mse"]), (&second["r2"], &second["mse"]));
    alike(&|zoo| format!("predict {model} {zoo}"));
    let score = |zoo: &str| json(&format!("evaluate {model} {zoo}"))["mse"].clone();
    assert_eq!(score(&all), score(&one));
    succeed(&format!("export {all} {}", at("folder")));
    succeed(&format!("export {one} {}", at("folder-of-one")));
    for file in ["weights.npy", "metrics.csv.gz", "layout.csv"] {
        same(Path::new(&at(&format!("folder/{file}"))), Path::new(&at(&format!("folder-of-one/{file}"))));
    }
    let network = |zoo: &str, name: &str| {
        let out = at(name);
        succeed(&format!("export {zoo} {out} --torch --run 7"));
        PathBuf::from(out)
    };
    same(&network(&all, "a.safetensors"), &network(&one, "b.safetensors"));
}

#[test]
fn seeds_are_more_networks_and_shards_keep_their_numbers() {
    let (_folder, one) = scratch("one.safetensors");
    succeed(&small_zoo(&one, 3, 1));
    let other = one.with_file_name("other.safetensors");
    succeed(&format!("train --dataset glyphs --models 5 --epochs 1 --seed 9 --out {} --shard 2/2", other.display()));
    let part = one.with_file_name("other-00002-of-00002.safetensors");
    let zoo = Zoo::open_all([&one, &part]).unwrap();
    assert_eq!(zoo.run(), [0, 0, 1, 1, 2, 2, 4, 4, 6, 6]);
    assert_eq!((zoo.schema().runs, zoo.networks(), zoo.seeds()), (5, 8, vec![5, 9]));
    assert_eq!((zoo.find(4), zoo.find(3), zoo.find(6)), (Some(3), None, Some(4)));
    let [first, second] = [&one, &part].map(|path| Zoo::open(path).unwrap());
    assert_eq!((zoo.weights(5), zoo.weights(8)), (first.weights(5), second.weights(2)));
    assert_eq!((zoo.config(1), zoo.config(3)), (first.config(1), second.config(0)));
    let rates = zoo.column("config.learning_rate").unwrap();
    assert_eq!(rates[..6], *first.column("config.learning_rate").unwrap());
    assert_eq!(rates[6..], *second.column("config.learning_rate").unwrap());
    assert_eq!(zoo.test_accuracy()[9], second.test_accuracy()[3]);
    // a hyperparameter as target, of a file whose numbers are not its places
    let target: Target = "learning_rate".parse().unwrap();
    assert_eq!(target.values(&second, &[0, 2], &[]), [rates[6], rates[8]]);
    assert_eq!(target.values(&zoo, &[6, 8], &[]), [rates[6], rates[8]]);
    // the last row of each network, in either order of the files
    assert_eq!(zoo.final_rows().len(), 5);
    assert_eq!(Zoo::open_all([&part, &one]).unwrap().run()[..4], [1, 1, 3, 3]);
}

#[test]
fn a_grown_zoo_is_the_one_made_at_once() {
    let (_folder, one) = whole("one.safetensors");
    let grown = one.with_file_name("grown.safetensors");
    // checkpoints, then networks, then epochs, over networks of every optimizer; the checkpoints that were there stay
    succeed(&format!("{} --checkpoints 0", small_zoo(&grown, 3, 1)));
    succeed(&small_zoo(&grown, MODELS, 1));
    succeed(&small_zoo(&grown, MODELS, EPOCHS));
    same(&grown, &one);
    let text = json(&format!("{} --checkpoints 0", small_zoo(&grown, MODELS, EPOCHS)));
    assert_eq!(text["trained"], 0);
    same(&grown, &one);
    for (models, epochs, says) in [(3, EPOCHS, "--models"), (MODELS, 1, "--epochs")] {
        fail(&small_zoo(&grown, models, epochs), 2, &[says, "at least", "another file"]);
    }
    fail(&format!("{} --isa portable", small_zoo(&grown, MODELS + 1, EPOCHS)), 1, &["rounding", "--allow-mixed"]);
    same(&grown, &one);
    // a recipe whose new networks need a column that the zoo lacks
    let wide = one.with_file_name("wide.safetensors");
    let mixed = |path: &Path, models| format!("{} --set momentum=0.9,0.8", small_zoo(path, models, 1));
    let differs = |models: usize| {
        succeed(&mixed(&wide, models));
        Zoo::open(&wide).unwrap().column("config.momentum").is_ok()
    };
    let models = (1..20).find(|&models| differs(models)).unwrap();
    assert!(models > 1, "another seed, for which the first network has the default");
    let at_once = one.with_file_name("at-once.safetensors");
    succeed(&mixed(&at_once, models));
    same(&wide, &at_once);
    // a schedule is made for its number of epochs
    let scheduled = one.with_file_name("scheduled.safetensors");
    let cosine = |models, epochs| format!("{} --set schedule=cosine", small_zoo(&scheduled, models, epochs));
    succeed(&cosine(2, 1));
    fail(&cosine(2, 2), 2, &["--epochs", "schedule", "another file"]);
    succeed(&cosine(3, 1));
}

#[test]
fn teams_go_on_from_their_weights_as_from_the_start() {
    let (_folder, one) = scratch("one.safetensors");
    let at_once = one.with_file_name("at-once.safetensors");
    let mlp = |path: &Path, models, epochs| {
        format!(
            "{} --recipe mlp --set optimizer=sgd,adam --set train_fraction=0.1 --set dropout=0,0.3",
            small_zoo(path, models, epochs)
        )
    };
    succeed(&mlp(&one, 20, 1));
    succeed(&mlp(&one, 40, 3));
    succeed(&format!("{} --checkpoints 0,1", mlp(&at_once, 40, 3)));
    succeed(&mlp(&at_once, 40, 3));
    same(&one, &at_once);
}

#[test]
fn networks_of_a_zoo_may_have_batches_of_their_own() {
    let (_folder, mixed) = scratch("mixed.safetensors");
    // with 64 images in a step channels take the lanes, with 7 networks do
    let zoo = |path: &Path, batch: &str, models: usize| {
        format!("{} --set layers=16s2,16s2 --set batch={batch}", small_zoo(path, models, 2))
    };
    succeed(&zoo(&mixed, "7,64", 3));
    succeed(&zoo(&mixed, "7,64", 8));
    let all = Zoo::open(&mixed).unwrap();
    let mut seen = [0; 2];
    for (place, batch) in [7, 64].into_iter().enumerate() {
        let path = mixed.with_file_name(format!("{batch}.safetensors"));
        succeed(&zoo(&path, &batch.to_string(), 8));
        let alike = Zoo::open(&path).unwrap();
        let rows = all.rows() / all.networks();
        for run in (0..all.networks()).filter(|&run| all.config(run).number("batch_size") == batch as f32) {
            assert!((run * rows..(run + 1) * rows).all(|row| all.weights(row) == alike.weights(row)), "network {run}");
            seen[place] += 1;
        }
    }
    assert!(seen.iter().all(|&networks| networks > 0) && seen.iter().sum::<usize>() == all.networks(), "{seen:?}");
    fail(&zoo(&mixed, "7,64.5", 9), 2, &["batch_size", "whole numbers"]);
}

/// Starts a command that makes or replaces a file and kills it so long after the new one has begun to be; whether it was there to
/// be killed.
fn kill_after(arguments: &str, folder: &Path, delay: Duration) -> bool {
    let begun = || {
        let names = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.filter(|name| name.ends_with(".partial") || name == "merged.safetensors").count() > 0
    };
    let mut command = zoometry();
    let command = command.args(arguments.split_whitespace()).stderr(Stdio::null()).stdout(Stdio::null());
    let mut child = command.spawn().unwrap();
    while !begun() && child.try_wait().unwrap().is_none() {
        std::thread::sleep(Duration::from_micros(50));
    }
    std::thread::sleep(delay);
    child.kill().unwrap();
    !child.wait().unwrap().success()
}

/// Kills of each kind; `ZOOMETRY_KILLS` has another number for a long run by hand.
fn kills() -> u32 {
    std::env::var("ZOOMETRY_KILLS").ok().and_then(|kills| kills.parse().ok()).unwrap_or(12)
}

#[test]
fn kills_lose_nothing_of_a_zoo_that_grows_or_is_merged() {
    let (_folder, one) = whole("one.safetensors");
    let base = one.with_file_name("base.safetensors");
    succeed(&small_zoo(&base, 5, 1));
    let rows: Vec<Vec<f32>> = (0..10).map(|row| Zoo::open(&base).unwrap().weights(row).to_vec()).collect();
    let zoo = one.with_file_name("zoo.safetensors");
    let parts = ["1/2", "2/2"].map(|place| shard(&zoo, place).display().to_string()).join(" ");
    let (grown, merged) = (one.with_file_name("grown.safetensors"), one.with_file_name("merged.safetensors"));
    let grow = small_zoo(&grown, MODELS, EPOCHS);
    let merge = format!("merge -o {} {parts}", merged.display());
    let mut times = Stream::new(7, 0, 0);
    let mut killed = [0; 4];
    let folder = one.parent().unwrap();
    let sweep = || {
        let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        files
            .filter(|file| file.extension().is_some_and(|ending| ending == "partial"))
            .for_each(|file| std::fs::remove_file(file).unwrap());
    };
    for _ in 0..kills() {
        std::fs::copy(&base, &grown).unwrap();
        let _ = std::fs::remove_file(&merged);
        let early = kill_after(&grow, folder, Duration::from_micros(times.below(12_000).into()));
        sweep();
        let there = Zoo::open(&grown).unwrap();
        killed[usize::from(there.networks() == MODELS)] += u32::from(early);
        let place = |row: usize| row / 2 * there.schema().checkpoints.len() + row % 2;
        assert!(
            (0..10).all(|row| there.status()[place(row)] == Status::Done && there.weights(place(row)) == rows[row])
        );
        let early = kill_after(&merge, folder, Duration::from_micros(times.below(12_000).into()));
        sweep();
        killed[2 + usize::from(merged.exists())] += u32::from(early);
        if merged.exists() {
            let (there, expected) = (Zoo::open(&merged).unwrap(), Zoo::open(&one).unwrap());
            let written = (0..there.rows()).filter(|&row| there.status()[row] == Status::Done);
            written.for_each(|row| assert_eq!(there.weights(row), expected.weights(row)));
        }
        succeed(&merge);
        same(&merged, &one);
    }
    succeed(&grow);
    same(&grown, &one);
    let [before, after, unnamed, named] = killed;
    eprintln!(
        "growing: {before} kills before the new file had its name, {after} after; merging: {unnamed} and {named}"
    );
}

/// A list in flow style, which is JSON, of a line of the manifest.
fn list(manifest: &str, key: &str) -> Vec<String> {
    let line = manifest.lines().find_map(|line| line.trim().strip_prefix(key)).expect("a line of the manifest");
    serde_json::from_str(line).unwrap()
}

#[test]
fn the_job_of_kubernetes_runs_as_it_is_written() {
    let (_folder, one) = scratch("one.safetensors");
    let manifest = include_str!("cluster/kubernetes.yaml");
    let command = list(manifest, "command: ");
    let value = |key: &str| manifest.lines().find_map(|line| line.trim().strip_prefix(key)).unwrap().trim_matches('"');
    let completions = value("completions: ");
    assert_eq!(value("value: "), completions, "JOB_COMPLETIONS");
    let (out, arguments) = command.split_last().unwrap();
    assert_eq!((&*arguments[0], &**out), ("zoometry", "/zoos/zoo.safetensors"));
    let zoo = one.with_file_name("zoo.safetensors");
    let pod = |index: Option<usize>, out: &Path| {
        let mut pod = zoometry();
        if let Some(index) = index {
            pod.env("JOB_COMPLETIONS", completions).env("JOB_COMPLETION_INDEX", index.to_string());
        }
        assert!(
            pod.args(&arguments[1..]).arg(out).stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap().success()
        );
    };
    (0..completions.parse().unwrap()).for_each(|index| pod(Some(index), &zoo));
    pod(None, &one);
    let pattern = zoo.with_file_name("zoo-*-of-00004.safetensors");
    succeed(&format!("merge -o {} {}", zoo.display(), pattern.display()));
    same(&zoo, &one);
}

#[test]
fn the_job_of_kubernetes_fits_the_schema() {
    let check = "import sys, yaml, kubernetes_validate as v; \
                 v.validate(yaml.safe_load(open(sys.argv[1])), v.latest_version(), strict=True)";
    let found = Command::new("python3").args(["-c", "import yaml, kubernetes_validate"]).output();
    if there("kubernetes-validate", found.is_ok_and(|output| output.status.success())) {
        let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cluster/kubernetes.yaml");
        let output = Command::new("python3").args(["-c", check, manifest]).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}
