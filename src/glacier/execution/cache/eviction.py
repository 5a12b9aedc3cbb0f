"""How much of the project's disk the cache takes, and what goes when that is too much."""

from __future__ import annotations

import os
import re
import shutil
import time
from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from glacier.errors import ConfigError
from glacier.execution.cache.entries import NAME, Damaged, parsed
from glacier.providers import leftovers

VARIABLE = "GLACIER_CACHE_SIZE"
MOST_BYTES = 10 * 2**30
"""What the cache takes where nothing else is said."""

_UNITS = {"": 1, "b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "tb": 10**12} | {
    "kib": 2**10, "mib": 2**20, "gib": 2**30, "tib": 2**40,
}  # fmt: skip
_LATELY = 600.0
"""Seconds in which files that were used, or written, may still be needed by the run that did so."""
_OF_MOST = 2
"""Files that the folder of most entries has at most: the entry, and a frame. Of others it is looked which it names."""
_ABANDONED = 86_400.0
"""Seconds after which files that no entry names are those of a process that is gone."""


@dataclass(frozen=True)
class _Folder:
    """The folder of a key.

    Attributes:
        used: when something in it was last used, or written, as `time.time` has it.
        whole: whether it has an entry.
        several: whether it has more files than most entries.
        staged: whether a process that is still there writes a file.
    """

    path: Path
    size: int
    used: float
    whole: bool
    several: bool
    staged: bool


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
    size -= sum(remove_superseded(one.path) for one in found if one.whole and one.several)
    for one in found:
        stale = not one.whole and now - one.used > _ABANDONED
        if one.path.name in keep or not (stale or size > most) or one.staged or now - one.used < _LATELY:
            continue
        (one.path / NAME).unlink(missing_ok=True)  # first, so that nobody finds half of it
        shutil.rmtree(one.path, ignore_errors=True)
        size -= one.size
    return size


def remove_superseded(folder: Path, before: Collection[str] = ()) -> int:
    """Removes the files in a key's folder that its entry does not name and nobody needs any more; gives their bytes.

    Args:
        folder: of the key.
        before: the files of the entry that this one has just taken the place of. Who has found that may read them for
            a while, from now on.
    """
    now, removed = time.time(), 0
    try:
        named = {NAME, *parsed((folder / NAME).read_bytes()).files}
        others = [file for file in folder.iterdir() if file.name not in named]
    except (OSError, Damaged):  # it has no entry that can be read
        return 0
    for file in others:
        if file.name.startswith("."):  # somebody writes it, or it is the entry's lock
            continue
        with suppress(OSError):  # another process removes it, too
            if file.name in before:
                os.utime(file)
            elif now - (told := file.stat()).st_mtime > _LATELY:
                file.unlink()
                removed += told.st_size
    return removed


def _folders(folder: Path) -> Iterator[_Folder]:
    if not folder.is_dir():
        return
    for path in folder.iterdir():
        try:
            files = {one.name: one.stat() for one in path.iterdir() if one.suffix != ".lock"}
            used = max((told.st_mtime for told in files.values()), default=path.stat().st_mtime)
        except (FileNotFoundError, NotADirectoryError):  # another process writes or removes it, too
            continue
        size, whole = sum(told.st_size for told in files.values()), NAME in files
        yield _Folder(path, size, used, whole, len(files) > _OF_MOST, any(map(_is_staged, files, files.values())))


def _is_staged(name: str, told: os.stat_result) -> bool:
    return name.startswith(leftovers.PREFIX) and not leftovers.is_stale(name, told.st_mtime)
