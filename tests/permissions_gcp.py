"""What Google Cloud's bindings allow: roles, and conditions in the part of CEL that is generated."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import cast

from gcs_server import TOLD
from glacier.blueprint import Block, Blueprint, Declaration, Ref, Text, Value, Variable
from glacier.deployment.needs import Deployment, Keys
from permissions import Cloud, Need, Statement

_PREDEFINED: Mapping[str, tuple[str, ...]] = {
    "roles/artifactregistry.writer": ("artifactregistry.repositories.uploadArtifacts",),
    "roles/logging.logWriter": ("logging.logEntries.create",),
}
"""Of Google's own roles, what stands for all they hold."""
_PLACED = {
    "google_storage_bucket_iam_member": "bucket",
    "google_cloud_run_v2_job_iam_member": "name",
    "google_cloud_run_v2_service_iam_member": "name",
    "google_artifact_registry_repository_iam_member": "repository",
}
"""Kinds of bindings on one thing, with the argument that names it. One of a project holds for all in it."""
_AGENTS = ("google_kms_crypto_key_iam_member",)
"""Kinds whose members are Google's own accounts."""
_LIST = "storage.objects.list"


def _statements(deployment: Deployment, blueprint: Blueprint) -> list[Statement]:
    """Reads the bindings of the accounts that something of the pipeline runs under."""
    declared = {one.address: one for one in blueprint.declarations}
    holders = dict(_holders(deployment, blueprint))
    assert all(holders.values()), "there is an account that nothing runs under"
    found: list[Statement] = []
    for one in blueprint.declarations:
        if "_iam_" not in one.kind or one.kind == "google_project_iam_custom_role" or one.kind in _AGENTS:
            continue
        member = one.arguments["member"]
        if member == "group:cloud-storage-analytics@google.com":
            continue
        assert isinstance(member, Ref), f"{one.address} names its member otherwise"
        assert member.path == ("member",)
        found += [_statement(one, holder, declared) for holder in holders[member.name]]
    return found


def _holders(deployment: Deployment, blueprint: Blueprint) -> Iterator[tuple[str, list[str]]]:
    """Gives each service account with all that runs under it."""
    found: dict[str, list[str]] = {
        one.name: [] for one in blueprint.declarations if one.kind == "google_service_account"
    }
    for one in blueprint.declarations:
        arguments = one.arguments
        match one.kind:
            case "google_cloud_run_v2_job":
                args = cast("tuple[str, ...]", _at(arguments, "template", "template", "containers", "args"))
                stage = args[args.index("--stage") + 1]
                found[_account(arguments, "template", "template", "service_account")].append(f"stage {stage}")
            case "google_cloudfunctions2_function":
                (name,) = [each.name for each in deployment.functions if each.physical == arguments["name"]]
                found[_account(arguments, "service_config", "service_account_email")].append(f"function {name}")
                builder = found[_account(arguments, "build_config", "service_account")]
                builder += ["builder"] if not builder else []
            case "google_workflows_workflow":
                found[_account(arguments, "service_account")].append("workflow")
            case "google_cloud_scheduler_job":
                found[_account(arguments, "http_target", "oauth_token", "service_account_email")].append("scheduler")
            case _:
                continue
    yield from found.items()


def _statement(binding: Declaration, holder: str, declared: Mapping[str, Declaration]) -> Statement:
    role = binding.arguments["role"]
    held: tuple[str, ...]
    if isinstance(role, Ref):
        held = cast("tuple[str, ...]", declared[role.address].arguments["permissions"])
    else:
        held = _PREDEFINED[cast("str", role)]
    on = _told(binding.arguments[_PLACED[binding.kind]], declared) if binding.kind in _PLACED else None
    assert on is not None or binding.kind == "google_project_iam_member", f"{binding.kind} is not known"
    condition = binding.arguments.get("condition")
    expression = _told(_at({"condition": condition}, "condition", "expression"), declared) if condition else "true"
    comparisons = [_comparison(part) for part in expression.split(" || ")]

    def allows(action: str, place: str, key: str) -> bool:
        if (_LIST if action == TOLD else action) not in held or on not in (None, place):
            return False
        values = {"resource.name": f"projects/_/buckets/{place}/objects/{key}", _PREFIX: ""}
        if action == _LIST:
            values = {"resource.name": f"projects/_/buckets/{place}", _PREFIX: key}
        return any(is_so(values) for is_so in comparisons)

    return Statement(binding.address, holder, allows)


