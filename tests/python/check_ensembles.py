#!/usr/bin/env python3
"""Trains a small zoo and finds again with other people's programs what predictors made of predictors say: a Gaussian process with
scikit-learn's, its normal scores with SciPy's, a bag and its CV+ intervals with NumPy, classes with scikit-learn's scores and, on
tables of random numbers, with LightGBM's boosting.

  check_ensembles.py ZOOMETRY

ZOOMETRY is the program. Exit code 1 where something differs."""
import json
import math
import pathlib
import sys
import tempfile
import warnings

import lightgbm
import numpy as np
import pandas as pd
import scipy.special
from safetensors import safe_open
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, Matern
from sklearn.metrics import accuracy_score, log_loss

from check_predictors import near, part, zoometry

MODELS = 240
INPUT = "wstats+probes"


def tensors(path):
    """A file's tensors, and what it says of itself."""
    with safe_open(path, "np") as file:
        return {name: file.get_tensor(name) for name in file.keys()}, json.loads(file.metadata()["zoometry.predictor"])


def features(root):
    """The columns of all networks of the zoo, by run."""
    zoometry("features", root / "zoo.safetensors", "--input", INPUT, "--out", root / "f.safetensors")
    with safe_open(root / "f.safetensors", "np") as file:
        return file.get_tensor("features").astype(float), file.get_tensor("run")


def scores(x, knots):
    """Normal scores of a column's values by its knots."""
    values, normal = knots
    if len(values) == 0:
        return np.zeros(len(x))
    return np.where(np.isnan(x), 0, np.interp(x, values, normal))


def knots(found, prefix=""):
    """Values and scores of each column's knots."""
    ends = np.cumsum(found[f"{prefix}knots"])[:-1]
    cut = [np.split(found[f"{prefix}knot_{name}"].astype(float), ends) for name in ("values", "scores")]
    return list(zip(*cut))


def process(found, x, prefix=""):
    """What a process of a file predicts, by its own numbers in f64."""
    signal, _, _, _, mean, deviation = found[f"{prefix}numbers"]
    inverse = found[f"{prefix}inverse_lengths"].astype(float)
    z = np.stack([scores(x[:, c], of) for c, of in enumerate(knots(found, prefix))], 1) * inverse
    inputs = found[f"{prefix}inputs"].astype(float).reshape(-1, len(inverse))
    r = np.sqrt(5 * ((z[:, None] - inputs[None]) ** 2).sum(2))
    return mean + deviation * signal * ((1 + r + r * r / 3) * np.exp(-r)) @ found[f"{prefix}alpha"]


def against_scikit_learn(root, x, run):
    """A Gaussian process with the lengths, the signal and the noise that ours found."""
    model, zoo = root / "gp.safetensors", root / "zoo.safetensors"
    zoometry("fit", zoo, "--input", INPUT, "--predictor", "gp", "--out", model)
    (root / "p.csv").write_text(zoometry("predict", model, zoo))
    table = pd.read_csv(root / "p.csv")
    found, _ = tensors(model)
    train = np.array([part(r) == 0 for r in run])
    y = table["measured"].to_numpy(np.float32).astype(float)
    signal, noise, likelihood, steps, mean, deviation = found["numbers"]
    near([mean, deviation], [y[train].mean(), y[train].std()], 1e-6, "mean and deviation of the targets")
    worst = 0
    for c, (values, normal) in enumerate(knots(found)):
        column = np.sort(x[train, c][np.isfinite(x[train, c])])
        if len(values):
            ranks = (np.searchsorted(column, values, "left") + np.searchsorted(column, values, "right")) / 2 / len(column)
            worst = max(worst, near(normal, scipy.special.ndtri(ranks), 1e-6, f"normal scores of column {c}"))
    z = np.stack([scores(x[:, c], of) for c, of in enumerate(knots(found))], 1)
    used = found["inverse_lengths"] > 0
    kernel = ConstantKernel(signal) * Matern(1 / found["inverse_lengths"][used].astype(float), nu=2.5)
    theirs = GaussianProcessRegressor(kernel, alpha=noise, optimizer=None).fit(z[train][:, used], (y[train] - mean) / deviation)
    error = near(table["predicted"], mean + deviation * theirs.predict(z[:, used]), 1e-3, "predictions of the process")
    near(likelihood, theirs.log_marginal_likelihood_value_, 1e-3 * abs(likelihood) + 0.1, "logarithm of the likelihood")
    start = json.loads(zoometry("fit", zoo, "--input", INPUT, "--predictor", "gp", "--param", "steps=0", "--json"))
    print(f"Gaussian process: predictions of {len(y)} networks within {error:.1e} of scikit-learn's, normal scores within {worst:.1e} of "
          f"SciPy's, likelihood {likelihood:.2f} ({theirs.log_marginal_likelihood_value_:.2f}) after {steps:.0f} steps; R² without a search "
          f"{start['r2']:.4f}")


