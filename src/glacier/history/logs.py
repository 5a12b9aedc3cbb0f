"""What tasks log while they run, kept with the run."""

from __future__ import annotations

import logging
from collections import deque

from glacier.doing import current
from glacier.execution.record import RunStart

_MOST_LINES = 200
"""Of one task; the last ones are kept."""
_MOST_CHARACTERS = 2_000
"""Of one line."""


class TaskLogs(logging.Handler):
    """Keeps the records that the tasks of one run log in this process, as lines.

    It stands beside the user's own handlers, and changes no level: what their configuration drops is not here either.
    """

    def __init__(self, run: RunStart) -> None:
        super().__init__()
        self._run = run
        self._lines: dict[str, deque[str]] = {}
        self.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        """Keeps a record of a task of the run."""
        doing = current()
        if doing is None or doing.run_id != self._run.run_id:
            return
        try:
            line = self._run.secrets.of_all()(self.format(record))
        except Exception:  # noqa: BLE001  # what cannot be formatted is told by the user's own handlers
            self.handleError(record)
            return
        lines = self._lines.setdefault(doing.task, deque(maxlen=_MOST_LINES))
        lines.append(line[:_MOST_CHARACTERS])

    def of_task(self, task: str) -> tuple[str, ...]:
        """Gives what a task has logged so far, the last lines of it."""
        return tuple(self._lines.get(task, ()))
