#!/usr/bin/env python3
"""Computes the inputs that are fitted to a zoo, and spectra, again with NumPy in float64: the drawn objects, the images that the
best training networks make (all steps of them), the consensus, and every network's numbers.

  check_consensus.py ZOO MODEL FEATURES.safetensors   FEATURES of `zoometry features ZOO --input spectra+consensus+synthetic`,
                                                      MODEL of `zoometry fit ZOO --input …` with the same input; reference nets

Exit code 1 if a column differs by more than 1e-3 (a correlation: 1e-2), an image that is drawn by more than 1e-6, or those that are made by more than
0.02 in the mean: they went through ninety steps in single precision."""
import json
import sys

import numpy as np
from safetensors import safe_open

STEPS, RATE, MEMBERS, SURE, SMOOTH, START, TILE = 90, 0.08, 8, 0.05, 2.0, 0.9, 12
MASK = 0xFFFFFFFF


class Stream:
    """Philox4x32-10 over (block, step, index, purpose)."""

    def __init__(self, purpose, index, step=0, seed=0):
        self.key, self.counter, self.words = (seed & MASK, seed >> 32), [0, step, index, int.from_bytes(purpose)], []

    def word(self):
        if not self.words:
            (a, b, c, d), (k, l) = self.counter, self.key
            for _ in range(10):
                x, y = a * 0xD2511F53, c * 0xCD9E8D57
                a, b, c, d = (y >> 32) ^ b ^ k, y & MASK, (x >> 32) ^ d ^ l, x & MASK
                k, l = (k + 0x9E3779B9) & MASK, (l + 0xBB67AE85) & MASK
            self.words = [a, b, c, d]
            self.counter[0] += 1
        return self.words.pop(0)

    def range(self, low, high):
        word = self.word() << 32 | self.word()
        return low + (high - low) * (word >> 11) * 2.0**-53

    def below(self, n):
        while True:
            product = self.word() * n
            if product & MASK >= (2**32 - n) % n:
                return product >> 32


def drawn(number, height, width):
    stream = Stream(b"draw", number)
    side = max(height, width)
    x, y = ((np.arange(size) + 0.5 - size / 2) / side for size in (width, height))
    light = np.zeros((height, width))
    for _ in range(stream.below(3) + 1):
        bar = stream.below(2)
        cx, cy = stream.range(-0.25, 0.25), stream.range(-0.25, 0.25)
        a = stream.range(0.12, 0.45)
        b = a * stream.range(0.2, 1.0)
        angle, brightness = stream.range(0, np.pi), stream.range(0.8, 2.0)
        dx, dy = x[None, :] - cx, y[:, None] - cy
        u, v = dx * np.cos(angle) + dy * np.sin(angle), dy * np.cos(angle) - dx * np.sin(angle)
        outside = np.maximum(abs(u) - a, abs(v) - b) if bar else b * (np.hypot(u / a, v / b) - 1)
        light = np.maximum(light, brightness * np.clip(0.5 - outside * side, 0, 1))
    return light - 1


