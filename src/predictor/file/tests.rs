//! Predictors' files: whole, damaged and hostile.

use super::*;
use crate::Context;
use crate::kernels::Isa;
use crate::out::FileKind;
use crate::predictor::BagModel;
use crate::predictor::boost::{Boost, Params, fit};
use crate::predictor::perceptron::Perceptron;
use crate::table::Table;
use crate::tensors::Column;
use std::fs;
use std::sync::Arc;

fn example() -> (Predictor, Table) {
    let rows = 400;
    let x = |r: usize, c: usize| {
        if (r * 7 + c).is_multiple_of(11) { f32::NAN } else { ((r * 37 + c * 101) % 97) as f32 }
    };
    let table = Table {
        columns: vec!["a".into(), "b".into(), "c".into()],
        x: (0..rows).flat_map(|r| (0..3).map(move |c| x(r, c))).collect(),
        y: (0..rows).map(|r| ((r * 37) % 97) as f32 / 10.0).collect(),
        group: (0..rows as u64).collect(),
        ..Table::default()
    };
    let params = Params { n_estimators: 5, num_leaves: 6, ..Params::default() };
    let boost = fit(&Context::default(), &table, Some(&table), &params, &mut |_| ()).unwrap();
    let info = BTreeMap::from([("zoo".to_owned(), "zoo.safetensors".to_owned())]);
    let residuals = vec![0.0, 0.25, 0.25, 1.5];
    let (columns, model) = (table.columns.clone(), Arc::new(boost));
    let provenance = Some(Provenance::of([vec![7, u64::MAX], vec![1], Vec::new()]));
    (Predictor { columns, info, input: None, model, residuals, domain: None, provenance }, table)
}

fn out(path: &Path) -> OutPath {
    OutPath::new(path, FileKind::Predictor).unwrap()
}

#[test]
fn what_is_saved_is_loaded_and_the_bytes_are_always_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let (predictor, table) = example();
    let path = folder.path().join("model.safetensors");
    predictor.save(&out(&path)).unwrap();
    let bytes = fs::read(&path).unwrap();
    let loaded = Predictor::load(&path).unwrap();
    assert!(loaded == predictor);
    let predict = |p: &Predictor| p.predict(&Context::default(), &table).unwrap();
    assert_eq!(predict(&loaded), predict(&predictor));
    loaded.save(&out(&path)).unwrap();
    assert_eq!(fs::read(&path).unwrap(), bytes);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn a_save_that_fails_leaves_what_was_there() {
    let folder = tempfile::tempdir().unwrap();
    let (predictor, _) = example();
    let path = folder.path().join("taken");
    let place = out(&path);
    // a folder that is not empty cannot be replaced by a file
    fs::create_dir(&path).unwrap();
    fs::write(path.join("kept"), "kept").unwrap();
    assert!(matches!(predictor.save(&place), Err(Error::Occupied { .. })));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    assert!(path.join("kept").exists());
}

#[test]
fn other_columns_are_refused_by_name() {
    let (predictor, table) = example();
    let error = |columns: &[&str]| {
        let columns = columns.iter().map(|name| name.to_string()).collect();
        let table = Table { columns, ..table.clone() };
        predictor.predict(&Context::default(), &table).unwrap_err().to_string()
    };
    assert_eq!(error(&["a", "b"]), "table cannot be used for this: expected the 3 columns of the fit, got 2 columns");
    assert_eq!(
        error(&["a", "x", "c"]),
        "table cannot be used for this: expected \"b\" as column 1, got \"x\" as column 1"
    );
}

/// Saves the example after a change to its tensors and its head, and loads it.
fn load_changed(change: impl Fn(&mut Vec<Column>, &mut serde_json::Value)) -> Result<Predictor> {
    let (predictor, _) = example();
    let mut columns = predictor.model.tensors();
    let mut head = serde_json::to_value(Head { info: BTreeMap::new(), ..head_of(&predictor) }).unwrap();
    change(&mut columns, &mut head);
    load_columns(&columns, &head)
}

