"""A pipeline: called it is its body, run it is its graph; inputs, modes, names, pipelines in pipelines."""

from __future__ import annotations

import asyncio
import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from glacier import ExecutionMode, pipeline, task
from glacier.errors import ConfigError, GraphError


@task
def rows(n: int) -> int:
    return n


@task
def total(values: list[int]) -> int:
    return sum(values)


@pipeline(name="summed")
def adding(n: int, times: int = 2) -> int:
    """Adds up."""
    return total([rows(n) for _ in range(times)])


def test_looks_like_its_body() -> None:
    assert (adding.name, adding.__name__, adding.__doc__) == ("summed", "adding", "Adds up.")
    assert repr(adding) == "<pipeline summed>"
    assert adding(3) == adding.run(inputs={"n": 3}) == adding.run(ExecutionMode.LOCAL, inputs={"n": 3}) == 6


def test_inputs_left_out_take_defaults_or_stay_symbolic() -> None:
    assert adding.run(inputs={"n": 1, "times": 5}) == 5
    analysis = adding.run(mode="analyze")
    assert analysis["inputs"] == [{"name": "n", "type": "int"}]
    assert len(analysis["tasks"]) == 3
    assert adding.run(mode=ExecutionMode.ANALYZE, inputs={"n": 1})["inputs"] == []


def test_frames_as_inputs() -> None:
    @task
    def height(df: pl.LazyFrame) -> int:
        return df.collect().height

    @pipeline
    def measured(df: pl.LazyFrame) -> int:
        return height(df)

    assert measured.run(inputs={"df": pl.LazyFrame({"a": [1, 2]})}) == 2


def test_pipelines_in_pipelines_share_one_graph() -> None:
    @pipeline
    def outer() -> int:
        return total([adding(1), adding.run(inputs={"n": 2}), adding.run(mode="local", inputs={"n": 3, "times": 1})])

    assert outer.run() == outer() == 9
    assert len(outer.plan().nodes) == 9


def test_parameters_without_a_name_are_inputs_too() -> None:
    @pipeline
    def nameless(n: int, times: int = 2, /, *, more: int = 0) -> int:
        return total([adding(n, times), more])

    assert nameless.run(inputs={"n": 1}) == nameless(1)
    assert nameless.run(inputs={"times": 3, "n": 1, "more": 5}) == nameless(1, 3, more=5)


def test_a_pipeline_run_in_a_body_plans_its_branches() -> None:
    @pipeline
    def signed(n: int) -> int:
        if rows(n):
            return rows(n)
        return rows(-1)

    @pipeline
    def outer(n: int) -> int:
        return total([signed(n), signed.run(inputs={"n": n})])

    for n in (0, 3):
        assert outer.run(inputs={"n": n}) == outer(n)


def test_what_a_library_raises_is_told_at_the_line_of_the_body(line: Callable[[str], str]) -> None:
    @pipeline
    async def started() -> object:
        return await asyncio.create_task(rows(1))  # type: ignore[arg-type]  # what is tested

    with pytest.raises(GraphError) as error:
        started.run()
    assert error.value.message == (
        "the body of pipeline `started` raised RuntimeError while it was planned: no running event loop"
    )
    assert str(error.value.site) == line("return await asyncio.create_task")


def test_results_of_every_shape() -> None:
    @pipeline
    def shaped() -> dict[str, object]:
        one = rows(1)
        return {"list": [one, rows(2)], "tuple": (one, "x"), "plain": 7, "nothing": None}

    assert shaped.run() == shaped() == {"list": [1, 2], "tuple": (1, "x"), "plain": 7, "nothing": None}


def test_an_async_body_that_waits_for_something_else_is_refused() -> None:
    class Sleep:
        def __await__(self):  # type: ignore[no-untyped-def]  # what is tested
            yield

    @pipeline
    async def waiting() -> None:
        await Sleep()

    with pytest.raises(GraphError, match="awaits something that is not a task"):
        waiting.plan()


def test_generators_are_no_bodies() -> None:
    with pytest.raises(ConfigError, match="the body of pipeline `endless` is a generator"):

        @pipeline
        def endless():  # type: ignore[no-untyped-def]  # what is tested
            yield 1


def test_names_of_any_kind_and_length() -> None:
    long = "λ" * 5_000

    @task(name="größe <b>&`\"'")
    def odd(n: int) -> int:
        return n

    @task(name=long)
    def endless(n: int) -> int:
        return n

    @pipeline(name="naïve\nname")
    def named() -> int:
        return endless(odd(1))

    assert named.run() == 1
    assert named.run(mode="analyze")["tasks"] == ["größe <b>&`\"'", long]
    diagram = named.graph()
    for text in (diagram.text(80), diagram.mermaid(), diagram.svg()):
        assert "größe" in text
        assert "<b>" not in text or text == diagram.text(80)
    assert max(map(len, diagram.text(80).splitlines())) <= 80


def test_planning_does_nothing_outside(in_tmp: object) -> None:
    ran: list[int] = []

    @task
    def effect(n: int) -> int:
        ran.append(n)
        return n

    @pipeline
    def body() -> int:
        return effect(1)

    body.plan()
    body.graph()
    body.run(mode="analyze")
    assert ran == []


EDITED = """
from glacier import pipeline, task

@task
def a(x: int) -> int:
    return x

@pipeline
def p() -> int:
    x = a(3)
    if x > 2:
        return a(100)
    return a(1)
"""


@pytest.mark.parametrize("before", ["", "# a line more\n"])
@pytest.mark.parametrize("ran", [True, False])
def test_a_module_that_is_edited_runs_as_it_was_imported(
    in_tmp: Path, monkeypatch: pytest.MonkeyPatch, before: str, *, ran: bool
) -> None:
    monkeypatch.syspath_prepend(str(in_tmp))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    (in_tmp / "edited.py").write_text(EDITED)
    edited: Any = importlib.import_module("edited")
    try:
        if ran:
            assert edited.p.run() == 100
        (in_tmp / "edited.py").write_text(before + EDITED.replace("100", "5555"))
        if ran:
            assert edited.p.run() == 100
        else:
            with pytest.raises(GraphError) as caught:
                edited.p.run()
            assert caught.value.message == "`p` cannot be read: its file was edited after it was imported"
        importlib.reload(edited)
        assert edited.p.run() == edited.p() == 5555
    finally:
        del sys.modules["edited"]
