"""Where tasks are called: in this process, or in others."""

from __future__ import annotations

from collections.abc import Callable
from inspect import iscoroutine
from typing import Any, Protocol

from glacier.execution.coroutines import Coroutines
from glacier.task import Task


class Workplace(Protocol):
    """Where tasks are called: in this process, or in worker processes.

    Attributes:
        elsewhere: whether that is another process, which measures what is asked of `glacier.doing.current()` itself.
    """

    elsewhere: bool

    def call(self, task: Task[..., Any], function: Callable[..., object], args: Any, kwargs: Any) -> object:
        """Calls `function` in place of `task` with values for arguments."""
        ...

    def value(self, handed: object) -> object:
        """Gives what a call returned as a value of this process."""
        ...

    def opened(self, handed: object) -> object:
        """Gives what a call returned as a value of this process that is good only as long as the run."""
        ...


class Here:
    """Calls tasks in this process; async ones on the run's event loop."""

    elsewhere = False

    def __init__(self, coroutines: Coroutines) -> None:
        self._coroutines = coroutines

    def call(self, task: Task[..., Any], function: Callable[..., object], args: Any, kwargs: Any) -> object:
        """Calls `function`, and awaits it if it is a coroutine, at most as long as a try of the task may take."""
        value = function(*args, **kwargs)
        if not iscoroutine(value):
            return value
        tries = task.options.tries
        return self._coroutines.result(value, None if tries is None else tries.timeout)

    def value(self, handed: object) -> object:
        """Gives the value itself."""
        return handed

    opened = value
