"""Which resources a node reads and writes, from the AST of its task: what orders nodes, and later permits them."""

from __future__ import annotations

import ast
import builtins
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from inspect import unwrap
from types import FunctionType, ModuleType
from typing import Any, NamedTuple, cast

from glacier.annotations import Signature
from glacier.graph import Node, Resource
from glacier.source import FunctionNode, function_ast, is_users
from glacier.task import Task
from glacier.trace import Located, StorageCall

READS = frozenset({"scan", "read", "exists", "list"})
WRITES = frozenset({"write", "sink", "delete"})
NEITHER = frozenset({"at", "get_uri", "cleanup"})
_LOGGING = frozenset({"debug", "info", "warning", "error"})
_HARMLESS = _LOGGING | {"print", "str", "repr", "len", "isinstance", "type", "format", "Path", "join", "fspath"}

ANYWHERE = "./"
"""The path that stands for a whole bucket, where `.at(...)` is given a path that only the run will know."""


@dataclass(frozen=True, slots=True)
class Access:
    """What is done to a resource.

    Attributes:
        certain: False where the code does not tell, so that both reading and writing are assumed.
    """

    reads: bool = False
    writes: bool = False
    certain: bool = True

    def __or__(self, other: Access) -> Access:
        return Access(self.reads or other.reads, self.writes or other.writes, self.certain and other.certain)


NONE, READ, WRITE = Access(), Access(reads=True), Access(writes=True)
UNKNOWN = Access(reads=True, writes=True, certain=False)


@dataclass(frozen=True, slots=True)
class Touch:
    """One node's access to one resource."""

    resource: Resource
    access: Access


Accesses = Mapping[str | None, Access]
"""What is done to a resource: as it is (None), and at each other path of its bucket that `.at(...)` names."""

_UNKNOWN: Accesses = {None: UNKNOWN}


def touches(node: Node) -> list[Touch]:
    """Gives what `node` does to each resource it reaches: by argument, in a container, as a global or closure."""
    work = node.work
    if isinstance(work, StorageCall):
        return [Touch(cast("Resource", node.args[0]), Access(work.reads, work.writes))]
    if not isinstance(work, Task):
        return []
    function = work.origin.function
    body = _read_now(function)
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
    return _read_now(function)


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
        body = _read_now(at)
        found += [
            (resource, body.get(name, {})) for name, resources in outer_resources(at).items() for resource in resources
        ]
        pending += _helpers(at)
    return found


def _helpers(function: Callable[..., object]) -> list[Callable[..., object]]:
    """Gives the user's own functions that `function` names: they reach globals of their own."""
    inner = _python_function(function)
    named = _outer_names(inner).values() if inner else ()
    functions = (value.function if isinstance(value, Task) else value for value in named)
    return [value for value in functions if isinstance(value, FunctionType) and is_users(value.__code__.co_filename)]


def _read_now(function: Callable[..., object]) -> Mapping[str, Accesses]:
    return _read_once(function, frozenset(outer_resources(function)))


@lru_cache(maxsize=4096)
def _read_once(function: Callable[..., object], outer: frozenset[str]) -> Mapping[str, Accesses]:
    """Reads a function again only if other names outside it hold resources than before."""
    return _Body.of(function, outer, frozenset()).accesses()


def outer_resources(function: Callable[..., object]) -> dict[str, list[Resource]]:
    """Gives the resources in the globals and closure variables that `function` names, as they are now."""
    inner = _python_function(function)
    names = _outer_names(inner).items() if inner else ()
    found = {name: list(_resources_in(value)) for name, value in names}
    return {name: resources for name, resources in found.items() if resources}


def _python_function(function: Callable[..., object]) -> FunctionType | None:
    inner = unwrap(function)
    inner = getattr(inner, "__func__", inner)
    return inner if isinstance(inner, FunctionType) else None


class _Reached(NamedTuple):
    """Which resource an expression stands for: that of a name, as it is or at another path of its bucket."""

    name: str
    path: str | None = None


