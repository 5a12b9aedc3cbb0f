"""The tables of the history, and how those of older versions become them."""

from __future__ import annotations

import sqlite3

_STEPS: tuple[tuple[str, ...], ...] = (
    (
        """
        CREATE TABLE runs (
            seq INTEGER PRIMARY KEY,       -- the order in which runs began to be recorded, whatever the clock said
            id TEXT NOT NULL UNIQUE,
            pipeline TEXT NOT NULL,
            file TEXT NOT NULL,
            state TEXT NOT NULL,           -- 'running', or how it ended
            started INTEGER NOT NULL,      -- the wall clock, in microseconds since 1970 in UTC
            seconds REAL,                  -- by a clock that nobody sets; NULL as long as it runs
            tasks INTEGER NOT NULL,        -- how many it has
            counts TEXT NOT NULL,          -- JSON: how many of them ended in each state
            reason TEXT,                   -- why it did not succeed
            inputs TEXT NOT NULL,          -- JSON: what may be shown of them
            about TEXT NOT NULL,           -- JSON: versions, executor
            process TEXT NOT NULL,         -- JSON: which process runs it, see `processes.Process`
            seen INTEGER NOT NULL          -- when that process last wrote, as `started`
        )
        """,
        "CREATE INDEX runs_of_pipeline ON runs (pipeline, seq)",
        """
        CREATE TABLE tasks (
            run INTEGER NOT NULL REFERENCES runs (seq) ON DELETE CASCADE,
            node INTEGER NOT NULL,         -- its index in the graph
            name TEXT NOT NULL,
            state TEXT NOT NULL,           -- 'running', or how it ended
            started REAL,                  -- seconds since the run began
            ended REAL,
            seconds REAL,
            rows INTEGER,
            turns INTEGER,
            reason TEXT,
            groups TEXT,                   -- JSON: names of the groups it is in, outermost first; NULL for none
            PRIMARY KEY (run, node)
        ) WITHOUT ROWID
        """,
    ),
    ("ALTER TABLE tasks ADD COLUMN more TEXT",),  # JSON: what few tasks have, their tries say; NULL for nothing
    (
        "CREATE TABLE graphs (key TEXT PRIMARY KEY, content BLOB NOT NULL) WITHOUT ROWID",  # see `graphs.packed`
        "ALTER TABLE runs ADD COLUMN graph TEXT",  # the key of what was run; NULL where it is not kept
        "ALTER TABLE runs ADD COLUMN memory TEXT",  # JSON: seconds and bytes that the process held then; NULL for none
        "CREATE INDEX runs_of_graph ON runs (graph)",
    ),
)
"""What makes each version of the version before it; the first, of nothing. A step that was released never changes."""

VERSION = len(_STEPS)


class NewerHistoryError(Exception):
    """A store that a newer Glacier has written, which this one cannot understand."""


def prepare(connection: sqlite3.Connection) -> None:
    """Makes the tables where there are none, and brings older ones up to date.

    Several processes may do so at once: one does it, and the others wait for it.

    Raises:
        NewerHistoryError: the tables are of a later version.
        sqlite3.Error: the store cannot be read or written.
    """
    if _version(connection) == VERSION:
        return
    if _version(connection) == 0:
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")  # holds only if set before the first table is made
        connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("BEGIN IMMEDIATE")
    try:
        version = _version(connection)
        if version > VERSION:
            raise NewerHistoryError(f"its version is {version}, and this Glacier knows those up to {VERSION}")
        for step in _STEPS[version:]:
            for statement in step:
                connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {VERSION}")
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])
