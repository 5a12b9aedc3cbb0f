"""What a file looks like by its first and last bytes, against what its bucket says it is."""

from __future__ import annotations

from glacier.resources.formats import COMPRESSIONS, Format, extension, format_of

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
        tail: its last 8 bytes, where these tell something.

    >>> mismatch("parquet", "a.parquet", b"id,amount", b"1,2")
    ('Parquet', 'text')
    >>> mismatch("parquet", "a.parquet", b"PAR1....", b"....cut!")
    ('Parquet', 'Parquet that was cut short')
    """
    seen = _looks_like(head)
    last = "." + extension(path).rsplit(".", 1)[-1]
    if last in COMPRESSIONS:
        wanted: tuple[str, ...] = (COMPRESSIONS[last],)
    elif format_of(path) is None and format in ("csv", "ndjson"):
        wanted = (*_WANTED[format], "gzip", "zstd")  # no extension speaks against it, and Polars tells by itself
    else:
        wanted = _WANTED[format]
    if seen not in wanted:
        return (COMPRESSIONS[last] if last in COMPRESSIONS else _TITLES[format]), seen
    ends = ends_in(format)
    if ends and not tail.endswith(ends):
        return _TITLES[format], f"{_TITLES[format]} that was cut short"
    return None


def ends_in(format: Format) -> tuple[bytes, ...]:  # noqa: A002
    """Gives what the last bytes of a whole file of a format are, one of these; nothing if they tell nothing.

    >>> ends_in("ipc"), ends_in("csv")
    ((b'ARROW1',), ())
    """
    match format:
        case "parquet":
            return (b"PAR1", b"PARE")
        case "ipc":
            return (b"ARROW1",)
        case _:
            return ()


def mismatch_fix(path: str, seen: str) -> str:
    """Gives the edit for a file that looks like `seen`.

    >>> mismatch_fix("a.csv", "Parquet"), mismatch_fix("a.csv", "gzip")
    ('pass format="parquet"', 'name the file `a.csv.gz`')
    """
    if seen.endswith("cut short"):
        return "write it again; its write was interrupted"
    endings: dict[str, str] = {kind: ending for ending, kind in COMPRESSIONS.items()}
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
