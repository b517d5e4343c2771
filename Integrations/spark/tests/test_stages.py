"""The stages as Spark runs them (partitions sorted, batches cut anywhere), without Spark, beside the twin."""

from __future__ import annotations

import unittest
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import pyarrow as pa

from pinsage_spark import PinSageSparkError, stages
from pinsage_spark.model import Model
from pinsage_spark.stages import Blocks
from pinsage_spark.vectors import Codec

from . import cases


def cut(table: pa.Table, rows: int) -> Iterator[pa.RecordBatch]:
    return iter(table.combine_chunks().to_batches(max_chunksize=rows))


def sorted_table(batches: Iterable[pa.RecordBatch], *columns: str) -> pa.Table:
    return pa.Table.from_batches(list(batches)).sort_by([(column, "ascending") for column in columns])


class Pass:
    """The driver's work: what each layer reads, sorted, in batches of some rows."""

    def __init__(self, model: Model, block_rows: int, batch_rows: int, latents: str = "f32") -> None:
        self.model, self.batch_rows, self.kernels = model, batch_rows, cases.kernels()
        self.inputs, self.codec = Codec(self.kernels), Codec(self.kernels, latents)
        self.block_rows = block_rows
        self.computed: list[int] = []

    def input_table(self, h: np.ndarray, items: np.ndarray | None = None) -> pa.Table:
        items = np.arange(len(h)) if items is None else items
        return pa.table({"item": items, "vector": self.inputs.encode(h)})

    def run(self, inputs: pa.Table, neighborhoods: pa.RecordBatch, count: int) -> np.ndarray:
        blocks = Blocks(count, self.block_rows, tuple(range(-(-count // self.block_rows))))
        below = inputs
        for layer, most in enumerate(self.model.neighbors_per_layer):
            reads = self.inputs if layer == 0 else self.codec
            projected = stages.project(
                cut(below, self.batch_rows), self.model, layer, blocks, self.kernels, reads, self.codec, self.computed.append
            )
            exchange = sorted_table(
                [*projected, *stages.requests([neighborhoods], most, self.model.pooling, blocks)], "block", "kind", "item"
            )
            pooled = list(stages.pool(cut(exchange, self.batch_rows), self.model, blocks, self.kernels, self.codec, lambda _: None))
            nothing = pa.nulls(below.num_rows, pa.binary())
            own = pa.table(
                {
                    "item": below["item"],
                    "kind": pa.array(np.zeros(below.num_rows, np.int8)),
                    "block": pa.array(np.full(below.num_rows, -1, np.int32)),
                    "own": below["vector"],
                    "pooled": nothing,
                }
            )
            gathered = sorted_table([*own.to_batches(), *pooled], "item", "kind", "block")
            below = pa.Table.from_batches(
                list(
                    stages.transform(
                        cut(gathered, self.batch_rows), self.model, layer, self.kernels, reads, self.codec, self.computed.append
                    )
                )
            )
        return np.asarray(below.sort_by("item")["vector"].to_pylist(), np.float32)


class StageTests(unittest.TestCase):
    items = 50

    def setUp(self) -> None:
        self.h = np.random.default_rng(3).standard_normal((self.items, 9)).astype(np.float32)
        self.lists, self.weights = cases.neighborhoods(self.items)

    def found(self, model: Model, block_rows: int, batch_rows: int, **changes: Any) -> np.ndarray:
        passed = Pass(model, block_rows, batch_rows, **changes)
        z = passed.run(passed.input_table(self.h), cases.neighborhood_batch(self.lists, self.weights), self.items)
        # Each item projected once and transformed once, in every layer.
        self.assertEqual(sum(passed.computed), 2 * self.items * len(model.layers))
        return z

    def test_is_what_the_twin_gives(self) -> None:
        for pooling in ("importance", "mean", "max"):
            for layers in (1, 2, 3):
                model = cases.model(layers, pooling, normalizes=layers != 1)
                expected = cases.twin(model, self.h, self.lists, self.weights)
                for block_rows, batch_rows in ((50, 1000), (7, 1), (16, 5), (1, 3)):
                    np.testing.assert_allclose(self.found(model, block_rows, batch_rows), expected, atol=2e-5)

    def test_bf16_is_close(self) -> None:
        model = cases.model()
        expected = cases.twin(model, self.h, self.lists, self.weights)
        np.testing.assert_allclose(self.found(model, 16, 5, latents="bf16"), expected, atol=0.03)

    def test_a_model_without_layers(self) -> None:
        model, passed = cases.model(0), Pass(cases.model(0), 10, 10)
        rows = stages.embed_alone(cut(passed.input_table(self.h), 7), model, passed.kernels, passed.inputs, passed.computed.append)
        found = np.asarray(pa.Table.from_batches(list(rows))["vector"].to_pylist(), np.float32)
        np.testing.assert_allclose(found, cases.twin(model, self.h, self.lists, self.weights), atol=1e-5)
        self.assertEqual(sum(passed.computed), self.items)

    def test_sums_of_blocks_are_few(self) -> None:
        """One row for each block that has neighbors of an item."""
        blocks = Blocks(self.items, 10, tuple(range(5)))
        rows = pa.Table.from_batches(list(stages.requests([cases.neighborhood_batch(self.lists, self.weights)], 4, "mean", blocks)))
        self.assertEqual(rows.num_rows, sum(len({neighbor // 10 for neighbor in neighbors}) for neighbors in self.lists))

    def fails(self, expected: str, inputs: pa.Table | None = None, neighborhoods: pa.RecordBatch | None = None) -> None:
        passed = Pass(cases.model(1), 8, 6)
        neighborhoods = cases.neighborhood_batch(self.lists, self.weights) if neighborhoods is None else neighborhoods
        with self.assertRaisesRegex(PinSageSparkError, expected):
            passed.run(passed.input_table(self.h) if inputs is None else inputs, neighborhoods, self.items)

    def changed(self, item: int, neighbors: Any, weights: Any) -> pa.RecordBatch:
        lists, numbers = list(self.lists), list(self.weights)
        lists[item], numbers[item] = neighbors, weights
        return cases.neighborhood_batch(lists, numbers)

    def test_says_what_is_wrong_with_neighborhoods(self) -> None:
        self.fails("found 50 in the neighborhood of item 4", neighborhoods=self.changed(4, [1, 50], [0.5, 0.5]))
        self.fails("found -1 in the neighborhood of item 4", neighborhoods=self.changed(4, [-1], [1.0]))
        self.fails("weights as neighbors, found others for item 4", neighborhoods=self.changed(4, [1, 2], [1.0]))
        self.fails("found null", neighborhoods=self.changed(4, [1, None], [0.5, 0.5]))
        self.fails("found nan in the neighborhood of item 4", neighborhoods=self.changed(4, [1], [float("nan")]))
        twice = pa.Table.from_batches(
            [cases.neighborhood_batch(self.lists, self.weights), cases.neighborhood_batch(self.lists[:5], self.weights[:5])]
        )
        self.fails("one neighborhood of an item, found two", neighborhoods=twice.combine_chunks().to_batches()[0])

    def test_a_null_neighborhood_is_an_empty_one(self) -> None:
        model = cases.model(1)
        lists, weights = list(self.lists), list(self.weights)
        lists[4], weights[4] = [], []
        passed = Pass(model, 8, 6)
        found = passed.run(passed.input_table(self.h), self.changed(4, None, None), self.items)
        np.testing.assert_allclose(found, cases.twin(model, self.h, lists, weights), atol=2e-5)

    def test_says_what_is_wrong_with_inputs(self) -> None:
        table = Pass(cases.model(1), 8, 6).input_table(self.h)
        vectors = table["vector"].to_pylist()
        vectors[20] = None
        self.fails("vector of item 20, found null", table.set_column(1, "vector", pa.array(vectors, pa.binary())))
        vectors[20] = b"1234"
        self.fails("9 numbers, 36 bytes a row, found one of 4 bytes", table.set_column(1, "vector", pa.array(vectors, pa.binary())))
        items = np.arange(self.items)
        items[20] = 19
        self.fails("once each, found 19 in place of 20", table.set_column(0, "item", pa.array(items)))
        items[20] = 99
        self.fails("found 99", table.set_column(0, "item", pa.array(items)))
        self.fails("found", table.slice(0, 45))


if __name__ == "__main__":
    unittest.main()
