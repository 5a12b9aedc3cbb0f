"""How much of the project's disk the cache takes, and what goes when that is too much."""

from __future__ import annotations

import os
import re
import shutil
import time
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from glacier.errors import ConfigError

VARIABLE = "GLACIER_CACHE_SIZE"
MOST_BYTES = 10 * 2**30
"""What the cache takes where nothing else is said."""

_UNITS = {"": 1, "b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "tb": 10**12} | {
    "kib": 2**10, "mib": 2**20, "gib": 2**30, "tib": 2**40,
}  # fmt: skip
_LATELY = 600.0
"""Seconds in which an entry that was used may still be read by the run that found it."""
_ABANDONED = 86_400.0
"""Seconds after which files that no entry names are those of a process that is gone."""


@dataclass(frozen=True)
class _Folder:
    """The folder of a key.

    Attributes:
        used: when it was last used, or written, as `time.time` has it.
        whole: whether it has an entry.
    """

    path: Path
    size: int
    used: float
    whole: bool


def most_bytes() -> int:
    """Gives how many bytes `GLACIER_CACHE_SIZE` lets the cache take.

    Raises:
        ConfigError: it is no size.

    >>> import os
    >>> os.environ["GLACIER_CACHE_SIZE"] = "1.5 GiB"
    >>> most_bytes()
    1610612736
    >>> del os.environ["GLACIER_CACHE_SIZE"]
    """
    stated = os.environ.get(VARIABLE, "").strip()
    if not stated:
        return MOST_BYTES
    found = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?) *([a-zA-Z]*)", stated)
    unit = _UNITS.get(found[2].lower()) if found else None
    if found is None or unit is None:
        raise ConfigError(f"{VARIABLE} is {stated!r}; it takes a size", fix=f"{VARIABLE}=20GiB, or leave it out")
    return int(float(found[1]) * unit)


def make_room(folder: Path, keep: Collection[str] = ()) -> int:
    """Removes what was not used for longest until the rest fits, and gives how many bytes are left.

    Args:
        folder: of the cache.
        keep: keys that stay.

    Raises:
        OSError: the disk cannot be read.
    """
    now, most = time.time(), most_bytes()
    found = sorted(_folders(folder), key=lambda one: one.used)
    size = sum(one.size for one in found)
    for one in found:
        stale = not one.whole and now - one.used > _ABANDONED
        if one.path.name in keep or not (stale or size > most) or (one.whole and now - one.used < _LATELY):
            continue
        (one.path / "entry.json").unlink(missing_ok=True)  # first, so that nobody finds half of it
        shutil.rmtree(one.path, ignore_errors=True)
        size -= one.size
    return size


def _folders(folder: Path) -> Iterator[_Folder]:
    if not folder.is_dir():
        return
    for path in folder.iterdir():
        try:
            entry = path / "entry.json"
            whole = entry.exists()
            used = (entry if whole else path).stat().st_mtime
            yield _Folder(path, sum(one.stat().st_size for one in path.iterdir()), used, whole)
        except (FileNotFoundError, NotADirectoryError):  # another process removes it, too
            continue
