"""What environments that share a folder must not share: each has a state of its own, and would make it anew."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from glacier.deployment.needs import DeclaredBucket, Deployment
from glacier.errors import ConfigError
from glacier.providers.azure import AzureProvider
from glacier.providers.local import LocalProvider


class _Made(NamedTuple):
    what: str
    fix: str
    because: DeclaredBucket


def check_apart(deployments: Mapping[str | None, Deployment]) -> None:
    """Refuses a bucket, or a storage account, that two environments would make under one name.

    Raises:
        ConfigError: there is one; the second `terraform apply` would fail.
    """
    known: dict[str, tuple[str | None, _Made]] = {}
    for environment, deployment in deployments.items():
        for made in _made(deployment):
            first, _ = known.setdefault(made.what, (environment, made))
            if first != environment:
                raise ConfigError(
                    f"environments `{first}` and `{environment}` of pipeline `{deployment.pipeline}` would both make "
                    f"{made.what}",
                    site=made.because.site,
                    fix=made.fix,
                )


def _made(deployment: Deployment) -> Iterator[_Made]:
    """Gives what is made under a name that is known beyond the pipeline; folders of this machine may be shared."""
    buckets = [*deployment.buckets, deployment.records]
    azure = [one for one in buckets if isinstance(one.provider, AzureProvider)]
    there = {one.provider.storage_account for one in azure if one.existing or one.provider.existing_account}
    for bucket in buckets:
        provider = bucket.provider
        if bucket.existing or isinstance(provider, LocalProvider):
            continue
        where = ""
        if isinstance(provider, AzureProvider):
            account = provider.storage_account
            if account and account not in there:
                yield _Made(
                    f"storage account `{account}`",
                    'let its name end in the environment\'s, storage_account="..." + '
                    'os.getenv("GLACIER_ENVIRONMENT", ""), or say that it is there: existing_account=True',
                    bucket,
                )
            where = f" in storage account `{account}`"
        yield _Made(
            f"bucket `{bucket.physical}`{where}",
            "leave environment= of the provider out, so that each environment's name is in it, or say that the bucket "
            "is there: existing=True",
            bucket,
        )
