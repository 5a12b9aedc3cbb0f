"""The history as it is read, and thinned out."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Self

from glacier.errors import InputError
from glacier.history.database import FILE_NAME, connected, is_unwritable, trouble
from glacier.history.naming import Known, no_run, run_named
from glacier.history.retention import give_back, remove
from glacier.history.runs import RUN_COLUMNS, TASK_COLUMNS, RecordedRun, RecordedTask, run_of, task_of
from glacier.history.schema import NewerHistoryError

if TYPE_CHECKING:
    from glacier.history.graphs import GraphInfo

_WAIT = 5.0  # seconds that a command waits for the locks of runs


@dataclass(frozen=True)
class Wanted:
    """Which runs to list.

    Attributes:
        pipeline: those of this one.
        state: those that ended so, or "running", or "killed".
        most: at most so many, the newest; None for all.
    """

    pipeline: str | None = None
    state: str | None = None
    most: int | None = None


class History:
    """The runs of a project, newest first. Close it, or use it in a `with` block.

    Args:
        home: the folder `.glacier`.

    Raises:
        StorageError: its file cannot be read.
    """

    def __init__(self, home: Path) -> None:
        self.home = home
        self._open = ExitStack()
        self._unwritable: Exception | None = None
        try:
            self._connection = self._connected() if (home / FILE_NAME).exists() else None
        except (OSError, sqlite3.Error, NewerHistoryError) as error:
            self._open.close()
            raise trouble(error, home) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes it."""
        self._open.close()
        self._connection = None

    def runs(self, wanted: Wanted | None = None) -> list[RecordedRun]:
        """Gives runs, newest first.

        Raises:
            StorageError: the file cannot be read.
        """
        wanted = wanted or Wanted()
        now = datetime.now(UTC)
        conditions, values = ["1"], list[object]()
        if wanted.pipeline is not None:
            conditions.append("pipeline = ?")
            values.append(wanted.pipeline)
        if wanted.state is not None:
            conditions.append("state = ?")
            values.append("running" if wanted.state == "killed" else wanted.state)  # what is killed cannot note that
        query = f"SELECT {RUN_COLUMNS} FROM runs WHERE {' AND '.join(conditions)} ORDER BY seq DESC"  # noqa: S608
        found = (run_of(row, now) for row in self._rows(query, values))
        return list(islice((run for run in found if wanted.state in (None, run.state)), wanted.most))

    def run(self, name: str) -> RecordedRun:
        """Gives one run.

        Args:
            name: what `run_named` takes.

        Raises:
            InputError: it names no run, or several.
            StorageError: the file cannot be read.
        """
        if name == "last" and not [*self._rows("SELECT 1 FROM runs WHERE instr(id, 'last') LIMIT 1", ())]:
            newest = self._some("ORDER BY seq DESC LIMIT 1", ())  # asked for most, and found without the others
            if newest:
                return newest[0]
        known = [*map(Known._make, self._rows("SELECT id, pipeline FROM runs ORDER BY seq DESC", ()))]
        return self._some("WHERE id = ?", (run_named(name, known, str(self.home)),))[0]

    def tasks(self, run: RecordedRun) -> tuple[RecordedTask, ...]:
        """Gives the tasks of a run that have started or ended, in body order.

        Raises:
            StorageError: the file cannot be read.
        """
        query = f"SELECT {TASK_COLUMNS} FROM tasks WHERE run = (SELECT seq FROM runs WHERE id = ?) ORDER BY node"  # noqa: S608
        return tuple(task_of(row) for row in self._rows(query, (run.run_id,)))

    def graph(self, run: RecordedRun) -> GraphInfo | None:
        """Gives what stays of the graph that was run; None where it was not kept.

        Raises:
            StorageError: the file cannot be read.
        """
        from glacier.history.graphs import unpacked

        query = "SELECT content FROM graphs WHERE key = (SELECT graph FROM runs WHERE id = ?)"
        return next((unpacked(content) for (content,) in self._rows(query, (run.run_id,))), None)

    def memory(self, run: RecordedRun) -> list[tuple[float, int]]:
        """Gives how many bytes the process of a run held, each with the seconds since it began; none while it runs.

        Raises:
            StorageError: the file cannot be read.
        """
        rows = self._rows("SELECT memory FROM runs WHERE id = ?", (run.run_id,))
        return [(seconds, held) for (told,) in rows for seconds, held in json.loads(told or "[]")]

    def before(self, run: RecordedRun) -> RecordedRun | None:
        """Gives the run of the same pipeline before one.

        Raises:
            StorageError: the file cannot be read.
        """
        earlier = "WHERE pipeline = ? AND seq < (SELECT seq FROM runs WHERE id = ?) ORDER BY seq DESC LIMIT 1"
        return next(iter(self._some(earlier, (run.pipeline, run.run_id))), None)

    def remove(self, runs: Sequence[RecordedRun]) -> None:
        """Removes runs.

        Raises:
            InputError: one of them is running.
            StorageError: the file cannot be written.
        """
        running = [run for run in runs if run.state == "running"]
        if running:
            raise InputError(f"run `{running[0].short_id}` is running", fix="wait for its end, or interrupt it")
        with self._failures():
            connection = self._writable()
            ids = [(run.run_id,) for run in runs]
            found = [connection.execute("SELECT seq FROM runs WHERE id = ?", one).fetchone() for one in ids]
            remove(connection, [row[0] for row in found if row is not None])  # another process may have been quicker

    def give_back(self) -> int:
        """Gives the room of what was removed back to the disk, and says how many bytes the file has now.

        Raises:
            StorageError: the file cannot be written.
        """
        with self._failures():
            connection = self._writable()
            give_back(connection)
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
            return (self.home / FILE_NAME).stat().st_size

    def _some(self, condition: str, values: Sequence[object]) -> list[RecordedRun]:
        now = datetime.now(UTC)
        return [run_of(row, now) for row in self._rows(f"SELECT {RUN_COLUMNS} FROM runs {condition}", values)]  # noqa: S608

    def _rows(self, query: str, values: Sequence[object]) -> Iterator[tuple[Any, ...]]:
        if self._connection is not None:
            with self._failures():
                yield from self._connection.execute(query, values)

    def _connected(self) -> sqlite3.Connection:
        """Opens the store; where nothing can be written, on a read-only disk say, a copy of it."""
        try:
            return self._closed_later(connected(self.home, timeout=_WAIT))
        except (OSError, sqlite3.Error) as error:
            if not is_unwritable(error):
                raise
            self._unwritable = error
        folder = Path(self._open.enter_context(TemporaryDirectory(prefix="glacier-history-")))
        for name in (FILE_NAME, f"{FILE_NAME}-wal"):  # the log holds what is not in the file yet
            if (self.home / name).exists():
                shutil.copyfile(self.home / name, folder / name)
        return self._closed_later(connected(folder, timeout=_WAIT))

    def _closed_later(self, connection: sqlite3.Connection) -> sqlite3.Connection:
        self._open.callback(connection.close)
        return connection

    def _writable(self) -> sqlite3.Connection:
        if self._unwritable is not None:
            raise trouble(self._unwritable, self.home)
        if self._connection is None:
            raise no_run("last", (), str(self.home))
        return self._connection

    @contextmanager
    def _failures(self) -> Generator[None]:
        try:
            yield
        except (OSError, sqlite3.Error) as error:
            raise trouble(error, self.home) from error
