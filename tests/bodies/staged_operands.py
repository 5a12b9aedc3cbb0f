"""Assignments and `await` among the operands of `and`, `or` and conditional expressions on results."""

# pyright: basic
from __future__ import annotations

from typing import Any

from bodies.corpus import staged
from bodies.tasks import add, fetched, odd, same, text
from glacier import pipeline


@staged(n=[3, 4])
@pipeline
def assigned_first(n: int) -> Any:
    """A walrus in the operand that is looked at in any case."""
    if (found := odd(n)) and same(n) > 2:
        return [found, text(n)]
    label = text("odd") if (again := odd(n)) else "even"
    return [found, again, label, (x := same(n)) and x]


@staged(n=[3, 4])
@pipeline
async def awaited_first(n: int) -> Any:
    """An `await` in the operand that is looked at in any case."""
    if await fetched(n) > 103 or odd(n):
        return text(n)
    return text("small") if await fetched(n) else add(n)


@staged(n=[3, 4])
@pipeline
async def awaited_later(n: int) -> Any:
    """An `await` on a side: it gives the handle at once, so it can be planned there."""
    x = await fetched(n) if odd(n) else text(n)
    return [x, odd(n) and await fetched(1)]


@staged(n=[3, 4])
@pipeline
def in_definitions(n: int) -> Any:
    """Conditional expressions in the defaults of a function and in the bases and decorators of what is declared."""

    def inner(value: Any = text("odd") if odd(n) else same(n)) -> Any:
        return value

    later: Any = lambda value=odd(n) and n: value
    return [inner(), later()]
