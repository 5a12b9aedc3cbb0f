"""Results of tasks that are kept from run to run."""

from __future__ import annotations

import importlib.util
import json
import logging
import os
import re
import stat
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable
from contextvars import ContextVar
from datetime import timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from glacier import Bucket, CachePolicy, Pipeline, Secret, pipeline, task
from glacier.errors import ConfigError, TaskError
from glacier.execution.cache.eviction import make_room
from glacier.execution.cache.run import FOLDER, local_entries
from glacier.execution.record import Recorder
from glacier.providers import LocalProvider

CALLS: list[str] = []


@pytest.fixture(autouse=True)
def home(in_tmp: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GLACIER_HOME", str(in_tmp / "home"))
    CALLS.clear()
    return in_tmp / "home"


def calls(made: Pipeline[..., Any], **options: Any) -> tuple[Any, list[str]]:
    """Runs a pipeline, and gives its result and which tasks were called, in their order."""
    CALLS.clear()
    value = made.run(**options)
    return value, [*CALLS]


@task
def number(n: int) -> int:
    CALLS.append("number")
    return n


@task(cache=True)
def squared(n: int) -> int:
    CALLS.append("squared")
    return n * n


@pipeline
def squares(n: int = 3) -> int:
    return squared(number(n))


@pytest.mark.parametrize("executor", ["threads", "sync"])
def test_a_result_is_given_again_instead_of_calling(executor: Any) -> None:
    assert calls(squares, executor=executor) == (9, ["number", "squared"])
    assert calls(squares, executor=executor) == (9, ["number"])
    assert calls(squares, inputs={"n": 4}) == (16, ["number", "squared"])
    assert calls(squares, inputs={"n": 3}) == (9, ["number"])


def test_a_result_that_is_given_again_is_told_in_the_record() -> None:
    squares.run()
    recorder = Recorder()
    squares.run(progress=recorder)
    assert recorder.record is not None
    assert [(node.name, node.state, node.cached, node.resumed) for node in recorder.record.nodes] == [
        ("number", "succeeded", 0, 0),
        ("squared", "succeeded", 1, 0),
    ]


def test_a_run_is_told_with_what_was_taken_from_the_cache(in_tmp: Path) -> None:
    (in_tmp / "flow.py").write_text(
        "from glacier import observe, pipeline, task\n\n\n"
        "@task\ndef items(n: int) -> list[int]:\n    return list(range(n))\n\n\n"
        "@task(cache=True)\n@observe\ndef first(n: int) -> int:\n    return n\n\n\n"
        "@task(cache=True)\ndef each(n: int) -> int:\n    return n\n\n\n"
        "@pipeline\ndef flow(n: int = 2) -> list[int]:\n    first(1)\n    return [each(i) for i in items(2)] + [n]\n"
    )
    run = [sys.executable, "-m", "glacier", "run", "flow.py"]
    subprocess.run(run, check=True, cwd=in_tmp, capture_output=True)
    (entry,) = [one for one in local_entries(in_tmp / "home").all() if one.items == (1,)]
    local_entries(in_tmp / "home").remove(entry.key)
    lines = subprocess.run(run, check=True, cwd=in_tmp, capture_output=True, text=True).stderr.splitlines()
    told_lines = [re.sub(r"\s{2,}", "  ", line.strip()) for line in lines if "cached" in line]
    assert sorted(re.sub(r"[\d.]+ s$", "0 s", line) for line in told_lines) == [
        "each  2 turns  1 of 2 cached  0 s",
        "first  cached  0 s",
    ]
    told = glacier("runs", "show", "last")
    assert told.rstrip().endswith("\n\ntaken from the cache: first, each (1 of 2 turns)")
    nodes = {one["name"]: one for one in json.loads(glacier("runs", "show", "last", "--json"))["tasks"]}
    assert {name: (one["recalled"], one["cached"], one["resumed"]) for name, one in nodes.items()} == {
        "first": (True, 1, 0),
        "items": (False, 0, 0),
        "each": (False, 1, 0),
    }


def test_the_cache_is_turned_off_and_computed_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    squares.run()
    assert calls(squares, cache=False) == (9, ["number", "squared"])
    assert calls(squares, cache="refresh") == (9, ["number", "squared"])
    assert calls(squares) == (9, ["number"])
    monkeypatch.setenv("GLACIER_CACHE", "0")
    assert calls(squares) == (9, ["number", "squared"])


@task(cache=True)
def lazily(n: int) -> pl.LazyFrame:
    CALLS.append("lazily")
    return pl.LazyFrame({"n": range(n)}).with_columns(pl.col("n").cast(pl.Int16))


@pipeline
def lazy() -> pl.LazyFrame:
    return lazily(5)


def test_a_lazy_frame_is_computed_into_the_cache_and_scanned_from_there(home: Path) -> None:
    first, told = calls(lazy)
    again, told_again = calls(lazy)
    assert (told, told_again) == (["lazily"], [])
    for frame in (first, again):
        assert isinstance(frame, pl.LazyFrame)
        assert str(home / FOLDER) in frame.explain()
        assert frame.collect().equals(pl.DataFrame({"n": range(5)}, schema={"n": pl.Int16}))


def test_a_result_is_good_for_a_time() -> None:
    @task(cache=timedelta(seconds=0.3))
    def now() -> float:
        CALLS.append("now")
        return time.time()

    @pipeline
    def clock() -> float:
        return now()

    first, _ = calls(clock)
    assert calls(clock) == (first, [])
    time.sleep(0.35)
    second, told = calls(clock)
    assert (told, second > first) == (["now"], True)
    assert calls(clock)[0] == second


ETL = """
from glacier import pipeline, task
import helpers

RATE = 2
CALLS = []

@task
def load(n):
    CALLS.append("load")
    return n + helpers.more(n)

@task(cache=True)
def total(n, factor=1):
    CALLS.append("total")
    return n * RATE * factor

@pipeline
def etl(n=1):
    return total(load(n), factor=3)
"""
HELPERS = """
OFFSET = 10

def more(n):
    return inner(n) + OFFSET

def inner(n):
    return n
"""


@pytest.fixture
def changed(in_tmp: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[str]]:
    """Gives a function that runs the pipeline with changes of its two files, and says what was called."""
    number = iter(range(100))

    def run(*changes: tuple[str, str], n: int = 1) -> list[str]:
        etl, helpers = ETL, HELPERS
        for old, new in changes:
            assert (old in etl) != (old in helpers), old
            etl, helpers = etl.replace(old, new), helpers.replace(old, new)
        folder = in_tmp / f"version-{next(number)}"
        folder.mkdir()
        module: Any = None
        for name, text in (("helpers", helpers), ("etl", etl)):
            (folder / f"{name}.py").write_text(textwrap.dedent(text))
            spec = importlib.util.spec_from_file_location(name, folder / f"{name}.py")
            assert spec is not None
            assert spec.loader is not None
            module = importlib.util.module_from_spec(spec)
            monkeypatch.setitem(sys.modules, name, module)
            spec.loader.exec_module(module)
        module.etl.run(inputs={"n": n})
        return list(module.CALLS)

    return run


@pytest.mark.parametrize(
    "change",
    [
        ("n * RATE * factor", "n * RATE * factor + 1"),
        ("RATE = 2", "RATE = 3"),
        ("factor=3", "factor=4"),
        ("return n + helpers.more(n)", "return n - helpers.more(n)"),
        ("OFFSET = 10", "OFFSET = 11"),
        ("inner(n) + OFFSET", "inner(n) - OFFSET"),
        ("def inner(n):\n    return n", "def inner(n):\n    return n + 1"),
    ],
)
def test_a_change_of_anything_that_it_comes_from_computes_anew(
    changed: Callable[..., list[str]], change: tuple[str, str]
) -> None:
    assert changed() == ["load", "total"]
    assert changed() == ["load"]
    assert changed(change) == ["load", "total"]
    assert changed() == ["load"], "the first result is still there"


@pytest.mark.parametrize(
    "change",
    [
        ("RATE = 2", "# a comment\n\n\nRATE = 2"),
        ("return n * RATE * factor", "return (n * RATE\n            * factor)"),
    ],
)
def test_a_change_of_the_text_alone_does_not(changed: Callable[..., list[str]], change: tuple[str, str]) -> None:
    changed()
    assert changed(change) == ["load"]


def test_another_argument_of_what_it_comes_from_computes_anew(changed: Callable[..., list[str]]) -> None:
    changed()
    assert changed(n=2) == ["load", "total"]


@task
def read(source: Bucket) -> pl.LazyFrame:
    CALLS.append("read")
    return source.scan()


@task(cache=True)
def height(frame: pl.LazyFrame) -> int:
    CALLS.append("height")
    return frame.collect().height


@task(cache=True)
def copied(frame: pl.LazyFrame, target: Bucket) -> int:
    CALLS.append("copied")
    target.write(frame)
    return 1


def test_changed_data_computes_anew(in_tmp: Path) -> None:
    data = LocalProvider(base_path=in_tmp / "data")
    raw = data.bucket("raw", path="day/")

    @pipeline
    def heights() -> int:
        return height(read(raw))

    raw.at("day/a.parquet").write(pl.DataFrame({"n": [1, 2]}))
    assert calls(heights) == (2, ["read", "height"])
    assert calls(heights) == (2, ["read"])
    raw.at("day/b.parquet").write(pl.DataFrame({"n": [3]}))
    assert calls(heights) == (3, ["read", "height"])
    raw.at("day/b.parquet").delete()
    raw.at("day/a.parquet").write(pl.DataFrame({"n": [1, 2]}))
    assert calls(heights) == (2, ["read", "height"])


def test_what_a_task_wrote_must_still_be_there(in_tmp: Path) -> None:
    data = LocalProvider(base_path=in_tmp / "data")
    raw, target = data.bucket("raw", path="a.parquet"), data.bucket("out", path="b.parquet")
    raw.write(pl.DataFrame({"n": [1, 2]}))

    @pipeline
    def copies() -> int:
        return copied(read(raw), target)

    assert calls(copies) == (1, ["read", "copied"])
    assert calls(copies) == (1, ["read"])
    target.write(pl.DataFrame({"n": [0]}))
    assert calls(copies) == (1, ["read", "copied"])
    assert target.read().height == 2
    target.delete()
    assert calls(copies) == (1, ["read", "copied"])


def test_each_turn_of_a_loop_has_its_own_result() -> None:
    @task
    def several(n: int) -> list[int]:
        return list(range(n))

    @pipeline
    def loop(n: int) -> list[int]:
        return [squared(item) for item in several(n)]

    assert calls(loop, inputs={"n": 3}) == ([0, 1, 4], ["squared"] * 3)
    assert calls(loop, inputs={"n": 3}) == ([0, 1, 4], [])


def test_in_worker_processes(in_tmp: Path) -> None:
    (in_tmp / "work.py").write_text(
        "from glacier import pipeline, task\n\n\n"
        "@task(cache=True)\ndef slow(n: int) -> int:\n    open('called', 'a').write('x')\n    return n + 1\n\n\n"
        "@pipeline\ndef work() -> int:\n    return slow(slow(1))\n\n\n"
        "if __name__ == '__main__':\n    print(work.run(executor='processes'))\n"
    )
    for _ in range(2):
        done = subprocess.run([sys.executable, "work.py"], capture_output=True, text=True, check=True)
        assert done.stdout == "3\n"
    assert Path("called").read_text() == "xx"


def damage_entry(folder: Path) -> None:
    file = folder / "entry.json"
    file.write_bytes(file.read_bytes().replace(b"succ", b"fail").replace(b"5", b"6"))


def truncate(folder: Path) -> None:
    file = next(folder.glob("*.arrow"))
    os.truncate(file, file.stat().st_size - 10)


def tamper(folder: Path) -> None:
    file = next(folder.glob("*.arrow"))
    before = file.stat()
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))


