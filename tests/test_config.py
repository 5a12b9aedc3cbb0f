"""Configs are checked when they are written, at the user's line."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

import pytest

from glacier.config import (
    AzureBlobConfig,
    AzureFunctionConfig,
    AzureLifecycleRule,
    CloudFunctionConfig,
    GCSConfig,
    GCSLifecycleRule,
    LambdaConfig,
    S3Config,
    S3LifecycleRule,
)
from glacier.errors import ConfigError

LAMBDA, FUNCTIONS = "AWS Lambda quotas", "Cloud Run functions quotas"
S3_LIFECYCLE = "Amazon S3 User Guide: lifecycle transitions"


def test_the_documents_config() -> None:
    config = S3Config(
        versioning=True,
        encryption="AES256",
        storage_class="INTELLIGENT_TIERING",
        lifecycle_rules=[{"days": 30, "transition": "GLACIER"}, {"days": 90, "expiration": True}],
    )
    rules = (S3LifecycleRule(days=30, transition="GLACIER"), S3LifecycleRule(days=90, expiration=True))
    assert config.rules == config.lifecycle_rules == rules
    assert config == S3Config(
        versioning=True, encryption="AES256", storage_class="INTELLIGENT_TIERING", lifecycle_rules=rules
    )
    assert hash(config) == hash(pickle.loads(pickle.dumps(config)))
    assert LambdaConfig(memory=3008, timeout=900).memory == 3008


@pytest.mark.parametrize(
    ("write", "message", "fix"),
    [
        (lambda: S3Config(storage_class="STANDARD-IA"),  # type: ignore[arg-type]
         'S3Config got storage_class="STANDARD-IA", and takes "STANDARD", "INTELLIGENT_TIERING", "STANDARD_IA", '
         '"ONEZONE_IA", "GLACIER_IR", "GLACIER", "DEEP_ARCHIVE" (Amazon S3 User Guide: storage classes)',
         'write storage_class="STANDARD_IA"'),
        (lambda: S3Config(versioning="yes"),  # type: ignore[arg-type]
         'S3Config got versioning="yes", and takes True or False', "write versioning=True, or leave it out"),
        (lambda: S3Config(kms_key="alias/sales"),
         "S3Config has a kms_key and no encryption that uses one (Amazon S3 User Guide: server-side encryption)",
         'write encryption="aws:kms", or drop kms_key='),
        (lambda: S3Config(encryption="aws:kms", kms_key=""),
         'S3Config got kms_key="", and takes text', 'write kms_key="...", or leave it out'),
        (lambda: S3Config(lifecycle_rules=[{"days": 30, "transition": "GLACIER"}, {"days": 10, "expiration": True}]),
         f'S3Config expires objects after 10 days, before they move to "GLACIER" after 30 ({S3_LIFECYCLE})',
         "let them expire later than they move, or drop the transition"),
        (lambda: S3Config(lifecycle_rules=[S3LifecycleRule(days=60, transition="STANDARD_IA"),
                                           S3LifecycleRule(days=30, transition="GLACIER", prefix="old/")]),
         f'S3Config moves objects to "GLACIER" after 30 days, and to "STANDARD_IA" after 60 ({S3_LIFECYCLE})',
         "move to colder classes as days pass, each once"),
        (lambda: S3Config(lifecycle_rules=[{"days": 30, "transition": "STANDARD_IA"},
                                           {"days": 45, "transition": "GLACIER", "prefix": "old/"}]),
         'S3Config moves objects to "STANDARD_IA" after 30 days, and on to "GLACIER" after 45; they stay there for 30 '
         f"({S3_LIFECYCLE})", "write days=60, or move them there at once"),
        (lambda: S3Config(storage_class="GLACIER", lifecycle_rules=[{"days": 60, "transition": "STANDARD_IA"}]),
         f'S3Config moves objects to "STANDARD_IA", which is no colder than "GLACIER" that they have ({S3_LIFECYCLE})',
         "drop that rule, or move to a colder class"),
        (lambda: S3Config(lifecycle_rules=[{"days": 3, "transition": "STANDARD_IA"}]),
         f'S3LifecycleRule got days=3, and transition="STANDARD_IA" takes at least 30 ({S3_LIFECYCLE})',
         "write days=30"),
        (lambda: S3Config(lifecycle_rules=[{"day": 3}]),  # type: ignore[list-item]
         "a lifecycle rule of S3Config has no `day`; it has `days`, `expiration`, `prefix`, `transition`",
         'write "days"'),
        (lambda: S3Config(lifecycle_rules=[{"expiration": True}]),  # type: ignore[list-item]
         "a lifecycle rule of S3Config says no days", 'write {"days": 30, ...}'),
        (lambda: S3Config(lifecycle_rules=[{"days": 30}]),
         "S3LifecycleRule neither moves the object nor deletes it (one rule does one thing)",
         "write transition=... or expiration=True, in rules of their own"),
        (lambda: S3Config(lifecycle_rules={"days": 30}),  # type: ignore[arg-type]
         "S3Config got lifecycle_rules={'days': 30}, and takes a list of rules", "write lifecycle_rules=[...]"),
        (lambda: S3Config(lifecycle_rules=[GCSLifecycleRule(days=30, expiration=True)]),  # type: ignore[list-item]
         "S3Config got a GCSLifecycleRule among its lifecycle_rules, and takes S3LifecycleRule or a dict of its fields",
         "write S3LifecycleRule(days=30, ...)"),
        (lambda: AzureLifecycleRule(days=True, expiration=True),
         "AzureLifecycleRule got days=True, and takes a whole number of days, 1 to 2,147,483,647 "
         "(Azure Blob Storage: lifecycle management)", "write days=1"),
        (lambda: GCSConfig(kms_key="my-key"),
         'GCSConfig got kms_key="my-key", and takes projects/P/locations/L/keyRings/R/cryptoKeys/K '
         "(Cloud KMS: resource names)", 'write kms_key="projects/P/locations/L/keyRings/R/cryptoKeys/K"'),
        (lambda: GCSConfig(soft_delete_days=3),
         "GCSConfig got soft_delete_days=3, and takes a whole number of days (or 0), 7 to 90 "
         "(Cloud Storage: soft delete)", "write soft_delete_days=7"),
        (lambda: AzureBlobConfig(lifecycle_rules=[{"days": 30, "transition": "Archive"}]),
         'AzureBlobConfig moves blobs to "Archive" in an account with redundancy="ZRS", which has no such tier '
         "(Azure Blob Storage: access tiers)",
         'write redundancy="LRS", "GRS" or "RAGRS", or move to "Cold"'),
        (lambda: LambdaConfig(memory=20_000),
         f"LambdaConfig got memory=20000, and takes a whole number of MiB, 128 to 10,240 ({LAMBDA})",
         "write memory=10240"),
        (lambda: LambdaConfig(timeout=1.5),  # type: ignore[arg-type]
         f"LambdaConfig got timeout=1.5, and takes a whole number of seconds, 1 to 900 ({LAMBDA})", "write timeout=1"),
        (lambda: LambdaConfig(reserved_concurrency=-1),
         f"LambdaConfig got reserved_concurrency=-1, and takes a whole number of executions, at least 0 ({LAMBDA})",
         "write reserved_concurrency=0"),
        (lambda: CloudFunctionConfig(memory=512, cpu=8),
         "CloudFunctionConfig has 512 MiB of memory with 8 CPUs, which take 4,096 to 32,768 "
         "(Cloud Run: memory and CPU limits)", "write memory=4096, or leave cpu= out"),
        (lambda: CloudFunctionConfig(min_instances=5, max_instances=2),
         f"CloudFunctionConfig keeps 5 instances ready, and lets 2 run ({FUNCTIONS})",
         "write max_instances=5, or fewer min_instances"),
        (lambda: AzureFunctionConfig(plan="consumption", timeout=900),
         "AzureFunctionConfig got timeout=900, and takes a whole number of seconds, 1 to 600 "
         "(Azure Functions: hosting options, consumption)", "write timeout=600"),
        (lambda: AzureFunctionConfig(memory=1024),
         "AzureFunctionConfig got memory=1024, and takes 512, 2048, 4096 (Azure Functions: hosting options, flex)",
         "write memory=512"),
    ],
)  # fmt: skip
def test_what_is_refused(write: Callable[[], Any], message: str, fix: str) -> None:
    with pytest.raises(ConfigError) as caught:
        write()
    assert (caught.value.message, caught.value.fix) == (message, fix)
    assert str(caught.value.site).startswith("tests/test_config.py:")


def test_an_error_points_at_the_line() -> None:
    with pytest.raises(ConfigError) as caught:
        LambdaConfig(memory=64)
    assert caught.value.site is not None
    assert caught.value.site.text == "LambdaConfig(memory=64)"
