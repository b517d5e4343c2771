"""The commands of submit.py."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa
from py4j.protocol import Py4JError
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, SparkSession

from . import PinSageSparkError, collection, sources
from .embedding import EmbeddingPass, Settings
from .sources import Artifact


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="submit.py", description="The embedding pass of PinSageKit on Apache Spark.")
    commands = parser.add_subparsers(dest="command", required=True)

    embed = commands.add_parser("embed", help="embed every item; writes Parquet: item, [id,] vector")
    embed.add_argument(
        "--model", required=True, help="folder of a model, on the driver and, with --dataset, at the same path on every executor"
    )
    embed.add_argument("--output", required=True, help="table to write")
    embed.add_argument("--library", required=True, help="libPinSageKernels.so, which executors get from the driver")
    embed.add_argument("--dataset", help="folder of a dataset, at the same path on every executor")
    embed.add_argument("--program", default="pinsage-cli", help="pinsage-cli on every executor, with --dataset")
    embed.add_argument("--features", help="table of features instead of the dataset's")
    embed.add_argument("--inputs", help="table of input vectors instead of the dataset's")
    embed.add_argument("--neighborhoods", help="table of neighborhoods, instead of drawing them from the dataset")
    embed.add_argument("--latents", default="f32", help="vectors between stages: f32, or bf16 with half the bytes (default: %(default)s)")
    embed.add_argument("--block-bytes", type=int, default=256 << 20, help="memory of a block's table in a worker (default: %(default)s)")
    embed.add_argument("--blocks", type=int, help="blocks of items (default: as --block-bytes asks, at least one for each core)")
    embed.add_argument("--shards", type=int, help="tasks that read the dataset (default: by its size and the cores)")
    embed.add_argument("--work", help="folder of unfinished tables, where a repeated run goes on (default: OUTPUT.parts)")
    embed.add_argument("--keep-work", action="store_true", help="leave them there")
    embed.add_argument("--report", help="also write what was counted to this file of the driver")

    features = commands.add_parser("features", help="a dataset's features as Parquet")
    neighborhoods = commands.add_parser("neighborhoods", help="what 'pinsage-cli neighbors --all' wrote as Parquet")
    features.add_argument("--dataset", required=True)
    neighborhoods.add_argument("--neighborhoods", required=True, nargs="+", help="its folders, one for each shard")
    for command in (features, neighborhoods):
        command.add_argument("--output", required=True, help="table to write")
    features.add_argument("--shards", type=int, default=8, help="tasks (default: %(default)s)")

    collect = commands.add_parser("collect", help="a table of embeddings as FILE.npy and FILE.npy.ids.txt, which 'pinsage-cli index' reads")
    collect.add_argument("--embeddings", required=True, help="table: item, [id,] vector, as 'embed' writes it")
    collect.add_argument("--output", required=True, help="file of the driver to write")

    options = parser.parse_args(arguments)
    spark = SparkSession.builder.appName(f"pinsage {options.command}").config("spark.speculation", "false").getOrCreate()
    # Executors fetch the package from here while the driver lives.
    shipped = tempfile.TemporaryDirectory(prefix="pinsage-")
    try:
        _ship_package(spark, shipped.name)
        if options.command == "embed":
            settings = {name: value for name, value in vars(options).items() if name not in ("command", "report")}
            report = EmbeddingPass(spark, Settings(**settings)).run()
            print(report.json())
            if options.report:
                Path(options.report).write_text(report.json() + "\n")
        elif options.command == "collect":
            print(json.dumps(collection.collect(spark, options.embeddings, options.output)))
        elif options.command == "features":
            _features(spark, options.dataset, options.shards).write.mode("errorifexists").parquet(options.output)
        else:
            _neighborhoods(spark, options.neighborhoods).write.mode("errorifexists").parquet(options.output)
    except PinSageSparkError as error:
        sys.exit(f"error: {error}")
    except (PySparkException, Py4JError) as error:
        # What a task said is the last line of Python's trace in Java's.
        said = [line.strip() for line in str(error).splitlines() if "PinSageSparkError:" in line]
        if not said:
            raise
        sys.exit(f"error: {said[-1].split('PinSageSparkError:', 1)[1].strip()}")
    finally:
        spark.stop()
        shipped.cleanup()


def _features(spark: SparkSession, dataset: str, shards: int) -> DataFrame:
    path, artifact = os.path.abspath(dataset), Artifact.open(dataset, "dataset")
    names = artifact.feature_names

    def read(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        return sources.feature_rows(batches, shards, path, names)

    return spark.range(0, shards, 1, shards).mapInArrow(read, sources.features_schema(artifact))


def _neighborhoods(spark: SparkSession, folders: Sequence[str]) -> DataFrame:
    paths = [os.path.abspath(folder) for folder in folders]

    def read(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            for index in batch.column(0).to_pylist():
                yield from sources.neighborhood_rows(Artifact.open(paths[index], "neighborhoods"))

    return spark.range(0, len(paths), 1, len(paths)).mapInArrow(read, sources.NEIGHBORHOODS)


def _ship_package(spark: SparkSession, folder: str) -> None:
    """Sends this package to the executors, so that nothing needs installing there but pyarrow, NumPy and pandas."""
    package = Path(__file__).resolve().parent
    spark.sparkContext.addPyFile(shutil.make_archive(f"{folder}/{package.name}", "zip", package.parent, package.name))
