"""Writes that are prepared and not yet published, so that many can run as one query."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import IO, TYPE_CHECKING, Any, cast

from glacier.doing import moved, publish, tells_origins
from glacier.frameplans import origins_of
from glacier.lease import Lease, current_lease, discard, publishing
from glacier.origins import Origins, Published
from glacier.resources import formats
from glacier.schemas import recorded_dtype

if TYPE_CHECKING:
    import polars as pl

    from glacier.resources.bucket import Bucket
    from glacier.resources.store import Staged

_TAIL_BYTES = 1024 * 1024
"""Kept of each file: the footer of a Parquet file with 10,000 column chunks."""


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
    _keys: Sequence[str]
    _options: Mapping[str, Any]
    _lease: Lease | None = field(default_factory=current_lease)
    _sinked: list[Any] = field(default_factory=list[Any])
    _tails: list[_Tail] = field(default_factory=list["_Tail"])
    _published: Published | None = None

    @classmethod
    def of(
        cls, bucket: Bucket, staged: Staged, frame: pl.DataFrame | pl.LazyFrame, options: Mapping[str, Any], *keys: str
    ) -> PendingWrite:
        """Prepares the write of a frame to a staged place; what cannot be streamed is computed and written there now.

        Args:
            bucket: tells path and format.
            staged: where it is written first.
            frame: what to write.
            options: of the format's Polars function, checked.
            keys: columns to partition by.
        """
        import polars as pl

        rows = frame.height if isinstance(frame, pl.DataFrame) else None
        pending = cls(None, bucket, staged, frame.lazy(), rows, keys, options)
        handed = tells_origins()
        if handed is not None:  # now, while the plan's files are as it found them
            pending._published = _about(bucket, frame.lazy(), handed)
        if formats.streams(bucket.format):
            pending.plan = pending._sink(frame.lazy(), keys)
        else:
            whole = frame.lazy().collect(engine="streaming")
            pending._rows = whole.height
            formats.write_function(bucket.format)(whole, pending._file(pending._name), **options)
        return pending

    def run(self) -> Written:
        """Collects the plan and publishes, or discards whatever goes wrong."""
        try:
            if self.plan is not None:
                self.plan.collect(engine="streaming")
            return self.publish()
        except BaseException:
            failure = self._staged.failure
            self.discard()
            if failure is not None:
                failure.site = failure.site or self._bucket.site
                raise failure from None  # what Polars makes of it is longer and says less
            raise

    def publish(self) -> Written:
        """Puts what was written in place of what the bucket's path held.

        Raises:
            StorageError: if the place cannot be taken; the old data is intact then.
            GivenUp: if the run has given up the task that prepared the write; nothing is published.
        """
        with publishing(self._staged, self._lease), self._bucket.sited():
            files = self._staged.entries()
            if not files and self._keys:  # a partitioned sink of no rows writes no file: the columns must stay known
                import polars as pl

                self._sink(pl.LazyFrame(schema=self._frame.collect_schema()), ()).collect()
                files = self._staged.entries()
            rows = self._written_rows() if self._rows is None else self._rows
            self._staged.publish()
        written = Written(rows, sum(file.size for file in files), tuple(sorted(file.path for file in files)))
        moved("out", written.rows, written.bytes)
        if self._published is not None:
            publish(replace(self._published, rows=written.rows, bytes=written.bytes, files=len(files)))
        return written

    def discard(self) -> None:
        """Removes what was written; the bucket's data is as it was."""
        discard(self._staged, self._lease)

    @property
    def _name(self) -> str:
        """The one file's name in a directory; empty for a path that is a file."""
        is_tree = self._bucket.path.endswith("/") or bool(self._keys)
        return formats.file_name(self._bucket.format) if is_tree else ""

    def _sink(self, frame: pl.LazyFrame, keys: Sequence[str]) -> pl.LazyFrame:
        kind = self._bucket.format
        target = formats.partitioned(keys, kind, self._file) if keys else self._file(self._name)
        on_files = None if self._staged.takes_bytes else self._sinked.append
        return formats.lazy_sink(frame, target, kind, path=self._bucket.path, options=self._options, on_files=on_files)

    def _file(self, path: str) -> str | IO[bytes]:
        place = self._staged.file(path)
        if isinstance(place, str):
            return place
        self._tails.append(tail := _Tail())
        return cast("IO[bytes]", _Recorded(place, tail))

    def _written_rows(self) -> int | None:
        if self._sinked:
            rows: int = sum(file.num_rows for sinked in self._sinked for file in sinked.paths)
            return rows
        counts = [formats.rows_told(self._bucket.format, b"".join(tail.pieces)) for tail in self._tails]
        known = [count for count in counts if count is not None]
        return sum(known) if known and len(known) == len(counts) else None


def _about(bucket: Bucket, frame: pl.LazyFrame, handed: Mapping[str, Origins | None]) -> Published:
    """Gives what is known of a write before it is made."""
    schema = {name: recorded_dtype(dtype) for name, dtype in frame.collect_schema().items()}
    origins = origins_of(frame)
    return Published(bucket.uri, bucket.format, schema, None, 0, 0, origins and origins.through(handed))


@dataclass(slots=True)
class _Tail:
    """The last bytes of a file: where Parquet says how many rows there are."""

    pieces: deque[bytes] = field(default_factory=deque[bytes])
    size: int = 0

    def add(self, piece: bytes) -> None:
        self.pieces.append(piece)
        self.size += len(piece)
        while self.size - len(self.pieces[0]) >= _TAIL_BYTES:
            self.size -= len(self.pieces.popleft())


@dataclass(slots=True)
class _Recorded:
    """Hands on what Polars writes, and keeps its tail. Polars drops it when the file is complete."""

    place: IO[bytes]
    tail: _Tail

    def write(self, data: bytes, /) -> int:
        self.tail.add(data)
        return self.place.write(data)

    def flush(self) -> None:
        """Is there because Polars asks for it; the store decides when to send."""
