from __future__ import annotations

import fcntl
import io
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import nbclient
import nbformat
import pyte
import pytest
from rich.console import Console

from glacier import pipeline, task
from glacier.errors import RunErrors
from glacier.execution.record import NodeRecord, NodeState, Recorder, RunRecord, RunStart, run_id_at
from glacier.graph import Graph
from glacier.report.progress import progress_observer
from glacier.report.summary import summary_table

BEGAN = datetime(2024, 5, 17, 10, 11, 12, tzinfo=UTC)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@task
def load(n: int) -> int:
    return n


@task
def broken(n: int) -> int:
    raise ValueError("no such column")


@task
def use(n: int) -> int:
    return n


@pipeline
def some() -> list[int]:
    first = load(1)
    return [use(broken(first)), use(first + 1)]


def fan(count: int) -> Graph:
    @pipeline
    def wide() -> list[int]:
        return [load(n) for n in range(count)]

    return wide.plan()


def run_some(stream: io.StringIO) -> str:
    with pytest.raises(RunErrors):
        some.run(progress=progress_observer(stream), on_failure="continue", executor="sync")
    return stream.getvalue()


def plain(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)


def start_of(graph: Graph) -> RunStart:
    return RunStart(run_id_at(BEGAN), BEGAN, graph)


def record_of(pipeline: str, seconds: float, *nodes: NodeRecord) -> RunRecord:
    return RunRecord(run_id_at(BEGAN), pipeline, "succeeded", BEGAN, seconds, nodes)


def test_plain_lines_tell_each_task() -> None:
    lines = re.sub(r"\d+\.\d+ s", "0.00 s", run_some(io.StringIO())).splitlines()
    assert sorted(lines[:-1]) == [
        "  broken    failed   0.00 s   ValueError: no such column",
        "  load      0.00 s",
        "  use[#1]   skipped   `broken` failed",
        "  use[#2]   0.00 s",
    ]
    assert lines[-1] == "1 failed, 1 skipped, 2 succeeded in 0.00 s"


def told(observer: Any, graph: Graph, *, failing: int = 0, rows: int | None = None) -> None:
    states: list[NodeState] = ["failed" if node.index < failing else "succeeded" for node in graph.nodes]
    records = [NodeRecord(name, state, 0.0, 0.12, rows) for name, state in zip(graph.names, states, strict=True)]
    observer.run_started(start_of(graph))
    for index, record in enumerate(records):
        observer.node_started(index)
        observer.node_ended(index, record)
    observer.run_ended(record_of(graph.name, 1.25, *records))


def test_plain_lines_with_rows() -> None:
    stream = io.StringIO()
    told(progress_observer(stream), fan(1), rows=1_000_000)
    assert stream.getvalue() == "  load   0.12 s   1,000,000 rows\n1 task in 1.2 s\n"


def test_many_nodes_are_told_by_sums_and_failures() -> None:
    stream = io.StringIO()
    told(progress_observer(stream), fan(5_000), failing=50)
    lines = stream.getvalue().splitlines()
    assert len([line for line in lines if "failed   0.12 s" in line]) == 20
    assert len(lines) < 40
    assert lines[-1] == "50 failed, 4,950 succeeded in 1.2 s"


def test_sums_come_as_time_passes() -> None:
    stream = io.StringIO()
    observer = progress_observer(stream)
    graph = fan(300)
    observer.run_started(start_of(graph))
    for index in range(60):
        if index == 59:
            time.sleep(0.12)
        observer.node_ended(index, NodeRecord("load", "succeeded"))
    assert re.fullmatch(r"  60 of 300 tasks, 0\.\d s\n", stream.getvalue())


def test_hidden_nodes_are_not_told() -> None:
    assert "[]" not in run_some(io.StringIO())
    assert "+" not in run_some(io.StringIO())


