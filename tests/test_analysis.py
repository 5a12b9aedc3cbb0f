from __future__ import annotations

import copy
import importlib.util
import json
import pickle
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from glacier import Pipeline, pipeline, task
from glacier.report.analysis import Analysis, analyze
from glacier.report.findings import TaskName

BOX = """
from dataclasses import dataclass
from glacier import pipeline, task
from glacier.graph import Resource

@dataclass(frozen=True)
class Box(Resource):
    name: str
    provider_name = "local"
    @property
    def label(self): return self.name
    @property
    def uri(self): return f"data/{self.name}.parquet"
    def scan(self): return [1]
    def write(self, values): pass
"""
SALES = """
@task
def load_sales(source: Box) -> list: return source.scan()
@task
def load_inventory(source: Box) -> list: return source.scan()
@task
def load_customers(source: Box) -> list: return source.scan()
@task
def enrich_sales(sales: list, inventory: list, customers: list) -> list: return sales
@task
def compute_metrics(df: list) -> int: return len(df)
@pipeline(name="sales_analytics")
def made():
    sales = load_sales(Box("sales"))
    inventory = load_inventory(Box("inventory"))
    customers = load_customers(Box("customers"))
    enriched = enrich_sales(sales, inventory, customers)
    metrics = compute_metrics(enriched)
    return metrics
"""
CHECKED = """
@task
def validate(source: Box) -> bool: return bool(source.scan())
@task
def audit() -> None: pass
@task(depends_on=[audit])
def process(source: Box) -> list: return source.scan()
@task
def save(rows: list, to: Box) -> None: to.write(rows)
@task
def publish(source: Box, day: str) -> None: source.scan()
@task
def guess(source: Box) -> int: return unknown(source)
@task
def forgotten() -> int: return 1
@pipeline
def made(day: str):
    raw, out = Box("input"), Box("output")
    ok = validate(raw)
    audit()
    rows = process(raw)
    save(rows, out)
    publish(out, day)
    guess(raw)
    forgotten()
"""


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Makes a pipeline of a file `etl.py` in the working directory, so that every site is known."""
    monkeypatch.chdir(tmp_path)

    def make(source: str) -> Pipeline[..., Any]:
        path = tmp_path / "etl.py"
        path.write_text(BOX + source)
        spec = importlib.util.spec_from_file_location("etl", path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        monkeypatch.setitem(sys.modules, "etl", module)
        spec.loader.exec_module(module)
        found: Pipeline[..., Any] = module.made
        return found

    return make


def test_prints_levels_as_the_document_does(made: Any) -> None:
    analysis = made(SALES).run(mode="analyze")
    assert len(analysis["tasks"]) == 5
    assert (
        f"{analysis['execution_levels']}"
        == "[[load_sales, load_inventory, load_customers], [enrich_sales], [compute_metrics]]"
    )


def test_off_a_terminal_nothing_is_cut_off(made: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    name = "a_task_with_a_name_that_is_longer_than_a_column_of_forty"
    analysis = made(SALES.replace("load_sales", name)).run(mode="analyze")
    assert any(name in line and "read by" in line for line in str(analysis).splitlines())
    assert "…" not in str(analysis)
    assert max(len(line) for line in analysis.text(60).splitlines()) <= 60
    monkeypatch.setenv("COLUMNS", "60")
    assert str(analysis) == analysis.text(60)


def test_content_is_json(made: Any) -> None:
    analysis = made(SALES).run(mode="analyze")
    content = json.loads(json.dumps(analysis.to_dict()))
    assert content == analysis.to_dict()
    assert content["edges"][0] == {
        "from": "load_sales",
        "to": "enrich_sales",
        "kind": "data",
        "reason": "`enrich_sales` takes the result of `load_sales`",
    }
    assert content["resources"][0] == {
        "name": "sales",
        "uri": "data/sales.parquet",
        "provider": "local",
        "group": None,
        "read_by": ["load_sales"],
        "written_by": [],
        "invoked_by": [],
        "uncertain": [],
    }
    assert content["calls"][3] == {
        "name": "enrich_sales",
        "task": "enrich_sales",
        "variable": "enriched",
        "group": None,
        "file": "etl.py",
        "line": 32,
        "level": 1,
        "returns": "list",
    }
    assert content["groups"] == []
    assert content["warnings"] == []


def test_text_of_the_document_s_scenario(made: Any) -> None:
    assert (
        made(SALES).run(mode="analyze").text(100)
        == """\
sales_analytics: 5 tasks in 3 levels

level 1   load_sales        etl.py:29
          load_inventory    etl.py:30
          load_customers    etl.py:31
level 2   enrich_sales      etl.py:32   after load_sales, load_inventory, load_customers
level 3   compute_metrics   etl.py:33   after enrich_sales

