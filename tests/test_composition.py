"""Pipelines in pipelines: one graph, named groups, arguments and results, recursion, order across the borders."""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import Callable, Iterator
from io import StringIO
from itertools import combinations
from pathlib import Path
from typing import Any, Literal

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from glacier import Bucket, Pipeline, pipeline, task
from glacier.errors import GateClosed, GlacierError, GraphError, InputError
from glacier.execution.record import Recorder
from glacier.loading import load_pipeline
from glacier.providers import LocalProvider
from glacier.report.summary import summary_table

FILE = Path(__file__).name
ROOT = Path(__file__).parent.parent


@task
def load(n: int) -> int:
    return n


@task
def add(a: int, b: int) -> int:
    return a + b


@task
def lazily(n: int) -> pl.LazyFrame:
    return pl.LazyFrame({"n": [n]})


@task
def collected(df: pl.LazyFrame) -> pl.DataFrame:
    return df.collect()


@task
async def fetch(n: int) -> int:
    return 10 * n


@pipeline
def ingest(n: int) -> int:
    raw = load(n)
    return add(raw, 1)


@pipeline
def clamped(n: int, most: int = 5) -> int:
    found = load(n)
    if found > most:
        return add(most, 0)
    return add(found, 2)


@pipeline
def first_above(n: int) -> int:
    for plain in (1, 2, 3):
        if plain > 1:
            return add(n, plain)
    return 0


def names(body: Pipeline[..., Any]) -> list[str]:
    return [str(name) for name in body.run(mode="analyze")["tasks"]]


def refused(body: Pipeline[..., Any]) -> str:
    with pytest.raises(GlacierError) as caught:
        body.plan(partial=True)
    lines = str(caught.value).replace(str(Path(__file__)), FILE).splitlines()
    return "\n".join(line.replace("tests/", "") for line in lines)


def test_one_call_is_a_group_of_its_name() -> None:
    @pipeline
    def outer() -> int:
        first = ingest(1)
        return add(first, load(5))

    assert outer.run() == outer() == 7
    graph = outer.plan()
    assert list(graph.groups.values()) == ["ingest"]
    assert [graph.path(index) for index in range(4)] == [("ingest",), ("ingest",), (), ()]
    assert graph.names == ["ingest/load", "ingest/add", "load", "add"]
    (group,) = graph.groups
    assert (group.kind, group.variable, group.site.text) == ("pipeline", "first", "first = ingest(1)")


def test_calls_of_one_pipeline_are_groups_named_by_their_variables() -> None:
    @pipeline
    def outer() -> int:
        sales = ingest(1)
        stock = ingest.run(mode="local", inputs={"n": 2})
        return add(sales, add(stock, add(ingest(3), ingest.run(inputs={"n": 4}))))

    assert outer.run() == outer() == 14
    assert list(outer.plan().groups.values()) == ["ingest[sales]", "ingest[stock]", "ingest[#1]", "ingest[#2]"]
    assert names(outer) == [
        "ingest[sales]/load", "ingest[sales]/add", "ingest[stock]/load", "ingest[stock]/add", "ingest[#1]/load",
        "ingest[#1]/add", "ingest[#2]/load", "ingest[#2]/add", "add[#1]", "add[#2]", "add[#3]",
    ]  # fmt: skip


def test_groups_nest_and_names_stay_unique() -> None:
    @pipeline
    def twice(n: int) -> int:
        one = ingest(n)
        two = ingest(one)
        return two  # noqa: RET504  # the variable is its name

    @pipeline
    def outer() -> int:
        east = twice(1)
        west = twice(2)
        return add(east, west)

    assert outer.run() == outer() == 7
    graph = outer.plan()
    assert list(graph.groups.values()) == [
        "twice[east]", "twice[east]/ingest[one]", "twice[east]/ingest[two]",
        "twice[west]", "twice[west]/ingest[one]", "twice[west]/ingest[two]",
    ]  # fmt: skip
    assert graph.names[1] == "twice[east]/ingest[one]/add"
    assert graph.path(1) == ("twice[east]", "twice[east]/ingest[one]")
    assert len(set(graph.names)) == len(graph.names) == 9


