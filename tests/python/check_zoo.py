#!/usr/bin/env python3
"""Opens a zoo with NumPy and safetensors alone, runs the networks on the test images and compares accuracies.

  check_zoo.py ZOO --data DIR            DIR holds t10k-images-idx3-ubyte[.gz] … or CIFAR-10's test_batch.bin
  check_zoo.py ZOO --images X.npy --labels Y.npy     uint8 images N×H×W[×C], labels N

Exit code 1 if a stored test accuracy, class accuracy or loss differs from what the weights give."""
import argparse
import gzip
import json
import os
import sys

import numpy as np
from safetensors import safe_open


def idx(path):
    path = path if os.path.exists(path) else path + ".gz"
    data = (gzip.open if path.endswith(".gz") else open)(path, "rb").read()
    shape = [int.from_bytes(data[4 + 4 * k : 8 + 4 * k], "big") for k in range(data[3])]
    return np.frombuffer(data, np.uint8, offset=4 + 4 * data[3]).reshape(shape)


def test_images(args):
    if args.images:
        return np.load(args.images), np.load(args.labels)
    cifar = os.path.join(args.data, "test_batch.bin")
    if os.path.exists(cifar):
        records = np.fromfile(cifar, np.uint8).reshape(-1, 3073)
        return records[:, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1), records[:, 0]
    return tuple(idx(os.path.join(args.data, f"t10k-{kind}-ubyte")) for kind in ("images-idx3", "labels-idx1"))


def activate(name, z):
    if name == "relu":
        return np.maximum(z, 0)
    if name == "tanh":
        return np.tanh(z)
    if name == "sigmoid":
        return 1 / (1 + np.exp(-z))
    from math import erf, sqrt

    return z * 0.5 * (1 + np.vectorize(erf)(z / sqrt(2)))


def convolve(x, kernel, bias, stride, same):
    """x N×H×W×I, kernel 3×3×I×O."""
    if same:
        pads = []
        for size in x.shape[1:3]:
            total = max((-(-size // stride) - 1) * stride + 3 - size, 0)
            pads.append((total // 2, total - total // 2))
        x = np.pad(x, [(0, 0), *pads, (0, 0)])
    p, q = ((size - 3) // stride + 1 for size in x.shape[1:3])
    y = np.zeros((len(x), p, q, kernel.shape[3])) + bias
    for u in range(3):
        for v in range(3):
            y += x[:, u : u + stride * p : stride, v : v + stride * q : stride] @ kernel[u, v]
    return y


def forward(x, weights, layout, arch, activation):
    tensors = [weights[t["start_idx"] : t["end_idx"]].reshape(t["shape"]).astype(float) for t in layout]
    for index, conv in enumerate(arch["convs"]):
        x = convolve(x, tensors[2 * index + 1], tensors[2 * index], conv["stride"], conv["padding"] == "same")
        x = activate(activation, x)
    return x.mean((1, 2)) @ tensors[-1] + tensors[-2]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("zoo")
    parser.add_argument("--data")
    parser.add_argument("--images")
    parser.add_argument("--labels")
    parser.add_argument("--rows", type=int, default=24)
    args = parser.parse_args()
    with safe_open(args.zoo, "np") as zoo:
        meta = zoo.metadata()
        table = {name: zoo.get_tensor(name) for name in zoo.keys() if name != "weights"}
        weights = zoo.get_slice("weights")
        arch, layout = json.loads(meta["architecture"]), json.loads(meta["layout"])
        activations = json.loads(meta["config.activation"])
        images, labels = test_images(args)
        x = (images.astype(np.float32) / 255 * 2 - 1).astype(float)
        x = x.mean(-1, keepdims=True) if x.ndim == 4 else x[..., None]
        done = np.flatnonzero(table["status"] == 1)
        # the same number of each activation, spread over the file
        chosen = []
        codes = np.unique(table["config.activation"][done])
        for code in codes:
            rows = done[table["config.activation"][done] == code]
            chosen += list(rows[np.linspace(0, len(rows) - 1, args.rows // len(codes)).astype(int)])
        worst = 0
        for row in chosen:
            flat = weights[int(row) : int(row) + 1][0]
            activation = activations[table["config.activation"][row]]
            logits = np.concatenate([forward(x[k : k + 2000], flat, layout, arch, activation) for k in range(0, len(x), 2000)])
            right = logits.argmax(1) == labels
            off = abs(right.sum() - float(table["test_accuracy"][row]) * len(x))
            worst = max(worst, off)
            classes = [right[labels == k].mean() for k in range(arch["classes"])]
            class_off = np.abs(np.array(classes) - table["test_class_accuracy"][row]).max() * len(x) / arch["classes"]
            shifted = logits - logits.max(1, keepdims=True)
            entropy = (np.log(np.exp(shifted).sum(1)) - shifted[np.arange(len(x)), labels]).mean()
            squares = sum((flat[t["start_idx"] : t["end_idx"]].astype(float) ** 2).sum() for t in layout if "kernel" in t["varname"])
            loss = entropy + float(table["config.l2reg"][row]) * squares
            loss_off = abs(loss - float(table["test_loss"][row])) / max(loss, 1e-9)
            print(f"row {row:6d} {activation:8s} accuracy {right.mean():.4f}, off by {off:.1f} images, loss by {loss_off:.1e}")
            if off > 2.01 or class_off > 4 or loss_off > 1e-3:
                sys.exit(f"row {row} of {args.zoo} does not hold what its weights give")
    print(f"{len(chosen)} checkpoints agree within {worst:.1f} images of {len(x)}")


if __name__ == "__main__":
    main()
