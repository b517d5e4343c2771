"""The C kernels of PinSageKit, called through ctypes on NumPy arrays.

The declarations repeat include/*.h, which say what each kernel does. Products use `ps_dense_packed_forward_f32`, as the local pass does: its
bits depend on a row, the weights and the instruction set alone, so that it does not matter how Spark cuts the rows into batches.
"""

from __future__ import annotations

import ctypes
import os
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from . import PinSageSparkError

Floats = npt.NDArray[np.float32]

_INSTRUCTION_SETS = {"scalar": 0, "avx2": 1, "avx512": 2, "neon": 3}
_NONE, _RELU = 0, 1


class _Context(ctypes.Structure):
    """ps_context"""

    _fields_ = [("leaves", ctypes.c_void_p), ("isa", ctypes.c_int), ("threads", ctypes.c_int32), ("bytes_per_thread", ctypes.c_int64)]


_p, _i, _n = ctypes.c_void_p, ctypes.c_int, ctypes.c_int64
_SIGNATURES: dict[str, list[Any]] = {
    "ps_context_make": [_i, ctypes.c_int32, _p],
    "ps_dense_packed_count": [_p, _n, _n, _p],
    "ps_dense_pack_f32": [_p, _p, _n, _n, _p],
    "ps_dense_packed_forward_f32": [_p, _p, _n, _p, _n, _p, _p, _n, _n, _n, _n, _i, _p],
    "ps_pool_weighted_forward_f32": [_p, _p, _p, _p, _p, _n, _n, _n, _p],
    "ps_pool_max_forward_f32": [_p, _p, _p, _p, _n, _n, _n, _p, _p],
    "ps_norm_l2_forward_f32": [_p, _p, _n, _n, _n, _p, _n, _p],
    "ps_convert_f32_to_bf16": [_p, _p, _n, _p],
    "ps_convert_bf16_to_f32": [_p, _p, _n, _p],
    "ps_convert_f16_to_f32": [_p, _p, _n, _p],
}


@dataclass(frozen=True)
class PackedWeights:
    """A weight matrix (outputs, inputs) in the order that the products of one context read."""

    values: Floats
    outputs: int
    inputs: int


