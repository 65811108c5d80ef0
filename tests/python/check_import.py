#!/usr/bin/env python3
"""Writes a folder of the released Small CNN Zoo's format with NumPy and pandas, quirks included, imports it with the program
and compares; exports it, reads the export with NumPy and pandas and imports it again.

  check_import.py ZOOMETRY

ZOOMETRY is the program. Exit code 1 where something differs."""
import ast
import json
import os
import pathlib
import random
import subprocess
import sys
import tempfile

import numpy as np
import pandas as pd
from safetensors import safe_open

STEPS = [0, 1, 2, 20, 3, 40, 60, 80, 86]  # the order of the checkpoints' names
RUNS = 40
CONFIG = ["learning_rate", "l2reg", "dropout", "init_std", "train_fraction"]
METRICS = ["test_accuracy", "test_loss", "train_accuracy", "train_loss"]
LAYOUT = [("conv2d/bias", (16,)), ("conv2d/kernel", (3, 3, 1, 16)), ("conv2d_1/bias", (16,)), ("conv2d_1/kernel", (3, 3, 16, 16)),
          ("conv2d_2/bias", (16,)), ("conv2d_2/kernel", (3, 3, 16, 16)), ("dense/bias", (10,)), ("dense/kernel", (16, 10))]


def zoometry(*arguments):
    done = subprocess.run([sys.argv[1], *map(str, arguments)], capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"zoometry {' '.join(map(str, arguments))}: {done.stderr}")
    return done.stdout


def folder(path):
    """The released format; gives what is in it."""
    rng = np.random.default_rng(7)
    rows = []
    for run in range(RUNS):
        config = {
            "config.activation": ["relu", "tanh"][run % 2],
            "config.b_init": "zeros",
            "config.dataset": "svhn_cropped",
            "config.dnn_architecture": "cnn",
            "config.dropout": rng.uniform(0, 0.7),
            "config.epochs": 86,
            "config.epochs_between_checkpoints": 20,
            "config.init_std": np.exp(rng.uniform(np.log(1e-3), np.log(0.5))),
            "config.l2reg": np.exp(rng.uniform(np.log(1e-8), np.log(1e-2))),
            "config.learning_rate": np.exp(rng.uniform(np.log(5e-4), np.log(5e-2))),
            "config.num_layers": 3,
            "config.num_units": 16,
            "config.optimizer": ["adam", "sgd", "rmsprop", "lion"][run % 4],
            "config.random_seed": 42,
            "config.train_fraction": [0.1, 0.25, 0.5, 1.0][run % 4],
            "config.w_init": "TruncatedNormal",
            "modeldir": f"/cns/a, b/{rng.integers(1 << 60):x}",
        }
        for step in STEPS:
            metrics = {name: rng.uniform() for name in METRICS}
            rows.append({**config, "step": step, **metrics, "laststep": step == 86})
    table = pd.DataFrame(rows)
    table.loc[17, "test_accuracy"] = np.nan
    table.loc[20, "train_loss"] = np.inf
    # a run that lacks two checkpoints, one of them the last
    table = table.drop(index=[9 * 5 + 2, 9 * 5 + 8]).reset_index(drop=True)
    weights = rng.standard_normal((len(table), 4970), dtype=np.float32)
    weights[30, 4000] = np.nan
    os.mkdir(path)
    np.save(path / "weights.npy", weights)
    table.to_csv(path / "metrics.csv.gz")
    ends = np.cumsum([np.prod(shape) for _, shape in LAYOUT])
    layout = [(f"sequential/{name}:0", end - np.prod(shape), end, shape) for (name, shape), end in zip(LAYOUT, ends)]
    pd.DataFrame(layout, columns=["varname", "start_idx", "end_idx", "shape"]).to_csv(path / "layout.csv")
    return table, weights


def same(ours, theirs, what):
    if not np.array_equal(ours, theirs, equal_nan=np.asarray(ours).dtype.kind == "f"):
        sys.exit(f"{what} differs from what NumPy and pandas wrote")


def compare(path, table, weights, rows):
    """The zoo at `path` against the rows of the table, which are in the zoo's order."""
    with safe_open(path, "np") as zoo:
        tensors = {name: zoo.get_tensor(name) for name in zoo.keys()}
        meta = zoo.metadata()
    epochs = json.loads(meta["checkpoints"])
    assert json.loads(meta["architecture"])["height"] == 32 and meta["dataset"] == "svhn"
    first = {modeldir: run for run, modeldir in enumerate(table["modeldir"].unique())}
    place = table["modeldir"].map(first)[rows].to_numpy() * len(epochs) + np.searchsorted(epochs, table["step"][rows])
    assert (np.diff(place) > 0).all() and set(np.flatnonzero(tensors["status"])) == set(place)
    same(tensors["weights"][place], weights[rows], "weights")
    for name in METRICS:
        same(tensors[name][place], table[name][rows].to_numpy(np.float32), name)
    for name in CONFIG:
        same(tensors["config." + name][place], table["config." + name][rows].to_numpy(np.float32), name)
    for name in ["optimizer", "activation", "w_init"]:
        names = np.array(json.loads(meta["config." + name]))
        same(names[tensors["config." + name]][place], table["config." + name][rows].to_numpy(str), name)
    assert (tensors["config.seed"][place] == 42).all() and np.isnan(tensors["test_class_accuracy"][place]).all()
    finite = np.isfinite(weights[rows]).all(1) & np.isfinite(table["test_accuracy"][rows])
    same(tensors["status"][place], np.where(finite, 1, 2), "status")
    return place // len(epochs), finite.to_numpy()