class _Body:
    """One function's AST, read once: for each name that stands for a resource or its URI, what is done to it."""

    def __init__(
        self, tree: FunctionNode | None, function: FunctionType | None, outer: frozenset[str], within: frozenset[object]
    ) -> None:
        self.function = function
        self.within = within | {function}
        self.parameters = _parameters(tree) if tree else []
        self.resources = {name: _Reached(name) for name in (*outer, *self.parameters)}
        self.uris: dict[str, _Reached] = {}
        self.found: dict[str, dict[str | None, Access]] = {name: {} for name in self.resources}
        if tree is not None:
            self._follow_names(tree)
            self._read(tree)

    @classmethod
    def of(cls, function: Callable[..., object], outer: frozenset[str], within: frozenset[object]) -> _Body:
        inner = _python_function(function)
        return cls(function_ast(inner) if inner else None, inner, outer, within)

    def accesses(self) -> Mapping[str, Accesses]:
        return self.found

    def _follow_names(self, tree: ast.AST) -> None:
        """Learns which local names stand for a resource or its URI; twice, for names used above their assignment."""
        for _ in range(2):
            for node in ast.walk(tree):
                match node:
                    case (
                        ast.Assign(targets=[ast.Name(id=name)], value=value)
                        | ast.NamedExpr(target=ast.Name(id=name), value=value)
                    ):
                        self._bind(name, value)
                    case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value):
                        self._bind(name, value)
                    case ast.withitem(context_expr=value, optional_vars=ast.Name(id=name)):
                        self._bind(name, value)
                    case ast.For(target=target, iter=value) | ast.comprehension(target=target, iter=value):
                        for part in ast.walk(target):
                            if isinstance(part, ast.Name):
                                self._bind(part.id, value)
                    case _:
                        pass

    def _bind(self, name: str, value: ast.expr) -> None:
        if (resource := self._resource(value)) is not None:
            self.resources[name] = resource
        elif (resource := self._uri(value)) is not None:
            self.uris[name] = resource

    def _resource(self, node: ast.expr) -> _Reached | None:
        """Gives the parameter or outer name whose resource `node` stands for."""
        match node:
            case ast.Name(id=name):
                return self.resources.get(name)
            case ast.Subscript(value=value) | ast.Await(value=value):
                return self._resource(value)
            case ast.Call(func=ast.Attribute(value=value, attr="at"), args=[path, *_]):
                moved = self._resource(value)
                literal = path.value if isinstance(path, ast.Constant) and isinstance(path.value, str) else ANYWHERE
                return moved and _Reached(moved.name, literal)
            case ast.Call(func=ast.Attribute(value=value, attr="values" | "items" | "get")):
                return self._resource(value)
            case ast.Attribute(value=value, attr=attr) if attr not in READS | WRITES | NEITHER:
                return self._resource(value)
            case _:
                return None

    def _uri(self, node: ast.expr) -> _Reached | None:
        """Gives the parameter or outer name whose resource's URI `node` is or is made from."""
        match node:
            case ast.Name(id=name):
                return self.uris.get(name)
            case ast.Call(func=ast.Attribute(value=value, attr="get_uri")):
                return self._resource(value)
            case ast.BinOp(left=left, right=right):
                return self._uri(left) or self._uri(right)
            case ast.JoinedStr(values=values):
                parts = (self._uri(part.value) for part in values if isinstance(part, ast.FormattedValue))
                return next((part for part in parts if part), None)
            case ast.Call(func=ast.Name(id="Path" | "str"), args=[value, *_]):
                return self._uri(value)
            case ast.Attribute(value=value) | ast.Call(func=ast.Attribute(value=value)):
                return self._uri(value)
            case _:
                return None

    def _read(self, tree: FunctionNode) -> None:
        decorators = {part for decorator in tree.decorator_list for part in ast.walk(decorator)}
        explained: set[ast.AST] = set(decorators)
        called: set[ast.AST] = set()
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                self._read_call(node)
                called.add(node.func)
            explained.update(self._explained_by(node))
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and node.attr in READS | WRITES and node not in called:
                self._note(self._resource(node.value), READ if node.attr in READS else WRITE)  # it is called elsewhere
            elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and node not in explained:
                self._note(self._resource(node), UNKNOWN)  # no rule follows it

    def _explained_by(self, node: ast.AST) -> Iterator[ast.AST]:
        """Gives the names and attributes whose use as a resource another rule has told of."""
        match node:
            case ast.Call(func=ast.Attribute(value=value)):
                yield value
            case ast.Attribute(value=value) | ast.Subscript(value=value) | ast.Await(value=value):
                yield value
            case ast.Assign(targets=[ast.Name()], value=value) | ast.NamedExpr(value=value):
                yield value
            case ast.AnnAssign(value=ast.expr() as value, annotation=annotation):
                yield value
                yield from ast.walk(annotation)
            case ast.For(iter=value) | ast.comprehension(iter=value) | ast.withitem(context_expr=value):
                yield value
            case ast.Compare() | ast.Expr() | ast.FormattedValue() | ast.If() | ast.IfExp() | ast.arg():
                yield from (child for child in ast.iter_child_nodes(node) if not _is_side(child, node))
            case _:
                pass
        if isinstance(node, ast.Call):
            yield from node.args
            yield from (keyword.value for keyword in node.keywords)
            yield from (value.value for value in node.args if isinstance(value, ast.Starred))

    def _read_call(self, call: ast.Call) -> None:
        name = _called_name(call)
        if isinstance(call.func, ast.Attribute) and (resource := self._resource(call.func.value)) is not None:
            if name in READS:
                self._note(resource, READ)
            elif name in WRITES:
                self._note(resource, WRITE)
        elif isinstance(call.func, ast.Attribute) and (resource := self._uri(call.func.value)) is not None:
            self._note(resource, _access_by_name(name, call.args[:1], call.keywords) or NONE)
        values = [*call.args, *(keyword.value for keyword in call.keywords)]
        for value in values:
            if (resource := self._uri(value)) is not None:
                harmless = name in _HARMLESS
                access = _access_by_name(name, call.args[1:2], call.keywords)
                self._note(resource, access or (NONE if harmless else UNKNOWN))
            else:
                self._read_argument(call, value)

    def _read_argument(self, call: ast.Call, value: ast.expr) -> None:
        resource = self._resource(value.value if isinstance(value, ast.Starred) else value)
        if resource is None or _called_name(call) in _HARMLESS:
            return
        helper = self._helper(call.func)
        if helper is None or helper in self.within or isinstance(value, ast.Starred):
            known = isinstance(call.func, ast.Attribute) and self._resource(call.func.value) is not None
            self._note(resource, NONE if helper in self.within or known else UNKNOWN)
            return
        body = _Body.of(helper, frozenset(), self.within)
        parameter = next((k.arg for k in call.keywords if k.value is value), None)
        if parameter is None:
            place = call.args.index(value)
            parameter = body.parameters[place] if place < len(body.parameters) else None
        for path, access in body.found.get(parameter or "", _UNKNOWN).items():
            self._note(resource if path is None else _Reached(resource.name, path), access)

    def _helper(self, called: ast.expr) -> FunctionType | None:
        """Gives the Python function that a call by plain name reaches through the globals or the closure."""
        if not isinstance(called, ast.Name) or self.function is None:
            return None
        found = _outer_names(self.function).get(called.id)
        found = found.function if isinstance(found, Task) else found
        return found if isinstance(found, FunctionType) else None

    def _note(self, resource: _Reached | None, access: Access) -> None:
        if resource is not None:
            accesses = self.found[resource.name]
            accesses[resource.path] = accesses.get(resource.path, NONE) | access


