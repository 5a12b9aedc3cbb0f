"""The job that starts others in Azure: the order of stages, the hour in a time zone. Against a server on loopback."""

import json
import subprocess
import sys
from collections.abc import Generator, Mapping
from datetime import UTC, datetime, timedelta

import pytest

from glacier.errors import InputError
from glacier.runtime.container_jobs import ContainerJobs, JobsError
from glacier.runtime.coordinator import due, main, stages_of
from glacier.schedules import schedule_of
from jobs_server import SECRET, Jobs, jobs_server


@pytest.fixture
def server() -> Generator[Jobs]:
    with jobs_server() as started:
        yield started


def run(server: Jobs, stages: Mapping[str, object], run_id: str = "run-7") -> tuple[int, str]:
    """Runs the coordinator as the process that a container starts; gives its exit code and what it said."""
    command = [sys.executable, "-m", "glacier.runtime.coordinator", "run", "--every", "0.01", "--stages"]
    environment = {**server.environment, "CONTAINER_APP_JOB_EXECUTION_NAME": run_id}
    done = subprocess.run(
        [*command, json.dumps(stages)], env=environment, check=False, capture_output=True, text=True, timeout=60
    )
    return done.returncode, done.stdout + done.stderr


def test_stages_run_in_order_each_told_the_run_and_all_that_its_job_has(server: Jobs) -> None:
    load, train, report = (server.add(name) for name in ("load", "train", "report"))
    code, said = run(
        server,
        {
            "report": {"job": report, "after": ["load", "train"]},
            "train": {"job": train, "after": ["load"]},
            "load": {"job": load, "after": []},
        },
    )
    assert code == 0, said
    assert server.happened == ["start load", "end load", "start train", "end train", "start report", "end report"]
    (execution,) = server.jobs[train].executions
    (container,) = execution["properties"]["template"]["containers"]
    assert container["image"] == "acme.azurecr.io/sales:1"
    assert container["resources"] == {"cpu": 1, "memory": "2Gi"}
    assert container["env"] == [{"name": "KEPT", "value": "train"}, {"name": "GLACIER_RUN_ID", "value": "run-7"}]
    assert SECRET not in said
    assert "a-token" not in said


def test_stages_that_wait_for_nothing_run_side_by_side(server: Jobs) -> None:
    left, right = server.add("left", looks=3), server.add("right", looks=3)
    code, said = run(server, {"left": {"job": left}, "right": {"job": right}})
    assert code == 0, said
    assert server.happened[:2] == ["start left", "start right"]


def test_after_a_failure_nothing_is_started_and_what_runs_is_waited_for(server: Jobs) -> None:
    bad, slow, late = server.add("bad", ends="Failed"), server.add("slow", looks=5), server.add("late")
    code, said = run(server, {"bad": {"job": bad}, "slow": {"job": slow}, "late": {"job": late, "after": ["bad"]}})
    assert code == 1
    assert server.happened == ["start bad", "start slow", "end bad", "end slow"]
    assert "stage bad failed: bad-1" in said
    assert "stage late was not started" in said


def test_a_coordinator_that_is_started_again_goes_on_with_what_runs(server: Jobs) -> None:
    load, train = server.add("load"), server.add("train")
    stages = {"load": {"job": load}, "train": {"job": train, "after": ["load"]}}
    jobs = ContainerJobs(server.environment, server.url)
    jobs.start(load, {"GLACIER_RUN_ID": "run-7"})
    code, said = run(server, stages)
    assert code == 0, said
    assert server.happened.count("start load") == 1
    assert "stage load was started before: load-1" in said
    assert run(server, stages, "run-8")[0] == 0
    assert server.happened.count("start load") == 2


def test_an_execution_that_is_not_named_is_found(server: Jobs) -> None:
    load = server.add("load", tells=False)
    server.add("other")
    code, said = run(server, {"load": {"job": load}})
    assert code == 0, said
    assert "stage load succeeded: load-1" in said


