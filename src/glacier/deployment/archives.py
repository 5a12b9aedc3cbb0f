"""Archives whose bytes depend on what goes in alone: no times, owners, orders or modes of this machine."""

from __future__ import annotations

import io
import tarfile
import zipfile
from collections.abc import Mapping

_STORED_BYTES = 2 * 1024 * 1024
"""Up to here files are stored as they are, so that the version of the compressor does not show in the bytes."""


def zipped(files: Mapping[str, bytes], *, stored: bool = False) -> bytes:
    """Gives a zip of files by their path.

    Args:
        files: their contents.
        stored: whether they are stored as they are, however many there are.

    >>> zipped({"b": b"1", "a": b"2"}) == zipped({"a": b"2", "b": b"1"})
    True
    """
    as_is = stored or sum(map(len, files.values())) <= _STORED_BYTES
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        for name in sorted(files):
            entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            entry.create_system = 3  # Unix, which the mode below is read by
            entry.external_attr = 0o100644 << 16
            entry.compress_type = zipfile.ZIP_STORED if as_is else zipfile.ZIP_DEFLATED
            archive.writestr(entry, files[name], compresslevel=None if as_is else 9)
    return made.getvalue()


def tarred(files: Mapping[str, bytes]) -> bytes:
    """Gives a tar of files by their path, not compressed.

    >>> tarred({"b": b"1", "a": b"2"}) == tarred({"a": b"2", "b": b"1"})
    True
    """
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for name in sorted(files):
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode, entry.mtime = len(files[name]), 0o644, 315_532_800
            archive.addfile(entry, io.BytesIO(files[name]))
    return made.getvalue()
