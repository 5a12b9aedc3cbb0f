"""What tasks log while they run, kept with the run."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable
from copy import copy
from typing import Any

from glacier.doing import Doing, current
from glacier.execution.record import RunStart

_MOST_LINES = 200
"""Of one task; the last ones are kept."""
_MOST_CHARACTERS = 2_000
"""Of one line."""


class TaskLogs:
    """Keeps the records that the tasks of one run log in this process, as lines, from `begin` to `end`.

    It stands beside the user's own handlers, and changes no level: what their configuration drops is not here either.
    It is none of them itself: for a program that has set up no logging, that would be a setup, and Python would not
    print its warnings any more.
    """

    def __init__(self, run: RunStart) -> None:
        self._run = run
        self._lines: dict[str, deque[str]] = {}
        self._formatter = logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s")

    def begin(self) -> None:
        """Keeps what is logged from now on."""
        _hear()
        _open[self._run.run_id] = self

    def end(self) -> None:
        """Keeps no more."""
        _open.pop(self._run.run_id, None)

    def keep(self, doing: Doing, record: logging.LogRecord) -> None:
        """Keeps a record of a task of the run."""
        try:
            told = self._formatter.format(copy(record))  # it notes what it formats on the record
            line = (self._run.secrets.of_all() | doing.mask)(told)
        except Exception:  # noqa: BLE001  # what cannot be formatted is told by the user's own handlers
            return
        lines = self._lines.setdefault(doing.task, deque(maxlen=_MOST_LINES))
        lines.append(line[:_MOST_CHARACTERS])

    def of_task(self, task: str) -> tuple[str, ...]:
        """Gives what a task has logged so far, the last lines of it."""
        return tuple(self._lines.get(task, ()))


_open: dict[str, TaskLogs] = {}
"""The logs of the runs of this process that go on, by the runs' ids."""
_hearing = threading.local()


def _hear() -> None:
    """Has every record told to `_keep` when it is made, unless that is so."""
    made = logging.getLogRecordFactory()
    if not isinstance(made, _Heard):
        logging.setLogRecordFactory(_Heard(made))


class _Heard:
    """Makes records of logs as it was done before, and tells of each."""

    def __init__(self, before: Callable[..., logging.LogRecord]) -> None:
        self._before = before

    def __call__(self, *args: Any, **kwargs: Any) -> logging.LogRecord:
        outermost = not getattr(_hearing, "inside", False)  # another's factory may have this one in it, twice
        _hearing.inside = True
        try:
            record = self._before(*args, **kwargs)
        finally:
            if outermost:
                _hearing.inside = False
        if outermost and _open:
            _hear_of(record)
        return record


def _hear_of(record: logging.LogRecord) -> None:
    """Keeps a record that a logger makes, unless its filters drop it, or it would not come to the root's handlers."""
    found = logging.root if record.name == logging.root.name else logging.root.manager.loggerDict.get(record.name)
    if not isinstance(found, logging.Logger) or not _reaches_root(found):
        return
    if not found.filters:
        _keep(record)
    elif _keep not in found.filters:  # it is asked after them, of this record too
        found.addFilter(_keep)


def _reaches_root(logger: logging.Logger) -> bool:
    while logger.parent is not None:
        if not logger.propagate:
            return False
        logger = logger.parent
    return True


def _keep(record: logging.LogRecord) -> bool:
    """Keeps a record if a task of a run that goes on makes it; a filter that lets every one pass."""
    doing = current()
    logs = _open.get(doing.run_id) if doing is not None else None
    if doing is not None and logs is not None:
        logs.keep(doing, record)
    return True