/// What a file says of a predictor beside its tensors.
fn head_of(predictor: &Predictor) -> Head {
    Head {
        version: VERSION,
        kind: "gbm".into(),
        params: predictor.model.options().values(),
        columns: predictor.columns.clone(),
        info: predictor.info.clone(),
    }
}

/// Writes a file of these tensors and this head, and loads it.
fn load_columns(columns: &[Column], head: &serde_json::Value) -> Result<Predictor> {
    let views = columns.iter().map(|(name, dtype, bytes)| {
        (&**name, TensorView::new(*dtype, vec![bytes.len() * 8 / dtype.bitsize()], bytes).unwrap())
    });
    let metadata = Some(HashMap::from([(KEY.to_owned(), head.to_string())]));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model");
    fs::write(&path, safetensors::serialize(views, metadata).unwrap()).unwrap();
    Predictor::load(&path)
}

/// Sets item `i` of the tensor `name`.
fn set(columns: &mut [Column], name: &str, i: usize, bytes: &[u8]) {
    let (_, _, data) = columns.iter_mut().find(|column| column.0 == name).unwrap();
    data[i * bytes.len()..(i + 1) * bytes.len()].copy_from_slice(bytes);
}

#[test]
fn no_hostile_tree_gets_in() {
    assert!(load_changed(|_, _| ()).is_ok());
    let with_residuals = |residuals: &'static [f32]| {
        load_changed(|columns, _| {
            columns.push(column(RESIDUALS, Dtype::F32, bytes(residuals.iter().copied(), f32::to_le_bytes)))
        })
    };
    assert_eq!(with_residuals(&[0.0, 0.5, 0.5]).unwrap().residuals, [0.0, 0.5, 0.5]);
    let u32s = |name: &'static str, i: usize, to: u32| {
        load_changed(move |columns, _| set(columns, name, i, &to.to_le_bytes()))
    };
    let f32s = |name: &'static str, to: f32| load_changed(move |columns, _| set(columns, name, 0, &to.to_le_bytes()));
    for (what, result) in [
        ("a cycle", u32s("left", 1, 1)),
        ("the root its own child", u32s("left", 0, 0)),
        ("a child far away", u32s("left", 0, u32::MAX)),
        ("a shared child", u32s("left", 2, 1)),
        ("a column that is not there", u32s("feature", 0, 3)),
        ("a huge tree", u32s("tree_nodes", 0, u32::MAX)),
        ("an empty tree", u32s("tree_nodes", 0, 0)),
        ("a tree too short", u32s("tree_nodes", 0, 1)),
        ("a threshold NaN", f32s("threshold", f32::NAN)),
        ("a value inf", f32s("value", f32::INFINITY)),
        ("a base NaN", load_changed(|columns, _| set(columns, "base", 0, &f64::NAN.to_le_bytes()))),
        ("a tensor missing", load_changed(|columns, _| drop(columns.remove(3)))),
        ("a tensor of another type", load_changed(|columns, _| columns[2].1 = Dtype::F32)),
        ("a tensor too short", load_changed(|columns, _| columns[5].2.truncate(8))),
        ("errors that are not in order", with_residuals(&[0.5, 0.25])),
        ("an error below 0", with_residuals(&[-0.5, 0.25])),
        ("an error NaN", with_residuals(&[0.5, f32::NAN])),
        ("no columns", load_changed(|_, head| head["columns"] = serde_json::json!([]))),
        ("another version", load_changed(|_, head| head["version"] = 2.into())),
        ("an unknown kind", load_changed(|_, head| head["kind"] = "forest".into())),
        ("another kind", load_changed(|_, head| head["kind"] = "mlp".into())),
        ("parameters out of range", load_changed(|_, head| head["params"]["max_bin"] = 7000.into())),
    ] {
        assert!(matches!(result, Err(Error::Malformed { .. })), "{what}: {result:?}");
    }
}

