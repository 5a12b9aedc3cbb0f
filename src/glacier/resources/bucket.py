"""Buckets: what a pipeline reads from and writes to, on any provider."""

from __future__ import annotations

import sys
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol, Self

from glacier.errors import ConfigError, GlacierError, Site
from glacier.graph import Resource
from glacier.permits import require
from glacier.rehearsal import Unknowable, rehearsed
from glacier.resources import contract, formats, objects, paths
from glacier.resources.formats import Format
from glacier.resources.pending import PendingWrite
from glacier.schemas import SchemaLike, schema_from
from glacier.storage import storage_node
from glacier.trace import current_plan
from glacier.work import Located

if TYPE_CHECKING:
    import polars as pl


@dataclass(frozen=True, slots=True, order=True)
class Entry:
    """An object that a store holds.

    Attributes:
        path: in the bucket, with "/".
        size: in bytes.

    >>> sorted([Entry("b.csv", 3), Entry("a.csv", 9)])[0].path
    'a.csv'
    """

    path: str
    size: int


class Staged(Protocol):
    """A place beside a path, where Polars writes what no reader sees before it is published."""

    @property
    def uri(self) -> str:
        """Where to write: a file, or the top of a tree if the path ends in "/"."""
        ...

    def entries(self) -> list[Entry]:
        """What has been written so far, by the paths that it will have."""
        ...

    def publish(self) -> None:
        """Puts what was written in place of what the path held, whole or not at all."""
        ...

    def discard(self) -> None:
        """Removes what was written. May be called twice, and after `publish`."""
        ...


class Store(Protocol):
    """Where objects lie: what a provider does for its buckets.

    A `bucket` is a declared name. A `path` has been checked: relative, with "/", no "..". One that ends in "/" stands
    for all that lies below it.
    """

    @property
    def provider(self) -> str:
        """The provider's name as the user wrote it, `LocalProvider` say."""
        ...

    def uri(self, bucket: str, path: str) -> str:
        """What Polars and messages call a path; touches nothing."""
        ...

    def reach(self) -> Mapping[str, Any]:
        """The options with which Polars' functions reach a URI (`storage_options`); never a secret."""
        ...

    def refusal(self, bucket: str, path: str) -> tuple[str, str] | None:
        """Why the store cannot hold such a name, and the fix; None if it can."""
        ...

    def entries(self, bucket: str, path: str) -> Iterator[Entry]:
        """The object `path`, else all objects below it, in any order; not what is staged."""
        ...

    def neighbours(self, bucket: str, path: str) -> tuple[str, str, list[str]]:
        """For a path that is not there: its first missing component, the folder before it, the names in that."""
        ...

    def ends(self, bucket: str, path: str) -> tuple[bytes, bytes]:
        """The first 64 and the last 8 bytes of an object."""
        ...

    def prepare(self, bucket: str, path: str) -> None:
        """Makes what must be there before others write to the path's URI: folders, where there are such."""
        ...

    def stage(self, bucket: str, path: str) -> Staged:
        """A new temporary place for what is to become `path`."""
        ...

    def delete(self, bucket: str, paths: Sequence[str]) -> None:
        """Removes objects and all below them; what is not there is no error."""
        ...

    def sweep(self, bucket: str, path: str) -> None:
        """Removes what interrupted writes left beside and below a path; not what a running one still writes."""
        ...


