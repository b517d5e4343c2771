"""A table of embeddings -> a NumPy file and its identifiers, which `pinsage-cli index --embeddings FILE.npy` reads.

Spark sorts by item and packs rows into blocks of bytes; the driver writes them one after the other, so that it holds a partition at a time.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pyarrow as pa

from . import PinSageSparkError
from .vectors import float_rows

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

BLOCKS = "first bigint, rows int, ids binary, vectors binary"

_BLOCK_BYTES = 8 << 20
_PARTITION_BYTES = 64 << 20
# As `pinsage-cli export` writes what would end an identifier early.
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


class Block(NamedTuple):
    """Consecutive rows: identifiers with a line feed after each, and float32 side by side."""

    first: int
    rows: int
    ids: bytes
    vectors: bytes


def collect(spark: SparkSession, table: str, output: str) -> dict[str, int]:
    """Writes `output` and `output.ids.txt` on the driver, in place of files of those names.

    Items are 0 ..< N, each once. Where the table has no `id`, as without --dataset, identifiers are the items' numbers.
    """
    from pyspark.sql import functions as F

    rows = spark.read.parquet(table)
    types = {field.name: field.dataType.simpleString() for field in rows.schema.fields}
    for name in ("item", "vector"):
        if name not in types:
            raise PinSageSparkError(f"{table}: expected the column '{name}', found {', '.join(types)}")
    if types["vector"] not in ("array<float>", "array<double>"):
        raise PinSageSparkError(f"{table}: expected vectors as arrays of float, found {types['vector']}")
    count, most = rows.agg(F.count(F.lit(1)), F.max(F.size("vector"))).collect()[0]
    if count == 0 or most < 1:
        raise PinSageSparkError(f"{table}: expected vectors, found {count} rows" + (" without numbers" if count else ""))
    columns = [F.col("item").cast("bigint").alias("item"), F.col("vector").cast("array<float>").alias("vector")]
    columns += [F.col("id").cast("string").alias("id")] if "id" in types else []
    spark.conf.set("spark.sql.execution.arrow.maxRecordsPerBatch", max(1, _BLOCK_BYTES // (4 * most)))
    parts = max(spark.sparkContext.defaultParallelism, -(-count * most * 4 // _PARTITION_BYTES))
    ordered = rows.select(*columns).repartitionByRange(parts, "item").sortWithinPartitions("item")
    blocks = ordered.mapInArrow(partial(pack, width=most), BLOCKS).toLocalIterator()
    write((Block(block.first, block.rows, bytes(block.ids), bytes(block.vectors)) for block in blocks), count, most, output)
    return {"items": count, "dimension": most}


def pack(batches: Iterable[pa.RecordBatch], width: int) -> Iterator[pa.RecordBatch]:
    """Rows in the order of items -> rows of BLOCKS."""
    for batch in batches:
        if len(batch) == 0:
            continue
        if batch.column("item").null_count:
            raise PinSageSparkError("expected an item in every row of the embeddings, found null")
        items = batch.column("item").to_numpy(zero_copy_only=False)
        gaps = np.flatnonzero(np.diff(items) != 1)
        if len(gaps):
            raise _gap(int(items[gaps[0]]) + 1, int(items[gaps[0] + 1]))
        vectors = float_rows(batch.column("vector"), width, items, "vector")
        ids = _lines(batch.column("id").to_pylist() if "id" in batch.schema.names else map(str, items), items)
        yield pa.RecordBatch.from_arrays(
            [
                pa.array([int(items[0])]),
                pa.array([len(items)], pa.int32()),
                pa.array([ids], pa.binary()),
                pa.array([vectors.astype("<f4", copy=False).tobytes()], pa.binary()),
            ],
            names=["first", "rows", "ids", "vectors"],
        )


def write(blocks: Iterable[Block], count: int, width: int, output: str) -> None:
    """Both files appear under their names when they are complete; what was there before is there until then."""
    target = Path(os.path.abspath(output))
    names = Path(f"{target}.ids.txt")
    try:
        with tempfile.TemporaryDirectory(prefix=f".{target.name}.", dir=target.parent) as folder:
            vectors_path, ids_path = Path(folder) / "vectors.npy", Path(folder) / "ids.txt"
            with vectors_path.open("wb") as vectors, ids_path.open("wb") as ids:
                header = {"descr": "<f4", "fortran_order": False, "shape": (count, width)}
                np.lib.format.write_array_header_1_0(vectors, header)
                expected = 0
                for block in blocks:
                    if block.first != expected:
                        raise _gap(expected, block.first)
                    vectors.write(block.vectors)
                    ids.write(block.ids)
                    expected += block.rows
                if expected != count:
                    raise PinSageSparkError(f"expected {count} rows of embeddings, found {expected}")
                for file in (vectors, ids):
                    file.flush()
                    os.fsync(file.fileno())
            # Without old identifiers while the array changes: two files of different embeddings must not stand beside each other.
            names.unlink(missing_ok=True)
            os.replace(vectors_path, target)
            os.replace(ids_path, names)
    except OSError as error:
        raise PinSageSparkError(f"{output}: expected to write embeddings there, found: {error}") from error


def _gap(expected: int, found: int) -> PinSageSparkError:
    what = f"item {found} twice" if 0 <= found < expected else f"item {found} in place of item {expected}"
    return PinSageSparkError(f"expected the embeddings to have the items from 0 on once each, found {what}")


def _lines(identifiers: Iterable[str | None], items: Iterable[int]) -> bytes:
    lines = []
    for identifier, item in zip(identifiers, items):
        if not identifier:
            raise PinSageSparkError(f"expected an identifier of item {item}, found {'null' if identifier is None else 'an empty one'}")
        lines.append(_CONTROL.sub(lambda match: f"%{ord(match.group()):02X}", identifier) + "\n")
    return "".join(lines).encode()
