"""Loops over results: one turn planned for all, run for each item, and the same result as the plain call."""

# pyright: reportUnboundVariable=false, reportPossiblyUnboundVariable=false
from __future__ import annotations

import gc
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from glacier import Bucket, Pipeline, Secret, pipeline, task
from glacier.errors import ConfigError, GateClosed, GraphError, RunErrors, TaskError
from glacier.execution.record import Recorder
from glacier.providers import LocalProvider


@task
def numbers(n: int) -> list[int]:
    return list(range(n))


@task
def pairs(n: int) -> list[tuple[str, int]]:
    return [(f"k{i}", i) for i in range(n)]


@task
def table(n: int) -> dict[str, list[int]]:
    return {f"t{i}": list(range(i)) for i in range(n)}


@task
def square(x: int) -> int:
    return x * x


@task
def odd(x: int) -> bool:
    return x % 2 == 1


@task
def add(x: int, y: int) -> int:
    return x + y


@task
def total(values: list[int]) -> int:
    return sum(values)


@task
def show(value: object) -> str:
    return f"<{value}>"


@task
def len_of(pair: tuple[str, int]) -> int:
    return len(pair[0])


@task
def longer(text: str, value: object) -> str:
    return f"{text}{value}"


@pipeline
def comprehension(n: int) -> int:
    return total([square(x) for x in numbers(n)])


@pipeline
def appended(n: int) -> list[int]:
    found = [square(100)]
    for x in numbers(n):
        found.append(square(x))
    return found


@pipeline
def mapped(n: int) -> list[int]:
    return add.map(numbers(n), y=square(7))


@pipeline
def mapped_over_a_constant(n: int) -> list[int]:
    return add.map([1, 2, n], 10)


@pipeline
def kept_by_a_condition(n: int) -> list[Any]:
    some = [square(x) for x in numbers(n) if odd(x)]
    found: list[Any] = []
    for x in numbers(n):
        if odd(x):
            found.append(show(x))
        else:
            found.append(square(x))
            found.append(-1)
    return [some, found, show(some)]


@pipeline
def continued(n: int) -> list[int]:
    found: list[int] = []
    for x in numbers(n):
        if odd(x):
            continue
        y = square(x)
        if y > 10:
            continue
        found.append(y)
    return found


@pipeline
def carried(n: int) -> Any:
    text, count = show("start"), 0
    for x in numbers(n):
        text = longer(text, x)
        count += 1
    return text, count, show(count)


@pipeline
def read_while_it_grows(n: int) -> list[str]:
    found = [show("first")]
    for x in numbers(n):
        found.append(longer(found[-1], x))
    return found


@pipeline
def dicts_and_sets(n: int) -> Any:
    sizes = {"none": 0}
    seen: set[int] = set()
    for key, value in pairs(n):
        sizes[key] = square(value)
        seen.add(value)
    return sizes, seen, {key: show(value) for key, value in pairs(n)}, {show(x) for x in numbers(n)}


@pipeline
def enumerated(n: int) -> list[Any]:
    found: list[Any] = []
    for i, x in enumerate(numbers(n), 1):
        found.append(add(i, x))
    for x, (key, y) in zip(numbers(n), pairs(n), strict=True):
        found.append(show([x, key, y]))
    for name, values in table(n).items():
        found.append([name, total(values)])
    for x in reversed(numbers(n)):
        found += [square(x)]
    found.extend([show(x) for x in range(square(2))])
    return found


@pipeline
def nested(n: int) -> Any:
    found: list[Any] = []
    count = 0
    for values in [numbers(3), numbers(n)]:
        for x in values:
            for y in numbers(n):
                found.append(add(x, y))
                count += x
    flat = [add(x, y) for x in numbers(n) for y in numbers(2) if odd(y)]
    inner = [[add(x, y) for y in numbers(2)] for x in numbers(n)]
    return found, count, flat, inner


@pipeline
def one_after_the_other(n: int) -> Any:
    found: list[Any] = []
    y = 5
    for x in numbers(n):
        y = square(x)
        found.append(y)
    for pair in pairs(n):
        y = len_of(pair)
        found.append(y)
    return found, y