def test_names_without_repetition_need_no_group() -> None:
    @pipeline
    def frames() -> pl.DataFrame:
        return collected(lazily(1))

    @pipeline
    def outer() -> pl.DataFrame:
        return frames()

    assert names(outer) == ["lazily", "collected"]
    assert outer.run().rows() == outer().rows() == [(1,)]


def test_arguments_are_values_or_results_and_results_have_any_shape() -> None:
    @pipeline
    def shaped(n: int, *more: int, label: str = "x", **others: int) -> dict[str, Any]:
        return {"sum": [add(n, m) for m in more], "label": label, "others": (others, load(n))}

    @pipeline
    def outer() -> list[Any]:
        got = shaped(load(1), load(2), 3, label="y", z=load(4))
        return [got, add(got["sum"][0], got["others"][1])]

    assert outer.run() == outer() == [{"sum": [3, 4], "label": "y", "others": ({"z": 4}, 1)}, 4]


def test_inner_bodies_are_staged_however_they_are_called() -> None:
    @pipeline
    def outer(n: int) -> int:
        one = clamped(load(n))
        two = clamped.run(inputs={"n": load(n), "most": 2})
        return add(one, two)

    for n in (1, 3, 9):
        assert outer.run(inputs={"n": n}) == outer(n)


def test_an_inner_pipeline_on_a_side_of_a_branch() -> None:
    @pipeline
    def outer(n: int) -> int:
        found = load(n)
        if found > 10:
            result = clamped(found)
        elif found > 3:
            result = clamped(found, most=100)
        else:
            return first_above(found)
        return add(result, 1000)

    for n in (1, 7, 20):
        recorder = Recorder()
        assert outer.run(inputs={"n": n}, progress=recorder) == outer(n)
        assert recorder.record is not None
        taken = {node.groups[0] for node in recorder.record.nodes if node.groups and node.state == "succeeded"}
        assert taken == {{1: "first_above", 7: "clamped[result#2]", 20: "clamped[result]"}[n]}


def test_async_pipelines() -> None:
    @pipeline
    async def inner(n: int) -> dict[str, int]:
        return {"value": await fetch(n)}

    @pipeline
    async def outer() -> int:
        one = await inner(1)
        two = await inner(2)
        return add(one["value"], two["value"])

    @pipeline
    def plain() -> int:
        return add(inner.run(inputs={"n": 1})["value"], inner.run(inputs={"n": 2})["value"])

    assert outer.run() == asyncio.run(outer()) == plain.run() == plain() == 30
    assert names(outer) == ["inner[one]/fetch", "inner[two]/fetch", "add"]

    @pipeline
    def forgotten() -> int:
        return collected(inner(1))  # type: ignore[arg-type,return-value]  # what is tested

    assert refused(forgotten).splitlines()[0] == "a coroutine of `inner`, which nobody awaits, is passed to a task"


def test_recursion_shows_its_path() -> None:
    @pipeline
    def countdown(n: int) -> int:
        return add(countdown(load(n)), 1)

    line = countdown.site.line
    assert refused(countdown) == (
        "pipeline `countdown` calls itself: `countdown` -> `countdown`\n"
        f"    `countdown` calls `countdown` at {FILE}:{line + 1}\n"
        f"  at {FILE}:{line + 1}\n"
        "     return add(countdown(load(n)), 1)\n"
        "  Fix: call the tasks that `countdown` needs there, in place of pipeline `countdown`"
    )


@pipeline
def chicken(n: int) -> int:
    return egg(n)


@pipeline
def egg(n: int) -> int:
    return load(chicken.run(inputs={"n": n}))


