//! Makes the seeds: a small valid file for each target, below the folder that is named.

use std::fs;
use std::path::Path;
use zoometry::dataset::{self, Images};
use zoometry::eval::search::Journal;
use zoometry::out::{FileKind, Guard, OutPath};
use zoometry::predictor::{Config, Options, Predictor, names};
use zoometry::study::{FILE, Header};
use zoometry::train::recipe::Recipe;
use zoometry::train::{self, Job};
use zoometry::zoo::{self, Zoo};
use zoometry::{Context, Result, study};
use zoometry_fuzz::{search, table, whole};

fn main() -> Result<()> {
    let corpus = std::env::args().nth(1).unwrap_or_else(|| "corpus".into());
    let corpus = Path::new(&corpus);
    let seed = |target: &str, name: &str, bytes: &[u8]| {
        let folder = corpus.join(target);
        fs::create_dir_all(&folder).and_then(|()| fs::write(folder.join(name), bytes)).expect("a folder for the seeds");
    };
    images(&seed);
    tables(&seed);
    let folder = tempdir();
    zoos(&folder, &seed)?;
    predictors(&folder, &seed)?;
    journals(&folder, &seed)?;
    fs::remove_dir_all(&folder).expect("a folder of ours");
    Ok(())
}

/// What takes a seed: target, name, contents.
type Seed<'s> = &'s dyn Fn(&str, &str, &[u8]);

fn tempdir() -> std::path::PathBuf {
    let folder = std::env::temp_dir().join(format!("zoometry-seeds-{}", std::process::id()));
    fs::create_dir_all(&folder).expect("a folder for what seeds are made of");
    folder
}

/// Two images of 3×3 in each part, and batches of CIFAR-10.
fn images(seed: Seed) {
    let idx = |dims: &[u32], elements: &[u8]| {
        let head = [0, 0, 8, dims.len() as u8].into_iter().chain(dims.iter().flat_map(|dim| dim.to_be_bytes()));
        head.chain(elements.iter().copied()).collect::<Vec<u8>>()
    };
    let (pixels, labels) = (idx(&[2, 3, 3], &(0..18).collect::<Vec<u8>>()), idx(&[2], &[0, 1]));
    seed("idx", "whole", &whole(&[&pixels, &labels, &pixels, &labels]));
    // an empty text, stored
    let gzip =
        [31, 139, 8, 0, 0, 0, 0, 0, 0, 3, 1, 3, 0, 252, 255, b'a', b'b', b'c', 0xc2, 0x41, 0x24, 0x35, 3, 0, 0, 0];
    seed("gzip", "member", &gzip);
    seed("gzip", "members", &[&gzip[..], &gzip, &[0; 20]].concat());
    let record = |label: u8| std::iter::once(label).chain((0..3072).map(|k| k as u8)).collect::<Vec<u8>>();
    seed("cifar", "whole", &whole(&[&record(3), &record(9)]));
    for name in ["scipy_plain", "scipy_compressed"] {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../data/{name}.mat"));
        let bytes = fs::read(&file).expect("tests/data");
        seed("mat", name, &whole(&[&bytes, &bytes]));
    }
}

/// Arrays and a division.
fn tables(seed: Seed) {
    let npy = |shape: &str, values: &[f32]| {
        let mut head = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}");
        head += &" ".repeat(63 - (10 + head.len()) % 64);
        head += "\n";
        let length = (head.len() as u16).to_le_bytes();
        let values = values.iter().flat_map(|value| value.to_le_bytes());
        b"\x93NUMPY\x01\0".iter().copied().chain(length).chain(head.into_bytes()).chain(values).collect::<Vec<u8>>()
    };
    let numbers: Vec<f32> = (0..12).map(|k| k as f32).collect();
    seed("npy", "whole", &whole(&[&npy("(6, 2)", &numbers), &npy("(6,)", &numbers[..6])]));
    seed("split", "header", b"0\n3\n1\n2\n0\n7\n6\n5\n4\n");
    seed(
        "recipe",
        "laws",
        br#"{"batch": 8, "learning_rate": {"log_uniform": [0.001, 0.1]}, "optimizer": "adam,sgd", "layers": "4s2"}"#,
    );
}