@pipeline
def left_early(n: int) -> Any:
    found: list[Any] = []
    for x in numbers(n):
        found.append(square(x))
        if n > 3:
            break
    else:
        found.append("whole")
    return found


@pipeline
def plain_around_and_inside(n: int) -> Any:
    found: list[Any] = []
    for k in range(3):
        if k == 1:
            continue
        for x in numbers(n):
            for factor in (1, 10):
                found.append(add(x, factor * k))
    return found


@pipeline
def branches_inside(n: int) -> Any:
    found: list[Any] = []
    last = "none"
    for x in numbers(n):
        if odd(x):
            last = show(x)
            for y in numbers(2):
                found.append(add(x, y))
        elif x > 3 and not odd(square(x)):
            found.append("big" if square(x) > 30 else "middling")
    if odd(n):
        found.append(last)
    return found, last


@pipeline
def unpacked(n: int) -> Any:
    first, *rest = numbers(n + 2)
    (key, value), other = pairs(n + 2)[0], numbers(n)
    return show(first), show(rest), show(key), show(value), other


BODIES: list[Pipeline[[int], Any]] = [
    comprehension,
    appended,
    mapped,
    mapped_over_a_constant,
    kept_by_a_condition,
    continued,
    carried,
    read_while_it_grows,
    dicts_and_sets,
    enumerated,
    nested,
    one_after_the_other,
    left_early,
    plain_around_and_inside,
    branches_inside,
    unpacked,
]


@pytest.mark.parametrize("executor", ["threads", "sync"])
@pytest.mark.parametrize("body", BODIES, ids=lambda body: body.name)
def test_run_equals_plain_call(body: Pipeline[[int], Any], executor: Any) -> None:
    for n in (0, 1, 2, 5, 9):
        assert body.run(inputs={"n": n}, executor=executor) == body(n), n


def test_processes_run_loops_too() -> None:
    assert carried.run(inputs={"n": 3}, executor="processes") == carried(3)
    assert comprehension.run(inputs={"n": 3}, executor="processes") == comprehension(3)


def test_the_graph_knows_the_loop() -> None:
    analysis = kept_by_a_condition.run(mode="analyze", inputs={"n": 3})
    one, other = "each numbers[#1]", "each numbers[#2]"
    assert analysis["execution_levels"] == [
        ["numbers[#1]", "numbers[#2]"],
        [f"{one}/odd", f"{other}/odd"],
        [f"{one}/square", f"{other}/show", f"{other}/square"],
        ["show"],
    ]
    edges = {(str(edge["from"]), str(edge["to"])): edge["kind"] for edge in analysis["edges"]}
    assert edges["numbers[#1]", f"{one}/odd"] == "data"
    assert edges[f"{one}/odd", f"{one}/square"] == "branch"
    assert edges[f"{one}/square", "show"] == "data"
    assert [(group["name"], group["kind"], group["tasks"]) for group in analysis["groups"]] == [
        (one, "loop", [f"{one}/odd", f"{one}/square"]),
        (other, "loop", [f"{other}/odd", f"{other}/show", f"{other}/square"]),
    ]


def test_what_needs_no_item_waits_for_the_items_too() -> None:
    @pipeline
    def body(n: int) -> list[int]:
        return [total(numbers(x)) for x in numbers(n) if square(2)]

    edges = [(e["from"], e["to"], e["kind"]) for e in body.run(mode="analyze", inputs={"n": 3})["edges"]]
    assert ("numbers", "square", "loop") in edges
    text = body.graph(inputs={"n": 3}).text()
    assert "each numbers:" in text
    assert "║ once for each item" in text


def test_the_record_sums_up_the_turns() -> None:
    recorder = Recorder()
    kept_by_a_condition.run(inputs={"n": 5}, progress=recorder)
    assert recorder.record is not None
    found = {node.name: (node.state, node.turns, node.reason) for node in recorder.record.nodes}
    assert found == {
        "numbers[#1]": ("succeeded", None, None),
        "each numbers[#1]/odd": ("succeeded", 5, None),
        "each numbers[#1]/square": ("succeeded", 2, None),
        "numbers[#2]": ("succeeded", None, None),
        "each numbers[#2]/odd": ("succeeded", 5, None),
        "each numbers[#2]/show": ("succeeded", 2, None),
        "each numbers[#2]/square": ("succeeded", 3, None),
        "show": ("succeeded", None, None),
    }


