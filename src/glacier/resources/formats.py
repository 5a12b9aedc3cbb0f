"""The formats a bucket's objects can have: told by extension, checked by content, read and written by Polars."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping
from datetime import date
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, Literal, get_args
from urllib.parse import unquote

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
_COMPRESSIONS: dict[str, Literal["gzip", "zstd"]] = {".gz": "gzip", ".zst": "zstd"}
EXTENSIONS: dict[str, Format] = {
    **_BARE,
    **{bare + packed: kind for bare, kind in _BARE.items() if kind in ("csv", "ndjson") for packed in _COMPRESSIONS},
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
    """Gives files as one LazyFrame; JSON and Avro, which Polars cannot scan, are read here and now.

    Components `key=value` of the paths become columns, where the files do not hold them themselves.

    Args:
        format: of every file.
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
            escaped = [re.sub(r"([*?\[])", r"[\1]", uri) for uri in uris]
            return _scan_text(function, escaped, files, {**reach, **options})
        case "json" | "avro":
            return _read_all(function, uris, options)


def _read_all(function: Callable[..., pl.DataFrame], uris: list[str], options: Mapping[str, Any]) -> pl.LazyFrame:
    import polars as pl

    return pl.concat([function(uri, **options) for uri in uris]).lazy()


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
    target: str | pl.PartitionBy,
    format: Format,  # noqa: A002
    *,
    path: str,
    options: Mapping[str, Any],
    on_files: Callable[[Any], None],
) -> pl.LazyFrame:
    """Gives the lazy sink of a frame: nothing is written until it is collected.

    Args:
        frame: what is written.
        target: a URI or a partitioning below one.
        format: one that streams.
        path: the path the data will have; its extension tells compression and separator.
        options: of the Polars function, checked, with what reaches the store.
        on_files: called with Polars' list of the written files (path, rows, bytes); Parquet and IPC only.
    """
    given: dict[str, Any] = {"lazy": True}
    if format in ("parquet", "ipc"):
        given["sinked_paths_callback"] = on_files
    else:
        given["check_extension"] = False  # the temporary name tells nothing
        last = "." + extension(path).rsplit(".", 1)[-1]
        given |= {"compression": _COMPRESSIONS[last]} if last in _COMPRESSIONS else {}
        given |= {"separator": "\t"} if extension(path).startswith(".tsv") else {}
    sink: pl.LazyFrame = write_function(format)(frame, target, **{**given, **options})
    return sink


_MAGIC: tuple[tuple[bytes, str], ...] = (
    (b"PAR1", "Parquet"),
    (b"PARE", "encrypted Parquet"),
    (b"ARROW1", "Arrow IPC"),
    (b"\xff\xff\xff\xff", "an Arrow IPC stream"),
    (b"FEA1", "Feather version 1"),
    (b"Obj\x01", "Avro"),
    (b"\x1f\x8b", "gzip"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"PK\x03\x04", "a zip archive (an Excel workbook is one)"),
    (b"\xd0\xcf\x11\xe0", "an old Excel workbook"),
    (b"BZh", "bzip2"),
    (b"\xfd7zXZ\x00", "xz"),
    (b"%PDF", "PDF"),
    (b"SQLite format 3", "an SQLite database"),
    (b"\xff\xfe", "UTF-16 text"),
    (b"\xfe\xff", "UTF-16 text"),
)
_WANTED: dict[Format, tuple[str, ...]] = {
    "parquet": ("Parquet", "encrypted Parquet"),
    "ipc": ("Arrow IPC",),
    "avro": ("Avro",),
    "csv": ("text", "JSON", "a JSON array", "an HTML or XML page"),
    "ndjson": ("JSON",),
    "json": ("JSON", "a JSON array"),
}
_TITLES: dict[Format, str] = {
    "parquet": "Parquet",
    "csv": "CSV",
    "ndjson": "NDJSON (one object a line)",
    "json": "JSON",
    "ipc": "Arrow IPC",
    "avro": "Avro",
}


def mismatch(format: Format, path: str, head: bytes, tail: bytes) -> tuple[str, str] | None:  # noqa: A002
    """Tells what a file should be and what it looks like instead; None if it looks right.

    Args:
        format: what it is to be read as.
        path: its extension tells the compression.
        head: its first bytes, 64 are enough.
        tail: its last 8 bytes.

    >>> mismatch("parquet", "a.parquet", b"id,amount", b"1,2")
    ('Parquet', 'text')
    >>> mismatch("parquet", "a.parquet", b"PAR1....", b"....cut!")
    ('Parquet', 'Parquet that was cut short')
    """
    seen = _looks_like(head)
    last = "." + extension(path).rsplit(".", 1)[-1]
    if last in _COMPRESSIONS:
        wanted: tuple[str, ...] = (_COMPRESSIONS[last],)
    elif format_of(path) is None and format in ("csv", "ndjson"):
        wanted = (*_WANTED[format], "gzip", "zstd")  # no extension speaks against it, and Polars tells by itself
    else:
        wanted = _WANTED[format]
    if seen not in wanted:
        return (_COMPRESSIONS[last] if last in _COMPRESSIONS else _TITLES[format]), seen
    ends = {"parquet": (b"PAR1", b"PARE"), "ipc": (b"ARROW1",)}.get(format)
    if ends is not None and not tail.endswith(ends):
        return _TITLES[format], f"{_TITLES[format]} that was cut short"
    return None


def mismatch_fix(path: str, seen: str) -> str:
    """Gives the edit for a file that looks like `seen`.

    >>> mismatch_fix("a.csv", "Parquet"), mismatch_fix("a.csv", "gzip")
    ('pass format="parquet"', 'name the file `a.csv.gz`')
    """
    if seen.endswith("cut short"):
        return "write it again; its write was interrupted"
    endings: dict[str, str] = {kind: ending for ending, kind in _COMPRESSIONS.items()}
    packed = endings.get(seen)
    if packed is not None:
        return f"name the file `{path.rsplit('/', 1)[-1]}{packed}`"
    for kind, wanted in _WANTED.items():
        if seen in wanted and (kind != "csv" or seen == "text"):
            return f'pass format="{kind}"'
    return "write it again in a format Glacier reads, or correct the path"


def _looks_like(head: bytes) -> str:
    for magic, name in _MAGIC:
        if head.startswith(magic):
            return name
    if b"\x00" in head:
        return "binary data"
    match head.removeprefix(b"\xef\xbb\xbf").lstrip()[:1]:
        case b"{":
            return "JSON"
        case b"[":
            return "a JSON array"
        case b"<":
            return "an HTML or XML page"
        case _:
            return "text"
