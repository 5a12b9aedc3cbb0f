"""Who may do what: a managed identity for each stage and function, with roles on the very containers that it touches.

Roles are custom ones of the pipeline, for data only: the predefined ones may delete the container too. A role is
assigned once on a container, with a condition on the paths of blobs, and on the prefixes of listings.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from glacier.blueprint import Because, Block, Declaration, Permission, Ref, Text, Value
from glacier.deployment.grants import Reasons, on_buckets, together
from glacier.deployment.needs import DeclaredBucket, Grant, Keys, identifier
from glacier.infrastructure.azure.buckets import bucket_ref
from glacier.infrastructure.azure.conditions import BLOBS, DELETE, READ, WRITE, listing, path_condition, read_condition
from glacier.infrastructure.azure.place import Place

Role = Literal["reader", "writer", "deleter", "starter", "orchestrator"]
Holder = Literal["stage", "function", "scheduler", "coordinator", "encryption"]

IDENTITY = "azurerm_user_assigned_identity"
ASSIGNMENT = "azurerm_role_assignment"
DATA_ACTIONS: Mapping[Role, tuple[str, ...]] = {"reader": (READ,), "writer": (WRITE,), "deleter": (DELETE,)}
"""What each role may do with blobs. To write makes a blob or replaces it whole."""
BATCH = "Microsoft.Storage/storageAccounts/blobServices/containers/write"
"""The right to send deletes in one request, as the client library sends even one; it also changes the container's
metadata. Which blobs go is asked for each of them. (Azure Storage: permissions for blob service operations)"""
_START = "Microsoft.App/jobs/start/action"
ACTIONS: Mapping[Role, tuple[str, ...]] = {
    "deleter": (BATCH,),
    "starter": (_START,),
    "orchestrator": (
        "Microsoft.App/jobs/execution/read",
        "Microsoft.App/jobs/executions/read",
        "Microsoft.App/jobs/read",
        _START,
    ),
}
"""What each role may do besides. With jobs: start one; and see what it is, to start it in a run, and how it goes."""

_TITLES: Mapping[Role, str] = {
    "reader": "reads and lists blobs",
    "writer": "writes blobs",
    "deleter": "deletes blobs",
    "starter": "starts jobs",
    "orchestrator": "starts jobs in a run, and waits for them",
}
_WORDS: Mapping[Role, str] = {"reader": "reads", "writer": "writes", "deleter": "deletes"}
_IDENTITY_NAME = 128


@dataclass(frozen=True)
class Identity:
    """A managed identity, and what runs under it.

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
        """Gives a reference to an attribute: `id`, `principal_id`, `client_id`."""
        return Ref(IDENTITY, self.name, (attribute,))

    def block(self) -> Block:
        """Gives the block by which something runs under it."""
        return Block({"type": "UserAssigned", "identity_ids": (self.ref("id"),)})


@dataclass(frozen=True)
class Access:
    """Declarations, and the same as people are told it."""

    declarations: tuple[Declaration, ...] = ()
    permissions: tuple[Permission, ...] = ()


def identity_declaration(place: Place, identity: Identity, because: tuple[Because, ...] = ()) -> Declaration:
    """Gives the declaration of an identity."""
    part = f"{identity.kind}-{identity.part}" if identity.part else identity.kind
    name = place.called(part, longest=_IDENTITY_NAME, what="a managed identity")
    return Declaration(
        IDENTITY, identity.name, "access", {"name": name, **place.common(), "tags": place.tags}, because=because
    )


def access_of(identity: Identity, grants: Iterable[Grant]) -> Access:
    """Gives what an identity may do with buckets: what it was granted, each thing once.

    Raises:
        UnsupportedError: Azure has no condition for it.
    """
    buckets: dict[str, tuple[DeclaredBucket, dict[str, Reasons]]] = {}
    for bucket, verb, keys in on_buckets(grants):
        buckets.setdefault(bucket.physical, (bucket, {}))[1][verb] = keys
    return joined(one for bucket, verbs in buckets.values() for one in _on_bucket(identity, bucket, verbs))


def assigned(
    identity: Identity,
    name: str,
    scope: Ref | Text | str,
    role: Ref | str,
    because: tuple[Because, ...],
    condition: str | None = None,
) -> Declaration:
    """Gives the assignment of a role to an identity.

    Args:
        identity: who gets it.
        name: of the declaration, after the identity's.
        scope: on what, by its id.
        role: one of the pipeline's, or a predefined one by its name.
        because: what needs it.
        condition: which requests it is for; all if None.
    """
    by_name = isinstance(role, str)
    return Declaration(
        ASSIGNMENT,
        f"{identity.name}_{name}",
        "access",
        {
            "scope": scope,
            "role_definition_name": role if by_name else None,
            "role_definition_id": None if by_name else role,
            "principal_id": identity.ref("principal_id"),
            "principal_type": "ServicePrincipal",
            "condition": condition,
            "condition_version": None if condition is None else "2.0",
        },
        because=because,
    )


