"""The objects that a bucket's path stands for: found, chosen and looked at before Polars reads them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from glacier.errors import AccessDenied, ObjectNotFound, StorageError, did_you_mean, listed
from glacier.resources import formats, paths, signatures

if TYPE_CHECKING:
    from glacier.resources.bucket import Bucket
    from glacier.resources.store import Entry

_CHECKED_FILES = 100
"""Of a directory or glob, so many files have their first and last bytes looked at; all have their size."""


def found(bucket: Bucket) -> Iterator[Entry]:
    """Gives all that the path stands for, in no order."""
    if not paths.is_glob(bucket.path):
        yield from bucket.store.entries(bucket.name, bucket.path)
        return
    matches = paths.matcher(bucket.path)
    below = bucket.store.entries(bucket.name, paths.folder(bucket.path) or "./")
    every = [entry for entry in below if entry.path == bucket.path or matches(entry.path)]
    yield from [entry for entry in every if entry.path == bucket.path] or every  # a file may be called `a[1].csv`


def readable(bucket: Bucket) -> list[Entry]:
    """Gives the files that a scan reads, in the order of their paths."""
    every = sorted(found(bucket))
    if not every:
        raise not_found(bucket)
    top = bucket.path.rstrip("/") + "/"
    if paths.is_glob(bucket.path) or not all(bucket.path == "./" or entry.path.startswith(top) for entry in every):
        return every
    below = paths.folder(top)
    data = [
        entry
        for entry in every
        if formats.in_directory(entry.path, bucket.format)
        and not any(part.startswith((".", "_")) for part in entry.path.removeprefix(below).split("/"))
    ]
    if data:
        return data
    others = sorted({other for entry in every if (other := formats.format_of(entry.path))} - {bucket.format})
    raise ObjectNotFound(
        f"no {bucket.format} file in `{bucket.uri}`: "
        f"it holds {listed(entry.path.removeprefix(below) for entry in every)}",
        site=bucket.site,
        fix=f'pass format="{others[0]}"' if others else f'pass a glob, path="{below}*" say',
    )


def not_found(bucket: Bucket) -> ObjectNotFound:
    """Gives the error that nothing is there, which names the nearest that is, where that may be looked at."""
    try:
        missing, folder, names = bucket.store.neighbours(bucket.name, bucket.path)
    except AccessDenied:  # an identity that reads one object may not list what lies beside it
        return ObjectNotFound(
            f"nothing at `{bucket.uri}`", site=bucket.site, fix="write the data first, or correct the path"
        )
    holds = f"it holds {listed(names)}" if names else "it is empty"
    if not missing:
        return ObjectNotFound(
            f"nothing in `{bucket.uri}`: {holds}", site=bucket.site, fix="write the data first, or correct the path"
        )
    near = did_you_mean(missing, names)
    return ObjectNotFound(
        f"nothing at `{bucket.uri}`: `{folder}` has no `{missing}`, {holds}",
        site=bucket.site,
        fix=f"write `{near[0]}` for `{missing}`" if near else "write the data first, or correct the path",
    )


def check(bucket: Bucket, entries: Sequence[Entry], *, may_be_empty: bool) -> None:
    """Refuses files that are empty, or not what the bucket's format says."""
    for entry in entries:
        if not entry.size and not may_be_empty:
            fix = "write it again, or delete it"
            raise StorageError(
                f"`{bucket.store.uri(bucket.name, entry.path)}` is empty (0 bytes), and {bucket.format} is to be read",
                site=bucket.site,
                fix=f"{fix}; pass schema=... to read it as no rows" if bucket.format == "ndjson" else fix,
            )
    looked_at = [entry for entry in entries[:_CHECKED_FILES] if entry.size]
    by_tail = signatures.ends_in(bucket.format)
    found = bucket.store.ends(bucket.name, looked_at, "last" if by_tail else "first")
    for entry, end in zip(looked_at, found, strict=True):
        if by_tail and end.endswith(by_tail):
            continue
        head = bucket.store.ends(bucket.name, [entry], "first")[0] if by_tail else end
        wrong = signatures.mismatch(bucket.format, entry.path, head, end)
        if wrong is not None:
            raise StorageError(
                f"`{bucket.store.uri(bucket.name, entry.path)}` is not {wrong[0]}: it looks like {wrong[1]}",
                site=bucket.site,
                fix=signatures.mismatch_fix(entry.path, wrong[1]),
            )
