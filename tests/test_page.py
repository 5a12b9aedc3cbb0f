"""The page of a run: what it holds, and how a browser shows it."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from glacier import Bucket, Pipeline, pipeline, task
from glacier.execution.record import Attempt, NodeRecord, Recorder, RunRecord
from glacier.history.graphs import graph_info
from glacier.report.page import page
from glacier.report.page.content import PageData, page_data
from glacier.testing import MemoryProvider

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
WIDE, PHONE = {"width": 1300, "height": 900}, {"width": 390, "height": 800}
provider = MemoryProvider()
ODD = "</script><img src=x onerror=alert(1)>"


@task
def load(source: Bucket) -> pl.LazyFrame:
    return source.scan()


@task
def clean(sales: pl.LazyFrame) -> pl.DataFrame:
    return sales.filter(pl.col("n") > 0).collect()


@task
def fails(sales: pl.DataFrame) -> int:
    raise ValueError(ODD)


@pipeline
def report() -> None:
    provider.bucket("raw", path="sales.parquet").write(pl.DataFrame({"n": [0, 1, 2]}))
    cleaned = clean(load(provider.bucket("raw", path="sales.parquet")))
    provider.bucket("clean", path="sales.parquet").write(cleaned)
    fails(cleaned)


@task
def first(number: int) -> int:
    return number


@task
def second(left: int, right: int) -> int:
    return left + right


@pipeline
def large() -> list[int]:
    level = [first(number) for number in range(100)]
    for _ in range(19):
        level = [second(left, right) for left, right in zip(level, [*level[1:], level[0]], strict=True)]
    return level


def shown(made: Pipeline[[], Any], **more: Any) -> PageData:
    """Runs a pipeline and gives what its page shows."""
    recorder = Recorder()
    try:
        made.run(progress=recorder)
    except Exception:  # noqa: BLE001 - how it ended is in the record
        pass
    assert recorder.record is not None
    return page_data(graph_info(made.plan()), recorder.record, recorder.record.nodes, **more)


def node(name: str, started: float, ended: float, state: Any = "succeeded") -> NodeRecord:
    return NodeRecord(name, state, started, ended - started, ended=ended)


def test_a_page_holds_the_graph_and_how_its_nodes_went() -> None:
    data = shown(report)
    states = {node["name"]: node["state"] for node in data["nodes"]}
    assert states == {
        "raw.write": "succeeded", "load": "succeeded", "clean": "succeeded", "clean.write": "succeeded",
        "fails": "failed",
    }  # fmt: skip
    failed = next(node for node in data["nodes"] if node["name"] == "fails")
    assert ODD in (failed["reason"] or "")
    assert failed["site"].startswith("tests/test_page.py:") or "test_page.py:" in failed["site"]
    assert "def clean(sales" in data["codes"]["clean"]
    names = [node["name"] for node in data["nodes"]]
    raw, cleaned = data["resources"]
    assert ([names[at] for at in raw["read_by"]], [names[at] for at in raw["written_by"]]) == (["load"], ["raw.write"])
    assert [names[at] for at in cleaned["written_by"]] == ["clean.write"]
    assert data["run"]["state"] == "failed"


def test_the_critical_path_is_what_the_run_waited_for() -> None:
    @pipeline
    def diamond() -> int:
        top = first(1)
        return second(second(top, 1), second(top, 2))

    names = diamond.plan().names
    record = RunRecord(
        "id", "diamond", "succeeded", datetime(2026, 1, 2, tzinfo=UTC), 4.0,
        (node(names[0], 0, 1), node(names[1], 1, 1.5), node(names[2], 1, 3), node(names[3], 3, 4)),
    )  # fmt: skip
    data = page_data(graph_info(diamond.plan()), record, record.nodes)
    assert (data["critical"], data["critical_seconds"]) == ([0, 2, 3], 4.0)


def test_nothing_in_the_data_is_markup() -> None:
    made = page(shown(report))
    assert made.count("</script>") == 2
    assert "<img" not in made
    data = re.search(r'<script type="application/json" id="data">(.*?)</script>', made, re.DOTALL)
    assert data is not None
    assert any(ODD in (node["reason"] or "") for node in json.loads(data[1])["nodes"])
    assert not re.search(r'(?:src|href)="(?!#|data:,)', made), "the page asks for another file"


# ---- in a browser ----


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    if CHROMIUM is None:
        if os.environ.get("CI"):
            pytest.fail("there is no chromium to look at pages with")
        pytest.skip("there is no chromium to look at pages with")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as started:
        running = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield running
        running.close()


@pytest.fixture
def opened(browser: Any, tmp_path: Path) -> Iterator[Any]:
    """Opens data as a page from a file, and fails if the page complained or asked for anything."""
    told: list[str] = []
    contexts: list[Any] = []

    def open_page(data: PageData, **options: Any) -> Any:
        file = tmp_path / "report.html"
        file.write_text(page(data))
        context = browser.new_context(**{"viewport": WIDE, **options})
        contexts.append(context)
        tab = context.new_page()

        def complained(message: Any) -> None:
            told.append(str(getattr(message, "text", message)))

        def asked(request: Any) -> None:
            if request.url != file.as_uri():
                told.append(request.url)

        tab.on("console", complained)
        tab.on("pageerror", complained)
        tab.on("request", asked)
        tab.goto(file.as_uri())
        tab.wait_for_selector("html[data-ready]")
        return tab

    yield open_page
    for context in contexts:
        context.close()
    assert told == []


def test_a_task_is_opened_by_mouse_and_by_keyboard(opened: Any) -> None:
    tab = opened(shown(report))
    detail = tab.locator("#detail")
    tab.locator("#graph .node.failed").click()
    assert ODD in detail.inner_text()
    assert "raise ValueError(ODD)" in detail.inner_text()
    tab.keyboard.press("Escape")
    assert detail.is_hidden()
    tab.locator('#graph .node[tabindex="0"]').focus()
    for key in ("ArrowRight", "ArrowRight", "Enter"):
        tab.keyboard.press(key)
    assert detail.locator("h2").inner_text() == "clean"
    assert "scan" not in detail.inner_text()
    tab.keyboard.press("Escape")
    assert tab.evaluate("document.activeElement.getAttribute('aria-label')").startswith("clean, succeeded")


def test_the_graph_is_zoomed_and_moved(opened: Any) -> None:
    tab = opened(shown(report))
    before = tab.locator("#world").get_attribute("transform")
    box = tab.locator("#graph").bounding_box()
    tab.mouse.move(box["x"] + 20, box["y"] + 20)
    tab.mouse.wheel(0, -300)
    zoomed = tab.locator("#world").get_attribute("transform")
    tab.mouse.down()
    tab.mouse.move(box["x"] + 90, box["y"] + 60)
    tab.mouse.up()
    moved = tab.locator("#world").get_attribute("transform")
    assert len({before, zoomed, moved}) == 3
    tab.locator("#fit").click()
    assert tab.locator("#world").get_attribute("transform") == before


def test_tasks_are_found_and_sorted(opened: Any) -> None:
    tab = opened(shown(report))
    rows = tab.locator("#tasks tbody tr")
    tab.locator("#find").fill("clean")
    assert [cells.split("\t")[1] for cells in rows.all_inner_texts()] == ["clean", "clean.write"]
    tab.locator("#find").fill("")
    tab.locator("#only").select_option("failed")
    assert [cells.split("\t")[1] for cells in rows.all_inner_texts()] == ["fails"]
    tab.locator("#only").select_option("")
    tab.locator("#tasks thead button", has_text="Task").click()
    names = [cells.split("\t")[1] for cells in rows.all_inner_texts()]
    assert names == sorted(names)


def test_a_run_is_compared_with_the_one_before(opened: Any) -> None:
    started = datetime(2026, 1, 2, tzinfo=UTC)
    before = RunRecord("before", "report", "succeeded", started, 9.0, (node("clean", 0, 8), node("gone", 8, 9)))
    tab = opened(shown(report, previous=(before, before.nodes)))
    told = tab.locator("#compared").inner_text()
    assert re.search(r"clean\s+succeeded\s+8\.00 s", told)
    assert re.search(r"gone\s+gone", told)
    assert "fails\tnew" in told
    assert "before, succeeded: 9.00 s" in tab.locator("#compared-hint").inner_text()


def test_tries_memory_and_measures_are_shown(opened: Any) -> None:
    started = datetime(2026, 1, 2, tzinfo=UTC)
    tried = NodeRecord(
        "clean", "succeeded", 0.0, 2.0, ended=3.0, attempts=(Attempt(0, 1.0, "OSError: no"), Attempt(2.0, 1.0))
    )
    record = RunRecord("now", "report", "succeeded", started, 3.0, (tried,))
    samples = [(number / 10, 2**20 * (50 + number)) for number in range(31)]
    tab = opened(page_data(graph_info(report.plan()), record, record.nodes, memory=samples))
    assert tab.locator("#peak").inner_text() == "Resident memory of the process, at most 80.0 MiB."
    assert tab.locator("#memory polyline").count() == 1
    tab.locator("#tasks tbody button", has_text="clean").first.click()
    assert "1. after 0.0 ms, 1.00 s: OSError: no" in tab.locator("#detail").inner_text()


def test_a_phone_scrolls_no_way_but_down_and_dark_is_dark(opened: Any) -> None:
    tab = opened(shown(report), viewport=PHONE, color_scheme="dark", has_touch=True)
    assert tab.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert tab.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(20, 24, 31)"
    tab.locator("#tasks tbody button").first.tap()
    assert tab.locator("#detail").bounding_box()["width"] <= PHONE["width"]


def test_what_is_shown_has_names_for_who_does_not_see_it(opened: Any) -> None:
    tab = opened(shown(report))
    unnamed = tab.evaluate(
        """[...document.querySelectorAll('button, input, select, svg[role], [role=button], [role=region]')]
           .filter(e => !(e.getAttribute('aria-label') || e.getAttribute('aria-labelledby') || e.closest('label')
                          || e.textContent.trim() || e.getAttribute('aria-describedby'))).map(e => e.outerHTML)"""
    )
    assert unnamed == []
    levels = tab.evaluate("[...document.querySelectorAll('h1, h2')].map(e => e.tagName)")
    assert levels == ["H1", *["H2"] * 6]


SLOW = """
import sys
import time
from pathlib import Path

