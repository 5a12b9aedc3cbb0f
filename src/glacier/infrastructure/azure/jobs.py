"""What stages run on: a Container Apps job for each, all from one image in a registry of the pipeline's."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from glacier.blueprint import Block, Declaration, Ref, Value, Variable, Waiver, text
from glacier.config.deploy import Compute
from glacier.deployment.commands import records_uri, stage_command, stage_environment
from glacier.deployment.needs import Deployment, Stage, identifier
from glacier.errors import UnsupportedError
from glacier.infrastructure.azure.access import Identity
from glacier.infrastructure.azure.logs import sent
from glacier.infrastructure.azure.place import Place

PLACEHOLDER = "mcr.microsoft.com/k8se/quickstart-jobs:latest"
"""An image of Microsoft's that is there for everybody. It has no Python: a run before the own image is there fails."""
JOB = "azurerm_container_app_job"
ENVIRONMENT = Ref("azurerm_container_app_environment", "this", ("id",))
REGISTRY = Ref("azurerm_container_registry", "images", ("id",))

_CONSUMPTION = "Consumption"
_STEP, _CORES, _GIB = 0.25, 4, 8
"""Cores of the Consumption profile: in quarters, up to 4, each with 2 GiB. (Container Apps: containers)"""
_PROFILES = tuple(
    (name, cores, cores * gib) for cores in (4, 8, 16, 32) for name, gib in ((f"D{cores}", 4), (f"E{cores}", 8))
)
"""Dedicated profiles with their cores and GiB, a little of which Azure keeps. (Container Apps: workload profiles)"""
_JOB_NAME, _ENVIRONMENT_NAME, _REGISTRY_NAME = 32, 60, 50
_REGISTRY_WAIVERS = (
    ("CKV_AZURE_139", "the image is pushed from wherever it is built, by who has signed in"),
    ("CKV_AZURE_163", "Defender scans images, for the subscription as a whole"),
    ("CKV_AZURE_164", "content trust is retired, and azurerm 5 has no such setting"),
    ("CKV_AZURE_165", "jobs run in one region"),
    ("CKV_AZURE_166", "quarantine waits for a scanner of your own to let each image go"),
)
_PREMIUM_WAIVERS = (
    ("CKV_AZURE_167", 'a Premium registry comes with hardening="strict"'),
    ("CKV_AZURE_233", 'a Premium registry comes with hardening="strict"'),
    ("CKV_AZURE_237", 'a Premium registry comes with hardening="strict"'),
)
_KEPT_DAYS = 30
_STARTING = 300
"""Seconds that an attempt has besides its own time limit: its image is pulled before, its record is written after."""


@dataclass(frozen=True)
class Limits:
    """What a replica of a job may take.

    Attributes:
        seconds: that it and those after it may run; the deadline is that of all of an execution's attempts, as the log
            of one that was exceeded has it. (microsoft/azure-container-apps#986)
        retries: how often another follows one that failed.
        profile: the machine it runs on.
    """

    seconds: int
    retries: int
    profile: str = _CONSUMPTION


def registry(place: Place) -> Declaration:
    """Gives the registry of the pipeline's images, which no password opens."""
    rules = (*_REGISTRY_WAIVERS, *(() if place.strict else _PREMIUM_WAIVERS))
    premium: dict[str, Value] = {
        "retention_policy_in_days": _KEPT_DAYS,
        "zone_redundancy_enabled": True,
        "data_endpoint_enabled": True,
    }
    return Declaration(
        REGISTRY.kind,
        REGISTRY.name,
        "jobs",
        {
            "name": place.unique(place.deployment.slug, _REGISTRY_NAME),
            **place.common(),
            "sku": "Premium" if place.strict else "Basic",
            "admin_enabled": False,
            "anonymous_pull_enabled": False,
            **(premium if place.strict else {}),
            "tags": place.tags,
        },
        waivers=tuple(Waiver(rule, reason) for rule, reason in sorted(rules)),
    )


def image(place: Place, tag: str) -> Value:
    """Gives where the pipeline's image is pushed to."""
    return text(registry_ref("login_server"), f"/{place.deployment.slug}:{tag}")


def image_variable() -> Variable:
    """Gives what says which image runs."""
    return Variable(
        "image",
        "string",
        "The image that runs, with its tag; one that fails stands in for it until the pipeline's own is pushed.",
        default=PLACEHOLDER,
    )


def environment(place: Place, network: Mapping[str, Value], after: tuple[Ref, ...]) -> list[Declaration]:
    """Gives the environment that jobs run in, and what sends their logs away.

    Args:
        place: where.
        network: arguments that say which subnet it is in; empty for Azure's own.
        after: what must be there before.
    """
    sizes = [size(place.deployment, stage) for stage in place.deployment.stages]
    dedicated = {profile for profile, _, _ in sizes if profile != _CONSUMPTION}
    profiles = [Block({"name": _CONSUMPTION, "workload_profile_type": _CONSUMPTION})]
    for name in sorted(dedicated):
        several = sum(1 for profile, _, _ in sizes if profile == name)
        profiles.append(
            Block({"name": name, "workload_profile_type": name, "minimum_count": 0, "maximum_count": several})
        )
    declaration = Declaration(
        ENVIRONMENT.kind,
        ENVIRONMENT.name,
        "jobs",
        {
            "name": place.called(longest=_ENVIRONMENT_NAME, what="a Container Apps environment"),
            **place.common(),
            "logs_destination": "azure-monitor",
            **network,
            "tags": place.tags,
            "workload_profile": tuple(profiles),
        },
        after=after,
    )
    return [declaration, sent("jobs", ENVIRONMENT, ("ContainerAppConsoleLogs", "ContainerAppSystemLogs"))]


