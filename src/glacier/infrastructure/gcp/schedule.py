"""When a pipeline runs by itself: Cloud Scheduler, under an account that may do nothing but start it."""

from __future__ import annotations

from glacier.blueprint import Because, Block, Declaration, Ref, Text, Value, text
from glacier.infrastructure.gcp.access import Identity
from glacier.infrastructure.gcp.project import Project, api

_SCOPE = "https://www.googleapis.com/auth/cloud-platform"
_NAME = 500
"""Characters of a Cloud Scheduler job's name. (Cloud Scheduler: REST reference of jobs)"""


def schedule_declaration(project: Project, target: Declaration) -> Declaration | None:
    """Gives the schedule of a pipeline that has one.

    Args:
        project: where.
        target: what is started: the workflow, or the only job.
    """
    schedule = project.deployment.schedule
    if schedule is None:
        return None
    uri, body = _request(target)
    headers: dict[str, Value] = {"Content-Type": "application/json"}
    return Declaration(
        "google_cloud_scheduler_job",
        "this",
        "schedule",
        {
            "region": project.region,
            "name": project.called(longest=_NAME, what="a schedule"),
            "description": f"Starts {project.deployment.pipeline}: {schedule.text} ({schedule.timezone})",
            "schedule": schedule.cron,
            "time_zone": schedule.timezone,
            "attempt_deadline": "60s",
            "retry_config": Block({"retry_count": 3, "min_backoff_duration": "30s", "max_backoff_duration": "300s"}),
            "http_target": Block(
                {
                    "http_method": "POST",
                    "uri": uri,
                    "headers": headers,
                    "body": body,
                    "oauth_token": Block(
                        {"service_account_email": Identity("scheduler").ref("email"), "scope": _SCOPE}
                    ),
                }
            ),
        },
        after=(api("cloudscheduler"), *([api("workflowexecutions")] if _is_workflow(target) else [])),
        because=because(project),
    )


def because(project: Project) -> tuple[Because, ...]:
    """Gives why there is a schedule."""
    schedule = project.deployment.schedule
    assert schedule is not None
    site = schedule.site
    where = f"{site.file.rsplit('/', 1)[-1]}:{site.line}" if site else ""
    return (Because(f'schedule="{schedule.text}", timezone="{schedule.timezone}"', where, site),)


def _request(target: Declaration) -> tuple[Text | str, str]:
    """Gives what is asked to start something, and the body in base64, as Cloud Scheduler keeps it."""
    place: Ref = target.ref("id")
    if _is_workflow(target):
        return text("https://workflowexecutions.googleapis.com/v1/", place, "/executions"), _EMPTY
    return text("https://run.googleapis.com/v2/", place, ":run"), _EMPTY


def _is_workflow(target: Declaration) -> bool:
    return target.kind == "google_workflows_workflow"


_EMPTY = "e30="
"""An empty JSON object."""
