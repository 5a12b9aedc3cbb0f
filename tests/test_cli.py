"""The command line as a process: what it prints where, and with which exit code it ends."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ETL = """
from glacier import pipeline, task

@task
def numbers(n: int) -> list[int]:
    return list(range(n))

@task
def total(values: list[int]) -> int:
    return sum(values)

@task
def fail(values: list[int]) -> int:
    secret = "hunter2"
    raise ValueError("no good")

@pipeline
def adding(n: int = 4) -> int:
    return total(numbers(n))

@pipeline
def failing(n: int = 4) -> int:
    values = numbers(n)
    total(values)
    return fail(values)

@pipeline
def eager(n: int = 4) -> int:
    return len(numbers(n))
"""


@pytest.fixture
def folder(in_tmp: Path) -> Path:
    (in_tmp / "etl.py").write_text(ETL)
    return in_tmp


def glacier(*words: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "glacier", *words]
    return subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, **(env or {})})


def test_run_prints_the_result_to_stdout_and_progress_to_stderr(folder: Path) -> None:
    done = glacier("run", "etl.py:adding", "-i", "n=5")
    assert (done.returncode, done.stdout) == (0, "10\n")
    assert "numbers" in done.stderr
    assert "2 tasks in" in done.stderr
    assert "\x1b" not in done.stderr  # nothing odd when piped
    quiet = glacier("run", "etl.py:adding", "--quiet")
    assert (quiet.returncode, quiet.stdout, quiet.stderr) == (0, "6\n", "")


def test_run_as_json(folder: Path) -> None:
    done = glacier("run", "etl.py:adding", "--json")
    told = json.loads(done.stdout)
    assert (done.returncode, done.stderr) == (0, "")
    assert {key: told[key] for key in ("pipeline", "state", "result")} == {
        "pipeline": "adding",
        "state": "succeeded",
        "result": 6,
    }
    assert [(one["name"], one["state"]) for one in told["tasks"]] == [("numbers", "succeeded"), ("total", "succeeded")]


def test_a_failed_task_ends_with_1_and_its_own_traceback(folder: Path) -> None:
    done = glacier("run", "etl.py:failing", "--quiet")
    assert done.returncode == 1
    assert done.stderr == (
        "Traceback (most recent call last):\n"
        f'  File "{folder}/etl.py", line 15, in fail\n'
        '    raise ValueError("no good")\n'
        "ValueError: no good\n"
        "TaskError: task `fail` of pipeline `failing` failed: ValueError: no good\n"
        "    given values: list of 4\n"
        "  at etl.py:25\n"
        "     return fail(values)\n"
    )
    machine = glacier("run", "etl.py:failing", "--json")
    assert machine.returncode == 1
    told = json.loads(machine.stdout)
    assert told["state"] == "failed"
    assert [one["reason"] for one in told["tasks"] if one["state"] == "failed"] == ["ValueError: no good"]


def test_continue_tells_every_failure(folder: Path) -> None:
    done = glacier("run", "etl.py:failing", "--quiet", "--on-failure", "continue")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == "RunErrors: 1 of 3 tasks of pipeline `failing` failed"


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["run", "etl.py:eager"], "GraphError: `numbers` is the result of `numbers` and is not known until the run"),
        (["run", "etl.py"], "InputError: `etl.py` has 3 pipelines: `adding`, `failing`, `eager`"),
        (["run", "elt.py"], "InputError: there is no file `elt.py`"),
        (["run", "etl.py:adding", "-i", "n=many"], "InputError: input `n` of pipeline `adding` is int, but got 'many'"),
        (["run", "etl.py:adding", "-i", "m=1"], "InputError: pipeline `adding` has no input `m`"),
        (["graph", "etl.py:adding", "-o", "graph.pdf"], "ConfigError: "),
    ],
)
def test_what_cannot_start_ends_with_2_and_no_traceback(folder: Path, words: list[str], expected: str) -> None:
    done = glacier(*words)
    assert done.returncode == 2
    assert done.stderr.startswith(expected), done.stderr
    assert "Traceback" not in done.stderr
    assert "Fix: " in done.stderr


def test_a_missing_input_names_the_option(folder: Path) -> None:
    (folder / "needs.py").write_text(
        "from glacier import pipeline\n\n\n@pipeline\ndef needs(n: int) -> int:\n    return n\n"
    )
    done = glacier("run", "needs.py")
    assert done.returncode == 2
    assert done.stderr.endswith("  Fix: add -i n=...\n")
    assert glacier("analyze", "needs.py").returncode == 0


def test_json_is_whole_though_tasks_print(folder: Path) -> None:
    (folder / "loud.py").write_text(
        "from glacier import pipeline, task\n\n\n@task\ndef shout() -> int:\n    print('HELLO')\n    return 1\n\n\n"
        "@pipeline\ndef loud() -> int:\n    return shout()\n"
    )
    done = glacier("run", "loud.py", "--json")
    assert json.loads(done.stdout)["result"] == 1
    assert done.stderr == "HELLO\n"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["run", "."], "InputError: `.` is no file and no module"),
        (
            ["graph", "etl.py:adding", "-o", "nowhere/g.txt"],
            "ConfigError: the picture cannot be written to `nowhere/g.txt`",
        ),
        (["run", "exits.py"], "InputError: `exits.py` ends Python when it is imported: it calls sys.exit(5)"),
    ],
)
def test_more_that_cannot_start(folder: Path, words: list[str], message: str) -> None:
    (folder / "exits.py").write_text("import sys\nsys.exit(5)\n")
    done = glacier(*words)
    assert (done.returncode, done.stderr.splitlines()[0][: len(message)]) == (2, message)
    assert "Traceback" not in done.stderr


def test_usage_errors_end_with_2(folder: Path) -> None:
    assert glacier("run").returncode == 2
    assert glacier("run", "etl.py:adding", "--executor", "magic").returncode == 2
    assert glacier("fly").returncode == 2


def test_a_broken_file_shows_its_own_traceback(folder: Path) -> None:
    (folder / "broken.py").write_text("from glacier import pipeline\n\nraise RuntimeError('at import')\n")
    done = glacier("run", "broken.py")
    assert done.returncode == 2
    assert done.stderr == (
        "Traceback (most recent call last):\n"
        f'  File "{folder}/broken.py", line 3, in <module>\n'
        "    raise RuntimeError('at import')\n"
        "RuntimeError: at import\n"
    )


def test_analyze_and_graph(folder: Path) -> None:
    text = glacier("analyze", "etl.py:adding")
    assert (text.returncode, text.stdout.splitlines()[0]) == (0, "adding: 2 tasks in 2 levels")
    told = json.loads(glacier("analyze", "etl.py:adding", "--json").stdout)
    assert told["execution_levels"] == [["numbers"], ["total"]]
    assert "numbers" in glacier("graph", "etl.py:adding").stdout
    assert glacier("graph", "etl.py:adding", "-f", "mermaid").stdout.startswith("flowchart")
    assert glacier("graph", "etl.py:adding", "-f", "svg").stdout.startswith("<svg")
    assert glacier("graph", "etl.py:adding", "-o", "g.svg").returncode == 0
    assert (folder / "g.svg").read_text().startswith("<svg")


def test_version_help_and_completion() -> None:
    from glacier import __version__

    assert glacier("--version").stdout == f"{__version__}\n"
    assert "Run a pipeline here" in glacier("--help").stdout
    completion = glacier(env={"_GLACIER_COMPLETE": "complete_bash", "COMP_WORDS": "glacier a", "COMP_CWORD": "1"})
    assert "analyze" in completion.stdout


def test_live_progress_on_a_terminal(folder: Path) -> None:
    main, worker = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "glacier", "run", "etl.py:adding"],
        stdout=subprocess.PIPE,
        stderr=worker,
        env={**os.environ, "TERM": "xterm-256color"},
    )
    out, _ = process.communicate(timeout=30)
    os.close(worker)
    shown = b""
    while True:
        try:
            piece = os.read(main, 4096)
        except OSError:
            break
        if not piece:
            break
        shown += piece
    os.close(main)
    assert out == b"6\n"
    assert b"\x1b[" in shown
    assert b"2 tasks in" in shown


def test_interrupt_ends_with_130(folder: Path) -> None:
    (folder / "slow.py").write_text(
        "import time\nfrom glacier import pipeline, task\n\n\n@task\ndef wait() -> None:\n"
        "    print('up', flush=True)\n    time.sleep(30)\n\n\n@pipeline\ndef slow() -> None:\n    wait()\n"
    )
    best = 60.0
    for _ in range(3):
        process = subprocess.Popen(
            [sys.executable, "-m", "glacier", "run", "slow.py", "--quiet"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        assert process.stdout is not None
        assert process.stdout.readline() == b"up\n"
        began = time.perf_counter()
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=10)
        best = min(best, time.perf_counter() - began)
        assert (process.returncode, stderr) == (130, b"interrupted\n")
    assert best < 1.5


RESUMED = """
import os
from glacier import pipeline, task

