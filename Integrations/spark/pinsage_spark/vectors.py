"""How rows of numbers travel: as Arrow binary, one value a row, so that a batch's values are one matrix that C reads where it lies.

Spark hands arrays of floats over element by element; binary it copies. Tables that people bring may have either (`features_matrix`), and the
embeddings that are written are arrays of float, which everything reads.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from . import PinSageSparkError
from .kernels import Floats, Kernels

LATENTS = ("f32", "bf16")
ELEMENTS = {"float32": 4, "float16": 2, "bfloat16": 2}


class Codec:
    """Vectors between stages, in float32 or bfloat16."""

    def __init__(self, kernels: Kernels, latents: str = "f32") -> None:
        self._kernels = kernels
        self._half = latents == "bf16"

    def encode(self, matrix: Floats) -> pa.Array:
        return binary(self._kernels.bf16(matrix) if self._half else matrix)

    def decode(self, column: pa.Array, width: int, what: str) -> Floats:
        """The rows of a column that are not null, (rows, width)."""
        if self._half:
            return self._kernels.widened(fixed_rows(column, width, np.uint16, what), half=False)
        return fixed_rows(column, width, np.float32, what)


def binary(matrix: npt.NDArray[Any]) -> pa.Array:
    """A column with the bytes of a matrix's rows, which it shares."""
    rows, size = matrix.shape[0], matrix.shape[1] * matrix.itemsize
    if rows * size >= 1 << 31:
        raise PinSageSparkError(
            f"expected a batch below 2 GiB, found {rows} rows of {size} bytes; lower spark.sql.execution.arrow.maxRecordsPerBatch"
        )
    offsets = np.arange(rows + 1, dtype=np.int32) * np.int32(size)
    matrix = np.ascontiguousarray(matrix)
    return pa.Array.from_buffers(pa.binary(), rows, [None, pa.py_buffer(offsets), pa.py_buffer(matrix)])


def ragged_binary(offsets: npt.NDArray[np.int64], values: npt.NDArray[Any]) -> pa.Array:
    """A column of lists of numbers as bytes; list i has the entries offsets[i] ..< offsets[i + 1]."""
    bytes_at = (offsets * values.itemsize).astype(np.int32)
    return pa.Array.from_buffers(pa.binary(), len(offsets) - 1, [None, pa.py_buffer(bytes_at), pa.py_buffer(np.ascontiguousarray(values))])


def ragged_rows(column: pa.Array, dtype: Any) -> tuple[npt.NDArray[np.int64], npt.NDArray[Any]]:
    """What `ragged_binary` made: offsets from 0, and entries. A null is an empty list."""
    offsets, values = _binary_buffers(column)
    size = np.dtype(dtype).itemsize
    return (offsets - offsets[0]) // size, values[offsets[0] : offsets[-1]].view(dtype)


def fixed_rows(column: pa.Array, width: int, dtype: Any, what: str) -> npt.NDArray[Any]:
    """The rows of a column that are not null, (rows, width), without copying them."""
    offsets, values = _binary_buffers(column)
    size = width * np.dtype(dtype).itemsize
    lengths = np.diff(offsets)
    rows = len(column) - column.null_count
    # Nulls have no bytes, so the others lie side by side.
    if np.any((lengths != size) & (lengths != 0)) or np.count_nonzero(lengths) != rows:
        wrong = next((int(length) for length in lengths if length not in (0, size)), 0)
        raise PinSageSparkError(f"expected {what} of {width} numbers, {size} bytes a row, found one of {wrong} bytes")
    flat = values[offsets[0] : offsets[-1]]
    if flat.ctypes.data % np.dtype(dtype).itemsize:
        flat = flat.copy()
    return flat.view(dtype).reshape(rows, width)


def float_lists(matrix: Floats) -> pa.Array:
    """A column of arrays of float."""
    rows, width = matrix.shape
    return pa.ListArray.from_arrays(pa.array(np.arange(rows + 1, dtype=np.int32) * np.int32(width)), pa.array(matrix.reshape(-1)))


def features_matrix(column: pa.Array, width: int, items: npt.NDArray[np.int64], name: str, element: str | None, kernels: Kernels) -> Floats:
    """A table's features as float32: arrays of float or double, or binary in float32, float16 or bfloat16, which `element` says.

    Raises PinSageSparkError that names the item for a null or another width.
    """
    _check_known(column, items, f"features '{name}'")
    if pa.types.is_binary(column.type):
        offsets, _ = _binary_buffers(column)
        element = element or "float32"
        if element not in ELEMENTS:
            raise PinSageSparkError(f"expected features '{name}' in {', '.join(ELEMENTS)}, found {element}")
        _check_lengths(np.diff(offsets), ELEMENTS[element] * width, f"bytes ({width} of {element})", items, f"features '{name}'")
        if element == "float32":
            return fixed_rows(column, width, np.float32, f"features '{name}'")
        return kernels.widened(fixed_rows(column, width, np.uint16, f"features '{name}'"), half=element == "float16")
    if pa.types.is_list(column.type) or pa.types.is_large_list(column.type):
        return float_rows(column, width, items, f"features '{name}'")
    raise PinSageSparkError(f"expected features '{name}' as arrays of float or as binary, found {column.type}")


def float_rows(column: pa.Array, width: int, items: npt.NDArray[np.int64], what: str) -> Floats:
    """A column of arrays of float or double as float32, (rows, width). Raises PinSageSparkError that names the item for a null or another width."""
    _check_known(column, items, what)
    _check_lengths(np.diff(np.asarray(column.offsets)), width, "numbers", items, what)
    values = column.flatten()
    if values.null_count:
        row = int(np.flatnonzero(values.is_null().to_numpy(zero_copy_only=False))[0]) // width
        raise PinSageSparkError(f"expected numbers in {what} of item {items[row]}, found null")
    return np.ascontiguousarray(np.asarray(values), np.float32).reshape(len(column), width)


def _check_known(column: pa.Array, items: npt.NDArray[np.int64], what: str) -> None:
    if column.null_count:
        row = int(np.flatnonzero(column.is_null().to_numpy(zero_copy_only=False))[0])
        raise PinSageSparkError(f"expected {what} of item {items[row]}, found null")


def _check_lengths(lengths: npt.NDArray[Any], expected: int, unit: str, items: npt.NDArray[np.int64], what: str) -> None:
    wrong = np.flatnonzero(lengths != expected)
    if len(wrong):
        raise PinSageSparkError(f"expected {what} of {expected} {unit}, found {lengths[wrong[0]]} for item {items[wrong[0]]}")


def _binary_buffers(column: pa.Array) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.uint8]]:
    """Offsets of a (part of a) binary column in its bytes, and the bytes."""
    if not pa.types.is_binary(column.type):
        raise PinSageSparkError(f"expected a column of binary, found {column.type}")
    _, offsets, values = column.buffers()
    if len(column) == 0 or offsets is None:
        return np.zeros(len(column) + 1, np.int64), np.empty(0, np.uint8)
    at = np.frombuffer(offsets, np.int32)[column.offset : column.offset + len(column) + 1].astype(np.int64)
    return at, np.empty(0, np.uint8) if values is None else np.frombuffer(values, np.uint8)