def cut_entry(folder: Path) -> None:
    os.truncate(folder / "entry.json", 20)


@pytest.mark.parametrize("harm", [damage_entry, cut_entry, truncate, tamper])
def test_a_damaged_entry_is_told_and_computed_anew(
    home: Path, caplog: pytest.LogCaptureFixture, harm: Callable[[Path], None]
) -> None:
    calls(lazy)
    (folder,) = (one for one in (home / FOLDER).iterdir() if one.is_dir())
    harm(folder)
    frame, told = calls(lazy)
    assert told == ["lazily"]
    assert frame.collect().height == 5
    assert "what is kept of `lazily` is damaged, and computed anew" in caplog.text
    assert calls(lazy)[1] == []


def test_a_file_whose_entry_was_never_written_is_no_entry(home: Path) -> None:
    calls(lazy)
    (folder,) = (one for one in (home / FOLDER).iterdir() if one.is_dir())
    (folder / "entry.json").unlink()
    assert calls(lazy)[1] == ["lazily"]


def test_what_has_no_form_as_data_is_not_kept_and_told(caplog: pytest.LogCaptureFixture) -> None:
    @task(cache=True)
    def odd() -> object:
        CALLS.append("odd")
        return object()

    @pipeline
    def odds() -> object:
        return odd()

    assert calls(odds)[1] == calls(odds)[1] == ["odd"]
    assert "results of `odd` are not kept: a object has no form as data" in caplog.text


