"""In which order stages run, where there are several: a workflow that starts their jobs and waits for each.

A stage is started with the id of the run, which is that of the workflow's execution. The workflow asks how a job's
execution goes rather than for the operation that started it: the right to see executions can be given on one job,
that to see operations only on a project.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from glacier.blueprint import Declaration, Json, Value
from glacier.deployment.needs import Stage, identifier
from glacier.infrastructure.gcp.access import Identity
from glacier.infrastructure.gcp.project import Project, api

_BRANCHES = 10
"""Branches of one parallel step. (Workflows: quotas and limits)"""
_NESTED = 2
"""How deep parallel steps may stand in each other. (Workflows: quotas and limits)"""
_FIRST_DELAY, _LONGEST_DELAY = 5, 60


@dataclass(frozen=True)
class Parallel:
    """What runs side by side, each branch in its own order."""

    branches: tuple[Sequence[Step], ...]


Step = str | Parallel
"""A stage by its name, or several side by side."""


def workflow(project: Project, jobs: Mapping[str, Declaration]) -> Declaration:
    """Gives the workflow that runs the stages.

    Args:
        project: where.
        jobs: by the names of their stages.
    """
    source: dict[str, Value] = {
        "main": {"steps": (_BEGIN, *_steps(arranged(project.deployment.stages), jobs))},
        "run_stage": {"params": ("job", "run"), "steps": _RUN_STAGE},
    }
    return Declaration(
        "google_workflows_workflow",
        "this",
        "schedule",
        {
            "region": project.region,
            "name": project.called(longest=63, what="a workflow"),
            "description": f"Runs the stages of {project.deployment.pipeline} in order.",
            "service_account": Identity("workflow").ref("id"),
            "deletion_protection": False,
            "labels": project.labels,
            "source_contents": Json(source),
        },
        after=(api("workflows"),),
    )


def arranged(stages: Sequence[Stage], depth: int = 0) -> tuple[Step, ...]:
    """Gives stages in an order in which each comes after those it waits for, what can side by side.

    Stages that nothing connects are branches. Of those that are connected, the first are those that wait for none of
    them; where parallel steps can be nested no deeper, all run in the order given.

    >>> from glacier.config.deploy import Compute
    >>> stages = [Stage("a", Compute(), ()), Stage("b", Compute(), (), ("a",)), Stage("c", Compute(), (), ("a",))]
    >>> arranged(stages)
    ('a', Parallel(branches=(('b',), ('c',))))
    """
    if len(stages) <= 1 or depth == _NESTED:
        return tuple(stage.name for stage in stages)
    groups = _connected(stages)
    if len(groups) > 1:
        dealt = [groups[start::_BRANCHES] for start in range(min(len(groups), _BRANCHES))]
        inner = [tuple(step for group in several for step in arranged(group, depth + 1)) for several in dealt]
        return (Parallel(tuple(inner)),)
    names = {stage.name for stage in stages}
    first = [stage for stage in stages if not names.intersection(stage.upstream)]
    return (*arranged(first, depth), *arranged([stage for stage in stages if stage not in first], depth))


def _connected(stages: Sequence[Stage]) -> list[list[Stage]]:
    """Gives the stages in groups between which nobody waits, each in the order given."""
    groups: list[list[Stage]] = []
    for stage in stages:
        near = [group for group in groups if any(one.name in stage.upstream for one in group)]
        groups = [group for group in groups if group not in near]
        groups.append([*(one for group in near for one in group), stage])
    places = {stage.name: place for place, stage in enumerate(stages)}
    for group in groups:
        group.sort(key=lambda one: places[one.name])
    return sorted(groups, key=lambda group: places[group[0].name])


def _steps(steps: Sequence[Step], jobs: Mapping[str, Declaration]) -> Iterator[Value]:
    for step in steps:
        name = identifier(_first(step))
        if isinstance(step, str):
            yield {name: {"call": "run_stage", "args": {"job": jobs[step].ref("id"), "run": "${run}"}}}
            continue
        branches = tuple(
            {f"branch_{identifier(_first(branch[0]))}": {"steps": tuple(_steps(branch, jobs))}}
            for branch in step.branches
        )
        yield {f"beside_{name}": {"parallel": {"branches": branches}}}


def _first(step: Step) -> str:
    return step if isinstance(step, str) else _first(step.branches[0][0])


_BEGIN: Value = {"begin": {"assign": ({"run": '${sys.get_env("GOOGLE_CLOUD_WORKFLOW_EXECUTION_ID")}'},)}}

_OVERRIDES: Value = {"containerOverrides": ({"env": ({"name": "GLACIER_RUN_ID", "value": "${run}"},)},)}

_RUN_STAGE: tuple[Value, ...] = (
    {
        "start": {
            "try": {
                "call": "googleapis.run.v2.projects.locations.jobs.run",
                "args": {
                    "name": "${job}",
                    "body": {"overrides": _OVERRIDES},
                    "connector_params": {"skip_polling": True},
                },
                "result": "operation",
            },
            "retry": "${http.default_retry_non_idempotent}",
        }
    },
    {"started": {"assign": ({"execution": "${operation.metadata.name}"}, {"delay": _FIRST_DELAY})}},
    {"wait": {"call": "sys.sleep", "args": {"seconds": "${delay}"}}},
    {
        "look": {
            "try": {
                "call": "googleapis.run.v2.projects.locations.jobs.executions.get",
                "args": {"name": "${execution}"},
                "result": "state",
            },
            "retry": "${http.default_retry}",
        }
    },
    {
        "decide": {
            "switch": (
                {
                    "condition": '${map.get(state, "completionTime") == null}',
                    "steps": ({"longer": {"assign": ({"delay": f"${{math.min(delay * 2, {_LONGEST_DELAY})}}"},)}},),
                    "next": "wait",
                },
                {
                    "condition": '${default(map.get(state, "succeededCount"), 0) == 1}',
                    "return": "${execution}",
                },
            )
        }
    },
    {"failed": {"raise": '${"a stage failed: " + execution}'}},
)