def test_an_empty_sequence_gives_what_was_before_the_loop() -> None:
    recorder = Recorder()
    assert appended.run(inputs={"n": 0}, progress=recorder) == [10_000]
    assert recorder.record is not None
    assert [(node.name, node.state, node.reason) for node in recorder.record.nodes] == [
        ("square", "succeeded", None),
        ("numbers", "succeeded", None),
        ("each numbers/square", "skipped", "the loop over `numbers` has no turn"),
    ]


@task
def fails_on_three(x: int) -> int:
    if x == 3:
        raise ValueError("three")
    return x


def test_a_failure_names_the_item(line: Callable[[str], str]) -> None:
    @pipeline
    def body() -> int:
        return total([fails_on_three(x) for x in numbers(6)])  # one fails

    with pytest.raises(TaskError) as error:
        body.run()
    assert str(error.value) == (
        "task `fails_on_three` of pipeline `body` failed for item 3 of `numbers` (counted from 0): ValueError: three\n"
        "    given x: int\n"
        f"  at {line('return total([fails_on_three(x) for x in numbers(6)])  # one')}\n"
        "     return total([fails_on_three(x) for x in numbers(6)])  # one fails"
    )
    assert error.value.items == (3,)
    assert isinstance(error.value.__cause__, ValueError)


def test_a_failure_in_a_nested_loop_names_both_items() -> None:
    @pipeline
    def body() -> list[int]:
        return [fails_on_three(x) for xs in table(5).values() for x in xs]

    with pytest.raises(TaskError, match=r"failed for item 4 of `table`, item 3 of `table` \(counted from 0\)") as error:
        body.run()
    assert error.value.items == (4, 3)


def test_the_good_items_go_on_after_a_failure() -> None:
    seen: list[list[int]] = []

    @task
    def keep(values: list[int], by_name: dict[str, int]) -> None:
        seen.append(values)
        seen.append(list(by_name.values()))

    @pipeline
    def body() -> None:
        found: list[int] = []
        by_name: dict[str, int] = {}
        for x in numbers(6):
            y = square(fails_on_three(x))
            found.append(y)
            if odd(x):
                by_name[show(x)] = y
        keep(found, by_name)

    recorder = Recorder()
    with pytest.raises(RunErrors) as error:
        body.run(on_failure="continue", progress=recorder)
    failures = [failure for failure in error.value.exceptions if isinstance(failure, TaskError)]
    assert [(failure.task, failure.items) for failure in failures] == [("fails_on_three", (3,))]
    assert seen == [[0, 1, 4, 16, 25], [1, 25]]
    assert recorder.record is not None
    states = {node.name: (node.state, node.turns, node.reason) for node in recorder.record.nodes}
    assert states["fails_on_three"] == ("failed", 6, "1 of 6 turns failed, one with ValueError: three")
    assert states["square"] == ("succeeded", 5, None)
    assert states["keep"] == ("succeeded", None, None)


def test_a_failure_stops_what_a_loop_carries() -> None:
    @pipeline
    def body() -> int:
        so_far = square(0)
        for x in numbers(6):
            so_far = add(so_far, fails_on_three(x))
        return square(so_far)

    recorder = Recorder()
    with pytest.raises(RunErrors):
        body.run(on_failure="continue", progress=recorder)
    assert recorder.record is not None
    states = {node.name: (node.state, node.turns, node.reason) for node in recorder.record.nodes}
    assert states["add"] == ("succeeded", 3, None)
    assert states["square[#1]"] == ("skipped", None, "`fails_on_three` failed")


def test_a_loop_over_what_has_no_items(line: Callable[[str], str]) -> None:
    @pipeline
    def body() -> list[str]:
        return [show(x) for x in square(2)]  # type: ignore[attr-defined]  # what is tested

    with pytest.raises(TaskError) as error:
        body.run()
    assert str(error.value) == (
        "the loop over `square` of pipeline `body` has nothing to go over: TypeError: 'int' object is not iterable\n"
        f"  at {line('return [show(x) for x in square(2)]')}\n"
        "     return [show(x) for x in square(2)]  # type: ignore[attr-defined]  # what is tested\n"
        "  Fix: let `square` return a list"
    )