def published(order, finals):
    """Train, validation and test rows as the papers' loaders find them, header trap included."""
    order = np.concatenate([[0], order])
    final = [row for row in order if row in finals]
    half = int(0.5 * len(final))
    first = list(range(half))
    random.Random(0).shuffle(first)
    cut = int(0.8 * half)
    return [final[k] for k in first[:cut]], [final[k] for k in first[cut:]], final[half:]


def loaders(root):
    """Our own division for the loaders of NFN, Neural Graphs, ScaleGMN and ProbeGen: they and we find the same parts."""
    zoometry("split", root / "all.safetensors", "--order", "--split-seed", 4, "--out", root / "order.csv")
    order = pd.read_csv(root / "order.csv", header=None).to_numpy().flatten()      # the header becomes one more row 0, as there
    metrics, weights = pd.read_csv(root / "export/metrics.csv.gz"), np.load(root / "export/weights.npy", mmap_mode="r")
    assert sorted(order[1:]) == list(range(len(metrics))) == list(range(len(weights))) and order[0] == 0
    finals = set(np.flatnonzero((metrics["step"] == 86) & np.isfinite(weights).all(1) & np.isfinite(metrics["test_accuracy"])))
    theirs = published(order[1:], set(np.flatnonzero(metrics["step"] == 86)))
    text = zoometry("split", root / "all.safetensors", "--split", root / "order.csv").splitlines()[1:]
    ours = {int(line.split(",")[0]): line.split(",")[1] for line in text}
    for name, rows in zip(("train", "validation", "test"), theirs):
        assert {metrics["run"][row] for row in rows if row in finals} == {run for run, part in ours.items() if part == name}, name


def check(root):
    table, weights = folder(root / "svhn")
    notes = json.loads(zoometry("import", root / "svhn", "--out", root / "all.safetensors", "--json"))
    assert (notes["rows"], notes["missing"], notes["diverged"], notes["models"]) == (len(table), 2, 2, RUNS), notes
    text = "\n".join(notes["notes"])
    assert "lion" in text and "laststep" in text and "42" in text, text
    ascending = table.assign(run=table["modeldir"].map({m: r for r, m in enumerate(table["modeldir"].unique())}))
    compare(root / "all.safetensors", table, weights, ascending.sort_values(["run", "step"]).index)

    zoometry("import", root / "svhn", "--final-only", "--out", root / "last.safetensors")
    # of the network whose checkpoint 86 is missing, the one before
    last = table.index[table["step"] == table.groupby("modeldir")["step"].transform("max")]
    runs, finite = compare(root / "last.safetensors", table, weights, last)
    # what follows leaves that network out: it did not end where the others do
    ended = (table["step"][last] == 86).to_numpy()
    last, runs, finite = last[ended], runs[ended], finite[ended]
    zoometry("info", root / "last.safetensors")
    zoometry("features", root / "last.safetensors", "--out", root / "f.csv")
    features = pd.read_csv(root / "f.csv")
    assert (features["run"] == runs[finite]).all() and features.shape == (finite.sum(), 59)
    w = weights[last[finite], 16:160]
    assert np.allclose(features["conv1.kernel.std"], w.std(1), rtol=1e-5), "statistics"

    # the published division on 39 finals
    order = np.random.default_rng(3).permutation(len(table))
    pd.DataFrame(order).to_csv(root / "split.csv", index=False)
    parts = published(order, set(last))
    fit = json.loads(zoometry("fit", root / "last.safetensors", "--split", root / "split.csv", "--out", root / "m", "--json"))
    bad = set(last[~finite])
    sizes = [len(set(part) - bad) for part in parts]
    assert [fit["n_train"], fit["n_val"], fit["n_test"]] == sizes, (fit, sizes)
    rows = zoometry("predict", root / "m", root / "last.safetensors").splitlines()[1:]
    predicted = {int(row.split(",")[0]): float(row.split(",")[2]) for row in rows}
    of_row = dict(zip(last, runs))
    test = [row for row in parts[2] if row not in bad]
    mse = np.mean([(predicted[of_row[row]] - table["test_accuracy"][row]) ** 2 for row in test])
    assert abs(mse - fit["mse"]) < 1e-6 * mse, (mse, fit["mse"])

    zoometry("export", root / "all.safetensors", root / "export")
    out, metrics = np.load(root / "export/weights.npy"), pd.read_csv(root / "export/metrics.csv.gz", index_col=0)
    same(out, weights, "exported weights")
    for name in [*METRICS, *("config." + name for name in CONFIG)]:
        same(metrics[name].to_numpy(np.float32), table[name].to_numpy(np.float32), "exported " + name)
    for name in ["step", *(n for n in table if n.startswith("config.") and table[n].dtype.kind != "f")]:
        assert (metrics[name] == table[name]).all(), name
    loaders(root)
    layout = pd.read_csv(root / "export/layout.csv")
    assert [ast.literal_eval(shape) for shape in layout["shape"]] == [shape for _, shape in LAYOUT]
    zoometry("import", root / "export", "--out", root / "again.safetensors")
    assert (root / "again.safetensors").read_bytes() == (root / "all.safetensors").read_bytes(), "import(export(zoo)) is another zoo"
    # and without our own columns, as others would write it
    metrics.drop(columns=["run", "status"]).to_csv(root / "export/metrics.csv.gz")
    layout.drop(columns=["zoometry"]).to_csv(root / "export/layout.csv", index=False)
    zoometry("import", root / "export", "--out", root / "plain.safetensors")
    with safe_open(root / "plain.safetensors", "np") as a, safe_open(root / "all.safetensors", "np") as b:
        for name in a.keys():
            same(a.get_tensor(name), b.get_tensor(name), name)
    print(f"{len(table)} checkpoints of {RUNS} networks went in and out as NumPy and pandas have them")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as root:
        check(pathlib.Path(root))
