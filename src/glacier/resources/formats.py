"""The formats a bucket's objects can have: told by extension, checked by content, read and written by Polars."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from io import BytesIO
from pathlib import PurePosixPath
from typing import IO, TYPE_CHECKING, Any, Literal, get_args
from urllib.parse import quote, unquote

from glacier.errors import ConfigError, Site, did_you_mean, listed

if TYPE_CHECKING:
    import polars as pl

Format = Literal["parquet", "csv", "ndjson", "json", "ipc", "avro"]
FORMATS: tuple[Format, ...] = get_args(Format)

_BARE: dict[str, Format] = {
    ".parquet": "parquet",
    ".pq": "parquet",
    ".csv": "csv",
    ".tsv": "csv",
    ".ndjson": "ndjson",
    ".jsonl": "ndjson",
    ".json": "json",
    ".ipc": "ipc",
    ".arrow": "ipc",
    ".feather": "ipc",
    ".avro": "avro",
}
COMPRESSIONS: dict[str, Literal["gzip", "zstd"]] = {".gz": "gzip", ".zst": "zstd"}
EXTENSIONS: dict[str, Format] = {
    **_BARE,
    **{bare + packed: kind for bare, kind in _BARE.items() if kind in ("csv", "ndjson") for packed in COMPRESSIONS},
}
_USUAL: dict[Format, str] = {
    "parquet": ".parquet",
    "csv": ".csv",
    "ndjson": ".ndjson",
    "json": ".json",
    "ipc": ".arrow",
    "avro": ".avro",
}
_OURS = frozenset({
    "source", "self", "path", "file", "glob", "lazy", "engine", "optimizations", "mkdir", "check_extension",
    "sinked_paths_callback", "storage_options", "credential_provider", "hidden_file_prefix", "partition_by",
})  # fmt: skip
"""Options of Polars' functions that Glacier sets itself."""

_FILE_PATH = "__glacier_file_path"


def extension(path: str) -> str:
    """Gives the extension of a path's last component in lower case, with its compression; empty if there is none.

    >>> extension("2024/Sales.CSV.gz"), extension("2024/"), extension("v1.2")
    ('.csv.gz', '', '.2')
    """
    if path.endswith("/"):
        return ""
    suffixes = [suffix.lower() for suffix in PurePosixPath(path).suffixes]
    known = "".join(suffixes[-2:])
    return known if known in EXTENSIONS else "".join(suffixes[-1:])


def format_of(path: str) -> Format | None:
    """Gives the format that a path's extension stands for, None if it stands for none.

    >>> format_of("sales.jsonl"), format_of("sales.xlsx")
    ('ndjson', None)
    """
    return EXTENSIONS.get(extension(path))


def file_name(format: Format) -> str:  # noqa: A002  # the word the user types
    """Gives the name of the one file in a directory that is written without `partition_by`.

    >>> file_name("ipc")
    'part-0.arrow'
    """
    return "part-0" + _USUAL[format]


def in_directory(path: str, format: Format) -> bool:  # noqa: A002
    """Tells whether a directory of this format is read with the file `path` in it; TSV files are not read as CSV.

    >>> in_directory("2024/a.csv.gz", "csv"), in_directory("2024/a.tsv", "csv")
    (True, False)
    """
    return format_of(path) == format and not extension(path).startswith(".tsv")


def scan_function(format: Format) -> Callable[..., Any]:  # noqa: A002
    """Gives the Polars function that reads a format, the one whose options `Bucket.scan` takes.

    >>> scan_function("csv").__name__
    'scan_csv'
    """
    import polars as pl

    match format:
        case "parquet":
            return pl.scan_parquet
        case "csv":
            return pl.scan_csv
        case "ndjson":
            return pl.scan_ndjson
        case "json":
            return pl.read_json
        case "ipc":
            return pl.scan_ipc
        case "avro":
            return pl.read_avro


def write_function(format: Format) -> Callable[..., Any]:  # noqa: A002
    """Gives the Polars method that writes a format, the one whose options `Bucket.write` takes.

    >>> write_function("avro").__name__
    'write_avro'
    """
    import polars as pl

    match format:
        case "parquet":
            return pl.LazyFrame.sink_parquet
        case "csv":
            return pl.LazyFrame.sink_csv
        case "ndjson":
            return pl.LazyFrame.sink_ndjson
        case "ipc":
            return pl.LazyFrame.sink_ipc
        case "json":
            return pl.DataFrame.write_json
        case "avro":
            return pl.DataFrame.write_avro


