"""What is kept of a task's calls from run to run, and for how long: options, checked."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, cast

from glacier.errors import ConfigError, Site
from glacier.graph import Resource


@dataclass(frozen=True, kw_only=True)
class CachePolicy:
    """How the results of a task are kept.

    Attributes:
        ttl: how long a result is good for; None for as long as nothing that it comes from changes.
        version: goes into the key; another one forgets all results. For what a code does not tell, a model's file say.
        bucket: where results lie, `provider.bucket("cache", path="./")`, for machines that share them; by default
            below `.glacier` of the project, which also holds the limit of its size.

    >>> from datetime import timedelta
    >>> CachePolicy(ttl=timedelta(hours=6)).version
    ''
    """

    ttl: timedelta | None = None
    version: str = ""
    bucket: Resource | None = None

    def __post_init__(self) -> None:
        site = Site.of_caller(sys._getframe(2))
        ttl, version, bucket = cast("tuple[object, object, object]", (self.ttl, self.version, self.bucket))
        if ttl is not None and not (isinstance(ttl, timedelta) and ttl > timedelta(0)):
            raise ConfigError(
                f"CachePolicy takes ttl= as a timedelta longer than nothing, but got {ttl!r}",
                site=site,
                fix="write ttl=timedelta(hours=6)",
            )
        if not isinstance(version, str):
            raise ConfigError(
                f"CachePolicy takes version= as text, but got {version!r}", site=site, fix=f'write version="{version}"'
            )
        if bucket is not None and (not isinstance(bucket, Resource) or bucket.invocable):
            raise ConfigError(
                f"CachePolicy takes bucket= as a bucket, but got {bucket!r}",
                site=site,
                fix='write bucket=provider.bucket("cache", path="./")',
            )


def checked_cache(given: object, site: Site | None) -> CachePolicy | None:
    """Gives `cache=` as a policy, None where nothing is kept.

    Raises:
        ConfigError: it is no policy and no short form of one.
    """
    match given:
        case CachePolicy():
            return given
        case bool():
            return CachePolicy() if given else None
        case timedelta() if given > timedelta(0):
            return CachePolicy(ttl=given)
        case _:
            raise ConfigError(
                f"cache takes True, a timedelta or a CachePolicy, but got {cast('Any', given)!r}",
                site=site,
                fix="write cache=True, or cache=timedelta(hours=6)",
            )