def test_a_loop_whose_items_fail_tells_no_secret(line: Callable[[str], str]) -> None:
    @task
    def settings() -> dict[str, Secret]:
        return {"token": Secret("s3cr3t of a task")}

    @task
    def pages(token: Secret, more: dict[str, Secret]) -> Iterator[int]:
        yield 1
        raise ConnectionError(f"401 for {token.get_secret_value()}, {more['token'].get_secret_value()}")

    @pipeline
    def body(token: Secret) -> list[str]:
        return [show(x) for x in pages(token, settings())]

    recorder = Recorder()
    with pytest.raises(TaskError) as error:
        body.run(inputs={"token": Secret("s3cr3t of an input")}, progress=recorder)
    reason = "ConnectionError: 401 for **********, **********"
    assert str(error.value) == (
        f"the loop over `pages` of pipeline `body` could not have its next item: {reason}\n"
        f"  at {line('return [show(x) for x in pages(token, settings())]')}\n"
        "     return [show(x) for x in pages(token, settings())]"
    )
    assert "s3cr3t" not in error.value.mask(str(error.value.__cause__))
    assert recorder.record is not None
    assert recorder.record.reason == f"`pages` failed: {reason}"
    assert "s3cr3t" not in str(recorder.record)


def test_turns_overlap_and_limits_bound_them() -> None:
    now, most = 0, {"free": 0, "bound": 0}
    lock = threading.Lock()

    def busy(name: str) -> None:
        nonlocal now
        with lock:
            now += 1
            most[name] = max(most[name], now)
        time.sleep(0.01)
        with lock:
            now -= 1

    @task
    def free(x: int) -> int:
        busy("free")
        return x

    @task(max_concurrency=2)
    def bound(x: int) -> int:
        busy("bound")
        return x

    @pipeline
    def body() -> list[int]:
        found = free.map(numbers(12))
        return [bound(x) for x in found]

    assert body.run(max_workers=6) == list(range(12))
    assert most["free"] > 2
    assert most["bound"] == 2
    with pytest.raises(ConfigError, match="max_concurrency takes a whole number from 1 on, but got 0"):
        task(max_concurrency=0)


def test_what_a_loop_carries_runs_in_order_and_the_rest_at_once() -> None:
    order: list[str] = []
    barrier = threading.Barrier(3, timeout=5)

    @task
    def fetch(x: int) -> int:
        barrier.wait()  # passes only if the fetches of all turns run at once
        return x

    @task
    def merge(text: str, x: int) -> str:
        order.append(f"merge {x}")
        return f"{text}{x}"

    @pipeline
    def body() -> str:
        text = show("")
        for x in numbers(3):
            text = merge(text, fetch(x))
        return text

    assert body.run(max_workers=4) == "<>012"
    assert order == ["merge 0", "merge 1", "merge 2"]


@task
def save(target: Bucket, x: int) -> None:
    time.sleep(0.002 * (5 - x))
    target.write(pl.DataFrame({"x": [x]}))


@task
def load(source: Bucket) -> int:
    return int(source.read()["x"].sum())


@task
def is_small(source: Bucket) -> bool:
    return int(source.read()["x"].sum()) < 3


def test_turns_keep_the_order_of_what_they_write(tmp_path: Path) -> None:
    target = LocalProvider(tmp_path).bucket("out", path="x.parquet")

    @pipeline
    def body() -> list[int]:
        save(target, 0)
        before = [load(target)]
        for x in numbers(5):
            save(target, x)
            before.append(load(target))
        return [*[load(target)], show(before)]  # type: ignore[list-item]

    expected = body()
    for _ in range(5):
        assert body.run(max_workers=6) == expected
    analysis = body.run(mode="analyze")
    inside = "each numbers/save"
    reasons = [edge["reason"] for edge in analysis["edges"] if edge["from"] == inside]
    assert f"`each numbers/load` waits for `{inside}`: it writes `out/x.parquet`, read here" in reasons
    assert (
        f"`{inside}` waits for `{inside}`: in the turn before, it writes `out/x.parquet`, overwritten here" in reasons
    )


