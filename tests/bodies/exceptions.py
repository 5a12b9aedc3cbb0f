"""`try`, `raise`, `assert` and context managers, around plain things."""

# pyright: basic
from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bodies.corpus import refused, tried
from bodies.tasks import add, double, gathered, items, odd, same, text
from glacier import pipeline


class TooMuch(Exception):
    pass


@contextlib.contextmanager
def noted(notes: list[str]) -> Iterator[list[str]]:
    notes.append("in")
    try:
        yield notes
    finally:
        notes.append("out")


def checked(n: int) -> int:
    if n > 5:
        raise TooMuch(n)
    return n


@tried(n=[3, 9])
@pipeline
def handlers(n: int) -> Any:
    """`try` with handlers, `else` and `finally`, around plain things."""
    done = []
    try:
        k = checked(n)
    except (KeyError, ValueError):
        k = 1
    except TooMuch as error:
        k = error.args[0] - 5
    else:
        done.append("else")
    finally:
        done.append("finally")
    return gathered(double(k), done)


@tried(n=[3, 9])
@pipeline
def tasks_in_handlers(n: int) -> Any:
    """Tasks called in a handler, in `else` and in `finally` of a `try` around plain things."""
    try:
        checked(n)
    except TooMuch:
        x = text("too much")
    else:
        x = double(n)
    finally:
        last = same(n)
    return [x, last]


@tried(n=[3])
@pipeline
def finally_after_tasks(n: int) -> Any:
    """`try` around tasks with a plain `finally`."""
    notes = ["start"]
    try:
        x = double(n)
        y = add(x)
    finally:
        notes.append("end")
    return [x, y, notes]


@tried(n=[3, 9])
@pipeline
def return_in_try(n: int) -> Any:
    """Returns from `try`, from a handler, and through `finally`."""
    notes: list[str] = []
    x = double(n)
    try:
        checked(n)
        return [x, notes]
    except TooMuch:
        return [text(n), notes]
    finally:
        notes.append("end")


@tried(n=[3, 9])
@pipeline
def raised_again(n: int) -> Any:
    """`raise ... from`, a bare `raise`, and what the plain call raises too."""
    x = double(n)
    try:
        try:
            checked(n)
        except TooMuch:
            raise
    except TooMuch as error:
        raise ValueError("too much") from error
    return x


@tried(n=[3, 9])
@pipeline
def exception_groups(n: int) -> Any:
    """`except*`."""
    k = n
    try:
        if n > 5:
            raise ExceptionGroup("all", [TooMuch(), KeyError()])
    except* TooMuch:
        k = 1
    except* KeyError:
        k += 1
    return double(k)


@tried(n=[3, 9])
@pipeline
def plain_raise(n: int) -> Any:
    """A `raise` on a plain condition."""
    x = double(n)
    if n > 5:
        raise TooMuch("more than five")
    return x


@tried(n=[3, 9])
@pipeline
def plain_assert(n: int) -> Any:
    """`assert` on a plain condition."""
    assert n < 5, f"{n} is too much"
    return double(n)


@tried(n=[3])
@pipeline
def contexts(n: int) -> Any:
    """`with` of several managers, with and without targets, some with results."""
    notes: list[str] = []
    with noted(notes) as same_notes, contextlib.nullcontext(double(n)) as x:
        y = add(x)
    with (
        noted(notes),
        contextlib.nullcontext((1, same(n))) as (a, b),
    ):
        z = gathered(a, b, list(same_notes))
    return [x, y, z, notes]


@tried(n=[3])
@pipeline
def files(n: int) -> Any:
    """A file read while planning."""
    with Path(__file__).open() as file:
        first = file.readline()
    return gathered(len(first), n)


@tried(n=[3, 9])
@pipeline
def suppressed(n: int) -> Any:
    """`suppress` around plain things."""
    k = 0
    with contextlib.suppress(TooMuch):
        k = checked(n)
    return double(k)


@tried(n=[3])
@pipeline
def exit_stack(n: int) -> Any:
    """An `ExitStack` that calls a task when it ends."""
    made: list[Any] = []
    with contextlib.ExitStack() as stack:
        stack.callback(lambda: made.append(text(n)))
        made.append(double(n))
    return made


@refused("a branch .* needs its value|`assert`", n=[3])
@pipeline
def assert_on_a_result(n: int) -> Any:
    """`assert` on a result."""
    assert odd(n)  # here
    return double(n)


@refused("`with` needs its value", n=[3])
@pipeline
def result_as_a_context(n: int) -> Any:
    """A result as a context manager."""
    with same(n) as x:  # here
        return x


@refused("raised TypeError while it was planned: exceptions must derive from BaseException", n=[3])
@pipeline
def raised_result(n: int) -> Any:
    """A result cannot be raised."""
    raise same(n)  # here


@refused("`len` needs its value", n=[3])
@pipeline
def refusal_that_is_caught(n: int) -> Any:
    """A use of a result that is refused stays so, though the body catches every exception."""
    rows = items(n)
    try:
        k = len(rows)  # here
    except Exception:
        k = 0
    return gathered(rows, k)
