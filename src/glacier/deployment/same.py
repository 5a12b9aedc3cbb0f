"""What is declared twice under one name must be declared alike: it is made once."""

from __future__ import annotations

from collections.abc import Iterable

from glacier.deployment.needs import DeclaredBucket
from glacier.errors import ConfigError, Site, listed
from glacier.graph import Resource
from glacier.resources.bucket import Bucket
from glacier.resources.serverless import Serverless


def check_bucket(known: DeclaredBucket, bucket: Bucket, physical: str, site: Site | None) -> None:
    """Refuses two declarations of one bucket that do not say the same.

    Raises:
        ConfigError: they differ.
    """
    store = bucket.store
    differ = _differing(
        ("name", known.name, bucket.name),
        ("config", known.config, known.config if store.config is None else store.config),
        ("existing", known.existing, store.existing),
        ("provider", known.provider, store.declarer),
    )
    if differ:
        raise ConfigError(
            f"bucket `{physical}` is declared twice with another {listed(differ)}: at {known.site} and at {site}",
            site=site,
            fix="declare it once with `provider.bucket(...)`, and use `.at(path)` for its other paths",
        )


def check_function(known: Serverless, function: Serverless) -> None:
    """Refuses two declarations of one function that do not say the same.

    Raises:
        ConfigError: they differ.
    """
    differ = _differing(
        ("handler", known.handler, function.handler),
        ("runtime", known.runtime, function.runtime),
        ("source", known.source, function.source),
        ("config", known.config, function.config),
        ("requirements", known.requirements, function.requirements),
        ("env", dict(known.env), dict(function.env)),
        ("reads", _uris(known.reads), _uris(function.reads)),
        ("writes", _uris(known.writes), _uris(function.writes)),
        ("provider", known.host.declarer, function.host.declarer),
    )
    if differ:
        raise ConfigError(
            f"function `{function.name}` is declared twice with another {listed(differ)}: at {known.site} and at "
            f"{function.site}",
            site=function.site,
            fix="give one of them another name, or declare it once with `provider.serverless(...)` and invoke that",
        )


def _differing(*compared: tuple[str, object, object]) -> list[str]:
    """Gives the names of what is not the same."""
    return [what for what, one, other in compared if one != other]


def _uris(buckets: Iterable[Resource]) -> set[str]:
    return {bucket.uri for bucket in buckets}
