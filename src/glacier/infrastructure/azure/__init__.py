"""Azure: Blob Storage, Container Apps jobs, Functions on Flex Consumption, role assignments with conditions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from glacier.blueprint import Because, Block, Blueprint, Declaration, Output, Plugin, Ref, Step, Value, Variable
from glacier.deployment.needs import Deployment, identifier
from glacier.deployment.packaging import archive_of, image_of
from glacier.infrastructure.azure.access import (
    Access,
    Identity,
    access_of,
    identity_declaration,
    joined,
    pulls_images,
    roles,
)
from glacier.infrastructure.azure.accounts import Account, account_declaration, accounts_of
from glacier.infrastructure.azure.alerts import alert_declarations
from glacier.infrastructure.azure.buckets import (
    bucket_ref,
    container_declarations,
    lifecycle_declarations,
    read_logs,
)
from glacier.infrastructure.azure.coordinator import (
    COORDINATOR,
    SCHEDULER,
    because,
    coordinator_job,
    on_jobs,
    scheduler_job,
    start_of,
)
from glacier.infrastructure.azure.functions import (
    account_ref,
    function_access,
    function_declarations,
    invocations,
    shared_declarations,
    stage_variables,
)
from glacier.infrastructure.azure.jobs import REGISTRY, environment, image, registry, registry_ref, stage_job
from glacier.infrastructure.azure.keys import WAITED, Encrypted, keys_of
from glacier.infrastructure.azure.logs import workspace
from glacier.infrastructure.azure.network import endpoint_declarations, network_of
from glacier.infrastructure.azure.notes import notes
from glacier.infrastructure.azure.place import Place, groups, place_of, tenant

_AZURERM = ">= 5.0, < 6.0"
"""Versions of the provider. The one before links private DNS zones by other arguments."""
_AZUREAD = ">= 3.0, < 4.0"
_TIME = ">= 0.12, < 1.0"
_SERVICES = {
    "azurerm_container_app_environment": "Microsoft.App",
    "azurerm_container_registry": "Microsoft.ContainerRegistry",
    "azurerm_monitor_diagnostic_setting": "Microsoft.Insights",
    "azurerm_key_vault": "Microsoft.KeyVault",
    "azurerm_user_assigned_identity": "Microsoft.ManagedIdentity",
    "azurerm_virtual_network": "Microsoft.Network",
    "azurerm_private_endpoint": "Microsoft.Network",
    "azurerm_log_analytics_workspace": "Microsoft.OperationalInsights",
    "azurerm_storage_account": "Microsoft.Storage",
    "azurerm_service_plan": "Microsoft.Web",
}
"""What a subscription must know before it can have a kind of thing."""


def blueprint(deployment: Deployment) -> Blueprint:
    """Gives what Azure must hold for a pipeline.

    Raises:
        ConfigError: a name is longer than Azure takes, or two buckets of one account do not agree on it.
        UnsupportedError: what the pipeline asks for does not go with Blob Storage, Container Apps or Functions.
    """
    place = place_of(deployment)
    accounts = accounts_of(place)
    closed = _closed(deployment, accounts)
    network = network_of(place, closed)
    keys = keys_of(place, accounts)
    packed = [archive_of(one, "azure") for one in deployment.functions]
    recipe = image_of(deployment)
    start = start_of(place)
    several = len(deployment.stages) > 1
    jobs = {
        stage.name: stage_job(place, stage, None if several else start.trigger, stage_variables(stage))
        for stage in deployment.stages
    }
    coordinator = coordinator_job(place, jobs, start.trigger) if several else None
    target = coordinator or next(iter(jobs.values()))
    scheduler = scheduler_job(place, target, start) if start.guarded else None
    starting = [one for one in (coordinator, scheduler) if one]
    access = _access(place, jobs, target, starting)
    declarations = [
        *groups(place),
        *(_account(place, account, keys.of(account.key), network.of_account) for account in accounts),
        *container_declarations(place, accounts),
        *lifecycle_declarations(place, accounts),
        *read_logs(place, accounts),
        *shared_declarations(place),
        *(
            declaration
            for function in deployment.functions
            for declaration in function_declarations(place, function, network, keys.made)
        ),
        registry(place),
        workspace(place),
        *environment(place, network.of_environment, network.ready),
        *jobs.values(),
        *starting,
        *access.declarations,
        *keys.declarations,
        *network.declarations,
        *endpoint_declarations(place, network, closed),
        *alert_declarations(place, starting if several else [target, *starting]),
    ]
    declarations += [*roles(place, declarations), *tenant(declarations)]
    return Blueprint(
        deployment.pipeline,
        "Azure",
        tuple(_plugins(place, declarations)),
        tuple(declarations),
        tuple(_outputs(place, jobs, starting, recipe.tag)),
        access.permissions,
        (*recipe.assets, *packed),
        tuple(_steps(place, target, [asset.path for asset in packed])),
        tuple(notes(place, accounts, start, network, keys)),
    )


def _account(place: Place, account: Account, encrypted: Encrypted, network: Mapping[str, Value]) -> Declaration:
    return account_declaration(place, account, encrypted.arguments, network, encrypted.after)


def _access(
    place: Place, jobs: Mapping[str, Declaration], target: Declaration, starting: Sequence[Declaration]
) -> Access:
    """Gives every identity with what it may do."""
    deployment = place.deployment
    found: list[Access] = []
    for stage in deployment.stages:
        identity = Identity("stage", stage.name)
        declared = (identity_declaration(place, identity), pulls_images(identity, REGISTRY))
        found += [Access(declared), access_of(identity, stage.grants), invocations(stage)]
    for function in deployment.functions:
        identity = Identity("function", function.name)
        found += [function_access(place, function), access_of(identity, function.grants)]
    for identity in (one for one in (COORDINATOR, SCHEDULER) if one.name in {job.name for job in starting}):
        found += [
            Access((pulls_images(identity, REGISTRY),)),
            on_jobs(place, identity, "orchestrator", {f"stage {name}": job for name, job in jobs.items()}, _ORDER)
            if identity == COORDINATOR
            else on_jobs(place, identity, "starter", {"the pipeline": target}, because(place)),
        ]
    return joined(found)


def _closed(deployment: Deployment, accounts: Sequence[Account]) -> list[Ref]:
    """Gives the accounts that are made, by their ids."""
    own = [account.ref("id") for account in accounts if not account.existing]
    return [*own, *(account_ref(function) for function in deployment.functions)]


def _plugins(place: Place, declarations: Sequence[Declaration]) -> Iterator[Plugin]:
    kinds = {one.kind for one in declarations if not one.looked_up}
    services = {service for kind, service in _SERVICES.items() if kind in kinds}
    yield Plugin(
        "azurerm",
        "hashicorp/azurerm",
        _AZURERM,
        {
            "subscription_id": place.subscription,
            "storage_use_azuread": True,
            "resource_provider_registrations": "none",
            "resource_providers_to_register": tuple(sorted(services)),
            "features": Block({"storage": Block({"data_plane_available": False})}),
        },
    )
    if any(kind.startswith("azuread_") for kind in kinds):
        yield Plugin("azuread", "hashicorp/azuread", _AZUREAD)
    if WAITED.kind in kinds:
        yield Plugin("time", "hashicorp/time", _TIME)


def _outputs(
    place: Place, jobs: Mapping[str, Declaration], starting: Sequence[Declaration], tag: str
) -> Iterator[Output]:
    deployment = place.deployment
    yield Output("resource_group", place.group, "The resource group.")
    yield Output("registry", registry_ref("name"), "The registry of images.")
    yield Output("image", image(place, tag), "Where the image is pushed to.")
    for stage, declaration in jobs.items():
        yield Output(f"job_{declaration.name}", declaration.ref("name"), f"The job of stage {stage}.")
    for declaration in starting:
        what = "runs the stages in order" if declaration.name == COORDINATOR.name else "looks at the clock"
        yield Output(declaration.name, declaration.ref("name"), f"The job that {what}.")
    for bucket in (*deployment.buckets, deployment.records):
        yield Output(f"bucket_{identifier(bucket.name)}", bucket_ref(bucket, "name"), f"Bucket `{bucket.name}`.")


def _steps(place: Place, target: Declaration, archives: Sequence[str]) -> Iterator[Step]:
    group = '"$(terraform output -raw resource_group)"'
    if isinstance(place.subscription, Variable):
        yield Step(
            "Log in; the last line prints what `subscription_id` is", "az login\naz account show --query id", first=True
        )
    else:
        yield Step("Log in", f"az login\naz account set --subscription {place.subscription}", first=True)
    yield Step(
        "Build the image, push it, and let the jobs run it",
        'IMAGE="$(terraform output -raw image)"\n'
        'az acr login --name "$(terraform output -raw registry)"\n'
        'docker build --platform linux/amd64 --tag "$IMAGE" image\n'
        'docker push "$IMAGE"',
        sets="image",
    )
    if archives:
        lines = [
            f"az functionapp deployment source config-zip --resource-group {group} --name {function.physical} "
            f"--src {path}"
            for function, path in zip(place.deployment.functions, archives, strict=True)
        ]
        yield Step("Deploy the functions' code, now and whenever it has changed", "\n".join(lines))
    yield Step(
        "Start a run",
        f"az containerapp job start --resource-group {group} --name {target.arguments['name']}",
    )


_ORDER = (Because("the coordinator runs the stages in order"),)