def streams(format: Format) -> bool:  # noqa: A002
    """Tells whether Polars writes a format from a plan, without holding the whole frame.

    >>> streams("parquet"), streams("avro")
    (True, False)
    """
    return format not in ("json", "avro")


def check_options(function: Callable[..., Any], options: Mapping[str, Any], site: Site | None) -> None:
    """Refuses options that a Polars function does not have, or that Glacier sets itself.

    Raises:
        ConfigError: naming the function, the option and the nearest ones.
    """
    known = [name for name in inspect.signature(function).parameters if name not in _OURS and name[0] != "_"]
    for name in options:
        if name in known:
            continue
        near = did_you_mean(name, known)
        takes = f"it takes {listed(known, most=len(known))}" if known else "it takes none"
        raise ConfigError(
            f"`{function.__name__}` of Polars has no option `{name}` to set here: {takes}",
            site=site,
            fix=f"use {near[0]}=..." if near else f"drop {name}=",
        )


def scan(
    format: Format,  # noqa: A002
    files: Mapping[str, str],
    *,
    options: Mapping[str, Any],
    reach: Mapping[str, Any],
) -> pl.LazyFrame:
    """Gives files as one LazyFrame.

    Components `key=value` of the paths become columns, where the files do not hold them themselves.

    Args:
        format: of every file; one that streams.
        files: URI (taken as it is, never as a glob) by path in the bucket, in the order of the rows.
        options: of the Polars function, checked.
        reach: what Polars needs to reach the store, `storage_options` say.
    """
    function = scan_function(format)
    uris = list(files.values())
    match format:
        case "parquet" | "ipc":
            hive = any(hive_keys(path) for path in files)
            frame: pl.LazyFrame = function(
                uris, **{"hive_partitioning": hive or None, "glob": False, **reach, **options}
            )
            return frame
        case "csv":
            tabs = {"separator": "\t"} if extension(uris[0]).startswith(".tsv") else {}
            return _scan_text(function, uris, files, {"glob": False, **tabs, **reach, **options})
        case "ndjson":
            # scan_ndjson has no `glob=False`: a name that holds a wildcard is escaped.
            return _scan_text(function, [_literal(uri) for uri in uris], files, {**reach, **options})
        case "json" | "avro":
            raise AssertionError(format)


def read(format: Format, contents: Sequence[bytes], *, options: Mapping[str, Any]) -> pl.LazyFrame:  # noqa: A002
    """Gives files of a format that Polars cannot scan as one LazyFrame, from their contents."""
    import polars as pl

    function = scan_function(format)
    frames: list[pl.DataFrame] = [function(BytesIO(content), **options) for content in contents]
    return pl.concat(frames).lazy()


def _literal(uri: str) -> str:
    """Gives a glob that matches a URI and nothing else; Polars makes regular expressions of those in object stores."""
    text = re.sub(r"([*?])", r"[\1]", uri.replace("[", "\0"))
    return text.replace("\0", r"[\[]" if "://" in uri else "[[]")


def _scan_text(
    function: Callable[..., pl.LazyFrame], uris: list[str], files: Mapping[str, str], options: dict[str, Any]
) -> pl.LazyFrame:
    """Scans CSV or NDJSON; Polars has no hive columns for these, so they are told from each row's file."""
    keys = [hive_keys(path) for path in files]
    if not any(keys):
        return function(uris, **options)
    import polars as pl

    origin = options.get("include_file_paths") or _FILE_PATH
    frame = function(uris, **{**options, "include_file_paths": origin})
    held = frame.collect_schema().names()
    names = dict.fromkeys(name for of_path in keys for name in of_path if name not in held)
    places = list(files.values())
    for name in names:
        values = pl.Series(_typed([of_path.get(name) for of_path in keys]))
        column = pl.col(origin).replace_strict(places, values)
        frame = frame.with_columns(column.alias(name))
    return frame if "include_file_paths" in options else frame.drop(origin)


