"""Who may do what: a service account for each stage and function, bound to the very objects that its code touches.

A binding on a bucket has a condition on the names of objects. Listing is a right on the bucket, so its condition is on
the prefix that is asked for. Roles are custom ones of the pipeline: no predefined role has only what one verb needs.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2s
from typing import Literal

from glacier.blueprint import Because, Block, Declaration, Permission, Ref, Value, Variable
from glacier.deployment.grants import least, together
from glacier.deployment.needs import DeclaredBucket, DeclaredFunction, Grant, Keys, identifier
from glacier.errors import UnsupportedError
from glacier.infrastructure.gcp.buckets import bucket_ref
from glacier.infrastructure.gcp.project import Project, api

Role = Literal["reader", "lister", "writer", "deleter", "invoker", "starter", "orchestrator", "trigger"]
Holder = Literal["stage", "function", "scheduler", "workflow", "builder"]

PERMISSIONS: Mapping[Role, tuple[str, ...]] = {
    "reader": ("storage.objects.get",),
    "lister": ("storage.objects.list",),
    "writer": (
        "storage.multipartUploads.abort",
        "storage.multipartUploads.create",
        "storage.objects.create",
        "storage.objects.delete",
    ),
    "deleter": ("storage.objects.delete",),
    "invoker": ("run.routes.invoke",),
    "starter": ("run.jobs.run",),
    "orchestrator": ("run.executions.get", "run.jobs.run", "run.jobs.runWithOverrides"),
    "trigger": ("workflows.executions.create",),
}
"""What each custom role holds. To replace an object takes the right to delete it. (Cloud Storage: IAM for XML)"""

_TITLES: Mapping[Role, str] = {
    "reader": "reads objects",
    "lister": "lists objects",
    "writer": "writes objects",
    "deleter": "deletes objects",
    "invoker": "invokes functions",
    "starter": "starts jobs",
    "orchestrator": "starts jobs in a run, and waits for them",
    "trigger": "starts workflows",
}
_BY_VERB: Mapping[str, Role] = {"read": "reader", "list": "lister", "write": "writer", "delete": "deleter"}
_WORDS: Mapping[Role, str] = {"reader": "reads", "lister": "lists", "writer": "writes", "deleter": "deletes"}

_BINDINGS = 20
"""Conditions that one principal may have for one role on one resource. (IAM: quotas and limits)"""
_CLAUSES = 13
"""Comparisons in one condition, which may have 12 logical operators. (IAM: quotas and limits)"""
_LIST_PREFIX = 'api.getAttribute("storage.googleapis.com/objectListPrefix", "")'
_SIMPLE = re.compile(r"[a-z0-9]+(_[a-z0-9]+)*(\.[a-z0-9]+|/)")
_TITLE_LENGTH = 100


@dataclass(frozen=True)
class Identity:
    """A service account, and what runs under it.

    Attributes:
        part: the stage's or function's name; empty for what a pipeline has one of.
    """

    kind: Holder
    part: str = ""

    @property
    def name(self) -> str:
        """What its declarations are called."""
        return identifier(f"{self.kind}-{self.part}") if self.part else self.kind

    @property
    def title(self) -> str:
        """How people are told of it."""
        return f"{self.kind} {self.part}" if self.part else self.kind

    def ref(self, attribute: str) -> Ref:
        """Gives a reference to its account."""
        return Ref("google_service_account", self.name, (attribute,))


@dataclass(frozen=True)
class Access:
    """Declarations, and the same as people are told it."""

    declarations: tuple[Declaration, ...] = ()
    permissions: tuple[Permission, ...] = ()


def account(project: Project, identity: Identity, because: tuple[Because, ...] = ()) -> Declaration:
    """Gives the declaration of an identity."""
    kind = {"stage": "", "function": "fn"}.get(identity.kind, identity.kind)
    shown = f"{project.deployment.pipeline}: {identity.title}"[:_TITLE_LENGTH]
    return Declaration(
        "google_service_account",
        identity.name,
        "access",
        {"account_id": project.account(identity.part, kind), "display_name": shown},
        after=(api("iam"),),
        because=because,
    )


def access_of(project: Project, identity: Identity, grants: Iterable[Grant]) -> Access:
    """Gives what an identity may do with buckets and functions: what it was granted, each thing once."""
    wanted: dict[tuple[str, Role], dict[Keys, tuple[Because, ...]]] = {}
    buckets: dict[str, DeclaredBucket] = {}
    found: list[Access] = []
    invoked: dict[str, tuple[DeclaredFunction, tuple[Because, ...]]] = {}
    for grant in grants:
        target = grant.target
        if isinstance(target, DeclaredFunction):
            _, before = invoked.get(target.name, (target, ()))
            invoked[target.name] = (target, together(before, grant.because))
            continue
        buckets[target.name] = target
        for verb in sorted(grant.verbs - {"invoke"}):
            keys = wanted.setdefault((target.name, _BY_VERB[verb]), {})
            keys[grant.keys] = together(keys.get(grant.keys, ()), grant.because)
    for (name, role), keys in sorted(wanted.items(), key=lambda item: item[0]):
        implied = wanted.get((name, "writer"), {}) if role == "deleter" else {}
        fewest = least(keys, implied)
        if fewest:
            found.append(_on_bucket(project, identity, buckets[name], role, fewest))
    found += [_on_function(project, identity, *invoked[name]) for name in sorted(invoked)]
    return joined(found)


def joined(several: Iterable[Access]) -> Access:
    """Gives several as one."""
    every = list(several)
    return Access(
        tuple(one for access in every for one in access.declarations),
        tuple(one for access in every for one in access.permissions),
    )


def role_ref(project: Project, role: Role, owner: str | Variable) -> Ref:
    """Gives the name of a custom role of a project, as bindings take it."""
    name = role if owner == project.id else f"{role}_{identifier(str(owner))}"
    return Ref("google_project_iam_custom_role", name, ("id",))


def roles(project: Project, declarations: Sequence[Declaration]) -> list[Declaration]:
    """Gives the custom roles that bindings refer to, in each project where they do."""
    owners: dict[str, tuple[Role, str | Variable]] = {}
    projects = {project.project_of(bucket) for bucket in (*project.deployment.buckets, project.deployment.records)}
    for role in PERMISSIONS:
        for owner in sorted({project.id, *projects}, key=str):
            owners[role_ref(project, role, owner).name] = (role, owner)
    used = {
        value.name
        for declaration in declarations
        if isinstance(value := declaration.arguments.get("role"), Ref)
    }  # fmt: skip
    return [_role(project, name, *owners[name]) for name in sorted(used)]


def on_job(project: Project, identity: Identity, role: Role, job: Declaration, because: tuple[Because, ...]) -> Access:
    """Gives the right to start a job."""
    declaration = Declaration(
        "google_cloud_run_v2_job_iam_member",
        f"{identity.name}_{job.name}",
        "access",
        {
            "location": project.region,
            "name": job.ref("name"),
            "role": role_ref(project, role, project.id),
            "member": identity.ref("member"),
        },
        because=because,
    )
    permission = Permission(identity.title, PERMISSIONS[role], f"job {job.arguments['name']}", because)
    return Access((declaration,), (permission,))


def on_workflows(project: Project, identity: Identity, because: tuple[Because, ...]) -> Access:
    """Gives the right to start workflows: of the project, for there is none of one workflow."""
    declaration = Declaration(
        "google_project_iam_member",
        f"{identity.name}_workflows",
        "access",
        {
            "project": project.id,
            "role": role_ref(project, "trigger", project.id),
            "member": identity.ref("member"),
        },
        because=because,
    )
    scope = "the workflows of the project"
    return Access((declaration,), (Permission(identity.title, PERMISSIONS["trigger"], scope, because),))


def _role(project: Project, name: str, role: Role, owner: str | Variable) -> Declaration:
    return Declaration(
        "google_project_iam_custom_role",
        name,
        "access",
        {
            "project": None if owner == project.id else owner,
            "role_id": project.role(role),
            "title": f"{project.deployment.pipeline}: {_TITLES[role]}"[:_TITLE_LENGTH],
            "permissions": PERMISSIONS[role],
        },
        after=(api("iam"),),
    )


def _on_bucket(
    project: Project, identity: Identity, bucket: DeclaredBucket, role: Role, keys: dict[Keys, tuple[Because, ...]]
) -> Access:
    declarations = [
        Declaration(
            "google_storage_bucket_iam_member",
            f"{identity.name}_{_WORDS[role]}_{identifier(bucket.name)}{suffix}",
            "access",
            {
                "bucket": bucket_ref(bucket, "name"),
                "role": role_ref(project, role, project.project_of(bucket)),
                "member": identity.ref("member"),
                "condition": _condition(role, bucket, part),
            },
            because=together(*(keys[one] for one in part)),
        )
        for suffix, part in _parts(identity, bucket, role, sorted(keys))
    ]
    permissions = [
        Permission(identity.title, PERMISSIONS[role], scope(role, bucket, one), keys[one]) for one in sorted(keys)
    ]
    return Access(tuple(declarations), tuple(permissions))


def scope(role: Role, bucket: DeclaredBucket, keys: Keys) -> str:
    """Gives what a right on a bucket is on, as people read it."""
    place = f"gs://{bucket.physical}/{keys}"
    return f"{place} (in listings)" if role == "lister" else place


def _on_function(
    project: Project, identity: Identity, function: DeclaredFunction, because: tuple[Because, ...]
) -> Access:
    declared = Ref("google_cloudfunctions2_function", identifier(function.name), ("name",))
    declaration = Declaration(
        "google_cloud_run_v2_service_iam_member",
        f"{identity.name}_invokes_{identifier(function.name)}",
        "access",
        {
            "location": function.provider.region,
            "name": declared,
            "role": role_ref(project, "invoker", project.id),
            "member": identity.ref("member"),
        },
        because=because,
    )
    permission = Permission(identity.title, PERMISSIONS["invoker"], f"function {function.physical}", because)
    return Access((declaration,), (permission,))


def _parts(
    identity: Identity, bucket: DeclaredBucket, role: Role, keys: list[Keys]
) -> Iterator[tuple[str, list[Keys]]]:
    """Gives what goes into one binding, with what tells its name from that of the others.

    Each key has a binding of its own, so that one more leaves the others alone; more than the cloud takes share some.
    """
    if len(keys) <= _BINDINGS:
        for one in keys:
            yield _suffix(one), [one]
        return
    size = _CLAUSES // (2 if role == "lister" else 1)
    if len(keys) > _BINDINGS * size:
        raise UnsupportedError(
            f"Google Cloud cannot grant {identity.title} {len(keys)} keys of bucket `{bucket.name}` one by one: "
            f"conditions hold {_BINDINGS * size}",
            site=bucket.site,
            fix="keep them below one prefix, and declare the bucket with that path",
        )
    for number, start in enumerate(range(0, len(keys), size), 1):
        yield f"_part_{number}", keys[start : start + size]


def _suffix(keys: Keys) -> str:
    """Gives a part of a declaration's name for keys: readable, and another one for other keys."""
    if keys.below and not keys.path:
        return ""
    words = re.sub(r"[^a-z0-9]+", "_", keys.path.lower()).strip("_")[:40].strip("_")
    readable = words + ("_all" if keys.below else "")
    if _SIMPLE.fullmatch(keys.path):
        return f"_{readable}"
    return f"_{readable}_{blake2s(keys.path.encode(), digest_size=3).hexdigest()}"


