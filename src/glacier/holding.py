"""Which resources a value holds: in containers, dataclasses, objects of the user's classes, and handles of such."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from functools import partial
from pathlib import PurePath
from types import FunctionType, ModuleType
from typing import cast

from glacier.annotations import may_hold
from glacier.containers import rebuilt
from glacier.graph import Node, Resource
from glacier.names import Key
from glacier.reaching import is_users_class
from glacier.task import Task
from glacier.trace import Handle
from glacier.work import Located, places_in

_DEEPEST = 5
_ABSENT = object()
_FACTS = frozenset(
    {"name", "path", "format", "site", "label", "provider_name", "config", "existing", "schema", "handler", "runtime"}
)
"""What a resource tells of itself without being read."""


def resources_in(value: object, depth: int = 0) -> Iterator[Resource]:
    """Gives the resources that a value is or holds, at most five containers or objects deep; some perhaps twice."""
    for one in _held(value, depth):
        yield one.resource if isinstance(one, Located) else one


def is_all_uris(value: object) -> bool:
    """Whether a value is the URI of a resource, or a container that holds no resource but by its URI."""
    held = list(_held(value, 0))
    return bool(held) and all(isinstance(one, Located) for one in held)


def _held(value: object, depth: int) -> Iterator[Resource | Located]:
    if isinstance(value, Resource | Located):
        yield value
    elif depth < _DEEPEST:
        for member in _members(value):
            yield from _held(member, depth + 1)


def resources_at(value: object, members: tuple[Key, ...]) -> tuple[list[Resource], bool]:
    """Gives the resources that a member of a value is or holds, and whether it could be told which they are.

    Args:
        value: what a name holds.
        members: the way from there: keys, indexes and attributes; None stands for any.

    Returns:
        Where an object makes the member only when asked (a property, say), all resources it holds, and False.
    """
    for place, key in enumerate(members):
        if isinstance(value, Resource):
            return ([] if key in _FACTS else [value]), True
        if key is None:
            found = [resources_at(member, members[place + 1 :]) for member in _members(value)]
            return [resource for some, _ in found for resource in some], all(known for _, known in found)
        member = _member(value, key)
        if member is _ABSENT:
            return list(resources_in(value)), False
        value = member
    return list(resources_in(value)), True


def located(value: object, places: Sequence[Resource]) -> object:
    """Gives a value with `Located` in place of text and paths that were made from the URI of one of some resources."""
    if isinstance(value, Located | Handle) or not places:
        return value
    if isinstance(value, str | PurePath):
        found = [Located.of(resource) for resource in places_in(value, places)]
        return found[0] if len(found) == 1 else tuple(found) or value
    return rebuilt(value, lambda member: located(member, places))


def _members(value: object) -> Iterable[object]:
    """Gives what a value holds; nothing where it is no container and no object of the user's."""
    match value:
        case str() | bytes() | int() | float() | type() | ModuleType() | FunctionType() | Task() | None:
            return ()
        case Mapping():
            return cast("Mapping[object, object]", value).values()
        case list() | tuple() | set() | frozenset():
            return cast("Iterable[object]", value)
        case partial():
            return [*value.args, *value.keywords.values()]
        case Handle():
            return _behind(value)
        case _ if is_users_class(type(value)):
            return _attributes(value).values()
        case _:
            return ()


def _member(value: object, key: str | int) -> object:
    match value:
        case Mapping():
            return cast("Mapping[object, object]", value).get(key, _ABSENT)
        case tuple() if isinstance(key, str):
            return getattr(cast("object", value), key, _ABSENT)
        case list() | tuple() if isinstance(key, int):
            row = cast("list[object] | tuple[object, ...]", value)
            return row[key] if -len(row) <= key < len(row) else _ABSENT
        case ModuleType():
            return vars(value).get(str(key), _ABSENT)
        case type() if is_users_class(value):
            return _class_attributes(value).get(str(key), _ABSENT)
        case _ if is_users_class(type(value)):
            return _attributes(value).get(str(key), _ABSENT)
        case _:
            return _ABSENT


def _attributes(value: object) -> dict[str, object]:
    """Gives an object's attributes, and what its classes hold as plain values; runs no property of it."""
    found = _class_attributes(type(value))
    if is_dataclass(value):  # one with slots has no `__dict__`
        found |= {field.name: getattr(value, field.name) for field in fields(value) if hasattr(value, field.name)}
    return found | getattr(value, "__dict__", {})


def _class_attributes(kind: type) -> dict[str, object]:
    found: dict[str, object] = {}
    for above in reversed(kind.__mro__):
        if is_users_class(above):
            found |= {name: one for name, one in vars(above).items() if not _is_computed(name, one)}
    return found


def _is_computed(name: str, attribute: object) -> bool:
    return name.startswith("__") or hasattr(type(attribute), "__get__") or inspect.isroutine(attribute)


def _behind(handle: Handle) -> Iterable[object]:
    """Gives what the value of a handle may be or hold: what a branch or an operator takes, what a task picks from."""
    node = handle.glacier_node
    return [located(one, node.places) for one in (*node.args, *node.kwargs.values())] if gives_resource(node) else ()


def gives_resource(node: Node) -> bool:
    """Says whether the value of a node may be a resource among its arguments: of an operator, a branch, a task."""
    work = node.work
    return node.hidden or (isinstance(work, Task) and may_hold(work.signature.returns, Resource))
