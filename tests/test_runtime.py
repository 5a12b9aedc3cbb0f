"""The process of a stage, run as a cloud runs it: child processes, stage by stage, over each object store."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import tarfile
import textwrap
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from glacier.deployment.commands import records_uri, stage_command, stage_environment
from glacier.deployment.packaging import image_of
from glacier.deployment.reading import deployment_of
from glacier.loading import load_pipeline
from glacier.providers import LocalProvider
from glacier.providers.portable import settings_of
from glacier.runtime import lease
from glacier.runtime.records import Records, records_at
from stores import CLOUDS, SECRETS, Place, local, place_of

SALES = """
    import logging
    from dataclasses import dataclass

    import polars as pl
    from glacier import Bucket, pipeline, task
    from glacier.config import Compute
    from glacier.providers import LocalProvider

    provider = LocalProvider("data")
    raw = provider.bucket("raw", path="sales.parquet")
    out = provider.bucket("out", path="./")
    BIG = Compute(cpu=4, memory=16_384, name="big")

    @dataclass(frozen=True)
    class Model:
        store: str
        factor: float

    @task
    def load(source: Bucket) -> pl.LazyFrame:
        return source.scan()

    @task
    def stores(sales: pl.LazyFrame, least: int) -> list[str]:
        counted = sales.group_by("store").len().filter(pl.col("len") >= least).collect()
        logging.getLogger("mine").warning("%d stores", counted.height)
        return sorted(counted["store"])

    @task
    def enough(found: list[str]) -> bool:
        return len(found) > 1

    @task(compute=BIG)
    def fit(sales: pl.LazyFrame, store: str) -> Model:
        total = sales.filter(pl.col("store") == store).select(pl.col("amount").sum()).collect().item()
        return Model(store, total / 2)

    @task
    def scored(sales: pl.LazyFrame, models: list[Model]) -> pl.LazyFrame:
        factors = pl.LazyFrame({"store": [m.store for m in models], "factor": [m.factor for m in models]})
        return sales.join(factors, on="store").group_by("store").agg((pl.col("amount") * pl.col("factor")).sum())

    @task
    def nothing(found: list[str]) -> pl.LazyFrame:
        return pl.LazyFrame({"store": found, "amount": [0.0] * len(found)})

    @pipeline
    def sales_by_store(least: int = 2) -> None:
        sales = load(raw)
        found = stores(sales, least)
        if enough(found):
            models = []
            for store in found:
                models.append(fit(sales, store))
            result = scored(sales, models)
        else:
            result = nothing(found)
        out.at("by_store.parquet").write(result)
"""
SOLD = pl.DataFrame({"store": ["a", "a", "b", "b", "c"], "amount": [1.0, 2.0, 3.0, 5.0, 8.0]})


@dataclass
class Cloud:
    """A pipeline's project on disk, and the place where it runs."""

    folder: Path
    place: Place
    entry: str
    environment: dict[str, str] = field(default_factory=dict[str, str])
    arguments: list[str] = field(default_factory=list[str])

    @property
    def records(self) -> Any:
        return self.place.provider.bucket("nothing", path="./")

    def command(self, stage: str) -> list[str]:
        uri = self.records.uri.rstrip("/")
        own = [sys.executable, "-m", "glacier.runtime", self.entry, "--stage", stage, "--records", uri]
        return own + self.arguments

    def start(self, stage: str, run: str = "r1", **environment: str) -> subprocess.Popen[str]:
        told = {
            **os.environ,
            "GLACIER_PROVIDER": json.dumps(settings_of(self.place.provider)),
            "GLACIER_REBINDS": "1",
            "GLACIER_RUN_ID": run,
            "GLACIER_TIMEOUT": "60",
            **self.environment,
            **environment,
        }
        return subprocess.Popen(
            self.command(stage), cwd=self.folder, env=told, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )

    def run(self, stage: str, run: str = "r1", *, code: int = 0, **environment: str) -> str:
        """Runs a stage to its end, and gives what it printed."""
        process = self.start(stage, run, **environment)
        out, err = process.communicate(timeout=90)
        assert process.returncode == code, out + err
        return out + err

    def document(self, path: str) -> dict[str, Any]:
        found = self.records.store.small("nothing", path)
        assert found is not None, self.place.keys(self.records)
        document: dict[str, Any] = json.loads(found.content)
        return document

    def record(self, pipeline: str, stage: str, run: str = "r1") -> dict[str, Any]:
        return self.document(f"{pipeline}/{stage}/{run}/record.json")