def role_ref(role: Role) -> Ref:
    """Gives a role of the pipeline's, as assignments take it."""
    return Ref("azurerm_role_definition", role, ("role_definition_resource_id",))


def pulls_images(identity: Identity, registry: Ref) -> Declaration:
    """Gives the right to have the image that a job runs.

    Args:
        identity: of the job.
        registry: by its id.
    """
    return assigned(identity, "pulls_images", registry, "AcrPull", ())


def roles(place: Place, declarations: Sequence[Declaration]) -> list[Declaration]:
    """Gives the roles that assignments refer to, each for the resource groups that it is assigned in."""
    used = {
        value.name
        for declaration in declarations
        if declaration.kind == ASSIGNMENT and isinstance(value := declaration.arguments.get("role_definition_id"), Ref)
    }
    deployment = place.deployment
    groups = {place.group_of(bucket.provider, "id") for bucket in (*deployment.buckets, deployment.records)}
    scopes = {place.group_of(place.provider, "id"), *groups}
    return [
        _role(place, role, sorted(scopes, key=lambda ref: (ref.name != "this", ref.name)))
        for role in _TITLES
        if role in used
    ]


def joined(several: Iterable[Access]) -> Access:
    """Gives several as one."""
    every = list(several)
    return Access(
        tuple(one for access in every for one in access.declarations),
        tuple(one for access in every for one in access.permissions),
    )


def _role(place: Place, role: Role, scopes: list[Ref]) -> Declaration:
    name = place.called(role, longest=400, what="a role")
    permissions: dict[str, Value] = {"actions": ACTIONS.get(role), "data_actions": DATA_ACTIONS.get(role)}
    return Declaration(
        "azurerm_role_definition",
        role,
        "access",
        {
            "name": f"{name} ({place.provider.storage_account})",
            "description": f"Of pipeline {place.deployment.pipeline}: {_TITLES[role]}.",
            "scope": scopes[0],
            "assignable_scopes": tuple(scopes),
            "permissions": Block(permissions),
        },
    )


def _on_bucket(identity: Identity, bucket: DeclaredBucket, verbs: Mapping[str, Reasons]) -> Iterator[Access]:
    read, listed = verbs.get("read", {}), verbs.get("list", {})
    if read or listed:
        because = together(*read.values(), *listed.values())
        condition = read_condition(bucket, sorted(read), sorted(listed))
        told = [
            *(_permission(identity, READ, bucket, keys, read[keys]) for keys in sorted(read)),
            *(_permission(identity, READ, bucket, keys, listed[keys], listed=True) for keys in sorted(listed)),
        ]
        yield Access((_assignment(identity, bucket, "reader", because, condition),), tuple(told))
    changes: tuple[tuple[str, Role, str], ...] = (("write", "writer", WRITE), ("delete", "deleter", DELETE))
    for verb, role, action in changes:
        if keys := verbs.get(verb):
            condition = path_condition(bucket, action, sorted(keys))
            because = together(*keys.values())
            told = [_permission(identity, action, bucket, one, keys[one]) for one in sorted(keys)]
            told += [Permission(identity.title, (one,), _place(bucket), because) for one in ACTIONS.get(role, ())]
            yield Access((_assignment(identity, bucket, role, because, condition),), tuple(told))


def _assignment(
    identity: Identity, bucket: DeclaredBucket, role: Role, because: tuple[Because, ...], condition: str | None
) -> Declaration:
    name = f"{_WORDS[role]}_{identifier(bucket.name)}"
    return assigned(identity, name, bucket_ref(bucket, "id"), role_ref(role), because, condition)


def _permission(
    identity: Identity,
    action: str,
    bucket: DeclaredBucket,
    keys: Keys,
    because: tuple[Because, ...],
    *,
    listed: bool = False,
) -> Permission:
    scope = f"{_place(bucket)}/{listing(keys)} (in listings)" if listed else f"{_place(bucket)}/{keys}"
    return Permission(identity.title, (action.replace(BLOBS, "blobs"),), scope, because)


def _place(bucket: DeclaredBucket) -> str:
    return f"{bucket.provider.storage_account}/{bucket.physical}"
