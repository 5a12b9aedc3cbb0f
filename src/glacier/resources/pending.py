"""Writes that are prepared and not yet published, so that many can run as one query."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from glacier.resources import formats

if TYPE_CHECKING:
    import polars as pl

    from glacier.resources.bucket import Bucket, Staged


@dataclass(frozen=True, slots=True)
class Written:
    """What a write has published.

    Attributes:
        rows: None where neither the frame nor Polars tells (a plan streamed to CSV or NDJSON).
        bytes: on the store, of all files.
        files: their paths in the bucket, sorted.

    >>> Written(rows=2, bytes=16, files=("2024.csv",)).files
    ('2024.csv',)
    """

    rows: int | None
    bytes: int
    files: tuple[str, ...]


@dataclass(slots=True)
class PendingWrite:
    """A prepared write: collect `plan` (alone, or many in one `pl.collect_all`), then `publish`; else `discard`.

    Attributes:
        plan: the lazy sink; None where Polars writes eagerly (JSON, Avro) and the temporary file is there already.

    >>> import polars as pl
    >>> from tempfile import mkdtemp
    >>> from glacier.providers import LocalProvider
    >>> sales = LocalProvider(mkdtemp()).bucket("sales", path="2024.parquet")
    >>> pending = sales.stage_write(pl.LazyFrame({"id": [1, 2]}))
    >>> _ = pl.collect_all([pending.plan], engine="streaming")
    >>> sales.exists(), pending.publish().rows, sales.exists()
    (False, 2, True)
    """

    plan: pl.LazyFrame | None
    _bucket: Bucket
    _staged: Staged
    _frame: pl.LazyFrame
    _rows: int | None
    _partitioned: bool
    _options: Mapping[str, Any]
    _sinked: list[Any] = field(default_factory=list[Any])

    def run(self) -> Written:
        """Collects the plan and publishes, or discards whatever goes wrong."""
        try:
            if self.plan is not None:
                self.plan.collect(engine="streaming")
            return self.publish()
        except BaseException:
            self.discard()
            raise

    def publish(self) -> Written:
        """Puts what was written in place of what the bucket's path held.

        Raises:
            StorageError: if the place cannot be taken; the old data is intact then.
        """
        files = self._staged.entries()
        if not files and self._partitioned:
            self._write_empty()
            files = self._staged.entries()
        rows = self._rows
        if rows is None and self._sinked:
            rows = sum(file.num_rows for sinked in self._sinked for file in sinked.paths)
        with self._bucket.sited():
            self._staged.publish()
        return Written(rows, sum(file.size for file in files), tuple(sorted(file.path for file in files)))

    def discard(self) -> None:
        """Removes what was written; the bucket's data is as it was."""
        self._staged.discard()

    def _write_empty(self) -> None:
        """A partitioned sink of no rows writes no file: one with the columns keeps the place readable."""
        import polars as pl

        bucket = self._bucket
        target = f"{self._staged.uri}/{formats.file_name(bucket.format)}"
        empty = pl.LazyFrame(schema=self._frame.collect_schema())
        formats.lazy_sink(
            empty, target, bucket.format, path=bucket.path, options=self._options, on_files=self._sinked.append
        ).collect()