/// A zoo of four networks, its export, one of its networks.
fn zoos(folder: &Path, seed: Seed) -> Result<()> {
    let dataset = dataset::load("glyphs", None, Images::default())?;
    let mut recipe = Recipe { name: "seeds".into(), ..Recipe::default() };
    for setting in ["layers=4s2", "train_fraction=0.01", "batch=36"] {
        recipe.set(setting)?;
    }
    let path = folder.join("zoo.safetensors");
    let mut job = Job::new(&dataset, &recipe, 4, vec![0, 1]);
    job.threads = 1;
    train::train(&job, &OutPath::new(&path, FileKind::Zoo)?, &|_| {})?;
    let zoo = Zoo::open(&path)?;
    seed("zoo", "whole", &read(&path));
    let export = folder.join("export");
    zoo::export(&Context::default(), &zoo, &OutPath::new(&export, FileKind::Folder)?, &mut |_, _| {})?;
    let mut metrics = String::new();
    let (mut text, _) = zoometry::bytes::unpacked(export.join("metrics.csv.gz"))?;
    std::io::Read::read_to_string(&mut text, &mut metrics).expect("text of our own");
    let weights = read(&export.join("weights.npy"));
    seed("import", "ours", &whole(&[&read(&export.join("layout.csv")), metrics.as_bytes(), &weights]));
    let layout = "varname,start_idx,end_idx,shape\nconv/bias:0,0,4,\"(4,)\"\nconv/kernel:0,4,40,\"(3, 3, 1, 4)\"\n\
                  dense/bias:0,40,42,\"(2,)\"\ndense/kernel:0,42,50,\"(4, 2)\"\n";
    let theirs = "modeldir,step,test_accuracy,config.optimizer\na,0,0.5,adam\n";
    let head = read(&folder.join("export/weights.npy"));
    seed("import", "theirs", &whole(&[layout.as_bytes(), theirs.as_bytes(), &head[..head.len().min(400)]]));
    let network = folder.join("network.safetensors");
    zoo::write_torch(&zoo, 1, &OutPath::new(&network, FileKind::Network)?)?;
    seed("state_dict", "ours", &read(&network));
    Ok(())
}

/// A predictor and a configuration of each kind.
fn predictors(folder: &Path, seed: Seed) -> Result<()> {
    let (train, validation) = (table(40, 1), table(20, 2));
    for kind in names() {
        let mut options = Options::new(kind)?;
        // whichever of them the kind knows
        ["n_estimators=3", "gbm.n_estimators=3", "steps=2", "epochs=2"]
            .into_iter()
            .find(|few| options.set(few).is_ok());
        let predictor = Predictor::fit(&Context::default(), &options, &train, Some(&validation))?;
        let path = folder.join(kind);
        predictor.save(&OutPath::new(&path, FileKind::Predictor)?)?;
        seed("predictor", kind, &read(&path));
        let path = folder.join(format!("{kind}.json"));
        Config::new(&options, Some("wstats".into())).save(&OutPath::new(&path, FileKind::Config)?)?;
        seed("config", kind, &read(&path));
    }
    Ok(())
}

/// A study's line on two networks.
const NETWORKS: &[u8] = b"{\"kind\":\"networks\",\"zoo\":\"a\",\"run\":[0,1],\"train_accuracy\":[0.5,0.6],\"test_accuracy\":[0.4,0.5],\
    \"map\":[[0.0,1.0],[1.0,0.0]],\"map_share\":[0.5,0.2],\"predictions\":[{\"input\":\"wstats\",\"network\":[1],\"predicted\":[0.5]}]}\n";

/// Two trials, and the first lines of a study.
fn journals(folder: &Path, seed: Seed) -> Result<()> {
    let (train, validation) = (table(12, 1), table(6, 2));
    let path = folder.join("best.trials.jsonl");
    let out = Guard::default().continued(&path, FileKind::Trials)?;
    let search = search(&train, &validation);
    let (journal, done) = Journal::open(&out, &[], &search)?;
    search.run(&Context::default(), done, &|trial| journal.append(trial))?;
    seed("trials", "two", &read(&path));
    let study = folder.join("study");
    study::Journal::open(&study, Header { command: "zoometry table".into(), ..Header::default() }, &[])?;
    seed("study", "lines", &[&read(&study.join(FILE))[..], NETWORKS].concat());
    Ok(())
}

fn read(path: &Path) -> Vec<u8> {
    fs::read(path).expect("a file of our own")
}
