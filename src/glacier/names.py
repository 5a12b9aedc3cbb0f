"""Which resource, or whose URI, the names and expressions of a function stand for: read from its AST, in any order.

A name stands for all that is ever assigned to it, so what is found is never too little; lines are not told apart.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from glacier.source import FunctionNode

READS = frozenset({"scan", "read", "exists", "list"})
WRITES = frozenset({"write", "sink", "delete", "copy_from", "invoke"})

ANYWHERE = "./"
"""The path that stands for a whole bucket, where `.at(...)` is given a path that only the run will know."""

Key = str | int | None
"""A member of a container or an object: its key, index or attribute; None is any of them."""

_DEEPEST = 6
_MOST_PASSES = 8
_MEMBERS = frozenset({"values", "items"})
_ONE_MEMBER = frozenset({"get", "pop", "setdefault"})
_SAME = frozenset({"list", "tuple", "set", "frozenset", "sorted", "reversed", "iter", "dict", "copy", "deepcopy"})
_PATHS = frozenset({"Path", "PurePath", "str", "fspath", "join", "UPath"})

Displays = ast.List | ast.Tuple | ast.Set | ast.Dict
Choices = ast.IfExp | ast.BoolOp


class Reached(NamedTuple):
    """What an expression stands for: what a name holds, or a member of that, perhaps at another path of its bucket."""

    name: str
    members: tuple[Key, ...] = ()
    path: str | None = None

    def member(self, key: Key) -> Reached:
        """Gives what a member of it stands for; what is nested too deep to tell is all of it."""
        if self.path is not None or len(self.members) >= _DEEPEST:
            return self
        return Reached(self.name, (*self.members, key))


Found = frozenset[Reached]
_NONE: Found = frozenset()

Returned = Callable[["Names", ast.Call], tuple[Found, Found]]
"""Of the call of another function, the resources it may give and those whose URI it may give."""


class Names:
    """What the names of one function stand for, learnt from its assignments, loops and `with` blocks."""

    def __init__(self, tree: FunctionNode, resources: Iterable[str], uris: Iterable[str], returned: Returned) -> None:
        """Learns them.

        Args:
            tree: the function.
            resources: names that hold resources, or objects that do, from the start.
            uris: names that hold a URI from the start.
            returned: tells what the call of another function gives back of what it is given.
        """
        self._returned = returned
        self._resources: dict[str, Found] = {name: frozenset([Reached(name)]) for name in resources}
        self._uris: dict[str, Found] = {name: frozenset([Reached(name)]) for name in uris}
        self._inner = {n.name: n for n in ast.walk(tree) if isinstance(n, FunctionNode) and n is not tree}
        known = -1
        for _ in range(_MOST_PASSES):  # a name may be used above its assignment, in a loop say
            for node in ast.walk(tree):
                self._learn(node)
            before, known = known, sum(map(len, [*self._resources.values(), *self._uris.values()]))
            if known == before:
                break

    def inner(self, name: str) -> bool:
        """Says whether a function of this name is defined inside this one, where its names are read along."""
        return name in self._inner

    def resources(self, node: ast.expr | None) -> Found:
        """Gives the resources, or the objects holding them, that an expression may stand for."""
        match node:
            case ast.Name(id=name):
                return self._resources.get(name, _NONE)
            case ast.Await(value=value) | ast.Starred(value=value) | ast.NamedExpr(value=value):
                return self.resources(value)
            case ast.Subscript(value=value, slice=key):
                return _members(self.resources(value), key)
            case ast.Attribute(value=value, attr=attr) if attr not in READS | WRITES:
                return frozenset(one.member(attr) for one in self.resources(value) if one.path is None)
            case ast.Call():
                return self._called(node)
            case ast.IfExp() | ast.BoolOp() | ast.List() | ast.Tuple() | ast.Set() | ast.Dict():
                return frozenset(one for part in parts(node) for one in self.resources(part))
            case ast.ListComp(elt=value) | ast.GeneratorExp(elt=value) | ast.SetComp(elt=value):
                return self.resources(value)
            case ast.DictComp(value=value):
                return self.resources(value)
            case _:
                return _NONE

    def _called(self, call: ast.Call) -> Found:
        match call:
            case ast.Call(func=ast.Attribute(value=value, attr="at"), args=args, keywords=keywords):
                path = next((k.value for k in keywords if k.arg == "path"), args[0] if args else None)
                literal = path.value if isinstance(path, ast.Constant) and isinstance(path.value, str) else ANYWHERE
                return frozenset(Reached(one.name, one.members, literal) for one in self.resources(value))
            case ast.Call(func=ast.Attribute(value=value, attr=attr)) if attr in _MEMBERS:
                return frozenset(one.member(None) for one in self.resources(value))
            case ast.Call(func=ast.Attribute(value=value, attr=attr), args=[key, *_]) if attr in _ONE_MEMBER:
                return _members(self.resources(value), key)
            case ast.Call(func=ast.Name(id="next"), args=[value, *_]):
                return _members(self.resources(value), None)
            case ast.Call(func=ast.Name(id=name), args=[value, *_]) if name in _SAME:
                return self.resources(value)
            case _:
                return self._returned(self, call)[0]

    def uris(self, node: ast.expr | None) -> Found:
        """Gives the resources whose URI an expression may be, or be made from."""
        match node:
            case ast.Name(id=name):
                return self._uris.get(name, _NONE)
            case ast.Call(func=ast.Attribute(value=value, attr="get_uri")):
                return self.resources(value)
            case ast.Attribute(value=value, attr="uri"):
                return self.resources(value) or self.uris(value)
            case ast.BinOp(left=left, right=right):
                return self.uris(left) | self.uris(right)
            case ast.JoinedStr(values=values):
                return frozenset(one for part in values for one in self.uris(part))
            case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name), args=args) if name in _PATHS:
                on = node.func.value if isinstance(node.func, ast.Attribute) else None
                return frozenset(one for part in args for one in self.uris(part)) | self.uris(on)
            case (
                ast.Attribute(value=value)
                | ast.FormattedValue(value=value)
                | ast.Subscript(value=value)
                | ast.Starred(value=value)
                | ast.NamedExpr(value=value)
            ):
                return self.uris(value)
            case ast.Call():
                on = node.func.value if isinstance(node.func, ast.Attribute) else None
                return self.uris(on) | self._returned(self, node)[1]
            case ast.IfExp() | ast.BoolOp() | ast.List() | ast.Tuple() | ast.Set() | ast.Dict():
                return frozenset(one for part in parts(node) for one in self.uris(part))
            case _:
                return _NONE

    def results(self, tree: FunctionNode) -> tuple[Found, Found]:
        """Gives the resources a function may return, and those whose URI it may."""
        inside = {part for inner in self._inner.values() for part in ast.walk(inner)}
        values = [n.value for n in ast.walk(tree) if isinstance(n, ast.Return) and n not in inside]
        resources = frozenset(one for value in values for one in self.resources(value))
        return resources, frozenset(one for value in values for one in self.uris(value))

    def _learn(self, node: ast.AST) -> None:
        match node:
            case ast.Assign(targets=targets, value=value):
                for target in targets:
                    self._bind(target, value)
            case (
                ast.NamedExpr(target=target, value=value)
                | ast.AugAssign(target=target, value=value)
                | ast.AnnAssign(target=target, value=ast.expr() as value)
            ):
                self._bind(target, value)
            case ast.withitem(context_expr=value, optional_vars=ast.expr() as target):
                self._bind(target, value)
            case (
                ast.For(target=target, iter=value)
                | ast.AsyncFor(target=target, iter=value)
                | ast.comprehension(target=target, iter=value)
            ):
                self._bind_each(target, value)
            case ast.Call(func=ast.Name(id=name), args=args, keywords=keywords) if name in self._inner:
                arguments = self._inner[name].args
                names = [a.arg for a in (*arguments.posonlyargs, *arguments.args)]
                given = [*zip(names, args, strict=False), *((k.arg, k.value) for k in keywords if k.arg)]
                for parameter, value in given:
                    self._note(parameter, self.resources(value), self.uris(value))
            case _:
                pass

    def _bind(self, target: ast.expr, value: ast.expr) -> None:
        if isinstance(target, ast.Tuple | ast.List) and isinstance(value, ast.Tuple | ast.List):
            for one_target, one_value in zip(target.elts, value.elts, strict=False):
                self._bind(one_target, one_value)
        else:
            self._assign(target, self.resources(value), self.uris(value))

    def _bind_each(self, target: ast.expr, items: ast.expr) -> None:
        """Binds the target of a loop over `items` to what is in them."""
        match target, items:
            case ast.Tuple(elts=[_, each]), ast.Call(func=ast.Name(id="enumerate"), args=[value, *_]):
                self._bind_each(each, value)
            case ast.Tuple(elts=[_, each]), ast.Call(func=ast.Attribute(value=value, attr="items")):
                self._bind_each(each, value)
            case ast.Tuple(elts=targets), ast.Call(func=ast.Name(id="zip"), args=values):
                for one_target, one_value in zip(targets, values, strict=False):
                    self._bind_each(one_target, one_value)
            case _, ast.Call(func=ast.Attribute(value=value, attr="values")):
                self._bind_each(target, value)
            case _, ast.List() | ast.Tuple() | ast.Set():
                for value in items.elts:
                    self._bind(target, value)
            case _:
                self._assign(target, _members(self.resources(items), None), self.uris(items))

    def _assign(self, target: ast.expr, resources: Found, uris: Found) -> None:
        if isinstance(target, ast.Name):
            self._note(target.id, resources, uris)
        elif isinstance(target, ast.Tuple | ast.List):
            certain = not any(isinstance(part, ast.Starred) for part in target.elts)
            for place, part in enumerate(target.elts):
                inner = part.value if isinstance(part, ast.Starred) else part
                self._assign(inner, frozenset(one.member(place if certain else None) for one in resources), uris)

    def _note(self, name: str, resources: Found, uris: Found) -> None:
        if resources:
            self._resources[name] = self._resources.get(name, _NONE) | resources
        if uris:
            self._uris[name] = self._uris.get(name, _NONE) | uris


def parts(node: ast.AST) -> Iterator[ast.expr]:
    """Gives the expressions whose values a display or a choice (`a if c else b`, `a or b`) holds or gives."""
    match node:
        case ast.IfExp(body=body, orelse=orelse):
            yield from (body, orelse)
        case ast.BoolOp(op=ast.And(), values=[*_, last]):  # the others are given where they are false: no resource is
            yield last
        case ast.BoolOp(values=values) | ast.Dict(values=values):
            yield from values
        case ast.List(elts=elements) | ast.Tuple(elts=elements) | ast.Set(elts=elements):
            yield from elements
        case _:
            pass


def _members(found: Found, key: ast.expr | None) -> Found:
    """Gives the member of each that a key written as a constant names; any of them for another key."""
    constant: Key = None
    if isinstance(key, ast.Constant) and isinstance(key.value, str | int):
        constant = key.value
    return frozenset(one.member(constant) for one in found)
