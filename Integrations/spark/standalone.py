"""A real standalone cluster on this machine, for tests and measurements: a master, workers with a core each, and what is submitted to them."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Callable

FOLDER = Path(__file__).resolve().parent


class StandaloneCluster:
    """Runs while the `with` statement lasts; whatever happens in it, its processes are ended."""

    def __init__(self, workers: int = 2, worker_memory: str = "1500m", executor_memory: str = "1g") -> None:
        import pyspark

        self._home = Path(pyspark.__file__).parent
        self._count, self._worker_memory, self._executor_memory = workers, worker_memory, executor_memory
        self._folder = tempfile.TemporaryDirectory(prefix="pinsage-spark-")
        self._processes: list[subprocess.Popen[bytes]] = []
        self._environment = {
            **os.environ,
            "SPARK_LOCAL_IP": "127.0.0.1",
            "SPARK_LOCAL_DIRS": f"{self._folder.name}/local",
            "SPARK_HOME": str(self._home),
            "PYSPARK_PYTHON": sys.executable,
            "PYSPARK_DRIVER_PYTHON": sys.executable,
            "SPARK_DAEMON_MEMORY": "256m",
        }
        self.address = ""

    def __enter__(self) -> StandaloneCluster:
        try:
            master = self._start(
                "master", "org.apache.spark.deploy.master.Master", "--host", "127.0.0.1", "--port", "0", "--webui-port", "0"
            )
            self.address = self._wait(master, r"Starting Spark master at (spark://\S+)")
            page = self._wait(master, r"MasterWebUI to .*?(?:at |and started at )(http://\S+)")
            for number in range(self._count):
                self._start(
                    f"worker{number}",
                    "org.apache.spark.deploy.worker.Worker",
                    "--cores",
                    "1",
                    "--memory",
                    self._worker_memory,
                    "--webui-port",
                    "0",
                    "--work-dir",
                    f"{self._folder.name}/work{number}",
                    self.address,
                )
            self._until(lambda: self._alive(page) == self._count, f"{self._count} workers")
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._stop()

    @property
    def workers(self) -> list[int]:
        """The processes of the workers, whose children the executors are."""
        return [process.pid for process in self._processes[1:]]

    def submit(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Runs submit.py with these arguments on the cluster."""
        command = [
            str(self._home / "bin" / "spark-submit"),
            "--master",
            self.address,
            "--executor-memory",
            self._executor_memory,
            "--driver-memory",
            "768m",
            "--conf",
            "spark.log.level=WARN",
            "--conf",
            "spark.driver.host=127.0.0.1",
            str(FOLDER / "submit.py"),
            *arguments,
        ]
        return subprocess.run(command, env=self._environment, capture_output=True, text=True)

    def _start(self, name: str, *arguments: str) -> Path:
        log = Path(self._folder.name) / f"{name}.log"
        with log.open("wb") as output:
            command = [str(self._home / "bin" / "spark-class"), *arguments]
            self._processes.append(subprocess.Popen(command, env=self._environment, stdout=output, stderr=subprocess.STDOUT))
        return log

    def _wait(self, log: Path, pattern: str) -> str:
        found: list[str] = []

        def look() -> bool:
            match = re.search(pattern, log.read_text(errors="replace"))
            if match:
                found.append(match.group(1).rstrip("."))
            return bool(match)

        self._until(look, f"'{pattern}' in {log.name}", log)
        return found[0]

    def _alive(self, page: str) -> int:
        try:
            with urllib.request.urlopen(f"{page}/json/", timeout=5) as answer:
                return int(json.load(answer)["aliveworkers"])
        except (OSError, ValueError):
            return 0

    def _until(self, done: Callable[[], bool], what: str, log: Path | None = None) -> None:
        deadline = time.monotonic() + 180
        while not done():
            if time.monotonic() > deadline or any(process.poll() is not None for process in self._processes):
                said = log.read_text(errors="replace")[-2000:] if log else ""
                raise RuntimeError(f"expected {what} within three minutes of starting the cluster, found none\n{said}")
            time.sleep(0.2)

    def _stop(self) -> None:
        for process in reversed(self._processes):
            process.terminate()
        for process in self._processes:
            try:
                process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._folder.cleanup()
