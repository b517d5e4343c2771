"""Models and neighborhoods for the tests, and the slow, obvious twin of the pass in NumPy."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from pinsage_spark.kernels import Floats, Kernels
from pinsage_spark.model import Convolve, Features, Model

ROOT = Path(__file__).resolve().parents[3]


def library() -> str:
    """The kernels that `swift build -c release --product PinSageKernels` made."""
    return os.environ.get("PINSAGE_KERNELS", str(ROOT / ".build" / "release" / "libPinSageKernels.so"))


def kernels() -> Kernels:
    return Kernels(library())


def model(layers: int = 2, pooling: str = "importance", inputs: int = 9, seed: int = 1, normalizes: bool = True) -> Model:
    random = np.random.default_rng(seed)

    def matrix(*shape: int) -> Floats:
        return (random.standard_normal(shape) / 3).astype(np.float32)

    hidden, width, dimension = 13, 11, 7
    convolve = tuple(
        Convolve(matrix(hidden, below), matrix(hidden), matrix(width, below + hidden), matrix(width))
        for below in [inputs, *[width] * (layers - 1)][:layers]
    )
    return Model(
        inputs,
        width,
        hidden,
        dimension,
        pooling,
        normalizes,
        (4, 3, 3)[:layers],
        {"neighbors": 4},
        1,
        convolve,
        matrix(width, width if layers else inputs),
        matrix(width),
        matrix(dimension, width),
        Features((), None, 0, ()),
    )


def neighborhoods(items: int, seed: int = 2, most: int = 4) -> tuple[list[list[int]], list[list[float]]]:
    """Lists of 0 to `most` neighbors with weights that sum to 1; item 3 has none."""
    random = np.random.default_rng(seed)
    lists = [
        sorted(random.choice(items, random.integers(0, most + 1), replace=False).tolist()) if item != 3 else [] for item in range(items)
    ]
    weights = []
    for neighbors in lists:
        counts = np.sort(random.integers(1, 9, len(neighbors)))[::-1].astype(np.float32)
        weights.append((counts / counts.sum()).tolist() if len(neighbors) else [])
    return lists, weights


def twin(model: Model, h: Floats, lists: Sequence[Sequence[int]], weights: Sequence[Sequence[float]]) -> Floats:
    """Algorithms 1 and 2 of the paper, item by item, in float64."""

    def normalized(z: Any) -> Any:
        lengths = np.linalg.norm(z, axis=1, keepdims=True)
        return np.divide(z, lengths, out=np.zeros_like(z), where=lengths > 0)

    h = h.astype(np.float64)
    for layer, most in zip(model.layers, model.neighbors_per_layer):
        projected, pooled = np.maximum(h @ layer.q.T + layer.q_bias, 0), np.zeros((len(h), model.hidden_width))
        for item, (neighbors, alphas) in enumerate(zip(lists, weights)):
            kept, alpha = list(neighbors[:most]), np.asarray(alphas[:most], np.float64)
            if not kept:
                continue
            if model.pooling == "max":
                pooled[item] = projected[kept].max(axis=0)
            elif model.pooling == "mean":
                pooled[item] = projected[kept].mean(axis=0)
            else:
                pooled[item] = (alpha / alpha.sum() if len(neighbors) > most else alpha) @ projected[kept]
        h = normalized(np.maximum(np.concatenate([h, pooled], axis=1) @ layer.w.T + layer.w_bias, 0))
    z = np.maximum(h @ model.g1.T + model.g1_bias, 0) @ model.g2.T
    return (normalized(z) if model.normalizes_output else z).astype(np.float32)


def neighborhood_batch(lists: Sequence[Any], weights: Sequence[Any], first: int = 0) -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays(
        [pa.array(np.arange(first, first + len(lists))), pa.array(lists, pa.list_(pa.int64())), pa.array(weights, pa.list_(pa.float32()))],
        names=["item", "neighbors", "weights"],
    )


def write_model(folder: Path, **changes: Any) -> Path:
    """A model's folder as `pinsage-cli train` leaves it, with one layer; `changes` replace what is in config.json's model."""
    folder.mkdir(parents=True)
    shape = {
        "dimension": 2,
        "hiddenWidth": 3,
        "idWidth": 0,
        "inputWidth": 2,
        "layerWidth": 2,
        "layers": 1,
        "normalizesOutput": True,
        "pooling": "mean",
    }
    walks = {"neighbors": 4, "restart": 0.5, "walkLength": 2, "walks": 9, "weighted": False}
    (folder / "config.json").write_text(json.dumps({"model": {**shape, **changes}, "neighborsPerLayer": [4], "seed": 1, "walks": walks}))
    (folder / "features.json").write_text(json.dumps({"version": 1, "width": 2, "dense": [{"name": "a", "columns": 2}]}))
    write_safetensors(folder / "features.safetensors", {})
    shapes = {"convolve.0.q.weight": (3, 2), "convolve.0.q.bias": (3,), "convolve.0.w.weight": (2, 5), "convolve.0.w.bias": (2,)}
    shapes |= {"head.g1.weight": (2, 2), "head.g1.bias": (2,), "head.g2.weight": (2, 2)}
    write_safetensors(folder / "weights.safetensors", {name: np.ones(size, np.float32) for name, size in shapes.items()})
    write_manifest(folder)
    return folder


def write_manifest(folder: Path, **changes: Any) -> None:
    files = {path.name: {"bytes": path.stat().st_size} for path in folder.iterdir() if path.name != "manifest.json"}
    (folder / "manifest.json").write_text(json.dumps({"kind": "model", "schema": 1, "metadata": {}, "files": files, **changes}))


def write_safetensors(path: Path, tensors: dict[str, Floats], dtype: str = "F32") -> None:
    header, at = {"__metadata__": {"format": "pinsage"}}, 0
    for name, tensor in tensors.items():
        header[name] = {"dtype": dtype, "shape": list(tensor.shape), "data_offsets": [at, at + tensor.nbytes]}
        at += tensor.nbytes
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + b"".join(tensor.tobytes() for tensor in tensors.values()))
