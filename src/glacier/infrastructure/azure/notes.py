"""What a person should know before applying a pipeline's blueprint in Azure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from glacier.deployment.needs import Grant
from glacier.infrastructure.azure.accounts import Account
from glacier.infrastructure.azure.coordinator import Start
from glacier.infrastructure.azure.jobs import size
from glacier.infrastructure.azure.keys import Keys
from glacier.infrastructure.azure.logs import days, rounded
from glacier.infrastructure.azure.network import FUNCTIONS, Network
from glacier.infrastructure.azure.place import Place


def notes(place: Place, accounts: Sequence[Account], start: Start, network: Network, keys: Keys) -> Iterator[str]:
    """Gives the notes, the general first."""
    deployment = place.deployment
    options = deployment.options
    yield (
        "Until the image is pushed, the jobs have one that cannot run the pipeline, so that all can be made in one "
        "apply: runs before that fail, and say so."
    )
    yield (
        "Who applies this makes role definitions and assignments: Owner, or Contributor and User Access Administrator, "
        + (
            "of the subscription, in which the resource group is made."
            if place.provider.resource_group is None
            else "of the resource group. Services that the subscription does not know yet are registered, which takes "
            "Contributor of the subscription the first time."
        )
        + (" Functions have names in Entra ID besides: Application Developer there." if deployment.functions else "")
    )
    if place.provider.resource_group is not None:
        yield (
            f"Resource group `{place.provider.resource_group}` must be there: "
            f"`az group create --name {place.provider.resource_group} --location {place.location}`."
        )
    for account in accounts:
        if account.existing:
            yield (
                f"Storage account `{account.name}` is there already, so its own settings hold for the containers: "
                "keys, versions, soft delete, and how long records of runs are kept. Let it refuse account keys "
                "(`--allow-shared-key-access false`): who has one passes by every role."
            )
    yield (
        "New roles are known everywhere in Azure after some minutes: a run right after the first apply may be refused."
    )
    if any("delete" in grant.verbs for grants in _grants(place) for grant in grants):
        yield (
            "Azure takes several deletes as one request on the container, which who sends it must be able to change: "
            "identities that delete blobs could change their container's metadata. Which blobs they may delete is "
            "still asked for each."
        )
    if len(deployment.stages) > 1:
        yield (
            "Azure gives the right to start a job, not to start it as it is: the coordinator's identity could start "
            "the stages' jobs with other images or commands."
        )
    if start.guarded and deployment.schedule is not None:
        yield (
            f"Container Apps know schedules in UTC only. For {deployment.schedule.timezone}, a small job starts at "
            f"every moment that may be meant (`{start.cron}` UTC), and starts the pipeline if it is that moment there. "
            "An hour that the clock skips in spring has no run; one that it shows twice has one."
        )
    dedicated = sorted(
        {name for name, _, _ in (size(deployment, stage) for stage in deployment.stages)} - {"Consumption"}
    )
    if dedicated:
        yield (
            f"Stages of more than 4 cores or 8 GiB run on dedicated machines ({', '.join(dedicated)}), which are there "
            "while they run. Azure charges a fee for managing them by the hour, whether one runs or not."
        )
    if rounded(place):
        yield f"Log Analytics keeps logs for 30 to 730 days: these are kept for {days(place)}."
    if deployment.functions:
        yield (
            "A function's app has its name as its address, `NAME.azurewebsites.net`, which must be free in all of "
            "Azure. It lets in no one without a token of an identity that invokes it."
        )
    if options.subnets:
        yield (
            "The subnet of jobs, and that of functions if there are any, must be delegated to "
            "Microsoft.App/environments and have at least 32 addresses."
        )
    if network.is_closed:
        yield (
            "Storage accounts are reached from the pipeline's network only: to see data from elsewhere, add an "
            "endpoint or an address to the account's rules in a file of your own."
        )
        if options.subnets:
            if deployment.functions:
                yield (
                    "Functions take requests from the subnet of jobs only, and know it by its service endpoint "
                    f"{FUNCTIONS}: without that they refuse all. `az network vnet subnet update --ids SUBNET "
                    f"--service-endpoints {FUNCTIONS}` adds it; name those that it has beside it."
                )
            yield (
                "The zone privatelink.blob.core.windows.net is linked to the network of the given subnets, which can "
                "have one such link: take it out if yours has."
            )
    if keys.makes_one:
        yield "The key vault keeps its name for 90 days after a destroy; without its key the data cannot be read."
    yield from deployment.warnings


def _grants(place: Place) -> Iterator[Sequence[Grant]]:
    yield from (stage.grants for stage in place.deployment.stages)
    yield from (function.grants for function in place.deployment.functions)
