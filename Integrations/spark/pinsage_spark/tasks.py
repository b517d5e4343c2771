"""What Spark's own interface (/api/v1 of the driver's page) says of the tasks that ran; nothing where the page is switched off."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


@dataclass(frozen=True)
class Costs:
    task_seconds: float | None = None
    shuffled_bytes: int | None = None
    failed_tasks: int | None = None


class TaskCosts:
    def __init__(self, spark: SparkSession) -> None:
        context = spark.sparkContext
        self._address = f"{context.uiWebUrl}/api/v1/applications/{context.applicationId}/stages" if context.uiWebUrl else None
        self._seen: set[tuple[int, int]] = set()

    def since_last(self) -> Costs:
        """The stages that finished since the last call."""
        stages = self._stages()
        if stages is None:
            return Costs()
        new = [stage for stage in stages if (stage["stageId"], stage["attemptId"]) not in self._seen and stage["status"] != "PENDING"]
        self._seen |= {(stage["stageId"], stage["attemptId"]) for stage in new}
        return Costs(
            sum(stage["executorRunTime"] for stage in new) / 1000,
            sum(stage["shuffleWriteBytes"] for stage in new),
            sum(stage["numFailedTasks"] for stage in new),
        )

    def _stages(self) -> list[dict[str, Any]] | None:
        if self._address is None:
            return None
        try:
            # The page hears of a stage's end a moment later than the driver.
            time.sleep(0.5)
            with urllib.request.urlopen(self._address, timeout=30) as answer:
                return json.load(answer)
        except (urllib.error.URLError, OSError, ValueError):
            return None
