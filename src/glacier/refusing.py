"""What a staged body asks where it does what no plan can hold: `while`, `match`, `try` and returns on results."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress
from types import FrameType
from typing import Any, cast

from glacier.errors import GraphError, Site
from glacier.graph import Node
from glacier.trace import Depth, Handle, current_plan
from glacier.work import Unset


def lasting(test: object) -> object:
    """Gives the condition of a `while`.

    Raises:
        GraphError: it is a handle.
    """
    if type(test) is Handle:
        raise test.glacier_refusal(
            "a `while` needs its value before each turn",
            "loop inside a task that takes it, or over a list in the body: `for item in items:`",
        )
    return test


def leaving(value: object, depth: int) -> object:
    """Gives what is returned from inside a loop.

    Args:
        value: what is returned.
        depth: `depth()` at the start of the body.

    Raises:
        GraphError: the loop stands in a branch on a result, or goes over one.
    """
    plan = current_plan()
    if plan is not None and len(plan.regions) + len(plan.guards) > depth:
        where = "a loop over a result" if plan.within else "a loop inside a branch on a result, or below one,"
        raise GraphError(
            f"{where} is left by `return`",
            site=Site.of_caller(sys._getframe(1)),
            fix="assign the value in the loop and return it after the loop",
        )
    return value


def depth() -> int:
    """Gives how many branches and loops over results are being planned around a body when it starts."""
    plan = current_plan()
    return len(plan.regions) + len(plan.guards) if plan is not None else 0


Mark = tuple[int, Depth]
"""A moment of planning: how many calls have been recorded, and what is open."""


def recorded() -> Mark:
    """Gives the moment of planning that has been reached."""
    plan = current_plan()
    return (len(plan.nodes), plan.open()) if plan is not None else (0, Depth(0, 0, 0, 0))


def tried(since: Mark) -> None:
    """Ends the block of a `try` that has handlers, or of a `with`, well or by an exception.

    Raises:
        GraphError: tasks were called in it, whose exceptions come after the body has ended, or the exception left a
            branch or loop over a result.
    """
    error = sys.exc_info()[1]
    if isinstance(error, GraphError):
        raise error
    whole(since)
    called = _called_since(since[0])
    if called is not None:
        raise GraphError(
            f"`{called.work.name}` is called in a `try`, but what it raises comes in the run, after the body has ended",
            site=_at(called, sys._getframe(1)),
            fix="catch it in the task, or in a task that calls the other one's function",
        )


def whole(since: Mark) -> None:
    """Ends a block that an exception may have left.

    Raises:
        GraphError: it left a branch or loop over a result, which then is planned in part only.
    """
    plan = current_plan()
    if plan is None or len(plan.regions) <= since[1].regions:
        return
    raise GraphError(
        "an exception leaves a branch or loop over a result while it is planned, and is caught outside of it",
        site=plan.regions[since[1].regions].site,
        fix="catch it inside the branch or loop, or raise and catch in a task",
    )


def entered(manager: Any, since: Mark) -> Any:
    """Gives the manager of a `with`, so that it refuses to suppress what tasks raise in the run."""
    return _Suppressing(manager, since) if isinstance(manager, suppress) and current_plan() is not None else manager


class _Suppressing:
    """`contextlib.suppress` around calls of a body that is planned."""

    def __init__(self, manager: suppress, since: Mark) -> None:
        self._manager = manager
        self._since = since

    def __enter__(self) -> None:
        self._manager.__enter__()

    def __exit__(self, kind: Any, error: Any, traceback: Any) -> bool:
        if error is not None and not isinstance(error, GraphError):
            whole(self._since)
        called = _called_since(self._since[0])
        if called is not None and not isinstance(error, GraphError):
            raise GraphError(
                f"`suppress` stands around `{called.work.name}`, but what that raises comes in the run, "
                "after the body has ended",
                site=Site.of_frame(sys._getframe(1)),
                fix="catch it in the task, or in a task that calls the other one's function",
            )
        return not isinstance(error, GraphError) and bool(self._manager.__exit__(kind, error, traceback))


def finished(since: Mark, finally_since: Mark) -> None:
    """Ends the `finally` of a `try`.

    Raises:
        GraphError: tasks were called in both, and a run that fails in one would not come to the other.
    """
    called, last = _called_since(since[0], finally_since[0]), _called_since(finally_since[0])
    if called is not None and last is not None:
        raise GraphError(
            f"`{last.work.name}` is called in a `finally` after `{called.work.name}`, and a run that fails there ends",
            site=_at(last, sys._getframe(1)),
            fix="do both in one task, or run with on_failure='continue' and no `try`",
        )


def _at(node: Node, body: FrameType) -> Site:
    """Gives the line of a call in the body; of one that a helper function made, the line that the body is at."""
    return node.site if node.code is body.f_code else Site.of_frame(body)


def _called_since(start: int, end: int | None = None) -> Node | None:
    plan = current_plan()
    nodes = plan.nodes[start:end] if plan is not None else []
    return next((node for node in nodes if node.work.kind in ("task", "storage")), None)


def matched(subject: Any, deep: bool) -> Any:  # noqa: FBT001  # a staged body passes a constant
    """Gives the subject of a `match`.

    Args:
        subject: what is matched.
        deep: whether a pattern asks for the structure of what the subject holds, not only for its own.

    Raises:
        GraphError: it is a handle, or one that it holds is asked for its structure.
    """
    if type(subject) is Unset:
        raise subject.glacier_refusal()
    if current_plan() is not None:
        for handle in _handles(subject) if deep or type(subject) is Handle else ():
            raise handle.glacier_refusal("a `match` needs its value", "decide with `if`, or match inside a task")
    return subject


def _handles(value: object) -> Iterator[Handle]:
    if type(value) is Handle:
        yield value
    elif isinstance(value, tuple | list):
        for member in cast("Iterable[object]", value):
            yield from _handles(member)
    elif isinstance(value, dict):
        for member in cast("dict[object, object]", value).values():
            yield from _handles(member)
