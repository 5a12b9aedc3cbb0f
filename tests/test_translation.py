"""A config of one cloud as one of another."""

from __future__ import annotations

from typing import Any

import pytest

from glacier.config import (
    AzureBlobConfig,
    AzureFunctionConfig,
    CloudFunctionConfig,
    GCSConfig,
    LambdaConfig,
    S3Config,
)
from glacier.config.translation import translated
from glacier.errors import ConfigError

LAKE = S3Config(
    versioning=True,
    lifecycle_rules=[
        {"days": 30, "transition": "STANDARD_IA", "prefix": "raw/"},
        {"days": 90, "transition": "GLACIER", "prefix": "raw/"},
        {"days": 180, "transition": "DEEP_ARCHIVE", "prefix": "raw/"},
        {"days": 365, "expiration": True},
    ],
)


def test_classes_become_those_of_the_same_use_each_once() -> None:
    made = translated(LAKE, GCSConfig)
    assert made.config is not None
    assert [(one.days, one.transition, one.expiration, one.prefix) for one in made.config.rules] == [
        (30, "NEARLINE", False, "raw/"),
        (90, "ARCHIVE", False, "raw/"),
        (365, None, True, ""),
    ]
    assert (made.config.versioning, made.lost) == (True, ())


def test_an_account_with_an_archive_is_not_spread_over_zones() -> None:
    made = translated(LAKE, AzureBlobConfig).config
    assert made is not None
    assert (made.rules[1].transition, made.redundancy) == ("Archive", "LRS")


@pytest.mark.parametrize(
    ("config", "kind", "made"),
    [
        (GCSConfig(storage_class="ARCHIVE", soft_delete_days=14), AzureBlobConfig,
         AzureBlobConfig(access_tier="Cold", soft_delete_days=14)),
        (AzureBlobConfig(access_tier="Cool"), S3Config, S3Config(storage_class="STANDARD_IA")),
        (LambdaConfig(memory=600), AzureFunctionConfig, AzureFunctionConfig(memory=2048, timeout=60)),
        (AzureFunctionConfig(), LambdaConfig, LambdaConfig(memory=2048, timeout=300)),
        (CloudFunctionConfig(memory=4096), CloudFunctionConfig, CloudFunctionConfig(memory=4096)),
        (None, S3Config, None),
    ],
)  # fmt: skip
def test_what_both_clouds_have_is_kept(config: Any, kind: type[Any], made: object) -> None:
    assert translated(config, kind).config == made


@pytest.mark.parametrize(
    ("config", "kind", "message"),
    [
        (GCSConfig(kms_key="projects/p/locations/l/keyRings/r/cryptoKeys/k"), S3Config, "names a key of its cloud"),
        (CloudFunctionConfig(memory=8192), AzureFunctionConfig, "Azure Functions has 4,096 at most"),
        (CloudFunctionConfig(timeout=3600), LambdaConfig, "timeout"),
        (LambdaConfig(), S3Config, "LambdaConfig says nothing that S3Config could"),
    ],
)
def test_what_the_other_cloud_cannot_have_is_refused(config: Any, kind: type[Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        translated(config, kind)
