"""Opens the history's file, and says of what goes wrong with it what a person can do."""

from __future__ import annotations

import errno
import os
import sqlite3
import weakref
from functools import lru_cache
from pathlib import Path

from glacier.errors import GlacierError, StorageError, text_of
from glacier.execution.home import make_home
from glacier.history.schema import NewerHistoryError, prepare

FILE_NAME = "history.db"

_BUSY, _LOCKED = 5, 6  # SQLite's result codes; those below too
_WAIT = "find the process that holds its lock, or wait for it"
_WRITABLE = "let GLACIER_HOME name a folder that can be written, or turn the history off: GLACIER_HISTORY=0"
_ROOM = "make room on the disk, or let GLACIER_HOME name a folder on another"
_AWAY = "move the file away; the next run begins a new one"
_FIXES = {_BUSY: _WAIT, _LOCKED: _WAIT, 3: _WRITABLE, 8: _WRITABLE, 14: _WRITABLE, 10: _ROOM, 13: _ROOM}


def connected(home: Path, *, timeout: float) -> sqlite3.Connection:
    """Opens the history of a project for reading and writing; makes it where there is none.

    Every statement is a transaction of its own unless one is begun. Commits are safe against the end of the process at
    any moment; the last ones may be missing after a power failure.

    Args:
        home: the folder `.glacier`.
        timeout: seconds to wait for the locks of other processes.

    Raises:
        OSError: the folder cannot be made.
        sqlite3.Error: the file cannot be opened, or is none.
        NewerHistoryError: a newer Glacier has written it.
    """
    make_home(home)
    connection = sqlite3.connect(home / FILE_NAME, timeout=timeout, isolation_level=None, check_same_thread=False)
    try:
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA foreign_keys = ON")
        prepare(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def keep_open(home: Path) -> None:
    """Keeps the history open until this process ends, or opens another.

    Whoever closes a store last also writes its log back into the file and has the disk confirm that, which takes a disk
    far longer than to record a small run.
    """
    _opened(home, (home / FILE_NAME).stat().st_ino, os.getpid())


@lru_cache(maxsize=1)
def _opened(home: Path, file: int, process: int) -> _Opened:
    del file, process  # another file in its place, and a forked process, need a connection of their own
    return _Opened(sqlite3.connect(home / FILE_NAME, isolation_level=None, check_same_thread=False))


class _Opened:
    def __init__(self, connection: sqlite3.Connection) -> None:
        connection.execute("PRAGMA user_version").fetchone()  # only then it is really open
        weakref.finalize(self, _close, connection, os.getpid())


def _close(connection: sqlite3.Connection, process: int) -> None:
    if os.getpid() == process:  # a forked process has got it, but not the locks that go with it
        connection.close()


def is_busy(error: Exception) -> bool:
    """Says whether a store failed only because another process holds its lock."""
    return _code(error) in (_BUSY, _LOCKED)


def is_unwritable(error: Exception) -> bool:
    """Says whether a store failed only because nothing can be written where it lies; it may still be read."""
    if isinstance(error, OSError):
        return error.errno in (errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOSPC, errno.EDQUOT)
    return _FIXES.get(_code(error)) in (_WRITABLE, _ROOM)


def trouble(error: Exception, home: Path | None) -> GlacierError:
    """Gives what a person is told of a store that failed.

    Args:
        error: what it raised.
        home: its folder; None if that could not even be found.
    """
    if isinstance(error, GlacierError):
        return error
    file = "?" if home is None else home / FILE_NAME
    if isinstance(error, NewerHistoryError):
        return StorageError(
            f"the history `{file}` was written by a newer Glacier: {error}",
            fix="update Glacier, or let GLACIER_HOME name another folder",
        )
    if isinstance(error, OSError):
        fix = _ROOM if error.errno in (errno.ENOSPC, errno.EDQUOT) else _WRITABLE
        return StorageError(f"the history `{file}` cannot be used: {error.strerror or error}", fix=fix)
    if isinstance(error, sqlite3.Error):
        return StorageError(f"the history `{file}` cannot be used: {error}", fix=_FIXES.get(_code(error), _AWAY))
    return StorageError(f"writing the history `{file}` failed: {type(error).__name__}: {text_of(error)}")


def _code(error: Exception) -> int:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF if isinstance(error, sqlite3.Error) else 0