def test_a_check_in_a_loop_closes_the_turns_after_it(tmp_path: Path) -> None:
    target = LocalProvider(tmp_path).bucket("out", path="x.parquet")
    ran: list[int] = []

    @task
    def use(source: Bucket, x: int) -> int:
        ran.append(x)
        return load.function(source)

    @pipeline
    def body() -> None:
        for x in numbers(6):
            save(target, x)
            is_small(target)
            use(target, x)

    recorder = Recorder()
    body.run(progress=recorder)
    assert ran == [0, 1, 2]
    assert recorder.record is not None
    found = {node.name: (node.state, node.turns) for node in recorder.record.nodes}
    assert found["use"] == ("succeeded", 3)

    @pipeline
    def after() -> int:
        for x in numbers(4):
            save(target, x)
            is_small(target)
        return load(target)

    with pytest.raises(GateClosed, match="`load` was skipped because `is_small` returned False"):
        after.run()


def test_a_check_before_a_loop_closes_it(tmp_path: Path) -> None:
    source = LocalProvider(tmp_path).bucket("in", path="x.parquet")
    source.write(pl.DataFrame({"x": [9]}))

    @task
    def use(source: Bucket, x: int) -> int:
        return x

    @pipeline
    def body() -> list[int]:
        is_small(source)
        return [add(load(source), x) for x in numbers(3)]

    with pytest.raises(GateClosed, match="was skipped because `is_small` returned False"):
        body.run()


def test_a_loop_in_a_branch_not_taken_is_skipped() -> None:
    @pipeline
    def body(n: int) -> list[str]:
        found = [show("first")]
        if odd(n):
            for x in numbers(n):
                for y in numbers(n):
                    found.append(longer(show(x), y))
        return found

    for n in (1, 2, 3):
        assert body.run(inputs={"n": n}) == body(n)
    recorder = Recorder()
    body.run(inputs={"n": 2}, progress=recorder)
    assert recorder.record is not None
    reason = "the branch that `odd` decides went the other way"
    assert {(node.state, node.reason) for node in recorder.record.nodes} == {("succeeded", None), ("skipped", reason)}


def test_frames_in_turns_are_handed_on(tmp_path: Path) -> None:
    provider = LocalProvider(tmp_path)
    for day in range(3):
        provider.bucket("days", path=f"{day}.parquet").write(pl.DataFrame({"n": range(day + 1)}))

    @task
    def days(folder: Bucket) -> list[str]:
        return folder.list()

    @task
    def scan(folder: Bucket, path: str) -> pl.LazyFrame:
        return folder.at(path).scan()

    @task
    def united(frames: list[pl.LazyFrame]) -> pl.LazyFrame:
        return pl.concat(frames)

    @pipeline
    def body() -> None:
        folder = provider.bucket("days", path="./", format="parquet")
        report = provider.bucket("report", path="all.parquet")
        report.write(united([scan(folder, path) for path in days(folder)]))

    body.run()
    assert provider.bucket("report", path="all.parquet").read()["n"].to_list() == [0, 0, 1, 0, 1, 2]


def test_an_expensive_frame_taken_in_every_turn_is_computed_once() -> None:
    calls: list[int] = []

    def counted(batch: pl.Series) -> pl.Series:
        calls.append(1)
        return batch

    @task
    def expensive() -> pl.LazyFrame:
        frame = pl.LazyFrame({"k": [1, 2, 2], "n": [1, 2, 3]})
        return frame.with_columns(pl.col("n").map_batches(counted, return_dtype=pl.Int64)).sort("k")

    @task
    def taken(frame: pl.LazyFrame, x: int) -> int:
        return int(frame.filter(pl.col("k") > x).collect()["n"].sum())

    @pipeline
    def body() -> list[int]:
        frame = expensive()
        return [taken(frame, x) for x in numbers(5)]

    assert body.run() == [6, 5, 0, 0, 0]
    assert len(calls) == 1


@pipeline
def after_the_loop() -> str:
    for x in numbers(3):
        y = square(x)
    return show(y)  # type: ignore[possibly-undefined]  # after it


@pipeline
def item_after_the_loop() -> str:
    for x in numbers(3):
        square(x)
    return show(x)  # the item after it


