"""A provider as plain settings, and back: how a process in a cloud is told which one it is to use."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, fields
from typing import Any, cast

from glacier.errors import ConfigError, listed
from glacier.graph import Resource
from glacier.providers.aws import AWSProvider
from glacier.providers.azure import AzureProvider
from glacier.providers.gcp import GCPProvider
from glacier.providers.local import LocalProvider
from glacier.resources.bucket import Bucket
from glacier.resources.serverless import Serverless

Provider = AWSProvider | GCPProvider | AzureProvider | LocalProvider

_CLOUDS: Mapping[str, type[Provider]] = {
    "aws": AWSProvider,
    "gcp": GCPProvider,
    "azure": AzureProvider,
    "local": LocalProvider,
}
_OF_THE_MACHINE = frozenset({"profile", "tags", "environment"})


def settings_of(provider: Provider) -> dict[str, Any]:
    """Gives what is needed to make a provider anew elsewhere: no secret, no profile, no tags.

    The environment is no part of it: a process takes that from `GLACIER_ENVIRONMENT`.

    >>> settings_of(AWSProvider(region="us-east-1", name_prefix="acme-"))
    {'cloud': 'aws', 'region': 'us-east-1', 'name_prefix': 'acme-'}
    """
    cloud = next(name for name, kind in _CLOUDS.items() if isinstance(provider, kind))
    settings: dict[str, Any] = {"cloud": cloud}
    for field in fields(provider):
        value: object = getattr(provider, field.name)
        if field.name not in _OF_THE_MACHINE and (field.default is MISSING or value != field.default):
            settings[field.name] = value
    return settings


def provider_from(settings: Mapping[str, Any]) -> Provider:
    """Gives the provider that settings describe.

    Raises:
        ConfigError: they name no cloud, or a value is none that its provider takes.

    >>> provider_from({"cloud": "gcp", "project_id": "acme-data"}).region
    'us-central1'
    """
    kind = _CLOUDS.get(str(settings.get("cloud")))
    if kind is None:
        raise ConfigError(f"settings of a provider name no cloud: it is one of {listed(_CLOUDS)}")
    known = {field.name for field in fields(kind)} - _OF_THE_MACHINE
    given = {name: value for name, value in settings.items() if name != "cloud"}
    if unknown := given.keys() - known:
        raise ConfigError(f"{kind.__name__} has no setting {listed(sorted(unknown))}; it has {listed(sorted(known))}")
    return kind(**given)


def declarer_of(resource: Resource) -> Provider:
    """Gives the provider that a bucket or function was declared with."""
    held = cast("Bucket", resource).store if not resource.invocable else cast("Serverless", resource).host
    return cast("Provider", held.declarer)
