"""What `@task(...)` takes besides tasks, checked where it is written."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Literal, cast

from glacier.errors import ConfigError, Site, listed
from glacier.graph import Resource

if TYPE_CHECKING:
    from glacier.config.deploy import Compute

Materialize = bool | Literal["auto", "disk"]


def checked_materialize(given: Materialize, site: Site | None) -> Materialize:
    """Gives `materialize=`.

    Raises:
        ConfigError: it is none of the four.
    """
    if given not in (True, False, "auto", "disk"):
        raise ConfigError(
            f"materialize takes True, False, 'auto' or 'disk', but got {given!r}", site=site, fix="use one of these"
        )
    return given


def checked_concurrency(given: object, site: Site | None) -> int | None:
    """Gives `max_concurrency=`.

    Raises:
        ConfigError: it is no whole number from 1 on.
    """
    if given is not None and (not isinstance(given, int) or given < 1):
        raise ConfigError(
            f"max_concurrency takes a whole number from 1 on, but got {given!r}", site=site, fix="max_concurrency=1"
        )
    return given


def checked_compute(given: object, site: Site | None) -> Compute | None:
    """Gives `compute=`.

    Raises:
        ConfigError: it is no machine.
    """
    if given is None:
        return None
    from glacier.config.deploy import Compute

    if not isinstance(given, Compute):
        raise ConfigError(
            f"compute takes a Compute, but got {given!r}", site=site, fix="write compute=Compute(cpu=4, memory=16_384)"
        )
    return given


def stated_access(option: str, given: object, site: Site | None) -> tuple[str | Resource, ...] | None:
    """Gives `reads=` or `writes=`, None where it was not given.

    Raises:
        ConfigError: it is no list of names and resources.
    """
    if given is None:
        return None
    entries = tuple(cast("Sequence[object]", given)) if isinstance(given, list | tuple) else (given,)
    named = tuple(entry for entry in entries if isinstance(entry, str | Resource))
    if not isinstance(given, list | tuple) or len(named) < len(entries):
        raise ConfigError(
            f"{option} takes a list of parameters' names and resources, but got {given!r}",
            site=site,
            fix=f'write {option}=["the_parameter"]',
        )
    return named


def check_stated(
    function: Callable[..., object],
    name: str,
    stated: Mapping[str, tuple[str | Resource, ...] | None],
    site: Site | None,
) -> None:
    """Refuses a name in `reads=` or `writes=` that is no parameter.

    Raises:
        ConfigError: there is one.
    """
    if not any(stated.values()):
        return
    parameters = list(inspect.signature(function).parameters)
    for option, entries in stated.items():
        for entry in entries or ():
            if isinstance(entry, str) and entry.partition(".")[0] not in parameters:
                takes = f"its parameters are {listed(parameters)}" if parameters else "it has no parameters"
                raise ConfigError(
                    f"{option} of task `{name}` names `{entry}`; {takes}",
                    site=site,
                    fix="name one of these, or pass the resource itself where it is a global",
                )