@pipeline
def too_early() -> None:
    for x in numbers(3):
        total([z])  # type: ignore[has-type, possibly-undefined]  # noqa: F821  # what is tested
        z = square(x)


@pipeline
def leaves() -> None:
    for x in numbers(3):
        if odd(x):  # leaves
            break


@pipeline
def returns() -> int:
    for x in numbers(3):
        return square(x)  # returns
    return square(1)


@pipeline
def while_on_a_result() -> None:
    while odd(3):  # while
        square(1)


@pipeline
def match_on_a_result() -> None:
    match numbers(3):  # match
        case [1, 2]:
            square(1)
        case _:
            square(2)


@pipeline
def tries() -> int:
    try:
        x = square(2)  # tries
    except ValueError:
        x = square(3)
    return x


@pipeline
def uses_the_item() -> None:
    for number in numbers(3):
        print(number)  # uses it


@pipeline
def in_a_generator() -> int:
    return total(square(x) for x in numbers(3))  # type: ignore[arg-type]  # in a generator


@pipeline
def hidden_in_an_object() -> list[int]:
    class Kept:
        values: list[int] = []  # noqa: RUF012

    for x in numbers(3):
        Kept.values.append(square(x))
    return [total(Kept.values)]  # hidden


REFUSED: list[tuple[Pipeline[[], Any], str, str]] = [
    (
        after_the_loop,
        "return show(y)  # type: ignore[possibly-undefined]  # after",
        "`y` is used after a loop over a result that alone assigns it",
    ),
    (
        item_after_the_loop,
        "return show(x)  # the item",
        "`x` stands for an item of a loop over a result, and is used after it",
    ),
    (too_early, "total([z])", "`z` is used in a loop over a result before the loop has assigned it"),
    (leaves, "if odd(x):  # leaves", "a branch that leaves a loop (`break`, `return`) needs its value"),
    (returns, "return square(x)  # returns", "a loop over a result is left by `return`"),
    (while_on_a_result, "while odd(3):  # while", "a `while` needs its value before each turn"),
    (match_on_a_result, "match numbers(3):  # match", "a `match` needs its value"),
    (tries, "x = square(2)  # tries", "`square` is called in a `try`, but what it raises comes in the run"),
    (uses_the_item, "print(number)  # uses", "`number` is made from results of tasks"),
    (in_a_generator, "return total(square(x) for x in numbers(3))", "a loop or an unpacking needs its items"),
    (hidden_in_an_object, "return [total(Kept.values)]  # hidden", "`square` is made in each turn of the loop at"),
]


@pytest.mark.parametrize(("body", "where", "message"), REFUSED, ids=lambda value: getattr(value, "name", ""))
def test_refusals(body: Pipeline[[], Any], where: str, message: str, line: Callable[[str], str]) -> None:
    with pytest.raises(GraphError) as error:
        body.run()
    assert message in error.value.message
    assert str(error.value.site) == line(where)
    assert error.value.fix


@pipeline
def swapped(n: int) -> Any:
    current: Any = 0
    previous: Any = 0
    a, c, e = 1, 2, 3
    first, second = [0], [5]
    for x in numbers(n):
        current, previous = x, current
        a, c, e = c, e, a
        first, second = second, first
        first.append(x)
    return current, previous, a, c, e, first, second, show(previous)


def test_variables_that_turns_exchange() -> None:
    for n in (0, 1, 2, 5):
        assert swapped.run(inputs={"n": n}) == swapped(n), n


@pipeline
def filled(out: list[int], n: int) -> None:
    for x in numbers(n):
        out.append(square(x))


@pipeline
def filled_for_the_caller() -> list[int]:
    out: list[int] = []
    filled(out, 3)
    return out


@pipeline
def held_elsewhere() -> dict[str, list[int]]:
    out: list[int] = []
    by_name = {"out": out}
    for x in numbers(3):
        out.append(square(x))
    return by_name


@pipeline
def put_and_changed() -> list[dict[str, int]]:
    rows: list[dict[str, int]] = []
    for x in numbers(3):
        row: dict[str, int] = {}
        rows.append(row)
        row["x"] = x
    return rows


@pipeline
def shared_row() -> list[list[int]]:
    rows: list[list[int]] = []
    row: list[int] = []
    for x in numbers(3):
        row.append(x)
        rows.append(row)
    return rows


