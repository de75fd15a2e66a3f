"""Weights of MesoNet as Keras writes them: the published layout, random numbers."""

from pathlib import Path

import h5py
import numpy as np

# (inputs, outputs, kernel) in the order in which the authors' code makes the layers
MESO4 = [(3, 8, 3), (8, 8, 5), (8, 16, 5), (16, 16, 5)]
INCEPTION_1 = [(3, 1, 1), (3, 4, 1), (4, 4, 3), (3, 4, 1), (4, 4, 3), (3, 2, 1), (2, 2, 3)]
INCEPTION_2 = [(11, 2, 1), (11, 4, 1), (4, 4, 3), (11, 4, 1), (4, 4, 3), (11, 2, 1), (2, 2, 3)]
MESOINCEPTION4 = [*INCEPTION_1, *INCEPTION_2, (12, 16, 5), (16, 16, 5)]


def write_keras(path: Path, convolutions: list, norms: list[int], first: int = 1) -> Path:
    """`first` is the number of each kind's first layer: Keras counts on through a session."""
    rng = np.random.default_rng(0)

    def kernel(*shape: int) -> np.ndarray:
        return rng.normal(0, np.prod(shape[:-1]) ** -0.5, shape)

    layers = {}
    for i, (inputs, outputs, size) in enumerate(convolutions, start=first):
        layers[f"conv2d_{i}"] = {"kernel": kernel(size, size, inputs, outputs), "bias": rng.normal(size=outputs)}
    for i, width in enumerate(norms, start=first):
        layers[f"batch_normalization_{i}"] = {
            "gamma": rng.uniform(0.5, 1.5, width),
            "beta": rng.normal(size=width),
            "moving_mean": rng.normal(size=width),
            "moving_variance": rng.uniform(0.001, 1, width),
        }
    for i, (inputs, outputs) in enumerate([(1024, 16), (16, 1)], start=first):
        layers[f"dense_{i}"] = {"kernel": kernel(inputs, outputs), "bias": rng.normal(size=outputs)}
    layers[f"dropout_{first}"] = {}

    # The file lists layers by depth in the graph, not by number; backwards stands for that here.
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = np.array(list(layers)[::-1], dtype="S")
        for layer, weights in layers.items():
            group = file.create_group(layer)
            group.attrs["weight_names"] = np.array([f"{layer}/{name}:0" for name in weights], dtype="S")
            for name, array in weights.items():
                group[f"{layer}/{name}:0"] = array.astype(np.float32)
    return path