def a_bag(root, x, run):
    """A bag of processes: its mean and its CV+ intervals."""
    model, zoo, level, folds = root / "bag.safetensors", root / "zoo.safetensors", 0.9, 4
    zoometry("fit", zoo, "--input", INPUT, "--predictor", "gp", "--folds", folds, "--param", "steps=20", "--out", model)
    (root / "p.csv").write_text(zoometry("predict", model, zoo, "--interval", level))
    table, (found, head) = pd.read_csv(root / "p.csv"), tensors(model)
    assert head["kind"] == "bag(gp)" and head["params"]["folds"] == folds, head
    each = [process(found, x, f"{k}/") for k in range(folds)]
    error = near(table["predicted"], np.mean(each, 0), 1e-5, "mean of the fits")
    errors = [found[f"{k}/held_out_errors"].astype(float) for k in range(folds)]
    seen = np.array([part(r) < 2 for r in run])
    assert sum(map(len, errors)) == seen.sum(), "every network is held out once"
    # which networks a fit has seen follows from its number of rows alone: the errors of the others must be among all
    y = table["measured"].to_numpy(float)
    for own, predicted in zip(errors, each):
        every = np.sort(np.abs(predicted - y)[seen])
        place = np.searchsorted(every, own).clip(1, len(every) - 1)
        near(own, np.where(own - every[place - 1] < every[place] - own, every[place - 1], every[place]), 1e-5, "errors held out")
    n = seen.sum()
    place = math.ceil((n + 1) * level)
    ends = np.concatenate([p[:, None] + e[None] for p, e in zip(each, errors)], 1)
    starts = np.concatenate([p[:, None] - e[None] for p, e in zip(each, errors)], 1)
    high, low = np.sort(ends, 1)[:, place - 1], np.sort(starts, 1)[:, n - place]
    near(table["high"], high.clip(0, 1), 1e-5, "upper ends")
    near(table["low"], low.clip(0, 1), 1e-5, "lower ends")
    evaluated = json.loads(zoometry("evaluate", model, zoo, "--json"))
    inside = ((low <= y) & (y <= high))[~seen].mean()
    near(evaluated["interval_coverage"], inside, 0.011, "coverage")
    print(f"a bag of {folds} processes: mean within {error:.1e} of NumPy's, CV+ intervals of level {level} hold {inside:.3f} of the test part")


def walk(found, head, x):
    """Probabilities by the trees of a file, one row after another."""
    classes, ends = head["params"]["num_class"], np.cumsum(found["tree_nodes"])
    sums = np.tile(found["base"], (len(x), 1))
    for tree, end in enumerate(ends):
        first = end - found["tree_nodes"][tree]
        for row in range(len(x)):
            at = first
            while found["left"][at]:
                value = x[row, found["feature"][at]]
                left = found["missing_left"][at] if np.isnan(value) else value <= found["threshold"][at]
                at = first + found["left"][at] + (0 if left else 1)
            sums[row, tree % classes] += found["value"][at]
    return scipy.special.softmax(sums, 1)


