"""Where inputs and neighborhoods come from: a dataset on storage that every executor mounts, or tables.

With a dataset, executors run `pinsage-cli inputs` and `pinsage-cli neighbors --all`, each for its own range of items: the program maps the
files, and what comes out is bit for bit what the local pass reads. With tables nothing but Spark's own storage is needed:

    features       item bigint, a column for each dense table of the model (array<float>, array<double> or binary), degree bigint where it
                   uses degrees
    inputs         item bigint, vector: array<float> or binary (little-endian float32), what `pinsage-cli inputs` writes
    neighborhoods  item bigint, neighbors array<bigint>, weights array<float>, the most important first

Items are rows 0 ..< N, each once. A binary column says its element in the column's metadata, {"element": "float16"}; without it is float32.
"""

from __future__ import annotations

import json
import math
import subprocess
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from . import PinSageSparkError
from .kernels import Floats, Kernels
from .model import SCHEMA, Features, Model
from .vectors import Codec, binary, features_matrix, float_lists

if TYPE_CHECKING:
    from pyspark.sql.types import StructType

NEIGHBORHOODS = "item bigint, neighbors array<bigint>, weights array<float>"
INPUTS = "item bigint, vector binary"

_CHUNK = 8192
_CHUNK_BYTES = 16 << 20
_PADDING = 0xFFFFFFFF
Batches = Iterable[pa.RecordBatch]


# Artifacts


@dataclass(frozen=True)
class Artifact:
    """A folder that pinsage-cli wrote (docs/formats.md)."""

    path: str
    manifest: dict[str, Any]

    @staticmethod
    def open(path: str, kind: str) -> Artifact:
        try:
            manifest = json.loads((Path(path) / "manifest.json").read_text())
        except (OSError, ValueError) as error:
            raise PinSageSparkError(f"{path}: expected a folder with a manifest, found: {error}") from error
        if manifest.get("kind") != kind or manifest.get("schema") != SCHEMA:
            raise PinSageSparkError(f"{path}: expected {kind} of schema {SCHEMA}, found {manifest.get('kind')} of {manifest.get('schema')}")
        return Artifact(path, manifest)

    def array(self, name: str) -> npt.NDArray[Any]:
        """A mapped array. bfloat16 is uint16, which is all that NumPy knows of it: `element` tells them apart."""
        try:
            return np.load(Path(self.path) / name, mmap_mode="r")
        except (OSError, ValueError) as error:
            raise PinSageSparkError(f"{self.path}/{name}: expected an array, found: {error}") from error

    def element(self, name: str) -> str:
        entry = self.manifest["files"].get(name)
        if entry is None:
            raise PinSageSparkError(f"{self.path}: expected the file {name}, found none")
        return str(entry["dtype"])

    @property
    def item_count(self) -> int:
        return int(self.array("item_ids.offsets.npy").shape[0]) - 1

    @property
    def feature_names(self) -> list[str]:
        return sorted(name[len("features/") : -len(".npy")] for name in self.manifest["files"] if name.startswith("features/"))


class Identifiers:
    """The identifiers of a dataset's items, by row."""

    def __init__(self, dataset: Artifact) -> None:
        self._bytes, self._offsets = dataset.array("item_ids.bytes.npy"), dataset.array("item_ids.offsets.npy")

    def of(self, rows: npt.NDArray[np.int64]) -> pa.Array:
        starts, ends = self._offsets[rows], self._offsets[rows + 1]
        return pa.array([self._bytes[start:end].tobytes().decode() for start, end in zip(starts, ends)], pa.string())


