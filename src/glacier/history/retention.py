"""How many runs the history keeps, and how what is older leaves it."""

from __future__ import annotations

import json
import sqlite3
import time
from itertools import accumulate

from glacier.history.processes import Process

MOST_TASKS = 2_000_000
"""The newest runs that together have more tasks than these are all that is kept, however many runs were asked for."""

_AT_ONCE = 100  # runs that one end of a run removes at most, so that none waits long for it
_TASKS_AT_ONCE = 50_000
_PAGES = 2_000
"""Pages of the file that are given back at once; fewer are left for the next runs."""

_TOO_MANY = """
    SELECT seq, tasks, state, process, seen FROM runs
    WHERE seq <= (SELECT seq FROM runs ORDER BY seq DESC LIMIT 1 OFFSET ?) ORDER BY seq LIMIT ?
"""
_TOO_LARGE = """
    SELECT seq, tasks, state, process, seen FROM (SELECT *, SUM(tasks) OVER (ORDER BY seq DESC) AS all_tasks FROM runs)
    WHERE all_tasks > ? ORDER BY seq LIMIT ?
"""


def prune(connection: sqlite3.Connection, kept: int) -> int:
    """Removes the oldest runs beyond those that are kept, and gives how many it removed.

    It takes a part of them where there are many; the end of the next run takes the rest.

    Args:
        connection: the store.
        kept: how many of the newest stay.

    Raises:
        sqlite3.Error: the store cannot be written.
    """
    extra = connection.execute(_TOO_MANY, (kept, _AT_ONCE)).fetchall()
    if not extra and connection.execute("SELECT MAX(seq) % 64 FROM runs").fetchone() == (0,):  # it reads every run
        extra = connection.execute(_TOO_LARGE, (MOST_TASKS, _AT_ONCE)).fetchall()
    sums = accumulate(tasks for _, tasks, *_ in extra)
    few = [row for row, before in zip(extra, sums, strict=True) if before - row[1] < _TASKS_AT_ONCE]
    over = [seq for seq, _, *rest in few if _is_over(*rest)]
    if over:
        remove(connection, over)
    return len(over)


def _is_over(state: str, process: str, seen: int) -> bool:
    return state != "running" or Process(**json.loads(process)).is_gone(time.time() - seen / 1e6)


def remove(connection: sqlite3.Connection, runs: list[int]) -> None:
    """Removes runs by their `seq`, with their tasks, and gives some of the room in the file back."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        connection.executemany("DELETE FROM runs WHERE seq = ?", [(seq,) for seq in runs])
        connection.execute("DELETE FROM graphs WHERE NOT EXISTS (SELECT 1 FROM runs WHERE graph = key)")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    (free,) = connection.execute("PRAGMA freelist_count").fetchone()
    if free >= _PAGES:
        give_back(connection, _PAGES)


def give_back(connection: sqlite3.Connection, pages: int = 0) -> None:
    """Gives room that is free in the file back to the disk: so many pages, or all.

    Raises:
        sqlite3.Error: the store cannot be written.
    """
    connection.executescript(f"PRAGMA incremental_vacuum({pages})")  # `execute` would stop after the first page
