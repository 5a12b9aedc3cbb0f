"""A pipeline written against the local provider on another one, and a provider told to another process."""

from __future__ import annotations

import json
from typing import Any

import pytest

from glacier.config import LambdaConfig, S3Config
from glacier.errors import ConfigError
from glacier.providers import AWSProvider, AzureProvider, GCPProvider, LocalProvider
from glacier.providers.portable import Provider, provider_from, settings_of
from glacier.rebinding import rebinding


def test_buckets_and_functions_of_this_machine_go_to_the_other_provider() -> None:
    local = LocalProvider("/srv/data")
    aws = AWSProvider(region="us-east-1", name_prefix="acme-", environment="prod")
    with rebinding(aws):
        bucket = local.bucket("raw", path="2024/may.csv", config=S3Config(versioning=True))
        function = local.serverless("sums", handler="job.sums", config=LambdaConfig(memory=256), env={"A": "b"})
    assert (bucket.uri, bucket.config, bucket.format) == (
        "s3://acme-raw-prod/2024/may.csv", S3Config(versioning=True), "csv",
    )  # fmt: skip
    assert (function.provider_name, function.config, function.env) == (
        "AWSProvider", LambdaConfig(memory=256), (("A", "b"),),
    )  # fmt: skip
    assert local.bucket("raw", path="2024/may.csv").uri == "/srv/data/raw/2024/may.csv"


def test_a_mistake_is_told_at_the_users_line(line: Any) -> None:
    with rebinding(AWSProvider(region="us-east-1")), pytest.raises(ConfigError) as caught:
        LocalProvider().bucket("Raw", path="a.csv")
    assert caught.value.message.startswith("bucket name `Raw` is none that S3 takes")
    assert str(caught.value.site) == line('LocalProvider().bucket("Raw"')


def test_a_local_provider_stands_for_itself() -> None:
    with rebinding(LocalProvider("/srv/other")):
        assert LocalProvider("/srv/data").bucket("raw", path="a.csv").uri == "/srv/data/raw/a.csv"


@pytest.mark.parametrize(
    "provider",
    [
        AWSProvider(region="eu-west-1", name_prefix="acme-", endpoint_url="http://localhost:1", timeout=5),
        GCPProvider(project_id="my-project", region="EU"),
        AzureProvider(storage_account="acmedata", location="westeurope", resource_group="data"),
        LocalProvider("/srv/data"),
    ],
)
def test_a_provider_comes_back_from_its_settings(provider: Provider) -> None:
    assert provider_from(json.loads(json.dumps(settings_of(provider)))) == provider


def test_settings_that_describe_no_provider() -> None:
    with pytest.raises(ConfigError, match="name no cloud: it is one of `aws`, `gcp`, `azure`, `local`"):
        provider_from({"cloud": "ibm"})
    with pytest.raises(ConfigError, match="GCPProvider has no setting `zone`; it has `endpoint_url`, `functions_url`"):
        provider_from({"cloud": "gcp", "zone": "a"})