#[test]
fn no_damaged_file_gets_in_or_panics() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model");
    example().0.save(&out(&path)).unwrap();
    let whole = fs::read(&path).unwrap();
    for length in (0..whole.len()).step_by(41) {
        fs::write(&path, &whole[..length]).unwrap();
        let refused = Predictor::load(&path);
        // of fewer than nine bytes nobody can say what they began
        let known = length > 8;
        assert!(matches!(refused, Err(Error::Malformed { .. })) || !known && refused.is_err(), "{length} bytes");
    }
    fs::write(&path, [&u64::MAX.to_le_bytes()[..], &whole[8..]].concat()).unwrap();
    assert!(matches!(Predictor::load(&path), Err(Error::OtherKind { .. })));
    for at in 0..whole.len() {
        let mut damaged = whole.clone();
        damaged[at] ^= 0x55;
        fs::write(&path, &damaged).unwrap();
        // it may be another predictor, but one that works
        if let Ok(predictor) = Predictor::load(&path) {
            let boost: &Boost = predictor.model_as().unwrap();
            boost.predict(Isa::detect(), &vec![1.0; 5 * boost.width]);
        }
    }
    assert!(matches!(Predictor::load(&folder.path().join("none")), Err(Error::Io { .. })));
}

#[test]
fn predictors_made_of_predictors_are_kept_with_all_of_them() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model");
    let (_, table) = example();
    let table = Table { y: table.y.iter().map(|y| y / 10.0).collect(), ..table };
    for spec in ["gp", "bag(gbm)", "mean(linear,gp)", "bag(mean(gbm,gp))", "mean(bag(gbm),linear)"] {
        let mut options = Options::new(spec).unwrap();
        for option in ["n_estimators=4", "epochs=3", "steps=3", "likelihood_rows=50", "folds=3"] {
            for prefix in ["", "gbm.", "linear.", "gp.", "bag."] {
                // of those that a kind has
                let _ = options.set(&format!("{prefix}{option}"));
            }
        }
        let predictor = Predictor::fit(&Context::default(), &options, &table, Some(&table)).unwrap();
        predictor.save(&out(&path)).unwrap();
        let loaded = Predictor::load(&path).unwrap();
        assert!(loaded == predictor && loaded.model.options().spec() == spec, "{spec}");
        let predict = |p: &Predictor| p.predict(&Context::default(), &table).unwrap();
        assert_eq!(predict(&loaded), predict(&predictor));
        if let Some(bag) = loaded.model_as::<BagModel>() {
            assert_eq!(bag.errors().iter().map(Vec::len).sum::<usize>(), table.rows());
            assert_eq!(bag.errors(), predictor.model_as::<BagModel>().unwrap().errors());
        }
        let whole = fs::read(&path).unwrap();
        for at in (0..whole.len()).step_by(97) {
            let mut damaged = whole.clone();
            damaged[at] ^= 0x55;
            fs::write(&path, &damaged).unwrap();
            if let Ok(predictor) = Predictor::load(&path) {
                predictor.model.predict(Isa::detect(), &table.x[..predictor.columns.len()]);
            }
        }
    }
}

/// A perceptron that was fitted for a moment.
fn perceptron(layers: usize) -> (Predictor, Table) {
    use crate::predictor::perceptron::{Params, fit};
    let (_, mut table) = example();
    table.y.iter_mut().for_each(|y| *y /= 10.0);
    let params = Params { layers, units: 5, epochs: 2, ..Params::mlp() };
    let model = fit(&Context::default(), &table, Some(&table), &params).unwrap();
    let (columns, info, residuals) = (table.columns.clone(), BTreeMap::new(), Vec::new());
    (Predictor { columns, info, input: None, model: Arc::new(model), residuals, domain: None, provenance: None }, table)
}

