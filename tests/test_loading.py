"""Finding the pipeline a command line names, and reading its inputs; each refusal with its exact text."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Annotated, Literal, Optional

import pytest

from glacier import pipeline, task
from glacier.deployment.inputs import inputs_as_text
from glacier.errors import InputError
from glacier.loading import load_pipeline, parse_inputs
from glacier.parsing import parsed

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


def test_a_file_that_imports_from_its_package_is_to_be_named_as_a_module(files: Path) -> None:
    (files / "pkg" / "flow.py").write_text("from .etl import first\n")
    with pytest.raises(InputError) as error:
        load_pipeline("pkg/flow.py")
    assert (error.value.message, error.value.fix) == (
        "`flow.py` imports from its own package, which a file run by its path is not in",
        "name it as a module: pkg.flow",
    )
    assert load_pipeline("pkg.flow:first").run() == 1


class Colour(Enum):
    RED = "r"


@dataclass(frozen=True)
class Settings:
    day: date
    limits: list[int] = field(default_factory=list[int])


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
        ('["2024-05-17"]', list[date], [date(2024, 5, 17)]),
        ('["2024-05-17"]', Sequence[date], [date(2024, 5, 17)]),
        ("[1, 2.5]", list[float], [1.0, 2.5]),
        ('[1.10, "0.1000000000000000055"]', list[Decimal], [Decimal("1.10"), Decimal("0.1000000000000000055")]),
        ("[[1, 2.5], null]", list, [[1, 2.5], None]),
        ('[1, "a"]', tuple[int, str], (1, "a")),
        ("[1, 2, 3]", tuple[int, ...], (1, 2, 3)),
        ('["a/b"]', set[Path], {Path("a/b")}),
        ('["RED", "r"]', list[Colour], [Colour.RED, Colour.RED]),
        ("[1.5]", list[timedelta], [timedelta(seconds=1.5)]),
        ('{"2024-05-17": [1]}', dict[date, tuple[int, ...]], {date(2024, 5, 17): (1,)}),
        ('{"1": true}', dict[int, bool | None], {1: True}),
        ('["3", 3, null]', list[int | str | None], ["3", 3, None]),
        ('["a", "r"]', list[Literal["a", Colour.RED]], ["a", Colour.RED]),
        ('["2024-05-17"]', Optional[list[date]], [date(2024, 5, 17)]),  # noqa: UP045  # as older code has it
        ('["2024-05-17"]', Annotated[list[date], "days"], [date(2024, 5, 17)]),
        ('{"day": "2024-05-17", "limits": [1]}', Settings, Settings(date(2024, 5, 17), [1])),
        ('[{"day": "2024-05-17"}]', list[Settings], [Settings(date(2024, 5, 17))]),
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


@pipeline
def nested(
    days: list[date] | None = None,
    counts: dict[str, list[int]] | None = None,
    pair: tuple[int, str] = (1, "a"),
    modes: Sequence[Literal["full", "part"]] = (),
    settings: Settings | None = None,
) -> str:
    return show(days, counts, pair, modes, settings)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ('days=["2024-05-17", "today"]', "input `days[1]` of pipeline `nested` is date, but got 'today'"),
        ("days=[20240517]", "input `days[0]` of pipeline `nested` is date, but got 20240517"),
        ('counts={"a": [1, 1.5]}', "input `counts['a'][1]` of pipeline `nested` is int, but got 1.5"),
        ('counts={"a": [true]}', "input `counts['a'][0]` of pipeline `nested` is int, but got True"),
        ("pair=[1]", "input `pair` of pipeline `nested` is tuple[int, str], but got [1]"),
        ("pair=1, a", "input `pair` of pipeline `nested` is tuple[int, str], but got '1, a'"),
        ('modes=["fast"]', "input `modes[0]` of pipeline `nested` is typing.Literal['full', 'part'], but got 'fast'"),
        ('settings={"day": "x"}', "input `settings.day` of pipeline `nested` is date, but got 'x'"),
        ("settings={}", "input `settings` of pipeline `nested` is Settings | None, but got '{}'"),
    ],
)
def test_refused_members(given: str, message: str) -> None:
    with pytest.raises(InputError) as error:
        parse_inputs(nested, [given])
    assert error.value.message.replace(f"{__name__}.", "") == message


@pytest.mark.parametrize(
    ("given", "misfit"),
    [
        ({"days": [date(2024, 5, 17), "today"]}, "`days[1]` is str"),
        ({"counts": {"a": [1, "x"]}}, "`counts['a'][1]` is str"),
        ({"counts": {1: [1]}}, "`counts[1]` is int"),
        ({"pair": (1,)}, "got 1 values"),
        ({"pair": ("a", "b")}, "`pair[0]` is str"),
        ({"modes": ["full", "fast"]}, "`modes[1]` is 'fast'"),
    ],
)
def test_values_whose_members_do_not_fit_are_refused(given: dict[str, object], misfit: str) -> None:
    with pytest.raises(InputError) as error:
        nested.run(inputs=given)
    assert error.value.message.endswith(f", but {misfit}")
    assert error.value.message.startswith(f"pipeline `nested` takes input `{next(iter(given))}` as ")


def test_values_whose_members_may_fit_are_taken() -> None:
    given = {"days": [date(2024, 5, 17)], "counts": {"a": [True]}, "modes": ("full",), "settings": Settings(date.max)}
    assert nested.run(inputs=given).startswith("([datetime.date(2024, 5, 17)], {'a': [True]}, (1, 'a'), ('full',)")
    assert inputs_as_text("nested", {"days": [date(2024, 5, 17)], "waits": [timedelta(minutes=1)]}) == (
        'days=["2024-05-17"]',
        "waits=[60.0]",
    )


def test_inputs_given_twice() -> None:
    with pytest.raises(InputError, match="input `n` is given twice"):
        parse_inputs(dated, ["n=1", "n=2"])
