"""What starts jobs, where a trigger in UTC is not enough: the order of stages, and the hour in a time zone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from glacier.blueprint import Because, Block, Declaration, Json, Permission, Value
from glacier.deployment.needs import Stage
from glacier.infrastructure.azure.access import (
    ACTIONS,
    Access,
    Identity,
    Role,
    assigned,
    identity_declaration,
    role_ref,
)
from glacier.infrastructure.azure.clock import in_utc
from glacier.infrastructure.azure.jobs import Limits, deadline, job, small_container
from glacier.infrastructure.azure.place import Place

COORDINATOR, SCHEDULER = Identity("coordinator"), Identity("scheduler")

_MODULE = ("-m", "glacier.runtime.coordinator")
_RETRIES = 3
_MINUTE = 60
_STARTING = 10 * _MINUTE
"""How long a stage may take to be started, besides its own time: an image is pulled, a machine is made ready."""


@dataclass(frozen=True)
class Start:
    """How a pipeline is started.

    Attributes:
        trigger: of what a person starts; None if nothing but a person or the scheduler's job starts it.
        guarded: the schedule as arguments of the scheduler's job, where there is one.
    """

    trigger: Block | None = None
    guarded: tuple[str, ...] = ()
    cron: str = ""


def start_of(place: Place) -> Start:
    """Gives how a pipeline is started: by the trigger itself, if its schedule is one in UTC."""
    schedule = place.deployment.schedule
    if schedule is None:
        return Start()
    utc, same = in_utc(schedule)
    if same:
        return Start(Block({"cron_expression": utc.cron}))
    told = ("--schedule", schedule.cron, "--timezone", schedule.timezone, "--started-by", utc.cron)
    return Start(None, told, utc.cron)


def coordinator_job(place: Place, jobs: Mapping[str, Declaration], trigger: Block | None) -> Declaration:
    """Gives the job that runs the stages in order.

    Args:
        place: where.
        jobs: of the stages, by their names.
        trigger: when it starts by itself.
    """
    stages = place.deployment.stages
    plan: dict[str, Value] = {
        stage.name: {"job": jobs[stage.name].ref("id"), "after": stage.upstream} for stage in stages
    }
    command: tuple[Value, ...] = ("python", *_MODULE, "run", "--stages", Json(plan))
    longest = _longest(stages) * (deadline(place.deployment) + _STARTING)
    container = small_container(command, COORDINATOR)
    return job(place, COORDINATOR, COORDINATOR.name, Limits(longest, _RETRIES), container, trigger)


def scheduler_job(place: Place, target: Declaration, start: Start) -> Declaration:
    """Gives the job that starts the pipeline when its schedule says so.

    Args:
        place: where.
        target: what is started.
        start: with the schedule.
    """
    command: tuple[Value, ...] = ("python", *_MODULE, "start", "--job", target.ref("id"), *start.guarded)
    container = small_container(command, SCHEDULER)
    trigger = Block({"cron_expression": start.cron})
    return job(place, SCHEDULER, SCHEDULER.name, Limits(_STARTING, _RETRIES), container, trigger)


def on_jobs(
    place: Place, identity: Identity, role: Role, jobs: Mapping[str, Declaration], because: tuple[Because, ...]
) -> Access:
    """Gives an identity that may start jobs.

    Args:
        place: where.
        identity: whose right it is.
        role: "starter", or "orchestrator", which sees how they go too.
        jobs: by what they are to people: `stage main`.
        because: what needs it.
    """
    found = [identity_declaration(place, identity, because)]
    told: list[Permission] = []
    for name, one in jobs.items():
        found.append(assigned(identity, f"starts_{one.name}", one.ref("id"), role_ref(role), because))
        told.append(Permission(identity.title, ACTIONS[role], f"job {one.arguments['name']} of {name}", because))
    return Access(tuple(found), tuple(told))


def because(place: Place) -> tuple[Because, ...]:
    """Gives why there is a schedule; nothing without one."""
    schedule = place.deployment.schedule
    if schedule is None:
        return ()
    site = schedule.site
    where = f"{site.file.rsplit('/', 1)[-1]}:{site.line}" if site else ""
    return (Because(f'schedule="{schedule.text}", timezone="{schedule.timezone}"', where, site),)


def _longest(stages: tuple[Stage, ...]) -> int:
    """Gives how many stages come one after another at most."""
    depth: dict[str, int] = {}
    for stage in stages:
        depth[stage.name] = 1 + max((depth[one] for one in stage.upstream), default=0)
    return max(depth.values())