@pipeline
def only_the_last() -> list[int]:
    for x in numbers(3):
        last = square(x)
    return [last]  # type: ignore[possibly-undefined]  # what is tested


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (
            filled_for_the_caller,
            r"`out` is changed in a way .* the pipeline that calls this one holds the same list",
        ),
        (held_elsewhere, r"`out` is changed in a way .*, and `by_name` holds the same list"),
        (put_and_changed, "`row` is changed after it was put into another container"),
        (shared_row, "`row` is changed after it was put into another container"),
        (only_the_last, "`last` is used after a loop over a result that alone assigns it"),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_what_a_plan_would_lose_is_refused(body: Pipeline[[], Any], message: str) -> None:
    with pytest.raises(GraphError, match=message) as error:
        body.run()
    assert error.value.site is not None
    assert error.value.site.file == __file__


@task
def queue(n: int) -> deque[int]:
    return deque([n])


@pipeline
def nothing_inside(n: int) -> int:
    for x in numbers(n):
        y = None
        show([x, y])
    return square(n)


@pipeline
def grown_queue(n: int) -> deque[int]:
    found = queue(n)
    found.append(square(2))
    return found


@pipeline
def counted(rows: list[int]) -> int:
    return total(rows)


@pipeline
def lent_before(n: int) -> tuple[list[int], int]:
    rows = [1, 2]
    before = counted(rows)
    for x in numbers(n):
        rows.append(square(x))
    return rows, before


@pytest.mark.parametrize("body", [nothing_inside, grown_queue, lent_before], ids=lambda body: body.name)
def test_more_bodies_equal_the_plain_call(body: Pipeline[[int], Any]) -> None:
    for n in (0, 3):
        assert body.run(inputs={"n": n}) == body(n)


@pipeline
def increased_alias() -> list[int]:
    found: list[int] = []
    same = found
    found += numbers(3)
    return same


@pipeline
def changed_result_alias() -> list[int]:
    found = numbers(3)
    same = found
    found.append(7)
    return same


@pipeline
def changed_after_a_choice() -> list[int]:
    found, other = [1], [2]
    chosen = found if odd(3) else other
    found.append(3)
    return chosen


@pipeline
def no_such_method() -> Any:
    found: Any = [1]
    if odd(3):
        found.add(2)
    return found


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (increased_alias, "`found` is changed in a way that only the run decides, and `same` holds the same list"),
        (changed_result_alias, "`found` is changed, and `same` is the same result"),
        (changed_after_a_choice, "`found` is changed after a branch on a result may have chosen it"),
        (no_such_method, "'list' object has no attribute 'add'"),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_two_names_of_one_object_are_not_torn_apart(body: Pipeline[[], Any], message: str) -> None:
    with pytest.raises(GraphError, match=message):
        body.run()


def test_frames_of_turns_in_processes_are_gathered() -> None:
    assert gathered_frames.run(executor="processes") == gathered_frames() == 6


@task
def frame_of(x: int) -> pl.DataFrame:
    return pl.DataFrame({"n": [x] * x})


@task
def rows_of(frames: list[pl.DataFrame]) -> int:
    return sum(frame.height for frame in frames)


@pipeline
def gathered_frames() -> int:
    return rows_of([frame_of(x) for x in numbers(4)])


def test_a_loop_in_a_pipeline_that_does_not_infer_orders_no_turns(tmp_path: Path) -> None:
    target = LocalProvider(tmp_path).bucket("out", path="x.parquet")

    @pipeline(infer=False)
    def inner() -> None:
        for x in numbers(3):
            save(target, x)

    @pipeline
    def outer() -> int:
        inner()
        save(target, 4)
        return load(target)

    graph = outer.plan()
    assert graph.loops
    assert graph.across == {}
    assert outer.run() == 4