def project(folder: Path, text: str, place: Place | None = None, name: str = "etl", *inputs: str) -> Cloud:
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.py").write_text(textwrap.dedent(text))
    at = place or local(LocalProvider(folder / "data"))
    return Cloud(folder, at, name, arguments=[word for text in inputs for word in ("--input", text)])


@pytest.mark.parametrize("kind", ["local", *CLOUDS])
def test_stages_run_one_after_another_over_each_store(kind: str, tmp_path: Path) -> None:
    cloud = project(tmp_path, SALES, place_of(kind, tmp_path))
    cloud.place.provider.bucket("raw", path="sales.parquet").write(SOLD)
    for stage in ("main", "big", "scored"):
        cloud.run(stage)
    made = cloud.place.provider.bucket("out", path="by_store.parquet").read().sort("store")
    assert made.rows() == [("a", 4.5), ("b", 32.0)]
    states = {task["name"]: task["state"] for stage in ("main", "big", "scored")
              for task in cloud.record("sales-by-store", stage)["tasks"]}  # fmt: skip
    assert states == {
        "load": "succeeded", "stores": "succeeded", "enough": "succeeded", "fit": "succeeded", "nothing": "skipped",
        "scored": "succeeded", "out.write": "succeeded",
    }  # fmt: skip
    assert cloud.document("sales-by-store/lease")["run"] is None


def until_logged(process: subprocess.Popen[str], text: str) -> None:
    """Reads what a stage prints until it says so."""
    assert process.stdout is not None
    read: list[str] = []
    for line in process.stdout:
        read.append(line)
        if text in line:
            return
    raise AssertionError("".join(read) + process.stderr.read() if process.stderr else "")


HEAD = """
    import os, time
    from pathlib import Path
    import polars as pl
    from glacier import pipeline, task
    from glacier.config import Compute, DeployConfig

    BIG = Compute(cpu=4, memory=16_384, name="big")

    @task
    def number(n: int) -> int:
        return n

    @task(compute=BIG)
    def double(n: int) -> int:
        return 2 * n
"""
CHAIN = """
    @pipeline
    def chain(n: int = 3) -> int:
        return double(number(n))
"""
SLOW = """
    @task
    def slow(n: int) -> int:
        print("slow runs", flush=True)
        time.sleep(120)
        return n

    @pipeline
    def chain() -> int:
        return slow(number(3))
"""


def test_a_pipeline_of_one_stage_is_a_run_with_a_record(tmp_path: Path) -> None:
    cloud = project(tmp_path, HEAD + """
    @pipeline
    def one(n: int) -> int:
        return number(n)
    """, None, "etl", "n=4")  # fmt: skip
    cloud.run("main")
    record = cloud.record("one", "main")
    assert {key: record[key] for key in ("state", "reason", "run", "stage", "pipeline", "inputs", "earlier")} == {
        "state": "succeeded", "reason": None, "run": "r1", "stage": "main", "pipeline": "one", "inputs": ["n=4"],
        "earlier": [],
    }  # fmt: skip
    assert [(task["name"], task["state"]) for task in record["tasks"]] == [("number", "succeeded")]
    assert record["started"] < record["ended"]
    files = [key for key in cloud.place.keys(cloud.records) if key.startswith("one/main/")]
    assert files == ["one/main/r1", "one/main/r1/ends.json", "one/main/r1/record.json"]


def test_a_failed_stage_is_told_and_stops_those_after_it(tmp_path: Path) -> None:
    cloud = project(tmp_path, HEAD + """
    @task
    def fails(n: int) -> int:
        if not Path("mended").exists():
            raise ValueError(f"no {n}")
        return n

    @pipeline
    def chain() -> int:
        return double(fails(number(3)))
    """)  # fmt: skip
    printed = cloud.run("main", code=1)
    assert "ERROR run=r1 stage=main task=fails failed: ValueError: no 3" in printed
    assert "TaskError: task `fails` of pipeline `chain` failed: ValueError: no 3" in printed
    assert "at etl.py:" in printed
    record = cloud.record("chain", "main")
    assert (record["state"], record["reason"]) == ("failed", "`fails` failed: ValueError: no 3")
    assert {task["name"]: task["state"] for task in record["tasks"]} == {"number": "succeeded", "fails": "failed"}
    assert "stage `main` of run `r1` failed" in cloud.run("big", code=2)

    (tmp_path / "mended").touch()  # and its cloud starts it again
    cloud.run("main")
    record = cloud.record("chain", "main")
    assert record["state"] == "succeeded"
    assert [attempt["state"] for attempt in record["earlier"]] == ["failed"]
    cloud.run("big")
    assert [attempt["state"] for attempt in cloud.record("chain", "big")["earlier"]] == ["failed"]


