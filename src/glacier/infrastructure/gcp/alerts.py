"""Who is told of failures: of a run that failed, and of one that could not be started."""

from __future__ import annotations

from glacier.blueprint import Block, Declaration, Text, Value, text
from glacier.infrastructure.gcp.project import Project, api

_PERIOD = "300s"


def alert_declarations(project: Project, target: Declaration, schedule: Declaration | None) -> list[Declaration]:
    """Gives a channel to the e-mail address, and what is sent there; nothing without one.

    Args:
        project: where.
        target: what is started when the pipeline runs: the workflow, or the only job.
        schedule: of the pipeline, if it has one.
    """
    address = project.deployment.options.alert
    if address is None:
        return []
    pipeline = project.deployment.pipeline
    channel = Declaration(
        "google_monitoring_notification_channel",
        "failures",
        "alerts",
        {
            "display_name": f"Failures of {pipeline}",
            "type": "email",
            "labels": {"email_address": address},
            "user_labels": project.labels,
        },
        after=(api("monitoring"),),
    )
    failed = Block(
        {
            "filter": _failures(target),
            "comparison": "COMPARISON_GT",
            "threshold_value": 0,
            "duration": "0s",  # at once; what is to be thought of missing data can be said with a longer one only
            "aggregations": Block({"alignment_period": _PERIOD, "per_series_aligner": "ALIGN_SUM"}),
            "trigger": Block({"count": 1}),
        }
    )
    found = [
        channel,
        _policy(project, "failed", f"A run of {pipeline} failed", channel, {"condition_threshold": failed}),
    ]
    if schedule is not None:
        silent = Block({"filter": f"{scheduler_filter(schedule)} AND severity >= ERROR"})
        found.append(
            _policy(
                project, "not_started", f"A run of {pipeline} could not be started", channel,
                {"condition_matched_log": silent}, {"notification_rate_limit": Block({"period": _PERIOD})},
            )
        )  # fmt: skip
    return found


def scheduler_filter(schedule: Declaration) -> str:
    """Gives which log entries are of a schedule."""
    return f'resource.type = "cloud_scheduler_job" AND resource.labels.job_id = "{schedule.arguments["name"]}"'


def _failures(target: Declaration) -> Text | str:
    name = target.ref("name")
    if target.kind == "google_workflows_workflow":
        return text(
            'resource.type = "workflows.googleapis.com/Workflow" AND resource.labels.workflow_id = "', name,
            '" AND metric.type = "workflows.googleapis.com/finished_execution_count"'
            ' AND metric.labels.status = "FAILED"',
        )  # fmt: skip
    return text(
        'resource.type = "cloud_run_job" AND resource.labels.job_name = "', name,
        '" AND metric.type = "run.googleapis.com/job/completed_execution_count" AND metric.labels.result = "failed"',
    )  # fmt: skip


def _policy(
    project: Project,
    name: str,
    title: str,
    channel: Declaration,
    condition: dict[str, Value],
    strategy: dict[str, Value] | None = None,
) -> Declaration:
    return Declaration(
        "google_monitoring_alert_policy",
        name,
        "alerts",
        {
            "display_name": title,
            "combiner": "OR",
            "user_labels": project.labels,
            "notification_channels": (channel.ref("id"),),
            "alert_strategy": Block({"auto_close": "1800s", **(strategy or {})}),
            "conditions": Block({"display_name": title, **condition}),
        },
    )
