#!/usr/bin/env python3
"""Compares a features file with the same statistics by NumPy in float64; both come from one zoo.

  check_features.py ZOO FEATURES.safetensors

Exit code 1 if a number differs by more than 1e-5 of itself (a mean near zero: of 1e-5 of the largest weight)."""
import json
import sys

import numpy as np
from safetensors import safe_open

with safe_open(sys.argv[1], "np") as zoo, safe_open(sys.argv[2], "np") as file:
    layout = json.loads(zoo.metadata()["layout"])
    columns = json.loads(file.metadata()["columns"])
    features, run = file.get_tensor("features"), file.get_tensor("run")
    epoch, status = zoo.get_tensor("epoch"), zoo.get_tensor("status")
    rows = np.flatnonzero((epoch == epoch.max()) & (status == 1))
    assert (zoo.get_tensor("run")[rows] == run).all(), "rows of the features are not the zoo's finished ones"
    assert (zoo.get_tensor("test_accuracy")[rows] == file.get_tensor("test_accuracy")).all()
    weights = zoo.get_slice("weights")
    worst = 0.0
    for index, row in enumerate(rows):
        flat = weights[int(row) : int(row) + 1][0].astype(np.float64)
        expected, scale = [], []
        for tensor in layout:
            w = flat[tensor["start_idx"] : tensor["end_idx"]]
            expected += [*np.percentile(w, [0, 25, 50, 75, 100]), w.std(), w.mean()]
            scale += [np.abs(w).max()] * 7
        scale = np.maximum(np.abs(expected), 1e-5 * np.array(scale))
        worst = max(worst, np.max(np.abs(features[index] - expected) / np.maximum(scale, 1e-30)))
print(f"{len(rows)} networks × {len(columns)} statistics: largest relative difference to NumPy {worst:.1e}")
if not worst <= 1e-5:
    sys.exit("statistics differ from NumPy's")