class Kernels:
    """The kernels of one library, on one thread unless told otherwise: Spark runs a task on each core."""

    def __init__(self, library: str, threads: int = 1, instruction_set: str | None = None) -> None:
        try:
            self._library = ctypes.CDLL(library)
        except OSError as error:
            raise PinSageSparkError(
                f"expected the kernels in {library}, built by 'swift build -c release --product PinSageKernels' on the same kind of machine, "
                f"with libopenblas0 and libomp5 installed beside it; found: {error}"
            ) from error
        try:
            for name, arguments in _SIGNATURES.items():
                function = getattr(self._library, name)
                function.argtypes, function.restype = arguments, ctypes.c_int
            self._library.ps_status_name.argtypes, self._library.ps_status_name.restype = [_i], ctypes.c_char_p
            self._library.ps_isa_detect.argtypes, self._library.ps_isa_detect.restype = [], _i
        except AttributeError as error:
            raise PinSageSparkError(f"expected a library of PinSageKit's kernels in {library}, found: {error}") from error
        wanted = instruction_set or os.environ.get("PINSAGE_ISA")
        if wanted is not None and wanted not in _INSTRUCTION_SETS:
            raise PinSageSparkError(f"expected an instruction set among {', '.join(_INSTRUCTION_SETS)}, found '{wanted}'")
        isa = self._library.ps_isa_detect() if wanted is None else _INSTRUCTION_SETS[wanted]
        self._made = _Context()
        self._context = ctypes.addressof(self._made)
        self._check("ps_context_make", self._library.ps_context_make(isa, threads, self._context))

    # Products

    def packed(self, weight: Floats) -> PackedWeights:
        """Reorders a weight (outputs, inputs) for many products."""
        outputs, inputs = weight.shape
        count = ctypes.c_int64()
        self._check("ps_dense_packed_count", self._library.ps_dense_packed_count(self._context, inputs, outputs, ctypes.addressof(count)))
        values = np.empty(count.value, np.float32)
        pack = self._library.ps_dense_pack_f32
        self._check("ps_dense_pack_f32", pack(self._context, _pointer(weight, np.float32), inputs, outputs, _pointer(values, np.float32)))
        return PackedWeights(values, outputs, inputs)

    def dense(self, x: Floats, weight: PackedWeights, bias: Floats | None, relu: bool, beside: Floats | None = None) -> Floats:
        """act([x | beside] weight' + bias), (rows, outputs)."""
        rows, width = x.shape
        extra = 0 if beside is None else beside.shape[1]
        if width + extra != weight.inputs or (beside is not None and beside.shape[0] != rows):
            raise PinSageSparkError(
                f"expected rows of width {weight.inputs}, found {x.shape} and {None if beside is None else beside.shape}"
            )
        y = np.empty((rows, weight.outputs), np.float32)
        status = self._library.ps_dense_packed_forward_f32(
            self._context,
            _pointer(x, np.float32),
            width,
            None if beside is None else _pointer(beside, np.float32),
            extra,
            _pointer(weight.values, np.float32),
            None if bias is None else _pointer(bias, np.float32),
            rows,
            width,
            extra,
            weight.outputs,
            _RELU if relu else _NONE,
            _pointer(y, np.float32),
        )
        self._check("ps_dense_packed_forward_f32", status)
        return y

    def normalize_rows(self, x: Floats) -> None:
        """Divides each row by its length, in place; zeros stay."""
        rows, width = x.shape
        p = _pointer(x, np.float32)
        self._check("ps_norm_l2_forward_f32", self._library.ps_norm_l2_forward_f32(self._context, p, width, rows, width, p, width, None))

    # Pooling

    def pool(self, table: Floats, offsets: npt.NDArray[np.int64], targets: npt.NDArray[np.int32], weights: Floats) -> Floats:
        """Weighted sums of a table's rows: list b has the entries offsets[b] ..< offsets[b + 1]."""
        rows, width = len(offsets) - 1, table.shape[1]
        _same_length(offsets, targets, weights)
        out = np.empty((rows, width), np.float32)
        status = self._library.ps_pool_weighted_forward_f32(
            self._context,
            _pointer(table, np.float32),
            _pointer(offsets, np.int64),
            _pointer(targets, np.int32),
            _pointer(weights, np.float32),
            table.shape[0],
            width,
            rows,
            _pointer(out, np.float32),
        )
        self._check("ps_pool_weighted_forward_f32", status)
        return out

    def pool_max(self, table: Floats, offsets: npt.NDArray[np.int64], targets: npt.NDArray[np.int32]) -> Floats:
        """Element-wise maxima of a table's rows; zeros for an empty list."""
        rows, width = len(offsets) - 1, table.shape[1]
        _same_length(offsets, targets)
        out, winners = np.empty((rows, width), np.float32), np.empty((rows, width), np.int32)
        status = self._library.ps_pool_max_forward_f32(
            self._context,
            _pointer(table, np.float32),
            _pointer(offsets, np.int64),
            _pointer(targets, np.int32),
            table.shape[0],
            width,
            rows,
            _pointer(out, np.float32),
            _pointer(winners, np.int32),
        )
        self._check("ps_pool_max_forward_f32", status)
        return out

    # Conversions

    def bf16(self, values: Floats) -> npt.NDArray[np.uint16]:
        """The same numbers in bfloat16, rounded to nearest even."""
        out = np.empty(values.shape, np.uint16)
        convert = self._library.ps_convert_f32_to_bf16
        self._check("ps_convert_f32_to_bf16", convert(self._context, _pointer(values, np.float32), values.size, _pointer(out, np.uint16)))
        return out

    def widened(self, values: npt.NDArray[np.uint16], half: bool) -> Floats:
        """Floats of bfloat16 bits, or of IEEE half precision where `half`."""
        out = np.empty(values.shape, np.float32)
        name = "ps_convert_f16_to_f32" if half else "ps_convert_bf16_to_f32"
        self._check(name, getattr(self._library, name)(self._context, _pointer(values, np.uint16), values.size, _pointer(out, np.float32)))
        return out

    def _check(self, function: str, status: int) -> None:
        if status != 0:
            raise PinSageSparkError(f"{function} reports {self._library.ps_status_name(status).decode()}")


def _pointer(array: npt.NDArray[Any], dtype: Any) -> int:
    """The address of an array that C may read as it is. The caller keeps the array alive during the call."""
    if array.dtype != dtype or not array.flags.c_contiguous:
        raise PinSageSparkError(f"expected a contiguous array of {np.dtype(dtype)}, found {array.dtype} with strides {array.strides}")
    return array.ctypes.data


def _same_length(offsets: npt.NDArray[np.int64], *entries: npt.NDArray[Any]) -> None:
    """C reads as many entries as the last offset says."""
    for array in entries:
        if len(offsets) == 0 or len(array) != offsets[-1]:
            raise PinSageSparkError(f"expected {offsets[-1] if len(offsets) else 'offsets and'} entries of lists, found {len(array)}")
