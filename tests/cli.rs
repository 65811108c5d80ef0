//! The command line on good and bad input, through the real binary.

mod common;
use common::{fail, python, scratch, small_zoo, succeed};
use std::path::Path;
use std::process::Command;

#[test]
fn the_pipeline_runs_from_images_to_predictions() {
    let (folder, zoo) = scratch("zoo.safetensors");
    let at = |name: &str| folder.path().join(name).display().to_string();
    succeed(&format!("{} --checkpoints 0,1", small_zoo(&zoo, 24, 3)));
    let zoo = zoo.display();
    let info: serde_json::Value = serde_json::from_str(&succeed(&format!("info {zoo} --json"))).unwrap();
    assert_eq!(
        (info["models"].as_u64(), info["rows"].as_u64(), info["finished"].as_u64()),
        (Some(24), Some(72), Some(24))
    );
    for kind in ["csv", "npy", "safetensors"] {
        succeed(&format!("features {zoo} --out {}", at(&format!("features.{kind}"))));
    }
    let csv = succeed(&format!("features {zoo} --epoch 1"));
    assert_eq!((csv.lines().count(), csv.lines().next().map(|line| line.split(',').count())), (25, Some(59)));

    let model = at("model.safetensors");
    let fit: serde_json::Value =
        serde_json::from_str(&succeed(&format!("fit {zoo} --out {model} --param n_estimators=50 --json"))).unwrap();
    for key in ["r2", "tau", "mse", "mae", "n_train", "n_val", "n_test", "seconds"] {
        assert!(fit.get(key).is_some(), "{key} in {fit}");
    }
    let evaluate: serde_json::Value =
        serde_json::from_str(&succeed(&format!("evaluate {model} {zoo} --json"))).unwrap();
    assert_eq!((&evaluate["mse"], &evaluate["n"]), (&fit["mse"], &fit["n_test"]));
    assert_eq!((&evaluate["n_train"], &evaluate["n_val"]), (&fit["n_train"], &fit["n_val"]));
    let predictions = succeed(&format!("predict {model} {zoo}"));
    assert_eq!(predictions.lines().count(), 25);
    // a table of what it sees will do
    assert_eq!(succeed(&format!("predict {model} {}", at("features.safetensors"))).lines().count(), 25);
    fail(&format!("evaluate {zoo} {zoo}"), 1, &["is a zoo, not a fitted predictor"]);
    fail(&format!("predict {model} {model}"), 1, &["is a fitted predictor, not a zoo"]);
}

#[test]
fn the_demo_says_what_it_found() {
    let (folder, _) = scratch("");
    let text = succeed(&format!("demo --models 12 --out {} --json", folder.path().join("demo").display()));
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    for key in ["r2", "tau", "mse", "mae", "n_train", "n_val", "n_test", "seconds"] {
        assert!(json.get(key).is_some(), "{key} in {json}");
    }
}

