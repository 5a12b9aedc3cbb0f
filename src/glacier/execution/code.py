"""What the code of a function comes to, with all that it reaches: changed code, and only that, makes another digest."""

from __future__ import annotations

import ast
import dis
import hashlib
import inspect
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache, partial
from io import BytesIO
from types import BuiltinFunctionType, CodeType, FunctionType, MethodType, ModuleType
from typing import TYPE_CHECKING, Any, cast

from glacier.execution.codec import NotPlain, encoded
from glacier.graph import Resource
from glacier.reaching import is_users_class, outer_names, used_names
from glacier.secret import is_secret
from glacier.source import FunctionNode, function_ast, is_users, module_name
from glacier.task import Task

if TYPE_CHECKING:
    import polars as pl

_DEEPEST = 4
"""Containers, objects and modules in each other that are looked into."""

Parts = Mapping[str, str]
"""What a function reaches, by a name that a person knows, `etl.cleaned` or `etl.RATE`, with a digest of each."""


def digest_of(*parts: object) -> str:
    """Gives a digest of plain values, 128 bits in hexadecimal.

    >>> digest_of("a", 1) == digest_of("a", 1), digest_of("a", 1) == digest_of("a", "1")
    (True, False)
    """
    text = json.dumps(parts, sort_keys=True)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def code_digest(function: Callable[..., object]) -> str:
    """Gives a digest of a function's code and all that it reaches.

    >>> code_digest(lambda x: x + 1) == code_digest(lambda x: x + 2)
    False
    """
    return digest_of(sorted(code_parts(function).items()))


def code_parts(function: Callable[..., object]) -> Parts:
    """Gives what a function reaches: itself, functions and classes of the user's own, values of globals and closures.

    Comments, formatting, docstrings and decorators of Glacier's do not count, nor does what is in installed packages,
    nor a global that the code itself changes: that is state. Of a value that has no form as data (a connection, a
    logger, a secret) its type counts.
    """
    reading = _Reading()
    reading.take(function)
    return reading.code()