def test_a_stage_whose_upstream_has_not_ended_is_refused(tmp_path: Path) -> None:
    cloud = project(tmp_path, HEAD + CHAIN)
    printed = cloud.run("big", code=2)
    assert "stage `main` of run `r1` has not ended" in printed
    assert "Fix: run stage `main` first, with the same GLACIER_RUN_ID" in printed


def test_a_stage_done_again_replaces_what_it_handed_on(tmp_path: Path) -> None:
    cloud = project(tmp_path, SALES)
    raw = cloud.place.provider.bucket("raw", path="sales.parquet")
    raw.write(SOLD)
    cloud.run("main")
    first = cloud.document("sales-by-store/main/r1/ends.json")
    raw.write(pl.concat([SOLD, SOLD.with_columns(store=pl.lit("d"))]))
    cloud.run("main")
    second = cloud.document("sales-by-store/main/r1/ends.json")
    names = [{end["value"]["$lazyframe"] for end in ends["ends"].values() if "$lazyframe" in str(end.get("value"))}
             for ends in (first, second)]  # fmt: skip
    assert not names[0] & names[1]  # a stage that reads the first would not find it half replaced
    assert second["ends"]["1"]["value"] == ["a", "b", "d"]


def test_a_stage_that_ran_other_code_or_inputs_is_refused(tmp_path: Path) -> None:
    cloud = project(tmp_path, HEAD + CHAIN)
    cloud.run("main")
    (tmp_path / "etl.py").write_text(
        textwrap.dedent((HEAD + CHAIN).replace("def number", "def value").replace("double(number", "double(value"))
    )
    printed = cloud.run("big", code=2)
    assert (
        "stage `main` of run `r1` ran another version of pipeline `chain`: it had `number` where this has `value`"
        in printed
    )
    (tmp_path / "etl.py").write_text(textwrap.dedent(HEAD + CHAIN))
    cloud.arguments = ["--input", "n=4"]
    assert "it was given the inputs none, and this `n=4`" in cloud.run("big", code=2)


def test_a_value_without_a_form_as_data_is_refused_at_its_task(tmp_path: Path) -> None:
    cloud = project(tmp_path, HEAD + """
    class Model:
        pass

    @task
    def fit() -> dict[str, list[Model]]:
        return {"models": [Model()]}

    @task(compute=BIG)
    def use(models: dict[str, list[Model]]) -> int:
        return len(models)

    @pipeline
    def chain() -> int:
        return use(fit())
    """)  # fmt: skip
    printed = cloud.run("main", code=1)
    lines = (tmp_path / "etl.py").read_text().splitlines()
    assert (
        "GraphError: what `fit` returned cannot be handed on to stage `big`: "
        'a Model has no form as data (at ["models"][0])\n'
        f"  at etl.py:{lines.index('def fit() -> dict[str, list[Model]]:') + 1}"
    ) in printed
    assert cloud.record("chain", "main")["state"] == "failed"


def test_a_plan_that_fails_when_it_is_handed_on_is_its_tasks_failure(tmp_path: Path) -> None:
    cloud = project(tmp_path, HEAD + """
    @task
    def plan(n: int) -> pl.LazyFrame:
        return pl.LazyFrame({"a": ["x"]}).select(pl.col("a").str.to_integer())

    @task
    def good(n: int) -> pl.LazyFrame:
        return pl.LazyFrame({"a": [n]})

    @task(compute=BIG)
    def use(one: pl.LazyFrame, other: pl.LazyFrame) -> int:
        return 1

    @pipeline
    def chain() -> int:
        return use(good(1), plan(1))
    """)  # fmt: skip
    printed = cloud.run("main", code=1)
    assert "TaskError: task `plan` of pipeline `chain` failed: ComputeError" in printed
    assert "at etl.py:" in printed