def shard_range(index: int, shards: int, count: int) -> range:
    """Rows of shard `index` from 0, as `--shard` cuts them."""
    return range(count * index // shards, count * (index + 1) // shards)


# From a dataset, on executors: batches of shard numbers in, rows out


def draw_neighborhoods(batches: Batches, shards: int, dataset: str, model: Model, program: str) -> Iterator[pa.RecordBatch]:
    """Runs `pinsage-cli neighbors --all --shard` with the model's own walks."""
    walks = model.walks
    settings = [
        "--neighbors",
        walks["neighbors"],
        "--walks",
        walks["walks"],
        "--walk-length",
        walks["walkLength"],
        "--restart",
        repr(walks["restart"]),
        "--seed",
        model.seed,
    ]
    settings += ["--weighted"] if walks.get("weighted") else []
    settings += ["--since", walks["notBefore"]] if walks.get("notBefore") is not None else []
    settings += ["--before", walks["before"]] if walks.get("before") is not None else []
    # One word each: a negative number must not look like an option.
    settings += [f"--size-exponent={walks['sizeExponent']!r}"] if walks.get("sizeExponent") else []
    shares = walks.get("collectionTypes")
    settings += ["--collection-types=" + ",".join(f"{name}={share!r}" for name, share in shares.items())] if shares else []
    for index in _numbers(batches):
        with tempfile.TemporaryDirectory(prefix="pinsage-") as folder:
            output = f"{folder}/neighborhoods"
            _run(program, "neighbors", dataset, "--all", "--shard", f"{index + 1}/{shards}", "--output", output, *settings)
            yield from neighborhood_rows(Artifact.open(output, "neighborhoods"))


def make_inputs(batches: Batches, shards: int, dataset: str, model: Model, program: str, codec: Codec) -> Iterator[pa.RecordBatch]:
    """Runs `pinsage-cli inputs --shard`."""
    for index in _numbers(batches):
        with tempfile.TemporaryDirectory(prefix="pinsage-") as folder:
            output = f"{folder}/inputs"
            _run(program, "inputs", "--model", model.path, "--dataset", dataset, "--shard", f"{index + 1}/{shards}", "--output", output)
            artifact = Artifact.open(output, "inputs")
            rows, first = artifact.array("inputs.npy"), int(artifact.manifest["metadata"]["first_item"])
            step = max(64, _CHUNK_BYTES // max(1, 4 * rows.shape[1]))
            for start in range(0, len(rows), step):
                part = np.ascontiguousarray(rows[start : start + step])
                yield _batch(item=_count_from(first + start, len(part)), vector=codec.encode(part))


def neighborhood_rows(artifact: Artifact, rows: range | None = None) -> Iterator[pa.RecordBatch]:
    """Rows of NEIGHBORHOODS of an artifact of neighborhoods, or of some of its rows."""
    neighbors, weights = artifact.array("neighbors.npy"), artifact.array("weights.npy")
    first = int(artifact.manifest["metadata"]["first_item"])
    rows = range(len(neighbors)) if rows is None else rows
    for start in range(rows.start, rows.stop, _CHUNK):
        part = np.asarray(neighbors[start : min(start + _CHUNK, rows.stop)])
        real = part != _PADDING
        offsets = pa.array(np.concatenate(([0], np.cumsum(real.sum(axis=1)))).astype(np.int32))
        kept = np.asarray(weights[start : start + len(part)])[real]
        yield _batch(
            item=_count_from(first + start, len(part)),
            neighbors=pa.ListArray.from_arrays(offsets, pa.array(part[real].astype(np.int64))),
            weights=pa.ListArray.from_arrays(offsets, pa.array(kept)),
        )


def feature_rows(batches: Batches, shards: int, dataset: str, names: list[str]) -> Iterator[pa.RecordBatch]:
    """Rows of the features table of a dataset: its arrays as they are, and each item's degree."""
    artifact = Artifact.open(dataset, "dataset")
    arrays = {name: (artifact.array(f"features/{name}.npy"), artifact.element(f"features/{name}.npy")) for name in names}
    offsets, count = artifact.array("graph/items.offsets.npy"), artifact.item_count
    step = max(64, _CHUNK_BYTES // max(1, sum(4 * array.shape[1] for array, _ in arrays.values())))
    for index in _numbers(batches):
        rows = shard_range(index, shards, count)
        for start in range(rows.start, rows.stop, step):
            end = min(start + step, rows.stop)
            columns: dict[str, Any] = {"item": _count_from(start, end - start)}
            for name, (array, element) in arrays.items():
                part = np.ascontiguousarray(array[start:end])
                columns[name] = float_lists(part) if element == "float32" else binary(part)
            # Items that were appended after the graph was made have no row in it.
            degrees = np.zeros(end - start, np.int64)
            known = np.diff(np.asarray(offsets[start : min(end, len(offsets) - 1) + 1]))
            degrees[: len(known)] = known
            columns["degree"] = degrees
            yield _batch(**columns)


def features_schema(dataset: Artifact) -> StructType:
    """The columns of `feature_rows`, with the element of those that are binary."""
    from pyspark.sql.types import ArrayType, BinaryType, FloatType, LongType, StructField, StructType

    if dataset.manifest["metadata"].get("overlay"):
        raise PinSageSparkError(f"{dataset.path}: expected a dataset without appended edges; run 'pinsage-cli compact' first")
    fields = [StructField("item", LongType())]
    for name in dataset.feature_names:
        element = dataset.element(f"features/{name}.npy")
        if element == "float32":
            fields.append(StructField(name, ArrayType(FloatType())))
        else:
            fields.append(StructField(name, BinaryType(), metadata={"element": element}))
    return StructType([*fields, StructField("degree", LongType())])


# From tables


def encode_features(
    batches: Batches, features: Features, elements: dict[str, str | None], kernels: Kernels, codec: Codec
) -> Iterator[pa.RecordBatch]:
    """Rows of a features table -> (item, vector), as FeatureTransform makes them.

    Numbers that are not finite count as 0, each table's row has the length 1 / sqrt(tables), and the last column is the log-degree.
    """
    unit = 1 / math.sqrt(len(features.dense)) if features.dense else 0.0
    for batch in batches:
        if batch.column("item").null_count:
            raise PinSageSparkError("expected an item in every row of the features, found null")
        items = batch.column("item").to_numpy(zero_copy_only=False).astype(np.int64)
        parts = []
        for block in features.dense:
            values = features_matrix(batch.column(block.name), block.columns, items, block.name, elements.get(block.name), kernels)
            parts.append(scaled_rows(values, unit))
        if features.largest_log_degree is not None:
            degree = batch.column("degree")
            if degree.null_count:
                row = int(np.flatnonzero(degree.is_null().to_numpy(zero_copy_only=False))[0])
                raise PinSageSparkError(f"expected the degree of item {items[row]}, found null")
            parts.append(degree_column(degree.to_numpy(zero_copy_only=False), features))
        yield _batch(item=items, vector=codec.encode(np.ascontiguousarray(np.concatenate(parts, axis=1))))


def scaled_rows(values: Floats, length: float) -> Floats:
    """Rows of some length; a number that is not finite counts as 0, and zeros stay."""
    finite = np.where(np.isfinite(values), values, np.float32(0)).astype(np.float64)
    squares = np.sum(finite * finite, axis=1, keepdims=True)
    scale = np.divide(np.float64(np.float32(length)), np.sqrt(squares), out=np.zeros_like(squares), where=squares > 0)
    return (finite * scale).astype(np.float32)


def degree_column(degrees: npt.NDArray[Any], features: Features) -> Floats:
    largest = features.largest_log_degree or 0.0
    if largest <= 0:
        return np.zeros((len(degrees), 1), np.float32)
    logs = np.log1p(np.maximum(degrees.astype(np.float64), 0)) / largest
    return (np.float32(features.log_degree_weight) * logs.astype(np.float32)).reshape(-1, 1)


def binary_inputs(batches: Batches, width: int, kernels: Kernels, codec: Codec) -> Iterator[pa.RecordBatch]:
    """A table of inputs -> (item, vector) as stages read them."""
    for batch in batches:
        items = batch.column("item").to_numpy(zero_copy_only=False).astype(np.int64)
        yield _batch(item=items, vector=codec.encode(features_matrix(batch.column("vector"), width, items, "vector", None, kernels)))


def check_features(features: Features, columns: Iterable[str]) -> list[str]:
    """The columns of a features table that a model reads. Raises PinSageSparkError for a model whose inputs only pinsage-cli makes."""
    if features.only_local:
        raise PinSageSparkError(
            f"expected a model of dense features, found one with {' and '.join(features.only_local)}: give --dataset, or a table of "
            "'pinsage-cli inputs' with --inputs"
        )
    columns = set(columns)
    wanted = ["item", *(block.name for block in features.dense)] + (["degree"] if features.largest_log_degree is not None else [])
    for name in wanted:
        if name not in columns:
            raise PinSageSparkError(f"expected the column '{name}' in the features, found {', '.join(sorted(columns))}")
    return wanted


# Plumbing


def _run(program: str, *arguments: Any) -> None:
    command = [program, *map(str, arguments), "--threads", "1", "--quiet"]
    try:
        result = subprocess.run(command, capture_output=True, text=True)
    except OSError as error:
        raise PinSageSparkError(f"expected pinsage-cli at {program} on every executor, found: {error}") from error
    if result.returncode != 0:
        raise PinSageSparkError(f"{' '.join(command)} ended with {result.returncode}: {' '.join(result.stderr.split())[-2000:]}")


def _numbers(batches: Batches) -> Iterator[int]:
    for batch in batches:
        yield from (int(value) for value in batch.column(0).to_pylist())


def _count_from(first: int, count: int) -> npt.NDArray[np.int64]:
    return np.arange(first, first + count, dtype=np.int64)


def _batch(**columns: Any) -> pa.RecordBatch:
    arrays = [column if isinstance(column, pa.Array) else pa.array(column) for column in columns.values()]
    return pa.RecordBatch.from_arrays(arrays, names=list(columns))