def test_an_encoding_without_a_name_s_letters_is_no_failure() -> None:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii")

    @task(name="売上")
    def sales() -> int:
        return 1

    @pipeline
    def one() -> int:
        return sales()

    assert one.run(progress=progress_observer(stream)) == 1
    assert raw.getvalue().startswith(b"  ??   ")


@pytest.mark.parametrize("errors", ["2>/dev/full", "2>&-", "2>closed"])
def test_lines_that_cannot_be_written_end_no_run(errors: str, tmp_path: Path) -> None:
    script = tmp_path / "some.py"
    script.write_text(
        "from glacier import pipeline, task\n\n\n@task\ndef one() -> int:\n    return 1\n\n\n"
        "@pipeline\ndef ones() -> list[int]:\n    return [one(), one()]\n\n\n"
        "if __name__ == '__main__':\n    print(ones.run(progress=True))\n"
    )
    os.mkfifo(tmp_path / "closed")
    reader = os.open(tmp_path / "closed", os.O_RDONLY | os.O_NONBLOCK)
    with subprocess.Popen(
        ["sh", "-c", f"exec {errors}; echo open; read go; exec {sys.executable} some.py"],
        cwd=tmp_path,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as going:
        assert going.stdout is not None
        assert going.stdout.readline() == "open\n"
        os.close(reader)
        assert (going.communicate("go\n", timeout=60)[0], going.returncode) == ("[1, 1]\n", 0)


def test_a_terminal_that_goes_away_ends_no_run() -> None:
    class Leaving(Terminal):
        def write(self, text: str, /) -> int:
            if "load" in self.getvalue():
                raise OSError(5, "Input/output error")
            return super().write(text)

    class Gone(Terminal):
        def write(self, text: str, /) -> int:
            raise OSError(5, "Input/output error")

    before = threading.active_count()
    streams = sys.stdout, sys.stderr
    for terminal in (Leaving(), Gone()):
        with pytest.raises(RunErrors):
            some.run(progress=progress_observer(terminal), on_failure="continue")
    assert (threading.active_count(), (sys.stdout, sys.stderr)) == (before, streams)


def test_terminal_shows_tasks_and_ends_with_the_sum() -> None:
    shown = plain(run_some(Terminal()))
    last = shown.rstrip().splitlines()
    assert re.fullmatch(r"1 failed, 1 skipped, 2 succeeded in \d\.\d\d s", last[-1].strip())
    assert any("✗ broken" in line for line in last)
    assert any("✓ use[#2]" in line for line in last)


@pytest.mark.parametrize("width", [30, 60])
def test_terminal_shows_no_more_lines_than_its_height(monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    monkeypatch.setenv("LINES", "10")
    monkeypatch.setenv("COLUMNS", str(width))
    stream = Terminal()
    observer: Any = progress_observer(stream)
    graph = fan(500)
    observer.run_started(start_of(graph))
    observer._tally._resident = lambda: 2**44  # bytes, a wide figure
    for index in range(400):
        observer.node_started(index)
    printed = io.StringIO()
    Console(file=printed, width=width, height=10).print(observer._view())
    observer.run_ended(record_of("wide", 1.0))
    lines = printed.getvalue().splitlines()
    assert len(lines) < 10
    assert lines[-2] == "  ... and 394 more running"
    assert max(map(len, lines)) <= width


def test_the_bar_tells_the_level_the_rows_and_the_memory() -> None:
    observer: Any = progress_observer(Terminal())
    graph = some.plan()
    observer.run_started(start_of(graph))
    observer.node_ended(0, NodeRecord(graph.names[0], "succeeded", 0.0, 0.1, 1_234))
    observer.node_started(1)
    printed = io.StringIO()
    Console(file=printed, width=100, height=20).print(observer._view())
    observer.run_ended(record_of("some", 1.0))
    assert re.search(r"1/4 .*level 2 of 3 +1,234 rows +[\d,]+ MiB", printed.getvalue().splitlines()[-1])


def test_no_thread_and_no_redirection_is_left() -> None:
    before, out, err = threading.active_count(), sys.stdout, sys.stderr
    run_some(Terminal())
    assert (threading.active_count(), sys.stdout, sys.stderr) == (before, out, err)


@pytest.mark.parametrize("stream", [io.StringIO(), Terminal()])
def test_being_told_is_cheap(stream: io.StringIO) -> None:
    graph = fan(10_000)
    observer = progress_observer(stream)
    observer.run_started(start_of(graph))
    record = NodeRecord("load", "succeeded", 0.0, 0.1)
    best = 1.0
    for start in range(0, 10_000, 1_000):
        begun = time.perf_counter()
        for index in range(start, start + 1_000):
            observer.node_started(index)
            observer.node_ended(index, record)
        best = min(best, (time.perf_counter() - begun) / 1_000)
    observer.run_ended(record_of("wide", 1.0, record))
    assert best < 10e-6


def test_threads_may_tell_at_once() -> None:
    stream = Terminal()
    graph = fan(4_000)
    observer: Any = progress_observer(stream)
    observer.run_started(start_of(graph))

    def tell(start: int) -> None:
        for index in range(start, 4_000, 4):
            observer.node_started(index)
            observer.node_ended(index, NodeRecord("load", "succeeded"))

    threads = [threading.Thread(target=tell, args=(start,)) for start in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    observer._view()
    assert observer._tally.done == 4_000
    observer.run_ended(record_of("wide", 1.0))


def test_summary_table() -> None:
    record = record_of(
        "sales",
        2.0,
        NodeRecord("load", "succeeded", 0.0, 0.5, 1_000_000),
        NodeRecord("clean", "succeeded", 0.5, 1.5),
        NodeRecord("report", "skipped", reason="`check` returned False"),
    )
    printed = io.StringIO()
    Console(file=printed, width=80).print(summary_table(record))
    assert [line.rstrip() for line in printed.getvalue().splitlines()] == [
        "sales: 1 skipped, 2 succeeded in 2.0 s",
        "task    state      start  seconds       rows  when",
        "load    succeeded   0.00     0.50  1,000,000  █████",
        "clean   succeeded   0.50     1.50          –       ███████████████",  # noqa: RUF001
        "report  skipped        –        –          –",  # noqa: RUF001
    ]


def test_summary_table_of_many_keeps_the_failed_and_the_slowest() -> None:
    nodes = [NodeRecord(f"t{i}", "succeeded", 0.0, i / 1_000) for i in range(1_000)]
    nodes[3] = NodeRecord("bad", "failed", 0.0, 0.0)
    table = summary_table(record_of("many", 1.0, *nodes))
    assert table.row_count == 60
    assert table.caption == "... and 940 quicker tasks"
    assert str(table.columns[0]._cells[0]) == "bad"


def test_default_is_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    told(progress_observer(), fan(1))
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "  load   0.12 s\n1 task in 1.2 s\n")


def test_turns_of_a_loop_are_told() -> None:
    @task
    def numbers() -> list[int]:
        return [1, 2, 3]

    @pipeline
    def body() -> list[int]:
        return [one_more(n) for n in numbers()]

    @task
    def one_more(n: int) -> int:
        return n + 1

    told: list[tuple[int, int | None]] = []

    class Counting(Recorder):
        def turn_ended(self, index: int, ended: int, turns: int | None) -> None:
            told.append((ended, turns))

    recorder = Counting()
    assert body.run(progress=recorder) == [2, 3, 4]
    assert sorted(told) == [(1, 3), (2, 3), (3, 3)]
    stream = io.StringIO()
    body.run(progress=progress_observer(stream))
    assert re.search(r"one_more   3 turns   \d", stream.getvalue())
    assert recorder.record is not None
    console = Console(file=io.StringIO(), width=100)
    console.print(summary_table(recorder.record))
    assert "one_more × 3" in cast("io.StringIO", console.file).getvalue()


NOISY = """
import logging
import sys
import time

from glacier import pipeline, task

logging.basicConfig(level=logging.INFO, format="%(message)s")


@task
def step(n: int) -> int:
    time.sleep(0.15)
    print(f"printed by {n}")
    logging.getLogger("mine").info("logged by %s", n)
    sys.stderr.write(f"told by {n}\\n")
    return n


@pipeline
def noisy() -> int:
    return step(step(step(1)))


noisy.run(progress=True)
logging.getLogger("mine").info("after the run")
"""


def in_terminal(code: str, columns: int, lines: int, then: tuple[int, int] | None = None) -> list[str]:
    """Runs code on a terminal, which may change its size on the way, and gives all lines that it shows or has shown."""
    screen = pyte.HistoryScreen(columns, lines, history=1000, ratio=0.5)
    stream = pyte.ByteStream(screen)
    ours, theirs = pty.openpty()
    size = struct.pack("HHHH", lines, columns, 0, 0)
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, size)
    env = {**os.environ, "TERM": "xterm-256color"}
    for name in ("COLUMNS", "LINES", "CI"):
        env.pop(name, None)
    with subprocess.Popen([sys.executable, "-c", code], stdin=theirs, stdout=theirs, stderr=theirs, env=env) as process:
        os.close(theirs)
        seen = 0
        while True:
            try:
                data = os.read(ours, 65536)
            except OSError:  # the other end is closed
                break
            seen += len(data)
            stream.feed(data)
            if then is not None and seen > 300:
                fcntl.ioctl(ours, termios.TIOCSWINSZ, struct.pack("HHHH", then[1], then[0], 0, 0))
                process.send_signal(signal.SIGWINCH)
                screen.resize(then[1], then[0])
                then = None
    os.close(ours)
    assert process.returncode == 0
    above = ["".join(line[column].data for column in range(columns)) for line in screen.history.top]
    return [line.rstrip() for line in [*above, *screen.display]]


def test_what_tasks_print_and_log_stands_above_the_view_once() -> None:
    shown = [line for line in in_terminal(NOISY, 80, 24) if line]
    told = [line for line in shown if " by " in line]
    assert sorted(told) == sorted(f"{how} by 1" for how in ("printed", "logged", "told") for _ in range(3))
    rest = [line for line in shown if line not in told]
    assert [line.split()[0] for line in rest[:3]] == ["✓", "✓", "✓"]
    assert rest[3].startswith("3 tasks in ")
    assert rest[4:] == ["after the run"]


def test_a_terminal_may_change_its_size() -> None:
    shown = [line for line in in_terminal(NOISY, 80, 24, then=(50, 14)) if line]
    assert sum(line.startswith("3 tasks in ") for line in shown) == 1
    assert len([line for line in shown if "logged by 1" in line]) == 3


def test_a_notebook_keeps_how_a_run_went(tmp_path: Path) -> None:
    source = """
from glacier import pipeline, task

@task
def load(n: int) -> int:
    return n

@task
def broken(n: int) -> int:
    raise ValueError("<b>no</b>")

@pipeline
def some() -> None:
    broken(load(1))

try:
    some.run(progress=True)
except Exception as error:
    print(type(error).__name__)
"""
    making: Any = nbformat.v4
    notebook = making.new_notebook(cells=[making.new_code_cell(source)])
    nbclient.NotebookClient(
        notebook, timeout=60, kernel_name="python3", resources={"metadata": {"path": tmp_path}}
    ).execute()
    outputs = notebook.cells[0].outputs
    shown = [one.data["text/html"] for one in outputs if one.output_type == "display_data"]
    assert len(shown) == 1
    assert re.search("✓ load.*✗ broken", shown[0], re.DOTALL)
    assert "failed: ValueError: &lt;b&gt;no&lt;/b&gt;" in shown[0]
    assert "1 failed, 1 succeeded in " in shown[0]
    assert [one.text for one in outputs if one.output_type == "stream"] == ["TaskError\n"]
