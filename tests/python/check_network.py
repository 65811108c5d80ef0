#!/usr/bin/env python3
"""Trains networks of every kind of layer, exports them for PyTorch, runs each exported file with NumPy alone and compares what
it does on the test images with what the zoo says of it.

  check_network.py ZOOMETRY

ZOOMETRY is the program. The images are made here and written in the formats of MNIST and CIFAR-10. Exit code 1 where something
differs."""
import json
import pathlib
import re
import subprocess
import sys
import tempfile
from math import erf

import numpy as np
from safetensors import safe_open

MODELS, TRAIN, TEST, CLASSES = 3, 1000, 300, 10
# networks that learn, so that what they do depends on all that they are made of
COMMON = ["epochs=1", "batch=10", "train_fraction=1", "w_init=he_normal,orthogonal", "bias_init=0.1", "l2reg=0", "optimizer=adam",
          "learning_rate=0.005", "dropout=0.1", "activation=relu,tanh,sigmoid,gelu,leaky_relu,silu"]
GREY, COLOUR = ["mnist", "preparation=standard"], ["cifar10", "images=colour"]
CASES = [
    # built-in recipes, then the reference's layers in grey of colour images
    [*GREY, "recipe=model-zoos-small"],
    [*COLOUR, "recipe=model-zoos-large"],
    [*GREY, "recipe=mlp"],
    ["cifar10", "layers=16s2,32s1same,8s2same"],
    # kernels of 1 to 7, strides of 1 to 4, windows that overlap or leave something out, with and without padding
    *([*images, f"layers={layers}"] for images in (GREY, COLOUR) for layers in [
        "6k5s2same,max3s2,act,drop,9k1,silu,4k4s3same,flatten,20,act,drop,11,tanh",
        "5k7,max3s1,leaky_relu,avg2s3,act,drop,5k2s2same,act,act,gap,9,gelu",
        "4k6s4same,relu,7k3,drop,max1,sigmoid,8k4,max2,flatten",
        "20k2,max2,8k7s2same,gap,12",
        # residual blocks: on maps and on vectors, nested, with pooling, with an activation of the block's own
        "8k3same,act,[8k3same,act,drop,8k3same],act,max2",
        "6k3s3same,[6k1,act,[6k5same,act]],drop,avg2s1,flatten,10,[act,10,act,10],act",
        "5k3s4,act,[avg1,act,5k3same,5k2same,max1],gap,7,[7,silu],act",
        "8k2s2,act,[max1,act],flatten,17",
    ]),
]

ACTIVATIONS = {
    "relu": lambda z: np.maximum(z, 0),
    "tanh": np.tanh,
    "sigmoid": lambda z: 1 / (1 + np.exp(-z)),
    "gelu": lambda z: z / 2 * (1 + np.vectorize(erf)(z / np.sqrt(2))),
    "leaky_relu": lambda z: np.where(z > 0, z, 0.01 * z),
    "silu": lambda z: z / (1 + np.exp(-z)),
}
POOL = re.compile(r"(max|avg)(\d+)(?:s(\d+))?")
CONV = re.compile(r"\d+(?:k(\d+))?(?:s(\d+))?(same)?")


