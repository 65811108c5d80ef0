//! Zoos go out, and come back the same; PyTorch's files.

use super::*;

#[test]
fn a_zoo_goes_out_and_comes_back_with_the_same_bytes() {
    let (folder, zoo) = scratch("zoo.safetensors");
    let (out, again) = (folder.path().join("folder"), folder.path().join("again.safetensors"));
    let wild = "--set learning_rate=1000 --set layers=8s2,8s1same --set optimizer=sgd,adam --checkpoints 0,1";
    succeed(&format!("{} {wild} --set train_fraction=0.1", small_zoo(&zoo, 5, 2)));
    let zoo = zoo.display();
    succeed(&format!("export {zoo} {}", out.display()));
    assert_eq!(std::fs::read_dir(&out).unwrap().count(), 3);
    succeed(&format!("import {} --out {}", out.display(), again.display()));
    assert!(std::fs::read(folder.path().join("zoo.safetensors")).unwrap() == std::fs::read(&again).unwrap());
    fail(&format!("export {zoo} {}", out.display()), 1, &["is a folder"]);
    fail(&format!("import {} --out {zoo}", out.display()), 1, &["zoo.safetensors", "a zoo"]);
    fail(&format!("export {zoo} {}/no/such", out.display()), 1, &["no/such"]);
    // the released folder's rows keep their order
    let released = Folder::new(2);
    let (imported, export) = (released.at("zoo"), released.at("export"));
    succeed(&format!("{} --out {}", released.write(), imported.display()));
    succeed(&format!("export {} {}", imported.display(), export.display()));
    let weights = std::fs::read(export.join("weights.npy")).unwrap();
    assert!(weights.len() % 64 == 2 * 6 * 55 * 4 % 64 && weights.ends_with(&released.data()));
}

#[test]
fn an_unfinished_zoo_comes_back_and_is_continued() {
    let (folder, path) = scratch("zoo.safetensors");
    let [part, again] = ["part.safetensors", "again.safetensors"].map(|name| folder.path().join(name));
    let train = |out: &Path| format!("{} --checkpoints 0,1 --set train_fraction=0.1", small_zoo(out, 5, 2));
    succeed(&train(&path));
    let zoo = Zoo::open(&path).unwrap();
    let configs: Vec<Config> = (0..5).map(|run| zoo.config(run)).collect();
    let out = OutPath::new(&part, FileKind::Zoo).unwrap();
    let writer = Writer::create_or_open(&out, zoo.schema(), &configs).unwrap();
    // all of run 1 and the beginning of run 3
    for row in [3, 4, 5, 9] {
        let (weights, classes, metrics) = (zoo.weights(row), zoo.class_accuracy(row), zoo.metrics(row));
        writer.write(row / 3, row % 3, weights, &metrics, classes, Status::Done).unwrap();
    }
    drop(writer);
    let export = folder.path().join("export");
    succeed(&format!("export {} {}", part.display(), export.display()));
    let text = succeed(&format!("import {} --out {}", export.display(), again.display()));
    assert!(text.contains("4 of the folder's 4 rows") && text.contains("11 checkpoints are not in"), "{text}");
    assert!(std::fs::read(&part).unwrap() == std::fs::read(&again).unwrap());
    succeed(&train(&again));
    assert!(std::fs::read(&path).unwrap() == std::fs::read(&again).unwrap());
    // what a hand has changed is named
    let layout = std::fs::read_to_string(export.join("layout.csv")).unwrap();
    assert_eq!(layout.lines().next().unwrap(), "varname,start_idx,end_idx,shape,zoometry,zoometry.settings");
    for (from, to, says) in
        [("[[0,", "[[5,", "run 5 of 5"), ("[[0,", "[[1,", "run \"1\""), ("[[0,", "[[", "settings of runs")]
    {
        std::fs::write(export.join("layout.csv"), layout.replacen(from, to, 1)).unwrap();
        fail(&format!("import {} --out {}/new", export.display(), folder.path().display()), 1, &[says]);
    }
}

#[test]
fn last_checkpoints_that_are_missing_lose_no_settings() {
    let mut folder = Folder::new(4);
    folder.set(17, "config.init_std", "");
    (12..17).for_each(|row| folder.set(row, "config.init_std", ""));
    // run 2 has no last checkpoint
    folder.remove(17);
    let [last, export, again] = ["last", "export", "again"].map(|name| folder.at(name));
    succeed(&format!("{} --final-only --out {}", folder.write(), last.display()));
    succeed(&format!("export {} {}", last.display(), export.display()));
    succeed(&format!("import {} --out {}", export.display(), again.display()));
    let config = Zoo::open(&again).unwrap().config(2);
    assert!((config.number("dropout"), config.seed) == (0.2, 42) && config.number("init_std").is_nan(), "{config:?}");
    assert!(std::fs::read(&last).unwrap() == std::fs::read(&again).unwrap());
}

