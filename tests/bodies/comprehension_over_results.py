"""Comprehensions over results, `task.map`, and unpacking."""

# pyright: basic
from __future__ import annotations

from typing import Any

from bodies.corpus import refused, staged, tried
from bodies.tasks import add, double, gathered, items, odd, pair, same, text, total
from glacier import pipeline

SOME = [0, 1, 4]


@staged(n=SOME)
@pipeline
def lists(n: int) -> Any:
    """A list comprehension over a result, with calls in calls and results from outside."""
    by = same(n)
    return [[double(x) for x in items(n)], total([add(double(x), by) for x in items(n)]), [x * 2 for x in items(n)]]


@staged(n=SOME)
@pipeline
def dicts(n: int) -> Any:
    """A dict comprehension whose keys and values are known in the run."""
    return [{x: double(x) for x in items(n)}, {text(k): v for k, v in same({"a": n}).items()}]


@staged(n=SOME)
@pipeline
def sets(n: int) -> Any:
    """A set comprehension."""
    return [{x % 2 for x in items(n)}, {double(x) for x in items(n)}]


@staged(n=SOME)
@pipeline
def conditions(n: int) -> Any:
    """Conditions on plain values, on results, on both, several of them."""
    limit = same(2)
    return [
        [double(x) for x in items(n) if n > 1],
        [double(x) for x in items(n) if odd(x)],
        [x for x in items(n) if x < limit],
        [text(x) for x in items(n) if x if not odd(x) and n],
        {x: text(x) for x in items(n) if x != 1},
        {x for x in items(n) if x in [1, 3]},
    ]


@staged(n=SOME)
@pipeline
def conditions_over_plain_values(n: int) -> Any:
    """Conditions on results in comprehensions over plain values."""
    rows = [same(1), same(n)]
    return [[text(k) for k in range(n) if odd(k)], [x for x in rows if x is not None and x > 1]]


@staged(n=SOME)
@pipeline
def choices(n: int) -> Any:
    """Conditional expressions in each item."""
    return [text(x) if odd(x) else double(x) if x > 1 else "none" for x in items(n)]


@staged(n=[0, 1, 3])
@pipeline
def nested(n: int) -> Any:
    """Several generators, comprehensions in comprehensions, plain and results in turn."""
    return [
        [add(x, y) for x in items(n) for y in items(x)],
        [[add(x, y) for y in items(x)] for x in items(n)],
        [gathered(x, k) for x in items(n) for k in range(2)],
        [gathered(k, x) for k in range(2) for x in items(n) if x > k],
        [total([double(y) for y in items(x)]) for x in items(n)],
    ]


@staged(n=SOME)
@pipeline
def iterables(n: int) -> Any:
    """`enumerate`, `zip`, `reversed`, `sorted`, `range` and tuple targets."""
    return [
        [add(x, k) for k, x in enumerate(items(n))],
        [add(x, y) for x, y in zip(items(n), items(n))],
        [double(x) for x in reversed(items(n))],
        [double(x) for x in sorted(items(n), reverse=True)],
        [double(k) for k in range(same(n))],
        [gathered(a, b) for a, b in same([(1, 2)] * n)],
    ]


@staged(n=SOME)
@pipeline
def scopes(n: int) -> Any:
    """The variable of a comprehension is its own."""
    x = same("outer")
    made = [double(x) for x in items(n)]
    return [x, made]


@staged(n=SOME)
@pipeline
def in_places(n: int) -> Any:
    """Comprehensions over results in a condition, in a loop's iterable, on a side of a branch."""
    made = []
    if total([double(x) for x in items(n)]) > 3:
        made.append(gathered([text(x) for x in items(n)]))
    for y in [add(x) for x in items(n)]:
        made.append(double(y))
    return made


@tried(n=SOME)
@pipeline
def mapped(n: int) -> Any:
    """`task.map` over a result, with constants, results and keywords for the other parameters."""
    return [
        double.map(items(n)),
        add.map(items(n), right=5),
        add.map(items(n), right=same(n)),
        total(add.map(items(n))),
    ]


@tried(n=SOME)
@pipeline
def mapped_plain(n: int) -> Any:
    """`task.map` over a plain list."""
    return double.map([same(n), 2])


@staged(n=[3])
@pipeline
def unpacked(n: int) -> Any:
    """Tuple targets take apart a result; nested, in a `for`, in an augmented line after it."""
    a, b = pair(n)
    [c, (d, e)] = same([1, (2, n)])
    a += d
    return [add(a, b), c, e]


@staged(values=[(1, 2), [3, 4], (1, 2, 3), (1,), 5])
@pipeline
def unpacked_anything(values: Any) -> Any:
    """How many there are is known in the run; a wrong number fails as in the plain call."""
    a, b = same(values)
    return add(a, b)


@staged(n=[1, 2])
@pipeline
def unpacked_on_a_side(n: int) -> Any:
    """A result taken apart on a side of a branch."""
    a, b = same(n), same(0)
    if odd(n):
        a, b = pair(n)
    return gathered(a, b)


@refused("a generator|a loop or an unpacking needs its items", n=[3])
@pipeline
def generator(n: int) -> Any:
    """A generator over a result."""
    return total(double(x) for x in items(n))  # here


@refused("a generator|a loop or an unpacking needs its items|`tuple`", n=[3])
@pipeline
def generator_used_up(n: int) -> Any:
    """A generator over a result, used up by a plain function."""
    return tuple(double(x) for x in items(n))  # here
