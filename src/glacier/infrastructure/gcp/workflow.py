"""In which order stages run, where there are several: a workflow that starts their jobs and waits for each.

A stage is started with the id of the run, which is that of the workflow's execution. The workflow asks how a job's
execution goes rather than for the operation that started it: the right to see executions can be given on one job,
that to see operations only on a project.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from glacier.blueprint import Declaration, Json, Value
from glacier.deployment.arrangement import Step, arranged, first_of
from glacier.deployment.needs import identifier
from glacier.infrastructure.gcp.access import Identity
from glacier.infrastructure.gcp.project import Project, api

_BRANCHES = 10
"""Branches of one parallel step. (Workflows: quotas and limits)"""
_NESTED = 2
"""How deep parallel steps may stand in each other. (Workflows: quotas and limits)"""
_FIRST_DELAY, _LONGEST_DELAY = 5, 60


def workflow(project: Project, jobs: Mapping[str, Declaration]) -> Declaration:
    """Gives the workflow that runs the stages.

    Args:
        project: where.
        jobs: by the names of their stages.
    """
    steps = arranged(project.deployment.stages, branches=_BRANCHES, nested=_NESTED)
    source: dict[str, Value] = {
        "main": {"steps": (_BEGIN, *_steps(steps, jobs))},
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


def _steps(steps: Sequence[Step], jobs: Mapping[str, Declaration]) -> Iterator[Value]:
    for step in steps:
        name = identifier(first_of(step))
        if isinstance(step, str):
            yield {name: {"call": "run_stage", "args": {"job": jobs[step].ref("id"), "run": "${run}"}}}
            continue
        branches = tuple(
            {f"branch_{identifier(first_of(branch[0]))}": {"steps": tuple(_steps(branch, jobs))}}
            for branch in step.branches
        )
        yield {f"beside_{name}": {"parallel": {"branches": branches}}}


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
    {"longer": {"assign": ({"delay": f"${{math.min(delay * 2, {_LONGEST_DELAY})}}"},)}},
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
                {"condition": '${map.get(state, "completionTime") == null}', "next": "wait"},
                {"condition": '${default(map.get(state, "succeededCount"), 0) == 1}', "return": "${execution}"},
            )
        }
    },
    {"failed": {"raise": '${"a stage failed: " + execution}'}},
)
