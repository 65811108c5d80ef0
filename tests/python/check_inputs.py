#!/usr/bin/env python3
"""Computes a predictor's inputs again with NumPy in float64, from a zoo alone.

  check_inputs.py ZOO FEATURES.safetensors …     files of `zoometry features ZOO --input KEY --out …`; their columns say
                                                 what is in them

Exit code 1 if a number differs by more than 1e-5 of itself (weights), by anything (hyperparameters), or by more than 2e-3
(probes: they went through a network in single precision)."""
import json
import re
import sys

import numpy as np
from check_zoo import activate, convolve
from safetensors import safe_open

STATISTICS = {"min": 0, "median": 50, "max": 100}


def tensors(zoo):
    """Name → window of the flat vector."""
    named = {}
    for index, tensor in enumerate(json.loads(zoo.metadata()["layout"])):
        layer = "dense" if "dense" in tensor["varname"] else f"conv{index // 2 + 1}"
        named[f"{layer}.{'kernel' if index % 2 else 'bias'}"] = slice(tensor["start_idx"], tensor["end_idx"])
    named["all"] = slice(0, max(window.stop for window in named.values()))
    return named


def statistic(w, name):
    """A statistic of each row, and what its error is measured by."""
    scale = 1e-5 * np.abs(w).max(1)
    if name in ("std", "mean"):
        return getattr(w, name)(1), scale
    if name in ("l1", "l2"):
        return np.linalg.norm(w, ord=int(name[1]), axis=1), scale
    if name.isdigit():
        return w[:, int(name)], scale
    return np.percentile(w, STATISTICS[name] if name in STATISTICS else float(name[1:]), axis=1), scale


def hyperparameter(zoo, rows, name):
    if "=" not in name:
        return zoo.get_tensor(f"config.{name}")[rows]
    name, value = name.split("=")
    names = json.loads(zoo.metadata()[f"config.{name}"])
    return (zoo.get_tensor(f"config.{name}")[rows] == names.index(value)).astype(float)


def images(height, width):
    """The probes, from their formulas."""
    side = max(height, width)
    x = ((np.arange(width) + 0.5) / width - 0.5)[None, :] + np.zeros((height, 1))
    y = ((np.arange(height) + 0.5) / height - 0.5)[:, None] + np.zeros((1, width))
    probes = [np.full((height, width), value) for value in (-1, -1 / 3, 1 / 3, 1)]
    for k in range(8):
        angle = 2 * np.pi * k / 8
        probes.append((x * np.cos(angle) + y * np.sin(angle)) * side)
    for frequency in (1, 2, 4):
        for angle in (0, np.pi / 2):
            probes.append(np.sin(2 * np.pi * frequency * (x * np.cos(angle) + y * np.sin(angle)) + np.pi / 4))
    for k in range(6):
        cx, cy = x - 0.1 * np.cos(2 * np.pi * k / 6), y - 0.1 * np.sin(2 * np.pi * k / 6)
        cos, sin = np.cos(np.pi * k / 6), np.sin(np.pi * k / 6)
        u, v = cx * cos + cy * sin, cy * cos - cx * sin
        a, b = 0.2 + 0.05 * k, 0.1 + 0.04 * k
        outside = np.maximum(abs(u) - a, abs(v) - b) if k % 2 else b * (np.hypot(u / a, v / b) - 1)
        probes.append(-1 + (0.8 + 0.24 * k) * np.clip(0.5 - outside * side, 0, 1))
    return np.clip(probes, -1, 1).astype(np.float32).astype(np.float64)


def ln(x):
    return np.log(np.maximum(x, 1e-12))


def rank(a):
    c = a - a.mean(0)
    eigenvalues = np.linalg.svd(c, compute_uv=False) ** 2
    small = eigenvalues.sum() <= 1e-8 * (a * a).sum()
    return 0.0 if small else eigenvalues.sum() ** 2 / (eigenvalues**2).sum()


def cosine(a):
    pairs = ~np.eye(len(a), dtype=bool)
    norm = np.linalg.norm(a, axis=1)
    weight = np.outer(norm, norm)[pairs].sum()
    return (a @ a.T)[pairs].sum() / weight if norm.any() else 0.0


def entropy(p):
    return -np.sum(p * np.log(np.where(p > 0, p, 1)), axis=-1) / np.log(p.shape[-1])


def layer(y, name):
    """The numbers of one convolution's outputs, probes × rows × columns × units."""
    means, deviation = y.mean((1, 2)), y.mean((1, 2)).std(0)
    scale, spread = np.sqrt((y * y).mean()), np.sqrt((deviation**2).mean())
    low, high = {"tanh": (-0.95, 0.95), "sigmoid": (0.025, 0.975)}.get(name, (0, np.inf))
    responsive = ((y > np.float32(low)) & (y < np.float32(high))).mean((0, 1, 2))
    numbers = [ln(scale), means.mean(), ln(spread), ln(spread) - ln(scale), ln(means.mean(0).std())]
    numbers += [(deviation <= 1e-4 * scale).mean(), responsive.mean(), responsive.std(), rank(means), cosine(means)]
    return np.array(numbers)


