"""`python -m glacier.runtime.coordinator`: starts jobs of Azure Container Apps that no trigger starts as is needed.

`run` starts the stages of a pipeline in order and waits for each, as an orchestrator does on the other clouds. `start`
starts one job if its schedule, in a time zone, says that it is time: Container Apps know cron in UTC only.
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, cast

from glacier.deployment.commands import RUN_ID
from glacier.errors import GlacierError, InputError
from glacier.runtime.container_jobs import MANAGEMENT, ContainerJobs, JobsError
from glacier.schedules import Schedule, schedule_of

_EXECUTION = "CONTAINER_APP_JOB_EXECUTION_NAME"
_ADDRESS = "GLACIER_AZURE_MANAGEMENT"
"""Where Azure Resource Manager is, for a test or a national cloud."""
_EVERY = 10.0
"""Seconds between two looks at what runs."""
_FAR_BACK = timedelta(hours=6)
"""How far back a start is looked for that this process may be of."""
_UNSEEN = 30
"""Looks at the list of executions until one that was started must be in it."""


@dataclass(frozen=True)
class Step:
    """A stage.

    Attributes:
        job: the id of its job in Azure Resource Manager.
        after: the stages that must have ended well before.
    """

    job: str
    after: tuple[str, ...] = ()


@dataclass
class Coordinator:
    """One run of the stages of a pipeline.

    Attributes:
        jobs: that are started.
        stages: by their names.
        run_id: the same when this process is started again, which then goes on where the one before it was.
        every: seconds between two looks at what runs.
        say: takes what happens, a line at a time.
    """

    jobs: ContainerJobs
    stages: Mapping[str, Step]
    run_id: str
    every: float = _EVERY
    say: Callable[[str], None] = print
    running: dict[str, str | None] = field(default_factory=dict[str, str | None])
    ended: set[str] = field(default_factory=set[str])
    failed: set[str] = field(default_factory=set[str])
    _unseen: dict[str, int] = field(default_factory=dict[str, int])

    def run(self) -> bool:
        """Runs the stages, those side by side that wait for nothing; tells whether all ended well.

        When one has failed no more are started, and those that run are waited for.

        Raises:
            JobsError: Azure refuses.
        """
        self.say(f"run {self.run_id}: {len(self.stages)} stages")
        while True:
            if not self.failed:
                self._start_what_can()
            if not self.running:
                break
            time.sleep(self.every)
            for stage in list(self.running):
                self._look(stage)
        for stage in sorted(set(self.stages) - self.ended - self.failed):
            self.say(f"stage {stage} was not started")
        return not self.failed

    def _start_what_can(self) -> None:
        for stage, step in self.stages.items():
            begun = stage in self.running or stage in self.ended or stage in self.failed
            if begun or not self.ended.issuperset(step.after):
                continue
            known = self.jobs.found(step.job, RUN_ID, self.run_id)
            if known is not None:  # this process was started again
                self.running[stage] = known
                self.say(f"stage {stage} was started before: {known}")
                continue
            self.running[stage] = self.jobs.start(step.job, {RUN_ID: self.run_id})
            self.say(f"stage {stage} was started: {self.running[stage] or 'its execution is not known yet'}")

    def _look(self, stage: str) -> None:
        step, execution = self.stages[stage], self.running[stage]
        if execution is None:
            execution = self.running[stage] = self.jobs.found(step.job, RUN_ID, self.run_id)
            self._unseen[stage] = self._unseen.get(stage, 0) + 1
            if execution is None:
                if self._unseen[stage] < _UNSEEN:
                    return
                raise JobsError(f"stage {stage} was started, and Azure shows no execution of {step.job}")
        way = self.jobs.way(step.job, execution)
        if way == "running":
            return
        del self.running[stage]
        (self.ended if way == "succeeded" else self.failed).add(stage)
        self.say(f"stage {stage} {way}: {execution}")


def due(schedule: Schedule, started_by: Schedule, now: datetime) -> datetime | None:
    """Gives the moment, in UTC, for which a process was started, if the schedule has it; None if it does not.

    Args:
        schedule: in its time zone.
        started_by: in UTC: what started the process. The last moment that it has is what it was started for.
        now: with a time zone.

    >>> oslo, utc = schedule_of("30 5 * * *", "Europe/Oslo"), schedule_of("30 3,4 * * *")
    >>> [due(oslo, utc, datetime(2024, 7, 1, hour, 31, tzinfo=UTC)) is not None for hour in (3, 4)]
    [True, False]
    """
    moment = now.astimezone(UTC).replace(second=0, microsecond=0)
    oldest = moment - _FAR_BACK
    while not started_by.has(moment):
        moment -= timedelta(minutes=1)
        if moment < oldest:
            return None
    return moment if schedule.has(moment) else None


def main(arguments: Sequence[str], environment: Mapping[str, str], now: datetime | None = None) -> int:
    """Does what a command line says; gives the exit code."""
    given = _parser().parse_args(arguments)
    jobs = ContainerJobs(environment, environment.get(_ADDRESS, MANAGEMENT).rstrip("/"))
    try:
        if given.command == "run":
            run_id = environment.get(RUN_ID) or environment.get(_EXECUTION) or _new_id()
            return 0 if Coordinator(jobs, stages_of(given.stages), run_id, given.every, _say).run() else 1
        return _start(jobs, given, now or datetime.now(UTC))
    except GlacierError as error:
        _say(str(error), sys.stderr)
        return 1


def stages_of(text: str) -> dict[str, Step]:
    """Reads what stages there are, from JSON by their names: `{"load": {"job": "/subscriptions/...", "after": []}}`.

    Raises:
        InputError: it is none, or a stage comes after one that there is not, or after itself.
    """
    try:
        read = cast("dict[str, dict[str, Any]]", json.loads(text))
        stages = {name: Step(str(one["job"]), tuple(one.get("after", ()))) for name, one in read.items()}
    except (ValueError, TypeError, KeyError, AttributeError):
        raise InputError(
            "--stages takes JSON: stages by their names, each with its `job` and what it is `after`"
        ) from None
    placed: set[str] = set()
    while len(placed) < len(stages):
        more = {name for name, step in stages.items() if name not in placed and placed.issuperset(step.after)}
        if not more:
            raise InputError(f"stages {sorted(set(stages) - placed)} wait for each other, or for one that there is not")
        placed |= more
    return stages


def _start(jobs: ContainerJobs, given: argparse.Namespace, now: datetime) -> int:
    schedule = schedule_of(given.schedule, given.timezone)
    moment = due(schedule, schedule_of(given.started_by), now)
    if moment is None:
        _say(f"it is not time: {now:%Y-%m-%d %H:%M} UTC is not `{given.schedule}` in {given.timezone}")
        return 0
    name = jobs.start(given.job)
    _say(f"started {name or given.job} for {moment:%Y-%m-%d %H:%M} UTC")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m glacier.runtime.coordinator", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", help="start the stages in order, and wait for each")
    run.add_argument("--stages", required=True, metavar="JSON", help="the stages by their names")
    run.add_argument("--every", type=float, default=_EVERY, metavar="SECONDS", help="between two looks at what runs")
    start = commands.add_parser("start", help="start a job, if it is time")
    start.add_argument("--job", required=True, metavar="ID", help="in Azure Resource Manager")
    start.add_argument("--schedule", required=True, metavar="CRON")
    start.add_argument("--timezone", required=True, metavar="ZONE", help="of the schedule: Europe/Oslo")
    start.add_argument("--started-by", required=True, metavar="CRON", help="in UTC: what started this process")
    return parser


def _new_id() -> str:
    return f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(4)}"


def _say(line: str, to: Any = None) -> None:
    (to or sys.stdout).write(f"{line}\n")
    (to or sys.stdout).flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