def test_what_cannot_be_told_from_code_is_not_kept_and_told(in_tmp: Path, caplog: pytest.LogCaptureFixture) -> None:
    raw = LocalProvider(base_path=in_tmp / "data").bucket("raw", path="a.parquet")
    raw.write(pl.DataFrame({"n": [1]}))

    verb = "read"

    @task(cache=True)
    def hidden(source: Bucket) -> int:
        CALLS.append("hidden")
        height: int = getattr(source, verb)().height
        return height

    @pipeline
    def hides() -> int:
        return hidden(raw)

    assert calls(hides)[1] == calls(hides)[1] == ["hidden"]
    assert "what `hidden` does with `raw/a.parquet` cannot be told from its code" in caplog.text
    assert "state it: @task(reads=[...], writes=[...])" in caplog.text


def test_a_secret_is_in_no_file_of_the_cache(home: Path) -> None:
    @task(cache=True)
    def signed(key: Secret) -> int:
        return len(key.get_secret_value())

    @pipeline
    def signs(key: Secret) -> int:
        return signed(key)

    signs.run(inputs={"key": Secret("hunter2-hunter2")})
    files = [file for file in (home / FOLDER).rglob("*") if file.is_file()]
    assert files
    assert not any(b"hunter2" in file.read_bytes() for file in files)