#[test]
fn a_predictor_remembers_its_input() {
    use safetensors::tensor::{Dtype, TensorView};
    let (folder, zoo) = scratch("zoo.safetensors");
    let at = |name: &str| folder.path().join(name).display().to_string();
    succeed(&small_zoo(&zoo, 24, 1));
    let (first, model, zoo) = (zoometry::zoo::Zoo::open(&zoo).unwrap(), at("model"), zoo.display());
    let bytes: Vec<u8> = first.weights(1).iter().flat_map(|w| w.to_le_bytes()).collect();
    let view = TensorView::new(Dtype::F32, vec![1, 4970], &bytes).unwrap();
    std::fs::write(at("loose"), safetensors::serialize([("weights", view)], None).unwrap()).unwrap();
    let fit = |input: &str| {
        let text = succeed(&format!("fit {zoo} --input {input} --out {model} --param n_estimators=20 --json"));
        let fit: serde_json::Value = serde_json::from_str(&text).unwrap();
        let text = succeed(&format!("evaluate {model} {zoo} --json"));
        let evaluate: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!((&evaluate["mse"], &evaluate["n"]), (&fit["mse"], &fit["n_test"]), "{input}");
        assert_eq!(succeed(&format!("predict {model} {zoo}")).lines().count(), 25, "{input}");
    };
    for input in ["wstats-layers:0,1,2,3-qts:0,25,50,75,100", "weights.3", "hyper+weights"] {
        fit(input);
    }
    fail(&format!("predict {model} {}", at("loose")), 2, &["hyper", "a zoo", "weights alone"]);
    fit("wstats-pooled+probes");
    fail(&format!("predict {model} {}", at("loose")), 2, &["--activation", "relu, tanh"]);
    fail(&format!("predict {model} {} --activation relux", at("loose")), 2, &["\"relu\""]);
    fail(&format!("predict {model} {zoo} --activation relu"), 2, &["--activation"]);
    succeed(&format!("predict {model} {} --activation tanh", at("loose")));
    // networks of another shape have the same columns
    let other = at("other");
    succeed(&format!("{} --set layers=8s2same,12s1", small_zoo(Path::new(&other), 3, 1)));
    succeed(&format!("evaluate {model} {other}"));
    fit("wstats");
    let arches = [&first.schema().arch.to_string(), "8s2same,12s1"];
    fail(&format!("evaluate {model} {other}"), 1, &[&["other", "input"][..], &arches].concat());
    fail(&format!("fit {zoo} --input wstat"), 2, &["did you mean \"wstats\"?"]);
    fail(&format!("fit {zoo} --input wstats-layers:7-qts:0"), 2, &["0 to 3", "7"]);
    fail(&format!("features {zoo} --input hyper.seed"), 2, &["hyperparameter", "learning_rate"]);
    fail("fit --x x.npy --y y.npy --input wstats", 2, &["--input"]);
}

/// Writes a tensor `weights` with a row for each network.
fn loose(path: &str, networks: &[Vec<f32>]) {
    use safetensors::tensor::{Dtype, TensorView};
    let bytes: Vec<u8> = networks.iter().flatten().flat_map(|weight| weight.to_le_bytes()).collect();
    let view = TensorView::new(Dtype::F32, vec![networks.len(), networks[0].len()], &bytes).unwrap();
    std::fs::write(path, safetensors::serialize([("weights", view)], None).unwrap()).unwrap();
}

#[test]
fn nothing_is_predicted_of_weights_that_are_not_finite() {
    let (folder, zoo) = scratch("zoo.safetensors");
    let at = |name: &str| folder.path().join(name).display().to_string();
    succeed(&small_zoo(&zoo, 24, 1));
    let model = at("model");
    succeed(&format!("fit {} --out {model} --param n_estimators=20", zoo.display()));
    let weights = zoometry::zoo::Zoo::open(&zoo).unwrap().weights(1).to_vec();
    let mut broken = weights.clone();
    broken[7] = f32::NAN;
    let mut infinite = weights.clone();
    infinite[7] = f32::INFINITY;
    loose(&at("some"), &[weights.clone(), broken.clone(), weights, infinite]);
    let output = common::run(&format!("predict {model} {} --interval 0.3", at("some")));
    let (out, err) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    let predicted: Vec<bool> = out.lines().skip(1).map(|line| line.contains(",NaN,,NaN,NaN")).collect();
    assert_eq!(predicted, [false, true, false, true], "{out}");
    assert!(err.contains("2 of 4 networks") && err.contains("not finite"), "{err}");
    let json: serde_json::Value =
        serde_json::from_str(&succeed(&format!("predict {model} {} --json", at("some")))).unwrap();
    assert!(json["networks"][0]["predicted"].is_number() && json["networks"][1]["predicted"].is_null(), "{json}");
    loose(&at("one"), &[broken]);
    let one = succeed(&format!("predict {model} {}", at("one")));
    assert!(one.lines().nth(1).is_some_and(|line| line.starts_with("0,,NaN,,")), "{one}");
}