def output(z):
    centred = z - z.mean(1, keepdims=True)
    deviation = np.sort(centred.std(0))
    spread, bias = ln(np.sqrt((deviation**2).mean())), ln(centred.mean(0).std())
    classes = [ln(deviation[quarter * (len(deviation) - 1) // 4]) for quarter in range(5)]
    p = np.exp(z - z.max(1, keepdims=True))
    p /= p.sum(1, keepdims=True)
    two = np.sort(z, axis=1)[:, -2:]
    answers = np.bincount(z.argmax(1), minlength=z.shape[1]) / len(z)
    numbers = [ln(z.std(1).mean()), bias, spread, spread - bias, *classes, rank(centred), cosine(centred)]
    numbers += [ln((two[:, 1] - two[:, 0]).mean()), entropy(p).mean(), entropy(p).std(), entropy(p.mean(0))]
    numbers += [entropy(p.mean(0)) - entropy(p).mean(), p.max(1).mean(), (answers > 0).sum(), entropy(answers)]
    return np.array(numbers)


def read(arch, image, outputs):
    """Rows and columns of each map that the next one reads; the average reads the whole last one."""
    sizes = [y.shape[1:3] for y in [image, *outputs]]
    need = [sizes[-1]]
    for conv, size in zip(arch["convs"][:0:-1], sizes[-2:0:-1]):
        stride, axes = conv["stride"], []
        for above, all_above, here in zip(need[0], sizes[len(sizes) - len(need)], size):
            before = max((all_above - 1) * stride + 3 - here, 0) // 2 if conv["padding"] == "same" else 0
            axes.append(min((above - 1) * stride + 3 - before, here))
        need.insert(0, tuple(axes))
    return need


def probe(flat, arch, name):
    """All numbers of one network."""
    field, stride = 1, 1
    for conv in arch["convs"]:
        field, stride = field + 2 * stride, stride * conv["stride"]
    x = x0 = images(min(arch["height"], field), min(arch["width"], field))[..., None]
    at, outputs = 0, []
    for conv in arch["convs"]:
        bias, kernel = conv["channels"], 9 * x.shape[3] * conv["channels"]
        b, w = flat[at : at + bias], flat[at + bias : at + bias + kernel].reshape(3, 3, x.shape[3], bias)
        x = activate(name, convolve(x, w, b, conv["stride"], conv["padding"] == "same"))
        outputs.append(x)
        at += bias + kernel
    numbers = [layer(y[:, :rows, :columns], name) for y, (rows, columns) in zip(outputs, read(arch, x0, outputs))]
    classes = arch["classes"]
    z = x.mean((1, 2)) @ flat[at + classes :].reshape(-1, classes) + flat[at : at + classes]
    middle = np.mean(numbers[1:-1], axis=0) if len(numbers) > 2 else np.full(10, np.nan)
    return np.concatenate([numbers[0], middle, numbers[-1], output(z)])


def probes(zoo, rows, flat):
    arch, names = (json.loads(zoo.metadata()[key]) for key in ("architecture", "config.activation"))
    codes = zoo.get_tensor("config.activation")[rows]
    return np.array([probe(w, arch, names[code]) for w, code in zip(flat, codes)])


def check(zoo, path):
    with safe_open(path, "np") as file:
        columns, got, run = json.loads(file.metadata()["columns"]), file.get_tensor("features"), file.get_tensor("run")
    epoch, status = zoo.get_tensor("epoch"), zoo.get_tensor("status")
    rows = np.flatnonzero((epoch == epoch.max()) & (status == 1))
    assert (zoo.get_tensor("run")[rows] == run).all(), "rows of the features are not the zoo's finished ones"
    flat = zoo.get_tensor("weights")[rows].astype(np.float64)
    windows, worst, expected = tensors(zoo), 0.0, None
    if any(column.startswith("probes.") for column in columns):
        expected = probes(zoo, rows, flat)
    first = next((k for k, column in enumerate(columns) if column.startswith("probes.")), 0)
    for k, column in enumerate(columns):
        kind = column.split(".")[0]
        if kind == "hyper":
            want = hyperparameter(zoo, rows, column.split(".", 1)[1])
            error = float(np.any(got[:, k] != want))
        elif kind == "probes":
            want = expected[:, k - first]
            # logarithms of what is rounding alone say nothing
            both = ~((want < -9) & (got[:, k] < -9)) & ~(np.isnan(want) & np.isnan(got[:, k]))
            off = np.abs(got[:, k] - want)[both] / np.maximum(np.abs(want[both]), 1)
            if column.endswith("silent") and (off > 1e-6).mean() < 0.02 and off.max() < 0.2:
                off[:] = 0  # a deviation at the threshold may fall on either side
            error = np.max(off, initial=0) / 200
        else:
            tensor, name = re.fullmatch(r"((?:conv\d+|dense)\.(?:bias|kernel)|all)\.(.+)", column).groups()
            want, scale = statistic(flat[:, windows[tensor]], name)
            error = np.max(np.abs(got[:, k] - want) / np.maximum(np.maximum(np.abs(want), scale), 1e-30))
        if not error <= 1e-5:
            at = int(np.nanargmax(np.abs(got[:, k] - want)))
            sys.exit(f"{path}: {column} is {got[at, k]}, NumPy has {want[at]} (network {run[at]})")
        worst = max(worst, error * (200 if kind == "probes" else 1))
    print(f"{path}: {len(rows)} networks × {len(columns)} columns: largest relative difference to NumPy {worst:.1e}")


if __name__ == "__main__":
    with safe_open(sys.argv[1], "np") as zoo:
        for path in sys.argv[2:]:
            check(zoo, path)
