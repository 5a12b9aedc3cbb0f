"""Files of this machine that are there whole or not at all, also after the power has gone; logs; locks."""

from __future__ import annotations

import json
import os
import sys
import threading
import zlib
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

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


class Log:
    """A file of lines that grows at its end: JSON, each with a checksum. Several threads may write.

    Lines count up to the first that is not whole, as the one is that was being written when its process was killed.
    """

    def __init__(self, place: Path) -> None:
        if place.exists():
            os.truncate(place, max((end for end, _ in _whole(place)), default=0))
        self._file = place.open("ab", buffering=0)
        self._writing, self._confirming = threading.Lock(), threading.Lock()
        self._written = self._confirmed = 0

    def write(self, line: Mapping[str, Any]) -> None:
        """Writes a line; when it returns, the disk has it. Lines of several threads are confirmed together.

        Raises:
            OSError: the disk does not take it; then nothing of it is there.
        """
        text = json.dumps(line).encode()
        with self._writing:
            self._append(b"%08x %s\n" % (zlib.crc32(text), text))
            self._written += 1
            number = self._written
        with self._confirming:
            if self._confirmed < number:
                written = self._written
                os.fsync(self._file.fileno())
                self._confirmed = written

    def close(self) -> None:
        """Closes it."""
        self._file.close()

    def _append(self, line: bytes) -> None:
        """Writes to the end; what a full disk takes in part is taken back, for it would hide what follows."""
        end = self._file.seek(0, os.SEEK_END)
        left = memoryview(line)
        try:
            while left:
                left = left[self._file.write(left) or 0 :]
        except OSError:
            self._file.truncate(end)
            raise


def lines_of(place: Path) -> Iterator[dict[str, Any]]:
    """Gives the lines of a log, none if it is not there."""
    return (line for _, line in _whole(place))


def _whole(place: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Gives the lines of a log that are whole, each with the byte at which it ends."""
    try:
        content = place.read_bytes()
    except OSError:
        return
    end = 0
    for raw in content.splitlines(keepends=True):
        checksum, _, text = raw.rstrip(b"\n").partition(b" ")
        if not raw.endswith(b"\n") or checksum != b"%08x" % zlib.crc32(text):
            return
        end += len(raw)
        yield end, json.loads(text)


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
