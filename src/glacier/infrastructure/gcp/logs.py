"""How long logs are kept: for 30 days by the project, and otherwise in a log bucket of the pipeline's."""

from __future__ import annotations

from collections.abc import Sequence

from glacier.blueprint import Declaration, Ref, Text, Value, text
from glacier.infrastructure.gcp.project import Project, api

PROJECT_DAYS = 30
"""For which a project's own log bucket, `_Default`, keeps what it gets, at no cost. (Cloud Logging: quotas)"""
_STRICT_DAYS = 365
_RESOURCES = {
    "google_cloud_run_v2_job": ("cloud_run_job", "job_name"),
    "google_cloudfunctions2_function": ("cloud_run_revision", "service_name"),
}
"""How log entries of a kind of declaration are told: the type of their resource, and the label with its name."""


def days(project: Project) -> int:
    """Gives for how many days logs are kept."""
    wanted = project.deployment.options.log_retention_days
    return max(wanted, _STRICT_DAYS) if project.strict else wanted


def log_declarations(project: Project, sources: Sequence[Declaration]) -> list[Declaration]:
    """Gives a log bucket with what sends the logs there; nothing where the project's own keeps them as long.

    For fewer days than the project keeps them, they are kept out of its own log bucket. What has an environment has
    all of it, so that environments that keep logs for other times can share a folder.

    Args:
        project: where.
        sources: declarations, among them the jobs and functions whose logs they are.
    """
    kept = days(project)
    several = bool(project.deployment.environment)
    if kept == PROJECT_DAYS and not several:
        return []
    name = project.called(longest=100, what="a log bucket")
    bucket = Declaration(
        "google_logging_project_bucket_config",
        "this",
        "jobs",
        {
            "project": project.id,
            "location": project.region,
            "bucket_id": name,
            "retention_days": kept,
            "description": f"Logs of {project.deployment.pipeline}.",
        },
        after=(api("logging"),),
    )
    entries = _entries(sources)
    sink: dict[str, Value] = {
        "name": name,
        "destination": text("logging.googleapis.com/", bucket.ref("id")),
        "filter": entries,
        "unique_writer_identity": True,
    }
    found = [bucket, Declaration("google_logging_project_sink", "this", "jobs", sink)]
    if kept < PROJECT_DAYS or several:
        kept_out: dict[str, Value] = {
            "name": name,
            "description": f"Logs of {project.deployment.pipeline} are kept for {kept} days in a bucket of their own.",
            "filter": entries,
        }
        if several:
            kept_out["disabled"] = kept > PROJECT_DAYS
        found.append(Declaration("google_logging_project_exclusion", "this", "jobs", kept_out))
    return found


def _entries(sources: Sequence[Declaration]) -> Text | str:
    parts: list[str | Ref] = []
    for source in sources:
        if source.kind in _RESOURCES:
            kind, label = _RESOURCES[source.kind]
            start = " OR " if parts else ""
            parts += [f'{start}(resource.type = "{kind}" AND resource.labels.{label} = "', source.ref("name"), '")']
    return text(*parts)
