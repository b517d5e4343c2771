"""The pass on the driver: which stages run on what, and how many rows each computed and wrote.

Every stage that computes vectors ends in a Parquet table under the work folder, so that nothing upstream is computed again for what
follows, and a run that was stopped goes on after its last finished table.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Callable

import pyarrow as pa
from pyspark import SparkFiles
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from . import PinSageSparkError, sources, stages
from .kernels import Kernels
from .model import Model
from .sources import Artifact, Identifiers
from .stages import Blocks
from .storage import Storage
from .tasks import TaskCosts
from .vectors import LATENTS, Codec

_BATCH_BYTES = 32 << 20
Batches = Iterable[pa.RecordBatch]


@dataclass(frozen=True)
class Settings:
    """What to embed, and how. Either `dataset`, or `inputs` or `features` with `neighborhoods`."""

    model: str
    output: str
    library: str
    dataset: str | None = None
    program: str = "pinsage-cli"
    features: str | None = None
    inputs: str | None = None
    neighborhoods: str | None = None
    latents: str = "f32"
    block_bytes: int = 256 << 20
    """About the memory that the table of a block may take in a Python worker."""
    blocks: int | None = None
    """Blocks of items, where `block_bytes` and the cores should not decide."""
    shards: int | None = None
    """Tasks that read the dataset."""
    work: str | None = None
    keep_work: bool = False

    def validate(self) -> None:
        if self.latents not in LATENTS:
            raise PinSageSparkError(f"expected latents among {', '.join(LATENTS)}, found '{self.latents}'")
        if self.inputs and self.features:
            raise PinSageSparkError("expected either a table of inputs or one of features, found both")
        if not self.dataset and not (self.inputs or self.features):
            raise PinSageSparkError("expected a dataset, or a table of features or inputs, found none")
        if self.block_bytes < 1 << 16 or (self.blocks or 1) < 1 or (self.shards or 1) < 1:
            raise PinSageSparkError("expected blocks of at least 64 KiB, and at least one block and one shard")


@dataclass
class LayerReport:
    """What a layer came to. Computed rows are counted by the tasks, `None` where an earlier run had written the layer."""

    items: int
    projected: int | None = None
    partial_sums: int | None = None
    transformed: int | None = None
    written: int = 0
    seconds: float = 0.0
    task_seconds: float | None = None
    """Of all tasks together, as Spark counts them: what cores were taken for."""
    shuffled_bytes: int | None = None
    failed_tasks: int | None = None

    @property
    def computed_twice(self) -> int:
        """Rows beyond one for each item; tasks that failed and ran again count, too."""
        return sum(max(0, computed - self.items) for computed in (self.projected, self.transformed) if computed is not None)


@dataclass
class Report:
    items: int = 0
    dimension: int = 0
    blocks: int = 0
    input_seconds: float = 0.0
    input_task_seconds: float | None = None
    layers: list[LayerReport] = field(default_factory=list)

    def json(self) -> str:
        return json.dumps(
            {**vars(self), "layers": [{**vars(layer), "computed_twice": layer.computed_twice} for layer in self.layers]}, indent=2
        )


class EmbeddingPass:
    """Embeds every item. Source: Ying et al. 2018, section 3.4."""

    def __init__(self, spark: SparkSession, settings: Settings) -> None:
        settings.validate()
        self._spark, self._settings, self._storage = spark, settings, Storage(spark)
        # Executors have other working directories.
        self._model = Model.open(os.path.abspath(settings.model))
        self._program = os.path.abspath(settings.program) if "/" in settings.program else settings.program
        # Before anything runs: a library that does not load here will not load there.
        Kernels(settings.library)
        self._sent = spark.sparkContext.broadcast(self._model)
        spark.sparkContext.addFile(os.path.abspath(settings.library))
        self._library = os.path.basename(settings.library)
        self._costs = TaskCosts(spark)
        widest = 4 * max(self._model.input_width, self._model.hidden_width, self._model.layer_width)
        spark.conf.set("spark.sql.execution.arrow.maxRecordsPerBatch", max(64, min(10_000, _BATCH_BYTES // widest)))

    def run(self) -> Report:
        settings, model, report = self._settings, self._model, Report(dimension=self._model.dimension)
        if self._storage.exists(settings.output):
            raise PinSageSparkError(f"expected nothing at {settings.output}, found something")
        work = settings.work or settings.output.rstrip("/") + ".parts"
        self._folder = f"{work}/{self._digest()}"
        started = time.monotonic()
        inputs = self._stage("inputs", self._inputs)
        neighborhoods = self._neighborhoods() if model.layers else None
        report.items = self._check_items(inputs)
        report.input_seconds = time.monotonic() - started
        report.input_task_seconds = self._costs.since_last().task_seconds
        blocks = self._cut(report.items)
        report.blocks = blocks.count
        result = f"{self._folder}/embeddings"
        if neighborhoods is None:
            report.layers.append(self._compute(result, report.items, partial(self._head_alone, inputs)))
        below, last = inputs, len(model.layers) - 1
        for index in range(len(model.layers)):
            path = result if index == last else f"{self._folder}/layer{index}"
            report.layers.append(self._compute(path, report.items, partial(self._layer, index, below, neighborhoods, blocks)))
            if index != last:
                below = self._spark.read.schema(stages.VECTORS).parquet(path)
        # Under its name only when it is complete.
        self._storage.rename(result, settings.output)
        if not settings.keep_work:
            self._storage.remove(self._folder)
            self._storage.remove_empty(work)
        return report

    # Inputs and neighborhoods

    def _inputs(self) -> DataFrame:
        settings, model, features = self._settings, self._sent, self._model.features
        context = self._worker()
        if settings.inputs:
            width = self._model.input_width

            def read(batches: Batches) -> Iterator[pa.RecordBatch]:
                kernels = context()
                return sources.binary_inputs(batches, width, kernels, Codec(kernels))

            return self._table(settings.inputs, ["item", "vector"]).mapInArrow(read, sources.INPUTS)
        if settings.features:
            table = self._spark.read.parquet(settings.features)
            wanted = sources.check_features(features, table.columns)
            elements = {field.name: field.metadata.get("element") for field in table.schema.fields}

            def encode(batches: Batches) -> Iterator[pa.RecordBatch]:
                kernels = context()
                return sources.encode_features(batches, features, elements, kernels, Codec(kernels))

            return table.select(*wanted).mapInArrow(encode, sources.INPUTS)
        dataset, program, shards = os.path.abspath(settings.dataset or ""), self._program, self._shards()

        def make(batches: Batches) -> Iterator[pa.RecordBatch]:
            return sources.make_inputs(batches, shards, dataset, model.value, program, Codec(context()))

        return self._numbers(shards).mapInArrow(make, sources.INPUTS)

    def _neighborhoods(self) -> DataFrame:
        settings, model, shards = self._settings, self._sent, self._shards()
        if settings.neighborhoods:
            return self._table(settings.neighborhoods, ["item", "neighbors", "weights"])
        if not settings.dataset:
            raise PinSageSparkError("expected a table of neighborhoods, or a dataset to draw them from, found neither")
        dataset, program = os.path.abspath(settings.dataset), self._program

        def draw(batches: Batches) -> Iterator[pa.RecordBatch]:
            return sources.draw_neighborhoods(batches, shards, dataset, model.value, program)

        return self._stage("neighborhoods", lambda: self._numbers(shards).mapInArrow(draw, sources.NEIGHBORHOODS))

    def _table(self, path: str, columns: list[str]) -> DataFrame:
        table = self._spark.read.parquet(path)
        for name in columns:
            if name not in table.columns:
                raise PinSageSparkError(f"{path}: expected the column '{name}', found {', '.join(table.columns)}")
        return table.select(*columns)

    def _check_items(self, inputs: DataFrame) -> int:
        """How many items there are. That each is there once, the blocks check as they are filled; without layers there are none."""
        what = [F.count(F.lit(1)), F.min("item"), F.max("item"), F.count("item")]
        if not self._model.layers:
            what.append(F.count_distinct("item"))
        count, least, most, known, *distinct = inputs.agg(*what).collect()[0]
        if count == 0:
            raise PinSageSparkError("expected items in the inputs, found none")
        if known != count or least != 0 or most != count - 1 or (distinct and distinct[0] != count):
            raise PinSageSparkError(
                f"expected the inputs to have the items 0 ..< {count} once each, found {count} rows from {least} to {most}"
            )
        return int(count)

    # Layers

    def _layer(
        self, index: int, below: DataFrame, neighborhoods: DataFrame, blocks: Blocks, layer: LayerReport
    ) -> tuple[DataFrame, Callable[[], None]]:
        sent, context, latents, most, pooling = (
            self._sent,
            self._worker(),
            self._settings.latents,
            self._model.neighbors_per_layer[index],
            self._model.pooling,
        )
        below_latents = "f32" if index == 0 else latents
        projected, summed, transformed = (self._spark.sparkContext.accumulator(0) for _ in range(3))

        def project(batches: Batches) -> Iterator[pa.RecordBatch]:
            kernels = context()
            return stages.project(
                batches, sent.value, index, blocks, kernels, Codec(kernels, below_latents), Codec(kernels, latents), projected.add
            )

        def requests(batches: Batches) -> Iterator[pa.RecordBatch]:
            return stages.requests(batches, most, pooling, blocks)

        def pool(batches: Batches) -> Iterator[pa.RecordBatch]:
            kernels = context()
            return stages.pool(batches, sent.value, blocks, kernels, Codec(kernels, latents), summed.add)

        def transform(batches: Batches) -> Iterator[pa.RecordBatch]:
            kernels = context()
            return stages.transform(
                batches, sent.value, index, kernels, Codec(kernels, below_latents), Codec(kernels, latents), transformed.add
            )

        exchange = below.mapInArrow(project, stages.EXCHANGE).union(neighborhoods.mapInArrow(requests, stages.EXCHANGE))
        pooled = exchange.repartition(blocks.count, "part").sortWithinPartitions("block", "kind", "item").mapInArrow(pool, stages.GATHERED)
        nothing = F.lit(None).cast("binary")
        own = below.select("item", F.lit(stages.FIRST).cast("tinyint"), F.lit(-1), F.col("vector"), nothing)
        gathered = own.toDF("item", "kind", "block", "own", "pooled").union(pooled)
        # An item gets at most so many partial sums; a partition is sorted on disk where it has to be.
        sums = blocks.items * self._model.hidden_width * 4 * min(most, blocks.count)
        parts = max(2 * self._cores(), -(-sums // (4 * self._settings.block_bytes)))
        ordered = gathered.repartition(parts, "item").sortWithinPartitions("item", "kind", "block")
        is_last = index == len(self._model.layers) - 1
        result = self._finished(ordered, transform) if is_last else ordered.mapInArrow(transform, stages.VECTORS)

        def counted() -> None:
            layer.projected, layer.partial_sums, layer.transformed = projected.value, summed.value, transformed.value

        return result, counted

    def _head_alone(self, inputs: DataFrame, layer: LayerReport) -> tuple[DataFrame, Callable[[], None]]:
        sent, context, transformed = self._sent, self._worker(), self._spark.sparkContext.accumulator(0)

        def embed(batches: Batches) -> Iterator[pa.RecordBatch]:
            kernels = context()
            return stages.embed_alone(batches, sent.value, kernels, Codec(kernels), transformed.add)

        def counted() -> None:
            layer.transformed = transformed.value

        return self._finished(inputs, embed), counted

    def _finished(self, rows: DataFrame, stage: Callable[[Batches], Iterator[pa.RecordBatch]]) -> DataFrame:
        """Embeddings as everybody reads them: item, its identifier where the dataset is at hand, and an array of float."""
        if not self._settings.dataset:
            return rows.mapInArrow(stage, "item bigint, vector array<float>")
        dataset = os.path.abspath(self._settings.dataset)

        def named(batches: Batches) -> Iterator[pa.RecordBatch]:
            identifiers = Identifiers(Artifact.open(dataset, "dataset"))
            for batch in stage(batches):
                ids = identifiers.of(batch.column("item").to_numpy())
                yield pa.RecordBatch.from_arrays([batch.column("item"), ids, batch.column("vector")], names=["item", "id", "vector"])

        return rows.mapInArrow(named, "item bigint, id string, vector array<float>")

    def _compute(self, path: str, items: int, make: Callable[[LayerReport], tuple[DataFrame, Callable[[], None]]]) -> LayerReport:
        """Writes a layer, unless an earlier run did, and checks that it has every item."""
        layer, started = LayerReport(items), time.monotonic()
        if not self._storage.is_complete(path):
            rows, counted = make(layer)
            self._costs.since_last()
            rows.write.mode("overwrite").parquet(path)
            counted()
            costs = self._costs.since_last()
            layer.task_seconds, layer.shuffled_bytes, layer.failed_tasks = costs.task_seconds, costs.shuffled_bytes, costs.failed_tasks
        layer.written = self._spark.read.parquet(path).count()
        layer.seconds = time.monotonic() - started
        if layer.written != items:
            raise PinSageSparkError(f"expected {items} rows in {path}, found {layer.written}")
        return layer

    # Shape

    def _cut(self, items: int) -> Blocks:
        """Blocks whose table fits, and at least as many as there are cores: fewer blocks are fewer partial sums."""
        fitting = -(-items * self._model.hidden_width * 4 // self._settings.block_bytes)
        wanted = self._settings.blocks or max(fitting, self._cores())
        rows = -(-items // max(1, min(wanted, items)))
        count = -(-items // rows)
        return Blocks(items, rows, self._partition_keys(count))

    def _partition_keys(self, count: int) -> tuple[int, ...]:
        """For each partition a number that `repartition(count, column)` puts there.

        Hashes of 0, 1, 2 ... would leave some empty and fill others twice.
        """
        keys: dict[int, int] = {}
        start, tried = 0, 64 + 4 * count * (1 + int(math.log(count)))
        while len(keys) < count:
            numbers = self._spark.range(start, start + tried).select(F.col("id").cast("int").alias("key"))
            for key, part in numbers.select("key", F.pmod(F.hash("key"), F.lit(count))).collect():
                keys.setdefault(part, key)
            start += tried
        return tuple(keys[part] for part in range(count))

    def _cores(self) -> int:
        return max(1, self._spark.sparkContext.defaultParallelism)

    def _shards(self) -> int:
        if self._settings.shards:
            return self._settings.shards
        if not self._settings.dataset:
            return self._cores()
        items = Artifact.open(self._settings.dataset, "dataset").item_count
        return max(1, min(items, max(4 * self._cores(), items // 1_000_000)))

    def _numbers(self, count: int) -> DataFrame:
        return self._spark.range(0, count, 1, count)

    # Plumbing

    def _worker(self) -> Callable[[], Kernels]:
        """Opens the kernels where a task runs."""
        library = self._library
        return lambda: Kernels(SparkFiles.get(library))

    def _stage(self, name: str, make: Callable[[], DataFrame]) -> DataFrame:
        path = f"{self._folder}/{name}"
        if not self._storage.is_complete(path):
            make().write.mode("overwrite").parquet(path)
        return self._spark.read.parquet(path)

    def _digest(self) -> str:
        """Of everything that the tables in the work folder depend on."""
        settings, digest = self._settings, hashlib.sha256()
        for name in ("config.json", "features.json", "features.safetensors", "weights.safetensors"):
            digest.update((Path(settings.model) / name).read_bytes())
        if settings.dataset:
            digest.update((Path(settings.dataset) / "manifest.json").read_bytes())
        for table in (settings.features, settings.inputs, settings.neighborhoods):
            # Spark gives every file that it writes a name of its own.
            digest.update("\n".join([str(table), *(sorted(self._spark.read.parquet(table).inputFiles()) if table else [])]).encode())
        digest.update(settings.latents.encode())
        return digest.hexdigest()[:16]
