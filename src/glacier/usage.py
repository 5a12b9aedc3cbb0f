"""What a function does to the resources its names hold, read from its AST without running it."""

from __future__ import annotations

import ast
import builtins
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from inspect import unwrap
from types import FunctionType
from typing import NamedTuple

from glacier.source import FunctionNode, function_ast
from glacier.task import Task

READS = frozenset({"scan", "read", "exists", "list"})
WRITES = frozenset({"write", "sink", "delete", "copy_from"})
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


Accesses = Mapping[str | None, Access]
"""What is done to a resource: as it is (None), and at each other path of its bucket that `.at(...)` names."""


@lru_cache(maxsize=4096)
def usage_of(function: Callable[..., object], outer: frozenset[str]) -> Mapping[str, Accesses]:
    """Gives what `function` does to a resource that each of its parameters, or a name of `outer`, holds.

    Empty where the source cannot be had; every parameter is then unknown. Read again only if `outer` changes.
    """
    return _Body.of(function, outer, frozenset()).accesses()


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
        inner = python_function(function)
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
            taken = READ if _called_name(call) == "copy_from" else NONE
            self._note(resource, taken if helper in self.within or known else UNKNOWN)
            return
        body = _Body.of(helper, frozenset(), self.within)
        parameter = next((k.arg for k in call.keywords if k.value is value), None)
        if parameter is None:
            place = call.args.index(value)
            parameter = body.parameters[place] if place < len(body.parameters) else None
        for path, access in body.found.get(parameter or "", {None: UNKNOWN}).items():
            self._note(resource if path is None else _Reached(resource.name, path), access)

    def _helper(self, called: ast.expr) -> FunctionType | None:
        """Gives the Python function that a call by plain name reaches through the globals or the closure."""
        if not isinstance(called, ast.Name) or self.function is None:
            return None
        found = outer_names(self.function).get(called.id)
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


def outer_names(function: FunctionType) -> dict[str, object]:
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


def python_function(function: Callable[..., object]) -> FunctionType | None:
    """Gives the function with a Python body behind decorators and methods; None where there is none."""
    inner = unwrap(function)
    inner = getattr(inner, "__func__", inner)
    return inner if isinstance(inner, FunctionType) else None
