"""What a condition may be, and where a conditional expression may stand."""

# pyright: basic
from __future__ import annotations

from typing import Any

from bodies.corpus import refused, staged
from bodies.tasks import add, double, gathered, items, nothing, odd, record, same, text
from glacier import pipeline


@staged(n=[1, 2, 3, 4])
@pipeline
def conditional_expressions(n: int) -> Any:
    """Conditional expressions: nested, as arguments, in displays."""
    x, by = odd(n), same(n)
    label = "odd" if x else text("even")
    return [
        label,
        double(n) if x else add(n) if by > 2 else text(n),
        gathered(text(n) if x else n, key=1 if by == 4 else same(2)),
        {"k": [same(n) if x else None]},
        (add if n > 2 else double)(n),
    ]


@staged(n=[1, 2, 3, 4])
@pipeline
def conditions_of_conditions(n: int) -> Any:
    """`and`, `or`, `not`, comparisons and conditional expressions in the condition of a branch."""
    x, found = same(n), record(n)
    if (x > 1 and not found["odd"]) or n == 3:
        return text("first")
    if (odd(n) if x > 2 else x == 1) and found["inner"]["n"] != 3:
        return text("second")
    return text("third")


@staged(n=[1, 2])
@pipeline
def is_none(n: int) -> Any:
    """`is None` and `is not None` on results and on plain values."""
    x = nothing(n) if odd(n) else same(n)
    y = None
    if x is None:
        y = text("none")
    if y is not None and x is not n:
        return [y, x is None]
    return [x is not None, n is None]


@staged(n=[1, 2, 3])
@pipeline
def membership_as_condition(n: int) -> Any:
    """`in` and `not in` on results as conditions."""
    found = record(n)
    if "z" in found["names"]:
        return text("all")
    if same(n) not in [2, 5]:
        return text("few")
    return text("two")


@staged(n=[1, 2])
@pipeline
def type_checks(n: int) -> Any:
    """`isinstance` on results is part of the graph, on plain values it is Python's."""
    x = text(n) if odd(n) else same(n)
    if isinstance(x, str) and isinstance(n, int):
        return add(x, "!")
    return [isinstance(x, int | list), isinstance(n, str)]


@staged(n=[1, 2])
@pipeline
def in_every_place_of_a_statement(n: int) -> Any:
    """Conditional expressions in a loop's iterable, in targets, keywords, defaults and returns."""
    found = odd(n)
    made: list[Any] = [None, None]
    for k in [same(1) if found else same(2)]:
        made[0 if n else 1] = gathered(k, key=found and text(k))

    def inner(value: Any = made[0]) -> Any:
        return value

    return inner() if n else None


@staged(n=[1, 2])
@pipeline
def called_for_its_effect(n: int) -> Any:
    """Calls on the sides whose results nobody takes, as statements and in a conditional expression."""
    if odd(n):
        text("odd")
    odd(n) and text("and")  # pyright: ignore[reportUnusedExpression]  # what is tried
    text("then") if odd(n) else text("else")
    return n


@staged(n=[1, 2])
@pipeline
def slices_of_conditions(n: int) -> Any:
    """Items and slices chosen by a condition."""
    rows = items(6)
    return [rows[1 if odd(n) else 2], rows[: 3 if odd(n) else 4], (rows if odd(n) else [7, 8])[0]]


@refused("a branch .* needs its value", n=[1])
@pipeline
def truth_in_a_helper(n: int) -> Any:
    """A helper function is traced, so a branch on a result in it is refused."""

    def helper(value: Any) -> Any:
        return text("x") if value else None  # here

    return helper(odd(n))


@refused("a branch .* needs its value", n=[1])
@pipeline
def truth_asked_for(n: int) -> Any:
    """`bool` of a result."""
    return bool(odd(n))  # here
