"""Features and neighborhoods as tables and as files become what the stages read."""

from __future__ import annotations

import json
import tempfile
import unittest
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from pinsage_spark import PinSageSparkError, sources
from pinsage_spark.model import DenseBlock, Features
from pinsage_spark.sources import Artifact
from pinsage_spark.vectors import Codec, binary

from . import cases


def features(*blocks: tuple[str, int], largest: float | None = None, weight: float = 0.1, only_local: tuple[str, ...] = ()) -> Features:
    return Features(tuple(DenseBlock(name, columns) for name, columns in blocks), largest, weight, only_local)


class EncodingTests(unittest.TestCase):
    def setUp(self) -> None:
        self.kernels = cases.kernels()
        self.a = np.array([[3, 4], [0, 0], [np.nan, 2], [np.inf, -1]], np.float32)
        self.b = np.array([[1], [2], [-4], [0]], np.float32)

    def encoded(self, what: Features, elements: dict[str, Any] | None = None, **columns: Any) -> np.ndarray:
        batch = pa.RecordBatch.from_pydict({"item": np.arange(len(self.a)), **columns})
        codec = Codec(self.kernels)
        (out,) = sources.encode_features([batch], what, elements or {}, self.kernels, codec)
        width = sum(block.columns for block in what.dense) + (what.largest_log_degree is not None)
        return codec.decode(out.column("vector"), width, "inputs")

    def expected(self) -> np.ndarray:
        unit = 1 / np.sqrt(2)
        a = np.array([[0.6, 0.8], [0, 0], [0, 1], [0, -1]]) * unit
        b = np.array([[1], [1], [-1], [0]]) * unit
        return np.concatenate([a, b], axis=1)

    def test_tables_and_degrees(self) -> None:
        what = features(("a", 2), ("b", 1), largest=np.log1p(7))
        degrees = np.log1p(np.array([0, 1, 7, 15])) / np.log1p(7) * 0.1
        expected = np.concatenate([self.expected(), degrees.reshape(-1, 1)], axis=1)
        found = self.encoded(
            what,
            a=pa.array(self.a.tolist(), pa.list_(pa.float32())),
            b=pa.array(self.b.tolist(), pa.list_(pa.float64())),
            degree=[0, 1, 7, 15],
        )
        np.testing.assert_allclose(found, expected, atol=1e-7)

    def test_halves(self) -> None:
        half, brain = binary(self.a.astype(np.float16)), binary((self.b.view(np.uint32) >> 16).astype(np.uint16))
        found = self.encoded(features(("a", 2), ("b", 1)), {"a": "float16", "b": "bfloat16"}, a=half, b=brain)
        np.testing.assert_allclose(found, self.expected(), atol=1e-7)

    def test_says_what_is_wrong(self) -> None:
        what = features(("a", 2))
        rows = self.a.tolist()
        for expected, column, elements in (
            ("features 'a' of item 1, found null", pa.array([rows[0], None, *rows[2:]], pa.list_(pa.float32())), {}),
            ("numbers in features 'a' of item 1", pa.array([rows[0], [None, 1.0], *rows[2:]], pa.list_(pa.float32())), {}),
            ("'a' of 2 numbers, found 3 for item 2", pa.array([*rows[:2], [1.0, 2.0, 3.0], rows[3]], pa.list_(pa.float32())), {}),
            ("'a' of 4 bytes .2 of float16., found 8 for item 0", binary(self.a), {"a": "float16"}),
            ("found float8", binary(self.a), {"a": "float8"}),
            ("arrays of float or as binary, found string", pa.array(["x"] * 4), {}),
        ):
            with self.assertRaisesRegex(PinSageSparkError, expected):
                self.encoded(what, elements, a=column)
        with self.assertRaisesRegex(PinSageSparkError, "degree of item 3, found null"):
            self.encoded(features(("a", 2), largest=1.0), a=pa.array(rows, pa.list_(pa.float32())), degree=[1, 2, 3, None])
        with self.assertRaisesRegex(PinSageSparkError, "text and id vectors: give --dataset"):
            sources.check_features(features(("a", 2), only_local=("text", "id vectors")), ["item", "a"])
        with self.assertRaisesRegex(PinSageSparkError, "column 'degree' in the features, found a, item"):
            sources.check_features(features(("a", 2), largest=1.0), ["item", "a"])


