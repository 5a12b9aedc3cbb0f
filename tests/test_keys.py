"""Keys of nodes: what changes a value changes them, and nothing else does."""

from __future__ import annotations

import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from importlib import util
from pathlib import Path
from typing import Any, cast

import polars as pl
import pytest

from glacier.execution.code import code_digest, code_parts
from glacier.execution.keys import node_keys

HELPERS = """
    FACTOR = 2
    STATE = []

    def scaled(x):
        return x * FACTOR

    def unused(x):
        return x

    def noted(x):
        SEEN[x] = x
        return len(SEEN)

    SEEN = {}
"""
ETL = """
    import helpers
    import time
    import polars as pl
    from dataclasses import dataclass
    from functools import lru_cache, partial
    from glacier import Bucket, pipeline, task
    from glacier.providers import LocalProvider

    provider = LocalProvider("/nowhere")
    RATE = 1.5
    NAMES = {"b", "a", "c"}
    calls = []

    class Model:
        size = 3
        def fit(self, x):
            return x + self.size

    @dataclass(frozen=True)
    class Rates:
        low: float = 1.0

    RATES = Rates()
    MODEL = Model()

    @lru_cache
    def remembered(x):
        return x + 1

    @task
    def first(x: int) -> int:
        # a comment
        calls.append(time.time())
        helpers.STATE.append(x)
        helpers.noted(x)
        return helpers.scaled(x) + int(RATE) + len(NAMES) + int(RATES.low)

    @task
    def second(x: int, y: int = 1) -> int:
        return MODEL.fit(x) + remembered(y)

    @task
    def listed(x: int) -> list[int]:
        return [x]

    @task
    def third(x: int) -> int:
        return x

    @task
    def check(x: int) -> bool:
        return x > 0

    @pipeline
    def etl(n: int = 3):
        a = first(n)
        b = second(a, y=2)
        found = []
        total = a
        for item in listed(a):
            c = second(item)
            found.append(c)
            total = third(total)
        last = third(total)
        free = third(7)
        provider.bucket("out", path="a.parquet").write(read(provider.bucket("raw", path="a.parquet")))
        return found, last, free

    @task
    def read(source: Bucket) -> pl.LazyFrame:
        return source.scan()
"""
number = iter(range(1000))


@pytest.fixture
def keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., dict[str, str | None]]:
    """Gives the keys of a project's pipeline by names of nodes, after texts in it were replaced."""

    def keys_of(*changes: tuple[str, str], n: Any = 3) -> dict[str, str | None]:
        helpers, etl = HELPERS, ETL
        for old, new in changes:
            assert (old in etl) != (old in helpers), old
            etl, helpers = etl.replace(old, new), helpers.replace(old, new)
        folder = tmp_path / str(next(number))
        folder.mkdir()
        modules: dict[str, Any] = {}
        for name, text in (("helpers", helpers), ("etl", etl)):
            file = folder / f"{name}.py"
            file.write_text(textwrap.dedent(text))
            spec = util.spec_from_file_location(name, file)
            assert spec is not None
            assert spec.loader is not None
            modules[name] = util.module_from_spec(spec)
            monkeypatch.setitem(sys.modules, name, modules[name])
            spec.loader.exec_module(modules[name])
        graph = modules["etl"].etl.plan({"n": n})
        return {graph.names[node.index]: key for node, key in zip(graph.nodes, node_keys(graph), strict=True)}

    return keys_of


def changed(before: dict[str, str | None], after: dict[str, str | None]) -> set[str]:
    assert before.keys() == after.keys()
    shown = {*ALL, "third[free]", "read", "out.write"}
    return {name for name in shown if before[name] != after[name]}


NONE = set[str]()
ALL = {"first", "second", "listed", "each listed/second", "each listed/third", "third[last]"}
"""All that comes from `first`."""


