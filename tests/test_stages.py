"""Which tasks run together: `@task(compute=...)` splits a pipeline into stages."""

from __future__ import annotations

from collections.abc import Callable

import polars as pl
import pytest

from glacier import Bucket, Pipeline, pipeline, task
from glacier.config import Compute
from glacier.deployment.stages import stages_of
from glacier.errors import ConfigError, GraphError
from glacier.testing import MemoryProvider

provider = MemoryProvider()
BIG = Compute(cpu=4, memory=16_384)
GPU = Compute(cpu=8, memory=65_536, name="gpu")


@task
def load(source: Bucket) -> pl.LazyFrame:
    return source.scan()


@task
def small(x: object) -> int:
    return 1


@task
def check(x: object) -> bool:
    return True


@task
def items(x: object) -> list[int]:
    return [1]


@task(compute=BIG)
def fit(x: object) -> dict[str, int]:
    return {"model": 1}


@task(compute=BIG)
def fit_more(x: object) -> int:
    return 1


@task(compute=GPU)
def infer(x: object, y: object = None) -> list[int]:
    return [1]


@task(compute=GPU)
def infer_more(x: object) -> int:
    return 1


@task(compute=GPU)
def score(x: pl.LazyFrame, y: object) -> pl.LazyFrame:
    return x


def stages(body: Callable[..., object], default: Compute | None = None) -> list[tuple[str, list[str], list[str]]]:
    made: Pipeline[..., object] = pipeline(body)
    graph = made.plan()
    parts = stages_of(graph, default or Compute())
    assert sorted(index for part in parts for index in part.nodes) == list(range(len(graph.nodes)))
    seen = set[str]()
    for part in parts:
        assert set(part.upstream) <= seen
        seen.add(part.name)
    return [(part.name, [graph.names[index] for index in part.nodes], list(part.upstream)) for part in parts]


def test_tasks_that_name_no_machine_are_one_stage() -> None:
    def body() -> int:
        return small(load(provider.bucket("raw", path="a.parquet")))

    assert stages(body) == [("main", ["load", "small"], [])]


def test_a_machine_of_its_own_splits_what_comes_before_and_after() -> None:
    def body() -> int:
        frame = load(provider.bucket("raw", path="a.parquet"))
        model = fit(frame)
        other = small(frame)
        return small(model["model"]) + other

    assert stages(body) == [
        ("main", ["load", "small[other]"], []),
        ("fit", ["fit", "[]"], ["main"]),
        ("small", ["small[#1]", "+"], ["main", "fit"]),
    ]


def test_tasks_that_are_added_leave_stages_their_names() -> None:
    """Roles, jobs and places of records have these names, and would be destroyed and made anew."""

    def written(more: str) -> dict[str, str]:
        def body() -> None:
            frame = load(provider.bucket("raw", path="a.parquet"))
            model = fit(frame)
            found = small(model["model"])
            infer(found)
            if more == "on a machine of a stage":
                fit_more(frame)
            if more == "on that machine later":
                fit_more(found)
            if more == "of no machine, between stages":
                score(frame, check(infer_more(found)))
            if more == "at once":
                items(1)

        return {node: name for name, nodes, _ in stages(body) for node in nodes}

    before = written("")
    assert before == {"load": "main", "fit": "fit", "[]": "fit", "small": "small", "infer": "gpu"}
    for more in ("on a machine of a stage", "on that machine later", "of no machine, between stages", "at once"):
        after = written(more)
        assert len(after) > len(before)
        assert {node: after[node] for node in before} == before


def test_names_that_are_taken_count_on() -> None:
    @task
    def end(x: object) -> int:
        return 1

    def body() -> None:
        end(fit(end(fit(1))))
        infer(end(infer(1)))

    assert [name for name, *_ in stages(body)] == ["fit", "gpu", "main", "fit-2", "infer", "end-2"]


def test_a_stage_comes_before_one_that_is_older() -> None:
    def body() -> None:
        small(fit(1))
        items(2)  # added: in no stage that waits for `fit`

    assert stages(body) == [("fit", ["fit"], []), ("items", ["items"], []), ("main", ["small"], ["fit"])]


def test_the_default_machine_is_the_pipelines() -> None:
    def body() -> dict[str, int]:
        return fit(small(1))

    assert stages(body, BIG) == [("main", ["small", "fit"], [])]