def test_a_check_that_closes_leaves_the_last_stage_without_a_result(tmp_path: Path) -> None:
    cloud = project(tmp_path, HEAD + """
    @task
    def good(n: int) -> bool:
        return n > 10

    @pipeline
    def chain(n: int = 3) -> int:
        value = number(n)
        return double.after(good(value))(value)
    """)  # fmt: skip
    cloud.run("main")
    printed = cloud.run("big", code=1)
    assert "pipeline `chain` has no result: `double` was skipped because `good` returned False" in printed
    assert cloud.record("chain", "big")["tasks"][0]["reason"] == "`good` returned False"


def test_a_result_skipped_in_an_early_stage_is_told_by_the_last(tmp_path: Path) -> None:
    cloud = project(tmp_path, HEAD + """
    @task
    def good(n: int) -> bool:
        return n > 10

    @pipeline
    def chain() -> list[int]:
        value = number(3)
        other = double(value)
        ok = good(value)
        return [number.after(ok)(value), double(other)]
    """)  # fmt: skip
    assert "has no result" not in cloud.run("main")
    assert "pipeline `chain` has no result" in cloud.run("big", code=1)


def test_sigterm_ends_a_stage_as_cancelled_and_lets_others_start(tmp_path: Path) -> None:
    cloud = project(tmp_path, HEAD + SLOW)
    process = cloud.start("main")
    until_logged(process, "slow runs")
    began = time.monotonic()
    process.terminate()
    out, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (1, "")
    assert time.monotonic() - began < 5
    assert "it was ended by SIGTERM" in out
    record = cloud.record("chain", "main")
    assert (record["state"], record["reason"]) == ("cancelled", "it was ended by SIGTERM")
    assert {task["name"]: task["state"] for task in record["tasks"]} == {"number": "succeeded", "slow": "cancelled"}
    assert cloud.document("chain/main/r1/ends.json")["state"] == "cancelled"
    assert cloud.document("chain/lease")["run"] is None


def test_sigterm_is_heard_while_a_plan_is_computed_to_be_handed_on(tmp_path: Path) -> None:
    cloud = project(tmp_path, HEAD + """
    def slowly(frame: pl.DataFrame) -> pl.DataFrame:
        print("the plan runs", flush=True)
        time.sleep(120)
        return frame

    @task
    def plan() -> pl.LazyFrame:
        return pl.LazyFrame({"a": [1]}).map_batches(slowly)

    @task(compute=BIG)
    def use(frame: pl.LazyFrame) -> int:
        return 1

    @pipeline
    def chain() -> int:
        return use(plan())
    """)  # fmt: skip
    process = cloud.start("main")
    until_logged(process, "the plan runs")
    process.terminate()
    process.communicate(timeout=20)
    assert process.returncode == 1
    assert cloud.record("chain", "main")["state"] == "cancelled"
    assert cloud.document("chain/main/r1/ends.json")["ends"] == {}
    assert cloud.document("chain/lease")["run"] is None


def test_a_time_limit_ends_a_stage_and_says_so(tmp_path: Path) -> None:
    cloud = project(tmp_path, HEAD + SLOW)
    printed = cloud.run("main", code=1, GLACIER_TIMEOUT="4")
    assert "it took longer than its time limit of 4 seconds" in printed
    record = cloud.record("chain", "main")
    assert (record["state"], record["reason"]) == ("failed", "it took longer than its time limit of 4 seconds")
    assert cloud.document("chain/lease")["run"] is None