class Net:
    """A reference net: convolutions 3×3 with stride 2, mean over the map, dense layer."""

    def __init__(self, flat, layout, activation):
        tensors = [flat[t["start_idx"] : t["end_idx"]].reshape(t["shape"]).astype(float) for t in layout]
        self.convs, self.dense = list(zip(tensors[1:-2:2], tensors[0:-2:2])), (tensors[-1], tensors[-2])
        self.activation = activation

    def act(self, z):
        """f(z) and f'(z)."""
        if self.activation == "relu":
            return np.maximum(z, 0), (z > 0).astype(float)
        if self.activation == "tanh":
            return np.tanh(z), 1 - np.tanh(z) ** 2
        if self.activation == "sigmoid":
            y = 1 / (1 + np.exp(-z))
            return y, y * (1 - y)
        from math import erf

        cdf = 0.5 * (1 + np.vectorize(erf)(z / np.sqrt(2)))
        return z * cdf, cdf + z * np.exp(-z * z / 2) / np.sqrt(2 * np.pi)

    def forward(self, x):
        """Logits of images N×H×W; keeps what the gradient needs."""
        x, self.kept = x[..., None], []
        for kernel, bias in self.convs:
            p, q = ((size - 3) // 2 + 1 for size in x.shape[1:3])
            z = sum(
                x[:, u : u + 2 * p - 1 : 2, v : v + 2 * q - 1 : 2] @ kernel[u, v] for u in range(3) for v in range(3)
            )
            y, slope = self.act(z + bias)
            self.kept.append((x.shape, slope))
            x = y
        self.last = x.shape
        return x.mean((1, 2)) @ self.dense[0] + self.dense[1]

    def gradient(self, dz):
        """The images' gradient from that of the logits."""
        dy = (dz @ self.dense[0].T)[:, None, None, :] / (self.last[1] * self.last[2]) + np.zeros(self.last)
        for (kernel, _), (shape, slope) in zip(self.convs[::-1], self.kept[::-1]):
            dy, dx = dy * slope, np.zeros(shape)
            p, q = dy.shape[1:3]
            for u in range(3):
                for v in range(3):
                    dx[:, u : u + 2 * p - 1 : 2, v : v + 2 * q - 1 : 2] += dy @ kernel[u, v].T
            dy = dx
        return dy[..., 0]


def softmax(z):
    p = np.exp(z - z.max(-1, keepdims=True))
    return p / p.sum(-1, keepdims=True)


def smooth(x):
    """The gradient of the total variation."""
    g = np.zeros_like(x)
    across, down = np.sign(np.diff(x, axis=2)), np.sign(np.diff(x, axis=1))
    across, down = across / across[0].size, down / down[0].size
    g[:, :, 1:] += across
    g[:, :, :-1] -= across
    g[:, 1:] += down
    g[:, :-1] -= down
    return g


def made(tile, best, height, width, classes):
    """A tile of images by activation maximisation."""
    numbers = [tile * TILE + n for n in range(TILE)]
    labels = np.array(numbers) % classes
    theta = np.arctanh(START * np.float32([drawn(number, height, width) for number in numbers]).astype(float))
    m, v = np.zeros_like(theta), np.zeros_like(theta)
    for step in range(1, STEPS + 1):
        x, gradient = np.tanh(theta), np.zeros_like(theta)
        stream, order = Stream(b"made", tile, step), list(range(len(best)))
        count = min(MEMBERS, len(best))
        for k in range(count):
            other = k + stream.below(len(best) - k)
            order[k], order[other] = order[other], order[k]
        for member in order[:count]:
            p = softmax(best[member].forward(x))
            chosen = p[np.arange(TILE), labels]
            dz = p - np.eye(classes)[labels]
            dz[-np.log(chosen) <= SURE] = 0
            gradient += best[member].gradient(dz / count)
        g = (gradient + SMOOTH * smooth(x)) * (1 - x * x)
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
        rate = RATE * np.sqrt(1 - 0.999**step) / (1 - 0.9**step)
        theta = theta - rate * m / (np.sqrt(v) + 1e-7)
    return np.tanh(theta)


def digest(flat):
    value = 0xCBF29CE484222325
    for word in flat.view(np.uint32).tolist():
        value = (value ^ word) * 0x100000001B3 & (1 << 64) - 1
    return value


def correlation(a, whole_a, b, whole_b):
    if any(((x - x.mean()) ** 2).sum() <= 1e-6 * (whole**2).sum() for x, whole in ((a, whole_a), (b, whole_b))):
        return 0.0
    return np.corrcoef(a.ravel(), b.ravel())[0, 1]


def agreement(z, q):
    """The numbers of a network with logits z beside the consensus q, both images × classes."""
    logits, p, z = z, softmax(z), z - z.mean(1, keepdims=True)
    log = np.log(np.maximum(q, 1e-12))
    log -= log.mean(1, keepdims=True)
    top, each = q.argmax(1), np.arange(len(q))
    agree = p.argmax(1) == top
    sure = np.argsort(-np.round(q.max(1) * 1e4), kind="stable")[: -(-len(q) // 2)]
    other = np.where(np.arange(q.shape[1]) == top[:, None], -np.inf, z).max(1)
    return {
        "agreement": agree.mean(),
        "agreement_sure": agree[sure].mean(),
        "cross_entropy": -(q * np.log(np.maximum(p, 1e-12))).sum(1).mean(),
        "probability": (p * q).sum(1).mean(),
        "class_probability": p[each, top].mean(),
        "margin": (z[each, top] - other).mean() / np.sqrt((z * z).mean()),
        "correlation": correlation(z, logits, log, log),
        "correlation_classes": correlation(z - z.mean(0), logits, log - log.mean(0), log),
        "distance": abs(p - q).sum(1).mean(),
    }


def spectrum(bias, kernel):
    """The numbers of a layer; singular values below 1e-6 of the largest are rounding, weights that L2 has worn away are 0."""
    kernel = kernel.reshape(-1, kernel.shape[-1])
    sigma = np.linalg.svd(kernel, compute_uv=False)
    sigma = np.maximum(sigma, max(1e-6 * sigma[0], 1e-12))
    share = sigma / sigma.sum()
    half = sigma[: -(-len(sigma) // 2)] ** 2
    norms = np.linalg.norm(kernel, axis=0)
    lengths = np.outer(norms, norms)
    cosine = abs(kernel.T @ kernel / np.where(lengths > 0, lengths, 1))[np.tril_indices(len(norms), -1)]
    quarters = ("max", "q75", "median", "q25", "min")
    return {
        **{f"sigma_{name}": np.log(sigma[k * (len(sigma) - 1) // 4]) for k, name in enumerate(quarters)},
        "effective_rank": np.exp(-(share * np.log(share)).sum()),
        "stable_rank": (sigma**2).sum() / sigma[0] ** 2,
        "power_law": 1 + 1 / max(np.log(half / half[-1]).mean(), 1e-3),
        "correlation_mean": cosine.mean(),
        "correlation_max": cosine.max(),
        "bias_ratio": np.log(max(np.linalg.norm(bias), 1e-12)) - np.log(max(np.linalg.norm(sigma), 1e-12)),
    }


def main():
    path, model, table = sys.argv[1:]
    zoo, model, table = (safe_open(file, "np") for file in (path, model, table))
    layout, arch = json.loads(zoo.metadata()["layout"]), json.loads(zoo.metadata()["architecture"])
    height, width, classes = arch["height"], arch["width"], arch["classes"]
    codes = json.loads(zoo.metadata()["config.activation"])
    runs, last = table.get_tensor("run"), zoo.get_tensor("epoch").max()
    place = {run: row for row, run in enumerate(zoo.get_tensor("run")) if zoo.get_tensor("epoch")[row] == last}
    rows = [place[run] for run in runs]
    flat = np.ascontiguousarray(zoo.get_tensor("weights")[rows])
    activations = [codes[code] for code in zoo.get_tensor("config.activation")[rows]]
    accuracy = zoo.get_tensor("test_accuracy")[rows]
    nets = [Net(weights, layout, activation) for weights, activation in zip(flat, activations)]
    digests = [digest(weights) for weights in flat]
    names, x, wrong = json.loads(table.metadata()["columns"]), table.get_tensor("features"), []
    expected = {}
    for layer in range(4):
        bias, kernel = ([w[t["start_idx"] : t["end_idx"]].reshape(t["shape"]) for w in flat.astype(float)] for t in layout[2 * layer : 2 * layer + 2])
        name = f"conv{layer + 1}" if layer < 3 else "dense"
        for row, (b, k) in enumerate(zip(bias, kernel)):
            for number, value in spectrum(b, k).items():
                expected[row, f"{name}.{number}"] = value
    for key in ("consensus", "synthetic"):
        members = [digests.index(member) for member in model.get_tensor(f"{key}.members").tolist()]
        # the sort by accuracy is stable, and the table's rows are in order
        best = sorted(sorted(members), key=lambda row: -accuracy[row])
        images = model.get_tensor(f"{key}.images").reshape(-1, height, width).astype(float)
        if key == "consensus":
            again = np.float32([drawn(number, height, width) for number in range(len(images))])
            error, limit = abs(images - again).max(), 1e-6
        else:
            tiles = [made(tile, [nets[row] for row in best], height, width, classes) for tile in range(-(-len(images) // TILE))]
            error, limit = abs(images - np.concatenate(tiles)[: len(images)]).mean(), 0.02
        print(f"{key}: {len(members)} members, {len(images)} images, which differ by {error:.1e}")
        wrong += [f"images of {key}"] * int(error > limit)
        logits = [net.forward(images) for net in nets]
        mean = np.mean([softmax(logits[row]) for row in members], axis=0)
        error = abs(mean.ravel() - model.get_tensor(f"{key}.answers")).max()
        wrong += [f"answers of {key}"] * int(error > 1e-4)
        for row, z in enumerate(logits):
            own = np.array([member != row for member in members])
            q = np.mean([softmax(logits[member]) for member in np.array(members)[own]], axis=0)
            for number, value in agreement(z, q).items():
                expected[row, f"{key}.{number}"] = value
    worst = {}
    for (row, name), value in expected.items():
        ours = x[row, names.index(name)]
        error = abs(ours - value) / max(1, abs(value))
        worst[name] = max(worst.get(name, 0), error if np.isfinite(error) else np.inf)
    # the answers of a network may vary by a thousandth of themselves: a correlation then magnifies the rounding of a float32
    wrong += [name for name, error in worst.items() if error > (1e-2 if ".correlation" in name else 1e-3)]
    wrong += [name for name in names if name not in worst]
    print(f"{len(rows)} networks, {len(worst)} columns; the worst differs by {max(worst.values()):.1e}")
    sys.exit(f"FAILED: {', '.join(wrong)}" if wrong else 0)


if __name__ == "__main__":
    main()