def stage_job(place: Place, stage: Stage, trigger: Block | None, variables: Mapping[str, Value]) -> Declaration:
    """Gives the job of a stage.

    Args:
        place: where.
        stage: which one.
        trigger: when it starts by itself.
        variables: of its environment, besides those of every stage.

    Raises:
        UnsupportedError: no size of Container Apps holds the stage's compute.
    """
    deployment = place.deployment
    command = stage_command(deployment, stage, records_uri(deployment))
    told: dict[str, Value] = {**stage_environment(deployment, stage), **variables}
    profile, cores, gib = size(deployment, stage)
    identity = Identity("stage", stage.name)
    limits = Limits(deadline(deployment), deployment.options.retries, profile)
    return job(place, identity, stage.name, limits, _container(command, told, identity, cores, gib), trigger)


def deadline(deployment: Deployment) -> int:
    """Gives the seconds after which all attempts at a stage have ended."""
    return (deployment.options.timeout + _STARTING) * (deployment.options.retries + 1)


def small_container(command: tuple[Value, ...], identity: Identity) -> Block:
    """Gives a container of the smallest size."""
    return _container(command, {}, identity, _STEP, _STEP * 2)


def job(
    place: Place, identity: Identity, part: str, limits: Limits, container: Block, trigger: Block | None
) -> Declaration:
    """Gives a job that one replica does.

    Args:
        place: where.
        identity: that it runs under, and that pulls the image.
        part: what it is called, after the pipeline.
        limits: of a replica.
        container: what runs.
        trigger: when it starts by itself; only when asked to if None.
    """
    once: dict[str, Value] = {"parallelism": 1, "replica_completion_count": 1}
    return Declaration(
        JOB,
        identifier(part),
        "jobs",
        {
            "name": job_name(place, part),
            **place.common(),
            "container_app_environment_id": ENVIRONMENT,
            "workload_profile_name": limits.profile,
            "replica_timeout_in_seconds": limits.seconds,
            "replica_retry_limit": limits.retries,
            "tags": place.tags,
            "identity": identity.block(),
            "registry": Block({"server": registry_ref("login_server"), "identity": identity.ref("id")}),
            "manual_trigger_config": None if trigger else Block(once),
            "schedule_trigger_config": Block({**trigger.arguments, **once}) if trigger else None,
            "template": Block({"container": container}),
        },
        after=(Ref("azurerm_role_assignment", f"{identity.name}_pulls_images", ()),),
    )


def job_name(place: Place, part: str) -> str:
    """Gives what a job is called, a stage's the same when there come to be more stages.

    A long one ends in a digest, since Azure takes 32 characters.
    """
    return place.short(part, longest=_JOB_NAME, what="a Container Apps job")


def size(deployment: Deployment, stage: Stage) -> tuple[str, float, float]:
    """Gives the profile of a machine, with the cores and GiB that its container has.

    Raises:
        UnsupportedError: there is no such profile.
    """
    wanted: Compute = stage.compute
    gib = wanted.memory / 1024
    cores = math.ceil(max(wanted.cpu, gib * _CORES / _GIB) / _STEP) * _STEP
    if cores <= _CORES:
        return _CONSUMPTION, cores, cores * 2
    for name, most, memory in _PROFILES:
        if wanted.cpu < most and gib < memory:
            return name, wanted.cpu, math.ceil(gib * 100) / 100
    name, most, memory = _PROFILES[-1]
    raise UnsupportedError(
        f"Azure cannot run stage `{stage.name}` of pipeline `{deployment.pipeline}`: it asks for {wanted.cpu:g} CPUs "
        f"and {wanted.memory:,} MiB, and the largest profile of Container Apps, {name}, has less than {most} and "
        f"{memory * 1024:,} to give",
        site=deployment.site,
        fix=f"write Compute(cpu={min(wanted.cpu, most - 1):g}, memory={min(wanted.memory, (memory - 8) * 1024)}), "
        "or split the work into tasks of less",
    )


def _container(
    command: tuple[Value, ...], variables: Mapping[str, Value], identity: Identity, cores: float, gib: float
) -> Block:
    told: dict[str, Value] = {**variables, "AZURE_CLIENT_ID": identity.ref("client_id")}
    return Block(
        {
            "name": "main",
            "image": image_variable(),
            "command": command[:1],
            "args": command[1:],
            "cpu": cores,
            "memory": f"{gib:g}Gi",
            "env": tuple(Block({"name": name, "value": value}) for name, value in sorted(told.items())),
        }
    )


def registry_ref(attribute: str) -> Ref:
    """Gives a reference to an attribute of the registry."""
    return Ref(REGISTRY.kind, REGISTRY.name, (attribute,))
