"""Every body of the corpus and every example: the plain call, the staged plan and the traced plan agree."""

from __future__ import annotations

import ast
import asyncio
import inspect
import re
from collections.abc import Callable
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from bodies.corpus import Body, Reading, corpus
from glacier import Pipeline
from glacier.errors import GraphError, TaskError
from glacier.graph import Graph
from glacier.loading import load_pipeline

PAGE = Path(__file__).parent.parent / "docs" / "planning.md"
EXAMPLES = Path(__file__).parent.parent / "examples"
MAIN = {"pipeline_composition": ":end_to_end"}
"""Of examples with several pipelines the one that calls the others."""
READ = corpus("traced", "staged")
TRACED = corpus("traced")
STAGED = corpus("staged")
REFUSED = corpus("refused")


def id_of(body: Body) -> str:
    return body.id


def unsourced(body: Pipeline[..., Any]) -> Pipeline[..., Any]:
    """The same code in a file that does not exist, as `exec` would make it: its source cannot be had."""
    function = body.function
    assert isinstance(function, FunctionType)
    made = FunctionType(
        elsewhere(function.__code__),
        function.__globals__,
        function.__name__,
        function.__defaults__,
        function.__closure__,
    )
    made.__kwdefaults__ = function.__kwdefaults__
    made.__annotations__ = function.__annotations__
    return Pipeline(made, body.name, infer=body.infer)


def elsewhere(code: CodeType) -> CodeType:
    inner = tuple(elsewhere(one) if isinstance(one, CodeType) else one for one in code.co_consts)
    return code.replace(co_filename="<no source>", co_consts=inner)


def outcome(call: Callable[..., Any], *args: Any, **kwargs: Any) -> tuple[type, Any]:
    """The result with its type, or the type of what was raised: by the body, or by a task of it."""
    try:
        result: object = call(*args, **kwargs)
    except (GraphError, TaskError) as error:
        if error.__cause__ is None:
            raise
        return type(error.__cause__), "raised"
    except Exception as error:  # noqa: BLE001  # whatever the body raises
        return type(error), "raised"
    return type(result), result


def called(body: Pipeline[..., Any], inputs: dict[str, object]) -> Any:
    parameters = inspect.signature(body.function).parameters
    nameless = [name for name in inputs if parameters[name].kind is inspect.Parameter.POSITIONAL_ONLY]
    result = body(*(inputs[name] for name in nameless), **{n: v for n, v in inputs.items() if n not in nameless})
    return asyncio.run(result) if inspect.iscoroutine(result) else result


def shape(graph: Graph) -> tuple[list[tuple[str, str, int]], list[object]]:
    """The graph's nodes as kind, name and line, and its edges."""
    return [(node.work.kind, node.work.name, node.site.line) for node in graph.nodes], list(graph.edges())


@pytest.mark.parametrize("executor", ["threads", "sync"])
@pytest.mark.parametrize("body", READ, ids=id_of)
def test_the_run_gives_what_the_plain_call_gives(body: Body, executor: Any) -> None:
    kinds: set[type] = set()
    for inputs in body.inputs:
        direct = outcome(called, body.pipeline, inputs)
        assert outcome(body.pipeline.run, inputs=inputs, executor=executor) == direct, inputs
        kinds.add(direct[0])
    assert any(not issubclass(kind, Exception) for kind in kinds), "no inputs give a result"


@pytest.mark.parametrize("body", TRACED, ids=id_of)
def test_tracing_gives_the_graph_that_staging_gives(body: Body) -> None:
    traced = unsourced(body.pipeline)
    for inputs in body.inputs:
        direct = outcome(called, body.pipeline, inputs)
        assert outcome(traced.run, inputs=inputs, executor="sync") == direct, inputs
        if direct[1] != "raised":
            assert shape(traced.plan(inputs)) == shape(body.pipeline.plan(inputs)), inputs


@pytest.mark.parametrize("body", STAGED, ids=id_of)
def test_tracing_refuses_what_only_staging_reads(body: Body) -> None:
    with pytest.raises(GraphError, match="is not known until the run") as error:
        unsourced(body.pipeline).run(inputs=body.inputs[-1])
    assert error.value.site is not None
    assert error.value.site.file == "<no source>"
    assert error.value.fix


@pytest.mark.parametrize("body", REFUSED, ids=id_of)
def test_a_body_that_cannot_be_planned_is_refused_at_its_line(body: Body) -> None:
    lines, first = inspect.getsourcelines(body.pipeline.function)
    (here,) = [first + place for place, line in enumerate(lines) if line.rstrip().endswith("# here")]
    for inputs in body.inputs:
        with pytest.raises(GraphError, match=body.message) as error:
            body.pipeline.run(inputs=inputs)
        assert error.value.site is not None
        assert error.value.site.line == here
        assert Path(error.value.site.file).name == Path(body.pipeline.function.__code__.co_filename).name
        assert error.value.fix


def test_the_corpus_covers_the_grammar() -> None:
    """Every statement, expression, operator and pattern of Python stands in some body that is planned."""
    kinds = (ast.stmt, ast.expr, ast.operator, ast.unaryop, ast.boolop, ast.cmpop, ast.pattern)
    known = {one for kind in kinds for one in kind.__subclasses__() if one.__module__ == "ast"}
    bodies = [ast.parse(inspect.cleandoc(inspect.getsource(body.pipeline.function))) for body in READ]
    seen = {type(node) for tree in bodies for node in ast.walk(tree)}
    later = {"TypeAlias", "TemplateStr", "Interpolation"}  # not in the grammar of the oldest Python supported
    assert sorted(one.__name__ for one in known - seen if one.__name__ not in later) == []


SECTIONS: dict[str, Reading] = {
    "Results as values": "traced",
    "Branches on results": "staged",
    "Loops over results": "staged",
    "Decided while planning": "traced",
    "Refused": "refused",
}


@pytest.mark.parametrize("heading", SECTIONS)
def test_the_page_says_of_each_construct_what_the_corpus_holds(heading: str) -> None:
    """Each row of a table names bodies, all of that reading."""
    section = PAGE.read_text().partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    rows = [line for line in section.splitlines() if line.startswith("| ")][1:]
    known = {body.id for body in corpus(SECTIONS[heading])}
    for row in rows:
        named = re.findall(r"`([a-z_]+\.[a-z_]+)`", row.split("|")[-2])
        assert named, row
        assert set(named) <= known, row
    assert rows


def assert_same(one: object, other: object) -> None:
    one, other = (value.collect() if isinstance(value, pl.LazyFrame) else value for value in (one, other))
    if isinstance(one, pl.DataFrame) and isinstance(other, pl.DataFrame):
        assert_frame_equal(one, other, check_row_order=False)
    else:
        assert one is None
        assert other is None


WITHOUT_PIPELINE = {"make_data", "process", "providers"}
EXAMPLE_NAMES = {file.stem for file in EXAMPLES.glob("*.py")} - WITHOUT_PIPELINE


@pytest.mark.parametrize("executor", ["threads", "sync"])
@pytest.mark.parametrize("name", sorted(EXAMPLE_NAMES))
def test_the_readers_agree_on_the_examples(
    examples: Path, monkeypatch: pytest.MonkeyPatch, name: str, executor: Any
) -> None:
    monkeypatch.chdir(examples)  # where functions declared by code without a file are looked for
    body = load_pipeline(str(examples / f"{name}.py") + MAIN.get(name, ""))
    traced = unsourced(body)
    direct = body()
    assert_same(body.run(executor=executor), direct)
    assert_same(traced.run(executor=executor), direct)
    assert shape(traced.plan()) == shape(body.plan())