def _parameters(tree: FunctionNode) -> list[str]:
    arguments = tree.args
    named = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    return [name.arg for name in (*named, arguments.vararg, arguments.kwarg) if name is not None]


def _is_side(child: ast.AST, node: ast.AST) -> bool:
    """Whether a child is what a conditional expression gives, not what it asks."""
    return isinstance(node, ast.IfExp) and child is not node.test


def _access_by_name(name: str, mode: Sequence[ast.expr], keywords: Sequence[ast.keyword]) -> Access | None:
    """Gives what a function of this name does to the file it is given, or a method to its path; None if unknown.

    Args:
        name: the function's or method's.
        mode: where `open` has its mode: the second argument of the function, the first of the method.
        keywords: of the call.
    """
    if name.startswith(("write", "sink", "to_")) or name in ("unlink", "rename", "touch"):
        return WRITE
    if name.startswith(("scan", "read")) or name in ("exists", "stat", "is_file"):
        return READ
    if name != "open":
        return None
    given = next((keyword.value for keyword in keywords if keyword.arg == "mode"), mode[0] if mode else None)
    text = str(given.value) if isinstance(given, ast.Constant) else "r" if given is None else "r+"
    return Access(reads="r" in text or "+" in text, writes=any(letter in text for letter in "wax+"))


def _called_name(call: ast.Call) -> str:
    match call.func:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
        case _:
            return ""


def _outer_names(function: FunctionType) -> dict[str, object]:
    """Gives the values of the global and closure names that `function` uses."""
    names: dict[str, object] = {}
    for name in function.__code__.co_names:
        if name in function.__globals__ and not hasattr(builtins, name):
            names[name] = function.__globals__[name]
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        try:
            names[name] = cell.cell_contents
        except ValueError:  # a cell that is not filled yet holds nothing
            continue
    return names
