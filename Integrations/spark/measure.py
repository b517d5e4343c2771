"""What the pass costs on this machine, and what that comes to for more items.

    python measure.py --program pinsage-cli --library libPinSageKernels.so

Makes a dataset and an untrained model, embeds it on a master and two workers here, and prints task seconds and bytes for each stage, by
Spark's own counts. A task's seconds count while it waits for a core, too: where other programs run, only the processor time, which is printed for all
stages together, says something. `--blocks` decides how many partial sums an item gets: as many as there are blocks in the best case, one for each
neighbor in the worst.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import tempfile
import threading
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType

from standalone import StandaloneCluster


class ProcessorTime:
    """Seconds of processor time of what some processes start while the `with` statement lasts, as /proc says each half second."""

    def __init__(self, roots: Iterable[int]) -> None:
        self._roots, self._ticks, self._done = set(roots), {}, threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> ProcessorTime:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._done.set()
        self._thread.join()

    @property
    def seconds(self) -> float:
        return sum(self._ticks.values()) / os.sysconf("SC_CLK_TCK")

    def _watch(self) -> None:
        while not self._done.wait(0.5):
            parents, ticks = {}, {}
            for path in Path("/proc").glob("[0-9]*/stat"):
                try:
                    fields = path.read_text().rpartition(")")[2].split()
                except OSError:
                    continue
                process = int(path.parent.name)
                parents[process], ticks[process] = int(fields[1]), int(fields[11]) + int(fields[12])
            for process in ticks:
                above = parents[process]
                while above in parents and above not in self._roots:
                    above = parents[above]
                if above in self._roots:
                    self._ticks[process] = ticks[process]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--program", required=True)
    parser.add_argument("--library", required=True)
    parser.add_argument("--items", type=int, default=100_000)
    parser.add_argument("--width", type=int, default=256, help="of features, layers and embeddings")
    parser.add_argument("--hidden", type=int, default=512)
    parser.add_argument("--layers", type=int, default=2)
    parser.add_argument("--neighbors", type=int, default=50)
    parser.add_argument("--blocks", type=int, default=2)
    parser.add_argument("--latents", default="f32")
    parser.add_argument("--extrapolate", type=float, default=3e9, help="items to say the cost of")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="pinsage-measure-") as folder:
        width, items = str(options.width), options.items
        subprocess.run(
            [
                options.program,
                "synth",
                "--items",
                str(items),
                "--collections",
                str(items // 2),
                "--edges",
                str(6 * items),
                "--dimension",
                width,
                "--output",
                f"{folder}/d",
                "--model",
                f"{folder}/m",
                "--layers",
                str(options.layers),
                "--hidden",
                str(options.hidden),
                "--layer-width",
                width,
                "--embedding",
                width,
                "--neighbors",
                str(options.neighbors),
                "--quiet",
            ],
            check=True,
            stdout=subprocess.DEVNULL,
        )
        with StandaloneCluster(workers=2, worker_memory="2500m", executor_memory="2g") as cluster, ProcessorTime(cluster.workers) as executors:
            result = cluster.submit(
                "embed",
                "--model",
                f"{folder}/m",
                "--dataset",
                f"{folder}/d",
                "--program",
                options.program,
                "--library",
                options.library,
                "--output",
                f"{folder}/e",
                "--report",
                f"{folder}/report.json",
                "--blocks",
                str(options.blocks),
                "--latents",
                options.latents,
            )
        if result.returncode != 0:
            raise SystemExit(result.stderr[-4000:])
        report = json.loads(Path(f"{folder}/report.json").read_text())
    millions = items / 1e6
    stages = [("inputs and neighborhoods", report["input_task_seconds"], 0, report["input_seconds"])]
    for index, layer in enumerate(report["layers"]):
        stages.append((f"layer {index + 1}", layer["task_seconds"], layer["shuffled_bytes"], layer["seconds"]))
        print(f"layer {index + 1}: {layer['partial_sums'] / items:.1f} partial sums an item, in {report['blocks']} blocks")
    print(
        f"{items} items, {width} features, hidden {options.hidden}, T {options.neighbors}, latents {options.latents}; for each million items:"
    )
    for name, seconds, shuffled, wall in stages:
        print(
            f"  {name}: {seconds / millions:.0f} task seconds, {shuffled / millions / 1e9:.1f} GB shuffled ({wall:.0f} s of wall time here)"
        )
    seconds, shuffled = (sum(stage[column] for stage in stages) for column in (1, 2))
    factor = options.extrapolate / items
    print(f"  together: {seconds / millions:.0f} task seconds, {shuffled / millions / 1e9:.1f} GB shuffled")
    print(f"  together: {executors.seconds / millions:.0f} seconds of processor time of executors and what they start, their own start included")
    print(
        f"{options.extrapolate:.0f} items at that rate: {seconds * factor / 3600:.0f} core hours ({executors.seconds * factor / 3600:.0f} of processor time), {shuffled * factor / 1e12:.0f} TB shuffled in all, "
        f"{max(stage[2] for stage in stages) * factor / 1e12:.0f} TB of them on disks at once"
    )


if __name__ == "__main__":
    main()
