"""Buckets and functions of Google Cloud."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, Required, TypedDict, cast, get_args

from glacier.config.checks import Checks
from glacier.config.lifecycle import LifecycleRule, check_order, rules_of
from glacier.errors import Site

GCSStorageClass = Literal["STANDARD", "NEARLINE", "COLDLINE", "ARCHIVE"]
GCSTransition = Literal["NEARLINE", "COLDLINE", "ARCHIVE"]
CloudFunctionCpu = Literal[1, 2, 4, 6, 8]

_LIFECYCLE = "Cloud Storage: object lifecycle management"
_RUN = "Cloud Run: memory and CPU limits"
_FUNCTIONS = "Cloud Run functions quotas"
_LEAST_MEMORY: dict[int, int] = {4: 2048, 6: 4096, 8: 4096}
_MOST_MEMORY: dict[int, int] = {1: 4096, 2: 8192, 4: 16_384, 6: 24_576, 8: 32_768}
_KMS_KEY = re.compile(r"projects/[^/]+/locations/[^/]+/keyRings/[^/]+/cryptoKeys/[^/]+")


@dataclass(frozen=True, kw_only=True)
class GCSLifecycleRule(LifecycleRule):
    """Moves an object to another storage class, or deletes it.

    Attributes:
        transition: the class it moves to.

    >>> GCSLifecycleRule(days=90, expiration=True).days
    90
    """

    CLASSES: ClassVar[tuple[str, ...]] = get_args(GCSTransition)
    LIMIT: ClassVar[str] = _LIFECYCLE

    transition: GCSTransition | None = None


class GCSLifecycleDict(TypedDict, total=False):
    """A rule as a dict of its fields."""

    days: Required[int]
    transition: GCSTransition
    expiration: bool
    prefix: str


@dataclass(frozen=True, kw_only=True)
class GCSConfig:
    """How Cloud Storage keeps a bucket.

    Attributes:
        versioning: whether overwritten and deleted objects are kept as older versions.
        storage_class: the bucket's default, which the objects that Glacier writes get.
        kms_key: resource name of a key of yours; Google's own keys encrypt otherwise.
        soft_delete_days: how long deleted objects can be restored: 0, or 7 to 90.
        lifecycle_rules: each a `GCSLifecycleRule` or a dict of its fields.

    >>> GCSConfig(lifecycle_rules=[{"days": 30, "transition": "COLDLINE"}]).rules[0].transition
    'COLDLINE'
    """

    versioning: bool = False
    storage_class: GCSStorageClass = "STANDARD"
    kms_key: str | None = None
    soft_delete_days: int = 7
    lifecycle_rules: Sequence[GCSLifecycleRule | GCSLifecycleDict] = ()

    def __post_init__(self) -> None:
        checks = Checks(self, Site.of_caller(sys._getframe(2)))
        checks.flag("versioning")
        checks.choice("storage_class", get_args(GCSStorageClass), limit="Cloud Storage: storage classes")
        checks.text("kms_key")
        if self.kms_key is not None and _KMS_KEY.fullmatch(self.kms_key) is None:
            form = "projects/P/locations/L/keyRings/R/cryptoKeys/K"
            raise checks.refusal(
                "kms_key", f"takes {form}", limit="Cloud KMS: resource names", fix=f'write kms_key="{form}"'
            )
        if self.soft_delete_days != 0:
            checks.whole("soft_delete_days", 7, 90, unit="days (or 0)", limit="Cloud Storage: soft delete")
        rules = rules_of(GCSLifecycleRule, cast("Sequence[GCSLifecycleRule]", self.lifecycle_rules), checks)
        object.__setattr__(self, "lifecycle_rules", rules)
        check_order(rules, self.storage_class, get_args(GCSStorageClass), checks, _LIFECYCLE)

    @property
    def rules(self) -> tuple[GCSLifecycleRule, ...]:
        """The lifecycle rules, all as objects."""
        return cast("tuple[GCSLifecycleRule, ...]", self.lifecycle_rules)


@dataclass(frozen=True, kw_only=True)
class CloudFunctionConfig:
    """How Cloud Run functions runs a function.

    Attributes:
        memory: in MiB, 128 to 32,768.
        timeout: in seconds, 1 to 3,600.
        cpu: in cores; what Google gives for the memory if left out, one at least where requests share an instance.
        concurrency: how many requests one instance serves at once, 1 to 1,000.
        min_instances: that are kept ready.
        max_instances: that may run at once.

    >>> CloudFunctionConfig(memory=2048, timeout=900).concurrency
    1
    """

    memory: int = 512
    timeout: int = 60
    cpu: CloudFunctionCpu | None = None
    concurrency: int = 1
    min_instances: int = 0
    max_instances: int = 100

    def __post_init__(self) -> None:
        checks = Checks(self, Site.of_caller(sys._getframe(2)))
        checks.whole("memory", 128, 32_768, unit="MiB", limit=_RUN)
        checks.whole("timeout", 1, 3600, unit="seconds", limit=_FUNCTIONS)
        checks.choice("cpu", get_args(CloudFunctionCpu), limit=_RUN, optional=True)
        checks.whole("concurrency", 1, 1000, unit="requests", limit="Cloud Run: maximum concurrent requests")
        checks.whole("min_instances", 0, None, unit="instances", limit=_FUNCTIONS)
        checks.whole("max_instances", 1, None, unit="instances", limit=_FUNCTIONS)
        if self.min_instances > self.max_instances:
            raise checks.conflict(
                f"keeps {self.min_instances} instances ready, and lets {self.max_instances} run",
                limit=_FUNCTIONS,
                fix=f"write max_instances={self.min_instances}, or fewer min_instances",
            )
        if self.cpu is None:
            return
        least, most = _LEAST_MEMORY.get(self.cpu, 128), _MOST_MEMORY[self.cpu]
        if not least <= self.memory <= most:
            raise checks.conflict(
                f"has {self.memory:,} MiB of memory with {self.cpu} CPUs, which take {least:,} to {most:,}",
                limit=_RUN,
                fix=f"write memory={least if self.memory < least else most}, or leave cpu= out",
            )