#[test]
fn tables_are_fitted() {
    use npyz::WriterBuilder;
    let (folder, _) = scratch("");
    let save = |name: &str, shape: &[u64], values: Vec<f64>| {
        let path = folder.path().join(name);
        let file = std::fs::File::create(&path).unwrap();
        let mut writer = npyz::WriteOptions::new().default_dtype().shape(shape).writer(file).begin_nd().unwrap();
        writer.extend(values).unwrap();
        writer.finish().unwrap();
        path.display().to_string()
    };
    let features: Vec<f64> = (0..1200).map(|k| f64::from(k * 7919 % 1000) / 1000.0).collect();
    let targets: Vec<f64> = features.chunks(3).map(|row| row[0] + 0.5 * f64::from(u8::from(row[1] > 0.5))).collect();
    let (x, y) = (save("x.npy", &[300, 3], features[..900].to_vec()), save("y.npy", &[300], targets[..300].to_vec()));
    let (xt, yt) =
        (save("xt.npy", &[100, 3], features[900..].to_vec()), save("yt.npy", &[100], targets[300..].to_vec()));
    let text = succeed(&format!("fit --x {x} --y {y} --x-test {xt} --y-test {yt} --json"));
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert!(json["r2"].as_f64().unwrap() > 0.95 && json["n_train"] == 300 && json["n_test"] == 100, "{json}");
    succeed(&format!("fit --x {x} --y {y}"));
    fail(&format!("fit --x {x} --y {xt}"), 1, &["xt.npy", "target"]);
    let (x9, y9) = (save("x9.npy", &[9, 3], features[..27].to_vec()), save("y9.npy", &[9], targets[..9].to_vec()));
    fail(&format!("fit --x {x9} --y {y9}"), 1, &["x9.npy", "at least 10 rows", "got 9"]);
    fail(&format!("fit --x {x9} --y {y9} --x-test {xt} --y-test {yt}"), 1, &["x9.npy", "at least 10 rows"]);
    fail(&format!("fit --x {x}"), 2, &["--y"]);
    fail(&format!("fit --x {x} --y {y} --param num_leave=3"), 2, &["num_leaves"]);
    fail(&format!("fit --x {x} --y {y} --param learning_rate=fast"), 2, &["learning_rate"]);
    fail(&format!("fit --x {x} --y {y} --predictor gmb"), 2, &["gbm"]);
}