#[test]
fn perceptrons_are_kept_too_and_damaged_ones_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model");
    for (layers, kind) in [(0, "linear"), (2, "mlp")] {
        let (predictor, table) = perceptron(layers);
        fs::write(&path, "").unwrap();
        predictor.save(&out(&path)).unwrap();
        let loaded = Predictor::load(&path).unwrap();
        assert!(loaded == predictor && loaded.kind().name == kind);
        let whole = fs::read(&path).unwrap();
        for at in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[at] ^= 0x55;
            fs::write(&path, &damaged).unwrap();
            if let Ok(predictor) = Predictor::load(&path) {
                let model: &Perceptron = predictor.model_as().unwrap();
                model.predict(Isa::detect(), &table.x[..3 * model.width()]);
            }
        }
    }
}

/// A predictor of a fitted input, as `fit` writes it.
fn with_consensus() -> Predictor {
    use crate::cnn::Arch;
    use crate::features::consensus::{Consensus, Images};
    use crate::features::{Fitted, Networks};
    use crate::kernels::activation::Activation;
    let arch = Arch::grey(8, 8, "4s2", 3).unwrap();
    let weights: Vec<f32> = (0..8 * arch.parameters()).map(|k| (k * 37 % 101) as f32 / 101.0 - 0.5).collect();
    let networks = Networks::Loose { arch: &arch, weights: &weights, activation: Some(Activation::Relu) };
    let accuracy: Vec<f32> = (0..8).map(|n| n as f32 / 8.0).collect();
    let fit = |of: Images| Consensus::fit(&Context::default(), of, &networks, &accuracy).unwrap();
    let found = vec![None, Some(fit(Images::Drawn)), Some(fit(Images::Synthetic))];
    let input = Fitted::of("wstats+consensus+synthetic".parse().unwrap(), found);
    let (mut predictor, _) = example();
    predictor.info.insert(INPUT.into(), input.input().to_string());
    predictor.input = Some(input);
    predictor
}

#[test]
fn a_fitted_input_is_kept_and_a_damaged_one_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model");
    let predictor = with_consensus();
    predictor.save(&out(&path)).unwrap();
    assert!(Predictor::load(&path).unwrap() == predictor);
    let head = |key: &str| BTreeMap::from([(INPUT.to_owned(), key.to_owned())]);
    let file = |info: BTreeMap<String, String>, change: &dyn Fn(&mut Vec<Column>)| {
        let mut columns = [predictor.model.tensors(), predictor.input.as_ref().unwrap().tensors()].concat();
        change(&mut columns);
        load_columns(&columns, &serde_json::to_value(Head { info, ..head_of(&predictor) }).unwrap())
    };
    let key = "wstats+consensus+synthetic";
    assert!(file(head(key), &|_| ()).is_ok());
    type Change<'a> = &'a dyn Fn(&mut Vec<Column>);
    let changes: [(&str, Change); 7] = [
        ("no images", &|columns| columns.retain(|column| column.0 != "synthetic.images")),
        ("half an image", &|columns| truncate(columns, "synthetic.images", 100)),
        ("too few answers", &|columns| truncate(columns, "consensus.answers", 12)),
        ("a pixel NaN", &|columns| set(columns, "consensus.images", 0, &f32::NAN.to_le_bytes())),
        ("a huge size", &|columns| set(columns, "synthetic.size", 0, &u32::MAX.to_le_bytes())),
        ("no classes", &|columns| set(columns, "synthetic.size", 3, &0u32.to_le_bytes())),
        ("one member", &|columns| truncate(columns, "synthetic.members", 8)),
    ];
    for (what, change) in changes {
        let result = file(head(key), change);
        assert!(matches!(result, Err(Error::Malformed { .. })), "{what}: {result:?}");
    }
    assert!(matches!(file(head("wstat"), &|_| ()), Err(Error::Malformed { .. })), "an input that is none");
}

/// Shortens a tensor.
fn truncate(columns: &mut [Column], name: &str, bytes: usize) {
    columns.iter_mut().filter(|column| column.0 == name).for_each(|column| column.2.truncate(bytes));
}
