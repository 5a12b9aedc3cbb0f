"""Loops over plain values, which planning unrolls."""

# pyright: basic
from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from typing import Any

from bodies.corpus import refused, staged, tried
from bodies.tasks import add, double, gathered, items, odd, same, text, total
from glacier import pipeline


@tried(n=[0, 3])
@pipeline
def over_a_range(n: int) -> Any:
    """`for` over a range, appending."""
    made = []
    for k in range(n):
        made.append(double(k))
    return [total(made), len(made)]


@tried(n=[3])
@pipeline
def over_results(n: int) -> Any:
    """`for` over a plain list of results."""
    made = [same(n), double(n)]
    for x in [*made]:
        made += [add(x)]
    return gathered(*made)


@tried(n=[3])
@pipeline
def carrying(n: int) -> Any:
    """A result that goes from turn to turn, and the loop's variable after the loop."""
    x = same(n)
    for k in range(4):
        x = add(x, k)
    return [x, k]


@staged(n=[0, 1])
@pipeline
def returning_after_a_loop(n: int) -> Any:
    """`return` in the `else` of a loop, decided by a result and by nothing."""
    for _ in range(2):
        pass
    else:
        if same(n):
            return text("there")
    with nullcontext():
        for k in range(2):
            if k > n:
                break
        else:
            return double(n)
        add(n)
    return text("not there")


@staged(n=[0, 1])
@pipeline
def going_on_after_a_loop(n: int) -> Any:
    """`continue` in the `else` of a loop, for the loop around."""
    made = []
    for k in range(3):
        for _ in range(2):
            pass
        else:
            if same(k) == same(n):
                continue
        made.append(double(k))
    return made


@staged(n=[0, 1, 3])
@pipeline
def going_on_after_a_loop_over_results(n: int) -> Any:
    """The same for a loop over a result."""
    made = []
    for x in items(3):
        for _ in range(2):
            pass
        else:
            if x == n:
                continue
        made.append(double(x))
    return made


@tried(n=[0, 2, 9])
@pipeline
def with_else(n: int) -> Any:
    """`for`/`else` with and without `break`."""
    for k in range(4):
        if k == n:
            x = double(k)
            break
    else:
        x = text("none")
    for _ in ():
        x = add(x)
    else:
        x = gathered(x)
    return x


@tried(n=[3])
@pipeline
def nested(n: int) -> Any:
    """Loops in loops with `continue` and `break`."""
    made = []
    for a in range(n):
        for b in "xyz"[:n]:
            if b == "y":
                continue
            if a == 2:
                break
            made.append(gathered(a, b))
    return made


@tried(n=[3])
@pipeline
def targets(n: int) -> Any:
    """Tuple, starred, item and attribute targets of a loop."""
    made, last = [], {}
    for k, (a, *rest) in enumerate([(1, 2, 3), (4,), (same(n), 5)]):
        made.append(gathered(k, a, *rest))
    for last["x"] in range(3):
        pass
    for name, value in {"a": same(1), "b": double(n)}.items():
        made.append(gathered(**{name: value}))
    for one, other in zip([1, 2], [same(n), add(n)], strict=True):
        made.append(add(one, other))
    return [*made, last]


@tried(n=[0, 1, 6])
@pipeline
def while_plain(n: int) -> Any:
    """`while` with `else`, `break` and `continue` on plain values."""
    x, left = same(n), n
    while left > 0:
        left -= 1
        if left == 4:
            continue
        if left == 2:
            break
        x = add(x, left)
    else:
        x = double(x)
    return x


@tried(n=[0, 5])
@pipeline
def return_from_a_loop(n: int) -> Any:
    """`return` out of nested plain loops."""
    x = same(n)
    for a in range(4):
        while True:
            x = add(x, a)
            if a * a > n:
                return x
            break
    return [x]


@tried(n=[3])
@pipeline
def over_a_generator(n: int) -> Any:
    """`for` over a plain generator that calls tasks."""

    def doubles() -> Iterator[Any]:
        for k in range(n):
            yield double(k)
        yield from (same(k) for k in range(2))

    made = []
    for x in doubles():
        made.append(x)
    return total(made)


@tried(n=[3])
@pipeline
def many_tasks(n: int) -> Any:
    """Tasks as plain values of a loop."""
    x = same(n)
    for step in (add, double, text):
        x = step(x)
    return x


@refused("a branch .* needs its value|`while`", n=[3])
@pipeline
def while_on_a_result(n: int) -> Any:
    """`while` on a result."""
    x = same(n)
    while x > 0:  # here
        x = add(x, -1)
    return x


@refused("a number is made of its value|range", n=[3])
@pipeline
def list_of_a_range_of_a_result(n: int) -> Any:
    """`range` of a result anywhere but in a loop."""
    return gathered(list(range(same(n))))  # here


@refused("`next` needs its items", n=[3])
@pipeline
def next_of_a_result(n: int) -> Any:
    """`next` of a result."""
    return next(items(n))  # type: ignore[call-overload]  # here


@refused("a branch .* needs its value", n=[3])
@pipeline
def any_of_results(n: int) -> Any:
    """`any` asks each result for its truth."""
    return any([odd(n), odd(1)])  # here
