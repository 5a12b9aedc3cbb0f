"""A graph run part by part gives what it gives whole: values, skips, gates, branches and loops go across."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from itertools import pairwise

import polars as pl
import pytest

from glacier import Pipeline, pipeline, task
from glacier.errors import GateClosed, TaskError
from glacier.execution.options import Executor, RunOptions
from glacier.execution.part import Earlier, Part
from glacier.execution.record import Recorder
from glacier.execution.scheduler import execute
from glacier.testing import MemoryProvider

calls: list[str] = []


@task
def number(n: int) -> int:
    calls.append("number")
    return n


@task
def plus(x: int, y: int) -> int:
    calls.append("plus")
    return x + y


@task
def is_even(x: int) -> bool:
    calls.append("is_even")
    return x % 2 == 0


@task(gate=False)
def big(x: int) -> bool:
    calls.append("big")
    return x > 3


@task
def guarded(x: int, ok: bool) -> int:
    calls.append("guarded")
    return -x


@task
def several(x: int) -> list[int]:
    calls.append("several")
    return list(range(x))


def by_parts(
    made: Pipeline[..., object], cuts: Sequence[int], executor: Executor = "sync"
) -> tuple[object, list[tuple[str, str, str | None]]]:
    """Runs the nodes up to each cut, one part after another, and gives the result and the records of all."""
    graph = made.plan()
    ended: dict[int, Earlier] = {}
    told: list[tuple[str, str, str | None]] = []
    result: object = None
    bounds = sorted({0, *(_outside_of_loops(graph, cut) for cut in cuts), len(graph.nodes)})
    for start, stop in pairwise(bounds):
        last = stop == len(graph.nodes)
        recorder = Recorder()

        def leave(left: dict[int, Earlier]) -> object:
            ended.update(left)
            return None

        part = Part(frozenset(range(start, stop)), dict(ended), None if last else leave)
        try:
            result = execute(graph, RunOptions(executor=executor, observer=recorder, part=part))
        finally:
            assert recorder.record is not None
            told += [(node.name, node.state, node.reason) for node in recorder.record.nodes]
    return result, told


def _outside_of_loops(graph: object, cut: int) -> int:
    from glacier.graph import Graph
    from glacier.work import Outcome

    assert isinstance(graph, Graph)
    while cut < len(graph.nodes) and (cut in graph.loop_of or isinstance(graph.nodes[cut].work, Outcome)):
        cut += 1
    return cut


def whole(made: Pipeline[..., object]) -> tuple[object, list[tuple[str, str, str | None]]]:
    recorder = Recorder()
    result = made.run(executor="sync", progress=recorder)
    assert recorder.record is not None
    return result, [(node.name, node.state, node.reason) for node in recorder.record.nodes]


def branching() -> object:
    a = number(3)
    b = plus(a, 1)
    if big(b):
        c = plus(b, 10)
    else:
        c = plus(a, 20)
    ok = is_even(c)
    d = guarded(c, ok)
    e = plus(a, b)
    return {"c": c, "e": e} if e > 3 else {"d": d}


def looping() -> object:
    a = number(3)
    found: list[int] = []
    total = number(0)
    for item in several(a):
        found.append(plus(item, a))
        total = plus(total, item)
    last = plus(total, 1)
    return [found, total, last, [plus(item, total) for item in found]]


@pytest.mark.parametrize("body", [branching, looping])
@pytest.mark.parametrize("executor", ["sync", "threads"])
@pytest.mark.parametrize("seed", range(12))
def test_part_by_part_is_the_whole(body: Callable[[], object], executor: Executor, seed: int) -> None:
    made: Pipeline[..., object] = pipeline(body)
    count = len(made.plan().nodes)
    rng = random.Random(seed)
    cuts = rng.sample(range(1, count), rng.randrange(1, min(5, count)))
    calls.clear()
    expected = whole(made)
    once = sorted(calls)
    calls.clear()
    assert by_parts(made, cuts, executor) == expected
    assert sorted(calls) == once
    assert expected[0] == body()


def test_a_gate_that_closed_in_one_part_closes_in_the_next() -> None:
    def body() -> object:
        x = number(3)
        ok = is_even(x)
        y = guarded.after(ok)(x, True)
        return plus(y, 1)

    made: Pipeline[..., object] = pipeline(body)
    calls.clear()
    with pytest.raises(GateClosed) as caught:
        by_parts(made, [2])
    assert calls == ["number", "is_even"]
    assert caught.value.message == (
        "pipeline `body` has no result: `plus` was skipped because `is_even` returned False"
    )


def test_writes_of_one_query_are_put_together_within_their_part_only() -> None:
    provider = MemoryProvider()

    @task
    def frame() -> pl.LazyFrame:
        return pl.LazyFrame({"a": [1, 2]})

    def body() -> None:
        shared = frame()
        provider.bucket("one", path="x.parquet").write(shared)
        provider.bucket("two", path="x.parquet").write(shared)

    made: Pipeline[..., object] = pipeline(body)
    _, told = by_parts(made, [2])
    assert told == [("frame", "succeeded", None), ("one.write", "succeeded", None), ("two.write", "succeeded", None)]
    assert provider.bucket("two", path="x.parquet").read().rows() == [(1,), (2,)]


def test_a_failure_in_a_part_is_told() -> None:
    @task
    def fails(x: int) -> int:
        raise ValueError("no")

    def body() -> int:
        return plus(fails(number(1)), 1)

    made: Pipeline[..., object] = pipeline(body)
    with pytest.raises(TaskError, match="task `fails` of pipeline `body` failed: ValueError: no"):
        by_parts(made, [1])