@dataclass(frozen=True)
class Bucket(Resource):
    """Data at a path of a store: one file, a directory, or a glob. Made by a provider; holds no data and no connection.

    The path's extension tells the format. A path that ends in "/", or has no extension, is a directory; one with
    `*`, `?` or `[...]` is a glob, unless a file of just that name is there. In a directory, the files of the bucket's
    format are read, and names that begin with "." or "_" are not. A glob takes all that it matches; its wildcards match
    no leading ".". Folders `key=value` are columns.

    Attributes:
        name: of the bucket on its provider.
        path: in the bucket, with "/"; a directory ends in "/".
        format: of the data.
        store: where it lies.
        site: where the bucket was declared; not part of its equality.
        group: the names of the composites it is a part of, outermost first; not part of its equality.
        schema: the columns with dtypes that its data has, if declared; not part of its equality either.

    >>> import polars as pl
    >>> from tempfile import mkdtemp
    >>> from glacier.providers import LocalProvider
    >>> sales = LocalProvider(mkdtemp()).bucket("sales", path="2024.csv")
    >>> sales.write(pl.DataFrame({"id": [1, 2], "amount": [9.5, 3.0]}))
    >>> sales.scan().filter(pl.col("amount") > 5).collect().rows()
    [(1, 9.5)]
    """

    name: str
    path: str
    format: Format
    store: Store
    site: Site | None = field(default=None, compare=False, repr=False)
    group: tuple[str, ...] = field(default=(), compare=False, repr=False)
    schema: pl.Schema | None = field(default=None, compare=False, repr=False)

    @property
    def uri(self) -> str:
        """What Polars and people call this place. Makes and reads nothing."""
        rehearsal = rehearsed()
        return self.store.uri(self.name, self.path) if rehearsal is None else rehearsal.uri(self)

    @property
    def label(self) -> str:
        """Its name and path: `sales/2024.parquet`."""
        return f"{self.name}/{self.path}"

    @property
    def provider_name(self) -> str:
        """Its provider's name: `LocalProvider`."""
        return self.store.provider

    def at(
        self,
        path: str,
        *,
        format: Format | None = None,  # noqa: A002
        schema: SchemaLike | None = None,
    ) -> Bucket:
        """Gives the same bucket at another path, from the bucket's top.

        Args:
            path: an extension that differs from this path's tells the format; other paths keep this bucket's.
            format: says it, whatever the extension.
            schema: of the data there, as a provider's `bucket` takes it; another path may hold other columns, so that
                this bucket's is not kept.

        Raises:
            ConfigError: if the path leaves the bucket, the store cannot hold such a name, or the schema is none.
        """
        site = Site.of_caller(sys._getframe(1))
        same = formats.extension(path) == formats.extension(self.path)
        kept = self.format if same else formats.format_of(path) or self.format
        moved = declare(self.store, self.name, path, format=format or kept, site=site, schema=schema)
        moved = moved.part_of(self.group)
        if format is None and not formats.extension(moved.path) and not paths.is_glob(moved.path):
            return replace(moved, path=moved.path.rstrip("/") + "/")
        return moved

    @storage_node(reads=True, gives="LazyFrame")
    def scan(self, **options: Any) -> pl.LazyFrame:  # Polars knows them
        """Gives the data as a LazyFrame. The files are found and checked now, and read when the frame is collected.

        JSON and Avro, which Polars cannot scan, are read now.

        Args:
            options: of the format's Polars function: `scan_parquet`, `scan_csv`, `scan_ndjson`, `scan_ipc`,
                `read_json`, `read_avro`.

        Raises:
            ObjectNotFound: if nothing is there; names the nearest that is.
            StorageError: if a file is empty, or is not what its extension or `format=` says.
            SchemaError: if the data has not the columns and dtypes that the bucket's `schema` names.
            ConfigError: if Polars has no such option.
        """
        formats.check_options(formats.scan_function(self.format), options, self.site)
        with self.sited():
            found = objects.readable(self)
            objects.check(self, found, may_be_empty="schema" in options or options.get("raise_if_empty") is False)
        files = {entry.path: self.store.uri(self.name, entry.path) for entry in found}
        given = contract.with_dtypes(self, files, options)
        frame = formats.scan(self.format, files, options=given, reach=self.store.reach())
        contract.check_scanned(self, frame, options)
        return frame

    @storage_node(reads=True, gives="DataFrame")
    def read(self, **options: Any) -> pl.DataFrame:
        """Gives the data as a DataFrame: `scan`, collected. Takes and raises what `scan` does."""
        return self.scan(**options).collect()

    @storage_node(writes=True)
    def write(
        self,
        frame: pl.DataFrame | pl.LazyFrame,
        *,
        partition_by: str | Sequence[str] | None = None,
        **options: Any,
    ) -> None:
        """Writes a frame in place of what the path holds: whole, or not at all.

        A LazyFrame is streamed to the file, never held whole; only JSON and Avro, which Polars cannot stream, collect
        it first. Missing folders are made. A directory is replaced with all it held; without `partition_by` it gets
        one file. Readers see the old data until the new is complete; a replaced directory is away for the moment
        between two renames. The data may be read from the place that is written.

        Args:
            frame: what to write.
            partition_by: columns that become folders `key=value`; the files hold them too. Needs a directory path.
            options: of the format's Polars function: `sink_parquet`, `sink_csv`, `sink_ndjson`, `sink_ipc`,
                `write_json`, `write_avro`.

        Raises:
            StorageError: if this is no place to write such a frame.
            SchemaError: if the frame has not the columns and dtypes that the bucket's `schema` names.
            ConfigError: if Polars has no such option.
        """
        self.stage_write(frame, partition_by=partition_by, **options).run()

    def stage_write(
        self,
        frame: pl.DataFrame | pl.LazyFrame,
        *,
        partition_by: str | Sequence[str] | None = None,
        **options: Any,
    ) -> PendingWrite:
        """Prepares a `write` without running it, so that many can run as one query. Takes and raises what that does."""
        if rehearsed() is not None:
            raise Unknowable(f"it prepares a write of `{self.label}`")
        import polars as pl

        keys = [partition_by] if isinstance(partition_by, str) else list(partition_by or ())
        contract.check_writable(self, frame, keys)
        if self.schema is not None:
            contract.check_written(self, frame.collect_schema())
        formats.check_options(formats.write_function(self.format), options, self.site)
        place = self.path + "/" if keys and not self.path.endswith("/") else self.path
        with self.sited():
            staged = self.store.stage(self.name, place)
        try:
            target = f"{staged.uri}/{formats.file_name(self.format)}" if place.endswith("/") else staged.uri
            rows = frame.height if isinstance(frame, pl.DataFrame) else None
            given = {**self.store.reach(), **options}
            pending = PendingWrite(None, self, staged, frame.lazy(), rows, bool(keys), given)
            if formats.streams(self.format):
                onto = pl.PartitionBy(staged.uri, key=keys) if keys else target
                on_files = pending._sinked.append
                pending.plan = formats.lazy_sink(
                    frame.lazy(), onto, self.format, path=self.path, options=given, on_files=on_files
                )
            else:
                whole = frame.lazy().collect(engine="streaming")
                pending._rows = whole.height
                formats.write_function(self.format)(whole, target, **options)
        except BaseException:
            staged.discard()
            raise
        return pending

    def get_uri(self) -> str:
        """Gives `uri`, ready to be written to by Polars or `open`: missing folders are made, nothing else.

        Raises:
            StorageError: if a link on the way leads out of the store.
        """
        plan, rehearsal = current_plan(), rehearsed()
        if plan is not None:
            plan.prepared[self] = None  # planning touches nothing; the run makes the folders before its first task
            return Located.of(self)
        require(self, "get_uri")
        if rehearsal is not None:
            rehearsal.prepare(self)
        elif not paths.is_glob(self.path):
            with self.sited():
                self.store.prepare(self.name, self.path)
        return self.uri

    def prepare(self) -> None:
        """Makes the folders that `get_uri` makes."""
        self.get_uri()

    @storage_node(reads=True)
    def exists(self) -> bool:
        """Tells whether anything is there: the file, a match of the glob, a file below the directory."""
        with self.sited():
            return any(True for _ in objects.found(self))

    @storage_node(reads=True)
    def list(self, pattern: str = "**/*") -> list[str]:
        """Gives what this path stands for: itself if it is a file, the matches of a glob, all files below a directory.

        Args:
            pattern: keeps the paths that match it, seen from the directory (for a glob or file, from its folder).

        Returns:
            Paths from the bucket's top, sorted, each good for `at`. Empty if nothing is there.

        >>> import polars as pl
        >>> from tempfile import mkdtemp
        >>> from glacier.providers import LocalProvider
        >>> sales = LocalProvider(mkdtemp()).bucket("sales", path="daily/")
        >>> for day in "mon", "tue":
        ...     sales.at(f"daily/{day}.parquet").write(pl.DataFrame({"n": [1]}))
        >>> sales.list("t*")
        ['daily/tue.parquet']
        """
        top = paths.folder(self.path)
        matches = paths.matcher(top + pattern)
        with self.sited():
            return sorted(entry.path for entry in objects.found(self) if matches(entry.path))

    @storage_node(writes=True)
    def delete(self) -> None:
        """Removes the file, every match of the glob, or the directory with all it holds; nothing there is no error."""
        with self.sited():
            matches = [entry.path for entry in objects.found(self)] if paths.is_glob(self.path) else [self.path]
            self.store.delete(self.name, matches)

    def cleanup(self) -> None:
        """Sweeps what interrupted writes left beside and below this path; never data, nor what a running one needs."""
        if rehearsed() is not None:
            return
        with self.sited():
            self.store.sweep(self.name, paths.folder(self.path) if paths.is_glob(self.path) else self.path)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.cleanup()

    @contextmanager
    def sited(self) -> Generator[None]:
        """Tells where the bucket was declared in what its store refuses."""
        try:
            yield
        except GlacierError as error:
            error.site = error.site or self.site
            raise


def declare(
    store: Store,
    name: str,
    path: str,
    *,
    format: Format | None,  # noqa: A002
    site: Site | None,
    schema: SchemaLike | None = None,
) -> Bucket:
    """Gives a bucket on a store, its name, path, format and schema checked: what a provider's `bucket` calls.

    Raises:
        ConfigError: if the path leaves the bucket, its extension tells no format, the store cannot hold such a name, or
            the schema is none.
    """
    refused = paths.refusal(name, path)
    if refused is None:
        refused = store.refusal(name, paths.normal(path)) or contract.unknown_format(name, path, format)
    if refused is not None:
        raise ConfigError(refused[0], site=site, fix=refused[1])
    place = paths.normal(path)
    if format is None and not formats.extension(place) and not paths.is_glob(place):
        place = place.rstrip("/") + "/"
    columns = None if schema is None else schema_from(schema, f"bucket `{name}`", site)
    return Bucket(name, place, format or formats.format_of(place) or "parquet", store, site, schema=columns)