def test_recursion_through_others_shows_its_path() -> None:
    @pipeline
    def farm() -> int:
        return chicken(1)

    assert refused(farm) == (
        "pipeline `chicken` calls itself: `chicken` -> `egg` -> `chicken`\n"
        f"    `chicken` calls `egg` at {FILE}:{chicken.site.line + 1}\n"
        f"    `egg` calls `chicken` at {FILE}:{egg.site.line + 1}\n"
        f"  at {FILE}:{egg.site.line + 1}\n"
        '     return load(chicken.run(inputs={"n": n}))\n'
        "  Fix: call the tasks that `egg` needs there, in place of pipeline `chicken`"
    )


@pipeline
def takes_frame(df: pl.DataFrame) -> pl.DataFrame:
    return df


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (
            lambda: takes_frame(lazily(1)),  # type: ignore[arg-type]  # what is tested
            InputError,
            "pipeline `takes_frame` takes input `df` as DataFrame, but `lazily` gives LazyFrame\n"
            "  Fix: annotate `df` as pl.LazyFrame and collect in `takes_frame`, or let `lazily` return .collect()",
        ),
        (
            lambda: takes_frame.run(inputs={"df": load(1)}),
            InputError,
            "pipeline `takes_frame` takes input `df` as DataFrame, but `load` gives int\n"
            "  Fix: pass something else as `df`, or change one of the two annotations",
        ),
        (
            lambda: ingest("one"),  # type: ignore[arg-type]  # what is tested
            InputError,
            "pipeline `ingest` takes input `n` as int, but got str\n  Fix: pass a value of type int",
        ),
        (
            lambda: ingest.run(inputs={"m": 1}),
            InputError,
            "pipeline `ingest` has no input `m`\n  Fix: did you mean `n`?",
        ),
        (
            lambda: [ingest.run()],
            InputError,
            "pipeline `ingest` is missing input `n`\n  Fix: pass inputs={'n': ...}",
        ),
        (
            lambda: ingest(1, 2),  # type: ignore[call-arg]  # what is tested
            GraphError,
            "pipeline `ingest` is called with the wrong arguments: too many positional arguments\n"
            "  Fix: its signature is ingest(n: 'int') -> 'int'",
        ),
        (
            lambda: ingest.run(inputs={"n": 1}, max_workers=2, progress=True),
            GraphError,
            "pipeline `ingest` is run with `max_workers=, progress=` inside the body of pipeline `outer`, "
            "whose run it becomes a part of\n"
            "  Fix: pass `max_workers=, progress=` to the run of `outer`",
        ),
        (
            lambda: ingest.run(mode="analyze"),
            GraphError,
            "pipeline `ingest` is analyzed or drawn inside the body of pipeline `outer`\n"
            "  Fix: do that outside of the body; to make it a part of `outer`, call it",
        ),
        (
            lambda: [ingest.graph()],
            GraphError,
            "pipeline `ingest` is analyzed or drawn inside the body of pipeline `outer`\n"
            "  Fix: do that outside of the body; to make it a part of `outer`, call it",
        ),
    ],
)
def test_what_a_call_in_a_body_may_not_do(call: Any, error: type[GlacierError], text: str) -> None:
    @pipeline
    def outer() -> object:
        return call()

    with pytest.raises(error) as caught:
        outer.plan()
    told = str(caught.value).splitlines()
    assert "\n".join([told[0], told[-1]]) == text
    assert FILE in told[1]
    assert "lambda" in told[2]


AS_PRINTED = """
import polars as pl
from glacier import Bucket, pipeline, task
from glacier.providers import LocalProvider
provider = LocalProvider(base_path="data")

@task
def extract_and_validate(source: Bucket) -> pl.LazyFrame:
    return source.scan()

@task
def compute_metrics(df: pl.LazyFrame) -> pl.DataFrame:
    return df.select(pl.col("n").sum()).collect()

@pipeline
def ingestion_pipeline() -> pl.LazyFrame:
    source = provider.bucket("raw", path="data.parquet")
    return extract_and_validate(source)

@pipeline
def analytics_pipeline(df: pl.LazyFrame) -> pl.DataFrame:
    return compute_metrics(df)

@pipeline
def end_to_end():
    \"\"\"Compose multiple pipelines.\"\"\"
    df = ingestion_pipeline.run(mode="local")
    result = analytics_pipeline.run(mode="local", inputs={"df": df})
    return result
"""


