"""`@composite_resource`: a function that declares several resources which belong together, as one named group."""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable, Mapping
from datetime import date
from types import FrameType, MappingProxyType
from typing import Any, ParamSpec, TypeVar, cast, overload

from glacier.containers import rebuilt
from glacier.errors import ConfigError, Site
from glacier.graph import Resource
from glacier.source import variable_of

P = ParamSpec("P")
R = TypeVar("R")

_TELLING = (str, int, date)


@overload
def composite_resource(function: Callable[P, R], /) -> Callable[P, R]: ...
@overload
def composite_resource(*, name: str | None = None) -> Callable[[Callable[P, R]], Callable[P, R]]: ...
def composite_resource(function: Callable[..., Any] | None = None, /, *, name: str | None = None) -> Any:
    """Makes a function that declares resources one whose resources are a named group in analyses and pictures.

    The function takes a provider, of any cloud, and whatever else it needs. It gives its resources as a dict,
    dataclass, named tuple, tuple or list, or one by itself; also nested, and made by other composites. Its signature
    and its result's type stay as they are.

    The group is named for the function and for the arguments that its resources' names are made of,
    `create_data_lake[sales]`; where there are none, for the variable that takes the result.

    Args:
        function: the function, where the decorator is written without parentheses.
        name: of the group, in place of the function's.

    Raises:
        ConfigError: what is decorated is no function, or one that yields or awaits; when it is called, that it gives
            no resource.

    >>> from glacier.providers import LocalProvider
    >>> @composite_resource
    ... def create_data_lake(provider: LocalProvider, name: str):
    ...     return {stage: provider.bucket(f"{name}-{stage}", path="data.parquet") for stage in ("raw", "clean")}
    >>> lake = create_data_lake(LocalProvider(), "sales")
    >>> lake["raw"].label, lake["raw"].group
    ('sales-raw/data.parquet', ('create_data_lake[sales]',))
    """
    site = Site.of_caller(sys._getframe(1))

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        if not inspect.isfunction(function):
            raise ConfigError(
                f"@composite_resource takes a function, but got {function!r}",
                site=site,
                fix="put @composite_resource directly above the `def`",
            )
        if inspect.iscoroutinefunction(function) or _yields(function):
            raise ConfigError(
                f"composite resource `{function.__name__}` {'yields' if _yields(function) else 'is an `async def`'}",
                site=site,
                fix="write a plain `def` that returns its resources: declaring them waits for nothing",
            )
        called = name or function.__name__

        @functools.wraps(function)
        def declared(*args: Any, **kwargs: Any) -> Any:
            made = function(*args, **kwargs)
            return _grouped(called, made, [*args, *kwargs.values()], sys._getframe(1))

        return declared

    return decorate if function is None else decorate(function)


def _yields(function: Callable[..., Any]) -> bool:
    return inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function)


def _grouped(name: str, made: object, given: list[object], caller: FrameType) -> object:
    """Gives what a composite made, each resource of it as a part of the group."""
    labels: list[str] = []

    def noted(resource: Resource) -> Resource:
        labels.extend([resource.label, *resource.group])
        return resource

    _changed(made, noted)
    if not labels:
        raise ConfigError(
            f"composite resource `{name}` returns {_shown(made)}, in which there is no resource",
            site=Site.of_caller(caller),
            fix="return what it declares: a bucket, or a dict, dataclass or tuple of them",
        )
    texts = [str(value) for value in given if isinstance(value, _TELLING)]
    telling = dict.fromkeys(text for text in texts if text and any(text in label for label in labels))
    label = ", ".join(telling) or variable_of(caller.f_code, caller.f_lasti)
    group = f"{name}[{label}]" if label else name
    return _changed(made, lambda resource: resource.part_of((group, *resource.group)))


def _changed(value: object, change: Callable[[Resource], Resource]) -> object:
    """Gives the value with each resource in it changed; containers are made anew."""
    if isinstance(value, Resource):
        return change(value)
    if isinstance(value, MappingProxyType):
        items = cast("Mapping[object, object]", value).items()
        return MappingProxyType({key: _changed(item, change) for key, item in items})
    return rebuilt(value, lambda item: _changed(item, change))


def _shown(made: object) -> str:
    return "None" if made is None else f"a {type(made).__name__}"
