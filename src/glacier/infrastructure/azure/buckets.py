"""Buckets in Azure: containers, and what becomes of their blobs in time."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import blake2s

from glacier.blueprint import Block, Declaration, Ref, Value, Waiver, text
from glacier.config.azure import AzureBlobConfig, AzureLifecycleRule
from glacier.deployment.needs import DeclaredBucket, identifier, slug
from glacier.errors import UnsupportedError
from glacier.infrastructure.azure.accounts import Account
from glacier.infrastructure.azure.logs import sent
from glacier.infrastructure.azure.place import Place

KIND = "azurerm_storage_container"
VERSION_DAYS = 30
"""After which an overwritten or deleted blob goes, where the config does not ask for versions to be kept."""
RECORDS_DAYS = 90
"""After which records of runs, and what stages handed on, go."""

_RULES, _PREFIXES = 100, 10
"""Rules of one account, and prefixes of one rule. (Azure Blob Storage: lifecycle management)"""
_PLAIN = AzureBlobConfig()
_REQUESTS = ("StorageDelete", "StorageRead", "StorageWrite")
LOGS = Waiver(
    "CKV2_AZURE_21", 'it knows none but the retired storage insights; reads are logged with hardening="strict"'
)


def container_declarations(place: Place, accounts: list[Account]) -> list[Declaration]:
    """Gives the containers, the one for records last; existing ones are looked up."""
    deployment = place.deployment
    holds = {bucket.name: account for account in accounts for bucket in account.buckets}
    return [_container(holds[bucket.name], bucket) for bucket in (*deployment.buckets, deployment.records)]


def read_logs(place: Place, accounts: list[Account]) -> list[Declaration]:
    """Gives what logs who read, wrote and deleted what in the accounts that are made; where hardening is strict."""
    if not place.strict:
        return []
    return [
        sent(f"blobs_of_{account.label}", text(account.ref("id"), "/blobServices/default"), _REQUESTS, "storage")
        for account in accounts
        if not account.existing
    ]


def lifecycle_declarations(place: Place, accounts: list[Account]) -> list[Declaration]:
    """Gives what happens to blobs in time, for each account that is made: Azure has one list of rules for each.

    Raises:
        UnsupportedError: there are more rules than an account takes.
    """
    found: list[Declaration] = []
    for account in accounts:
        if account.existing:
            continue
        rules = [rule for bucket in account.made for rule in _rules(place, bucket)]
        rules += _of_versions(account)
        if len(rules) > _RULES:
            raise UnsupportedError(
                f"Azure takes {_RULES} lifecycle rules for storage account `{account.name}`, and its buckets have "
                f"{len(rules)}",
                site=place.deployment.site,
                fix="declare some of the buckets with an AzureProvider of another storage_account",
            )
        arguments: dict[str, Value] = {"storage_account_id": account.ref("id"), "rule": tuple(rules)}
        name = account.ref().name
        found.append(Declaration("azurerm_storage_management_policy", name, "storage", arguments))
    return found


def bucket_ref(bucket: DeclaredBucket, *path: str) -> Ref:
    """Gives a reference to an attribute of a container."""
    return Ref(KIND, identifier(bucket.name), path, bucket.existing)


def _container(account: Account, bucket: DeclaredBucket) -> Declaration:
    ref = bucket_ref(bucket)
    arguments: dict[str, Value] = {"name": bucket.physical, "storage_account_id": account.ref("id")}
    if bucket.existing:
        return Declaration(KIND, ref.name, "storage", arguments, looked_up=True, because=bucket.because)
    return Declaration(
        KIND,
        ref.name,
        "storage",
        {**arguments, "container_access_type": "private"},
        keeps_data=True,
        because=bucket.because,
        waivers=(LOGS,),
    )


def _rules(place: Place, bucket: DeclaredBucket) -> Iterator[Block]:
    """Gives a container's own rules; records go after some days if nothing else is said."""
    config: AzureBlobConfig = bucket.config or _PLAIN
    for rule in config.rules:
        yield _rule(bucket, rule)
    if bucket == place.deployment.records and not config.rules:
        yield _rule(bucket, AzureLifecycleRule(days=RECORDS_DAYS, expiration=True))


def _of_versions(account: Account) -> Iterator[Block]:
    """Gives when versions go, of all containers but those that keep them."""
    actions: dict[str, Value] = {"version": Block({"delete_after_days_since_creation": VERSION_DAYS})}
    going = [bucket for bucket in account.made if not (bucket.config or _PLAIN).versioning]
    if len(going) == len(account.made):
        yield _block("versions", None, actions)
        return
    for start in range(0, len(going), _PREFIXES):
        several = tuple(f"{bucket.physical}/" for bucket in going[start : start + _PREFIXES])
        yield _block(f"versions-{start // _PREFIXES + 1}", several, actions)


def _rule(bucket: DeclaredBucket, rule: AzureLifecycleRule) -> Block:
    what = rule.transition.lower() if rule.transition else "delete"
    argument = "delete" if rule.transition is None else f"tier_to_{what}"
    actions = Block({f"{argument}_after_days_since_modification_greater_than": rule.days})
    name = "-".join(part for part in (bucket.physical, what, str(rule.days), _worded(rule.prefix)) if part)
    return _block(name, (f"{bucket.physical}/{rule.prefix}",), {"base_blob": actions})


def _worded(prefix: str) -> str:
    """Gives a prefix as a part of a name, with a digest where words do not tell it from others."""
    if not prefix:
        return ""
    words = slug(prefix)
    return words if prefix in (words, f"{words}/") else f"{words}-{blake2s(prefix.encode(), digest_size=3).hexdigest()}"


def _block(name: str, prefixes: tuple[str, ...] | None, actions: dict[str, Value]) -> Block:
    filters = Block({"blob_types": ("blockBlob",), "prefix_match": prefixes})
    return Block({"name": name, "enabled": True, "filters": filters, "actions": Block(actions)})