@task(cache=True)
def invoices(account: Secret) -> str:
    CALLS.append("invoices")
    return f"of {account.get_secret_value()}"


@pipeline
def billing(account: Secret) -> str:
    return invoices(account)


def test_another_secret_is_another_argument(home: Path) -> None:
    of = {name: {"account": Secret(name)} for name in ("alice", "bob")}
    assert calls(billing, inputs=of["alice"]) == ("of alice", ["invoices"])
    assert calls(billing, inputs=of["bob"]) == ("of bob", ["invoices"])
    assert [calls(billing, inputs=of[name]) for name in ("alice", "bob")] == [("of alice", []), ("of bob", [])]
    salt = home / "cache-salt"
    assert (stat.S_IMODE(salt.stat().st_mode), salt.stat().st_size) == (0o600, 32)
    assert "  ~ argument account of invoices" in glacier("cache", "why", "invoices")
    salt.unlink()
    assert calls(billing, inputs=of["bob"]) == ("of bob", ["invoices"])


def test_a_secret_is_in_no_key_of_a_bucket(in_tmp: Path, caplog: pytest.LogCaptureFixture) -> None:
    shared = LocalProvider(base_path=in_tmp / "shared").bucket("cache", path="results/")

    @task(cache=CachePolicy(bucket=shared))
    def kept_there(account: Secret) -> str:
        CALLS.append("kept_there")
        return f"of {account.get_secret_value()}"

    @pipeline
    def keeping(account: Secret) -> str:
        return kept_there(account)

    for name in ("alice", "bob"):
        assert calls(keeping, inputs={"account": Secret(name)}) == (f"of {name}", ["kept_there"])
    assert not list((in_tmp / "shared").rglob("*.*"))
    assert "is a secret, which no key in a bucket may tell" in caplog.text
    assert "fix: drop bucket= of its CachePolicy" in caplog.text


def test_two_processes_at_once(in_tmp: Path, home: Path) -> None:
    (in_tmp / "both.py").write_text(
        "import time\nimport polars as pl\nfrom glacier import pipeline, task\n\n\n"
        "@task(cache=True)\ndef frame() -> pl.LazyFrame:\n    time.sleep(0.2)\n"
        "    return pl.LazyFrame({'n': range(100_000)})\n\n\n"
        "@pipeline\ndef both() -> pl.LazyFrame:\n    return frame()\n\n\n"
        "for _ in range(5):\n    assert both.run(cache='refresh').collect().height == 100_000\n"
        "    assert both.run().collect().height == 100_000\n"
    )
    running = [subprocess.Popen([sys.executable, "both.py"], stderr=subprocess.PIPE, text=True) for _ in range(3)]
    for process in running:
        with process:
            _, told = process.communicate(timeout=100)
            assert (process.returncode, told) == (0, "")
    (entry,) = local_entries(home).all()
    assert entry.node == "frame"