def test_the_document_s_end_to_end(in_tmp: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (in_tmp / "printed.py").write_text(AS_PRINTED)
    LocalProvider("data").bucket("raw", path="data.parquet").write(pl.DataFrame({"n": [1, 2]}))
    end_to_end = load_pipeline(f"{in_tmp / 'printed.py'}:end_to_end")
    monkeypatch.delitem(sys.modules, "printed")
    assert end_to_end.run(mode="local").rows() == end_to_end().rows() == [(3,)]
    assert [(group["name"], group["line"]) for group in end_to_end.run(mode="analyze")["groups"]] == [
        ("ingestion_pipeline", 27),
        ("analytics_pipeline", 28),
    ]
    assert end_to_end.graph().text(80).splitlines()[2:] == [
        "   ingestion_pipeline:",
        "●    extract_and_validate  ← raw/data.parquet",
        "│  analytics_pipeline:",
        "●    compute_metrics",
    ]


def test_what_an_inner_body_raises_names_it() -> None:
    @pipeline
    def broken(n: int) -> int:
        known: dict[str, int] = {}
        return load(known["missing"])

    @pipeline
    def outer() -> int:
        return broken(1)

    assert refused(outer).splitlines()[0] == (
        "the body of pipeline `broken` raised KeyError while it was planned: 'missing'"
    )


def test_piped_calls_are_at_the_line_of_the_pipe() -> None:
    @pipeline
    def outer() -> int:
        first: Any = load(1)
        return add(first.pipe(load).pipe(ingest), 1)

    graph = outer.plan()
    line = outer.site.line + 2
    assert [node.site.line for node in graph.nodes][:2] == [line - 1, line]
    assert [group.site.line for group in graph.groups] == [line]


@pytest.fixture
def provider(tmp_path: Path) -> LocalProvider:
    return LocalProvider(tmp_path)


@task
def write(target: Bucket, n: int) -> None:
    target.write(pl.DataFrame({"n": [n]}))


@task
def read(source: Bucket) -> int:
    return int(source.read()["n"][0])


@task
def positive(source: Bucket) -> bool:
    return bool(source.read()["n"][0] > 0)


def waits(body: Pipeline[..., Any]) -> set[tuple[str, str]]:
    return {(str(edge["from"]), str(edge["to"])) for edge in body.run(mode="analyze")["edges"]}


@pytest.mark.parametrize("outer_infer", [True, False])
@pytest.mark.parametrize("inner_infer", [True, False])
def test_the_innermost_pipeline_around_both_says_whether_resources_order(
    provider: LocalProvider, inner_infer: bool, outer_infer: bool
) -> None:
    data = provider.bucket("data", path="n.parquet")

    @pipeline(infer=inner_infer)
    def inner() -> int:
        write(data, 2)
        return read(data)

    @pipeline(infer=outer_infer)
    def outer() -> int:
        write(data, 1)
        inside = inner()
        after = read(data)
        return add(inside, after)

    among = {("inner/write", "inner/read")}
    across = {("write", "inner/write"), ("inner/write", "read")}
    expected = {("inner/read", "add"), ("read", "add")}
    expected |= among if inner_infer else set()
    expected |= across if outer_infer else set()
    if outer_infer and not inner_infer:  # nothing in `inner` stands for what came before it
        expected |= {("write", "read"), ("write", "inner/read")}
    assert waits(outer) == expected


Step = tuple[Literal["write", "read"], int]
Around = tuple[tuple[object, bool], ...]
Body = list[Any]  # of steps, and of (infer, body) for an inner pipeline

bodies = st.recursive(
    st.lists(st.tuples(st.sampled_from(["write", "read"]), st.integers(0, 1)), max_size=4),
    lambda inner: st.lists(
        st.one_of(
            st.tuples(st.sampled_from(["write", "read"]), st.integers(0, 1)),
            st.tuples(st.booleans(), inner),
        ),
        max_size=4,
    ),
    max_leaves=12,
)


def steps_of(
    body: Body, infers: tuple[tuple[object, bool], ...]
) -> Iterator[tuple[Step, tuple[tuple[object, bool], ...]]]:
    """Gives each step with what the pipelines around it say of inference, outermost first."""
    for item in body:
        if isinstance(item[0], bool):
            yield from steps_of(item[1], (*infers, (object(), item[0])))
        else:
            yield item, infers


@settings(deadline=None)  # the first example reads the source of the tasks
@given(bodies, st.booleans())
def test_nested_bodies_are_ordered_as_the_rule_says(body: Body, infer: bool) -> None:
    places = [LocalProvider("./nowhere").bucket("b", path=f"{n}.parquet") for n in range(2)]

    def called(items: Body, infers: bool) -> Pipeline[[], None]:
        @pipeline(infer=infers)
        def one() -> None:
            for what, item in items:
                if isinstance(what, bool):
                    called(item, what)()
                elif what == "write":
                    write(places[int(item)], 1)
                else:
                    read(places[int(item)])

        return one

    graph = called(body, infer).plan()
    steps = list(steps_of(body, ((None, infer),)))
    wanted: set[tuple[int, int]] = set()
    for (one, (step, around)), (other, (later, about)) in combinations(enumerate(steps), 2):
        common = [said for (group, said), (same, _) in zip(around, about, strict=False) if group is same]
        if step[1] == later[1] and "write" in (step[0], later[0]) and common[-1]:
            wanted.add((one, other))
    edges = {(edge.source, edge.target) for edge in graph.edges()}
    assert edges <= wanted
    reached: dict[int, set[int]] = {}
    for target in range(len(steps)):
        direct = {source for source, to in edges if to == target}
        reached[target] = direct.union(*(reached[source] for source in direct))
    assert wanted <= {(source, target) for target, sources in reached.items() for source in sources}


def test_depends_on_means_the_calls_of_the_same_body() -> None:
    @task
    def prepare(n: int) -> bool:
        return n > 0

    @task(depends_on=[prepare])
    def process(n: int) -> int:
        return n

    @pipeline
    def inner(n: int) -> int:
        prepare(n)
        return process(n)

    @pipeline
    def outer() -> list[int]:
        east = inner(1)
        west = inner(2)
        return [east, west, process(3)]

    assert waits(outer) == {
        ("inner[east]/prepare", "inner[east]/process"),
        ("inner[west]/prepare", "inner[west]/process"),
        ("inner[east]/prepare", "process"),
        ("inner[west]/prepare", "process"),
    }

    @pipeline
    def closed() -> list[int]:
        return [inner(1), inner(-1)]

    recorder = Recorder()
    with pytest.raises(GateClosed):
        closed.run(progress=recorder)
    assert recorder.record is not None
    assert [(node.name, node.state) for node in recorder.record.nodes] == [
        ("inner[#1]/prepare", "succeeded"), ("inner[#1]/process", "succeeded"),
        ("inner[#2]/prepare", "succeeded"), ("inner[#2]/process", "skipped"),
    ]  # fmt: skip


def test_depends_on_falls_back_to_the_bodies_around() -> None:
    @task
    def prepare() -> None: ...

    @task(depends_on=[prepare])
    def process(n: int) -> int:
        return n

    @pipeline
    def inner(n: int) -> int:
        return process(n)

    @pipeline
    def outer() -> int:
        prepare()
        return inner(1)

    assert waits(outer) == {("prepare", "process")}
    assert refused(inner).splitlines()[0].startswith("`process` depends on `prepare`, which pipeline `inner` never")


def test_arguments_left_out_come_from_the_same_body() -> None:
    @task
    def extract(n: int = 1) -> int:
        return n

    @task(depends_on=[extract])
    def doubled(value: int) -> int:
        return 2 * value

    @pipeline
    def inner() -> int:
        return doubled()  # type: ignore[call-arg]  # planning fills it

    @pipeline
    def outer() -> int:
        return add(extract(20), inner())

    assert outer.run() == 22


def test_analysis_tells_of_groups(line: Callable[[str], str]) -> None:
    @pipeline
    def twice(n: int) -> int:
        raw = load(n)
        one = ingest(raw)
        two = ingest(one)
        return two  # noqa: RET504  # the variable is its name

    @pipeline
    def outer() -> int:
        three = twice(3)
        return add(three, 1)

    analysis = outer.run(mode="analyze")
    file, _, called = line("three = ").rpartition(":")
    first = twice.site.line + 2
    assert analysis["groups"] == [
        {
            "name": "twice",
            "kind": "pipeline",
            "file": file,
            "line": int(called),
            "parent": None,
            "tasks": ["twice/load"],
            "groups": ["ingest[one]", "ingest[two]"],
        },
        *(
            {
                "name": f"ingest[{name}]",
                "kind": "pipeline",
                "file": file,
                "line": first + offset,
                "parent": "twice",
                "tasks": [f"ingest[{name}]/load", f"ingest[{name}]/add"],
                "groups": [],
            }
            for name, offset in (("one", 0), ("two", 1))
        ),
    ]
    assert [call["group"] for call in analysis["calls"]] == ["twice", *["ingest[one]"] * 2, *["ingest[two]"] * 2, None]
    told = analysis.text(200).splitlines()
    assert told[told.index("groups") + 1 :][:3] == [
        f"  twice           {file}:{called}   load",
        f"    ingest[one]   {file}:{first}   load, add",
        f"    ingest[two]   {file}:{first + 1}   load, add",
    ]
    assert "<td>ingest[one], ingest[two]</td>" in analysis._repr_html_()


def test_records_tell_of_groups() -> None:
    @pipeline
    def outer() -> int:
        first = ingest(1)
        return add(first, load(2))

    recorder = Recorder()
    outer.run(progress=recorder)
    assert recorder.record is not None
    assert [(node.name, node.groups) for node in recorder.record.nodes] == [
        ("ingest/load", ("ingest",)), ("ingest/add", ("ingest",)), ("load", ()), ("add", ()),
    ]  # fmt: skip
    console = Console(width=100, record=True, file=StringIO())
    console.print(summary_table(recorder.record))
    assert [row[:8].rstrip() for row in console.export_text().splitlines()[1:]] == [
        "task", "ingest", "  load", "  add", "load", "add",
    ]  # fmt: skip


def test_many_calls_stay_linear() -> None:
    @pipeline
    def outer(count: int) -> list[int]:
        return [ingest(n) for n in range(count)]

    graph = outer.plan({"count": 2_000})
    assert len(graph.groups) == 2_000
    assert graph.names[-1] == "ingest[#2000]/add"


def test_the_picture_of_the_docs(
    in_tmp: Path, monkeypatch: pytest.MonkeyPatch, golden: Callable[[Path, str], None]
) -> None:
    page = ROOT / "docs" / "composition.md"
    (block,) = re.findall(r"^```python\n(# file: regions.py\n.*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL)
    (in_tmp / "regions.py").write_text(block)
    body = load_pipeline(f"{in_tmp / 'regions.py'}:sales")
    monkeypatch.delitem(sys.modules, "regions")
    golden(page.parent / "images" / "composition.svg", body.graph().svg().replace(f"{in_tmp}/", ""))