#[test]
fn pytorch_files_go_out_and_are_predicted() {
    let (folder, zoo) = scratch("zoo.safetensors");
    let at = |name: &str| folder.path().join(name).display().to_string();
    succeed(&format!("{} --checkpoints 0 --set train_fraction=0.1", small_zoo(&zoo, 12, 1)));
    let (model, network, zoo) = (at("model.safetensors"), at("network.safetensors"), zoo.display().to_string());
    let options = "--param n_estimators=20 --param early_stopping_rounds=0 --param min_data_in_leaf=1";
    succeed(&format!("fit {zoo} {options} --param learning_rate=0.3 --out {model}"));
    let of_zoo = succeed(&format!("predict {model} {zoo}"));
    let expected = of_zoo.lines().nth(8).unwrap().split(',').nth(2).unwrap().to_owned();
    assert!(succeed(&format!("export --torch {zoo} --run 7 {network}")).contains("network 7"));
    let predicted = succeed(&format!("predict {model} {network}"));
    assert_eq!(predicted.lines().nth(1).unwrap().split(',').nth(2), Some(&*expected), "{predicted}");
    let untrained = at("untrained.safetensors");
    succeed(&format!("export --torch {zoo} --run 7 --epoch 0 {untrained}"));
    assert_ne!(succeed(&format!("predict {model} {untrained}")), predicted);

    // the file tells its activation
    let probes = at("probes.safetensors");
    succeed(&format!("fit {zoo} --input probes --param n_estimators=5 --out {probes}"));
    let opened = Zoo::open(Path::new(&zoo)).unwrap();
    let own = opened.schema().name("activation", &opened.config(7));
    let other = if own == "relu" { "tanh" } else { "relu" };
    let of_file = succeed(&format!("predict {probes} {network}"));
    assert_eq!(of_file, succeed(&format!("predict {probes} {network} --activation {own}")));
    fail(&format!("predict {probes} {network} --activation {other}"), 2, &["--activation", &format!("{own}, as")]);

    // nothing is overwritten
    let before = std::fs::read(&zoo).unwrap();
    fail(&format!("export --torch {zoo} --run 7 {zoo}"), 2, &["another file than the inputs"]);
    let copy = at("copy.safetensors");
    std::fs::copy(&zoo, &copy).unwrap();
    fail(&format!("export --torch {zoo} --run 7 {copy}"), 1, &["copy.safetensors", "remove it first"]);
    fail(&format!("export --torch {zoo} --run 7 {model}"), 1, &["model.safetensors", "a fitted predictor", "--force"]);
    fail(&format!("export --torch {zoo} --run 7 {}", at("q.npz")), 2, &["q.npz", ".safetensors"]);
    assert!(std::fs::read(&zoo).unwrap() == before && std::fs::read(&copy).unwrap() == before);
    assert!(!Path::new(&at("q.npz")).exists());

    fail(&format!("export --torch {zoo} {network}"), 2, &["--run"]);
    fail(&format!("export {zoo} {network} --run 1"), 2, &["--torch"]);
    fail(&format!("export --torch {zoo} --run 12 {network}"), 2, &["--run", "below 12"]);
    fail(&format!("export --torch {zoo} --run -1 {network}"), 2, &["--run"]);
    fail(&format!("export --torch {zoo} --run 1 --epoch 7 {network}"), 2, &["--epoch", "[0, 1]"]);
    let (other, wide) = (at("other.safetensors"), at("wide.safetensors"));
    succeed(&format!("train --dataset glyphs --models 1 --epochs 0 --set layers=8s2,8s2 --out {other}"));
    succeed(&format!("export --torch {other} --run 0 {wide}"));
    fail(
        &format!("predict {model} {wide}"),
        1,
        &["wide.safetensors", "conv3.weight [16, 16, 3, 3]", "conv2.weight F32 [8, 8, 3, 3]"],
    );

    if let Some(python) = python() {
        let script = "import sys, json\nfrom safetensors import safe_open\nfrom safetensors.numpy import save_file\n\
            with safe_open(sys.argv[1], 'np') as f:\n  t = {k: f.get_tensor(k) for k in f.keys()}; m = json.loads(f.metadata()['network'])\n\
            with safe_open(sys.argv[2], 'np') as f:\n  w = f.get_slice('weights')[2 * 7 + 1 : 2 * 7 + 2][0]\n\
            assert m['run'] == 7 and m['epoch'] == 1 and sorted(t)[:2] == ['conv1.bias', 'conv1.weight'], (m, sorted(t))\n\
            assert (t['conv2.weight'] == w[176:2480].reshape(3, 3, 16, 16).transpose(3, 2, 0, 1)).all()\n\
            assert (t['dense.weight'] == w[4810:].reshape(16, 10).T).all() and (t['conv3.bias'] == w[2480:2496]).all()\n\
            names = {'conv1': '0', 'conv2': '2', 'conv3': '10', 'dense': '13'}\n\
            save_file({names[k.split('.')[0]] + '.' + k.split('.')[1]: v for k, v in t.items()}, sys.argv[3])\n";
        let named = at("sequential.safetensors");
        let output = Command::new(python).args(["-c", script, &network, &zoo, &named]).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        // what another program saved does not say which network it was; its weights tell what is predicted, and that it was fitted to
        let cells = |text: &str| text.lines().nth(1).map(|line| line.split(',').map(str::to_owned).collect::<Vec<_>>());
        let (ours, theirs) =
            (cells(&predicted).unwrap(), cells(&succeed(&format!("predict {model} {named}"))).unwrap());
        assert_eq!(ours[2], theirs[2], "the prediction");
        assert_eq!([&*ours[0], &ours[1]], ["7", "1"]);
        assert!(ours[3].parse::<f32>().is_ok(), "the accuracy that the file says: {ours:?}");
        assert_eq!([&*theirs[0], &theirs[1], &theirs[3]], ["0", "", ""]);
        assert_eq!(ours[4..], theirs[4..]);
    }
}
