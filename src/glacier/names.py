"""Which resource, or whose URI, the names and expressions of a function stand for: read from its AST, in any order.

A name stands for all that is ever assigned to it, so what is found is never too little; lines are not told apart.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from glacier.accesses import LISTS, READS, WRITES, access_by_name
from glacier.source import FunctionNode

ANYWHERE = "./"
"""The path that stands for a whole bucket, where `.at(...)` is given a path that only the run will know."""

Key = str | int | None
"""A member of a container or an object: its key, index or attribute; None is any of them."""

_DEEPEST = 6
_MOST_PASSES = 8
_MEMBERS = frozenset({"values", "items"})
_ONE_MEMBER = frozenset({"get", "pop", "setdefault"})
GIVING_ON = frozenset(
    {"list", "tuple", "set", "frozenset", "sorted", "reversed", "iter", "next", "enumerate", "zip", "filter"}
    | {"chain", "from_iterable", "islice", "cycle", "repeat", "tee", "zip_longest", "product", "pairwise"}
    | {"max", "min"}
)
"""Functions of Python's library whose result holds what they are given."""

_SAME = GIVING_ON | {"dict", "copy", "deepcopy"}
_PATHS = frozenset({"Path", "PurePath", "str", "fspath", "join", "UPath", "format"})
_TELLING = frozenset(
    {"startswith", "endswith", "find", "count", "index", "is_absolute", "match"}
    | {"name", "stem", "suffix", "suffixes"}
)
"""Of a path or string, what tells about it and is none."""

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
        self._inner: dict[str, list[FunctionNode]] = {}
        self._lambdas = {named[0] for named in map(named_lambda, ast.walk(tree)) if named is not None}
        for node in ast.walk(tree):
            if isinstance(node, FunctionNode) and node is not tree:
                self._inner.setdefault(node.name, []).append(node)
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
            case (
                ast.ListComp(elt=value)
                | ast.GeneratorExp(elt=value)
                | ast.SetComp(elt=value)
                | ast.DictComp(value=value)
            ):
                return self.resources(value)
            case _:
                return _NONE

    def _called(self, call: ast.Call) -> Found:
        match call:
            case ast.Call(func=ast.Name(id=name)) if name in self._inner or name in self._lambdas:
                return self._resources.get(name, _NONE)
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
            case ast.Call(func=ast.Name(id=name), args=args) if name in _SAME:
                return frozenset(one for value in args for one in self.resources(value)) | self._returned(self, call)[0]
            case ast.Call(func=ast.Attribute(value=on, attr=name), args=args) if (
                name in GIVING_ON and not self.resources(on)
            ):
                return frozenset(one for value in args for one in self.resources(value)) | self._returned(self, call)[0]
            case _:
                return self._returned(self, call)[0]

    def uris(self, node: ast.expr | None) -> Found:
        """Gives the resources whose URI an expression may be, or be made from."""
        match node:
            case ast.Name(id=name):
                return self._uris.get(name, _NONE)
            case ast.Call(func=ast.Attribute(attr="get_uri") as called):
                return self.uris(called)
            case ast.Attribute(value=value, attr="get_uri"):
                return self.resources(value)
            case ast.Attribute(value=value, attr="uri"):
                return self.resources(value) or self.uris(value)
            case ast.BinOp(left=left, right=right):
                return self.uris(left) | self.uris(right)
            case ast.JoinedStr(values=values):
                return frozenset(one for part in values for one in self.uris(part))
            case ast.Call():
                return self._uris_called(node)
            case ast.FormattedValue(value=value):
                return self._as_text(value)
            case ast.Attribute(attr=attr) if attr in _TELLING:
                return _NONE
            case (
                ast.Attribute(value=value)
                | ast.Subscript(value=value)
                | ast.Starred(value=value)
                | ast.NamedExpr(value=value)
                | ast.Await(value=value)
                | ast.ListComp(elt=value)
                | ast.GeneratorExp(elt=value)
                | ast.SetComp(elt=value)
                | ast.DictComp(value=value)
            ):
                return self.uris(value)
            case ast.IfExp() | ast.BoolOp() | ast.List() | ast.Tuple() | ast.Set() | ast.Dict():
                return frozenset(one for part in parts(node) for one in self.uris(part))
            case _:
                return _NONE

    def _as_text(self, node: ast.expr) -> Found:
        """Gives the resources whose URI a text or path holds that an expression is made into.

        What a container or object holds may be a URI that the body asked for; the text of a resource itself is a label.
        """
        return self.uris(node) | frozenset(one for one in self.resources(node) if one.members)

    def _uris_called(self, call: ast.Call) -> Found:
        returned = self._returned(self, call)[1]
        given = [*call.args, *(keyword.value for keyword in call.keywords)]
        match call.func:
            case ast.Name(id=name) | ast.Attribute(attr=name) if name in _PATHS:
                on = call.func.value if isinstance(call.func, ast.Attribute) else None
                return frozenset(one for part in given for one in self._as_text(part)) | self.uris(on) | returned
            case ast.Name(id=name) if name in _SAME | LISTS:
                from_parts = given
            case ast.Attribute(value=on, attr=name) if name in GIVING_ON | LISTS:
                from_parts = [on, *given]
            case ast.Attribute(value=on, attr=name):  # what is read from a file, or told of a path, is none
                from_parts = [on] if name not in _TELLING and access_by_name(name, (), ()) is None else []
            case called:  # a function here that gives one, or a method `get_uri` under another name
                from_parts = [called]
        return frozenset(one for part in from_parts for one in self.uris(part)) | returned

    def results(self, tree: FunctionNode) -> tuple[Found, Found]:
        """Gives the resources a function may return, and those whose URI it may."""
        values = list(_returned_by(tree))
        resources = frozenset(one for value in values for one in self.resources(value))
        return resources, frozenset(one for value in values for one in self.uris(value))

    def _learn(self, node: ast.AST) -> None:
        named = named_lambda(node)
        if named is not None:
            name, given = named
            self._note(name, self.resources(given), self.uris(given))  # it stands for what its calls give
        if isinstance(node, FunctionNode) and node in self._inner.get(node.name, ()):
            self._note(node.name, *self.results(node))
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
            case ast.Call(func=ast.Name(id=name)) if name in self._inner:
                for inner in self._inner[name]:
                    self._give(inner.args, node)
            case _:
                pass

    def _give(self, taken: ast.arguments, call: ast.Call) -> None:
        """Binds the parameters of a function inside to what a call gives it."""
        places = [a.arg for a in (*taken.posonlyargs, *taken.args)]
        named = [*places, *(a.arg for a in taken.kwonlyargs)]
        rest, others = taken.vararg, taken.kwarg
        for place, value in enumerate(call.args):
            one = [places[place]] if place < len(places) else [rest.arg] if rest else []
            for parameter in [*places, *([rest.arg] if rest else [])] if isinstance(value, ast.Starred) else one:
                self._note(parameter, self.resources(value), self.uris(value))
        for keyword in call.keywords:
            one = [keyword.arg] if keyword.arg in named else []
            more = [others.arg] if others and not one else []
            for parameter in one or [*(named if keyword.arg is None else ()), *more]:
                self._note(parameter, self.resources(keyword.value), self.uris(keyword.value))

    def _bind(self, target: ast.expr, value: ast.expr) -> None:
        pairs = list(_pairs(target, value))
        for one_target, one_value in pairs:
            self._bind(one_target, one_value)
        if not pairs:
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