class ArtifactTests(unittest.TestCase):
    def setUp(self) -> None:
        self.folder = Path(self.enterContext(tempfile.TemporaryDirectory()))

    def write(self, kind: str, arrays: dict[str, np.ndarray], elements: dict[str, str] | None = None, **metadata: Any) -> Artifact:
        files = {}
        for name, array in arrays.items():
            path = self.folder / kind / name
            path.parent.mkdir(parents=True, exist_ok=True)
            np.save(path, array)
            files[name] = {"dtype": (elements or {}).get(name, str(array.dtype)), "shape": list(array.shape)}
        manifest = {"kind": kind, "schema": 1, "metadata": metadata, "files": files}
        (self.folder / kind / "manifest.json").write_text(json.dumps(manifest))
        return Artifact.open(str(self.folder / kind), kind)

    def test_neighborhoods(self) -> None:
        neighbors = np.array([[5, 6], [7, 0xFFFFFFFF], [0xFFFFFFFF, 0xFFFFFFFF]], np.uint32)
        weights = np.array([[0.75, 0.25], [1, 0], [0, 0]], np.float32)
        artifact = self.write("neighborhoods", {"neighbors.npy": neighbors, "weights.npy": weights}, first_item=10)
        (batch,) = sources.neighborhood_rows(artifact)
        expected = {"item": [10, 11, 12], "neighbors": [[5, 6], [7], []], "weights": [[0.75, 0.25], [1.0], []]}
        self.assertEqual(batch.to_pydict(), expected)

    def test_features_as_they_are(self) -> None:
        a, half = np.arange(6, dtype=np.float32).reshape(3, 2), np.arange(3, dtype=np.float16).reshape(3, 1)
        artifact = self.write(
            "dataset",
            {
                "features/a.npy": a,
                "features/b.npy": half,
                "graph/items.offsets.npy": np.array([0, 2, 3]),
                "item_ids.offsets.npy": np.array([0, 1, 3, 3]),
            },
        )
        rows = []
        for shard in range(2):
            batches = [pa.RecordBatch.from_pydict({"id": [shard]})]
            rows += list(sources.feature_rows(batches, 2, artifact.path, artifact.feature_names))
        table = pa.Table.from_batches(rows)
        # The last item was appended after the graph was made.
        self.assertEqual(table["degree"].to_pylist(), [2, 1, 0])
        self.assertEqual(table["a"].to_pylist(), a.tolist())
        self.assertEqual([np.frombuffer(value, np.float16)[0] for value in table["b"].to_pylist()], [0, 1, 2])
        self.assertEqual(table["item"].to_pylist(), [0, 1, 2])

    def test_identifiers(self) -> None:
        arrays = {"item_ids.bytes.npy": np.frombuffer("añb".encode(), np.uint8), "item_ids.offsets.npy": np.array([0, 1, 3, 4])}
        ids = sources.Identifiers(self.write("dataset", arrays))
        self.assertEqual(ids.of(np.array([2, 0, 1])).to_pylist(), ["b", "a", "ñ"])

    def test_says_what_is_wrong(self) -> None:
        artifact = self.write("neighborhoods", {"neighbors.npy": np.zeros((1, 1), np.uint32)}, first_item=0)
        with self.assertRaisesRegex(PinSageSparkError, "expected dataset of schema 1, found neighborhoods"):
            Artifact.open(artifact.path, "dataset")
        with self.assertRaisesRegex(PinSageSparkError, "weights.npy: expected an array"):
            list(sources.neighborhood_rows(artifact))
        with self.assertRaisesRegex(PinSageSparkError, "manifest"):
            Artifact.open(str(self.folder), "dataset")

    def test_shards_cover_every_item_once(self) -> None:
        for count in (0, 1, 10, 11):
            for shards in (1, 3, 7):
                self.assertEqual([row for index in range(shards) for row in sources.shard_range(index, shards, count)], list(range(count)))


if __name__ == "__main__":
    unittest.main()
