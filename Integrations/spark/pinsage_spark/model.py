"""Models of `pinsage-cli train`, read from their folder (docs/formats.md)."""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from . import PinSageSparkError
from .kernels import Floats

SCHEMA = 1
"""Of manifest.json."""
FEATURES_VERSION = 1
"""Of features.json."""
POOLINGS = ("importance", "mean", "max")


@dataclass(frozen=True)
class Convolve:
    """One layer. Shapes: q (m, in), q_bias (m), w (out, in + m), w_bias (out)."""

    q: Floats
    q_bias: Floats
    w: Floats
    w_bias: Floats


@dataclass(frozen=True)
class DenseBlock:
    name: str
    columns: int


@dataclass(frozen=True)
class Features:
    """How an item becomes an input vector, as far as Spark can make it itself: tables and degree."""

    dense: tuple[DenseBlock, ...]
    largest_log_degree: float | None
    log_degree_weight: float
    only_local: tuple[str, ...]
    """Parts that `pinsage-cli inputs` makes and this package does not: "text", "attributes", "id vectors"."""


@dataclass(frozen=True)
class Model:
    input_width: int
    layer_width: int
    hidden_width: int
    dimension: int
    pooling: str
    normalizes_output: bool
    neighbors_per_layer: tuple[int, ...]
    walks: dict[str, Any]
    seed: int
    layers: tuple[Convolve, ...]
    g1: Floats
    g1_bias: Floats
    g2: Floats
    features: Features
    path: str = field(compare=False, default="")

    @staticmethod
    def open(path: str) -> Model:
        """Reads a model's folder. Raises PinSageSparkError where it is missing, of another version, or does not hold together."""
        folder = Path(path)
        manifest = _json(folder / "manifest.json")
        if manifest.get("kind") != "model":
            raise PinSageSparkError(f"{path}: expected a model, found an artifact of kind '{manifest.get('kind')}'")
        if manifest.get("schema") != SCHEMA:
            raise PinSageSparkError(
                f"{path}: expected schema {SCHEMA}, found {manifest.get('schema')}: another version of this package reads it"
            )
        for name, entry in manifest.get("files", {}).items():
            found = (folder / name).stat().st_size if (folder / name).exists() else None
            if found != entry.get("bytes"):
                raise PinSageSparkError(f"{folder / name}: expected {entry.get('bytes')} bytes, found {found}")
        config = _json(folder / "config.json")
        try:
            shape, walks, neighbors, seed = config["model"], dict(config["walks"]), tuple(config["neighborsPerLayer"]), int(config["seed"])
            inputs, hidden, width, dimension = shape["inputWidth"], shape["hiddenWidth"], shape["layerWidth"], shape["dimension"]
            count, pooling, normalizes, ids = shape["layers"], shape["pooling"], bool(shape["normalizesOutput"]), shape["idWidth"]
        except (KeyError, TypeError, ValueError) as error:
            raise PinSageSparkError(f"{folder / 'config.json'}: expected the settings of a model, without: {error}") from error
        if pooling not in POOLINGS:
            raise PinSageSparkError(f"{folder / 'config.json'}: expected pooling among {', '.join(POOLINGS)}, found '{pooling}'")
        if len(neighbors) != count or any(not 1 <= most <= walks["neighbors"] for most in neighbors):
            raise PinSageSparkError(
                f"{folder / 'config.json'}: expected {count} numbers of neighbors up to {walks['neighbors']}, found {neighbors}"
            )
        file = folder / "weights.safetensors"
        tensors = read_safetensors(str(file))

        def tensor(name: str, *expected: int) -> Floats:
            if name not in tensors:
                raise PinSageSparkError(f"{file}: expected the tensor {name}, found none")
            if tensors[name].shape != expected:
                raise PinSageSparkError(f"{file}: expected the tensor {name} to have the shape {expected}, found {tensors[name].shape}")
            return tensors[name]

        layers = []
        for index in range(count):
            below, prefix = inputs if index == 0 else width, f"convolve.{index}"
            layers.append(
                Convolve(
                    tensor(f"{prefix}.q.weight", hidden, below),
                    tensor(f"{prefix}.q.bias", hidden),
                    tensor(f"{prefix}.w.weight", width, below + hidden),
                    tensor(f"{prefix}.w.bias", width),
                )
            )
        return Model(
            inputs,
            width,
            hidden,
            dimension,
            pooling,
            normalizes,
            neighbors,
            walks,
            seed,
            tuple(layers),
            tensor("head.g1.weight", width, width if count else inputs),
            tensor("head.g1.bias", width),
            tensor("head.g2.weight", dimension, width),
            _features(folder / "features.json", inputs, ids),
            path,
        )

    def width_into(self, layer: int) -> int:
        """Width of the vectors that enter a layer, or the head at `len(layers)`."""
        return self.input_width if layer == 0 else self.layer_width


def read_safetensors(path: str) -> dict[str, Floats]:
    """The tensors of a file of float32, by name, as views of one mapping."""
    try:
        data = np.memmap(path, np.uint8, "r")
    except (OSError, ValueError) as error:
        raise PinSageSparkError(f"{path}: expected tensors, found: {error}") from error
    if len(data) < 8:
        raise PinSageSparkError(f"{path}: expected a length of 8 bytes, found {len(data)} bytes in all")
    (length,) = struct.unpack("<Q", data[:8].tobytes())
    if length > len(data) - 8:
        raise PinSageSparkError(f"{path}: expected a header of {length} bytes, found {len(data) - 8}")
    try:
        header = json.loads(data[8 : 8 + length].tobytes())
        entries = {
            name: (entry["dtype"], tuple(entry["shape"]), entry["data_offsets"]) for name, entry in header.items() if name != "__metadata__"
        }
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise PinSageSparkError(f"{path}: expected a header of tensors, found: {error}") from error
    body, tensors = data[8 + length :], {}
    for name, (dtype, shape, (begin, end)) in entries.items():
        if dtype != "F32":
            raise PinSageSparkError(f"{path}: expected {name} as F32, found {dtype}")
        if not 0 <= begin <= end <= len(body) or end - begin != 4 * int(np.prod(shape, dtype=np.int64)):
            raise PinSageSparkError(f"{path}: expected {name} of shape {shape} in the file, found bytes {begin} to {end} of {len(body)}")
        # A copy: what is sent to executors must not be a mapping, and rows begin where floats may.
        tensors[name] = np.frombuffer(body[begin:end].tobytes(), np.float32).reshape(shape)
    return tensors


def _features(path: Path, input_width: int, id_width: int) -> Features:
    json_value = _json(path)
    if json_value.get("version") != FEATURES_VERSION:
        raise PinSageSparkError(f"{path}: expected features of version {FEATURES_VERSION}, found {json_value.get('version')}")
    if json_value.get("width") != input_width - id_width:
        raise PinSageSparkError(f"{path}: expected features of width {input_width - id_width}, found {json_value.get('width')}")
    degree = json_value.get("log_degree")
    only_local = tuple(name for name in ("text", "attributes") if name in json_value) + (("id vectors",) if id_width else ())
    return Features(
        tuple(DenseBlock(block["name"], block["columns"]) for block in json_value.get("dense", [])),
        None if degree is None else float(degree["largest"]),
        0.0 if degree is None else float(degree["weight"]),
        only_local,
    )


def _json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise PinSageSparkError(f"{path}: expected a JSON object, found: {error}") from error
    if not isinstance(value, dict):
        raise PinSageSparkError(f"{path}: expected a JSON object, found {type(value).__name__}")
    return value