def _condition(role: Role, bucket: DeclaredBucket, several: Sequence[Keys]) -> Block | None:
    if any(keys.below and not keys.path for keys in several):
        return None
    clauses = [clause for keys in several for clause in _clauses(role, bucket, keys)]
    title = f"{_WORDS[role]} {several[0]}" + (f" and {len(several) - 1} more" if len(several) > 1 else "")
    arguments: dict[str, Value] = {"title": title[:_TITLE_LENGTH], "expression": " || ".join(clauses)}
    return Block(arguments)


def _clauses(role: Role, bucket: DeclaredBucket, keys: Keys) -> Iterator[str]:
    """Gives the comparisons, any of which is enough.

    Who may list a missing object is told that it is missing. That is a right on the object, where there is one. To tell
    an object from a folder of its name, what may lie below it is listed.
    """
    yield _compared("resource.name", f"projects/_/buckets/{bucket.physical}/objects/{keys.path}", keys)
    if role == "lister":
        yield _compared(_LIST_PREFIX, keys.path if keys.below else f"{keys.path}/", keys)


def _compared(value: str, wanted: str, keys: Keys) -> str:
    quoted = json.dumps(wanted, ensure_ascii=False)
    return f"{value}.startsWith({quoted})" if keys.below else f"{value} == {quoted}"