@task
def one() -> int:
    print("one is done")
    return 1

@task
def two(x: int, y: int) -> int:
    if "MENDED" not in os.environ:
        raise ValueError
    return x + y

@pipeline(checkpoint=True)
def adding(n: int) -> int:
    return two(one(), n)
"""


def test_a_failed_run_is_resumed_with_its_inputs(folder: Path) -> None:
    (folder / "resumed.py").write_text(RESUMED)
    failed = glacier("run", "resumed.py", "-i", "n=4", "--quiet")
    assert (failed.returncode, failed.stdout) == (1, "one is done\n")
    assert failed.stderr.startswith("failed; to go on from what was finished: glacier run resumed.py --resume\n")
    run = json.loads(glacier("runs", "ls", "--json").stdout)[0]["run_id"]
    for words in (["--resume"], ["--resume", "last"], ["--resume", run[-8:]]):
        again = glacier("run", "resumed.py", *words, "--quiet")
        assert (again.returncode, again.stdout) == (1, "")
    mended = glacier("run", "--resume", "resumed.py", "--quiet", env={**os.environ, "MENDED": "1"})
    assert (mended.returncode, mended.stdout, mended.stderr) == (0, "5\n", "")
    over = glacier("run", "resumed.py", "--resume", "--quiet")
    assert over.returncode == 2
    assert over.stderr.startswith("InputError: no run of pipeline `adding` can be resumed")
    unused = glacier("run", "resumed.py", run, "-i", "n=4", "--no-checkpoint")
    assert unused.returncode == 2
    assert f"`{run}` is a second argument; to go on with a run, add --resume" in unused.stderr
