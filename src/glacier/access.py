"""Which resources a node reads and writes, from the AST of its task: what orders nodes, and later permits them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from types import FunctionType, ModuleType
from typing import Any, cast

from glacier.annotations import Signature
from glacier.graph import Node, Resource
from glacier.source import is_users
from glacier.task import Task
from glacier.usage import NONE, READ, UNKNOWN, Access, Accesses, outer_names, python_function, usage_of
from glacier.work import Located, StorageCall


@dataclass(frozen=True, slots=True)
class Touch:
    """One node's access to one resource."""

    resource: Resource
    access: Access


_UNKNOWN: Accesses = {None: UNKNOWN}


def touches(node: Node) -> list[Touch]:
    """Gives what `node` does to each resource it reaches: by argument, in a container, as a global or closure."""
    work = node.work
    if isinstance(work, StorageCall):
        own = Touch(cast("Resource", node.args[0]), Access(work.reads, work.writes))
        return [own, *(Touch(other, READ) for given in _given_besides(node) for other in _resources_in(given))]
    if not isinstance(work, Task):
        return []
    function = work.origin.function
    body = function_accesses(function)
    reached = [(resource, body.get(name, _UNKNOWN)) for name, resource in _in_arguments(work.signature, node)]
    instance = getattr(work.function, "__self__", None)
    self_name = next(iter(work.origin.signature.binding.parameters), "")
    reached += [(resource, body.get(self_name, _UNKNOWN)) for resource in _resources_in(instance)]
    found: dict[Resource, Access] = {}
    for resource, accesses in [*reached, *outer_accesses(function)]:
        for path, access in accesses.items():
            place = resource if path is None else resource.at(path)
            found[place] = found.get(place, NONE) | access
    return [Touch(resource, access) for resource, access in found.items() if access.reads or access.writes]


def reaches_out(task: Task[..., Any]) -> bool:
    """Says whether a call of `task` may touch resources that are not among its arguments."""
    defaults = (parameter.default for parameter in task.signature.binding.parameters.values())
    own = (*defaults, getattr(task.function, "__self__", None))
    return bool(outer_accesses(task.origin.function)) or any(True for value in own for _ in _resources_in(value))


def _given_besides(node: Node) -> list[object]:
    """Gives what a method of a resource is given: the source of a copy, say."""
    return [*node.args[1:], *node.kwargs.values()]


def _in_arguments(signature: Signature, node: Node) -> Iterator[tuple[str, Resource]]:
    given = dict(signature.binding.parameters)
    for name, value in _arguments(signature, node):
        given.pop(name, None)
        for resource in _resources_in(value):
            yield name, resource
    for name, parameter in given.items():
        for resource in _resources_in(parameter.default):
            yield name, resource


def _arguments(signature: Signature, node: Node) -> Iterator[tuple[str, object]]:
    positional = [p.name for p in signature.parameters if not p.keyword_only]
    last = positional[-1] if positional else ""
    for place, value in enumerate(node.args):
        yield (positional[place] if place < len(positional) else last), value
    yield from node.kwargs.items()


def _resources_in(value: object) -> Iterator[Resource]:
    if isinstance(value, Resource):
        yield value
    elif isinstance(value, dict):
        for item in cast("dict[object, object]", value).values():
            yield from _resources_in(item)
    elif isinstance(value, list | tuple | set | frozenset):
        for item in cast("Iterable[object]", value):
            yield from _resources_in(item)
    elif isinstance(value, Located):
        yield value.resource
    elif hasattr(value, "__dict__") and not isinstance(value, type | ModuleType | FunctionType | Task):
        members = cast("dict[str, object]", vars(value))
        for member in members.values():  # one step deep: an object that holds buckets, not what those hold
            if isinstance(member, Resource | list | tuple | dict):
                yield from _resources_in(cast("object", member))


def function_accesses(function: Callable[..., object]) -> Mapping[str, Accesses]:
    """Gives what `function` does to a resource that each of its parameters, globals or closure variables holds.

    Empty where the source cannot be had; every parameter is then unknown.
    """
    return usage_of(function, frozenset(outer_resources(function)))


def outer_accesses(function: Callable[..., object]) -> list[tuple[Resource, Accesses]]:
    """Gives what `function` does to resources it was not given: globals, its closure, and those of its helpers."""
    found: list[tuple[Resource, Accesses]] = []
    pending, seen = [function], set[Callable[..., object]]()
    while pending:
        at = pending.pop()
        if at in seen:
            continue
        seen.add(at)
        if isinstance(at, partial):
            bound = [*at.args, *at.keywords.values()]
            found += [(resource, _UNKNOWN) for value in bound for resource in _resources_in(value)]
            pending.append(at.func)
            continue
        body = function_accesses(at)
        found += [
            (resource, body.get(name, {})) for name, resources in outer_resources(at).items() for resource in resources
        ]
        pending += _helpers(at)
    return found


def _helpers(function: Callable[..., object]) -> list[Callable[..., object]]:
    """Gives the user's own functions that `function` names: they reach globals of their own."""
    inner = python_function(function)
    named = outer_names(inner).values() if inner else ()
    functions = (value.function if isinstance(value, Task) else value for value in named)
    return [value for value in functions if isinstance(value, FunctionType) and is_users(value.__code__.co_filename)]


def outer_resources(function: Callable[..., object]) -> dict[str, list[Resource]]:
    """Gives the resources in the globals and closure variables that `function` names, as they are now."""
    inner = python_function(function)
    names = outer_names(inner).items() if inner else ()
    found = {name: list(_resources_in(value)) for name, value in names}
    return {name: resources for name, resources in found.items() if resources}
