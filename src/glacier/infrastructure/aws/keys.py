"""KmsKeys of the user's own: those that the code names, and those made where hardening is strict."""

from __future__ import annotations

import re
from dataclasses import dataclass

from glacier.blueprint import Declaration, Ref, Value, text
from glacier.config.aws import S3Config
from glacier.deployment.needs import DeclaredBucket, identifier
from glacier.infrastructure.aws.account import ID, Account
from glacier.infrastructure.aws.policies import policy

_WAITING_DAYS = 30
_ALIAS = 256
_ARN = re.compile(r"arn:aws[a-z-]*:kms:[a-z0-9-]+:\d{12}:key/[\w-]+")


@dataclass(frozen=True)
class KmsKeys:
    """The keys that things of a pipeline are encrypted with.

    Attributes:
        declarations: keys that are made, and those that are looked up.
        made: by region, the key that is made there.
        named: by what the code calls it and the region of its bucket, the key's ARN.
        configs: of the pipeline's buckets, by their names in S3; a grant may hold one of before it was known.
    """

    account: Account
    declarations: tuple[Declaration, ...]
    made: dict[str, Ref]
    named: dict[tuple[str, str], Ref | str]
    configs: dict[str, S3Config | None]

    def of(self, region: str | None = None) -> Ref | None:
        """Gives the key that is made in a region, the pipeline's own if none is said; None where AWS's keys do."""
        return self.made.get(region or self.account.region)

    def of_bucket(self, bucket: DeclaredBucket) -> Ref | str | None:
        """Gives the key that a bucket's objects are encrypted with; None where AWS's own do."""
        config: S3Config = self.configs.get(bucket.physical) or S3Config()
        region = self.account.region_of(bucket)
        if config.kms_key is not None:
            return self.named[config.kms_key, region]
        return None if bucket.existing or config.encryption is not None else self.of(region)


def keys_of(account: Account) -> KmsKeys:
    """Gives the keys of a pipeline's buckets, logs, images and queues."""
    deployment = account.deployment
    buckets = [*deployment.buckets, deployment.records]
    declared: list[Declaration] = []
    made: dict[str, Ref] = {}
    if account.strict:
        own = [one for one in buckets if not one.existing]
        regions = {account.region, *map(account.region_of, own), *map(account.region_of, deployment.functions)}
        for region in sorted(regions):
            declared += _make(account, region)
            made[region] = declared[-2].ref("arn")
    named: dict[tuple[str, str], Ref | str] = {}
    for bucket in buckets:
        config: S3Config = bucket.config or S3Config()
        region = account.region_of(bucket)
        if config.kms_key is None or (config.kms_key, region) in named:
            continue
        if _ARN.fullmatch(config.kms_key):
            named[config.kms_key, region] = config.kms_key
            continue
        place = account.elsewhere(region)
        name = identifier("-".join([config.kms_key.rpartition(":")[2], *([region] if place else [])]))
        looked_up: dict[str, Value] = {"key_id": config.kms_key, **place}
        declared.append(Declaration("aws_kms_key", name, "access", looked_up, looked_up=True, because=bucket.because))
        named[config.kms_key, region] = declared[-1].ref("arn")
    configs = {bucket.physical: bucket.config for bucket in buckets}
    return KmsKeys(account, tuple(declared), made, named, configs)


def _make(account: Account, region: str) -> list[Declaration]:
    """Gives a key with its alias: IAM says who uses it, besides the services that act for no role."""
    place = account.elsewhere(region)
    name = identifier(f"this-{region}") if place else "this"
    logs: dict[str, Value] = {
        "Sid": "Logs",
        "Effect": "Allow",
        "Principal": {"Service": f"logs.{region}.{account.suffix}"},
        "Action": ("kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:DescribeKey"),
        "Resource": "*",
        "Condition": {
            "ArnLike": {"kms:EncryptionContext:aws:logs:arn": account.arn("logs", "log-group:*", region=region)}
        },
    }
    iam: dict[str, Value] = {
        "Sid": "Iam",
        "Effect": "Allow",
        "Principal": {"AWS": text(f"arn:{account.partition}:iam::", ID, ":root")},
        "Action": "kms:*",
        "Resource": "*",
    }
    alerts: dict[str, Value] = {
        "Sid": "Alerts",
        "Effect": "Allow",
        "Principal": {"Service": ("events.amazonaws.com", "cloudwatch.amazonaws.com")},
        "Action": ("kms:Decrypt", "kms:GenerateDataKey*"),
        "Resource": "*",
    }  # EventBridge meets no condition on its account. (Amazon SNS Developer Guide: key management)
    told = [alerts] if account.deployment.options.alert and not place else []
    key = Declaration(
        "aws_kms_key",
        name,
        "access",
        {
            **place,
            "description": f"What {account.deployment.pipeline} keeps.",
            "enable_key_rotation": True,
            "deletion_window_in_days": _WAITING_DAYS,
            "policy": policy([iam, logs, *told]),
        },
        keeps_data=True,
    )
    called = account.called(longest=_ALIAS - len("alias/"), what="an alias of a key")
    alias: dict[str, Value] = {**place, "name": f"alias/{called}", "target_key_id": key.ref("key_id")}
    return [key, Declaration("aws_kms_alias", name, "access", alias)]
