"""What a function does to the resources its names hold, read from its AST without running it."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from types import FunctionType, ModuleType
from typing import Literal, NamedTuple

from glacier.accesses import NONE, READ, READS, UNKNOWN, WRITE, WRITES, Access, access_by_name, access_by_verb
from glacier.calls import Helper
from glacier.names import GIVING_ON, Found, Key, Names, Reached, made_from, named_lambda, transparent
from glacier.reaching import outer_names, python_function
from glacier.source import FunctionNode, function_ast

_NEITHER = frozenset({"at", "get_uri", "cleanup", "prepare", "get", "pop", "setdefault", "values", "items", "keys"})
_LOGGING = frozenset({"debug", "info", "warning", "error"})
_TELLS = frozenset({"len", "isinstance", "type", "bool", "any", "all"})
_HARMLESS = _LOGGING | _TELLS | {"print", "str", "repr", "format", "Path", "join", "fspath"}
_MOST_ROUNDS = 5


class Place(NamedTuple):
    """Where below a name something is done: a member of what the name holds, at another path of its bucket if one."""

    members: tuple[Key, ...] = ()
    path: str | None = None


Accesses = Mapping[Place, Access]
"""What is done to what one name holds."""

Kind = Literal["uri"] | type
"""What a name holds if not a resource or a container of some: a URI, or an object of a class whose methods are read."""

Kinds = frozenset[tuple[str, Kind]]


@lru_cache(maxsize=4096)
def usage_of(function: Callable[..., object], outer: frozenset[str], kinds: Kinds) -> Mapping[str, Accesses]:
    """Gives what `function` does to what each of its parameters, or a name of `outer`, holds.

    Empty where the source cannot be had; every parameter is then unknown. Read again only if an argument differs.
    """
    reading = _Reading()
    body = reading.read(function, outer, kinds)
    for _ in range(_MOST_ROUNDS):
        if not reading.unsettled:
            break
        reading = _Reading(reading.done)
        body = reading.read(function, outer, kinds)
    found = {name: dict(accesses) for name, accesses in body.found.items()}
    for resource in body.resources:  # it leaves the task: whoever takes its result may do anything
        _note(found, resource, UNKNOWN)
    for uri in body.uris:  # a task that does nothing else with it leaves that to others
        if found.get(uri.name, {}).get(Place(uri.members, uri.path), NONE) == NONE:
            _note(found, uri, UNKNOWN)
    return found


_Found = dict[str, dict[Place, Access]]
_Call = tuple[Callable[..., object], frozenset[str], Kinds]


class _Read(NamedTuple):
    """What a function does to what it is given, and what of that it gives back: resources, and URIs of some."""

    found: _Found
    resources: Found = frozenset()
    uris: Found = frozenset()


_UNREAD = _Read({})


class _Reading:
    """The reading of one function and of the helpers it calls, each once for each way its parameters are held.

    Attributes:
        unsettled: whether a function called itself in a circle and what was assumed of it has turned out to be less.
    """

    def __init__(self, assumed: Mapping[_Call, _Read] | None = None) -> None:
        """Takes what an earlier round found, which is assumed of functions that call themselves in a circle."""
        self.assumed = assumed or {}
        self.done: dict[_Call, _Read] = {}
        self.unsettled = False
        self._open: set[_Call] = set()
        self._circular: set[_Call] = set()

    def read(self, function: Callable[..., object], outer: frozenset[str], kinds: Kinds) -> _Read:
        inner = python_function(function)
        tree = function_ast(inner) if inner else None
        if inner is None or tree is None:
            return _UNREAD
        key = (inner, outer, kinds)
        if key in self._open:
            self._circular.add(key)
            return self.assumed.get(key, _Read({name: {} for name in _parameters(tree)}))
        if key not in self.done:
            self._open.add(key)
            body = _Body(tree, inner, outer, kinds, self)
            self.done[key] = _Read(body.found, *body.names.results(tree))
            self._open.discard(key)
            if key in self._circular and self.done[key] != self.assumed.get(key):
                self.unsettled = True
        return self.done[key]


class _Body:
    """One function's AST, read once: for each name that stands for a resource or its URI, what is done to it."""

    def __init__(
        self, tree: FunctionNode, function: FunctionType, outer: frozenset[str], kinds: Kinds, reading: _Reading
    ) -> None:
        self.function = function
        self.reading = reading
        self.outer = outer_names(function)
        self.kinds = dict(kinds)
        held = [*outer, *_parameters(tree)]
        uris = [name for name in held if self.kinds.get(name) == "uri"]
        self.names = Names(tree, [name for name in held if name not in uris], uris, self._returned)
        self.found: _Found = {name: {} for name in held}
        self._read(tree)

    def _read(self, tree: FunctionNode) -> None:
        explained = _outside(tree)
        outside = frozenset(explained)
        derived = {part for node in ast.walk(tree) for part in made_from(node)}
        self.messages = {part for node in ast.walk(tree) for part in _messages(node)}
        classes = [node for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
        by_methods = {part for node in classes for part in ast.walk(node) if isinstance(part, ast.Return)}
        called: set[ast.AST] = set()
        for node in ast.walk(tree):
            if node in outside:
                continue
            if isinstance(node, ast.Call):
                self._read_call(node)
                called.add(node.func)
            explained.update(_explained_by(node) if node not in by_methods else ())
        for node in ast.walk(tree):  # a display comes before what it holds
            if not isinstance(node, ast.expr) or node in outside:
                continue
            if isinstance(node, ast.Attribute) and node not in called:  # the method is called elsewhere
                for resource in self.names.resources(node.value) if node.attr in READS | WRITES else ():
                    _note(self.found, resource, access_by_verb(node.attr))
                if access_by_name(node.attr, (), ()) is not None:
                    for uri in self.names.uris(node.value):
                        _note(self.found, uri, UNKNOWN)
            stored = isinstance(getattr(node, "ctx", None), ast.Store | ast.Del)
            if node not in explained and node not in derived and not stored:
                for uri in self.names.uris(node):
                    _note(self.found, uri, UNKNOWN)
            if node in explained:
                explained.update(transparent(node))
            elif not stored:
                explained.update(transparent(node))
                for resource in self.names.resources(node):
                    _note(self.found, resource, UNKNOWN)  # no rule follows it

    def _read_call(self, call: ast.Call) -> None:
        name = _called_name(call)
        helper = self._helper(call.func)
        if isinstance(call.func, ast.Attribute):
            self._read_method(call.func, call, helper)
        if isinstance(call.func, ast.Name) and self.names.inner(call.func.id):
            return
        values = [(place, value) for place, value in enumerate(call.args)]
        named = [(keyword.arg, keyword.value) for keyword in call.keywords]
        if helper is None and name == "partial" and call.args:
            helper = self._helper(call.args[0])
            values = [(place - 1, value) for place, value in values[1:]]
        for at, value in [*values, *named]:
            self._read_argument(call, helper, at, value)

    def _read_method(self, called: ast.Attribute, call: ast.Call, helper: Helper | None) -> None:
        """Notes what the call of a method does to the object it is called on."""
        name = called.attr
        for resource in self.names.resources(called.value):
            if helper is not None and helper.owner is not None:
                self._through(helper, helper.parameter(-1), resource)
            elif name in READS | WRITES:
                _note(self.found, resource, access_by_verb(name))
            elif name == "stage_write":
                _note(self.found, resource, WRITE)
            elif name not in _NEITHER:
                _note(self.found, resource, UNKNOWN)
        for resource in self.names.uris(called.value):
            _note(self.found, resource, access_by_name(name, call.args[:1], call.keywords) or NONE)

    def _read_argument(self, call: ast.Call, helper: Helper | None, at: int | str | None, value: ast.expr) -> None:
        name = _called_name(call)
        starred = isinstance(value, ast.Starred) or at is None
        parameter = None if helper is None or starred or at is None else helper.parameter(at)
        on = self.names.resources(call.func.value) if isinstance(call.func, ast.Attribute) else frozenset[Reached]()
        by_name = name if helper is None or not helper.users else ""
        followed = by_name in GIVING_ON and self._is_of_library(call.func)
        told = by_name in _HARMLESS or followed or value in self.messages
        told = told or bool(on and name == "invoke")  # what a function does with it is the function's
        for uri in self.names.uris(value):
            done = access_by_name(name, call.args[1:2], call.keywords) or (NONE if told else UNKNOWN)
            self._through(helper if helper and helper.users else None, parameter, uri, "uri", done)
        if self.names.uris(value) or by_name in _HARMLESS or followed:
            return
        owned = helper is not None and helper.owner is not None
        taken = READ if name == "copy_from" else NONE
        for resource in self.names.resources(value):
            self._through(helper, parameter, resource, None, taken if on and not owned else UNKNOWN)

    def _returned(self, names: Names, call: ast.Call) -> tuple[Found, Found]:
        """Gives what a helper gives back of what this call gives it."""
        helper = self._helper(call.func, names)
        if helper is None or not helper.users:
            return frozenset(), frozenset()
        given: list[tuple[int | str | None, ast.expr]] = [*enumerate(call.args)]
        given += [(keyword.arg, keyword.value) for keyword in call.keywords]
        if helper.owner is not None and isinstance(call.func, ast.Attribute):
            given.append((-1, call.func.value))
        resources, uris = set[Reached](), set[Reached]()
        for at, value in given:
            parameter = None if at is None or isinstance(value, ast.Starred) else helper.parameter(at)
            if parameter is None:
                continue
            for one in names.resources(value):
                read = self.reading.read(helper.function, frozenset(), self._kind(parameter, one))
                resources.update(_moved(one, back) for back in read.resources if back.name == parameter)
                uris.update(_moved(one, back) for back in read.uris if back.name == parameter)
            for one in names.uris(value):
                read = self.reading.read(helper.function, frozenset(), frozenset([(parameter, "uri")]))
                uris.update(one for back in read.uris if back.name == parameter)
        return frozenset(resources), frozenset(uris)

    def _kind(self, parameter: str, given: Reached) -> Kinds:
        kind = self.kinds.get(given.name) if not given.members else None
        return frozenset([(parameter, kind)]) if kind is not None else frozenset()

    def _through(
        self,
        helper: Helper | None,
        parameter: str | None,
        given: Reached,
        kind: Kind | None = None,
        otherwise: Access = UNKNOWN,
    ) -> None:
        """Notes what a helper does to what is given to one of its parameters; `otherwise` where that cannot be read."""
        accesses: Mapping[Place, Access] = {Place(): otherwise}
        if helper is not None and parameter is not None:
            kinds: Kinds = frozenset([(parameter, kind)]) if kind is not None else self._kind(parameter, given)
            read = self.reading.read(helper.function, frozenset(), kinds)
            accesses = read.found.get(parameter, accesses)
        for place, access in accesses.items():
            _note(self.found, _moved(given, place), access)

    def _is_of_library(self, called: ast.expr) -> bool:
        """Whether a call names a function, or one in a module or class: no method of an object."""
        match called:
            case ast.Attribute(value=ast.Name(id=name) | ast.Attribute(value=ast.Name(id=name))):
                return isinstance(self.outer.get(name), ModuleType | type)
            case _:
                return isinstance(called, ast.Name)

    def _helper(self, called: ast.expr, names: Names | None = None) -> Helper | None:
        """Gives the Python function that a call reaches: by name, in a module or class, or as a method."""
        owner: type | None = None
        match called:
            case ast.Name(id=name):
                found = self.outer.get(name)
            case ast.Attribute(value=ast.Name(id=name), attr=attr) if isinstance(
                self.outer.get(name), ModuleType | type
            ):
                found = inspect.getattr_static(self.outer[name], attr, None)
            case ast.Attribute(value=value, attr=attr):
                classes = [
                    self.kinds.get(one.name) for one in (names or self.names).resources(value) if not one.members
                ]
                owner = next((kind for kind in classes if isinstance(kind, type)), None)
                found = inspect.getattr_static(owner, attr, None) if owner is not None else None
            case _:
                return None
        return Helper.of(found, owner)


def _note(found: _Found, resource: Reached, access: Access) -> None:
    accesses = found.setdefault(resource.name, {})
    place = Place(resource.members, resource.path)
    accesses[place] = accesses.get(place, NONE) | access


def _moved(given: Reached, place: Place | Reached) -> Reached:
    """Gives what a place below a helper's parameter is for its caller."""
    for key in place.members:
        given = given.member(key)
    return given if place.path is None else Reached(given.name, given.members, place.path)


def _outside(tree: FunctionNode) -> set[ast.AST]:
    """Gives what is written at a function and read outside it: decorators, default values, annotations."""
    arguments = tree.args
    every = (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, arguments.vararg, arguments.kwarg)
    written = [*tree.decorator_list, *arguments.defaults, *arguments.kw_defaults, tree.returns]
    written += [argument.annotation for argument in every if argument is not None]
    return {part for one in written if one is not None for part in ast.walk(one)}


def _explained_by(node: ast.AST) -> Iterator[ast.AST]:
    """Gives the expressions whose use as a resource another rule has told of."""
    named = named_lambda(node)
    if named is not None:
        yield named[1]
    match node:
        case ast.Call(func=func, args=args, keywords=keywords):
            yield func
            yield from args
            yield from (keyword.value for keyword in keywords)
            yield from (value.value for value in args if isinstance(value, ast.Starred))
            if isinstance(func, ast.Attribute):
                yield func.value
        case ast.Attribute(value=value) | ast.Subscript(value=value) | ast.Await(value=value):
            yield value
        case ast.Assign(targets=targets, value=value) if all(map(_is_local, targets)):
            yield value
        case ast.NamedExpr(value=value):
            yield value
        case ast.AnnAssign(target=ast.Name(), value=ast.expr() as value, annotation=annotation):
            yield value
            yield from ast.walk(annotation)
        case ast.For(iter=value) | ast.AsyncFor(iter=value) | ast.comprehension(iter=value):
            yield value
        case ast.Return(value=ast.expr() as value):  # the caller of a helper follows what it returns
            yield value
        case ast.withitem(context_expr=value) | ast.FormattedValue(value=value) | ast.Expr(value=value):
            yield value
        case ast.If(test=value) | ast.While(test=value) | ast.Assert(test=value) | ast.IfExp(test=value):
            yield value
        case ast.UnaryOp(op=ast.Not(), operand=value):
            yield value
        case ast.BoolOp(op=ast.And(), values=[*values, _]):
            yield from values
        case ast.Compare():
            yield from ast.iter_child_nodes(node)
        case _:
            pass


def _messages(node: ast.AST) -> Iterator[ast.expr]:
    """Gives what an exception is told in words, which may name a place and is none."""
    match node:
        case ast.Raise(exc=ast.Call(args=[ast.JoinedStr(values=[ast.Constant(), *_]) as message])):
            yield message
        case _:
            pass


def _is_local(target: ast.expr) -> bool:
    """Whether what is assigned to a target stays in names that are followed."""
    if isinstance(target, ast.Tuple | ast.List):
        return all(map(_is_local, target.elts))
    return isinstance(target.value if isinstance(target, ast.Starred) else target, ast.Name)


def _parameters(tree: FunctionNode) -> list[str]:
    arguments = tree.args
    named = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    return [name.arg for name in (*named, arguments.vararg, arguments.kwarg) if name is not None]


def _called_name(call: ast.Call) -> str:
    match call.func:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
        case _:
            return ""