import polars as pl

from glacier import context, pipeline, task


@task(cache=True)
def first() -> pl.DataFrame:
    return pl.DataFrame({"n": [1]})


@task
def waits(number: pl.DataFrame) -> int:
    context().logger.warning("waiting for <b>go</b>")
    while not Path("go").exists():
        time.sleep(0.02)
    return number.height


@task
def last(number: int) -> int:
    raise ValueError("no such luck")


@pipeline
def slow() -> int:
    return last(waits(first()))
"""


@pytest.fixture
def project(in_tmp: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("GLACIER_HOME")
    (in_tmp / "slow.py").write_text(SLOW)
    (in_tmp / ".glacier").mkdir()
    return in_tmp


def started(*arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "glacier", *arguments]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def told(*arguments: str, code: int) -> str:
    """Runs a command to its end, and gives what it told."""
    with started(*arguments) as running:
        text = running.communicate(timeout=60)[1]
    assert running.returncode == code, text
    return text


def test_a_run_is_followed_while_it_goes_on(browser: Any, project: Path) -> None:
    tab = browser.new_page()
    with started("ui", "--port", "0") as serving, started("run", "slow.py") as running:
        assert serving.stderr is not None
        address = serving.stderr.readline().split()[0]
        assert address.startswith("http://127.0.0.1:")
        tab.goto(address)
        tab.locator("#runs a", has_text="slow").click()
        tab.wait_for_selector("#graph .node.running")
        assert tab.locator("#state").inner_text() == "running"
        assert tab.locator("#left").inner_text() == "1 of 3"
        (project / "go").touch()
        tab.wait_for_selector("#graph .node.failed")
        assert tab.locator("#state").inner_text() == "failed"
        tab.locator("#graph .node.failed").click()
        assert "ValueError: no such luck" in tab.locator("#detail").inner_text()
        foreign = urllib.request.Request(address, headers={"Host": "elsewhere.example"})
        with pytest.raises(urllib.error.HTTPError, match="400"):
            urllib.request.urlopen(foreign)
        tab.close()
        serving.send_signal(signal.SIGINT)
        assert running.wait(20) == 1
        assert serving.wait(20) in (0, 130)


def test_a_report_of_a_recorded_run_is_a_file(project: Path, browser: Any) -> None:
    (project / "go").touch()
    for _ in range(2):
        told("run", "slow.py", "-q", code=1)
    assert told("report", "slow", code=0).startswith("wrote glacier-")
    (file,) = project.glob("glacier-*.html")
    tab = browser.new_page()
    tab.goto(file.as_uri())
    assert re.match(r"\d{8}-\d{6}.*, failed: ", tab.locator("#compared-hint").inner_text())
    states = ("succeeded", "cached", "failed")
    assert [tab.locator(f"#graph .node.{state}").count() for state in states] == [1, 1, 1]
    tab.locator("#graph .node.cached").click()
    assert re.search(r"Columns\s+n: Int64", tab.locator("#detail").inner_text())
    tab.keyboard.press("Escape")
    tab.locator("#graph .node.succeeded").click()
    assert "WARNING glacier.task: waiting for <b>go</b>" in tab.locator("#detail").inner_text()
    tab.close()
    assert told("report", "other", code=2).startswith("InputError: there is no run `other`")
    missing = told("report", "-o", "no/x.html", code=2)
    assert missing.startswith("ConfigError: the report cannot be written to `no/x.html`: No such file or directory")


def test_two_thousand_tasks_are_there_in_two_seconds(opened: Any) -> None:
    data = shown(large)
    assert len(data["nodes"]) == 2000
    took: list[int] = []
    for _ in range(3):  # the machine may be busy with other things
        tab = opened(data)
        assert tab.locator("#graph .node").count() == 2000
        took.append(int(tab.evaluate("document.documentElement.dataset.ready")))
    assert min(took) < 2000
