"""Comprehensions and generators over plain values."""

# pyright: basic
from __future__ import annotations

from typing import Any

from bodies.corpus import refused, staged, tried
from bodies.tasks import add, double, gathered, odd, same, text, total
from glacier import pipeline


@tried(n=[0, 3])
@pipeline
def lists(n: int) -> Any:
    """List comprehensions, with a condition, nested and with several `for`."""
    return [
        total([double(k) for k in range(n)]),
        [add(k) for k in range(6) if k % 2 if k < n + 3],
        [[same(a * b) for a in range(2)] for b in range(n)],
        [gathered(a, b) for a in range(n) if a for b in range(a)],
    ]


@tried(n=[0, 3])
@pipeline
def dicts(n: int) -> Any:
    """Dict comprehensions with results as values."""
    made = {f"k{k}": double(k) for k in range(n)}
    return [made, gathered(**made), {k: {"in": add(v)} for k, v in made.items() if k != "k1"}]


@tried(n=[0, 3])
@pipeline
def sets(n: int) -> Any:
    """Set comprehensions of plain values."""
    return [add(k) for k in sorted({k % 2 for k in range(n)})]


@tried(n=[0, 3])
@pipeline
def generators(n: int) -> Any:
    """Generator expressions that plain functions use up."""
    made = tuple(double(k) for k in range(n))
    found = dict((str(k), add(k)) for k in range(n))
    return [total(made), gathered(*(same(k) for k in range(n)), **found), sum((same(k) for k in range(n)), same(0))]


@staged(n=[1, 2])
@pipeline
def choosing(n: int) -> Any:
    """A conditional expression on a result in each item."""
    found = odd(n)
    made = [double(k) if found else add(k) for k in range(3)]
    return [gathered(*made), {k: k if odd(k) else text(k) for k in range(2)}]


@tried(n=[3])
@pipeline
def scopes(n: int) -> Any:
    """The variable of a comprehension is its own; a walrus is the body's."""
    k = same(n)
    made = [(last := double(k)) for k in range(3)]
    return [k, last, total(made)]


@tried(n=[3])
@pipeline
def map_and_filter(n: int) -> Any:
    """Tasks called by `map`, and `filter`, `zip`, `enumerate`, `reversed`, `sorted` of plain values."""
    made = [*map(double, range(n)), *map(add, [1, 2], [same(n), 4])]
    kept = [text(k) for k in filter(None, range(n))]
    pairs = [gathered(a, b) for a, b in zip(made, reversed(range(5)), strict=True)]
    return [total(made), kept, pairs, [add(v, k) for k, v in enumerate(sorted([3, 1]))]]


@refused("a generator is passed to a task", n=[3])
@pipeline
def generator_as_argument(n: int) -> Any:
    """A generator would be used up while planning."""
    return total(double(k) for k in range(n))  # here


@refused("a set member or dict key needs its value", n=[3])
@pipeline
def set_of_results(n: int) -> Any:
    """Members of a set have to be known."""
    return total({double(k) for k in range(n)})  # here


@refused("a set member or dict key needs its value", n=[3])
@pipeline
def results_as_keys(n: int) -> Any:
    """Keys of a dict have to be known."""
    return {text(k): k for k in range(n)}  # here