class Network:
    """What is in a file of `export --torch`."""

    def __init__(self, path):
        with safe_open(path, "np") as file:
            self.tensors = {name: file.get_tensor(name).astype(float) for name in file.keys()}
            about = json.loads(file.metadata()["network"])
        shape = about["architecture"]
        stack = (f"{conv['channels']}s{conv['stride']}{conv['padding'].replace('valid', '')}" for conv in shape.get("convs", []))
        self.layers = understood(read(shape.get("layers") or ",".join(stack)))
        self.channels, self.own, self.accuracy = shape.get("channels", 1), about["activation"], about["test_accuracy"]
        self.mean, self.std = (np.float32(about[name]) for name in ("mean", "std"))

    def logits(self, pixels):
        """pixels: N×C×H×W, uint8."""
        x = ((pixels.astype(np.float32) / 255 - self.mean) / self.std).astype(float)
        x = x if self.channels == x.shape[1] else x.mean(1, keepdims=True)
        self.counts = {"conv": 0, "dense": 0}
        return self.dense(self.run(x, self.layers))

    def run(self, x, layers):
        for layer in layers:
            if isinstance(layer, list):
                x = x + self.run(x, layer)
            elif layer == "act":
                x = ACTIVATIONS[self.own](x)
            elif layer in ACTIVATIONS:
                x = ACTIVATIONS[layer](x)
            elif layer == "gap":
                x = x.mean((2, 3))
            elif layer == "flatten":
                x = x.reshape(len(x), -1)
            elif match := POOL.fullmatch(layer):
                kind, size, stride = match[1], int(match[2]), int(match[3] or match[2])
                windows = np.lib.stride_tricks.sliding_window_view(x, (size, size), (2, 3))[:, :, ::stride, ::stride]
                x = windows.max((4, 5)) if kind == "max" else windows.mean((4, 5))
            elif x.ndim == 2 and layer != "drop":
                x = self.dense(x)
            elif match := CONV.fullmatch(layer):
                x = self.conv(x, int(match[2] or (1 if match[1] else 2)), match[3])
            elif layer != "drop":
                sys.exit(f"{layer} is no layer")
        return x

    def conv(self, x, stride, same):
        weight, bias = self.next("conv")
        kernel = weight.shape[2]
        if same:
            total = [max((-(-size // stride) - 1) * stride + kernel - size, 0) for size in x.shape[2:]]
            x = np.pad(x, [(0, 0), (0, 0), *((all // 2, all - all // 2) for all in total)])
        p, q = ((size - kernel) // stride + 1 for size in x.shape[2:])
        y = np.zeros((len(x), len(weight), p, q)) + bias[:, None, None]
        for u in range(kernel):
            for v in range(kernel):
                y += np.einsum("oi,nipq->nopq", weight[:, :, u, v], x[:, :, u:, v:][:, :, : stride * p : stride, : stride * q : stride])
        return y

    def dense(self, x):
        weight, bias = self.next("dense")
        return x @ weight.T + bias

    def next(self, kind):
        """Weight and bias of the next layer of a kind; a single dense layer has no number."""
        self.counts[kind] += 1
        name = "dense" if kind == "dense" and "dense.weight" in self.tensors else f"{kind}{self.counts[kind]}"
        return self.tensors[name + ".weight"], self.tensors[name + ".bias"]


def read(text):
    """Words, and lists for what is in brackets."""
    stack = [[]]
    for word in re.findall(r"[\[\]]|[^\[\],]+", text):
        if word == "[":
            stack.append([])
        elif word == "]":
            block = stack.pop()
            stack[-1].append(block)
        else:
            stack[-1].append(word)
    return stack[0]


def understood(layers):
    """The list with what need not be written: activations and dropout where there is no activation, global average pooling."""
    def active(layers):
        return any(active(layer) if isinstance(layer, list) else layer in {"act", *ACTIVATIONS} for layer in layers)

    def activated(layers):
        for layer in layers:
            yield list(activated(layer)) if isinstance(layer, list) else layer
            if isinstance(layer, str) and layer[0].isdigit():
                yield from ("act", "drop")

    layers = layers if active(layers) else list(activated(layers))
    return layers if "gap" in layers or "flatten" in layers else [*layers, "gap"]


def make_images(folder):
    """Images of ten patterns in noise in the formats of MNIST and CIFAR-10; gives the test images, N×C×H×W, and labels."""
    rng, tests = np.random.default_rng(5), {}
    for name, channels, side in [("mnist", 1, 28), ("cifar10", 3, 32)]:
        patterns = np.tile(rng.integers(0, 256, (CLASSES, channels, side // 4, side // 4)), (4, 4))
        labels = rng.integers(0, CLASSES, TRAIN + TEST, dtype=np.uint8)
        noise = rng.integers(0, 256, (len(labels), channels, side, side))
        pixels = ((3 * patterns[labels] + noise) // 4).astype(np.uint8)
        (folder / name).mkdir()
        for part, window in [("train", slice(TRAIN)), ("test", slice(TRAIN, None))]:
            images, answers = pixels[window], labels[window]
            if name == "cifar10":
                batch = "data_batch_1.bin" if part == "train" else "test_batch.bin"
                np.column_stack([answers, images.reshape(len(images), -1)]).tofile(folder / name / batch)
                continue
            prefix = "train" if part == "train" else "t10k"
            for kind, array in [("images-idx3", images[:, 0]), ("labels-idx1", answers)]:
                header = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes()
                (folder / name / f"{prefix}-{kind}-ubyte").write_bytes(header + array.tobytes())
        tests[name] = pixels[TRAIN:], labels[TRAIN:]
    return tests


def zoometry(*arguments):
    done = subprocess.run([sys.argv[1], *map(str, arguments)], capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"zoometry {' '.join(map(str, arguments))}: {done.stderr}")


def compare(network, accuracy, loss, pixels, labels):
    """The figures here, and whether a zoo's are others. An image whose two highest logits are as good as equal may go either way."""
    logits = network.logits(pixels)
    first, second = np.sort(logits)[:, :-3:-1].T
    doubtful, right = first - second < 1e-5 * (1 + abs(first)), logits.argmax(1) == labels
    entropy = (np.log(np.exp(logits - first[:, None]).sum(1)) + first - logits[np.arange(len(labels)), labels]).mean()
    sure, stored = (right & ~doubtful).sum(), accuracy * len(labels)
    differs = not sure - 0.01 < stored < sure + doubtful.sum() + 0.01 or doubtful.sum() > 3 or not abs(loss - entropy) < 2e-5
    return f"accuracy {right.mean():.4f}, loss {entropy:.6f}", differs or np.float32(network.accuracy) != accuracy


def check(root, number, dataset, settings, images):
    """Trains and exports a case's networks and compares each."""
    zoo, options = root / f"{number}.safetensors", ["--seed", number]
    for setting in [*COMMON, *settings]:
        name, value = setting.split("=")
        options += [f"--{name}", value] if name in ("epochs", "recipe") else ["--set", setting]
    zoometry("train", "--dataset", dataset, "--data-dir", root, "--models", MODELS, *options, "--out", zoo)
    with safe_open(zoo, "np") as file:
        last = file.get_tensor("epoch") == 1
        status, accuracy, loss = (file.get_tensor(name)[last] for name in ("status", "test_accuracy", "test_loss"))
    for run in range(MODELS):
        path = root / f"{number}-{run}.safetensors"
        zoometry("export", zoo, path, "--torch", "--run", run)
        network = Network(path)
        here, differs = compare(network, accuracy[run], loss[run], *images)
        if differs or status[run] != 1:
            sys.exit(f"network {run} ({network.own}) of {dataset} {' '.join(settings)}: {here}; "
                     f"the zoo says accuracy {accuracy[run]:.4f}, loss {loss[run]:.6f}, status {status[run]}")
        print(f"{dataset:8s}{settings[-1].split('=')[1]:84s}{network.own:11s}{here}")


def main():
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        tests = make_images(root)
        for number, (dataset, *settings) in enumerate(CASES):
            check(root, number, dataset, settings, tests[dataset])
    print(f"{MODELS * len(CASES)} networks of {len(CASES)} shapes do on {TEST} images what their zoos say")


if __name__ == "__main__":
    main()
