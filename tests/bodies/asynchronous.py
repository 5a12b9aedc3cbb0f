"""`async def` bodies."""

# pyright: basic
from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

from bodies.corpus import refused, staged, tried
from bodies.tasks import add, double, fetched, gathered, odd, same, text
from glacier import pipeline


async def helper(n: int) -> Any:
    return add(await fetched(n))


async def numbers(n: int) -> AsyncIterator[int]:
    for k in range(n):
        yield k


@contextlib.asynccontextmanager
async def opened(value: Any) -> AsyncIterator[Any]:
    yield value


@tried(n=[3])
@pipeline
async def awaited(n: int) -> Any:
    """`await` of tasks, as a statement, in an expression and as an argument."""
    x = await fetched(n)
    await fetched(0)
    return [x, double(await fetched(x)), (await fetched(1)) + 1]


@tried(n=[3])
@pipeline
async def helpers(n: int) -> Any:
    """`await` of a plain coroutine function that calls tasks."""
    return [await helper(n), await helper(4)]


@tried(n=[3])
@pipeline
async def loops(n: int) -> Any:
    """`async for` and asynchronous comprehensions over plain values."""
    made = []
    async for k in numbers(n):
        made.append(await fetched(k))
    return [made, [await fetched(k) for k in range(n)], [double(k) async for k in numbers(n)]]


@tried(n=[3])
@pipeline
async def contexts(n: int) -> Any:
    """`async with`."""
    async with opened(await fetched(n)) as x, opened(2) as y:
        z = add(x, y)
    return z


@staged(n=[1, 2])
@pipeline
async def branches(n: int) -> Any:
    """Branches on results with `await` on their sides."""
    if odd(n):
        x = await fetched(n)
    else:
        x = same(n)
        if x > 1:
            return [await fetched(x), text(x)]
    return gathered(x)


@staged(n=[1, 2])
@pipeline
async def awaited_conditions(n: int) -> Any:
    """`await` in the condition of an `if`."""
    if await fetched(n) == 101:
        return text("first")
    return text("second")


@refused("awaits something that is not a task", n=[3])
@pipeline
async def awaits_something_else(n: int) -> Any:  # here
    """`await` of what is not a task."""
    await asyncio.sleep(0)
    return double(n)


@refused("a set member or dict key needs its value|`gather`", n=[3])
@pipeline
async def gathered_by_asyncio(n: int) -> Any:
    """`asyncio.gather` of tasks: those of a run overlap anyway."""
    return await asyncio.gather(fetched(n), fetched(1))  # here


@refused("raised RuntimeError while it was planned: no running event loop", n=[3])
@pipeline
async def created_task(n: int) -> Any:
    """`asyncio.create_task` of a task."""
    started = asyncio.create_task(fetched(n))  # here
    return await started