def _pairs(target: ast.expr, value: ast.expr) -> Iterator[tuple[ast.expr, ast.expr]]:
    """Gives what `a, b = x, y` assigns to what; nothing where that cannot be told part by part."""
    if not isinstance(target, ast.Tuple | ast.List) or not isinstance(value, ast.Tuple | ast.List):
        return
    if not any(isinstance(part, ast.Starred) for part in (*target.elts, *value.elts)):
        yield from zip(target.elts, value.elts, strict=False)


def _returned_by(tree: FunctionNode) -> Iterator[ast.expr]:
    """Gives what the `return` statements of a function give, without those of functions inside it."""
    pending: list[ast.AST] = [*tree.body]
    while pending:
        node = pending.pop()
        if isinstance(node, ast.Return) and node.value is not None:
            yield node.value
        elif not isinstance(node, FunctionNode | ast.Lambda | ast.ClassDef):
            pending += ast.iter_child_nodes(node)


def named_lambda(node: ast.AST) -> tuple[str, ast.expr] | None:
    """Gives the name that `f = lambda: ...` assigns, and what a call of it gives; None for any other statement."""
    match node:
        case (
            ast.Assign(targets=[ast.Name(id=name)], value=ast.Lambda(body=body))
            | ast.AnnAssign(target=ast.Name(id=name), value=ast.Lambda(body=body))
        ):
            return name, body
        case _:
            return None


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


def transparent(node: ast.AST) -> Iterator[ast.expr]:
    """Gives the expressions that count as told of where `node` does: what a display holds, a choice or a loop gives."""
    yield from parts(node)
    match node:
        case ast.ListComp(elt=value) | ast.SetComp(elt=value) | ast.GeneratorExp(elt=value) | ast.DictComp(value=value):
            yield value
        case ast.Starred(value=value) | ast.NamedExpr(value=value):
            yield value
        case _:
            pass


def made_from(node: ast.AST) -> Iterator[ast.expr]:
    """Gives the expressions whose URI another one is made from, and which are followed with that."""
    yield from transparent(node)
    match node:
        case ast.BinOp(left=left, right=right):
            yield from (left, right)
        case ast.JoinedStr(values=values) | ast.comprehension(ifs=values):
            yield from values
        case ast.AugAssign(target=ast.Name(), op=ast.Add(), value=value):
            yield value
        case _:
            pass


def _members(found: Found, key: ast.expr | None) -> Found:
    """Gives the member of each that a key written as a constant names; any of them for another key."""
    constant: Key = None
    if isinstance(key, ast.Constant) and isinstance(key.value, str | int):
        constant = key.value
    return frozenset(one.member(constant) for one in found)
