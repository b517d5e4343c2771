"""The binding: every kernel that is called gives what NumPy gives, and refuses what C must not read."""

import unittest

import numpy as np

from pinsage_spark import PinSageSparkError
from pinsage_spark.kernels import Kernels

from . import cases


class KernelTests(unittest.TestCase):
    def setUp(self) -> None:
        self.kernels, self.random = cases.kernels(), np.random.default_rng(1)

    def matrix(self, *shape: int) -> np.ndarray:
        return self.random.standard_normal(shape).astype(np.float32)

    def test_dense(self) -> None:
        for rows in (0, 1, 97):
            x, beside, weight, bias = self.matrix(rows, 20), self.matrix(rows, 5), self.matrix(13, 25), self.matrix(13)
            expected = np.concatenate([x, beside], axis=1).astype(np.float64) @ weight.T.astype(np.float64) + bias
            found = self.kernels.dense(x, self.kernels.packed(weight), bias, relu=True, beside=beside)
            np.testing.assert_allclose(found, np.maximum(expected, 0), atol=1e-5)
            alone = self.kernels.dense(x, self.kernels.packed(np.ascontiguousarray(weight[:, :20])), None, relu=False)
            np.testing.assert_allclose(alone, x.astype(np.float64) @ weight[:, :20].T.astype(np.float64), atol=1e-5)

    def test_rows_do_not_depend_on_their_batch(self) -> None:
        x, weight = self.matrix(50, 700), self.kernels.packed(self.matrix(30, 700))
        whole = self.kernels.dense(x, weight, None, relu=False)
        part = self.kernels.dense(np.ascontiguousarray(x[17:18]), weight, None, relu=False)
        self.assertTrue(np.array_equal(part[0], whole[17]))

    def test_pooling(self) -> None:
        table, offsets, targets = self.matrix(6, 33), np.array([0, 2, 2, 5]), np.array([5, 0, 1, 1, 3], np.int32)
        weights = self.matrix(5)
        expected = [weights[a:b] @ table[targets[a:b]] for a, b in ((0, 2), (2, 2), (2, 5))]
        np.testing.assert_allclose(self.kernels.pool(table, offsets, targets, weights), expected, atol=1e-5)
        largest = [table[targets[0:2]].max(axis=0), np.zeros(33), table[targets[2:5]].max(axis=0)]
        np.testing.assert_array_equal(self.kernels.pool_max(table, offsets, targets), np.asarray(largest, np.float32))

    def test_normalizes_rows(self) -> None:
        x = self.matrix(5, 40)
        x[2] = 0
        expected = x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-30)
        self.kernels.normalize_rows(x)
        np.testing.assert_allclose(x, expected, atol=1e-6)

    def test_conversions(self) -> None:
        values = np.array([[0, 1, -2.5, 65504, 1e-3]], np.float32)
        np.testing.assert_array_equal(self.kernels.widened(values.astype(np.float16).view(np.uint16), half=True), values.astype(np.float16))
        exact = (values.view(np.uint32) & 0xFFFF0000).view(np.float32)
        np.testing.assert_array_equal(self.kernels.widened(self.kernels.bf16(exact), half=False), exact)

    def test_refuses_what_c_would_read_wrongly(self) -> None:
        weight = self.kernels.packed(self.matrix(3, 4))
        for x in (self.matrix(2, 5), self.matrix(2, 4).astype(np.float64), self.matrix(4, 2).T):
            with self.assertRaises(PinSageSparkError):
                self.kernels.dense(x, weight, None, relu=False)
        table, offsets = self.matrix(3, 2), np.array([0, 2])
        for targets in (np.array([0, 3], np.int32), np.array([-1, 0], np.int32), np.array([0], np.int32)):
            with self.assertRaises(PinSageSparkError):
                self.kernels.pool(table, offsets, targets, np.ones(len(targets), np.float32))

    def test_says_what_is_wrong_with_a_library(self) -> None:
        with self.assertRaisesRegex(PinSageSparkError, "nowhere.so.*swift build"):
            Kernels("/nowhere.so")
        with self.assertRaisesRegex(PinSageSparkError, "PinSageKit's kernels"):
            Kernels("libc.so.6")
        with self.assertRaisesRegex(PinSageSparkError, "'sse'"):
            Kernels(cases.library(), instruction_set="sse")


if __name__ == "__main__":
    unittest.main()
