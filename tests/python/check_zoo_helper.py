"""Holds zoometry_zoo.py against what the program says: check_zoo_helper.py ZOOMETRY"""
import csv
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file
from zoometry_zoo import Networks, Zoo

zoometry = sys.argv[1]
folder = Path(tempfile.mkdtemp())


def run(*words):
    return subprocess.run([zoometry, *map(str, words)], check=True, capture_output=True, text=True).stdout


for layers in ["16s2,16s2,16s2", "8s2,max2,act,flatten,12,act"]:
    path, split = folder / f"{layers}.safetensors", folder / "split.csv"
    run("train", "--dataset", "glyphs", "--models", 24, "--epochs", 2, "--checkpoints", "0,1", "--set", "train_fraction=0.1",
        "--set", f"layers={layers}", "--out", path)
    run("split", path, "--out", split, "--force")
    zoo = Zoo(path, split=split)
    told = json.loads(run("info", path, "--json"))
    assert len(zoo) == told["finished"] and zoo.checkpoints == told["checkpoints"], told
    frame = zoo.frame()
    assert list(frame.run) == list(zoo.run) and {"learning_rate", "activation", "part"} <= set(frame.columns), frame
    lines = list(csv.DictReader(run("features", path, "--input", "hyper").splitlines()))
    for line, (_, network) in zip(lines, frame.iterrows(), strict=True):
        assert int(line["run"]) == network.run and line["part"] == network.part
        assert np.float32(line["test_accuracy"]) == np.float32(network.test_accuracy), (line, network)
    networks = folder / f"{layers}.torch"
    run("export", path, networks, "--torch")
    files = sorted(networks.iterdir())
    assert len(files) == len(zoo)
    for number, file in zip(zoo.run, files, strict=True):
        theirs, ours = load_file(file), zoo.arrays(number)
        assert theirs.keys() == ours.keys(), (theirs.keys(), ours.keys())
        assert all(np.array_equal(theirs[name], ours[name]) for name in theirs), (layers, number)
    sizes = [len(Networks(zoo, part)) for part in ("train", "validation", "test")]
    assert sum(sizes) == len(zoo) == len(Networks(zoo)) and min(sizes) > 0, sizes
    weights, accuracy = Networks(zoo, "test")[0]
    assert weights.shape == (told["parameters"],) and 0 <= accuracy <= 1
    early = Zoo(path, epoch=0)
    assert len(early) == 24 and not np.array_equal(early.weights([0]), zoo.weights([0]))
print("zoometry_zoo.py agrees with the program")
