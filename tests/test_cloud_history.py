"""Runs of deployed pipelines in `glacier runs`: read from what their stages recorded."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from glacier.cli import app
from glacier.errors import InputError
from glacier.history.store import Wanted
from glacier.runtime.reading import CloudHistory
from glacier.runtime.records import Records
from stores import Place

PROJECT = """
    from glacier import Secret, context, pipeline, task
    from glacier.config import Compute

    @task(retries=1, retry_delay=0.0)
    def load(day: str, token: Secret) -> int:
        context().metric("nulls", 3)
        if day == "monday":
            raise ValueError(f"closed for {token.get_secret_value()}")
        return len(day)

    @task(compute=Compute(cpu=4, memory=16_384, name="train"))
    def train(n: int) -> int:
        return n + 1

    @pipeline
    def sales(day: str, token: Secret = Secret("none")) -> int:
        return train(load(day, token))
"""


@pytest.fixture
def records(in_tmp: Path) -> Path:
    """A folder with the records of three runs: a whole one, one that failed, one between its stages."""
    (in_tmp / "etl.py").write_text(textwrap.dedent(PROJECT))
    stage(in_tmp, "first", "main", "friday")
    stage(in_tmp, "first", "train", "friday")
    stage(in_tmp, "second", "main", "monday", code=1)
    stage(in_tmp, "third", "main", "tuesday")
    return in_tmp / "runs"


def stage(folder: Path, run: str, name: str, day: str, code: int = 0) -> None:
    inputs = ["--input", f"day={day}", "--input", "token=s3cr3t"]
    command = [sys.executable, "-m", "glacier.runtime", "etl:sales", "--stage", name, "--records", "runs", *inputs]
    told = {**os.environ, "GLACIER_RUN_ID": run, "GLACIER_OVERLAP": "1"}
    done = subprocess.run(command, cwd=folder, env=told, capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stdout + done.stderr


def glacier(*words: str) -> Any:
    done = CliRunner().invoke(app, ["runs", *words, "--json"], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def test_stages_are_one_run(records: Path) -> None:
    third, second, first = glacier("ls", "--records", str(records))
    assert [run["run_id"] for run in (third, second, first)] == ["third", "second", "first"]
    assert [run["state"] for run in (third, second, first)] == ["running", "failed", "succeeded"]
    assert first["pipeline"] == "sales"
    assert first["inputs"] == {"day": "friday", "token": "**********"}
    assert first["counts"] == {"succeeded": 2}
    assert first["about"]["stages"] == "main, train"
    assert second["reason"] == "stage `main`: `load` failed: ValueError: closed for **********"
    assert [run["run_id"] for run in glacier("ls", "--records", str(records), "--state", "failed")] == ["second"]
    assert glacier("ls", "other", "--records", str(records)) == []


def test_a_run_and_its_tasks(records: Path) -> None:
    run = glacier("show", "first", "--records", str(records))
    load, train = run["tasks"]
    assert (load["name"], train["name"]) == ("load", "train")
    assert load["metrics"] == {"nulls": 3}
    assert 0 <= load["started"] <= load["ended"] <= train["started"] <= train["ended"] <= run["seconds"]
    failed = glacier("show", "sales~1", "--records", str(records))
    assert [one["error"] for one in failed["tasks"][0]["attempts"]] == ["ValueError: closed for **********"] * 2
    shown = CliRunner().invoke(app, ["runs", "show", "first", "--records", str(records)]).stdout
    assert shown.startswith("sales: succeeded after ")
    both = glacier("diff", "third", "--records", str(records))
    assert (both["before"]["run_id"], both["after"]["run_id"]) == ("second", "third")


def test_no_secret_is_in_the_records(records: Path) -> None:
    files = [file for file in records.rglob("*") if file.is_file()]
    assert len(files) > 4
    assert [file for file in files if b"s3cr3t" in file.read_bytes()] == []


def test_names_that_are_none_are_refused(records: Path) -> None:
    with pytest.raises(InputError, match="there is no run `fourth`"):
        glacier("show", "fourth", "--records", str(records))
    with pytest.raises(InputError, match=r"no runs are recorded in `.*empty`"):
        glacier("show", "--records", str(records.parent / "empty"))
    with pytest.raises(InputError, match="Glacier knows no `ftp://`"):
        glacier("ls", "--records", "ftp://acme")


def document(run: str, began: datetime, state: str = "succeeded") -> dict[str, Any]:
    ended = None if state == "running" else (began + timedelta(seconds=2)).isoformat()
    return {
        "format": 1, "pipeline": "sales", "stage": "main", "run": run, "attempt": "a", "state": state, "reason": None,
        "glacier": "0.1.0", "started": began.isoformat(), "ended": ended, "seconds": 2.0, "inputs": [],
        "tasks": [], "earlier": [], "stages": ["main"],
    }  # fmt: skip


def test_each_store_is_read(cloud: Place) -> None:
    bucket = cloud.provider.bucket("nothing", path="./")
    records = Records(bucket, "team")
    ids = [f"20240517-10111{n}-000000-0000000{n}" for n in range(5)]
    for n, run in enumerate(ids):
        began = datetime(2024, 5, 17, 10, 11, n, tzinfo=UTC)
        records.write(f"sales/main/{run}/record.json", document(run, began, "running" if n == 4 else "succeeded"))
        records.put(f"sales/main/{run}/ends.json", b"{}")
        records.put(f"sales/main/{run}/values/a-1.bin", b"0")
    history = CloudHistory(records)
    assert [run.run_id for run in history.runs()] == ids[::-1]
    newest = history.run("last~1")
    assert (newest.run_id, newest.state, newest.seconds) == (ids[3], "succeeded", 2.0)
    before = history.before(newest)
    assert before
    assert before.run_id == ids[2]
    assert history.runs(Wanted(state="running"))[0].seconds > 0
    read: list[str] = []

    class Counting(Records):
        def read(self, name: str) -> dict[str, Any] | None:
            read.append(name)
            return super().read(name)

    assert [run.run_id for run in CloudHistory(Counting(bucket, "team")).runs(Wanted(most=2))] == ids[:2:-1]
    assert len(read) == 2