def test_the_least_recently_used_go_first(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for n in range(4):
        squares.run(inputs={"n": n})
    entries = home / FOLDER
    folders = {entry.document: entries / entry.key for entry in local_entries(home).all()}
    assert sorted(folders) == [0, 1, 4, 9]
    for age, value in enumerate([4, 0, 9, 1]):  # 1 was used last
        os.utime(folders[value] / "entry.json", (time.time() - 5000 + age, time.time() - 5000 + age))
    size = sum(file.stat().st_size for file in folders[9].iterdir())
    monkeypatch.setenv("GLACIER_CACHE_SIZE", str(int(size * 2.5)))
    make_room(entries)
    assert [value for value, folder in sorted(folders.items()) if folder.exists()] == [1, 9]
    assert calls(squares, inputs={"n": 1}) == (1, ["number"])


def aged(folder: Path, seconds: float = 700) -> None:
    """Has all in a folder look as if it had been there for so long."""
    for file in folder.rglob("*"):
        os.utime(file, (time.time() - seconds, time.time() - seconds))


@pytest.mark.parametrize("does", ["makes room", "removes a file"])
def test_what_is_being_written_stays_and_its_end_fails_no_run(
    does: str, home: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("GLACIER_CACHE_SIZE", "0")
    makes_room = does == "makes room"

    def another_process(frame: pl.DataFrame) -> pl.DataFrame:
        (written,) = (home / FOLDER).glob("*/*.arrow")
        make_room(home / FOLDER) if makes_room else written.unlink()
        return frame

    @task(cache=True)
    def two() -> tuple[pl.LazyFrame, pl.LazyFrame]:
        CALLS.append("two")
        return pl.LazyFrame({"n": [1]}), pl.LazyFrame({"n": [2]}).map_batches(another_process)

    @pipeline
    def twos() -> tuple[pl.LazyFrame, pl.LazyFrame]:
        return two()

    CALLS.clear()
    if makes_room:
        assert [one.collect().item() for one in twos.run()] == [1, 2]
        assert calls(twos)[1] == []
    else:
        twos.run()
        assert "results of `two` are not kept" in caplog.text
        assert "is gone before its entry was written" in caplog.text
        assert not list(home.rglob("entry.json"))


def test_a_bucket_that_cannot_be_listed_is_told_by_its_task(in_tmp: Path) -> None:
    (in_tmp / "closed" / "raw").mkdir(parents=True)
    source = LocalProvider(base_path=in_tmp / "closed").bucket("raw", path="sales/")

    @task(cache=True)
    def reads(source: Bucket) -> int:
        return source.read().height

    @pipeline
    def reading() -> int:
        return reads(source)

    root = os.geteuid() == 0
    (in_tmp / "closed").chmod(0)
    try:
        if root:  # whom modes do not stop
            os.seteuid(65534)
        with pytest.raises(TaskError, match="task `reads` of pipeline `reading` failed"):
            reading.run(record=False)
    finally:
        if root:
            os.seteuid(0)
        (in_tmp / "closed").chmod(0o700)


def test_a_result_that_is_computed_anew_takes_the_place_of_the_one_before(home: Path) -> None:
    @task(cache=True)
    def frame() -> pl.LazyFrame:
        return pl.LazyFrame({"n": [1, 2, 3]})

    @pipeline
    def frames() -> pl.LazyFrame:
        return frame()

    def files() -> list[str]:
        return sorted(file.name for file in (home / FOLDER).rglob("*.arrow"))

    found = [frames.run(cache="refresh") for _ in range(2)]
    assert len(files()) == 2
    aged(home / FOLDER)
    found = [found[-1], frames.run(cache="refresh")]
    assert len(files()) == 2  # the first one is gone; who has found the second may read it for a while
    assert [one.collect().height for one in found] == [3, 3]
    (now,) = [file for file in files() if file in str(found[-1].explain())]
    (home / FOLDER).joinpath(next((home / FOLDER).iterdir()).name, "aa.arrow").touch()
    make_room(home / FOLDER)
    assert len(files()) == 3
    for name in set(files()) - {now}:
        (place,) = home.rglob(name)
        os.utime(place, (time.time() - 700, time.time() - 700))
    make_room(home / FOLDER)
    assert files() == [now]
    assert frames.run().collect().height == 3


def test_a_cache_that_cannot_be_written_fails_no_run(
    in_tmp: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (in_tmp / "file").touch()
    monkeypatch.setenv("GLACIER_HOME", str(in_tmp / "file" / "below"))
    caplog.set_level(logging.WARNING)
    assert calls(squares, record=False) == (9, ["number", "squared"])
    assert "results of `squared` are not kept" in caplog.text


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"cache": "yes"}, "cache takes True, a timedelta or a CachePolicy, but got 'yes'"),
        ({"cache": timedelta(0)}, "cache takes True, a timedelta or a CachePolicy"),
    ],
)
def test_what_is_no_policy(given: Any, told: str) -> None:
    with pytest.raises(ConfigError) as caught:
        task(**given)
    assert caught.value.message.startswith(told)
    assert caught.value.site is not None