#[test]
fn wrong_command_lines_end_with_2() {
    let (folder, zoo) = scratch("zoo.safetensors");
    let out = zoo.display();
    fail("trian", 2, &["train"]);
    fail("train --dataset glyphs --models 0 --epochs 1 --out x", 2, &["--models"]);
    fail("train --dataset glyphs --models 4000000000 --epochs 1 --out x", 2, &["--models", "10,000,000"]);
    fail("train --dataset glyphs --models 1 --epochs 4294967295 --out x", 2, &["--epochs"]);
    fail("train --dataset glyphs --models 1 --epochs 1 --out x --seed -1", 2, &["--seed"]);
    fail(&format!("train --dataset glyph --models 1 --epochs 1 --out {out}"), 2, &["did you mean \"glyphs\"?"]);
    fail(&format!("train --dataset glyphs --models 1 --epochs -1 --out {out}"), 2, &["--epochs"]);
    fail(&format!("train --dataset glyphs --models 1 --epochs 1 --out {out} --set optimizer=adm"), 2, &["\"adam\""]);
    fail(
        &format!("train --dataset glyphs --models 1 --epochs 1 --out {out} --set learning_rat=1"),
        2,
        &["\"learning_rate\""],
    );
    fail(&format!("train --dataset glyphs --models 1 --epochs 1 --out {out} --set dropout=1"), 2, &["dropout"]);
    fail(
        &format!("train --dataset glyphs --models 1 --epochs 1 --out {out} --recipe smal-cnn-zoo"),
        2,
        &["small-cnn-zoo"],
    );
    fail(&format!("train --dataset glyphs --models 1 --epochs 1 --out {out} --checkpoints 2"), 2, &["--checkpoints"]);
    fail(&format!("train --dataset glyphs --models 1 --epochs 1 --out {out} --device gpux"), 2, &["device"]);
    fail(&format!("train --dataset glyphs --models 1 --epochs 1 --out {out} --isa avx3"), 2, &["avx2"]);
    fail(&format!("train --dataset glyphs --models 1 --epochs 1 --out {out} --set train_fraction=0.01"), 2, &["512"]);
    fail(
        &format!("train --dataset glyphs --models 1 --epochs 1 --out {out} --set layers=16s2,16s2,16s2,16s2"),
        2,
        &["3×3"],
    );
    for kind in zoometry::kernels::IsaKind::ALL.into_iter().filter(|&kind| zoometry::kernels::Isa::new(kind).is_none())
    {
        fail(
            &format!("train --dataset glyphs --models 1 --epochs 1 --out {out} --isa {kind}"),
            2,
            &["this machine has"],
        );
    }
    assert!(
        !zoo.exists() && std::fs::read_dir(folder.path()).unwrap().next().is_none(),
        "a refused command left files"
    );
    for verb in ["", "demo", "train", "info", "features", "fit", "search", "evaluate", "predict", "importance"] {
        assert!(succeed(&format!("{verb} --help")).contains("Usage"), "{verb}");
    }
}

#[test]
fn files_that_are_not_there_or_not_right_end_with_1() {
    let (folder, zoo) = scratch("zoo.safetensors");
    let out = zoo.display();
    let dir = folder.path().display();
    fail(&format!("info {out}"), 1, &["zoo.safetensors"]);
    fail(&format!("info {dir}"), 1, &[&dir.to_string()]);
    fail(&format!("fit {out}"), 1, &["zoo.safetensors"]);
    fail(
        &format!("train --dataset mnist --data-dir {dir} --models 1 --epochs 1 --out {out}"),
        1,
        &["train-images", "http"],
    );
    fail(&format!("train --dataset glyphs --models 1 --epochs 1 --out {dir}/none/zoo.safetensors"), 1, &["none"]);
    std::fs::write(&zoo, b"not a zoo at all").unwrap();
    fail(&format!("info {out}"), 1, &["zoo.safetensors"]);
    fail(&small_zoo(&zoo, 1, 1), 1, &["is not replaced"]);
    assert_eq!(std::fs::read(&zoo).unwrap(), b"not a zoo at all", "a file that was there is lost");
    let recipe = folder.path().join("recipe.json");
    std::fs::write(&recipe, "{\"dropout\": 2}").unwrap();
    fail(
        &format!("train --dataset glyphs --models 1 --epochs 1 --out {dir}/a --recipe {}", recipe.display()),
        1,
        &["dropout"],
    );
    std::fs::write(&recipe, "{\"dropout\"").unwrap();
    fail(
        &format!("train --dataset glyphs --models 1 --epochs 1 --out {dir}/a --recipe {}", recipe.display()),
        1,
        &["recipe"],
    );
}

#[test]
fn networks_that_diverge_are_marked_and_the_rest_goes_on() {
    let (_folder, zoo) = scratch("zoo.safetensors");
    let wild =
        "--set learning_rate=1000 --set optimizer=sgd --set activation=relu --set l2reg=10 --set w_init=he_normal";
    let text = succeed(&format!("{} {wild} --json", small_zoo(&zoo, 3, 2)));
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(json["diverged"], 3, "{json}");
    let info: serde_json::Value = serde_json::from_str(&succeed(&format!("info {} --json", zoo.display()))).unwrap();
    assert!(info["finished"] == 0 && info["done"].as_u64() >= Some(3), "the untrained rows are fine: {info}");
    fail(&format!("fit {}", zoo.display()), 1, &["finished"]);
    let zoo = zoometry::zoo::Zoo::open(&zoo).unwrap();
    assert!((0..zoo.rows()).all(|row| zoo.weights(row).iter().all(|w| w.is_finite())));
}

