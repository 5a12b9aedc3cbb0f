"""Small files of this machine that are there whole or not at all, also after the power has gone."""

from __future__ import annotations

import os
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from glacier.providers import leftovers


def replace(place: Path, content: bytes) -> None:
    """Puts a file in place of what is there; when it returns, the disk has it.

    Raises:
        OSError: it cannot be written; what was there is as it was.
    """
    beside = place.with_name(leftovers.new_name())
    try:
        with beside.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(place)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
    confirm(place.parent)


def confirm(place: Path) -> None:
    """Has the disk confirm that it has a file, or the names in a folder.

    Raises:
        OSError: the disk does not take it.
    """
    if sys.platform == "win32" and place.is_dir():  # which has no such thing as opening a folder
        return
    opened = os.open(place, os.O_RDWR if sys.platform == "win32" else os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def try_lock(place: Path) -> IO[bytes] | None:
    """Locks a file, which is made, until what is given is closed or this process ends; None if another has it."""
    file = place.open("ab")
    try:
        if sys.platform == "win32":
            import msvcrt

            file.seek(0)
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        return None
    return file


@contextmanager
def locked(place: Path) -> Generator[None]:
    """Keeps other processes of this machine that ask for the same lock waiting until the block, or this process, ends.

    The lock is a hidden file beside the place, which stays there empty.
    """
    with place.with_name(f".{place.name}.lock").open("ab") as file:
        if sys.platform == "win32":
            import msvcrt

            file.seek(0)
            msvcrt.locking(file.fileno(), msvcrt.LK_LOCK, 1)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX)
        yield  # closing the file lets go of the lock