def named(part: object) -> str:
    """Gives the same text in every process, where sets have another order."""
    return str(sorted(cast("set[str]", part)) if isinstance(part, set) else part)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (("# a comment", "# another one"), NONE),
        (("def first(x: int) -> int:", 'def first(x: int) -> int:\n        """Says something."""'), NONE),
        (("@task\n    def third", "@task(materialize=True)\n    def third"), NONE),
        (("calls = []", "calls = [1]"), NONE),  # what the code itself changes is state
        (("STATE = []", "STATE = [1]"), NONE),
        (("SEEN = {}", "SEEN = {1: 1}"), NONE),
        (("def unused(x):\n        return x", "def unused(x):\n        return 2"), NONE),
        (("+ int(RATE)", "- int(RATE)"), ALL),
        (("RATE = 1.5", "RATE = 2.5"), ALL),
        (("FACTOR = 2", "FACTOR = 3"), ALL),
        (("return x * FACTOR", "return x + FACTOR"), ALL),
        (('NAMES = {"b"', 'NAMES = {"d"'), ALL),
        (("low: float = 1.0", "low: float = 2.0"), ALL),
        (("return x + self.size", "return x - self.size"), {"second", "each listed/second"}),
        (("size = 3", "size = 4"), {"second", "each listed/second"}),
        (("return x + 1", "return x + 2"), {"second", "each listed/second"}),
        (("y: int = 1", "y: int = 2"), {"second", "each listed/second"}),
        (("second(a, y=2)", "second(a, y=3)"), {"second"}),
        (("third(7)", "third(8)"), {"third[free]"}),
        (("return [x]", "return [x, x]"), {"listed", "each listed/second", "third[last]"}),
        (("total = third(total)", "total = third(c)"), {"each listed/third", "third[last]"}),
        (('bucket("raw", path="a.parquet")', 'bucket("raw", path="b.parquet")'), {"read", "out.write"}),
        (('bucket("out", path="a.parquet")', 'bucket("out", path="b.parquet")'), {"out.write"}),
    ],
    ids=named,
)
def test_what_changes_a_value_changes_its_key_and_those_after_it(
    change: tuple[str, str], expected: set[str], keys: Callable[..., dict[str, str | None]]
) -> None:
    assert changed(keys(), keys(change)) == expected


def test_an_input_changes_the_keys_of_what_takes_it(keys: Callable[..., dict[str, str | None]]) -> None:
    assert changed(keys(), keys(n=4)) == ALL
    assert changed(keys(), keys(n=3)) == set()


def test_what_cannot_be_known_has_no_key(keys: Callable[..., dict[str, str | None]]) -> None:
    loose = ("def etl(n: int = 3)", "def etl(n=3)")
    found = keys(loose, n=object())
    assert found["first"] is None
    assert found["third[last]"] is None
    assert found["third[free]"] is not None


def test_keys_are_the_same_in_every_process(tmp_path: Path) -> None:
    (tmp_path / "helpers.py").write_text(textwrap.dedent(HELPERS))
    (tmp_path / "etl.py").write_text(textwrap.dedent(ETL))
    script = "import etl; from glacier.execution.keys import node_keys; print(node_keys(etl.etl.plan()))"
    told = {
        subprocess.run(
            [sys.executable, "-c", script], cwd=tmp_path, env={"PYTHONHASHSEED": seed}, capture_output=True, text=True,
            check=True,
        ).stdout
        for seed in ("1", "2", "3")
    }  # fmt: skip
    assert len(told) == 1
    assert "None" not in told.pop()


def test_frames_count_by_their_rows() -> None:
    from glacier import pipeline, task

    @task
    def height(frame: pl.DataFrame) -> int:
        return frame.height

    @pipeline
    def made(frame: pl.DataFrame) -> int:
        return height(frame)

    def key(*rows: int) -> str | None:
        return node_keys(made.plan({"frame": pl.DataFrame({"a": rows})}))[-1]

    assert key(1, 2) == key(1, 2)
    assert key(1, 2) != key(2, 1)


def test_what_a_function_reaches_is_named(keys: Callable[..., dict[str, str | None]]) -> None:
    keys()
    parts = code_parts(sys.modules["etl"].first)
    assert list(parts) == [
        "etl.first", "etl.RATE", "etl.NAMES", "etl.RATES", "etl.Rates", "etl.Rates.low", "helpers.scaled",
        "helpers.FACTOR", "helpers.noted",
    ]  # fmt: skip


def now() -> float:
    return time.time()


def test_a_module_without_a_file_is_no_trouble() -> None:
    assert not hasattr(time, "__file__")
    assert code_digest(now) == code_digest(now)
