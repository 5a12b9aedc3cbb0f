"""Every error a user can meet on the way to a run, with its exact text and the line it points at."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

import polars as pl
import pytest

from glacier import pipeline, task
from glacier.errors import (
    ConfigError,
    GateClosed,
    GlacierError,
    GraphError,
    InputError,
    ObjectNotFound,
    RunErrors,
    Site,
    TaskError,
)

Line = Callable[[str], str]


@task
def load() -> pl.LazyFrame:
    return pl.LazyFrame({"amount": [1, 2]})


@task
def height(df: pl.DataFrame) -> int:
    return df.height


@task
def shout(text: str) -> str:
    return text.upper()


@task
def count(rows: int = 1) -> int:
    return rows


@task(depends_on=[count])
def report() -> int:
    return 0


@task
def broken(df: pl.LazyFrame, label: str) -> pl.DataFrame:
    return df.select(pl.col("amuont").sum()).collect()


@task
def forgets(df: pl.LazyFrame) -> pl.LazyFrame:  # type: ignore[return]  # what is tested
    df.filter(pl.col("amount") > 1)


def message(error: pytest.ExceptionInfo[GlacierError]) -> str:
    return str(error.value)


def test_cycle(line: Line) -> None:
    @pipeline
    def circular() -> int:
        rows = report()
        return count(rows)

    with pytest.raises(GraphError) as error:
        circular.run()
    assert message(error) == (
        "2 tasks wait for each other:\n"
        f"    `report` at {line('rows = report()')}\n"
        f"    `count` at {line('return count(rows)')}\n"
        f"  at {line('rows = report()')}\n"
        "     rows = report()\n"
        "  Fix: drop `count` from the depends_on of `report`, or call them so that no value flows back"
    )


def test_depends_on_a_task_never_called(line: Line) -> None:
    @pipeline
    def forgetful() -> int:
        load()
        return report()  # never counts

    with pytest.raises(GraphError) as error:
        forgetful.run()
    assert message(error) == (
        "`report` depends on `count`, which pipeline `forgetful` never calls; it calls `load`, `report`\n"
        f"  at {line('return report()  # never counts')}\n"
        "     return report()  # never counts\n"
        "  Fix: call `count(...)` in the body, or drop it from the depends_on of `report`"
    )


def test_wrong_frame_along_an_edge(line: Line) -> None:
    @pipeline
    def mismatched() -> int:
        df = load()
        return height(df)  # type: ignore[arg-type]  # the checkers see it too

    with pytest.raises(GraphError) as error:
        mismatched.run()
    assert message(error) == (
        "task `height` takes `df` as DataFrame, but `load` gives LazyFrame\n"
        f"  at {line('return height(df)')}\n"
        "     return height(df)  # type: ignore[arg-type]  # the checkers see it too\n"
        "  Fix: annotate `df` as pl.LazyFrame and collect in `height`, or let `load` return .collect()"
    )


def test_wrong_type_along_an_edge(line: Line) -> None:
    @pipeline
    def mismatched() -> str:
        return shout(count())  # type: ignore[arg-type]  # the checkers see it too

    with pytest.raises(GraphError) as error:
        mismatched.run()
    assert message(error) == (
        "task `shout` takes `text` as str, but `count` gives int\n"
        f"  at {line('return shout(count())')}\n"
        "     return shout(count())  # type: ignore[arg-type]  # the checkers see it too\n"
        "  Fix: pass something else as `text`, or change one of the two annotations"
    )


def test_a_task_in_place_of_its_result(line: Line) -> None:
    @task
    def called(function: Callable[[], int], *more: Any) -> int:
        return function()

    @pipeline
    def uncalled() -> Any:
        called(count, count)  # this one takes a task
        return shout(count)  # type: ignore[arg-type]  # the checkers see it too

    @pipeline
    def unmapped() -> Any:
        return shout.map(height)  # type: ignore[arg-type]  # nor here

    with pytest.raises(GraphError) as error:
        uncalled.run()
    assert message(error) == (
        "task `shout` takes `text` as str, but `count` is a task, not its result\n"
        f"  at {line('return shout(count)  #')}\n"
        "     return shout(count)  # type: ignore[arg-type]  # the checkers see it too\n"
        "  Fix: call it: `count()`"
    )
    with pytest.raises(GraphError) as error:
        unmapped.run()
    assert message(error) == (
        "`shout.map` takes a result or a list, but `height` is a task, not its result\n"
        f"  at {line('return shout.map(height)')}\n"
        "     return shout.map(height)  # type: ignore[arg-type]  # nor here\n"
        "  Fix: call it: `height(...)`"
    )


@pytest.mark.parametrize(
    ("inputs", "expected", "fix"),
    [
        ({}, "pipeline `dated` is missing input `day`", "pass inputs={'day': ...}"),
        ({"dya": "x"}, "pipeline `dated` has no input `dya`", "did you mean `day`?"),
        ({"day": 7}, "pipeline `dated` takes input `day` as str, but got int", "pass a value of type str"),
    ],
)
def test_inputs(inputs: dict[str, object], expected: str, fix: str, line: Line) -> None:
    @pipeline
    def dated(day: str) -> str:
        return shout(day)

    with pytest.raises(InputError) as error:
        dated.run(inputs=inputs)
    assert message(error) == f"{expected}\n  at {line('def dated')}\n     def dated(day: str) -> str:\n  Fix: {fix}"


def test_the_value_of_an_input_that_has_none_is_asked_for_by_its_name(line: Line) -> None:
    @pipeline
    def daily(day: str) -> str:
        name = f"{day}.csv"
        return shout(name)

    @pipeline
    def wider(of: str, also: str) -> list[str]:
        both = of + also
        return [shout(f"{both}.csv"), daily(of)]

    for plan in (daily.graph, daily.check, lambda: daily.run(mode="analyze")):
        with pytest.raises(GraphError) as error:
            plan()
        assert message(error) == (
            "input `day` has no value here; an f-string or `format` needs its value\n"
            f"  at {line('name = f')}\n"
            '     name = f"{day}.csv"\n'
            '  Fix: give a value: -i day=... on the command line, inputs={"day": ...} in Python'
        )
    with pytest.raises(GraphError) as error:
        wider.graph()
    assert error.value.message == (
        "`both` is made from `of`, `also`, which have no value here; an f-string or `format` needs its value"
    )
    assert error.value.fix == (
        'give values: -i of=... -i also=... on the command line, inputs={"of": ..., "also": ...} in Python'
    )


def test_a_branch_in_code_without_a_source_asks_for_a_file() -> None:
    names: dict[str, Any] = {"count": count, "pipeline": pipeline}
    exec("@pipeline\ndef typed():\n    if count() > 2:\n        count(1)\n", names)
    with pytest.raises(GraphError) as error:
        names["typed"].run()
    assert error.value.fix == (
        "put the pipeline into a file or a notebook, since its source cannot be read here; or "
        "decide inside a task that takes it: `@task def step(value): if value: ...`"
    )


def test_a_method_is_no_pipeline() -> None:
    with pytest.raises(ConfigError) as error:

        class Daily:  # pyright: ignore[reportUnusedClass]
            @pipeline
            def flow(self) -> int:
                return count()

    assert error.value.message.endswith("Daily.flow` is a method: no run would give its object")
    assert error.value.fix == "put the body outside of the class, and let it take the object as an input"


def test_missing_argument_that_nothing_fills(line: Line) -> None:
    @pipeline
    def incomplete() -> str:
        return shout()  # type: ignore[call-arg]  # what is tested

    with pytest.raises(GraphError) as error:
        incomplete.run()
    assert message(error) == (
        "task `shout` is called without `text`: it has no depends_on to take it from, and the body has no resource "
        "variable of that name\n"
        f"  at {line('return shout()')}\n"
        "     return shout()  # type: ignore[call-arg]  # what is tested\n"
        "  Fix: pass it: `shout(text=...)`"
    )


USES: dict[str, tuple[Callable[[Any], object], str]] = {
    "attribute": (lambda h: h.filter(1), "`.filter` uses it as a plain value"),
    "branch": (
        lambda h: 1 if h else 2,
        "a branch (`if`, `and`, `or`, `not`, a conditional expression) needs its value",
    ),
    "loop": (list, "a loop or an unpacking needs its items"),
    "len": (len, "`len` needs its value"),
    "print": (print, "`str` or `print` needs its value"),
    "f-string": (lambda h: f"{h}", "an f-string or `format` needs its value"),
    "repr": (lambda h: f"{[h]}", "`repr`, or the text of a container that holds it, needs its value"),
    "isinstance": (
        lambda h: isinstance(h, pl.LazyFrame),
        "`isinstance`, or a class pattern of a `match`, needs its value",
    ),
    "int": (int, "a number is made of its value"),
    "dict key": (lambda h: {h: 1}, "a set member or dict key needs its value"),
    "in": (lambda h: 1 in h, "`in` needs its items"),
    "assign": (lambda h: h.__setitem__("a", 1), "an item of it is assigned or deleted"),
    "call": (lambda h: h(1), "it is called as a function"),
}


@pytest.mark.parametrize("use", USES)
def test_handle_as_a_plain_value(use: str) -> None:
    misuse, expected = USES[use]

    @pipeline
    def eager() -> object:
        frame = load()
        return misuse(frame)

    with pytest.raises(GraphError) as error:
        eager.run()
    assert error.value.message == f"`frame` is the result of `load` and is not known until the run; {expected}"
    assert error.value.site is not None
    assert error.value.site.file == __file__
    assert error.value.fix


def test_a_refusal_stays_one_though_the_body_catches_it(line: Line) -> None:
    @pipeline
    def careless() -> object:
        frame = load()
        try:
            rows = len(frame)  # type: ignore[arg-type]  # what is tested
        except Exception:  # noqa: BLE001  # what is tested
            rows = 0
        return [frame, rows]

    with pytest.raises(GraphError) as error:
        careless.run()
    assert message(error) == (
        "`frame` is the result of `load` and is not known until the run; `len` needs its value\n"
        f"  at {line('rows = len(frame)')}\n"
        "     rows = len(frame)  # type: ignore[arg-type]  # what is tested\n"
        "  Fix: do it in a task that takes it, and call that task here"
    )


def test_an_operator_of_a_users_class_may_ask_for_the_type_of_a_result() -> None:
    class Money(int):
        def __add__(self, other: object) -> Any:
            return Money(int(self) + int(other)) if isinstance(other, int) else NotImplemented

    @pipeline
    def paid() -> object:
        return Money(2) + count()

    assert paid.run() == paid() == 3


def test_handle_used_as_a_frame_names_the_line_and_the_edit(line: Line) -> None:
    @pipeline
    def eager() -> pl.LazyFrame:
        df = load()
        return df.filter(pl.col("amount") > 1)

    with pytest.raises(GraphError) as error:
        eager.run()
    assert message(error) == (
        "`df` is the result of `load` and is not known until the run; `.filter` uses it as a plain value\n"
        f"  at {line('return df.filter(pl.col')}\n"
        '     return df.filter(pl.col("amount") > 1)\n'
        "  Fix: do it in a task: `@task def step(value): return value.filter...`, and call that task here"
    )


def test_failed_task_keeps_its_own_exception_and_traceback(line: Line) -> None:
    @pipeline
    def failing() -> pl.DataFrame:
        df = load()
        return broken(df, label="secret")

    with pytest.raises(TaskError) as error:
        failing.run()
    assert message(error) == (
        'task `broken` of pipeline `failing` failed: ColumnNotFoundError: unable to find column "amuont"; '
        'valid columns: ["amount"]\n'
        "    given df: LazyFrame, label: str\n"
        f"  at {line('return broken(df, label=')}\n"
        '     return broken(df, label="secret")\n'
        "  Fix: name a column that is there: `amount`"
    )
    cause = error.value.__cause__
    assert isinstance(cause, pl.exceptions.ColumnNotFoundError)
    files: set[str] = set()
    trace = cause.__traceback__
    while trace is not None:
        files.add(trace.tb_frame.f_code.co_filename)
        trace = trace.tb_next
    assert __file__ in files
    assert not [file for file in files if "/glacier/" in file]


class Cat:
    @task
    def add(self, n: int) -> int:
        raise ValueError(n)

    @task
    def pop(self) -> int:
        raise ValueError


def test_a_task_with_the_name_of_a_containers_method_fails_at_its_line(line: Line) -> None:
    @pipeline
    def grown() -> None:
        cat = Cat()
        cat.add(3)

    @pipeline
    def shrunk() -> None:
        cat = Cat()
        cat.pop()

    for body, statement, name in ((grown, "cat.add(3)", "add"), (shrunk, "cat.pop()", "pop")):
        with pytest.raises(TaskError, match=f"task `{name}` of pipeline") as error:
            body.run()
        assert f"  at {line(statement)}\n     {statement}" in message(error)


def test_task_that_forgets_its_return(line: Line) -> None:
    @pipeline
    def forgetting() -> pl.LazyFrame:
        return forgets(load())

    with pytest.raises(TaskError) as error:
        forgetting.run()
    assert message(error) == (
        "task `forgets` of pipeline `forgetting` failed: GraphError: `forgets` is annotated to return a LazyFrame, "
        "but returned None\n"
        "    given df: LazyFrame\n"
        f"  at {line('return forgets(load())')}\n"
        "     return forgets(load())\n"
        "  Fix: return the frame at the end of the function"
    )


def test_body_that_raises_while_planning(line: Line) -> None:
    @pipeline
    def careless() -> object:
        return dict[str, int]()["day"]

    with pytest.raises(GraphError) as error:
        careless.run()
    assert message(error) == (
        "the body of pipeline `careless` raised KeyError while it was planned: 'day'\n"
        f"  at {line('return dict[str, int]()[')}\n"
        '     return dict[str, int]()["day"]\n'
        "  Fix: what depends on data belongs in a task; the body runs before there is any"
    )
    assert isinstance(error.value.__cause__, KeyError)


def test_result_of_another_pipeline(line: Line) -> None:
    kept: list[object] = []

    @pipeline
    def first() -> None:
        kept.append(load())

    @pipeline
    def second() -> object:
        return forgets(kept[0])  # type: ignore[arg-type]  # what is tested

    first.run()
    with pytest.raises(GraphError) as error:
        second.run()
    assert error.value.message == "a result of `load` in pipeline `first` is used in pipeline `second`"
    assert str(error.value.site) == line("return forgets(kept[0])")


def test_unknown_mode() -> None:
    @pipeline
    def small() -> int:
        return count()

    with pytest.raises(ConfigError) as error:
        small.run(mode="cluod")  # type: ignore[call-overload]  # what is tested
    assert error.value.message == "pipeline `small` cannot run in mode 'cluod'"
    assert error.value.fix == "use one of `local`, `analyze`, `generate`"


@pytest.mark.parametrize(
    ("decorate", "expected"),
    [
        (
            lambda: task(depends_on=count),  # type: ignore[call-overload]  # what is tested
            "depends_on takes a list of tasks, but got <task count>",
        ),
        (
            lambda: task(depends_on=["count"]),  # type: ignore[list-item]  # what is tested
            "depends_on takes a list of tasks, but got ['count']",
        ),
        (
            lambda: task(materialize="yes"),  # type: ignore[call-overload]  # what is tested
            "materialize takes True, False, 'auto' or 'disk', but got 'yes'",
        ),
        (lambda: task(int), "@task takes a function, but got <class 'int'>"),
        (lambda: task(count), "@task takes a function, but got <task count>"),
        (lambda: pipeline(count), "@pipeline takes a function, but got <task count>"),
    ],
)
def test_wrong_decoration(decorate: Callable[[], object], expected: str) -> None:
    with pytest.raises(ConfigError) as error:
        decorate()
    assert error.value.message == expected
    assert error.value.site is not None
    assert error.value.site.file == __file__


def test_layout_and_pickling() -> None:
    site = Site(__file__, 1)
    errors = [
        GlacierError("what", site=site, fix="do"),
        ObjectNotFound("what", site=site, fix="do"),
        TaskError("what", task="t", pipeline="p", site=site, fix="do"),
        GateClosed("what"),
    ]
    for error in errors:
        again = pickle.loads(pickle.dumps(error))
        assert type(again) is type(error)
        assert str(again) == str(error)
    assert isinstance(errors[1], FileNotFoundError)


def test_all_failures_of_a_run_in_one_group() -> None:
    @task
    def fail(number: int) -> int:
        raise ValueError(f"no {number}")

    @pipeline
    def several() -> list[int]:
        return [fail(1), count(), fail(2)]

    with pytest.raises(RunErrors) as error:
        several.run(on_failure="continue")
    assert error.value.message == "2 of 3 tasks of pipeline `several` failed"
    assert [one.task for one in error.value.exceptions if isinstance(one, TaskError)] == ["fail[#1]", "fail[#2]"]
