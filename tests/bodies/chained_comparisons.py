"""Chained comparisons on results."""

# pyright: basic
from __future__ import annotations

from typing import Any

from bodies.corpus import staged
from bodies.tasks import double, items, nothing, odd, same, text
from glacier import pipeline


@staged(n=[0, 3, 5, 8])
@pipeline
def chained_comparisons(n: int) -> Any:
    """Chained comparisons are `and`s: all of them, in order."""
    x = same(n)
    return [1 < x < 6, 0 <= x <= double(n) < 10, 8 > x != 3]


@staged(n=[0, 3, 5, 8])
@pipeline
def chained_comparison_as_condition(n: int) -> Any:
    """A chained comparison as the condition of an `if`."""
    if 1 < same(n) < 6:
        return text("between")
    return text("outside")


@staged(n=[1, 3])
@pipeline
def of_every_kind(n: int) -> Any:
    """`is` and `in` in a chain, with a plain comparison."""
    x = nothing(n)
    return [x is None is not True, 1 in items(n) == items(2), 0 < n < same(2), same(n) == n == 3]


@staged(n=[1, 2])
@pipeline
def asked_once(n: int) -> Any:
    """What stands in the middle of a chain is called once."""
    return text("in") if 0 < double(n) < 3 else odd(n)