def hive_keys(path: str) -> dict[str, str | None]:
    """Gives the `key=value` folders of a path; a null is written as Hive does it.

    >>> hive_keys("year=2024/city=K%C3%B6ln/a.csv"), hive_keys("k=__HIVE_DEFAULT_PARTITION__/a.csv")
    ({'year': '2024', 'city': 'Köln'}, {'k': None})
    """
    pairs = (part.split("=", 1) for part in path.split("/")[:-1] if "=" in part)
    return {unquote(key): None if value == "__HIVE_DEFAULT_PARTITION__" else unquote(value) for key, value in pairs}


def _typed(values: list[str | None]) -> list[Any]:
    """Reads hive values as Polars does for Parquet: all integers, or all dates, or text."""
    for kind in (int, date.fromisoformat):
        try:
            return [None if value is None else kind(value) for value in values]
        except ValueError:
            continue
    return list(values)


def lazy_sink(
    frame: pl.LazyFrame,
    target: str | IO[bytes] | pl.PartitionBy,
    format: Format,  # noqa: A002
    *,
    path: str,
    options: Mapping[str, Any],
    on_files: Callable[[Any], None] | None,
) -> pl.LazyFrame:
    """Gives the lazy sink of a frame: nothing is written until it is collected.

    Args:
        frame: what is written.
        target: a file's path, something to write to, or a partitioning.
        format: one that streams.
        path: the path the data will have; its extension tells compression and separator.
        options: of the Polars function, checked.
        on_files: called with Polars' list of the written files (path, rows, bytes); Parquet and IPC on paths only.
    """
    given: dict[str, Any] = {"lazy": True}
    if format in ("parquet", "ipc"):
        given |= {"sinked_paths_callback": on_files} if on_files else {}
    else:
        given["check_extension"] = False  # the temporary name tells nothing
        last = "." + extension(path).rsplit(".", 1)[-1]
        given |= {"compression": COMPRESSIONS[last]} if last in COMPRESSIONS else {}
        given |= {"separator": "\t"} if extension(path).startswith(".tsv") else {}
    sink: pl.LazyFrame = write_function(format)(frame, target, **{**given, **options})
    return sink


def partitioned(
    keys: Sequence[str],
    format: Format,  # noqa: A002
    file: Callable[[str], str | IO[bytes]],
) -> pl.PartitionBy:
    """Gives the target of a sink into folders `key=value`.

    Args:
        keys: the columns.
        format: tells the extension of the files.
        file: gives the place of a file by its path below the top; called from Polars' threads.
    """
    import polars as pl

    def place(part: Any) -> str | IO[bytes]:  # Polars' FileProviderArgs, which it exports from no public module
        row = part.partition_keys.select(pl.all().cast(pl.String)).row(0)
        folders = [f"{_hive(name)}={_hive(value)}/" for name, value in zip(keys, row, strict=True)]
        return file(f"{''.join(folders)}{part.index_in_partition:08}{_USUAL[format]}")

    return pl.PartitionBy("", key=keys, file_path_provider=place)


def _hive(value: str | None) -> str:
    return "__HIVE_DEFAULT_PARTITION__" if value is None else quote(value, safe="")


def rows_in_footers(format: Format, frame: pl.LazyFrame) -> int | None:  # noqa: A002
    """Gives the rows of a scan where no data has to be read for it; else None."""
    if format in ("csv", "ndjson"):
        return None
    import polars as pl

    try:
        rows: int = frame.select(pl.len()).collect().item()
    except pl.exceptions.PolarsError:  # whoever collects the scan is told
        return None
    return rows


def rows_told(format: Format, tail: bytes) -> int | None:  # noqa: A002
    """Gives the rows of a file from its last bytes, where the format tells them there and they are enough; else None.

    >>> rows_told("csv", b"1,2")
    """
    if format != "parquet" or len(tail) < 8:
        return None
    footer = int.from_bytes(tail[-8:-4], "little") + 8
    if footer > len(tail):
        return None
    import polars as pl

    count: int = pl.scan_parquet(BytesIO(b"PAR1" + tail[-footer:])).select(pl.len()).collect().item()
    return count
