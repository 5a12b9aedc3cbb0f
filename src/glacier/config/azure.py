"""Containers and functions of Microsoft Azure."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, Required, TypedDict, cast, get_args

from glacier.config.checks import Checks
from glacier.config.lifecycle import LifecycleRule, check_order, rules_of
from glacier.errors import Site

AzureTier = Literal["Hot", "Cool", "Cold"]
AzureTransition = Literal["Cool", "Cold", "Archive"]
AzureRedundancy = Literal["LRS", "ZRS", "GRS", "RAGRS", "GZRS", "RAGZRS"]
AzurePlan = Literal["flex", "consumption", "premium"]

_TIERS = "Azure Blob Storage: access tiers"
_FUNCTIONS = "Azure Functions: hosting options"
FUNCTION_MEMORY: dict[AzurePlan, tuple[int, ...]] = {
    "flex": (512, 2048, 4096),
    "consumption": (1536,),
    "premium": (3584, 7168, 14_336),
}
"""How large an instance can be, in MiB."""


@dataclass(frozen=True, kw_only=True)
class AzureLifecycleRule(LifecycleRule):
    """Moves a blob to another access tier, or deletes it.

    Attributes:
        transition: the tier it moves to.

    >>> AzureLifecycleRule(days=30, transition="Cool").transition
    'Cool'
    """

    CLASSES: ClassVar[tuple[str, ...]] = get_args(AzureTransition)
    LIMIT: ClassVar[str] = "Azure Blob Storage: lifecycle management"

    transition: AzureTransition | None = None


class AzureLifecycleDict(TypedDict, total=False):
    """A rule as a dict of its fields."""

    days: Required[int]
    transition: AzureTransition
    expiration: bool
    prefix: str


@dataclass(frozen=True, kw_only=True)
class AzureBlobConfig:
    """How Azure keeps a container, and the storage account that holds it.

    Attributes:
        versioning: whether overwritten and deleted blobs are kept as older versions.
        access_tier: the account's default, which the blobs that Glacier writes get.
        redundancy: how many copies the account keeps, and where.
        key_vault_key: a key of yours in Key Vault, by its id in Resource Manager or its address,
            `https://VAULT.vault.azure.net/keys/KEY`; Microsoft's own keys encrypt otherwise.
        soft_delete_days: how long deleted blobs can be restored, 1 to 365.
        lifecycle_rules: each an `AzureLifecycleRule` or a dict of its fields.

    >>> AzureBlobConfig(access_tier="Cool", redundancy="ZRS").soft_delete_days
    7
    """

    versioning: bool = False
    access_tier: AzureTier = "Hot"
    redundancy: AzureRedundancy = "ZRS"
    key_vault_key: str | None = None
    soft_delete_days: int = 7
    lifecycle_rules: Sequence[AzureLifecycleRule | AzureLifecycleDict] = ()

    def __post_init__(self) -> None:
        checks = Checks(self, Site.of_caller(sys._getframe(2)))
        checks.flag("versioning")
        checks.choice("access_tier", get_args(AzureTier), limit=_TIERS)
        checks.choice("redundancy", get_args(AzureRedundancy), limit="Azure Storage: redundancy")
        checks.text("key_vault_key")
        checks.whole("soft_delete_days", 1, 365, unit="days", limit="Azure Blob Storage: soft delete")
        rules = rules_of(AzureLifecycleRule, cast("Sequence[AzureLifecycleRule]", self.lifecycle_rules), checks)
        object.__setattr__(self, "lifecycle_rules", rules)
        check_order(rules, self.access_tier, (*get_args(AzureTier), "Archive"), checks, AzureLifecycleRule.LIMIT)
        if "ZRS" in self.redundancy and any(rule.transition == "Archive" for rule in rules):
            raise checks.conflict(
                f'moves blobs to "Archive" in an account with redundancy="{self.redundancy}", which has no such tier',
                limit=_TIERS,
                fix='write redundancy="LRS", "GRS" or "RAGRS", or move to "Cold"',
            )

    @property
    def rules(self) -> tuple[AzureLifecycleRule, ...]:
        """The lifecycle rules, all as objects."""
        return cast("tuple[AzureLifecycleRule, ...]", self.lifecycle_rules)


@dataclass(frozen=True, kw_only=True)
class AzureFunctionConfig:
    """How Azure Functions runs a function.

    Attributes:
        plan: how it is hosted.
        memory: of an instance, in MiB: 512, 2,048 or 4,096 on flex, 1,536 on consumption, 3,584, 7,168 or 14,336 on
            premium; the plan's default if left out.
        timeout: in seconds; on consumption 600 at most. An HTTP caller is answered within 230 seconds on every plan.
        max_instances: that may run at once: 40 to 1,000 on flex, 100 at most on the others.

    >>> AzureFunctionConfig(memory=4096, timeout=900).plan
    'flex'
    """

    plan: AzurePlan = "flex"
    memory: int | None = None
    timeout: int = 300
    max_instances: int = 100

    def __post_init__(self) -> None:
        checks = Checks(self, Site.of_caller(sys._getframe(2)))
        checks.choice("plan", get_args(AzurePlan), limit=_FUNCTIONS)
        limit = f"{_FUNCTIONS}, {self.plan}"
        longest = 600 if self.plan == "consumption" else None
        fewest, most = (40, 1000) if self.plan == "flex" else (1, 100)
        checks.choice("memory", FUNCTION_MEMORY[self.plan], limit=limit, optional=True)
        checks.whole("timeout", 1, longest, unit="seconds", limit=limit)
        checks.whole("max_instances", fewest, most, unit="instances", limit=limit)
