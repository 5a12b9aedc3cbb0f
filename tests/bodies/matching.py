"""`match` on plain values, which may hold results."""

# pyright: basic
from __future__ import annotations

from typing import Any

from bodies.corpus import staged, tried
from bodies.tasks import Setting, add, described, double, gathered, odd, same, text
from glacier import pipeline


@tried(n=[0, 1, 2, 7, 20])
@pipeline
def literals(n: int) -> Any:
    """Literals, alternatives, guards, captures and the wildcard."""
    match n:
        case 0:
            return text("zero")
        case 1 | 2 as k:
            x = double(k)
        case k if k > 10:
            x = add(k)
        case _:
            x = same("other")
    return [x, text(x)]


@tried(n=[3])
@pipeline
def structures(n: int) -> Any:
    """Sequences, mappings and classes that hold results; what is captured is passed on."""
    made: list[Any] = []
    for value in ([1, same(n), 3], {"k": double(n), "l": 2}, Setting("a", add(n)), "word", 4, None):
        match value:
            case [first, *rest]:
                made.append(gathered(first, *rest))
            case {"k": x, **others}:
                made.append(gathered(x, others))
            case Setting(name="a", value=x) as setting:
                made.append([x, described(setting)])
            case str() | None:
                made.append(text(value))
            case int(k):
                made.append(double(k))
    return made


@staged(n=[1, 2])
@pipeline
def branches_in_cases(n: int) -> Any:
    """A branch on a result in a case."""
    match (n, odd(n)):
        case (1 | 2 as k, found):
            if found:
                x = text("odd")
            else:
                x = double(k)
        case _:
            x = same("none")
    return add(x, x)


@staged(n=[1, 2])
@pipeline
def cases_in_branches(n: int) -> Any:
    """A `match` on a plain value on a side of a branch."""
    x = same(0)
    if odd(n):
        match n:
            case 1:
                x = text("one")
            case _:
                x = double(n)
    return x