def test_the_side_that_handles_a_check_is_not_closed_by_it(tmp_path: Path) -> None:
    source = LocalProvider(tmp_path).bucket("in", path="x.parquet")
    source.write(pl.DataFrame({"x": [1]}))

    @task
    def valid(source: Bucket, day: int = 0) -> bool:
        return day == 1 and source.exists()

    @task
    def use(source: Bucket, day: int = 0) -> str:
        return f"used {day} {source.exists()}"

    @pipeline
    def early() -> str:
        if valid(source):
            return use(source, 1)
        return use(source, 2)

    @pipeline
    def negated() -> str:
        if not valid(source):
            return use(source, 3)
        return "fine"

    @pipeline
    def in_turns() -> list[str]:
        found: list[str] = []
        for day in numbers(4):
            if valid(source, day):
                found.append(use(source, day))
            else:
                found.append(use(source, -day))
        return found

    @pipeline
    def not_handled() -> str:
        valid(source)
        return use(source) if square(1) == 1 else "none"

    for body in (early, negated, in_turns):
        assert body.run() == body()
    with pytest.raises(GateClosed) as error:
        not_handled.run()
    assert error.value.message == (
        "pipeline `not_handled` has no result: what it returns was skipped because `valid` returned False"
    )


def test_what_a_loop_leaves_is_dropped_when_it_is_taken() -> None:
    alive: weakref.WeakSet[Large] = weakref.WeakSet()

    @task
    def made(x: int) -> Large:
        large = Large()
        alive.add(large)
        return large

    @task
    def size(many: list[Large]) -> int:
        return len(many)

    @task
    def later(count: int) -> int:
        gc.collect()
        return len(alive)

    @pipeline
    def body() -> int:
        return later(size([made(x) for x in numbers(50)]))

    assert body.run() == 0


def test_turns_do_not_run_far_ahead_of_what_takes_their_results() -> None:
    alive: weakref.WeakSet[Large] = weakref.WeakSet()
    most = [0]

    @task
    def made(x: int) -> Large:
        large = Large()
        alive.add(large)
        most[0] = max(most[0], len(alive))
        return large

    @task
    def taken(so_far: int, large: Large) -> int:
        time.sleep(0.001)
        return so_far + 1

    @pipeline
    def body() -> int:
        count = square(0)
        for x in numbers(200):
            count = taken(count, made(x))
        return count

    assert body.run(max_workers=3) == 200
    assert most[0] < 20


class Large:
    """Something worth dropping."""


def test_many_loops_stay_linear() -> None:
    @pipeline
    def body(n: int) -> list[int]:
        found: list[int] = []
        for k in range(n):
            for x in numbers(2):
                if odd(x):
                    found.append(add(x, k))
        return found

    def seconds(n: int) -> float:
        begun = time.perf_counter()
        assert len(body.run(inputs={"n": n}, max_workers=2)) == n
        return time.perf_counter() - begun

    seconds(10)
    assert min(seconds(800) for _ in range(3)) < 16 * min(seconds(100) for _ in range(3))  # 64 times if quadratic


def test_an_interrupted_loop_has_not_succeeded() -> None:
    @task
    def stops(x: int) -> int:
        if x == 2:
            raise ValueError("stop")
        return x

    @pipeline
    def body() -> list[int]:
        return [square(stops(x)) for x in numbers(50)]

    recorder = Recorder()
    with pytest.raises(TaskError):
        body.run(executor="sync", progress=recorder)
    assert recorder.record is not None
    assert {node.name: node.state for node in recorder.record.nodes} == {
        "numbers": "succeeded",
        "stops": "failed",
        "square": "cancelled",
    }


def test_a_list_that_a_task_got_and_that_changes_is_told(line: Callable[[str], str]) -> None:
    @pipeline
    def body() -> list[int]:
        found = [square(1)]
        total(found)  # gets it
        found.append(square(2))  # changes it
        return found

    assert body.run() == body() == [1, 4]
    got, changed = line("total(found)  # gets it"), line("found.append(square(2))  # changes")
    assert body.run(mode="analyze")["warnings"][0] == (
        f"`found` is changed at {changed} after `total` got it at {got}; `total` sees it as it was then "
        "(pass a copy, [*found], to say so)"
    )


def test_ten_thousand_items_need_few_threads() -> None:
    threads: set[int] = set()

    @task
    def where(x: int) -> int:
        threads.add(threading.get_ident())
        return x

    @pipeline
    def body() -> list[int]:
        return [where(x) for x in numbers(10_000)]

    assert body.run(max_workers=4) == list(range(10_000))
    assert len(threads) <= 4