resources
  sales       local   data/sales.parquet       read by load_sales
  inventory   local   data/inventory.parquet   read by load_inventory
  customers   local   data/customers.parquet   read by load_customers"""
    )


def test_text_tells_why_things_wait_and_what_to_know(made: Any) -> None:
    assert (
        made(CHECKED).run(mode="analyze").text(90)
        == """\
made: 7 tasks in 4 levels
inputs   day: str

level 1   validate    etl.py:34
          audit       etl.py:35
          forgotten   etl.py:40
level 2   process     etl.py:36   after audit, validate
level 3   save        etl.py:37   after process
level 4   publish     etl.py:38   after save
          guess       etl.py:39   after validate, process, save

order that no value explains
  `process` waits for `audit`: its depends_on names it
  `process` waits for `validate`: it checks the same `input`
  `publish` waits for `save`: it writes `output`, read here
  `guess` waits for `validate`: it checks the same `input`
  `guess` waits for `process`: it reads `input`, overwritten here
  `guess` waits for `save`: it reads `input`, overwritten here

resources
  input    local   data/input.parquet    read by validate, process; perhaps read and
                                         written by guess
  output   local   data/output.parquet   read by publish; written by save

warnings
  what `guess` does with `input` cannot be told from its code; it counts as reading and
      writing (etl.py:39)
  nothing uses the result of `forgotten`, which writes to no resource (etl.py:40)"""
    )


def test_uncertain_access_counts_as_both(made: Any) -> None:
    (raw, _) = made(CHECKED).run(mode="analyze")["resources"]
    assert raw["read_by"] == ["validate", "process", "guess"]
    assert raw["written_by"] == raw["uncertain"] == ["guess"]


def test_html_marks_uncertain_access(made: Any) -> None:
    page = made(CHECKED).run(mode="analyze")._repr_html_()
    assert "<td>validate, process, guess (perhaps)</td><td>guess (perhaps)</td>" in page


def test_names_and_warnings_of_nothing() -> None:
    @pipeline
    def empty(n: int) -> None: ...

    analysis = empty.run(mode="analyze")
    assert analysis["warnings"] == ["pipeline `empty` calls no task"]
    assert analysis["inputs"] == [{"name": "n", "type": "int"}]
    assert str(analysis) == "empty: 0 tasks in 0 levels\ninputs   n: int\n\nwarnings\n  pipeline `empty` calls no task"
    assert repr(analysis) == "<analysis of empty: 0 tasks>"


def test_is_a_read_only_mapping() -> None:
    @pipeline
    def empty() -> None: ...

    analysis = empty.run(mode="analyze")
    assert list(analysis) == list(analysis.to_dict())
    assert analysis == empty.run(mode="analyze")
    assert not hasattr(analysis, "__setitem__")
    with pytest.raises(KeyError):
        analysis["nothing"]  # type: ignore[call-overload]  # pyright: ignore  # a key there is not


def test_task_name_is_a_string() -> None:
    name = TaskName("load")
    assert (repr([name]), f"{name}", name, json.dumps([name])) == ("[load]", "load", "load", '["load"]')
    for other in (pickle.loads(pickle.dumps(name)), copy.copy(name), copy.deepcopy(name)):
        assert type(other) is TaskName
        assert other == name


def test_html_escapes_everything() -> None:
    @task(name="<script>alert(1)</script>")
    def evil() -> int:
        return 1

    @pipeline(name='a "quoted" & <b>')
    def named() -> int:
        return evil()

    page = named.run(mode="analyze")._repr_html_()
    assert "<script>" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "<strong>a &quot;quoted&quot; &amp; &lt;b&gt;</strong>" in page


def fan(count: int) -> Analysis:
    @task
    def load(n: int) -> int:
        return n

    @task
    def total(numbers: list[int]) -> int:
        return sum(numbers)

    @pipeline
    def wide() -> int:
        return total([load(n) for n in range(count)])

    return analyze(wide.plan())


def test_large_pipelines_are_told_in_few_lines() -> None:
    started = time.perf_counter()
    analysis = fan(10_000)
    lines = str(analysis).splitlines()
    page = analysis._repr_html_()
    assert time.perf_counter() - started < 5
    assert len(analysis["edges"]) == 10_000
    assert lines[0] == "wide: 10,001 tasks in 2 levels"
    assert lines[2].startswith("level 1   load × 10,000   ")
    assert len(lines) == 4
    assert "and 9,950 more" in page


def test_lines_keep_to_the_width() -> None:
    @task(name="n" * 300)
    def long() -> int:
        return 1

    @task(name="売上" * 60)
    def wide(n: int) -> int:
        return n

    @pipeline
    def odd() -> int:
        return wide(long())

    from glacier.report.fitting import columns

    for width in (40, 72, 120):
        assert max(map(columns, odd.run(mode="analyze").text(width).splitlines())) <= width


def test_loads_neither_rich_nor_polars() -> None:
    code = (
        "import sys, glacier.report.analysis, glacier.report.diagram;"
        "print({'rich', 'polars', 'graphlay'} & {*sys.modules})"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "set()\n"
