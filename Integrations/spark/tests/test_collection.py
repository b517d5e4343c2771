"""A table of embeddings becomes a NumPy file and its identifiers, without Spark."""

from __future__ import annotations

import tempfile
import unittest
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from pinsage_spark import PinSageSparkError, collection
from pinsage_spark.collection import Block


def table(items: Any, vectors: Any, ids: list[str | None] | None = None) -> pa.Table:
    columns = {"item": pa.array(items, pa.int64()), "vector": pa.array(vectors, pa.list_(pa.float32()))}
    return pa.table({**columns, "id": pa.array(ids, pa.string())} if ids else columns)


def packed(rows: pa.Table, width: int, most: int = 4) -> Iterator[Block]:
    for batch in collection.pack(rows.combine_chunks().to_batches(max_chunksize=most), width):
        for row in batch.to_pylist():
            yield Block(**row)


class CollectionTests(unittest.TestCase):
    def setUp(self) -> None:
        self.folder = Path(self.enterContext(tempfile.TemporaryDirectory()))
        self.output = self.folder / "v.npy"
        self.vectors = np.random.default_rng(1).standard_normal((11, 3)).astype(np.float32)

    def ids(self) -> list[str]:
        return Path(f"{self.output}.ids.txt").read_text(encoding="utf-8").split("\n")[:-1]

    def test_rows_and_identifiers(self) -> None:
        names = [*"abcdefgh", "with space", "tab\tin it\x7f", "naïve"]
        for most in (1, 4, 100):
            collection.write(packed(table(range(11), self.vectors.tolist(), names), 3, most), 11, 3, str(self.output))
            found = np.load(self.output, mmap_mode="r")
            self.assertEqual((found.dtype, found.flags.c_contiguous), (np.float32, True))
            np.testing.assert_array_equal(found, self.vectors)
            self.assertEqual(self.ids(), [*"abcdefgh", "with space", "tab%09in it%7F", "naïve"])
        self.assertEqual(sorted(path.name for path in self.folder.iterdir()), ["v.npy", "v.npy.ids.txt"])

    def test_identifiers_are_numbers_where_there_are_none(self) -> None:
        collection.write(packed(table(range(11), self.vectors.tolist()), 3), 11, 3, str(self.output))
        self.assertEqual(self.ids(), [str(item) for item in range(11)])

    def test_says_what_is_wrong_and_leaves_what_was_there(self) -> None:
        collection.write(packed(table(range(11), self.vectors.tolist()), 3), 11, 3, str(self.output))
        rows = self.vectors.tolist()
        for expected, items, vectors, ids in (
            ("found item 3 twice", [0, 1, 2, 3, 3, 4], rows[:6], None),
            ("found item 1 twice", [0, 1, 1], rows[:3], None),
            ("found item 2 in place of item 1", [0, 2, 3], rows[:3], None),
            ("found item 5 in place of item 4", [0, 1, 2, 3, 5, 6], rows[:6], None),
            ("found item 1 in place of item 0", [1, 2], rows[:2], None),
            ("found item -1 in place of item 0", [-1, 0], rows[:2], None),
            ("an item in every row of the embeddings, found null", [None, 0], rows[:2], None),
            ("vector of item 1, found null", [0, 1], [rows[0], None], None),
            ("vector of 3 numbers, found 2 for item 1", [0, 1], [rows[0], rows[1][:2]], None),
            ("numbers in vector of item 1, found null", [0, 1], [rows[0], [1.0, None, 2.0]], None),
            ("identifier of item 1, found null", [0, 1], rows[:2], ["a", None]),
            ("identifier of item 1, found an empty one", [0, 1], rows[:2], ["a", ""]),
        ):
            with self.assertRaisesRegex(PinSageSparkError, expected):
                collection.write(packed(table(items, vectors, ids), 3), len(items), 3, str(self.output))
        with self.assertRaisesRegex(PinSageSparkError, "expected 12 rows of embeddings, found 11"):
            collection.write(packed(table(range(11), rows), 3), 12, 3, str(self.output))
        with self.assertRaisesRegex(PinSageSparkError, "expected to write embeddings there"):
            collection.write(packed(table(range(11), rows), 3), 11, 3, str(self.folder / "none" / "v.npy"))
        np.testing.assert_array_equal(np.load(self.output), self.vectors)
        self.assertEqual(sorted(path.name for path in self.folder.iterdir()), ["v.npy", "v.npy.ids.txt"])


if __name__ == "__main__":
    unittest.main()
