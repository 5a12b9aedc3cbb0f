"""Branches on results: every side planned, one taken, and the same result as the plain call."""

# pyright: reportUnboundVariable=false, reportPossiblyUnboundVariable=false
# pyright: reportUnknownArgumentType=false, reportGeneralTypeIssues=false, reportUnnecessaryIsInstance=false
from __future__ import annotations

import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from glacier import Bucket, Pipeline, pipeline, task
from glacier.errors import GateClosed, GraphError, TaskError
from glacier.execution.record import Recorder
from glacier.providers import LocalProvider


@task
def check(n: int) -> dict[str, Any]:
    return {"valid": n > 5, "n": n, "names": ["x"] * n}


@task
def left(n: int) -> str:
    return f"left {n}"


@task
def right(n: int) -> str:
    return f"right {n}"


@task
def show(value: object) -> str:
    return f"<{value}>"


@task
def gap(value: object = None) -> None:
    return None


@pipeline
def both_sides(n: int) -> str:
    found = check(n)
    if found["valid"]:
        x = left(n)
    else:
        x = right(n)
    return show(x)


@pipeline
def no_else(n: int) -> str:
    x = right(n)
    if check(n)["valid"]:
        x = left(n)
    return show(x)


@pipeline
def chain_of_elif(n: int) -> str:
    found = check(n)
    if found["n"] == 1:
        x = left(1)
    elif found["n"] == 7:
        x = right(7)
    elif n == 8:
        x = left(8)
    else:
        x = "neither"
    return show(x)


@pipeline
def early_return(n: int) -> str:
    found = check(n)
    if not found["valid"]:
        return "too few"
    x = left(n)
    if found["n"] > 8 and n < 100:
        return show(x)
    y = show("y")
    return show([x, y])


@pipeline
def returns_nothing(n: int) -> str | None:
    if check(n)["valid"]:
        return left(n)
    show("other")
    return None


@pipeline
def nested(n: int) -> list[str]:
    found = check(n)
    a = b = "none"
    if found["valid"]:
        a = left(n)
        if found["n"] > 7:
            b = show(a)
        else:
            a = show(a)
    return [show(a), show(b)]


@pipeline
def expressions(n: int) -> list[Any]:
    found = check(n)
    label = "big" if found["valid"] else "small"
    return [
        show(label),
        found["valid"] and show("and"),
        found["valid"] or show("or"),
        not found["valid"],
        show(left(n) if found["n"] % 2 == 0 else right(n)),
        show((found["valid"] and not found["n"] == 7) or n == 1),
    ]


@pipeline
def identity_and_membership(n: int) -> list[Any]:
    nothing = gap(check(n))
    found = check(n)
    empty = "empty" if nothing is None else "full"  # type: ignore[redundant-expr]  # a condition over a plain result
    has = "has" if "x" in found["names"] else "has not"
    return [show(empty), show(has), nothing is not None, "y" not in found["names"]]


@pipeline
def plain_conditions(n: int) -> list[str]:
    made: list[str] = []
    for k in range(5):
        if k == 1:
            continue
        if k > n:
            break
        if k % 2:
            made.append(left(k))
        else:
            made.append(right(k))
    if n > 3 and made:
        return made
    return [show("few")]


@pipeline
def returned_from_a_loop(n: int) -> str:
    for k in range(10):
        if k * k > n:
            return show(k)
    if check(n)["valid"]:
        return left(n)
    return right(n)


@pipeline
def in_a_with_block(n: int) -> str:
    with open(__file__) as file:  # noqa: PTH123  # any context manager
        if check(n)["valid"]:
            return show(file.name[:0])
    return right(n)


@pipeline
def type_checks(n: int) -> list[Any]:
    found = check(n)
    kind = "text" if isinstance(found["n"], str) else "number"
    return [show(kind), isinstance(found, dict), isinstance(n, int)]


BODIES: list[Pipeline[[int], Any]] = [
    both_sides,
    no_else,
    chain_of_elif,
    early_return,
    returns_nothing,
    nested,
    expressions,
    identity_and_membership,
    type_checks,
    plain_conditions,
    returned_from_a_loop,
    in_a_with_block,
]


@pytest.mark.parametrize("executor", ["threads", "sync"])
@pytest.mark.parametrize("body", BODIES, ids=lambda body: body.name)
def test_run_equals_plain_call(body: Pipeline[[int], Any], executor: Any) -> None:
    for n in (0, 1, 4, 6, 7, 8, 9, 200):
        assert body.run(inputs={"n": n}, executor=executor) == body(n), n


