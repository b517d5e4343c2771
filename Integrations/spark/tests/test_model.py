"""A model's folder is read, and one that does not hold together refused with what is wrong."""

import json
import tempfile
import unittest
from pathlib import Path

import numpy as np

from pinsage_spark import PinSageSparkError
from pinsage_spark.model import Model

from . import cases


class ModelTests(unittest.TestCase):
    def setUp(self) -> None:
        self.folder = Path(self.enterContext(tempfile.TemporaryDirectory())) / "model"

    def test_reads_what_is_there(self) -> None:
        model = Model.open(str(cases.write_model(self.folder)))
        self.assertEqual((model.pooling, model.hidden_width, model.neighbors_per_layer), ("mean", 3, (4,)))
        self.assertEqual(model.layers[0].w.shape, (2, 5))
        self.assertEqual([block.name for block in model.features.dense], ["a"])

    def fails(self, expected: str) -> None:
        with self.assertRaisesRegex(PinSageSparkError, expected):
            Model.open(str(self.folder))

    def test_refuses_other_kinds_versions_and_lengths(self) -> None:
        self.fails("manifest.json: expected a JSON object")
        cases.write_model(self.folder)
        cases.write_manifest(self.folder, kind="dataset")
        self.fails("expected a model, found an artifact of kind 'dataset'")
        cases.write_manifest(self.folder, schema=2)
        self.fails("expected schema 1, found 2")
        cases.write_manifest(self.folder)
        with (self.folder / "weights.safetensors").open("ab") as file:
            file.write(b"more")
        self.fails("weights.safetensors: expected .* bytes, found")

    def test_refuses_other_features(self) -> None:
        cases.write_model(self.folder)
        for change, expected in (({"version": 2}, "features of version 1, found 2"), ({"width": 3}, "features of width 2, found 3")):
            value = {"version": 1, "width": 2, "dense": [], **change}
            (self.folder / "features.json").write_text(json.dumps(value))
            cases.write_manifest(self.folder)
            self.fails(expected)

    def test_names_what_only_the_program_makes(self) -> None:
        cases.write_model(self.folder, idWidth=1)
        (self.folder / "features.json").write_text(json.dumps({"version": 1, "width": 1, "dense": [], "text": {}}))
        cases.write_manifest(self.folder)
        self.assertEqual(Model.open(str(self.folder)).features.only_local, ("text", "id vectors"))

    def test_refuses_tensors_that_do_not_fit(self) -> None:
        cases.write_model(self.folder, hiddenWidth=4)
        self.fails(r"convolve.0.q.weight to have the shape \(4, 2\), found \(3, 2\)")
        cases.write_safetensors(self.folder / "weights.safetensors", {"head.g1.bias": np.zeros(2, np.float32)})
        cases.write_manifest(self.folder)
        self.fails("expected the tensor convolve.0.q.weight, found none")
        cases.write_safetensors(self.folder / "weights.safetensors", {"a": np.zeros(2, np.float32)}, dtype="F16")
        cases.write_manifest(self.folder)
        self.fails("expected a as F32, found F16")
        for damaged in (b"", b"\xff" * 8, b"\x02" + b"\0" * 7 + b"[]", b"\x03" + b"\0" * 7 + b"{a}"):
            (self.folder / "weights.safetensors").write_bytes(damaged)
            cases.write_manifest(self.folder)
            self.fails("weights.safetensors")

    def test_refuses_poolings_and_neighbors_that_are_unknown(self) -> None:
        cases.write_model(self.folder, pooling="median")
        self.fails("pooling among importance, mean, max, found 'median'")

    def test_refuses_more_layers_than_neighbors(self) -> None:
        cases.write_model(self.folder, layers=2)
        self.fails("expected 2 numbers of neighbors up to 4")


if __name__ == "__main__":
    unittest.main()
