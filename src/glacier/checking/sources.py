"""Where a check has the schemas of buckets from, and what stands in for their stores while it calls tasks."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2s
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from glacier.errors import GlacierError, SchemaError, Site, did_you_mean, listed
from glacier.graph import Resource
from glacier.rehearsal import Unknowable, rehearsing
from glacier.resources import contract, formats, paths
from glacier.resources.bucket import Bucket
from glacier.schemas import schema_from

if TYPE_CHECKING:
    import polars as pl

_WHOLE_SCHEMA = ("parquet", "ipc")
"""The formats whose files keep every dtype."""


@dataclass(frozen=True, slots=True)
class Source:
    """What a check knows of a bucket that a pipeline reads.

    Attributes:
        name: the bucket's name and path.
        schema: None where it is not known.
        origin: where the schema is from, or why it is not known.
        site: where the bucket was declared.
    """

    name: str
    schema: pl.Schema | None
    origin: str
    site: Site | None


@dataclass(frozen=True, slots=True)
class Known:
    """Schemas that a check is given, by source.

    Attributes:
        origin: what the report says of where they are from.
    """

    schemas: Mapping[str, pl.Schema]
    origin: str


@dataclass(frozen=True, slots=True)
class _Write:
    """What a call wrote to a place, and the how-manieth write it was; without a schema where a check cannot tell."""

    turn: int
    by: str
    how: str
    schema: pl.Schema | None


class Sources:
    """Stands in for storage in a check: frames it gives have no rows, a URI is in a folder that `close` removes.

    Attributes:
        found: what is known of each bucket that was read, by name and path.
        recorded: the schemas read from data.
    """

    def __init__(self, known: Known, *, record: bool) -> None:
        """Takes the schemas given; with `record` data is asked first, and may be on other machines."""
        self.found: dict[str, Source] = {}
        self.recorded: dict[str, pl.Schema] = {}
        self.known = known
        self._record = record
        self._by = ""
        self._writes: dict[str, _Write] = {}
        self._turn = 0
        self._read: dict[object, tuple[pl.Schema | None, str]] = {}
        self._scratch: Path | None = None

    def close(self) -> None:
        """Removes what tasks wrote to the places they were given."""
        if self._scratch is not None:
            shutil.rmtree(self._scratch, ignore_errors=True)

    def call(self, resource: Resource, verb: str, args: tuple[object, ...], kwargs: Mapping[str, object]) -> object:
        """Gives an empty frame for `scan` and `read`, plausible answers for `exists` and `list`; writes are noted."""
        import polars as pl

        if not isinstance(resource, Bucket):
            raise Unknowable(f"it calls `{verb}` of `{resource.label}`")
        match verb:
            case "scan" | "read":
                schema = self.schema(resource, kwargs)
                return pl.LazyFrame(schema=schema) if verb == "scan" else pl.DataFrame(schema=schema)
            case "write":
                self._write(resource, *args, **cast("dict[str, Any]", kwargs))
                return None
            case "copy_from":
                self._copy(resource, *cast("tuple[Any, ...]", args), **cast("dict[str, Any]", kwargs))
                return None
            case "delete":
                self.write_unseen(resource, "deletes it")
                return None
            case "exists" if self._look(resource, {}).schema is not None:
                return True
            case "list" if (
                not paths.is_glob(resource.path) and not resource.path.endswith("/") and not (args or kwargs)
            ):
                if self._look(resource, {}).schema is not None:
                    return [resource.path]
            case _:
                pass
        raise Unknowable(f"it asks `{verb}` of `{resource.label}`")

    def uri(self, resource: Resource) -> str:
        """Gives a place in the scratch folder with the bucket's path at its end."""
        if self._scratch is None:
            self._scratch = Path(tempfile.mkdtemp(prefix="glacier-check-"))
        with rehearsing(None):
            if not isinstance(resource, Bucket):
                return resource.uri
            top = resource.store.uri(resource.name, "./")
        place = self._scratch / blake2s(top.encode(), digest_size=6).hexdigest() / resource.path
        return f"{place}/" if resource.path.endswith("/") else str(place)

    def prepare(self, resource: Resource) -> None:
        """Makes the folders; where the schema is known and a file keeps it whole, an empty file is there to be read."""
        if not isinstance(resource, Bucket) or paths.is_glob(resource.path):
            return
        place = Path(self.uri(resource))
        is_file = not resource.path.endswith("/")
        (place.parent if is_file else place).mkdir(parents=True, exist_ok=True)
        if is_file and not place.exists() and resource.format in _WHOLE_SCHEMA:
            schema = self._look(resource, {}).schema
            if schema is not None:
                import polars as pl

                pl.LazyFrame(schema=schema).pipe(formats.write_function(resource.format), place)

    def schema(self, bucket: Bucket, options: Mapping[str, Any]) -> pl.Schema:
        """Gives the schema that a scan with these options of Polars has.

        Raises:
            Unknowable: it is not known; the bucket is noted as such.
        """
        formats.check_options(formats.scan_function(bucket.format), options, bucket.site)
        source = self._look(bucket, options)
        before = self.found.get(source.name)
        if before is None or before.schema is not None:
            self.found[source.name] = source
        if source.schema is None:
            raise Unknowable(f"the schema of `{source.name}` is not known")
        return source.schema

    def writing(self, by: str) -> None:
        """Notes which call the writes that come now belong to."""
        self._by = by

    def write_unseen(self, resource: object, how: str = "writes it, which a check cannot follow") -> None:
        """Notes that the current call changes a resource in a way that a check cannot see."""
        if not isinstance(resource, Resource):
            return
        self._note(resource, None, how)

    def see_files(self, resources: Sequence[Resource]) -> None:
        """Notes the schemas of what the current call wrote to the URIs it was given."""
        import polars as pl

        for bucket in resources:
            if not isinstance(bucket, Bucket) or bucket.format not in _WHOLE_SCHEMA or paths.is_glob(bucket.path):
                continue
            place = Path(self.uri(bucket))
            if place.is_file():
                scan = formats.scan_function(bucket.format)
                try:
                    self._note(bucket, scan(place).collect_schema(), "writes it")
                except pl.exceptions.PolarsError:
                    continue

    def _write(
        self, bucket: Bucket, frame: Any, *, partition_by: str | Sequence[str] | None = None, **options: Any
    ) -> None:
        keys = [partition_by] if isinstance(partition_by, str) else list(partition_by or ())
        contract.check_writable(bucket, frame, keys)
        formats.check_options(formats.write_function(bucket.format), options, bucket.site)
        schema = cast("pl.Schema", frame.collect_schema())
        contract.check_written(bucket, schema)
        for key in keys:
            if key not in schema:
                near = did_you_mean(key, schema)
                raise SchemaError(
                    f"`{bucket.label}` is to be partitioned by column `{key}`, which the frame does not have",
                    site=bucket.site,
                    fix=f"did you mean {listed(near)}?" if near else f"name one of {listed(schema)}",
                )
        if keys:
            self.write_unseen(bucket, "writes it with partition_by=, and folders do not keep dtypes")
        elif bucket.format not in _WHOLE_SCHEMA:
            self.write_unseen(bucket, f"writes it as {bucket.format}, which does not keep dtypes")
        else:
            self._note(bucket, schema, "writes it")

    def _copy(self, target: Bucket, source: Bucket) -> None:
        try:
            schema = self.schema(source, {})
        except Unknowable as unknown:
            self.write_unseen(target, f"copies it, and {unknown.reason}")
            return
        if target.format in _WHOLE_SCHEMA:
            self._note(target, schema, "copies it")
        else:
            self.write_unseen(target, f"copies it as {target.format}, which does not keep dtypes")

    def _note(self, resource: Resource, schema: pl.Schema | None, how: str) -> None:
        with rehearsing(None):
            uri = resource.uri
        self._turn += 1
        self._writes[_top(uri)] = _Write(self._turn, self._by, how, schema)

    def _look(self, bucket: Bucket, options: Mapping[str, Any]) -> Source:
        """Gives the first that knows: the declaration, a write above, what was recorded, the data."""
        with rehearsing(None):
            uri = bucket.uri
        name = bucket.label
        if bucket.schema is not None:
            return Source(name, _with_options(bucket.schema, options), "declared", bucket.site)
        if options.get("schema") is not None:
            told = schema_from(options["schema"], f"a scan of `{name}`", bucket.site)
            return Source(name, _with_options(told, options), "given to the scan", bucket.site)
        write = self._latest_write(uri)
        if write is not None and write.schema is not None and write is self._writes.get(uri):
            return Source(name, _with_options(write.schema, options), f"written by `{write.by}`", bucket.site)
        recorded = self.known.schemas.get(name)
        if recorded is not None and not (self._record and write is None):
            return Source(name, _with_options(recorded, options), self.known.origin, bucket.site)
        if write is not None:
            how = write.how if write.schema is None else "writes a part of it"
            return Source(name, None, f"`{write.by}` {how}", bucket.site)
        schema, origin = self._from_data(bucket, uri, options)
        if schema is not None:
            self.recorded[name] = schema
        elif recorded is not None:
            return Source(name, _with_options(recorded, options), self.known.origin, bucket.site)
        return Source(name, schema, origin, bucket.site)

    def _latest_write(self, uri: str) -> _Write | None:
        """Gives the last write to the place, to a folder around it, or for a folder or glob to what lies below."""
        top = _top(uri)
        around = [top[: place + 1] for place, char in enumerate(top) if char == "/"]
        found = [self._writes[one] for one in (top, *around) if one in self._writes]
        if top.endswith("/"):
            found += [write for place, write in self._writes.items() if place.startswith(top)]
        return max(found, key=lambda write: write.turn, default=None)

    def _from_data(self, bucket: Bucket, uri: str, options: Mapping[str, Any]) -> tuple[pl.Schema | None, str]:
        key = uri, tuple(sorted((name, repr(value)) for name, value in options.items()))
        if key not in self._read:
            self._read[key] = self._asked(bucket, uri, options)
        return self._read[key]

    def _asked(self, bucket: Bucket, uri: str, options: Mapping[str, Any]) -> tuple[pl.Schema | None, str]:
        import polars as pl

        if "://" in uri and not self._record:
            return None, "its data is not on this machine"
        if bucket.format == "json" and not self._record:
            return None, "JSON tells it only when it is read whole"
        given = {**options, "n_rows": 0} if bucket.format == "avro" else options
        origin = "the data's head" if bucket.format in ("csv", "ndjson", "json") else "the data's footer"
        try:
            with rehearsing(None):
                return bucket.scan(**given).collect_schema(), origin
        except FileNotFoundError:
            return None, "there is no data yet"
        except GlacierError as error:
            return None, error.message
        except (pl.exceptions.PolarsError, OSError) as error:
            return None, f"its data cannot be read: {str(error).partition(chr(10))[0]}"


def _with_options(schema: pl.Schema, options: Mapping[str, Any]) -> pl.Schema:
    """Gives the schema with the columns that options of a scan add, and without those it leaves out."""
    import polars as pl

    kept = contract.kept_columns(options)
    columns = {name: dtype for name, dtype in schema.items() if kept is None or name in kept}
    index, origin = options.get("row_index_name"), options.get("include_file_paths")
    if index and index not in columns:
        columns = {index: pl.UInt32(), **columns}
    if origin and origin not in columns:
        columns[origin] = pl.String()
    return pl.Schema(columns)


def _top(uri: str) -> str:
    """Gives a place as writes are kept by it: for a glob its folder."""
    return paths.folder(uri) if paths.is_glob(uri) else uri