/// Runs one of our Python scripts; a message and no failure where there is no Python for it.
fn script(name: &str, arguments: &[&str]) {
    let Some(python) = python() else { return };
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python").join(name);
    let output = Command::new(python).arg(path).args(arguments).output().unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{name}: {out}{err}");
    eprintln!("{out}");
}

#[test]
fn python_agrees() {
    use npyz::WriterBuilder;
    let (folder, zoo) = scratch("zoo.safetensors");
    let (folder, zoo) = (folder.path(), zoo.as_path());
    succeed(&format!(
        "{} --set layers=16s2same,24s2,8s1same --set activation=relu,tanh,sigmoid,gelu --set train_fraction=0.1",
        small_zoo(zoo, 12, 2)
    ));
    // pixels again from what the networks saw: x = 2·pixel/255 − 1
    let test = zoometry::dataset::load("glyphs", None, zoometry::dataset::Images::default()).unwrap().test;
    let save = |name: &str, shape: &[u64], bytes: Vec<u8>| {
        let path = folder.join(name);
        let file = std::fs::File::create(&path).unwrap();
        let mut writer = npyz::WriteOptions::new().default_dtype().shape(shape).writer(file).begin_nd().unwrap();
        writer.extend(bytes).unwrap();
        writer.finish().unwrap();
        path.display().to_string()
    };
    let pixels = test.images.iter().map(|x| ((x + 1.0) * 127.5).round() as u8).collect();
    let images = save("images.npy", &[test.len() as u64, 28, 28], pixels);
    let labels = save("labels.npy", &[test.len() as u64], test.labels.clone());
    let zoo = zoo.display().to_string();
    script("check_zoo.py", &[&zoo, "--images", &images, "--labels", &labels]);
    let features = folder.join("features.safetensors").display().to_string();
    succeed(&format!("features {zoo} --out {features}"));
    script("check_features.py", &[&zoo, &features]);
    let files: Vec<String> =
        ["probes", "wstats-layers:0,3-qts:2.5,50+wnorm-layers:1-l2", "hyper+hyper.optimizer+weights.3"]
            .iter()
            .enumerate()
            .map(|(number, input)| {
                let file = folder.join(format!("input{number}.safetensors")).display().to_string();
                succeed(&format!("features {zoo} --input {input} --out {file}"));
                file
            })
            .collect();
    let arguments: Vec<&str> = std::iter::once(&zoo).chain(&files).map(String::as_str).collect();
    script("check_inputs.py", &arguments);
    let at = |name: &str| folder.join(name).display().to_string();
    let (model, table) = (at("model.safetensors"), at("fitted.safetensors"));
    let input = "spectra+consensus+synthetic";
    let zoo = at("reference.safetensors");
    succeed(&format!("{} --set train_fraction=0.1", small_zoo(Path::new(&zoo), 12, 2)));
    succeed(&format!("fit {zoo} --input {input} --split-seed 3 --out {model}"));
    succeed(&format!("features {zoo} --input {input} --split-seed 3 --out {table}"));
    script("check_consensus.py", &[&zoo, &model, &table]);
}

#[cfg(unix)]
#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let (_folder, zoo) = scratch("zoo.safetensors");
    succeed(&small_zoo(&zoo, 3, 0));
    let binary = env!("CARGO_BIN_EXE_zoometry");
    let line = format!("set -o pipefail; {binary} features {} | head -c 10 > /dev/null", zoo.display());
    assert!(Command::new("bash").args(["-c", &line]).status().unwrap().success());
}

