"""What the driver asks of the storage that Spark writes to (local, HDFS or an object store), through Hadoop's own interface."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import PinSageSparkError

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


class Storage:
    def __init__(self, spark: SparkSession) -> None:
        self._path = spark._jvm.org.apache.hadoop.fs.Path
        self._configuration = spark._jsc.hadoopConfiguration()

    def exists(self, path: str) -> bool:
        system, target = self._system(path)
        return bool(system.exists(target))

    def is_complete(self, path: str) -> bool:
        """Whether Spark finished writing a table here."""
        return self.exists(f"{path}/_SUCCESS")

    def remove(self, path: str) -> None:
        system, target = self._system(path)
        system.delete(target, True)

    def remove_empty(self, path: str) -> None:
        """Removes a folder that has nothing in it, and no other."""
        system, target = self._system(path)
        if len(system.listStatus(target)) == 0:
            system.delete(target, False)

    def rename(self, source: str, target: str) -> None:
        system, path = self._system(source)
        system.mkdirs(self._path(target).getParent() or self._path("/"))
        if not system.rename(path, self._path(target)):
            raise PinSageSparkError(f"expected to move {source} to {target}, and could not: it is left where it is")

    def _system(self, path: str) -> tuple[Any, Any]:
        target = self._path(path)
        return target.getFileSystem(self._configuration), target
