"""The history as Prometheus' own parser reads it."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families
from typer.testing import CliRunner

from glacier import context, observe, pipeline, task
from glacier.cli import app
from glacier.doing import Told
from glacier.errors import StorageError, TaskError
from glacier.execution.measures import Measures
from glacier.execution.record import Attempt, NodeRecord
from glacier.history.runs import RecordedRun, RecordedState
from glacier.report.prometheus import exposition

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


def samples(text: str) -> Samples:
    found: Samples = {}
    for family in text_string_to_metric_families(text):
        assert family.type == "gauge"
        assert family.documentation
        for sample in family.samples:
            key = (sample.name, frozenset(sample.labels.items()))
            assert key not in found
            found[key] = sample.value
    return found


def value(found: Samples, name: str, **labels: str) -> float:
    return found[name, frozenset(labels.items())]


def run_of(pipeline: str, state: RecordedState, day: int) -> RecordedRun:
    return RecordedRun(f"id-{day}", pipeline, "etl.py", state, datetime(2024, 5, day, tzinfo=UTC), 1.5, 1, {})


def test_runs_and_the_last_of_each_pipeline() -> None:
    runs = [
        run_of("etl", "running", 6),
        run_of("etl", "failed", 5),
        run_of("etl", "succeeded", 4),
        run_of("etl", "succeeded", 3),
        run_of("new", "running", 2),
        run_of("old", "killed", 1),
    ]
    found = samples(exposition(runs, {}))
    assert value(found, "glacier_runs", pipeline="etl", state="succeeded") == 2
    assert value(found, "glacier_runs", pipeline="etl", state="running") == 1
    assert value(found, "glacier_runs", pipeline="etl", state="killed") == 0
    assert value(found, "glacier_last_run_state", pipeline="etl", state="failed") == 1
    assert value(found, "glacier_last_run_state", pipeline="etl", state="succeeded") == 0
    assert value(found, "glacier_last_run_state", pipeline="old", state="killed") == 1
    began, day = datetime(2024, 5, 5, tzinfo=UTC).timestamp(), 86_400
    assert value(found, "glacier_last_run_start_timestamp_seconds", pipeline="etl") == began
    assert value(found, "glacier_last_run_duration_seconds", pipeline="etl") == 1.5
    assert value(found, "glacier_last_success_timestamp_seconds", pipeline="etl") == began - day + 1.5
    assert not [key for key in found if "last" in key[0] and ("pipeline", "new") in key[1]]
    assert not [key for key in found if "success" in key[0] and ("pipeline", "old") in key[1]]


def test_tasks_with_what_was_measured_of_them() -> None:
    measures = Measures(
        {"duration": 0.5, "cpu": 0.4, "memory": 4096, "rows_out": None, "bytes_in": 10},
        {"nulls": Told(3, "sum"), "share": Told(math.nan, "last"), "most": Told(math.inf, "max")},
    )
    tries = (Attempt(0.0, 0.1, "OSError: no"), Attempt(0.2, 0.3))
    nodes = [
        NodeRecord("load", "succeeded", 0.0, 0.5, 1_000, attempts=tries, measures=measures),
        NodeRecord(
            "looped",
            "failed",
            0.0,
            0.25,
            turns=10,
            attempts=(Attempt(0.0, 0.1, "no", (3,)), Attempt(0.1, 0.1, None, (3,))),
        ),
        NodeRecord("late", "skipped"),
    ]
    found = samples(exposition([], {"etl": nodes}))
    load = {"pipeline": "etl", "task": "load"}
    assert value(found, "glacier_task_state", **load, state="succeeded") == 1
    assert value(found, "glacier_task_duration_seconds", **load) == 0.5
    assert value(found, "glacier_task_tries", **load) == 2
    assert value(found, "glacier_task_tries", pipeline="etl", task="looped") == 11
    assert value(found, "glacier_task_rows", **load) == 1_000
    assert value(found, "glacier_task_cpu_seconds", **load) == 0.4
    assert value(found, "glacier_task_memory_bytes", **load) == 4096
    assert value(found, "glacier_task_bytes_in", **load) == 10
    assert not [key for key in found if key[0] == "glacier_task_rows_out"]
    assert value(found, "glacier_task_metric", **load, metric="nulls") == 3
    assert math.isnan(value(found, "glacier_task_metric", **load, metric="share"))
    assert value(found, "glacier_task_metric", **load, metric="most") == math.inf
    late = [key[0] for key in found if ("task", "late") in key[1]]
    assert late == ["glacier_task_state"]


@pytest.mark.parametrize("name", ['say "no"', "back\\slash", "two\nlines", "ends with \\", "売上", "{a=b}, c"])
def test_any_name_comes_back(name: str) -> None:
    found = samples(exposition([run_of(name, "succeeded", 1)], {name: [NodeRecord(name, "succeeded")]}))
    assert value(found, "glacier_runs", pipeline=name, state="succeeded") == 1
    assert value(found, "glacier_task_state", pipeline=name, task=name, state="succeeded") == 1


@pytest.mark.parametrize("number", [0.0, 1.0, -3.0, 1e-9, 2.0**60, 1.7e308, 0.1 + 0.2])
def test_numbers_come_back_exactly(number: float) -> None:
    node = NodeRecord("load", "succeeded", 0.0, number)
    found = samples(exposition([], {"etl": [node]}))
    assert value(found, "glacier_task_duration_seconds", pipeline="etl", task="load") == number


@task
@observe(metrics=["rows_out"])
def load(fail: bool) -> int:
    context().metric("nulls", 2)
    if fail:
        raise ValueError("no good")
    return 1


@pipeline
def sales(day: date, fail: bool = False) -> int:
    return load(fail)


def test_the_command(in_tmp: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GLACIER_HOME", str(in_tmp / "kept"))
    assert CliRunner().invoke(app, ["runs", "export"]).stdout == ""
    sales.run(inputs={"day": date(2024, 5, 17)})
    with pytest.raises(TaskError):
        sales.run(inputs={"day": date(2024, 5, 18), "fail": True})
    found = samples(CliRunner().invoke(app, ["runs", "export"]).stdout)
    assert value(found, "glacier_last_run_state", pipeline="sales", state="failed") == 1
    assert value(found, "glacier_task_state", pipeline="sales", task="load", state="failed") == 1
    assert value(found, "glacier_task_metric", pipeline="sales", task="load", metric="nulls") == 2
    assert CliRunner().invoke(app, ["runs", "export", "-o", "sales.prom"]).exit_code == 0
    assert samples(Path("sales.prom").read_text("utf-8")) == found
    failed = CliRunner().invoke(app, ["runs", "export", "-o", "missing/sales.prom"])
    assert isinstance(failed.exception, StorageError)
    assert sorted(file.name for file in in_tmp.iterdir()) == ["kept", "sales.prom"]
