"""Lists, dicts and the like, made anew with other members."""

from __future__ import annotations

import copy
from collections import deque
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from types import NoneType
from typing import cast

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
