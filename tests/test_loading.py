"""Finding the pipeline a command line names, and reading its inputs; each refusal with its exact text."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Literal

import pytest

from glacier import pipeline, task
from glacier.errors import InputError
from glacier.loading import load_pipeline, parse_inputs, parsed

ONE = """
from glacier import pipeline, task
import helper_beside

@task
def double(x: int) -> int:
    return helper_beside.double(x)

@pipeline
def only(x: int = 2) -> int:
    return double(x)

if __name__ == "__main__":
    raise SystemExit("must not run")
"""
TWO = """
from glacier import pipeline

@pipeline
def first() -> int:
    return 1

@pipeline(name="other name")
def second() -> int:
    return 2
"""


@pytest.fixture
def files(in_tmp: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    (in_tmp / "one.py").write_text(ONE)
    (in_tmp / "helper_beside.py").write_text("def double(x): return 2 * x\n")
    (in_tmp / "two.py").write_text(TWO)
    (in_tmp / "none.py").write_text("x = 1\n")
    (in_tmp / "json.py").write_text(TWO)
    (in_tmp / "pkg").mkdir()
    (in_tmp / "pkg" / "__init__.py").write_text("")
    (in_tmp / "pkg" / "etl.py").write_text(TWO)
    monkeypatch.setattr(sys, "path", [*sys.path])
    before = set(sys.modules)
    yield in_tmp
    for name in set(sys.modules) - before:
        if str(in_tmp) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


def test_by_file_by_name_and_by_module(files: Path) -> None:
    assert load_pipeline("one.py").run() == 4
    assert load_pipeline(str(files / "two.py") + ":first").run() == 1
    assert load_pipeline("two.py:second").run() == 2
    assert load_pipeline("two.py:other name").run() == 2
    assert load_pipeline("pkg.etl:first").run() == 1


def test_a_file_named_like_a_module_of_python_shadows_nothing(files: Path) -> None:
    import json

    assert load_pipeline("json.py:first").run() == 1
    assert sys.modules["json"] is json


def test_tasks_of_a_file_run_in_processes(files: Path) -> None:
    assert load_pipeline("one.py").run(executor="processes", max_workers=1) == 4


@pytest.mark.parametrize(
    ("target", "text"),
    [
        (
            "two.py",
            "`two.py` has 2 pipelines: `first`, `second`\n  Fix: name one: two.py:first or two.py:second",
        ),
        ("two.py:frist", "`two.py` has no pipeline `frist`\n  Fix: name one: two.py:first"),
        ("none.py", "`none.py` has no pipeline\n  Fix: put @pipeline above the function that calls the tasks"),
        ("onne.py", "there is no file `onne.py` in `{here}`\n  Fix: did you mean `one.py`, `none.py`, `json.py`?"),
        ("nowhere/one.py", "there is no file `one.py` in `{here}/nowhere`\n  Fix: check the path"),
        ("one", "there is no pipeline"),
        (
            "pkg.elt:first",
            "there is no module `pkg.elt`\n  Fix: name a file (`etl.py`) or a module that Python can import",
        ),
    ],
)
def test_refusals(files: Path, target: str, text: str) -> None:
    if target == "one":
        assert load_pipeline("one").run() == 4  # a module beside the working directory, as `python -m` finds it
        return
    with pytest.raises(InputError) as error:
        load_pipeline(target)
    assert str(error.value) == text.format(here=files)


def test_a_file_that_fails_to_import_says_so_itself(files: Path) -> None:
    (files / "bad.py").write_text("import does_not_exist\n")
    with pytest.raises(ModuleNotFoundError, match="does_not_exist"):
        load_pipeline("bad.py")
    assert "bad" not in sys.modules


class Colour(Enum):
    RED = "r"


@pytest.mark.parametrize(
    ("text", "wanted", "value"),
    [
        ("3", int, 3),
        ("3.5", float, 3.5),
        ("1.10", Decimal, Decimal("1.10")),
        ("yes", bool, True),
        ("False", bool, False),
        ("2024-05-17", date, date(2024, 5, 17)),
        ("2024-05-17T12:30", datetime, datetime(2024, 5, 17, 12, 30)),  # noqa: DTZ001  # as it is written
        ("12:30", time, time(12, 30)),
        ("90", timedelta, timedelta(seconds=90)),
        ("a/b", Path, Path("a/b")),
        ("RED", Colour, Colour.RED),
        ("r", Colour, Colour.RED),
        ("b", Literal["a", "b"], "b"),
        ("2", Literal[1, 2], 2),
        ("5", int | None, 5),
        ("none", int | None, None),
        ("x", int | str, "x"),
        ("[1, 2]", list[int], [1, 2]),
        ('{"a": 1}', dict[str, int], {"a": 1}),
        ("a=b", str, "a=b"),
        ("løk", object(), "løk"),
    ],
)
def test_values_by_annotation(text: str, wanted: object, value: object) -> None:
    assert parsed(text, wanted) == value
    assert type(parsed(text, wanted)) is type(value)


@task
def show(*things: object) -> str:
    return str(things)


@pipeline
def dated(day: date, n: int = 0, kind: Literal["full", "part"] = "full") -> str:
    return show(day, n, kind)


@pytest.mark.parametrize(
    ("given", "message", "fix"),
    [
        ("day", "input `day` is not of the form KEY=VALUE", "write -i day=..."),
        (
            "day=today",
            "input `day` of pipeline `dated` is date, but got 'today'",
            "write day= and a value of type date, such as 2024-12-31",
        ),
        ("n=x", "input `n` of pipeline `dated` is int, but got 'x'", "write n= and a value of type int"),
        (
            "kind=half",
            "input `kind` of pipeline `dated` is typing.Literal['full', 'part'], but got 'half'",
            "write kind= and a value of type typing.Literal['full', 'part']: `full`, `part`",
        ),
    ],
)
def test_refused_inputs(given: str, message: str, fix: str, line: Callable[[str], str]) -> None:
    with pytest.raises(InputError) as error:
        parse_inputs(dated, [given])
    assert (error.value.message, error.value.fix) == (message, fix)


def test_inputs_given_twice() -> None:
    with pytest.raises(InputError, match="input `n` is given twice"):
        parse_inputs(dated, ["n=1", "n=2"])
