"""Handlers around calls of tasks: what a task raises comes in the run, when the body has long ended."""

# pyright: basic
from __future__ import annotations

import contextlib
from typing import Any

from bodies.corpus import refused
from bodies.tasks import halved, same, text
from glacier import pipeline
from glacier.errors import TaskError


@refused("`try`|`except`", n=[3])
@pipeline
def caught(n: int) -> Any:
    """A handler for what a task raises."""
    try:
        x = halved(n)  # here
    except ValueError:
        x = 0
    return x


@refused("`try`|`except`", n=[3])
@pipeline
def caught_as_a_failure(n: int) -> Any:
    """A handler for the error of the run."""
    try:
        x = halved(n)  # here
    except TaskError:
        x = 0
    return x


@refused("`try`|`except`", n=[3])
@pipeline
def caught_around_a_helper(n: int) -> Any:
    """The call stands in a helper function."""

    def helper(value: Any) -> Any:
        return text(halved(value))

    try:  # here
        x = helper(n)
    except ValueError:
        x = text("none")
    return x


@refused("`try`|`except`", n=[3])
@pipeline
def caught_in_a_group(n: int) -> Any:
    """`except*`."""
    x = same(0)
    try:
        x = halved(n)  # here
    except* ValueError:
        pass
    return x


@refused("`suppress`|`with`", n=[3])
@pipeline
def suppressed(n: int) -> Any:
    """`contextlib.suppress` around a call."""
    x: Any = 0
    with contextlib.suppress(ValueError):  # here
        x = halved(n)
    return x


@refused("`finally`", n=[3])
@pipeline
def cleaned_up(n: int) -> Any:
    """A task in `finally` runs after a failure in the plain call, and never in a run."""
    try:
        x = halved(n)
    finally:
        text("cleanup")  # here
    return x