def test_tasks_of_one_machine_are_one_stage_and_names_come_from_the_compute() -> None:
    def body() -> list[int]:
        first = fit(1)
        return infer(first, fit_more(2))

    assert stages(body) == [("fit", ["fit", "fit_more"], []), ("gpu", ["infer"], ["fit"])]


def test_reads_of_the_body_go_where_they_are_taken_and_writes_where_the_value_is() -> None:
    def body() -> None:
        x = small(1)
        model = fit(x)
        more = provider.bucket("raw", path="more.parquet").scan()
        scored = score(more, model)
        provider.bucket("out", path="all/").at("all/x.parquet").write(scored)

    assert stages(body) == [
        ("main", ["small"], []),
        ("fit", ["fit"], ["main"]),
        ("gpu", ["raw.scan", "score", "out.write"], ["fit"]),
    ]


def test_a_loop_is_in_one_stage() -> None:
    def body() -> list[int]:
        found: list[int] = []
        for item in infer(1):
            found.append(fit_more(small(item)))
        return found

    (gpu, loop) = stages(body)
    assert gpu == ("gpu", ["infer"], [])
    assert loop[0] == "fit-more"
    assert loop[2] == ["gpu"]


def test_a_loop_over_different_machines_is_refused(line: Callable[[str], str]) -> None:
    def body() -> list[object]:
        found: list[object] = []
        for item in items(1):
            found.append(fit(item))
            found.append(infer(item))
        return found

    with pytest.raises(GraphError) as caught:
        stages(body)
    assert str(caught.value).splitlines() == [
        "the loop that `fit` and `infer` are in runs on one machine, but they name different ones",
        f"  at {line('found.append(infer(item))')}",
        "     found.append(infer(item))",
        "  Fix: give them the same compute=Compute(...), or split the loop in two",
    ]


def test_branches_are_decided_once_and_their_sides_may_be_elsewhere() -> None:
    def body() -> object:
        if check(1):
            value: object = fit_more(1)
        else:
            value = small(2)
        return infer(value)

    assert stages(body) == [
        ("main", ["check", "small"], []),
        ("fit-more", ["fit_more", "value"], ["main"]),
        ("gpu", ["infer"], ["fit-more"]),
    ]


def test_two_machines_of_one_name(line: Callable[[str], str]) -> None:
    @task(compute=Compute(cpu=2, name="gpu"))
    def other() -> int:
        return 1

    def body() -> list[int]:
        return infer(1, other())

    with pytest.raises(GraphError, match="two machines are named `gpu`: that of `other` and that of `infer`"):
        stages(body)


def test_a_plan_that_is_to_read_what_another_stage_writes(line: Callable[[str], str]) -> None:
    def body() -> pl.LazyFrame:
        raw = provider.bucket("raw", path="a.parquet")
        old = load(raw)
        raw.write(score(provider.bucket("raw", path="b.parquet").scan(), 1))
        return score(old, 2)

    with pytest.raises(GraphError) as caught:
        stages(body)
    assert str(caught.value).splitlines() == [
        "`score[#2]` takes the LazyFrame of `load`, which reads `raw/a.parquet`, after `raw.write` has written that; "
        "but a LazyFrame is computed when its stage, `main`, ends, which is before",
        f"  at {line('return score(old, 2)')}",
        "     return score(old, 2)",
        "  Fix: read `raw/a.parquet` anew after `raw.write`, or let all of them run on one machine",
    ]


def test_a_plan_that_reads_what_is_overwritten_afterwards_is_handed_on() -> None:
    def body() -> None:
        raw = provider.bucket("raw", path="a.parquet")
        raw.write(score(load(raw), 2))

    assert stages(body) == [("main", ["load"], []), ("gpu", ["score", "raw.write"], ["main"])]


def test_compute_is_a_compute(line: Callable[[str], str]) -> None:
    with pytest.raises(ConfigError) as caught:
        task(compute={"cpu": 4})  # type: ignore[call-overload]  # what is tested
    assert caught.value.message == "compute takes a Compute, but got {'cpu': 4}"


@pytest.mark.parametrize("seed", range(40))
def test_stages_never_wait_in_a_circle(seed: int) -> None:
    import random

    rng = random.Random(seed)
    tasks: list[Callable[[object], object]] = [small, fit, fit_more, infer, check]

    def body() -> object:
        values: list[object] = [1]
        for _ in range(rng.randrange(2, 25)):
            values.append(rng.choice(tasks)(rng.choice(values)))
        return values[1:]

    stages(body)