#[test]
fn the_benchmark_reports_what_it_measured() {
    let (folder, _) = scratch("");
    let at = |name: &str| folder.path().join(name).display().to_string();
    let text = succeed(&format!("bench pool --seconds 0.3 --threads 2 --isa all --json --svg {}", at("roof.svg")));
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert!(json["machine"]["fma_gflops"]["portable"].as_f64().unwrap() > 0.0, "{json}");
    let rows = json["rows"].as_array().unwrap();
    assert_eq!(rows.len(), 2 * json["machine"]["fma_gflops"].as_object().unwrap().len());
    for row in rows {
        for key in ["seconds", "gflops", "gbs", "fraction_of_peak", "images_per_second"] {
            assert!(row[key].as_f64().unwrap() > 0.0, "{key} in {row}");
        }
        assert_eq!((row["name"].as_str(), row["shape"].as_str()), (Some("pool/forward"), Some("2x2x16")));
    }
    assert!(std::fs::read_to_string(at("roof.svg")).unwrap().contains("</svg>"));

    std::fs::write(at("old.json"), text).unwrap();
    let table = succeed(&format!("bench pool --seconds 0.3 --compare {}", at("old.json")));
    assert!(table.contains("against the old report") && table.contains("beyond the noise"), "{table}");
    assert!(table.lines().all(|line| line.chars().count() <= 100), "{table}");
    let csv = succeed("bench pool --seconds 0.3 --csv");
    let columns: Vec<usize> = csv.lines().map(|line| line.split(',').count()).collect();
    assert_eq!(columns, [25, 25], "{csv}");

    fail("bench conv/fourward", 2, &["unknown kernel", "conv/forward"]);
    fail("bench pool --seconds 0", 2, &["--seconds"]);
    fail("bench pool --isa avx1024", 2, &["avx1024"]);
    std::fs::write(at("old.json"), "{\"rows\": 1}").unwrap();
    fail(&format!("bench pool --compare {}", at("old.json")), 1, &["old.json", "malformed"]);
}

#[test]
fn inputs_zoos_and_devices_are_not_overwritten() {
    let (folder, zoo) = scratch("zoo.safetensors");
    succeed(&small_zoo(&zoo, 4, 1));
    let (path, other) = (zoo.display(), folder.path().join("other.safetensors"));
    std::fs::copy(&zoo, &other).unwrap();
    let before = std::fs::read(&zoo).unwrap();
    fail(&format!("fit {path} --out {path}"), 2, &["output", "inputs"]);
    fail(&format!("fit {path}"), 1, &["zoo.safetensors", "at least 10 finished networks", "got 4"]);
    fail(&format!("features {path} --out {path}"), 2, &["output", "inputs"]);
    fail(&format!("fit {path} --out {}", other.display()), 1, &["other.safetensors", "a zoo"]);
    fail(&format!("fit {path} --out {}", folder.path().display()), 1, &["a folder"]);
    fail(&format!("fit {path} --out {}/none/model", folder.path().display()), 1, &["no such folder"]);
    #[cfg(unix)]
    fail(&format!("fit {path} --out /dev/null"), 1, &["/dev/null", "a device"]);
    #[cfg(unix)]
    fail("info /dev/zero", 1, &["/dev/zero", "a device"]);
    assert!(std::fs::read(&zoo).unwrap() == before && std::fs::read(&other).unwrap() == before);
}

/// Stops a training whose stderr nobody reads.
#[cfg(unix)]
#[test]
fn a_signal_is_heard_whatever_stderr_is() {
    let (_folder, zoo) = scratch("zoo.safetensors");
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_zoometry"))
        .args(small_zoo(&zoo, 5000, 50).split(' '))
        .stderr(full)
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    // the zoo is there when training has begun
    while !zoo.exists() {
        assert!(child.try_wait().unwrap().is_none(), "it ended by itself");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let stopped = Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap();
    assert!(stopped.success());
    assert_eq!(child.wait().unwrap().code(), Some(130));
    succeed(&format!("info {}", zoo.display()));
}
