"""What a bucket's path, format and declared schema allow: which frames it takes, and which its data must give."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from glacier.errors import SchemaError, StorageError, did_you_mean, listed
from glacier.resources import formats, paths
from glacier.schemas import misfit

if TYPE_CHECKING:
    import polars as pl

    from glacier.resources.bucket import Bucket

_DTYPE_OPTIONS = frozenset({"schema", "schema_overrides", "infer_schema", "new_columns", "with_column_names"})
"""Options of Polars' readers of text that settle dtypes or names; with one of them, the declared dtypes stay out."""


def with_dtypes(bucket: Bucket, files: Mapping[str, str], options: Mapping[str, Any]) -> Mapping[str, Any]:
    """Gives the options of a scan, with the declared dtypes where a text format would have them guessed."""
    if bucket.schema is None or bucket.format not in ("csv", "ndjson") or _DTYPE_OPTIONS & options.keys():
        return options
    dtypes = {name: dtype for name, dtype in bucket.schema.items() if bucket.format == "ndjson" or _in_csv(dtype)}
    if bucket.format == "ndjson":  # unlike scan_csv, scan_ndjson refuses a column that is not there
        uris = {path: uri for path, uri in files.items() if not formats.hive_keys(path)}
        plain = formats.scan(bucket.format, uris or files, options=options, reach=bucket.store.reach())
        held = plain.collect_schema()
        dtypes = {name: dtype for name, dtype in dtypes.items() if name in held}
    return {**options, "schema_overrides": dtypes}


def _in_csv(dtype: pl.DataType) -> bool:
    import polars as pl

    return not (dtype.is_nested() or isinstance(dtype, pl.Binary | pl.Duration | pl.Null | pl.Object))


def check_scanned(bucket: Bucket, frame: pl.LazyFrame, options: Mapping[str, Any]) -> None:
    """Refuses data that is not as declared; reads what tells its columns, a footer or the head of a text, no more.

    Raises:
        SchemaError: naming the columns.
    """
    if bucket.schema is None:
        return
    kept = kept_columns(options)
    wanted = {name: dtype for name, dtype in bucket.schema.items() if kept is None or name in kept}
    wrong = misfit(wanted, frame.collect_schema())
    if wrong is not None:
        near = f"did you mean {listed(wrong.near)}? Else " if wrong.near else ""
        raise SchemaError(
            f"the data of `{bucket.label}` is not as its schema says: {wrong.told}",
            site=bucket.site,
            fix=f"{near}correct schema=, or write the data anew",
        )


def kept_columns(options: Mapping[str, Any]) -> Sequence[str] | None:
    """Gives the columns that a scan with these options keeps by name; None if it keeps all."""
    columns = options.get("columns")
    return columns if columns and all(isinstance(name, str) for name in columns) else None


def check_written(bucket: Bucket, schema: Mapping[str, object]) -> None:
    """Refuses to write a frame that is not as declared.

    Raises:
        SchemaError: naming the columns.
    """
    wrong = misfit(bucket.schema, schema) if bucket.schema is not None else None
    if wrong is not None:
        near = f"did you mean {listed(wrong.near)}? Else " if wrong.near else ""
        raise SchemaError(
            f"a frame for `{bucket.label}` is not as its schema says: {wrong.told}",
            site=bucket.site,
            fix=f"{near}write a frame that fits, or correct schema=",
        )


def check_writable(bucket: Bucket, frame: object, keys: Sequence[str]) -> None:
    """Refuses what is no frame, and a place that cannot hold one so.

    Raises:
        StorageError: saying why.
    """
    import polars as pl

    path = bucket.path
    wrong: tuple[str, str] | None = None
    if not isinstance(frame, pl.DataFrame | pl.LazyFrame):
        got = "None" if frame is None else f"a {type(frame).__name__}"
        wrong = f"got {got} to write, and takes a DataFrame or LazyFrame", "pass a frame; does the task return one?"
    elif paths.is_glob(path):
        wrong = f"cannot be written: `{path}` is a glob", 'write to .at("one-file.parquet")'
    elif keys and formats.extension(path):
        stem = path.removesuffix(formats.extension(path))
        wrong = f"cannot be partitioned: `{path}` is one file", f'pass path="{stem}/", a directory'
    elif keys and not formats.streams(bucket.format):
        wrong = f"cannot be partitioned as {bucket.format}", "write parquet, csv, ndjson or ipc"
    if wrong is not None:
        raise StorageError(f"bucket `{bucket.name}` {wrong[0]}", site=bucket.site, fix=wrong[1])


def unknown_format(name: str, path: str, format: str | None) -> tuple[str, str] | None:  # noqa: A002
    """Tells why data at a path is of no format, and the fix; None if it is of one."""
    if format is not None:
        if format in formats.FORMATS:
            return None
        near = did_you_mean(format, formats.FORMATS)
        return (
            f"bucket `{name}` got format `{format}`; formats are {listed(formats.FORMATS)}",
            f'pass format="{near[0] if near else "parquet"}"',
        )
    ending = formats.extension(path)
    if not ending or ending in formats.EXTENSIONS or ("*" in ending and paths.is_glob(ending)):
        return None
    near = did_you_mean(ending, formats.EXTENSIONS)
    nearest = f" (nearest: {listed(near)})" if near else ""
    return (
        f"path `{path}` of bucket `{name}` ends in `{ending}`, which tells no format{nearest}; known are "
        f"{listed(formats.EXTENSIONS, most=len(formats.EXTENSIONS))}",
        'pass format="parquet" (or another one); end the path with "/" if it is a directory',
    )