def test_a_process_that_does_not_hear_its_time_limit_is_ended_all_the_same(tmp_path: Path) -> None:
    deaf = "import signal, time\nsignal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGALRM])\ntime.sleep(120)\n"
    cloud = project(tmp_path, deaf)
    impatient = "import sys, os, glacier.runtime.ending as e, glacier.runtime.process as p; e._PATIENCE = 0.5; "
    program = [sys.executable, "-c", impatient + "sys.exit(p.main(sys.argv[1:], os.environ))"]
    done = subprocess.run(
        [*program, *cloud.command("main")[3:]], cwd=tmp_path, env={**os.environ, "GLACIER_TIMEOUT": "1"},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert "it took longer than its time limit of 1 seconds, and could not be ended in order" in done.stdout


def test_a_stage_whose_records_cannot_be_written_fails(tmp_path: Path) -> None:
    cloud = project(tmp_path, HEAD + CHAIN)
    records = tmp_path / "data" / "nothing"
    records.parent.mkdir()
    records.touch()  # a file where the folder is to be
    printed = cloud.run("main", code=2)
    assert "that could not be recorded:" in printed


def test_a_killed_run_holds_others_off_and_goes_on_under_its_own_id(tmp_path: Path) -> None:
    cloud = project(tmp_path, HEAD + SLOW.replace("time.sleep(120)", "Path('done').exists() or time.sleep(120)"))
    process = cloud.start("main")
    until_logged(process, "slow runs")
    process.kill()
    process.communicate(timeout=30)
    assert cloud.record("chain", "main")["state"] == "running"
    assert cloud.records.store.small("nothing", "chain/main/r1/ends.json") is None  # it is there only when whole
    assert "not run: run `r1` is under way" in cloud.run("main", "r2")
    assert cloud.record("chain", "main", "r2")["state"] == "skipped"
    (tmp_path / "done").touch()
    cloud.run("main", "r3", GLACIER_OVERLAP="1")
    cloud.run("main")
    record = cloud.record("chain", "main")
    assert (record["state"], [one["state"] for one in record["earlier"]]) == ("succeeded", ["running"])
    cloud.run("main", "r4")


def test_a_skipped_run_is_skipped_in_every_stage(tmp_path: Path) -> None:
    cloud = project(tmp_path, HEAD + CHAIN)
    cloud.run("main")  # and the run goes on with `big`
    assert "not run: run `r1` is under way" in cloud.run("main", "r2")
    cloud.run("big")
    assert "not run: run `r1` is under way" in cloud.run("big", "r2")
    assert cloud.record("chain", "big", "r2")["state"] == "skipped"
    assert cloud.document("chain/lease")["run"] is None


def test_a_run_that_lost_its_lease_does_not_end_well(tmp_path: Path) -> None:
    cloud = project(tmp_path, HEAD + CHAIN)
    cloud.run("main")
    records = records_at(cloud.records.uri, None).below("chain")
    held = lease.take(records, "r9", "main", 60, clock=lambda: time.time() + 100_000)  # as if much later
    assert held is None
    printed = cloud.run("big", code=2)
    assert "run `r1` cannot go on: run `r9` is under way" in printed


def test_a_failed_stage_that_is_started_again_keeps_the_lease(tmp_path: Path) -> None:
    text = (
        HEAD
        + """
    @task
    def fails(n: int) -> int:
        if not Path("mended").exists():
            raise ValueError
        return n

    @pipeline(deploy=DeployConfig(retries=1))
    def chain() -> int:
        return fails(number(3))
    """
    )
    cloud = project(tmp_path, text)
    cloud.run("main", code=1)
    assert "not run: run `r1` is under way" in cloud.run("main", "r2")
    cloud.run("main", code=1)
    assert cloud.document("chain/lease")["run"] is None  # it is not started a third time
    (tmp_path / "mended").touch()
    cloud.run("main", "r2")


@pytest.mark.parametrize("kind", ["local", *CLOUDS])
def test_of_many_runs_one_takes_the_lease(kind: str, tmp_path: Path) -> None:
    place = place_of(kind, tmp_path)
    records = Records(place.provider.bucket("nothing", path="./"), "sales")

    def take(name: str) -> lease.Lease | None:
        return lease.take(records, name, "main", 60)

    with ThreadPoolExecutor(8) as pool:
        for round_ in range(5):
            names = [f"{round_}-{number}" for number in range(8)]
            held = list(pool.map(take, names))
            won = [name for name, other in zip(names, held, strict=True) if other is None]
            assert len(won) == 1
            assert {other.run for other in held if other} == set(won)
            lease.leave(records, won[0], "main", "ended", ["main"])


def test_a_lease_holds_as_long_as_a_run_may_take(tmp_path: Path) -> None:
    records = records_at(str(tmp_path), None)
    now = 1000.0
    assert lease.take(records, "r1", "a", 100, lambda: now) is None
    assert lease.take(records, "r1", "b", 100, lambda: now) is None
    held = lease.take(records, "r2", "a", 100, lambda: now + 159)
    assert held is not None
    assert (held.run, held.until, held.stages) == ("r1", 1160, {"a": "running", "b": "running"})
    lease.leave(records, "r1", "a", "failed", ["a", "b"], lambda: now)
    assert lease.take(records, "r2", "a", 100, lambda: now) is not None  # `b` goes on
    lease.leave(records, "r1", "b", "ended", ["a", "b"], lambda: now)
    assert lease.take(records, "r2", "a", 100, lambda: now) is None
    assert lease.take(records, "r3", "a", 100, lambda: now + 161) is None  # r2 is gone without a word
    lease.leave(records, "r2", "a", "ended", ["a"], lambda: now + 162)
    assert lease.take(records, "r4", "a", 100, lambda: now + 163) is not None  # r2 had nothing left to give up


def test_logs_as_json_have_run_stage_and_task(tmp_path: Path) -> None:
    cloud = project(tmp_path, SALES)
    cloud.place.provider.bucket("raw", path="sales.parquet").write(SOLD)
    lines = [json.loads(line) for line in cloud.run("main", GLACIER_LOG="json").splitlines()]
    assert all({"time", "severity", "message", "run", "stage", "task", "logger"} == line.keys() for line in lines)
    assert {line["run"] for line in lines} == {"r1"}
    own = next(line for line in lines if line["logger"] == "mine")
    assert (own["severity"], own["message"], own["task"], own["stage"]) == ("WARNING", "2 stores", "stores", "main")


def test_secrets_of_the_environment_are_in_no_record_and_no_log(tmp_path: Path) -> None:
    cloud = project(tmp_path, HEAD + """
    @task
    def fails() -> int:
        raise ValueError("cannot log in with " + os.environ["WAREHOUSE_PASSWORD"])

    @pipeline
    def chain() -> int:
        return fails()
    """)  # fmt: skip
    printed = cloud.run("main", code=1, WAREHOUSE_PASSWORD="correct-horse-battery")
    assert "cannot log in with ***" in printed
    written = b"".join(path.read_bytes() for path in (tmp_path / "data").rglob("*") if path.is_file())
    assert b"cannot log in with ***" in written
    assert b"correct-horse" not in written + printed.encode()


@pytest.mark.parametrize(
    ("stage", "environment", "arguments", "said"),
    [
        ("nain", {}, [], "pipeline `chain` has no stage `nain`"),
        ("main", {}, ["--input", "n=x"], "input `n` of pipeline `chain` is int, but got 'x'"),
        ("main", {"GLACIER_TIMEOUT": "soon"}, [], "GLACIER_TIMEOUT is 'soon'; it takes seconds, more than 0"),
        ("main", {"GLACIER_LOG": "xml"}, [], "GLACIER_LOG is 'xml'; it takes `text` or `json`"),
        ("main", {"GLACIER_RUN_ID": "a/b"}, [], "GLACIER_RUN_ID is 'a/b', which cannot be a part of a path"),
        ("main", {"GLACIER_PROVIDER": "aws"}, [], "GLACIER_PROVIDER is no JSON object"),
        ("main", {"GLACIER_PROVIDER": '{"cloud": "moon"}'}, [], "settings of a provider name no cloud"),
        ("main", {}, ["--records", "s3://runs"], "is `s3://runs`, and GLACIER_PROVIDER describes a LocalProvider"),
        ("main", {}, ["--records", "ftp://acme"], "Glacier knows no `ftp://`"),
        ("big", {"GLACIER_RUN_ID": ""}, [], "stage `big` goes on with what `main` left, and GLACIER_RUN_ID is not set"),
        ("main", {}, ["--stages", "2"], "unrecognized arguments: --stages 2"),
    ],
)  # fmt: skip
def test_misuse_exits_with_2(
    stage: str, environment: dict[str, str], arguments: list[str], said: str, tmp_path: Path
) -> None:
    cloud = project(tmp_path, HEAD + CHAIN)
    cloud.arguments = arguments
    assert said in cloud.run(stage, code=2, **environment)


def test_a_module_that_cannot_be_loaded_is_told(tmp_path: Path) -> None:
    cloud = project(tmp_path, "import nothing_of_this_name")
    assert "ModuleNotFoundError: No module named 'nothing_of_this_name'" in cloud.run("main", code=2)
    cloud.entry = "nowhere:chain"
    assert "there is no module `nowhere`" in cloud.run("main", code=2)


def test_an_execution_that_a_cloud_starts_again_is_the_same_run(tmp_path: Path) -> None:
    cloud = project(tmp_path, HEAD + CHAIN)
    cloud.run("main", "", CLOUD_RUN_EXECUTION="chain-main-x7k2p")
    assert cloud.record("chain", "main", "chain-main-x7k2p")["state"] == "succeeded"


@pytest.mark.parametrize("kind", CLOUDS)
def test_what_is_generated_runs_from_the_image_with_nothing_else(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The image's files, the command and the environment of each job are those that `generate` writes."""
    place = place_of(kind, tmp_path)
    project(tmp_path, SALES, place, f"sales_{kind}")
    monkeypatch.syspath_prepend(str(tmp_path))
    pipeline = load_pipeline(str(tmp_path / f"sales_{kind}.py"))
    source = pipeline.source(("least=2",))
    source = replace(source, options=replace(source.options, records="nothing"))
    deployed = deployment_of(pipeline.plan(), source, tmp_path / "terraform", place.provider)
    (packed,) = (asset.content for asset in image_of(deployed).assets if asset.path.endswith("project.tar"))
    with tarfile.open(fileobj=io.BytesIO(packed)) as files:
        filtered: Any = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}  # Python has it from 3.11.4 on
        files.extractall(tmp_path / "app", **filtered)

    place.provider.bucket("raw", path="sales.parquet").write(SOLD)
    given = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "GLACIER_RUN_ID": "r1", **SECRETS}
    for stage in deployed.stages:
        _, *command = stage_command(deployed, stage, records_uri(deployed))
        done = subprocess.run(
            [sys.executable, *command], cwd=tmp_path / "app", env={**given, **stage_environment(deployed, stage)},
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
    assert [stage.name for stage in deployed.stages] == ["main", "big", "scored"]
    made = place.provider.bucket("out", path="by_store.parquet").read().sort("store")
    assert made.rows() == [("a", 4.5), ("b", 32.0)]


CHOSEN = """
    import json
    import os

    from glacier import pipeline
    from glacier.providers import GCPProvider, LocalProvider
    from glacier.providers.portable import provider_from

    chosen = os.environ.get("CHOSEN")
    provider = provider_from(json.loads(chosen)) if chosen else OTHERWISE

    @pipeline
    def copied() -> None:
        provider.bucket("out", path="copied.parquet").write(provider.bucket("raw", path="sales.parquet").scan())
"""


@pytest.mark.parametrize("otherwise", ["LocalProvider('data')", "GCPProvider(project_id='acme-data')"])
def test_a_provider_that_a_variable_chose_is_not_another_one_in_the_container(
    otherwise: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = place_of("s3", tmp_path)
    project(tmp_path, CHOSEN.replace("OTHERWISE", otherwise), place, name := f"copied_{otherwise[:3].lower()}")
    monkeypatch.setenv("CHOSEN", json.dumps(settings_of(place.provider)))
    pipeline = load_pipeline(str(tmp_path / f"{name}.py"))
    source = pipeline.source(())
    source = replace(source, options=replace(source.options, records="nothing"))
    deployed = deployment_of(pipeline.plan(), source, tmp_path / "terraform")
    (stage,) = deployed.stages
    place.provider.bucket("raw", path="sales.parquet").write(SOLD)
    _, *command = stage_command(deployed, stage, records_uri(deployed))
    monkeypatch.delenv("CHOSEN")
    given = {**os.environ, **SECRETS, **stage_environment(deployed, stage)}
    done = subprocess.run(
        [sys.executable, *command], cwd=tmp_path, env=given, capture_output=True, text=True, check=False
    )
    out = place.provider.bucket("out", path="copied.parquet")
    if otherwise.startswith("Local"):
        assert done.returncode == 0, done.stdout + done.stderr
        assert out.read().equals(SOLD)
    else:
        assert done.returncode == 2, done.stdout + done.stderr
        assert (
            "UnsupportedError: pipeline `copied` was deployed to AWSProvider, but here its code declares "
            "`raw/sales.parquet` on GCPProvider"
        ) in done.stdout
        assert not out.exists()
    assert not (tmp_path / "data").exists()
