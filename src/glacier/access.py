"""Which resources a node reads and writes, from the AST of its task: what orders nodes, and later permits them."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from types import ModuleType
from typing import Any, cast

from glacier.accesses import NONE, READ, UNKNOWN, WRITE, Access, access_by_verb
from glacier.annotations import UNKNOWN as UNTYPED
from glacier.annotations import Signature
from glacier.graph import Graph, Node, Resource
from glacier.holding import gives_resource, is_all_uris, located, resources_at, resources_in
from glacier.names import ANYWHERE
from glacier.permits import Allowed, Permit, act
from glacier.reaching import helpers, is_users_class, is_users_module, outer_names, python_function
from glacier.source import function_ast
from glacier.task import Task, TaskOptions
from glacier.usage import Accesses, Kind, Kinds, Place, usage_of
from glacier.work import StorageCall


@dataclass(frozen=True, slots=True)
class Touch:
    """One node's access to one resource.

    Attributes:
        access: what is done to it; nothing where a task is given a resource and makes no use of it.
        name: the parameter, global or closure variable by which the task's code reaches it.
    """

    resource: Resource
    access: Access
    name: str = ""

    @property
    def matters(self) -> bool:
        """Whether anything is done to the resource."""
        return self.access.reads or self.access.writes


_UNKNOWN: Accesses = {Place(): UNKNOWN}
_UNUSED: Accesses = {Place(): NONE}


def touches(node: Node) -> list[Touch]:
    """Gives what `node` does to each resource it reads or writes."""
    return [touch for touch in reached(node) if touch.matters]


def reached(node: Node) -> list[Touch]:
    """Gives what `node` does to each resource it reaches: by argument, in a container, as a global or closure.

    Also what it is given and makes no use of.
    """
    work = node.work
    if isinstance(work, StorageCall):
        own = Touch(cast("Resource", node.args[0]), access_by_verb(work.verb))
        if own.resource.invocable:
            return [own]
        besides = (*node.args[1:], *node.kwargs.values())  # the source of a copy, say
        return [own, *(Touch(resource, READ) for given in besides for resource in resources_in(given))]
    if not isinstance(work, Task):
        return []
    function, bound = _unbound(work.origin.function)
    given = [*bound, *((name, located(value, node.places)) for name, value in _in_arguments(work.signature, node))]
    owner = cast("object", getattr(work.function, "__self__", None))
    if owner is not None:
        given.append((next(iter(work.origin.signature.binding.parameters), ""), owner))
    body = function_accesses(function, given)
    inside = [(name, value, body.get(name, _UNKNOWN) or _UNUSED) for name, value in given]
    outside = outer_accesses(function, type(owner) if owner is not None else None)
    every = [(name, *placed) for name, value, done in [*inside, *outside] for placed in _placed(value, done)]
    if work.options.states_access:
        every = _as_stated(work.options, given, every)
    found: dict[Resource, Touch] = {}
    for name, _, resource, done in every:
        access = Access(writes=done.writes, certain=done.certain) if resource.invocable else done
        before = found.get(resource)
        found[resource] = (
            Touch(resource, before.access | access, before.name) if before else Touch(resource, access, name)
        )
    return list(found.values())


def reaches_out(task: Task[..., Any]) -> bool:
    """Says whether a call of `task` may touch resources that are not among its arguments."""
    function, bound = _unbound(task.origin.function)
    owner = cast("object", getattr(task.function, "__self__", None))
    defaults = [parameter.default for parameter in task.signature.binding.parameters.values()]
    if any(True for value in (*defaults, *dict(bound).values(), owner) for _ in resources_in(value)):
        return True
    if any(isinstance(entry, Resource) for entry in (*(task.options.reads or ()), *(task.options.writes or ()))):
        return True
    outer = outer_accesses(function, type(owner) if owner is not None else None)
    return any(True for _, value, accesses in outer for _ in _placed(value, accesses))


def handed_on(nodes: Sequence[Node], touching: set[int]) -> set[int]:
    """Gives the nodes that may be handed a resource by a handle: one that a branch chose, or a task returned."""
    giving: set[int] = set()
    handed: set[int] = set()
    for node in nodes:
        if giving and not giving.isdisjoint(node.data):
            handed.add(node.index)
        if (node.index in touching or node.index in handed) and gives_resource(node):
            giving.add(node.index)
    return handed


def act_for(graph: Graph, node: Node | None) -> None:
    """Holds what this context runs from now on to what the task of `node` may do; to nothing where there is none."""
    act(partial(permit_of, graph, node) if node is not None and graph.inferred else None)


def permit_of(graph: Graph, node: Node) -> Permit:
    """Gives what the task of `node` may do, as its code was seen to do it."""
    task = cast("Task[..., Any]", node.work)
    found = reached(node)
    allowed = [
        Allowed(touch.resource.uri, touch.access.reads, touch.access.writes, touch.name)
        for touch in found
        if touch.access.certain
    ]
    allowed += [  # unknown code may move to any path of the bucket
        Allowed(touch.resource.at(ANYWHERE).uri, reads=True, writes=True, name=touch.name)
        for touch in found
        if not touch.access.certain
    ]
    for source in node.data:
        giver = graph.nodes[source].work
        if isinstance(giver, Task) and giver.signature.returns is UNTYPED:  # it may return a resource it was given
            allowed += permit_of(graph, graph.nodes[source]).allowed
    function, _ = _unbound(task.origin.function)
    inner = python_function(function)
    unread = inner is None or function_ast(inner) is None
    stated = task.options.states_access
    return Permit(graph.names[node.index], tuple(allowed), stated=stated, unlimited=unread and not stated)


def _unbound(function: Callable[..., object]) -> tuple[Callable[..., object], list[tuple[str, object]]]:
    """Gives the function behind `functools.partial`, and what is bound to its parameters."""
    bound: list[tuple[str, object]] = []
    while isinstance(function, partial):
        try:
            given = inspect.signature(function.func).bind_partial(*function.args, **function.keywords).arguments
        except (TypeError, ValueError):  # what it is bound to cannot be told by name
            given = {"": [*function.args, *function.keywords.values()]}
        bound += given.items()
        function = function.func
    return function, bound


def _in_arguments(signature: Signature, node: Node) -> Iterator[tuple[str, object]]:
    given = dict(signature.binding.parameters)
    positional = [p.name for p in signature.parameters if not p.keyword_only]
    others = next((p.name for p in signature.parameters if p.variadic and p.keyword_only), "")
    last = positional[-1] if positional else ""
    for place, value in enumerate(node.args):
        name = positional[place] if place < len(positional) else last
        given.pop(name, None)
        yield name, value
    for name, value in node.kwargs.items():
        known = given.pop(name, None) is not None
        yield name if known else others, value
    for name, parameter in given.items():
        if parameter.default is not parameter.empty:
            yield name, parameter.default


def function_accesses(
    function: Callable[..., object], given: Iterable[tuple[str, object]] = ()
) -> Mapping[str, Accesses]:
    """Gives what `function` does to what each of its parameters, globals or closure variables holds.

    Empty where the source cannot be had; every parameter is then unknown.

    Args:
        function: a Python function.
        given: what its parameters hold, where that is known: methods of such objects are read too.
    """
    outer = _outer_values(function)
    return usage_of(function, frozenset(outer), _kinds([*given, *outer.items()]))


def outer_accesses(function: Callable[..., object], owner: type | None = None) -> list[tuple[str, object, Accesses]]:
    """Gives what `function` does to what it was not given: globals, its closure, and those of its helpers.

    Args:
        function: a Python function.
        owner: the class of the instance it is called on, if it is a method.
    """
    found: list[tuple[str, object, Accesses]] = []
    pending, seen = [function], set[Callable[..., object]]()
    while pending:
        at = pending.pop()
        inner = python_function(at)
        if inner is None or inner in seen:
            continue
        seen.add(inner)
        body = function_accesses(inner)
        for name, value in _outer_values(inner).items():
            found.append((name, value, body.get(name) or _UNUSED))
            if isinstance(value, partial):
                called, bound = _unbound(cast("partial[object]", value))
                inside = function_accesses(called, bound)
                found += [(name, one, inside.get(parameter, _UNKNOWN)) for parameter, one in bound]
        pending += helpers(inner, owner)
    return found


def _outer_values(function: Callable[..., object]) -> dict[str, object]:
    """Gives the globals and closure variables that `function` names and that may hold resources, as they are now."""
    inner = python_function(function)
    names = outer_names(inner).items() if inner else ()
    return {name: value for name, value in names if _is_namespace(value) or any(True for _ in resources_in(value))}


def _is_namespace(value: object) -> bool:
    if isinstance(value, ModuleType):
        return is_users_module(value)
    return isinstance(value, type) and is_users_class(value)


def _kinds(held: Iterable[tuple[str, object]]) -> Kinds:
    kinds: dict[str, Kind] = {}
    for name, value in held:
        if is_users_class(type(value)) and not isinstance(value, Resource):
            kinds[name] = type(value)
        elif is_all_uris(value):
            kinds[name] = "uri"
    return frozenset(kinds.items())


def _placed(value: object, accesses: Accesses) -> Iterator[tuple[Resource, Resource, Access]]:
    """Gives the resources that `value` holds, each as it is held, as it is touched, and what is done to it there."""
    for place, access in accesses.items():
        resources, known = resources_at(value, place.members)
        for resource in resources:
            touched = resource if place.path is None else resource.at(place.path)
            yield resource, touched, access if known or access == NONE else UNKNOWN
    for resource in resources_in(value):
        yield resource, resource, NONE


_Placed = list[tuple[str, Resource, Resource, Access]]


def _as_stated(options: TaskOptions, given: Sequence[tuple[str, object]], inferred: _Placed) -> _Placed:
    """Gives what `@task(reads=..., writes=...)` states in place of what was inferred."""
    arguments = dict(given)
    reads, writes = (_named(entries, arguments) for entries in (options.reads, options.writes))
    stated = [
        (
            name,
            base,
            touched,
            Access(
                access.reads if reads is None else access.reads and base in reads,
                access.writes if writes is None else access.writes and base in writes,
                besides=access.besides if writes is None or base in writes else frozenset(),
                removes=access.removes and (writes is None or base in writes),
            ),
        )
        for name, base, touched, access in inferred
    ]
    stated += [(name, base, base, READ) for base, name in (reads or {}).items()]
    return stated + [(name, base, base, WRITE) for base, name in (writes or {}).items()]


def _named(entries: Sequence[str | Resource] | None, given: Mapping[str, object]) -> dict[Resource, str] | None:
    """Gives the resources that entries of `reads=` or `writes=` stand for in one call, with the parameter's name."""
    if entries is None:
        return None
    found: dict[Resource, str] = {}
    for entry in entries:
        if isinstance(entry, Resource):
            found[entry] = ""
        else:
            name, *members = entry.split(".")
            resources, _ = resources_at(given.get(name), tuple(members))
            found |= dict.fromkeys(resources, name)
    return found
