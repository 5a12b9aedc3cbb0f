"""Lists, dicts and the like: made anew with other members, and seen to stay as they are while a body is planned."""

from __future__ import annotations

import copy
from collections import deque
from collections.abc import Callable, Mapping, Sized
from dataclasses import fields, is_dataclass
from types import NoneType
from typing import Any, cast

from glacier.errors import Site
from glacier.graph import Resource

PLAIN = frozenset({NoneType, bool, int, float, complex, str, bytes})


def rebuilt(value: object, change: Callable[[object], object]) -> object:
    """Gives a list, tuple, set, dict, dataclass or slice anew, each member changed by `change`; others as they are."""
    if isinstance(value, list | set | frozenset | deque):
        return _regrouped(cast("list[object] | set[object] | frozenset[object] | deque[object]", value), change)
    if isinstance(value, tuple):
        return _row_with(cast("tuple[object, ...]", value), change)
    if isinstance(value, dict):
        return _mapping_with(cast("dict[object, object]", value), change)
    if isinstance(value, slice):
        piece = cast("slice[object, object, object]", value)
        return slice(change(piece.start), change(piece.stop), change(piece.step))
    if is_dataclass(value) and not isinstance(value, type | Resource):
        names = [field.name for field in fields(value) if hasattr(value, field.name)]
        changes = {name: change(getattr(value, name)) for name in names}
        if all(getattr(value, name) is item for name, item in changes.items()):
            return value
        fresh_instance = copy.copy(value)
        for name, item in changes.items():
            object.__setattr__(fresh_instance, name, item)
        return fresh_instance
    return value


def _row_with(row: tuple[object, ...], change: Callable[[object], object]) -> object:
    items = [change(item) for item in row]
    if all(item is other for item, other in zip(items, row, strict=True)):
        return row
    make: Callable[[list[object]], object] = getattr(type(row), "_make", tuple)  # of a named tuple
    return make(items)


def _mapping_with(mapping: dict[object, object], change: Callable[[object], object]) -> object:
    if type(mapping) is dict:
        return {key: change(item) for key, item in mapping.items()}
    changes = {key: new for key, item in mapping.items() if (new := change(item)) is not item}
    try:
        fresh = copy.copy(mapping)
    except Exception:
        if changes:
            raise
        return mapping  # its class lets nobody put something in
    for key, item in changes.items():
        fresh[key] = item
    return fresh


def _regrouped(
    group: list[object] | set[object] | frozenset[object] | deque[object], change: Callable[[object], object]
) -> object:
    before = list(group)
    items = [change(item) for item in before]
    if type(group) in (list, set, frozenset):
        return type(group)(items)
    if all(item is other for item, other in zip(items, before, strict=True)):
        return group
    if isinstance(group, frozenset):
        return type(group)(items)
    fresh = copy.copy(group)  # a subclass may take other arguments than its items
    fresh.clear()
    fresh.update(items) if isinstance(fresh, set) else fresh.extend(items)
    return fresh


class Containers:
    """The lists, dicts and sets that were there before a part of the body that may run never, or many times.

    Such a part must not change them: it is planned once, and what it makes of them is known only in the run.
    """

    def __init__(self, variables: Mapping[str, object], site: Site) -> None:
        """Takes the variables of the body, and the line of what is to be planned."""
        self.site = site
        self._names: dict[int, str] = {}
        self._known = {id(value): value for value in variables.values() if type(value) not in PLAIN}
        self._before: list[tuple[str, Sized, int, list[object]]] = []
        for name, value in variables.items():
            self._add(name, value)

    def _add(self, name: str, value: object) -> None:
        if not issubclass(type(value), list | dict | set | deque):  # not isinstance, which would ask a handle
            return
        container = cast("Sized", value)
        if id(container) in self._names:
            return
        self._names[id(container)] = name
        members = _members(container) if len(container) <= _LOOKED_AT else []
        self._before.append((name, container, len(container), members))
        for member in members:
            self._add(name, member)

    def __contains__(self, value: object) -> bool:
        return id(value) in self._names

    def knows(self, value: object) -> bool:
        """Says whether a variable held this very object."""
        return id(value) in self._known

    def changed(self) -> str | None:
        """Gives the name of a container that is not as it was; of one with many members only their number counts."""
        for name, container, length, members in self._before:
            if len(container) != length or (members and not _same_members(_members(container), members)):
                return name
        return None


_LOOKED_AT = 64
"""Of a container with more members than these, only the number is compared: branches in a loop stay linear."""


def _members(value: Any) -> list[object]:
    return [*value.keys(), *value.values()] if isinstance(value, dict) else list(value)


def _same_members(now: list[object], before: list[object]) -> bool:
    return len(now) == len(before) and all(one is other for one, other in zip(now, before, strict=True))
