"""The graph as plain data: names, levels, edges, and what the source tells of a call."""

from __future__ import annotations

import pytest

from glacier import pipeline, task
from glacier.errors import GraphError
from glacier.graph import in_order
from glacier.source import definition_line, source_file, variable_of


@task
def one(x: object = None) -> int:
    return 1


@task
def two(*values: object) -> int:
    return 2


def test_a_call_is_named_for_the_variable_that_takes_it() -> None:
    @pipeline
    def body() -> int:
        a = one()
        b, c = one(1), one(2)
        d: int = one(
            3,
        )
        two(e := one(4))
        holder = {"k": one(5)}
        holder["key"] = one(6)
        a += one(7)
        return two(a, b, c, d, e, one(one(8)), *holder.values())

    assert [name for name in body.plan().names if name.startswith("one")] == [
        "one[a]",
        "one[b]",
        "one[c]",
        "one[d]",
        "one[e]",
        "one[#1]",
        "one[holder['key']]",
        "one[a#2]",
        "one[#2]",
        "one[#3]",
    ]


def test_helpers_are_followed_and_named_too() -> None:
    def helper(n: int) -> int:
        inner = one(n)
        return two(inner)

    @pipeline
    def body() -> list[int]:
        return [helper(1), helper(2)]

    graph = body.plan()
    assert graph.names == ["one[inner]", "two[#1]", "one[inner#2]", "two[#2]"]
    assert {node.site.line for node in graph.nodes} == {
        helper.__code__.co_firstlineno + 1,
        helper.__code__.co_firstlineno + 2,
    }


def test_levels_count_visible_nodes_only() -> None:
    @pipeline
    def body() -> int:
        a = one()
        return two(a > 0, one(a + 1))

    graph = body.plan()
    assert [[graph.names[index] for index in level] for level in graph.levels()] == [["one[a]"], ["one[#1]"], ["two"]]
    assert [(graph.names[e.source], graph.names[e.target]) for e in graph.visible_edges()] == [
        ("one[a]", "one[#1]"),
        ("one[a]", "two"),
        ("one[#1]", "two"),
    ]


def test_waiting_for_a_part_of_a_result_is_waiting_for_its_task() -> None:
    @pipeline
    def body() -> int:
        a = one()
        return two.after(a > 0)(1)

    graph = body.plan()
    assert [(graph.names[e.source], graph.names[e.target], e.kind) for e in graph.visible_edges()] == [
        ("one", "two", "explicit")
    ]


def test_in_order_is_smallest_first() -> None:
    upstream = {0: [3], 1: [], 2: [1], 3: [1]}

    def refuse(cycle: list[int]) -> GraphError:
        return GraphError(f"{cycle}")

    assert in_order(4, upstream.__getitem__, refuse) == [1, 2, 3, 0]
    upstream[1] = [0]
    with pytest.raises(GraphError, match=r"\[0, 1, 3\]|\[0, 3, 1\]"):
        in_order(4, upstream.__getitem__, refuse)


def test_without_source_everything_still_works() -> None:
    namespace = {"task": task, "pipeline": pipeline}
    exec("@task\ndef f(x=1): return x\n\n@pipeline\ndef p():\n    a = f()\n    return f(a)\n", namespace)
    body = namespace["p"]
    assert body.run() == 1  # type: ignore[attr-defined]  # made by exec
    assert body.plan().names == ["f[#1]", "f[#2]"]  # type: ignore[attr-defined]  # made by exec
    assert source_file("<string>") is None
    code = body.function.__code__  # type: ignore[attr-defined]  # made by exec
    assert variable_of(code, 0) is None
    assert definition_line(int) == 0
