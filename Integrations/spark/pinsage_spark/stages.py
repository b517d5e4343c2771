"""What executors compute: the two jobs of each layer, as functions from Arrow batches to Arrow batches for `DataFrame.mapInArrow`.

Source: Ying et al. 2018, section 3.4. Job A projects every item once, p = ReLU(Q h + q). Job B joins these with the neighborhoods, pools,
and transforms: h' = ReLU(W [h ; n] + w), normalised. The join is by blocks of consecutive items, each of which one task holds as a table that
the pooling kernel reads:

    project   h -> (block, item, p)                          every item, once a layer
    requests  neighborhoods -> (block, item, targets, weights)   which rows of each block an item pools
    pool      p and requests of a block -> (item, partial sum)   sorted so that a block's table comes first
    transform h and partial sums of an item -> h'             sorted so that an item's own vector comes first

A sum (or maximum) of an item's partial results is that of all its neighbors, so an item gets as many rows as blocks that its neighbors are
in, at most T: what MapReduce calls a combiner. Items whose rows lie close to those of their neighbors make it worth most.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Callable

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from . import PinSageSparkError
from .kernels import Floats, Kernels
from .model import Model
from .vectors import Codec, float_lists, ragged_binary, ragged_rows

Ints = npt.NDArray[np.int64]
Batches = Iterable[pa.RecordBatch]
Count = Callable[[int], None]
"""Takes how many rows were computed."""

# A projected vector, or what an item asks of a block; `part` is the partition key of the block.
EXCHANGE = "part int, block int, kind tinyint, item bigint, targets binary, weights binary, vector binary"
# An item's own vector, or what a block answered.
GATHERED = "item bigint, kind tinyint, block int, own binary, pooled binary"
VECTORS = "item bigint, vector binary"

FIRST, SECOND = 0, 1
"""Values of `kind`: what a task needs first comes first."""

_OUTPUT_BYTES = 16 << 20


@dataclass(frozen=True)
class Blocks:
    """Items cut into blocks of consecutive rows."""

    items: int
    rows: int
    """Rows of a block; the last may have fewer."""
    parts: tuple[int, ...]
    """For each block the number whose hash puts it into a partition of its own."""

    @property
    def count(self) -> int:
        return -(-self.items // self.rows)

    def size(self, block: int) -> int:
        return min(self.rows, self.items - block * self.rows)


# Job A


def project(
    batches: Batches, model: Model, layer: int, blocks: Blocks, kernels: Kernels, below: Codec, codec: Codec, count: Count
) -> Iterator[pa.RecordBatch]:
    """(item, vector) -> EXCHANGE rows with ReLU(Q h + q). `below` reads what the layer below wrote."""
    weights = model.layers[layer]
    q, parts = kernels.packed(weights.q), np.asarray(blocks.parts, np.int32)
    for batch in batches:
        items = _items(batch.column("item"), blocks.items, "the inputs")
        h = below.decode(_vectors(batch.column("vector"), items), model.width_into(layer), "vectors")
        projected = kernels.dense(h, q, weights.q_bias, relu=True)
        count(len(items))
        block = (items // blocks.rows).astype(np.int32)
        nothing = pa.nulls(len(items), pa.binary())
        yield _batch(
            part=parts[block],
            block=block,
            kind=np.full(len(items), FIRST, np.int8),
            item=items,
            targets=nothing,
            weights=nothing,
            vector=codec.encode(projected),
        )


# Job B


def requests(batches: Batches, most: int, pooling: str, blocks: Blocks) -> Iterator[pa.RecordBatch]:
    """(item, neighbors, weights) -> EXCHANGE rows: for each block that has neighbors of an item, which rows it pools from it and how much of each.

    Only the first `most` neighbors count, and their weights are scaled to sum to 1 again where others were left out, as in the local pass.
    """
    parts = np.asarray(blocks.parts, np.int32)
    for batch in batches:
        items = _items(batch.column("item"), blocks.items, "the neighborhoods")
        owner, neighbors, weights = neighbor_lists(batch.column("neighbors"), batch.column("weights"), items, most, pooling, blocks.items)
        block = neighbors // blocks.rows
        order = np.argsort(owner * blocks.count + block, kind="stable")
        owner, block = owner[order], block[order]
        changes = (owner[1:] != owner[:-1]) | (block[1:] != block[:-1])
        starts = np.concatenate(([0], np.flatnonzero(changes) + 1)) if len(order) else np.empty(0, np.int64)
        if len(starts) == 0:
            continue
        offsets = np.append(starts, len(order)).astype(np.int64)
        asked = block[starts].astype(np.int32)
        yield _batch(
            part=parts[asked],
            block=asked,
            kind=np.full(len(starts), SECOND, np.int8),
            item=items[owner[starts]],
            targets=ragged_binary(offsets, (neighbors[order] - block * blocks.rows).astype(np.int32)),
            weights=ragged_binary(offsets, weights[order]),
            vector=pa.nulls(len(starts), pa.binary()),
        )


def neighbor_lists(neighbors: pa.Array, weights: pa.Array, items: Ints, most: int, pooling: str, count: int) -> tuple[Ints, Ints, Floats]:
    """Neighbors as (row of the item in this batch, neighbor, weight); a null list is empty."""
    (own, values), (own_weights, numbers) = _lists(neighbors, "neighbors", items), _lists(weights, "weights", items)
    if not np.array_equal(own, own_weights):
        row = int(np.flatnonzero(np.diff(own) != np.diff(own_weights))[0])
        raise PinSageSparkError(f"expected as many weights as neighbors, found others for item {items[row]}")
    lengths = np.diff(own)
    owner = np.repeat(np.arange(len(items)), lengths)
    keep = np.arange(len(owner)) - own[owner] < most
    owner, values, kept = owner[keep], values[keep].astype(np.int64), numbers[keep].astype(np.float32)
    unknown = np.flatnonzero((values < 0) | (values >= count))
    if len(unknown):
        raise PinSageSparkError(
            f"expected neighbors among the items 0 ..< {count}, found {values[unknown[0]]} in the neighborhood of item {items[owner[unknown[0]]]}"
        )
    if not np.all(np.isfinite(kept)):
        row = int(np.flatnonzero(~np.isfinite(kept))[0])
        raise PinSageSparkError(f"expected finite weights, found {kept[row]} in the neighborhood of item {items[owner[row]]}")
    if pooling == "mean":
        return owner, values, (np.float32(1) / np.minimum(lengths, most).astype(np.float32)[owner]).astype(np.float32)
    cut = (lengths > most)[owner]
    if np.any(cut):
        total = np.bincount(owner, weights=kept, minlength=len(items)).astype(np.float32)[owner]
        with np.errstate(divide="ignore", invalid="ignore"):
            kept = np.where(cut, np.where(total > 0, kept / total, 0), kept).astype(np.float32)
    return owner, values, kept


def pool(batches: Batches, model: Model, blocks: Blocks, kernels: Kernels, codec: Codec, count: Count) -> Iterator[pa.RecordBatch]:
    """EXCHANGE rows by (block, kind, item) -> GATHERED rows with partial sums. A block's table and one batch are in memory."""
    width = model.hidden_width
    table = _BlockTable(blocks, width)
    step = max(1, _OUTPUT_BYTES // (4 * width))
    for batch in batches:
        block, kind = _numbers(batch.column("block")), _numbers(batch.column("kind"))
        for begin, end in _runs(2 * block.astype(np.int64) + kind):
            part = batch.slice(begin, end - begin)
            items = _numbers(part.column("item")).astype(np.int64)
            if kind[begin] == FIRST:
                table.add(int(block[begin]), items, codec.decode(part.column("vector"), width, "projected vectors"))
                continue
            rows = table.complete(int(block[begin]))
            for start in range(0, len(items), step):
                some = part.slice(start, step)
                offsets, targets = ragged_rows(some.column("targets"), np.int32)
                if model.pooling == "max":
                    pooled = kernels.pool_max(rows, offsets, targets)
                else:
                    pooled = kernels.pool(rows, offsets, targets, ragged_rows(some.column("weights"), np.float32)[1])
                count(len(some))
                yield _batch(
                    item=items[start : start + step],
                    kind=np.full(len(some), SECOND, np.int8),
                    block=block[begin + start : begin + start + len(some)],
                    own=pa.nulls(len(some), pa.binary()),
                    pooled=codec.encode(pooled),
                )


class _BlockTable:
    """The projected vectors of one block, filled in the order of their items."""

    def __init__(self, blocks: Blocks, width: int) -> None:
        self._blocks, self._width = blocks, width
        self._rows = np.empty((0, width), np.float32)
        self._block, self._filled = -1, 0

    def add(self, block: int, items: Ints, vectors: Floats) -> None:
        if block != self._block:
            if len(self._rows) < self._blocks.size(block):
                self._rows = np.empty((self._blocks.size(block), self._width), np.float32)
            self._block, self._filled = block, 0
        first = block * self._blocks.rows + self._filled
        expected = np.arange(first, first + len(items))
        wrong = np.flatnonzero(items != expected)
        if len(wrong):
            raise PinSageSparkError(
                f"expected the inputs to have the items 0 ..< {self._blocks.items} once each, "
                f"found {items[wrong[0]]} in place of {expected[wrong[0]]}"
            )
        if len(vectors) != len(items):
            raise PinSageSparkError(f"expected a projected vector of each of {len(items)} items, found {len(vectors)}")
        self._rows[self._filled : self._filled + len(items)] = vectors
        self._filled += len(items)

    def complete(self, block: int) -> Floats:
        found = self._filled if block == self._block else 0
        if found != self._blocks.size(block):
            raise PinSageSparkError(
                f"expected {self._blocks.size(block)} items from {block * self._blocks.rows} on, found {found} in the inputs"
            )
        return self._rows[:found]


def transform(
    batches: Batches, model: Model, layer: int, kernels: Kernels, below: Codec, codec: Codec, count: Count
) -> Iterator[pa.RecordBatch]:
    """GATHERED rows by (item, kind, block) -> (item, vector): the layer's vectors, or embeddings as arrays of float after the last layer."""
    weights = model.layers[layer]
    w, is_last = kernels.packed(weights.w), layer == len(model.layers) - 1
    head = Head(model, kernels) if is_last else None
    for table in _whole_items(batches):
        items, own, block = (
            _numbers(table.column("item")),
            np.flatnonzero(_numbers(table.column("kind")) == FIRST),
            _numbers(table.column("block")),
        )
        owners = items[own].astype(np.int64)
        lengths = np.diff(np.append(own, len(items))) - 1
        _check_gathered(items, own, owners, lengths, block)
        if len(table) - table.column("own").null_count != len(own):
            _vectors(table.column("own").take(pa.array(own)), owners)
        h = below.decode(table.column("own"), model.width_into(layer), "vectors")
        partial = codec.decode(table.column("pooled"), model.hidden_width, "pooled vectors")
        offsets = np.concatenate(([0], np.cumsum(lengths))).astype(np.int64)
        all_rows = np.arange(len(partial), dtype=np.int32)
        if model.pooling == "max":
            pooled = kernels.pool_max(partial, offsets, all_rows)
        else:
            pooled = kernels.pool(partial, offsets, all_rows, np.ones(len(partial), np.float32))
        z = kernels.dense(h, w, weights.w_bias, relu=True, beside=pooled)
        kernels.normalize_rows(z)
        count(len(owners))
        yield _batch(item=owners, vector=codec.encode(z) if head is None else float_lists(head(z)))


def embed_alone(batches: Batches, model: Model, kernels: Kernels, codec: Codec, count: Count) -> Iterator[pa.RecordBatch]:
    """(item, vector) -> embeddings, for a model without layers."""
    head = Head(model, kernels)
    for batch in batches:
        items = _numbers(batch.column("item")).astype(np.int64)
        z = head(codec.decode(_vectors(batch.column("vector"), items), model.input_width, "vectors"))
        count(len(items))
        yield _batch(item=items, vector=float_lists(z))


class Head:
    """z = G2 ReLU(G1 h + g), normalised where the model says so."""

    def __init__(self, model: Model, kernels: Kernels) -> None:
        self._kernels, self._bias, self._normalizes = kernels, model.g1_bias, model.normalizes_output
        self._g1, self._g2 = kernels.packed(model.g1), kernels.packed(model.g2)

    def __call__(self, h: Floats) -> Floats:
        z = self._kernels.dense(self._kernels.dense(h, self._g1, self._bias, relu=True), self._g2, None, relu=False)
        if self._normalizes:
            self._kernels.normalize_rows(z)
        return z


def _whole_items(batches: Batches) -> Iterator[pa.RecordBatch]:
    """The same rows, cut only before an item's own vector: the last item of a batch may go on in the next."""
    held: list[pa.RecordBatch] = []
    for batch in batches:
        own = np.flatnonzero(_numbers(batch.column("kind")) == FIRST)
        if len(own) == 0:
            held.append(batch)
            continue
        cut = int(own[-1])
        held.append(batch.slice(0, cut))
        yield from _joined(held)
        held = [batch.slice(cut)]
    yield from _joined(held)


def _joined(parts: Sequence[pa.RecordBatch]) -> list[pa.RecordBatch]:
    parts = [part for part in parts if part.num_rows]
    return pa.Table.from_batches(parts).combine_chunks().to_batches() if parts else []


def _check_gathered(items: Ints, own: Ints, owners: Ints, lengths: Ints, block: Ints) -> None:
    if len(own) == 0 or own[0] != 0 or not np.array_equal(np.repeat(owners, lengths + 1), items):
        known = np.zeros(len(items), bool) if len(own) == 0 else np.isin(items, owners)
        stranger = int(items[np.flatnonzero(~known)[0]]) if not np.all(known) else int(items[0])
        raise PinSageSparkError(f"expected neighborhoods of items that the inputs have, found one of item {stranger}")
    if np.any(owners[1:] == owners[:-1]):
        raise PinSageSparkError(
            f"expected each item once in the inputs, found {owners[np.flatnonzero(owners[1:] == owners[:-1])[0]]} twice"
        )
    same = (items[1:] == items[:-1]) & (block[1:] == block[:-1])
    same[own[1:] - 1] = False
    if np.any(same):
        raise PinSageSparkError(f"expected one neighborhood of an item, found two of item {items[np.flatnonzero(same)[0]]}")


# Columns


def _batch(**columns: object) -> pa.RecordBatch:
    arrays = [column if isinstance(column, pa.Array) else pa.array(column) for column in columns.values()]
    return pa.RecordBatch.from_arrays(arrays, names=list(columns))


def _numbers(column: pa.Array) -> npt.NDArray[np.generic]:
    return column.to_numpy(zero_copy_only=False)


def _items(column: pa.Array, count: int, where: str) -> Ints:
    if column.null_count:
        raise PinSageSparkError(f"expected an item in every row of {where}, found null")
    items = _numbers(column).astype(np.int64)
    wrong = np.flatnonzero((items < 0) | (items >= count))
    if len(wrong):
        raise PinSageSparkError(f"expected items 0 ..< {count} in {where}, found {items[wrong[0]]}")
    return items


def _vectors(column: pa.Array, items: Ints) -> pa.Array:
    if column.null_count:
        row = int(np.flatnonzero(column.is_null().to_numpy(zero_copy_only=False))[0])
        raise PinSageSparkError(f"expected a vector of item {items[row]}, found null")
    return column


def _lists(column: pa.Array, name: str, items: Ints) -> tuple[Ints, npt.NDArray[np.generic]]:
    """Offsets from 0 and values of a list column."""
    if not pa.types.is_list(column.type) and not pa.types.is_large_list(column.type):
        raise PinSageSparkError(f"expected {name} as arrays, found {column.type}")
    lengths = column.value_lengths().fill_null(0).to_numpy(zero_copy_only=False).astype(np.int64)
    values = column.flatten()
    if values.null_count:
        at = int(np.flatnonzero(values.is_null().to_numpy(zero_copy_only=False))[0])
        row = int(np.searchsorted(np.cumsum(lengths), at, side="right"))
        raise PinSageSparkError(f"expected numbers in {name} of item {items[row]}, found null")
    return np.concatenate(([0], np.cumsum(lengths))).astype(np.int64), _numbers(values)


def _runs(keys: Ints) -> list[tuple[int, int]]:
    """Ranges of equal neighbors."""
    if len(keys) == 0:
        return []
    at = np.concatenate(([0], np.flatnonzero(keys[1:] != keys[:-1]) + 1, [len(keys)]))
    return [(int(begin), int(end)) for begin, end in zip(at[:-1], at[1:])]
