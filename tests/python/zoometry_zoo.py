"""Zoo files in Python: NumPy and safetensors are enough; pandas for `frame`, PyTorch for `state_dict` and `Networks`.

    from zoometry_zoo import Zoo                        # copy this file, or put its folder on the path
    zoo = Zoo("zoo.safetensors", split="split.csv")     # `zoometry split zoo.safetensors --out split.csv`
    zoo.frame()                                         # settings, metrics and part of each finished network
    zoo.weights([3, 5])                                 # f32, networks × weights, read from the disk when asked for
    zoo.state_dict(3)                                   # tensors by PyTorch's names and in its order
    for weights, accuracy in DataLoader(Networks(zoo, "train")): ...   # learn accuracy from weights
"""
import csv
import json
import numpy as np
from safetensors import safe_open

METRICS = ["test_accuracy", "test_loss", "train_accuracy", "train_loss"]

class Zoo:
    """The finished networks of a zoo file at one of its epochs, the last if none is given."""
    def __init__(self, path, epoch=None, split=None):
        self.file = safe_open(str(path), framework="np")
        about = self.file.metadata()
        if about.get("format") != "zoometry zoo":
            raise ValueError(f"{path} is not a zoo")
        self.recipe, self.layout = json.loads(about["recipe"]), json.loads(about["layout"])
        self.dataset, self.checkpoints = about["dataset"], json.loads(about["checkpoints"])
        epoch = self.checkpoints[-1] if epoch is None else epoch
        if epoch not in self.checkpoints:
            raise ValueError(f"epoch {epoch} is none of {self.checkpoints}")
        columns = {name: self.file.get_tensor(name) for name in self.file.keys()
                   if name not in ("weights", "test_class_accuracy", "checksum")}
        # status 1: finished; 2 has diverged, 0 is not there yet
        self.rows = np.flatnonzero((columns["epoch"] == epoch) & (columns["status"] == 1))
        self.columns = {name: values[self.rows] for name, values in columns.items()}
        for name in list(self.columns):
            if name in about:
                self.columns[name] = np.array(json.loads(about[name]))[self.columns[name]]
        self.run = self.columns["run"]
        if split is not None:
            with open(split, newline="") as file:
                parts = {int(line["run"]): line["part"] for line in csv.DictReader(file)}
            self.columns["part"] = np.array([parts.get(int(run), "") for run in self.run])

    def __len__(self):
        return len(self.rows)

    def frame(self):
        """A pandas data frame with a line for each network."""
        import pandas
        names = [name for name in self.columns if name.startswith("config.")]
        order = ["run", "epoch", *names, *METRICS, *(["part"] if "part" in self.columns else [])]
        return pandas.DataFrame({name.removeprefix("config."): self.columns[name] for name in order})

    def place(self, run):
        """Where the network of that number is among the finished ones."""
        return {int(number): place for place, number in enumerate(self.run)}[run]

    def weights(self, places):
        """Flat vectors of networks by their places, as the released Small CNN Zoo has them."""
        stored = self.file.get_slice("weights")
        return np.stack([stored[int(row):int(row) + 1][0] for row in self.rows[places]])

    def arrays(self, run):
        """The tensors of a network by PyTorch's names and in its order: OIHW, out × in."""
        flat, found, count, before = self.weights([self.place(run)])[0], {}, {}, 0
        kernels = [len(entry["shape"]) for entry in self.layout if "kernel" in entry["varname"]]
        for entry in self.layout:
            values = flat[entry["start_idx"]:entry["end_idx"]].reshape(entry["shape"])
            name = entry["varname"].split("/")[1]
            if name not in count:
                kind = "conv" if name.startswith("conv") else "dense"
                number = 1 + sum(other.startswith(kind) for other in count.values())
                count[name] = f"{kind}{number}" if kind == "conv" or kernels.count(2) > 1 else kind
            if values.ndim == 4:
                values, before = values.transpose(3, 2, 0, 1), values.shape[3]
            elif values.ndim == 2:
                # units of a flattened map: row, column, channel here; channel, row, column there
                units, out = values.shape
                values, before = values.reshape(units // before, before, out).transpose(2, 1, 0).reshape(out, units), out
            found[f"{count[name]}.{'bias' if values.ndim == 1 else 'weight'}"] = np.ascontiguousarray(values)
        return found

    def state_dict(self, run):
        """The same as PyTorch's tensors."""
        import torch
        return {name: torch.from_numpy(values) for name, values in self.arrays(run).items()}

class Networks:
    """A PyTorch data set of (weights, test accuracy): of all networks, or of the part train, validation or test."""
    def __init__(self, zoo, part=None):
        self.zoo = zoo
        if part is not None and part not in zoo.columns.get("part", ()):
            raise ValueError(f"no network of the part {part!r}: open the zoo with split=, and name one of its parts")
        self.places = np.arange(len(zoo)) if part is None else np.flatnonzero(zoo.columns["part"] == part)

    def __len__(self):
        return len(self.places)

    def __getitem__(self, index):
        place = self.places[index]
        return self.zoo.weights([place])[0], self.zoo.columns["test_accuracy"][place]