def classes(root, x, run):
    """The activation from the weights."""
    model, zoo = root / "classes.safetensors", root / "zoo.safetensors"
    fit = json.loads(zoometry("fit", zoo, "--input", INPUT, "--target", "activation", "--out", model, "--param", "n_estimators=60", "--json"))
    (root / "p.csv").write_text(zoometry("predict", model, zoo))
    table, (found, head) = pd.read_csv(root / "p.csv"), tensors(model)
    names = json.loads(head["info"]["classes"])
    p, test = walk(found, head, x.astype(np.float32)), np.array([part(r) == 2 for r in run])
    assert list(table["predicted"]) == [names[k] for k in p.argmax(1)], "most probable names"
    near(table["probability"], p.max(1), 1e-6, "probabilities")
    truth = np.array([names.index(name) for name in table["measured"]])
    near(fit["accuracy"], accuracy_score(truth[test], p[test].argmax(1)), 1e-12, "accuracy")
    near(fit["log_loss"], log_loss(truth[test], p[test], labels=range(len(names))), 1e-6, "log-loss")
    print(f"activation, one of {len(names)}: accuracy {fit['accuracy']:.4f}, log-loss {fit['log_loss']:.4f}, as scikit-learn has them")


def boosting(root, seed):
    """Our accuracy and log-loss on a table of three classes, and LightGBM's with equal options."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((3000, 8)).astype(np.float32)
    y = (np.sin(2 * x[:, 0]) + x[:, 1] * x[:, 2] + 0.5 * rng.standard_normal(3000) > 0) + (x[:, 3] + 0.5 * rng.standard_normal(3000) > 0.7)
    x[rng.random(x.shape) < 0.05] = np.nan
    for name, rows in [("", slice(2000)), ("_test", slice(2000, None))]:
        np.save(root / f"x{name}.npy", x[rows])
        np.save(root / f"y{name}.npy", y[rows].astype(np.float32))
    options = {"n_estimators": 60, "learning_rate": 0.1, "num_leaves": 7, "min_child_samples": 10, "reg_lambda": 1.0}
    params = [word for option in [*options.items(), ("num_class", 3)] for word in ("--param", "%s=%s" % option)]
    files = [word for name in ("x", "y", "x-test", "y-test") for word in (f"--{name}", root / f"{name.replace('-', '_')}.npy")]
    ours = json.loads(zoometry("fit", *files, *params, "--json"))
    p = lightgbm.LGBMClassifier(**options, verbose=-1, n_jobs=1).fit(x[:2000], y[:2000].astype(int)).predict_proba(x[2000:])
    return [ours["accuracy"], ours["log_loss"]], [accuracy_score(y[2000:], p.argmax(1)), log_loss(y[2000:].astype(int), p)]


def against_lightgbm(root):
    ours, theirs = np.moveaxis([boosting(root, seed) for seed in range(4)], 1, 0)
    difference = ours - theirs
    print(f"boosting of three classes on 2,000 × 8, four tables: our accuracy {ours[:, 0].mean():.4f}, LightGBM's {theirs[:, 0].mean():.4f}; "
          f"log-loss {ours[:, 1].mean():.4f}, {theirs[:, 1].mean():.4f}, largest difference {np.abs(difference[:, 1]).max():.4f}")
    if not (difference[:, 0].mean() > -0.01 and difference[:, 1].mean() < 0.01):
        sys.exit("LightGBM is better")


def compared(root):
    """A comparison is the difference of the scores."""
    models, zoo = [root / "gp.safetensors", root / "bag.safetensors"], root / "zoo.safetensors"
    a, b = (json.loads(zoometry("evaluate", model, zoo, "--json")) for model in models)
    found = json.loads(zoometry("compare", *models, zoo, "--json"))
    for name in ("r2", "tau"):
        near(found["difference"][name]["value"], b[name] - a[name], 1e-12, f"difference in {name}")
        assert found["a"][name]["interval"] == a[f"{name}_interval"], "intervals of compare and evaluate"
    print("compare: the differences of what evaluate says")


if __name__ == "__main__":
    warnings.filterwarnings("ignore", message="X does not have valid feature names")
    with tempfile.TemporaryDirectory() as root:
        root = pathlib.Path(root)
        zoometry("train", "--dataset", "glyphs", "--models", MODELS, "--epochs", 2, "--checkpoints", 0, "--set", "train_fraction=0.1",
                 "--set", "batch=12", "--out", root / "zoo.safetensors")
        x, run = features(root)
        against_scikit_learn(root, x, run)
        a_bag(root, x, run)
        classes(root, x, run)
        against_lightgbm(root)
        compared(root)