class _Reading:
    """Collects what one function reaches."""

    def __init__(self) -> None:
        self.parts: dict[str, str] = {}
        self._seen: dict[int, object] = {}  # by their ids, which hold as long as they are held here
        self._changed: set[str] = set()

    def take(self, function: object) -> None:
        """Takes a function, with what it reaches."""
        pending = [function]
        while pending:
            value = pending.pop()
            if id(value) not in self._seen:
                self._seen[id(value)] = value
                pending += self._reached(value)

    def code(self) -> Parts:
        """Gives what was found, but for what the code itself changes."""
        return {name: digest for name, digest in self.parts.items() if name.partition("[")[0] not in self._changed}

    def _reached(self, value: Any) -> Iterator[object]:
        """Notes one callable, and gives what it reaches."""
        match value:
            case Task():
                yield cast("Task[..., Any]", value).function
            case partial():
                given = [*value.args, *sorted(value.keywords.items())]
                yield from self._holds("partial", given, frozenset())
                yield cast("partial[object]", value).func
            case MethodType():
                yield value.__func__
                yield from self._holds("self", value.__self__, frozenset())
            case staticmethod() | classmethod():
                yield cast("staticmethod[..., Any]", value).__func__
            case property():
                yield from (one for one in (value.fget, value.fset) if one is not None)
            case FunctionType() if is_users(value.__code__.co_filename):
                yield from self._function(value)
            case type() if is_users_class(cast("type[Any]", value)):
                yield from self._class(value)
            case _ if hasattr(value, "__wrapped__"):  # a library's decorator around the user's own
                yield value.__wrapped__
            case _ if hasattr(value, "__qualname__"):
                self._put(f"{value.__module__}.{value.__qualname__}", "of a library")
            case _:  # an object that can be called
                yield from self._holds(type(value).__qualname__, value, frozenset())

    def _function(self, function: FunctionType) -> Iterator[object]:
        name = f"{module_name(function.__module__)}.{function.__qualname__}"
        tree = function_ast(function)
        self._put(name, _bytecode(function.__code__))
        given = [*(function.__defaults__ or ()), *sorted((function.__kwdefaults__ or {}).items())]
        if given:
            yield from self._holds(f"{name}, its defaults", given, frozenset())
        used = frozenset(used_names(function.__code__))
        outer = outer_names(function)
        for base, attribute in _changed_names(tree) if tree is not None else ():
            module = outer.get(base)
            named = module.__name__ if isinstance(module, ModuleType) else module_name(function.__module__)
            self._changed.add(f"{named}.{attribute if isinstance(module, ModuleType) else base}")
        for one, value in outer.items():
            yield from self._holds(f"{module_name(function.__module__)}.{one}", value, used)
        inner: object = getattr(function, "__wrapped__", None)
        if inner is not None:
            yield inner

    def _class(self, kind: type) -> Iterator[object]:
        name = f"{module_name(kind.__module__)}.{kind.__qualname__}"
        self._put(name, [base.__qualname__ for base in kind.__mro__[1:]])
        yield from (base for base in kind.__bases__ if is_users_class(base))
        for key, member in sorted(vars(kind).items()):
            if _is_code(member):
                yield from () if _is_generated(member) else (member,)
            elif not key.startswith("__"):
                yield from self._holds(f"{name}.{key}", member, frozenset())

    def _holds(self, name: str, value: Any, used: frozenset[str], depth: int = 0) -> Iterator[object]:
        """Notes what a name holds, and gives what that reaches."""
        kind = cast("type[object]", type(value))
        if isinstance(value, ModuleType):
            file = getattr(value, "__file__", None) or "<frozen"  # one that is built in has none
            reached = sorted(used & vars(value).keys()) if is_users(file) else []
            for member in reached if depth < _DEEPEST else ():
                yield from self._holds(f"{value.__name__}.{member}", vars(value)[member], used, depth + 1)
            return
        if _is_code(value):
            yield value
            return
        if is_users_class(kind):
            yield kind
        try:
            self._put(name, canonical(value))
        except NotPlain:
            self._put(name, f"{module_name(kind.__module__)}.{kind.__qualname__}")
            for key, held in _members(value) if depth < _DEEPEST else ():
                yield from self._holds(f"{name}[{key}]", held, used, depth + 1)

    def _put(self, name: str, content: object) -> None:
        digest = digest_of(content)
        known = self.parts.get(name, digest)
        self.parts[name] = digest if known == digest else digest_of(*sorted((known, digest)))


def canonical(value: object) -> Any:
    """Gives a value as JSON that is the same in every process: sets are sorted, frames stand by their content.

    Raises:
        NotPlain: it has no form as data, or is a LazyFrame, whose content is not known.
    """
    if isinstance(value, Resource):
        return {"$resource": type(value).__name__, "at": value.uri}
    return _sorted(encoded(value, _Contents()))


class _Contents:
    """Names frames and bytes by what is in them."""

    def keep_frame(self, frame: pl.DataFrame | pl.LazyFrame) -> str:
        """Gives a digest of a frame's rows."""
        import polars as pl

        if not isinstance(frame, pl.DataFrame):
            raise NotPlain("the content of a LazyFrame is not known")
        content = BytesIO()
        frame.write_ipc(content)
        return self.keep_bytes(content.getvalue())

    def keep_bytes(self, content: bytes) -> str:
        """Gives a digest."""
        return hashlib.blake2b(content, digest_size=16).hexdigest()

    def frame(self, name: str) -> pl.LazyFrame:
        """Is never called."""
        raise AssertionError(name)

    def content(self, name: str) -> bytes:
        """Is never called."""
        raise AssertionError(name)


def _sorted(document: Any) -> Any:
    match document:
        case {"$set": items} | {"$frozenset": items}:
            return {next(iter(document)): sorted((_sorted(item) for item in items), key=json.dumps)}
        case dict():
            return {key: _sorted(item) for key, item in cast("dict[str, Any]", document).items()}
        case list():
            return [_sorted(item) for item in cast("Sequence[Any]", document)]
        case _:
            return document