def test_policies_are_checked_where_they_are_written() -> None:
    refused: list[tuple[dict[str, Any], str]] = [
        ({"ttl": 5}, "CachePolicy takes ttl= as a timedelta longer than nothing, but got 5"),
        ({"version": 2}, "CachePolicy takes version= as text, but got 2"),
        ({"bucket": "cache"}, "CachePolicy takes bucket= as a bucket, but got 'cache'"),
    ]
    for options, told in refused:
        with pytest.raises(ConfigError, match="CachePolicy takes") as caught:
            CachePolicy(**options)
        assert caught.value.message == told
        assert caught.value.site is not None
    with pytest.raises(ConfigError, match="cache takes True, False or 'refresh', but got 'never'"):
        squares.run(cache="never")  # type: ignore[call-overload]


def glacier(*arguments: str, code: int = 0) -> str:
    done = subprocess.run([sys.executable, "-m", "glacier", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_why_says_what_changed(in_tmp: Path) -> None:
    (in_tmp / "helpers.py").write_text("OFFSET = 10\n\n\ndef more(n: int) -> int:\n    return n + OFFSET\n")
    (in_tmp / "etl.py").write_text(
        "import polars as pl\nfrom glacier import Bucket, pipeline, task\nfrom glacier.providers import LocalProvider\n"
        "import helpers\n\n\n@task\ndef load(source: Bucket, n: int) -> int:\n"
        "    return source.read().height + n\n\n\n"
        "@task(cache=True)\ndef total(n: int) -> int:\n    return helpers.more(n)\n\n\n"
        "@pipeline\ndef etl(n: int = 1) -> int:\n"
        "    return total(load(LocalProvider('data').bucket('raw', path='a.parquet'), n))\n"
    )
    raw = LocalProvider("data").bucket("raw", path="a.parquet")
    raw.write(pl.DataFrame({"n": [1]}))
    assert glacier("run", "etl.py", "-q") == "12\n"
    assert "there is no earlier result to compare with" in glacier("cache", "why", "total")
    assert glacier("run", "etl.py", "-q", "-i", "n=2") == "13\n"
    assert glacier("cache", "why", "total").splitlines()[1:] == ["  ~ argument n of load"]
    raw.write(pl.DataFrame({"n": [1, 2]}))
    glacier("run", "etl.py", "-q", "-i", "n=2")
    assert glacier("cache", "why", "total").splitlines()[1:] == [f"  ~ object {raw.uri}"]
    (in_tmp / "helpers.py").write_text((in_tmp / "helpers.py").read_text().replace("10", "20"))
    glacier("run", "etl.py", "-q", "-i", "n=2")
    assert glacier("cache", "why", "total").splitlines()[1:] == ["  ~ code of helpers.OFFSET"]
    glacier("run", "etl.py", "-q", "-i", "n=2", "--cache", "refresh")
    told = json.loads(glacier("cache", "why", "total", "--json"))
    assert [(one["node"], one["changed"]) for one in told] == [("total", ["code of helpers.OFFSET"])]
    assert "InputError: no result of a task `totl` is kept" in glacier("cache", "why", "totl", code=2)


def test_why_compares_a_turn_with_the_same_item_of_before(in_tmp: Path) -> None:
    body = (
        "from glacier import pipeline, task\n\n\n"
        "@task\ndef items(n: int) -> list[int]:\n    return list(range(n))\n\n\n"
        "@task(cache=True)\ndef each(n: int) -> int:\n    return n * 2\n\n\n"
        "@pipeline\ndef etl(n: int = 2) -> list[int]:\n    return [each(i) for i in items(n)]\n"
    )
    (in_tmp / "etl.py").write_text(body)
    glacier("run", "etl.py", "-q")
    (told,) = glacier("cache", "why", "each").splitlines()
    assert told.startswith("each of etl for items 0, 1 (counted from 0), computed ")
    assert told.endswith(": there is no earlier result to compare with")
    (in_tmp / "etl.py").write_text(body.replace("n * 2", "n * 3"))
    glacier("run", "etl.py", "-q")
    assert glacier("cache", "why", "each").splitlines()[1:] == ["  ~ code of etl.each"]
    told_apart = json.loads(glacier("cache", "why", "each", "--json"))
    assert sorted((one["items"], one["changed"]) for one in told_apart) == [
        ([0], ["code of etl.each"]),
        ([1], ["code of etl.each"]),
    ]


def test_results_are_listed_and_removed(home: Path) -> None:
    squares.run()
    lazy.run()
    told = json.loads(glacier("cache", "ls", "--json"))
    assert [one["node"] for one in told] == ["lazily", "squared"]
    assert told[0]["bytes"] > 0
    assert "squared" in glacier("cache", "ls", "squared")
    assert glacier("cache", "rm", "squared") == "removed 1 result\n"
    assert glacier("cache", "rm", "--older-than", "1") == "removed 0 results\n"
    assert "InputError: nothing is named to be removed" in glacier("cache", "rm", code=2)
    assert glacier("cache", "rm", "--all") == "removed 1 result\n"
    assert glacier("cache", "ls", "--json") == "[]\n"
    assert calls(squares)[1] == ["number", "squared"]


def test_results_in_a_bucket(in_tmp: Path) -> None:
    shared = LocalProvider(base_path=in_tmp / "shared").bucket("cache", path="results/")

    @task(cache=CachePolicy(bucket=shared))
    def frame(n: int) -> pl.LazyFrame:
        CALLS.append("frame")
        return pl.LazyFrame({"n": range(n)})

    @pipeline
    def frames() -> pl.LazyFrame:
        return frame(3)

    assert calls(frames)[1] == ["frame"]
    found, told = calls(frames)
    assert (found.collect().height, told) == (3, [])
    kept = {file.suffix for file in (in_tmp / "shared" / "cache" / "results").rglob("*.*")}
    assert kept >= {".arrow", ".json"}


_free: ContextVar[threading.Event] = ContextVar("free")  # has no form as data: it is no code


def waiting(frame: pl.DataFrame) -> pl.DataFrame:
    _free.get().wait(30)
    return frame


@task(cache=True, timeout=0.2)
def late() -> pl.LazyFrame:
    return pl.LazyFrame({"n": [1]}).map_batches(waiting)


@pipeline
def lates() -> pl.LazyFrame:
    return late()


def test_a_plan_that_is_computed_to_be_kept_is_on_its_tasks_time(home: Path) -> None:
    free = threading.Event()
    _free.set(free)
    before = set(threading.enumerate())
    with pytest.raises(TaskError, match="`late` of pipeline `lates` failed: TaskTimeout"):
        lates.run()
    late_ones = set(threading.enumerate()) - before
    assert late_ones
    free.set()
    for thread in late_ones:
        thread.join(30)
    assert not list(home.rglob("entry.json"))
    assert lates.run().collect().height == 1
    assert list(home.rglob("entry.json"))


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small file system takes root")
def test_a_full_disk_fails_no_run(
    in_tmp: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    small = in_tmp / "small"
    small.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=96k", "tmpfs", small], check=False).returncode:
        pytest.skip("this machine lets nobody mount")
    try:
        monkeypatch.setenv("GLACIER_HOME", str(small / "home"))

        @task(cache=True)
        def large() -> pl.DataFrame:
            CALLS.append("large")
            return pl.DataFrame({"n": range(100_000)})

        @pipeline
        def larges() -> pl.DataFrame:
            return large()

        assert [calls(larges, record=False)[1] for _ in range(2)] == [["large"], ["large"]]
        assert "results of `large` are not kept" in caplog.text
        assert not list((small / "home").rglob("entry.json"))
    finally:
        subprocess.run(["umount", small], check=True)