def test_a_busy_service_is_asked_again_and_a_start_that_may_have_begun_is_not(server: Jobs) -> None:
    waits: list[float] = []
    jobs = ContainerJobs(server.environment, server.url, waits.append)
    load = server.add("load", refuses=[429, 503])
    assert jobs.start(load) == "load-1"
    assert waits == [1, 2]
    broken = server.add("broken", refuses=[500])
    with pytest.raises(JobsError, match="500"):
        jobs.start(broken)
    assert server.jobs[broken].executions == []


def test_a_refusal_says_what_to_do(server: Jobs) -> None:
    server.add("load")
    code, said = run(server, {"load": {"job": "/subscriptions/s/resourceGroups/g/providers/Microsoft.App/jobs/other"}})
    assert code == 1
    assert "403" in said
    assert "Fix: let the identity of this job start that job" in said
    assert "a-token" not in said


def test_it_loads_no_frames_and_no_sdk() -> None:
    program = "import sys; import glacier.runtime.coordinator; print([*{'polars', 'obstore', 'rich'} & {*sys.modules}])"
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert done.stdout == "[]\n"


def test_outside_of_azure_it_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "--stages", '{"load": {"job": "/x"}}'], {}) == 1
    assert "there is no managed identity here" in capsys.readouterr().err


@pytest.mark.parametrize(("lasts", "tokens"), [(86_400, 1), (200, 3)])
def test_a_token_is_had_again_only_near_its_end(server: Jobs, lasts: float, tokens: int) -> None:
    server.lasts = lasts
    jobs = ContainerJobs(server.environment, server.url)
    load = server.add("load")
    for _ in range(3):
        jobs.start(load)
    assert server.tokens == tokens


@pytest.mark.parametrize(
    "text", ["", "[]", '{"a": {}}', '{"a": {"job": "/x", "after": ["b"]}}', '{"a": {"job": "/x", "after": ["a"]}}']
)
def test_stages_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(InputError):
        stages_of(text)


def test_a_schedule_starts_its_job_at_its_hour_in_summer_and_in_winter(server: Jobs) -> None:
    job = server.add("sales")
    command = ["start", "--job", job, "--schedule", "30 5 * * 1-5", "--timezone", "Europe/Oslo"]
    command += ["--started-by", "30 3,4 * * 1-5"]
    for month, hour, starts in ((7, 3, 1), (7, 4, 1), (12, 3, 1), (12, 4, 2)):
        now = datetime(2024, month, 2, hour, 34, tzinfo=UTC)  # some minutes late
        assert main(command, server.environment, now) == 0
        assert server.happened.count("start sales") == starts


def test_a_job_is_started_as_it_is_where_it_is_the_only_one(server: Jobs) -> None:
    job = server.add("sales")
    command = ["start", "--job", job, "--schedule", "0 0 * * *", "--timezone", "UTC", "--started-by", "0 0 * * *"]
    assert main(command, server.environment, datetime(2024, 7, 2, 0, 1, tzinfo=UTC)) == 0
    (execution,) = server.jobs[job].executions
    assert execution["properties"]["template"] == server.jobs[job].template


def test_a_start_that_no_schedule_made_starts_nothing(server: Jobs) -> None:
    job = server.add("sales")
    command = ["start", "--job", job, "--schedule", "0 6 * * *", "--timezone", "UTC", "--started-by", "0 6 * * *"]
    assert main(command, server.environment, datetime(2024, 7, 2, 18, 0, tzinfo=UTC)) == 0
    assert server.happened == []


def test_the_hour_that_comes_twice_has_one_run_and_the_hour_that_is_skipped_none() -> None:
    night, utc = schedule_of("30 2 * * *", "Europe/Oslo"), schedule_of("30 0,1 * * *")

    def runs(first: datetime) -> list[datetime]:
        starts = [first + timedelta(minutes=minute) for minute in range(1440)]
        return [moment for moment in starts if utc.has(moment) and due(night, utc, moment) is not None]

    assert runs(datetime(2024, 3, 31, tzinfo=UTC)) == []
    assert runs(datetime(2024, 10, 27, tzinfo=UTC)) == [datetime(2024, 10, 27, 0, 30, tzinfo=UTC)]
    assert runs(datetime(2024, 10, 28, tzinfo=UTC)) == [datetime(2024, 10, 28, 1, 30, tzinfo=UTC)]