def test_the_side_not_taken_is_skipped_with_the_reason() -> None:
    recorder = Recorder()
    both_sides.run(inputs={"n": 9}, progress=recorder)
    assert recorder.record is not None
    assert [(node.name, node.state, node.reason) for node in recorder.record.nodes] == [
        ("check", "succeeded", None),
        ("left", "succeeded", None),
        ("right", "skipped", "the branch that `check` decides went the other way"),
        ("show", "succeeded", None),
    ]


def test_the_graph_knows_both_sides() -> None:
    analysis = both_sides.run(mode="analyze", inputs={"n": 1})
    assert analysis["tasks"] == ["check", "left", "right", "show"]
    assert analysis["execution_levels"] == [["check"], ["left", "right"], ["show"]]
    kinds = {(str(edge["from"]), str(edge["to"])): edge["kind"] for edge in analysis["edges"]}
    assert kinds["check", "left"] == kinds["check", "right"] == "branch"
    assert kinds["left", "show"] == kinds["right", "show"] == "data"
    for text in (both_sides.graph(inputs={"n": 1}).text(), both_sides.graph(inputs={"n": 1}).mermaid()):
        assert "left" in text
        assert "right" in text


def test_writes_on_both_sides_and_after(tmp_path: Path) -> None:
    target = LocalProvider(tmp_path).bucket("out", path="a.parquet")

    @task
    def save(value: int, to: Bucket) -> None:
        to.write(pl.DataFrame({"n": [value]}))

    @task
    def load(source: Bucket) -> int:
        return int(source.read()["n"].sum())

    @pipeline
    def body(n: int) -> int:
        save(0, target)
        if check(n)["valid"]:
            save(1, target)
        else:
            load(target)
            if n:
                target.write(pl.DataFrame({"n": [2]}))
        return load(target)

    for n in (0, 1, 9):
        expected = body(n)
        assert body.run(inputs={"n": n}) == expected


def test_a_write_that_may_not_run_supersedes_nothing(tmp_path: Path) -> None:
    target = LocalProvider(tmp_path).bucket("out", path="a.parquet")

    @task
    def save(value: int, to: Bucket) -> None:
        time.sleep(0.05)
        to.write(pl.DataFrame({"n": [value]}))

    @task
    def load(source: Bucket) -> int:
        return int(source.read()["n"].sum())

    @task
    def is_positive(source: Bucket) -> bool:
        return int(source.read()["n"].sum()) > 0

    @pipeline
    def other_side(n: int) -> int:
        save(7, target)
        if check(n)["valid"]:
            save(1, target)
            found = 0
        else:
            found = load(target)
        return found

    @pipeline
    def gated(n: int) -> int:
        is_positive(target)
        if check(n)["valid"]:
            save(1, target)
        return load(target)

    target.write(pl.DataFrame({"n": [-1]}))
    assert other_side.run(inputs={"n": 1}) == 7
    target.write(pl.DataFrame({"n": [-1]}))
    with pytest.raises(GateClosed, match="`is_positive` returned False"):
        gated.run(inputs={"n": 1})


def test_a_variable_that_the_taken_side_never_assigned_skips_what_needs_it() -> None:
    @pipeline
    def body(n: int) -> str:
        if check(n)["valid"]:
            x = left(n)
        return show(x)  # type: ignore[possibly-undefined]  # what is tested

    assert body.run(inputs={"n": 9}) == "<left 9>"
    with pytest.raises(GateClosed, match="`show` was skipped because `x` is not assigned where its branch went"):
        body.run(inputs={"n": 1})
    with pytest.raises(UnboundLocalError):
        body(1)


def test_a_variable_assigned_on_the_other_side_only(line: Callable[[str], str]) -> None:
    @pipeline
    def body(n: int) -> str:
        if check(n)["valid"]:
            x = left(n)
        else:
            x = show(x)  # never assigned
        return x

    with pytest.raises(GraphError) as error:
        body.run(inputs={"n": 1})
    assert str(error.value) == (
        "`x` is used where no side of the branch has assigned it\n"
        f"  at {line('x = show(x)  # never')}\n"
        "     x = show(x)  # never assigned\n"
        "  Fix: assign `x` before the branch, or on the side that uses it"
    )


def test_a_list_grows_in_a_branch() -> None:
    @pipeline
    def body(n: int) -> tuple[list[str], dict[str, str], list[str]]:
        found: list[str] = ["first"]
        by_name = {"n": show(n)}
        if check(n)["valid"]:
            found.append(left(n))
            found.extend([right(n), show(n)])
            by_name["valid"] = left(n)
        else:
            found += ["none"]
        found.append("last")
        return found, by_name, [show(found)]

    for n in (1, 9):
        assert body.run(inputs={"n": n}) == body(n)


