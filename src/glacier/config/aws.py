"""Buckets and functions of Amazon Web Services."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, Required, TypedDict, cast, get_args

from glacier.config.checks import Checks
from glacier.config.lifecycle import LifecycleRule, check_order, overlap, rules_of
from glacier.errors import Site

S3StorageClass = Literal[
    "STANDARD", "INTELLIGENT_TIERING", "STANDARD_IA", "ONEZONE_IA", "GLACIER_IR", "GLACIER", "DEEP_ARCHIVE"
]
S3Transition = Literal["INTELLIGENT_TIERING", "STANDARD_IA", "ONEZONE_IA", "GLACIER_IR", "GLACIER", "DEEP_ARCHIVE"]
S3Encryption = Literal["AES256", "aws:kms", "aws:kms:dsse"]
LambdaArchitecture = Literal["x86_64", "arm64"]

_CLASSES = "Amazon S3 User Guide: storage classes"
_LIFECYCLE = "Amazon S3 User Guide: lifecycle transitions"
_LAMBDA = "AWS Lambda quotas"
_WARM_TO_COLD: tuple[str, ...] = (
    "STANDARD", "STANDARD_IA", "INTELLIGENT_TIERING", "ONEZONE_IA", "GLACIER_IR", "GLACIER", "DEEP_ARCHIVE",
)  # fmt: skip
"""The order of S3's lifecycle: an object moves to the right only."""


_STAY_DAYS, _STAYED_IN = 30, ("STANDARD_IA", "ONEZONE_IA")


@dataclass(frozen=True, kw_only=True)
class S3LifecycleRule(LifecycleRule):
    """Moves an object to another storage class, or deletes it.

    Attributes:
        transition: the class it moves to; the infrequent-access classes take objects of 30 days.

    >>> S3LifecycleRule(days=30, transition="GLACIER").days
    30
    """

    CLASSES: ClassVar[tuple[str, ...]] = get_args(S3Transition)
    LIMIT: ClassVar[str] = _LIFECYCLE
    LEAST: ClassVar[Mapping[str, int]] = {"STANDARD_IA": 30, "ONEZONE_IA": 30}

    transition: S3Transition | None = None


class S3LifecycleDict(TypedDict, total=False):
    """A rule as a dict of its fields."""

    days: Required[int]
    transition: S3Transition
    expiration: bool
    prefix: str


@dataclass(frozen=True, kw_only=True)
class S3Config:
    """How S3 keeps a bucket.

    Attributes:
        versioning: whether overwritten and deleted objects are kept as older versions.
        encryption: at rest; S3's own default is AES256.
        kms_key: ARN, id or alias of the key, with `encryption="aws:kms"` or `"aws:kms:dsse"`.
        storage_class: of the objects that Glacier writes; archive classes cannot be read at once.
        lifecycle_rules: each a `S3LifecycleRule` or a dict of its fields.

    >>> S3Config(lifecycle_rules=[{"days": 30, "transition": "GLACIER"}, {"days": 90, "expiration": True}]).rules[1]
    S3LifecycleRule(days=90, expiration=True, prefix='', transition=None)
    """

    versioning: bool = False
    encryption: S3Encryption | None = None
    kms_key: str | None = None
    storage_class: S3StorageClass = "STANDARD"
    lifecycle_rules: Sequence[S3LifecycleRule | S3LifecycleDict] = ()

    def __post_init__(self) -> None:
        checks = Checks(self, Site.of_caller(sys._getframe(2)))
        checks.flag("versioning")
        checks.choice(
            "encryption", get_args(S3Encryption), limit="Amazon S3 User Guide: server-side encryption", optional=True
        )
        checks.text("kms_key")
        checks.choice("storage_class", get_args(S3StorageClass), limit=_CLASSES)
        if self.kms_key is not None and self.encryption not in ("aws:kms", "aws:kms:dsse"):
            raise checks.conflict(
                "has a kms_key and no encryption that uses one",
                limit="Amazon S3 User Guide: server-side encryption",
                fix='write encryption="aws:kms", or drop kms_key=',
            )
        rules = rules_of(S3LifecycleRule, cast("Sequence[S3LifecycleRule]", self.lifecycle_rules), checks)
        object.__setattr__(self, "lifecycle_rules", rules)
        check_order(rules, self.storage_class, _WARM_TO_COLD, checks, _LIFECYCLE)
        _check_stay(rules, checks)

    @property
    def rules(self) -> tuple[S3LifecycleRule, ...]:
        """The lifecycle rules, all as objects."""
        return cast("tuple[S3LifecycleRule, ...]", self.lifecycle_rules)


def _check_stay(rules: Sequence[S3LifecycleRule], checks: Checks) -> None:
    """Refuses rules that move an object on from an infrequent-access class before it was there for 30 days."""
    for first in rules:
        for second in rules:
            early = first.days < second.days < first.days + _STAY_DAYS
            if first.transition in _STAYED_IN and second.transition is not None and early and overlap(first, second):
                raise checks.conflict(
                    f'moves objects to "{first.transition}" after {first.days} days, and on to "{second.transition}" '
                    f"after {second.days}; they stay there for {_STAY_DAYS}",
                    limit=_LIFECYCLE,
                    fix=f"write days={first.days + _STAY_DAYS}, or move them there at once",
                )


@dataclass(frozen=True, kw_only=True)
class LambdaConfig:
    """How Lambda runs a function.

    Attributes:
        memory: in MiB, 128 to 10,240; Lambda gives CPU in proportion.
        timeout: in seconds, 1 to 900.
        ephemeral_storage: of /tmp, in MiB, 512 to 10,240.
        architecture: of the machine.
        reserved_concurrency: how many may run at once, of the account's; None shares them.

    >>> LambdaConfig(memory=3008, timeout=900).architecture
    'x86_64'
    """

    memory: int = 512
    timeout: int = 60
    ephemeral_storage: int = 512
    architecture: LambdaArchitecture = "x86_64"
    reserved_concurrency: int | None = None

    def __post_init__(self) -> None:
        checks = Checks(self, Site.of_caller(sys._getframe(2)))
        checks.whole("memory", 128, 10_240, unit="MiB", limit=_LAMBDA)
        checks.whole("timeout", 1, 900, unit="seconds", limit=_LAMBDA)
        checks.whole("ephemeral_storage", 512, 10_240, unit="MiB", limit=_LAMBDA)
        checks.choice("architecture", get_args(LambdaArchitecture), limit="AWS Lambda instruction sets")
        checks.whole("reserved_concurrency", 0, None, unit="executions", limit=_LAMBDA, optional=True)
