"""Storage accounts: each with what the configs of its containers ask for, closed to the public and to keys."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeVar

from glacier.blueprint import Because, Block, Declaration, Ref, Value, Waiver
from glacier.config.azure import AzureBlobConfig
from glacier.deployment.needs import DeclaredBucket
from glacier.errors import ConfigError, UnsupportedError
from glacier.infrastructure.azure.place import Place
from glacier.providers.azure import AzureProvider

KIND = "azurerm_storage_account"
CONTAINER_DAYS = 7
"""For how long at least a deleted container can be restored."""
_SAS_HOURS = "00.01:00:00"

REPLICATED = ("GRS", "RAGRS", "GZRS", "RAGZRS")
_OPEN = 'jobs reach it over Azure\'s own network, from no fixed address: closed with hardening="strict"'
NO_QUEUES = Waiver("CKV_AZURE_33", "there are no queues in it, and azurerm 5 has no such setting")

T = TypeVar("T")


@dataclass(frozen=True)
class Account:
    """A storage account that buckets of the pipeline are in.

    Attributes:
        provider: that its buckets were declared with.
        buckets: that are in it, the one for records among them.
        existing: whether it is there already: so is what holds an existing container.
        label: what its declarations are called.
    """

    provider: AzureProvider
    buckets: tuple[DeclaredBucket, ...]
    existing: bool
    label: str

    @property
    def name(self) -> str:
        """What it is called."""
        return str(self.provider.storage_account)

    def ref(self, *path: str) -> Ref:
        """Gives a reference to an attribute of it."""
        return Ref(KIND, self.label, path, self.existing)

    @property
    def made(self) -> tuple[DeclaredBucket, ...]:
        """The buckets that are not there already."""
        return tuple(bucket for bucket in self.buckets if not bucket.existing)

    @property
    def because(self) -> tuple[Because, ...]:
        """What its buckets are there for."""
        return tuple(cause for bucket in self.buckets for cause in bucket.because)

    @property
    def redundancy(self) -> str:
        """How many copies it keeps, and where."""
        return self._agreed("redundancy", lambda config: config.redundancy, AzureBlobConfig().redundancy)

    @property
    def tier(self) -> str:
        """The tier of blobs for which none is given."""
        return self._agreed("access_tier", lambda config: config.access_tier, AzureBlobConfig().access_tier)

    @property
    def key(self) -> str | None:
        """The key that the code names, if any does."""
        return self._agreed("key_vault_key", lambda config: config.key_vault_key, None, among=_named_key)

    @property
    def soft_delete_days(self) -> int:
        """For how long deleted blobs can be restored: the longest that a container asks for."""
        stated = [config.soft_delete_days for _, config in self._configs()]
        return max(stated, default=AzureBlobConfig().soft_delete_days)

    def _configs(self) -> Iterator[tuple[DeclaredBucket, AzureBlobConfig]]:
        for bucket in self.made:
            if isinstance(bucket.config, AzureBlobConfig):
                yield bucket, bucket.config

    def _agreed(
        self,
        what: str,
        of: Callable[[AzureBlobConfig], T],
        default: T,
        among: Callable[[AzureBlobConfig], bool] = lambda _: True,
    ) -> T:
        """Gives what all configs say of the account.

        Raises:
            ConfigError: they differ.
        """
        first: tuple[DeclaredBucket, T] | None = None
        for bucket, config in self._configs():
            if not among(config):
                continue
            value = of(config)
            if first is None:
                first = (bucket, value)
            elif first[1] != value:
                raise ConfigError(
                    f"buckets `{first[0].name}` and `{bucket.name}` are in storage account `{self.name}`, which has "
                    f'one {what}, and ask for "{first[1]}" and "{value}"',
                    site=bucket.site,
                    fix=f"give both the same {what}, or declare one with an AzureProvider of another storage_account",
                )
        return first[1] if first else default


def accounts_of(place: Place) -> list[Account]:
    """Gives the accounts of the pipeline's buckets, each once.

    Raises:
        ConfigError: providers of one account differ in what is said of it.
        UnsupportedError: a config asks for what an existing account decides by itself.
    """
    deployment = place.deployment
    found: dict[str, list[DeclaredBucket]] = {}
    for bucket in dict.fromkeys((deployment.records, *deployment.buckets)):
        found.setdefault(str(bucket.provider.storage_account), []).append(bucket)
    accounts: list[Account] = []
    for buckets in found.values():
        provider: AzureProvider = buckets[0].provider
        _check_same(provider, buckets)
        existing = provider.existing_account or any(bucket.existing for bucket in buckets)
        account = Account(provider, tuple(buckets), existing, place.label(str(provider.storage_account)))
        if existing:
            _check_existing(place, account)
        accounts.append(account)
    return sorted(accounts, key=lambda account: account.name)


def account_declaration(
    place: Place,
    account: Account,
    encryption: Mapping[str, Value],
    network: Mapping[str, Value],
    after: tuple[Ref, ...],
) -> Declaration:
    """Gives an account, looked up if it is there already.

    Args:
        place: where.
        account: which one.
        encryption: arguments that name a key of the user's own; empty if Microsoft's keys encrypt.
        network: arguments that say from where it is reached.
        after: what must be there before.
    """
    where: dict[str, Value] = {"name": account.name, "resource_group_name": place.group_of(account.provider)}
    ref = account.ref()
    if account.existing:
        return Declaration(KIND, ref.name, "storage", where, looked_up=True, because=account.because)
    waivers = [NO_QUEUES]
    if account.redundancy not in REPLICATED:
        reason = "three zones of the region hold it by default; another region with redundancy= of AzureBlobConfig"
        waivers.append(Waiver("CKV_AZURE_206", reason))
    if not encryption:
        waivers.append(Waiver("CKV2_AZURE_1", 'a key of your own comes with key_vault_key=, or hardening="strict"'))
    if not place.strict:
        waivers += open_waivers()
    return Declaration(
        KIND,
        ref.name,
        "storage",
        {
            **where,
            "location": account.provider.location,
            **arguments(
                account.redundancy, account.tier, place.tags_of(account.provider), network, account.soft_delete_days
            ),
            **encryption,
        },
        keeps_data=True,
        after=after,
        because=account.because,
        waivers=tuple(sorted(waivers, key=lambda waiver: waiver.rule)),
    )


def arguments(
    redundancy: str, tier: str, tags: Mapping[str, str], network: Mapping[str, Value], soft_delete_days: int
) -> dict[str, Value]:
    """Gives what every account is made with: no public blobs, no keys, TLS 1.2, versions, soft delete."""
    kept = max(CONTAINER_DAYS, soft_delete_days)
    return {
        "account_kind": "StorageV2",
        "account_tier": "Standard",
        "account_replication_type": redundancy,
        "access_tier": tier,
        "min_tls_version": "TLS1_2",
        "https_traffic_only_enabled": True,
        "allow_nested_items_to_be_public": False,
        "shared_access_key_enabled": False,
        "default_to_oauth_authentication": True,
        "local_user_enabled": False,
        "cross_tenant_replication_enabled": False,
        "infrastructure_encryption_enabled": True,
        **network,
        "tags": dict(tags),
        "sas_policy": Block({"expiration_period": _SAS_HOURS, "expiration_action": "Block"}),
        "blob_properties": Block(
            {
                "versioning_enabled": True,
                "delete_retention_policy": Block({"days": soft_delete_days}),
                "container_delete_retention_policy": Block({"days": kept}),
            }
        ),
    }


def open_waivers() -> list[Waiver]:
    """Gives the rules that an account reached over the internet does not meet, and why it is."""
    return [
        Waiver("CKV_AZURE_35", _OPEN),
        Waiver("CKV_AZURE_59", _OPEN),
        Waiver("CKV2_AZURE_33", 'private endpoints cost money: they come with hardening="strict"'),
    ]


def _named_key(config: AzureBlobConfig) -> bool:
    return config.key_vault_key is not None


def _check_same(provider: AzureProvider, buckets: list[DeclaredBucket]) -> None:
    for bucket in buckets:
        other: AzureProvider = bucket.provider
        for what in ("location", "resource_group", "existing_account"):
            if getattr(other, what) != getattr(provider, what):
                raise ConfigError(
                    f"buckets `{buckets[0].name}` and `{bucket.name}` are in storage account "
                    f"`{provider.storage_account}`, and their providers say another {what} of it",
                    site=bucket.site,
                    fix="declare both with one AzureProvider(...)",
                )


def _check_existing(place: Place, account: Account) -> None:
    if account.provider.resource_group is None:
        raise ConfigError(
            f"storage account `{account.name}` of pipeline `{place.deployment.pipeline}` is there already, and it is "
            "not said in which resource group",
            site=account.buckets[-1].site,
            fix=f'write AzureProvider(storage_account="{account.name}", resource_group="...")',
        )
    for bucket in account.made:
        if bucket.config is not None:
            raise UnsupportedError(
                f"Azure keeps bucket `{bucket.name}` as its storage account `{account.name}` says, which is there "
                "already: its config would change other containers too",
                site=bucket.site,
                fix="drop config=, or declare the bucket with an AzureProvider of an account that is not there yet",
            )