def _members(value: object) -> Iterable[tuple[object, object]]:
    """Gives what a container, or an object of a class of the user's own, holds."""
    match value:
        case dict():
            return [(_shown(key), member) for key, member in cast("dict[object, object]", value).items()]
        case list() | tuple() | set() | frozenset():
            return enumerate(cast("Iterable[object]", value))
        case _ if is_secret(type(value)):
            return ()
        case _:
            held: dict[str, object] = getattr(value, "__dict__", {})
            return sorted(held.items()) if is_users_class(cast("Any", type(value))) else ()


def _shown(key: object) -> str:
    return key if isinstance(key, str) else repr(key)[:40]


def _is_generated(member: object) -> bool:
    """Whether it is what `@dataclass` writes, which follows from the fields."""
    function = inspect.unwrap(member) if isinstance(member, FunctionType) else None
    return isinstance(function, FunctionType) and function.__code__.co_filename == "<string>"


def _is_code(value: object) -> bool:
    kinds = (Task, partial, FunctionType, BuiltinFunctionType, MethodType, staticmethod, classmethod, property, type)
    return isinstance(value, kinds) or hasattr(value, "__wrapped__")


@lru_cache(maxsize=4096)
def _bytecode(code: CodeType) -> str:
    """Gives a digest of what a function does: of what runs, whatever its file says by now. Docstrings do nothing."""
    steps = [(step.opname, _operand(step)) for step in dis.get_instructions(code)]
    counts = [code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, code.co_flags & _FLAGS]
    return digest_of(steps, code.co_exceptiontable.hex(), code.co_varnames[: sum(counts[::2])], counts)


_FLAGS = inspect.CO_VARARGS | inspect.CO_VARKEYWORDS | inspect.CO_GENERATOR | inspect.CO_COROUTINE


def _operand(step: dis.Instruction) -> object:
    """Gives what an instruction works on, constants and names as they are, not by their place."""
    if step.opcode in dis.hasconst:
        return _constant(step.argval)
    return step.argval if isinstance(step.argval, str) else step.arg


def _constant(value: object) -> object:
    if isinstance(value, CodeType):
        return _bytecode(value)
    if isinstance(value, tuple | frozenset):
        inner = [_constant(one) for one in cast("Iterable[object]", value)]
        return ["frozenset", sorted(inner, key=repr)] if isinstance(value, frozenset) else ["tuple", inner]
    return [type(value).__name__, repr(value)]


_CHANGING = frozenset({
    "add", "append", "appendleft", "clear", "discard", "extend", "insert", "pop", "popitem", "popleft", "put", "remove",
    "setdefault", "sort", "update", "write", "writelines",
})  # fmt: skip
"""Methods that change what they are called on."""


@lru_cache(maxsize=4096)
def _changed_names(tree: FunctionNode) -> frozenset[tuple[str, str]]:
    """Gives the names whose values the code itself changes, each with the first attribute on the way, or nothing."""
    found: set[tuple[str, str]] = set()
    for node in ast.walk(tree):
        match node:
            case ast.Global(names) | ast.Nonlocal(names):
                found.update((name, "") for name in names)
            case ast.Call(func=ast.Attribute(value=target, attr=method)) if method in _CHANGING:
                found.update(_based(target))
            case ast.Subscript(value=target, ctx=ast.Store() | ast.Del()):
                found.update(_based(target))
            case ast.Attribute(ctx=ast.Store() | ast.Del()):
                found.update(_based(node))
            case _:
                pass
    return frozenset(found)


def _based(node: ast.expr) -> Iterator[tuple[str, str]]:
    """Gives the name that an expression of attributes and items begins with, and the first attribute after it."""
    attribute = ""
    while isinstance(node, ast.Attribute | ast.Subscript):
        attribute = node.attr if isinstance(node, ast.Attribute) else ""
        node = node.value
    if isinstance(node, ast.Name):
        yield node.id, attribute
