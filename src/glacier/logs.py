"""Records of logs that say which run and task they are from."""

from __future__ import annotations

import logging
from collections.abc import Mapping, MutableMapping
from typing import Any

from glacier.doing import Doing, current

_NONE: Mapping[str, str | int | None] = {"run_id": None, "pipeline": None, "task": None, "attempt": None}


class TaskLogger(logging.LoggerAdapter[logging.Logger]):
    """A logger whose records have the attributes run_id, pipeline, task and attempt; None outside of a run."""

    def __init__(self, doing: Doing | None) -> None:
        super().__init__(logging.getLogger("glacier.task"), doing.fields if doing else _NONE)

    def process(self, msg: Any, kwargs: MutableMapping[str, Any]) -> tuple[Any, MutableMapping[str, Any]]:
        """Adds the attributes to what a call has in `extra=`."""
        return msg, {**kwargs, "extra": {**(kwargs.get("extra") or {}), **(self.extra or {})}}


class RunFields(logging.Filter):
    """Gives every record of a handler the attributes run_id, pipeline, task and attempt, whoever logged it.

    >>> import sys
    >>> from glacier import pipeline, task
    >>> handler = logging.StreamHandler(sys.stdout)
    >>> handler.addFilter(RunFields())
    >>> handler.setFormatter(logging.Formatter("%(pipeline)s/%(task)s: %(message)s"))
    >>> log = logging.getLogger("sales")
    >>> log.addHandler(handler)
    >>> @task
    ... def load() -> None:
    ...     log.warning("12 rows have no date")
    >>> pipeline(name="etl")(lambda: load()).run()
    etl/load: 12 rows have no date
    >>> log.removeHandler(handler)
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Adds the attributes, and lets every record pass; those that are there stay."""
        doing = current()
        for name, value in (doing.fields if doing else _NONE).items():
            if not hasattr(record, name):
                setattr(record, name, value)
        return True