def test_a_list_changed_otherwise_in_a_branch_is_refused(line: Callable[[str], str]) -> None:
    @pipeline
    def sorted_in_it(n: int) -> list[str]:
        found = ["b", "a"]
        if check(n)["valid"]:
            found.sort()  # in a branch
        return found

    with pytest.raises(GraphError) as error:
        sorted_in_it.run(inputs={"n": 1})
    assert str(error.value) == (
        "`.sort(...)` changes `found` in a branch or loop over a result, where it may happen never or many times\n"
        f"  at {line('found.sort()  # in')}\n"
        "     found.sort()  # in a branch\n"
        "  Fix: use `append`, `extend`, `add`, `update` or `found[key] = ...`, or make a new one in a task"
    )

    @pipeline
    def in_a_dict(n: int) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {"all": []}
        if check(n)["valid"]:  # changes a list in a dict
            found["all"].append(left(n))
        return found

    with pytest.raises(GraphError) as error:
        in_a_dict.run(inputs={"n": 1})
    assert error.value.message == (
        "`found` is changed inside a branch on a result, so it would be changed whichever side is taken"
    )
    assert str(error.value.site) == line('if check(n)["valid"]:  # changes a list')

    @pipeline
    def two_names(n: int) -> list[str]:
        found: list[str] = []
        same = found
        if check(n)["valid"]:
            found.append(left(n))
        return same

    with pytest.raises(GraphError, match=r"`found` is changed in a way .*, and `same` holds the same list"):
        two_names.run(inputs={"n": 1})


def test_leaving_a_loop_on_a_result_is_refused() -> None:
    @pipeline
    def body(n: int) -> None:
        for _ in range(3):
            if check(n)["valid"]:
                break

    with pytest.raises(GraphError, match=r"a branch that leaves a loop \(`break`, `return`\) needs its value"):
        body.run(inputs={"n": 1})


def test_a_condition_without_a_truth_fails_its_task() -> None:
    @task
    def frame() -> pl.DataFrame:
        return pl.DataFrame({"a": [1]})

    @pipeline
    def body() -> str:
        return left(1) if frame() else right(1)  # type: ignore[redundant-expr]  # what is tested

    with pytest.raises(TaskError, match="task `frame` of pipeline `body` failed: TypeError"):
        body.run()


def test_a_thousand_branches_plan_in_linear_time() -> None:
    @pipeline
    def body() -> str:
        x = show("start")
        for n in range(1_000):
            if check(n)["valid"]:
                x = show(x)
        return x

    graph = body.plan()
    assert len(graph.nodes) < 5_000
    assert sum(1 for _ in graph.edges()) < 10_000
    assert body.run().count("<") == 995


def test_random_nested_branches_equal_the_plain_call(tmp_path: Path) -> None:
    chooser = random.Random(7)

    def block(depth: int, indent: str) -> list[str]:
        lines: list[str] = []
        for _ in range(chooser.randint(1, 3)):
            kind = chooser.choice(["assign", "assign", "if", "ifelse", "return"] if depth else ["assign"])
            name = chooser.choice("xyz")
            if kind == "assign":
                lines.append(f"{indent}{name} = tag({chooser.choice('xyz')}, {chooser.randint(0, 9)})")
            elif kind == "return":
                lines += [f"{indent}if odd({chooser.choice('xyz')}):", f"{indent}    return {name}"]
            else:
                lines.append(f"{indent}if odd({name}) {chooser.choice(['', 'and not odd(x)', 'or odd(z)'])}:")
                lines += block(depth - 1, indent + "    ")
                if kind == "ifelse":
                    lines += [f"{indent}else:", *block(depth - 1, indent + "    ")]
        return lines

    for number in range(60):
        source = [
            "from glacier import pipeline, task",
            "@task",
            "def tag(text: str, n: int) -> str:",
            "    return f'{text[-6:]}{n}'",
            "@task",
            "def odd(text: str) -> bool:",
            "    return sum(map(ord, text)) % 2 == 1",
            "@pipeline",
            "def body():",
            "    x, y, z = tag('x', 1), tag('y', 2), tag('z', 3)",
            *block(3, "    "),
            "    return [x, y, z]",
        ]
        file = tmp_path / f"random_{number}.py"
        file.write_text("\n".join(source))
        namespace: dict[str, Any] = {"__name__": file.stem}
        exec(compile(file.read_text(), str(file), "exec"), namespace)
        body = namespace["body"]
        assert body.run(max_workers=3) == body(), file.read_text()
