"""Buckets: what a pipeline reads from and writes to, on any provider."""

from __future__ import annotations

import sys
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Self

from glacier.doing import moved, moving
from glacier.errors import ConfigError, GlacierError, Site
from glacier.graph import Resource
from glacier.lease import keeping
from glacier.permits import require
from glacier.rehearsal import Unknowable, rehearsed
from glacier.resources import contract, copying, formats, objects, paths
from glacier.resources.formats import Format
from glacier.resources.pending import PendingWrite
from glacier.resources.store import Store
from glacier.schemas import SchemaLike, schema_from
from glacier.storage import storage_node
from glacier.trace import current_plan
from glacier.work import Located

if TYPE_CHECKING:
    import polars as pl


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
    def config(self) -> object:
        """How its cloud is to keep it: what `config=` was given, or None."""
        return self.store.config

    @property
    def existing(self) -> bool:
        """Whether it is there already, so that Glacier must not create it."""
        return self.store.existing

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
        frame, size = self._scanned(options)
        if moving("in"):
            moved("in", formats.rows_in_footers(self.format, frame), size)
        return frame

    def _scanned(self, options: dict[str, Any]) -> tuple[pl.LazyFrame, int]:
        """Gives what `scan` does, and how many bytes it reads at most."""
        formats.check_options(formats.scan_function(self.format), options, self.site)
        with self.sited():
            found = objects.readable(self)
            objects.check(self, found, may_be_empty="schema" in options or options.get("raise_if_empty") is False)
        files = {entry.path: self.store.uri(self.name, entry.path) for entry in found}
        if formats.streams(self.format):
            given = contract.with_dtypes(self, files, options)
            frame = formats.scan(self.format, files, options=given, reach=self.store.reach())
        else:
            with self.sited():
                contents = [b"".join(self.store.blocks(self.name, entry)) for entry in found]
            frame = formats.read(self.format, contents, options=options)
        contract.check_scanned(self, frame, options)
        return frame, sum(entry.size for entry in found)

    @storage_node(reads=True, gives="DataFrame")
    def read(self, **options: Any) -> pl.DataFrame:
        """Gives the data as a DataFrame: `scan`, collected. Takes and raises what `scan` does."""
        plan, size = self._scanned(options)
        frame = plan.collect()
        moved("in", frame.height, size)
        return frame

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
        keys = [partition_by] if isinstance(partition_by, str) else list(partition_by or ())
        contract.check_writable(self, frame, keys)
        if self.schema is not None:
            contract.check_written(self, frame.collect_schema())
        formats.check_options(formats.write_function(self.format), options, self.site)
        place = self.path + "/" if keys and not self.path.endswith("/") else self.path
        with self.sited():
            staged = self.store.stage(self.name, place)
        with keeping(staged):
            return PendingWrite.of(self, staged, frame, options, *keys)

    @storage_node(writes=True)
    def copy_from(self, source: Bucket) -> None:
        """Puts copies of another bucket's objects in place of what this path holds: whole, or not at all.

        The two may be on different providers. Objects go through this machine in pieces, never held whole, and are
        compared by size and checksum before they are published. A file is copied to a file; a directory or the matches
        of a glob go to a directory, below which they keep their folders and names, hidden ones too. In an object store,
        an object of the new directory that has an old one's name replaces it by itself.

        Args:
            source: what to copy.

        Raises:
            ObjectNotFound: if nothing is there to copy.
            StorageError: if this is no place for it, or an object did not arrive as it was sent.

        >>> import polars as pl
        >>> from glacier.testing import MemoryProvider
        >>> here, there = MemoryProvider(), MemoryProvider()
        >>> here.bucket("raw", path="2024/may.csv").write(pl.DataFrame({"id": [1]}))
        >>> there.bucket("raw", path="all/").copy_from(here.bucket("raw", path="**/*.csv"))
        >>> there.bucket("raw", path="./").list()
        ['all/2024/may.csv']
        """
        copying.copy(self, source)

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
            if paths.is_glob(self.path):
                self.store.delete(self.name, [entry.path for entry in objects.found(self)], below=False)
            else:
                self.store.delete(self.name, [self.path])

    def cleanup(self) -> None:
        """Sweeps what interrupted writes left beside and below this path; never data, nor what a running one needs.

        Does nothing in a body that is planned, nor where the folder may not be listed.
        """
        if rehearsed() is not None or current_plan() is not None:
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


def check_config(
    name: str, config: object, takes: Sequence[type], provider: object, site: Site | None, what: str = "bucket"
) -> None:
    """Refuses a config that is of another cloud, or none: what a provider's `bucket` and `serverless` call.

    Raises:
        ConfigError: naming the config, the provider and what it takes.
    """
    if config is None or isinstance(config, tuple(takes)):
        return
    cloud = type(provider).__name__
    raise ConfigError(
        f"{what} `{name}` got {type(config).__name__}, and {cloud} takes {' or '.join(one.__name__ for one in takes)}",
        site=site,
        fix=f"use {takes[0].__name__}(...), or drop config= to stay portable",
    )
