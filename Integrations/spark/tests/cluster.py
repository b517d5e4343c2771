"""The pass on a real cluster beside the local one:   python -m tests.cluster --program pinsage-cli --library libPinSageKernels.so

Not found by unittest's discovery: it starts a master and two workers. `make test-spark` runs it.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
import unittest
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pyarrow.parquet as pq

from standalone import StandaloneCluster

TOLERANCE = 1e-4


class ClusterTests(unittest.TestCase):
    program: ClassVar[str]
    library: ClassVar[str]
    items: ClassVar[int] = 3000

    @classmethod
    def setUpClass(cls) -> None:
        cls.folder = Path(cls.enterClassContext(tempfile.TemporaryDirectory(prefix="pinsage-spark-data-")))
        cls.cluster = cls.enterClassContext(StandaloneCluster(workers=2))
        made = cls.run_program(
            "synth",
            "--items",
            str(cls.items),
            "--collections",
            "600",
            "--edges",
            "12000",
            "--dimension",
            "24",
            "--feature-type",
            "float16",
            "--output",
            cls.at("d"),
            "--json",
        )
        cls.lonely = json.loads(made)["items_without_edges"]

    @classmethod
    def at(cls, name: str) -> str:
        return str(cls.folder / name)

    @classmethod
    def run_program(cls, *arguments: str) -> str:
        result = subprocess.run([cls.program, *arguments], capture_output=True, text=True)
        if result.returncode != 0:
            raise AssertionError(f"{' '.join(arguments)} ended with {result.returncode}: {result.stderr}")
        return result.stdout

    def train(self, name: str, *arguments: str) -> None:
        self.run_program(
            "train",
            self.at("d"),
            "--output",
            self.at(name),
            "--epochs",
            "1",
            "--hidden",
            "32",
            "--layer-width",
            "24",
            "--dimension",
            "16",
            "--neighbors",
            "8",
            "--walks",
            "30",
            "--quiet",
            *arguments,
        )

    def local(self, model: str) -> tuple[np.ndarray, list[str]]:
        self.run_program("embed", "--model", self.at(model), "--dataset", self.at("d"), "--output", self.at(f"{model}.local"), "--quiet")
        self.run_program(
            "export", "--embeddings", self.at(f"{model}.local"), "--format", "npy", "--output", self.at(f"{model}.npy"), "--quiet"
        )
        return np.load(self.at(f"{model}.npy")), Path(self.at(f"{model}.npy.ids.txt")).read_text().splitlines()

    def embed(self, output: str, model: str, *arguments: str) -> dict[str, Any]:
        result = self.cluster.submit(
            "embed",
            "--model",
            self.at(model),
            "--library",
            self.library,
            "--output",
            self.at(output),
            "--report",
            self.at("report.json"),
            *arguments,
        )
        self.assertEqual(result.returncode, 0, (result.stdout + result.stderr)[-6000:])
        return json.loads(Path(self.at("report.json")).read_text())

    def check(self, output: str, model: str, report: dict[str, Any], layers: int) -> None:
        """Equal to the local pass, and every vector computed and written once."""
        vectors, ids = self.local(model)
        table = pq.read_table(self.at(output)).sort_by("item")
        self.assertEqual(table["item"].to_pylist(), list(range(self.items)))
        if "id" in table.column_names:
            self.assertEqual(table["id"].to_pylist(), ids)
        found = np.asarray(table["vector"].combine_chunks().flatten()).reshape(self.items, -1)
        print(
            f"{output}: largest difference {np.abs(found - vectors).max():.2e} of {vectors.shape} numbers up to {np.abs(vectors).max():.2f}"
        )
        np.testing.assert_allclose(found, vectors, atol=TOLERANCE, rtol=0)
        self.assertEqual(len(report["layers"]), max(1, layers))
        for layer in report["layers"]:
            self.assertEqual((layer["written"], layer["transformed"], layer["computed_twice"]), (self.items, self.items, 0), layer)
            self.assertEqual(layer["projected"], self.items if layers else None, layer)
            self.assertEqual(layer["failed_tasks"], 0, layer)

    def check_answers(self, output: str, model: str) -> None:
        """An index of what is collected answers as one of the local pass's embeddings."""
        collected = self.cluster.submit("collect", "--embeddings", self.at(output), "--output", self.at(f"{output}.npy"))
        self.assertEqual(collected.returncode, 0, (collected.stdout + collected.stderr)[-6000:])
        vectors, ids = self.local(model)
        self.assertEqual(Path(self.at(f"{output}.npy.ids.txt")).read_text().splitlines(), ids)
        np.testing.assert_allclose(np.load(self.at(f"{output}.npy")), vectors, atol=TOLERANCE, rtol=0)
        for embeddings, index in ((f"{output}.npy", "collected.index"), (f"{model}.local", "local.index")):
            self.run_program("index", "--embeddings", self.at(embeddings), "--output", self.at(index), "--quiet")
        for item in (0, 1, self.items // 2, self.items - 1):
            found, expected = (
                json.loads(self.run_program("query", "--index", self.at(index), "--item", ids[item], "-k", "10", "--json"))["results"]
                for index in ("collected.index", "local.index")
            )
            np.testing.assert_allclose([row["score"] for row in found], [row["score"] for row in expected], atol=TOLERANCE, rtol=0)
            # Items whose scores are closer than the passes are to each other may change places.
            scores = {row["item"]: row["score"] for row in expected}
            last = expected[-1]["score"]
            for row in found:
                self.assertAlmostEqual(row["score"], scores.get(row["item"], last), delta=TOLERANCE)

    def test_from_a_dataset_with_everything_in_it(self) -> None:
        """Two layers, tables, degrees and learned ids; the executors run the program for inputs and neighborhoods."""
        self.assertGreater(self.lonely, 0, "the data should have an item without edges")
        self.train("m", "--layers", "2", "--id-features", "6")
        report = self.embed("e", "m", "--dataset", self.at("d"), "--program", self.program, "--blocks", "5", "--keep-work")
        self.check("e", "m", report, 2)
        self.assertEqual(report["blocks"], 5)
        # Where it was stopped after the first layer, only the last is computed.
        subprocess.run(["rm", "-r", self.at("e")], check=True)
        report = self.embed("e", "m", "--dataset", self.at("d"), "--program", self.program, "--blocks", "5")
        self.assertEqual([layer["projected"] for layer in report["layers"]], [None, self.items])
        self.assertFalse(Path(self.at("e.parts")).exists())
        self.check_answers("e", "m")
        refused = self.cluster.submit(
            "embed", "--model", self.at("m"), "--library", self.library, "--output", self.at("e"), "--dataset", self.at("d")
        )
        # spark-submit gives what the program writes to standard error to its own standard output.
        self.assertIn(f"error: expected nothing at {self.at('e')}, found something", refused.stdout)

    def test_from_tables(self) -> None:
        """One layer with max pooling; nothing but Parquet reaches the executors."""
        self.train("x", "--layers", "1", "--pooling", "max")
        config = json.loads(Path(self.at("x/config.json")).read_text())
        walks = config["walks"]
        for shard in ("1/2", "2/2"):
            self.run_program(
                "neighbors",
                self.at("d"),
                "--all",
                "--shard",
                shard,
                "--output",
                self.at("n" + shard[0]),
                "--neighbors",
                str(walks["neighbors"]),
                "--walks",
                str(walks["walks"]),
                "--walk-length",
                str(walks["walkLength"]),
                "--restart",
                str(walks["restart"]),
                "--size-exponent",
                str(walks["sizeExponent"]),
                "--seed",
                str(config["seed"]),
                "--quiet",
            )
        for arguments in (
            ["features", "--dataset", self.at("d"), "--output", self.at("f.parquet")],
            ["neighborhoods", "--neighborhoods", self.at("n1"), self.at("n2"), "--output", self.at("n.parquet")],
        ):
            result = self.cluster.submit(*arguments)
            self.assertEqual(result.returncode, 0, (result.stdout + result.stderr)[-6000:])
        tables = ["--features", self.at("f.parquet"), "--neighborhoods", self.at("n.parquet")]
        self.check("y", "x", self.embed("y", "x", *tables), 1)
        # What a task finds wrong is what the user reads.
        wrong = self.at("wrong.parquet")
        broken = pq.read_table(self.at("n.parquet")).sort_by("item")
        lists = broken["neighbors"].to_pylist()
        row = next(index for index, neighbors in enumerate(lists) if neighbors)
        lists[row][0] = self.items + 7
        pq.write_table(broken.set_column(1, "neighbors", [lists]), wrong)
        failed = self.cluster.submit(
            "embed",
            "--model",
            self.at("x"),
            "--library",
            self.library,
            "--output",
            self.at("z"),
            "--features",
            self.at("f.parquet"),
            "--neighborhoods",
            wrong,
        )
        self.assertNotEqual(failed.returncode, 0)
        self.assertIn(
            f"error: expected neighbors among the items 0 ..< {self.items}, found {self.items + 7} in the neighborhood of item {row}",
            failed.stdout,
        )

    def test_without_layers(self) -> None:
        self.train("k", "--layers", "0")
        self.check("w", "k", self.embed("w", "k", "--dataset", self.at("d"), "--program", self.program), 0)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--program", required=True)
    parser.add_argument("--library", required=True)
    options, rest = parser.parse_known_args()
    ClusterTests.program, ClusterTests.library = options.program, options.library
    unittest.main(argv=["cluster", "--verbose", *rest])