_PREFIX = 'api.getAttribute("storage.googleapis.com/objectListPrefix", "")'


def _comparison(text: str) -> Callable[[Mapping[str, str]], bool]:
    """Reads a comparison. Of CEL there is no more here than what Glacier writes; anything else is refused."""
    if text == "true":
        return lambda _values: True
    value = rf"(?P<value>resource\.name|{re.escape(_PREFIX)})"
    found = re.fullmatch(value + r'(?: == (?P<whole>".*")|\.startsWith\((?P<start>".*")\))', text)
    assert found, f"not understood: {text}"
    name = found["value"]
    if found["whole"]:
        whole: str = json.loads(found["whole"])
        return lambda values: values[name] == whole
    start: str = json.loads(found["start"])
    return lambda values: values[name].startswith(start)


def _besides(deployment: Deployment) -> Iterator[Need]:
    name = f"{deployment.provider.name_prefix}{deployment.slug}"
    end = f"-{deployment.environment}" if deployment.environment else ""
    jobs = [f"{name}-{stage.name}{end}" for stage in deployment.stages]
    if len(jobs) > 1:
        for job in jobs:
            for action in ("run.jobs.run", "run.jobs.runWithOverrides", "run.executions.get"):
                yield Need("workflow", action, job)
    if deployment.schedule is not None:
        if len(jobs) > 1:
            yield Need("scheduler", "workflows.executions.create", PROJECT)
        else:
            yield Need("scheduler", "run.jobs.run", jobs[0])
    if deployment.functions:
        yield Need("builder", "artifactregistry.repositories.uploadArtifacts", f"{name}-functions{end}")
        yield Need("builder", "logging.logEntries.create", PROJECT)
        archives = f"gcf-v2-sources-${{data.google_project.this.number}}-{deployment.provider.region}"
        yield Need("builder", "storage.objects.get", archives, Keys("", below=True))


PROJECT = "the project"
"""Where Google Cloud permits something in a whole project only: to start workflows, to write logs."""


def _at(arguments: Mapping[str, Value], *path: str) -> Value:
    found: Value = Block(arguments)
    for step in path:
        assert isinstance(found, Block)
        found = found.arguments[step]
    return found


def _account(arguments: Mapping[str, Value], *path: str) -> str:
    ref = _at(arguments, *path)
    assert isinstance(ref, Ref)
    assert ref.kind == "google_service_account"
    return ref.name


def _told(value: Value, declared: Mapping[str, Declaration]) -> str:
    """Gives a value as text, names of declarations looked up."""
    match value:
        case str():
            return value
        case Text(parts):
            return "".join(_told(part, declared) for part in parts)
        case Ref(path=("name",)) if value.address in declared:
            names = declared[value.address].arguments
            return _told(names.get("name", names.get("repository_id")), declared)
        case Ref():
            return f"${{{value.address}.{'.'.join(map(str, value.path))}}}"
        case Variable():
            return f"${{var.{value.name}}}"
        case _:
            raise AssertionError(f"no text: {value}")


GOOGLE = Cloud(
    actions={
        "read": ("storage.objects.get",),
        "list": (_LIST, TOLD),
        "write": (
            "storage.objects.create",
            "storage.objects.delete",
            "storage.multipartUploads.create",
            "storage.multipartUploads.abort",
        ),
        "delete": ("storage.objects.delete",),
        "invoke": ("run.routes.invoke",),
    },
    listings=frozenset((_LIST,)),
    wide=frozenset(("workflows.executions.create", "logging.logEntries.create")),
    statements=_statements,
    besides=_besides,
)
"""Cloud Storage: IAM permissions for XML requests; IAM conditions: resource attributes."""
