"""What was there before a branch or loop over a result is planned, and is seen to stay as it is meanwhile."""

from __future__ import annotations

import builtins
from collections import deque
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sized
from contextlib import suppress
from functools import cached_property, lru_cache
from inspect import getattr_static
from operator import is_
from types import CodeType, FrameType, FunctionType
from typing import Any, Literal, NamedTuple, cast

from glacier.containers import PLAIN
from glacier.errors import Site
from glacier.graph import Resource
from glacier.reaching import is_users_class, used_names
from glacier.source import is_users


class Change(NamedTuple):
    """What is not as it was: the variable that leads to it, and what to do in place of the change."""

    name: str
    fix: str


class Region:
    """A part of the body that may run never, or many times, and what was there before it.

    Such a part must not change what was there: it is planned once, and what it makes of that is known only in the run.
    Looked at are lists, dicts, sets and objects of the user's classes, as far as the variables of the body lead to
    them, its globals, and those of the helper functions that it names.
    """

    def __init__(self, variables: Mapping[str, object], frame: FrameType) -> None:
        """Takes the variables of the body, and its frame at the line of what is to be planned."""
        self.site = Site.of_caller(frame) or Site.of_frame(frame)
        self._known: dict[int, object] = {}
        self._containers: set[int] = set()
        self._before: list[tuple[str, str, object, Sized, int, list[object]]] = []
        for name, value in variables.items():
            if type(value) not in PLAIN:
                self._add(name, value, _BY_ITSELF)
        for name, value in _globals_of(frame.f_code, frame.f_globals):
            self._add(name, value, _IN_A_TASK)

    def _add(self, name: str, value: object, fix: str) -> None:
        if id(value) in self._known or len(self._known) >= _MOST:
            return
        self._known[id(value)] = value
        form = _form(cast("Hashable", type(value)))  # not isinstance, which would ask a handle
        if form == "container":
            self._containers.add(id(value))
            self._watch(name, value, cast("Sized", value), fix)
        elif form == "bytes":
            self._watch(name, value, cast("Sized", value), _IN_A_TASK)
        elif form == "row":
            self._look_at(name, cast("tuple[object, ...]", value)[:_LOOKED_AT], _IN_A_TASK)
        elif form == "function":
            for place, kept in _kept_by(cast("FunctionType", value)):
                self._add(place, kept, _IN_A_TASK)
        elif form == "object":
            self._watch(name, value, vars(value), _IN_A_TASK)

    def _watch(self, name: str, whole: object, held: Sized, fix: str) -> None:
        members = _members(held) if len(held) <= _LOOKED_AT else []
        self._before.append((name, fix, whole, held, len(held), members))
        self._look_at(name, members, fix)

    def _look_at(self, name: str, members: Iterable[object], fix: str) -> None:
        for member in members:
            if type(member) not in PLAIN:
                self._add(name, member, fix)

    def __contains__(self, value: object) -> bool:
        """Says whether it is a container that was there before."""
        return id(value) in self._containers

    def knows(self, value: object) -> bool:
        """Says whether this very object was there before, of whatever kind."""
        return id(value) in self._known

    def compares(self, value: object) -> bool:
        """Says whether it is a container of which `changed` tells every change."""
        return value in self and len(cast("Sized", value)) <= _LOOKED_AT

    def changed(self) -> Change | None:
        """Gives what is not as it was; of a container with many members only their number counts."""
        for name, fix, whole, held, length, members in self._before:
            now = _members(held) if members else []
            if len(held) == length and (all(map(is_, now, members)) or all(map(_same, now, members))):
                continue
            if whole is held or not _only_cached(whole, now, members):
                return Change(name, fix.format(name))
        return None


_LOOKED_AT = 64
"""Of a container with more members than these, only the number is compared: branches in a loop stay linear."""
_MOST = 1000
"""At most so many objects are looked at, for the same reason."""
_OF_VALUES = frozenset({"types", "collections"})
"""The modules of Python's own classes that do nothing but hold values: `SimpleNamespace`, `UserDict`, `UserList`."""
_BY_ITSELF = "change `{0}` itself there by `append`, `extend`, `add`, `update` or `{0}[key] = ...`"
_IN_A_TASK = "do it in a task that gives what becomes of `{0}` as its result, or assign a variable there"


def _members(value: Any) -> list[object]:
    return [*value.keys(), *value.values()] if isinstance(value, dict) else list(value)


def _same(one: object, other: object) -> bool:
    return one is other or (type(one) is type(other) and type(one) in PLAIN and one == other)


def _only_cached(whole: object, now: list[object], before: list[object]) -> bool:
    """Whether an object has the attributes it had, and others that a `cached_property` worked out since."""
    old, new = _attributes(before), _attributes(now)
    kept = all(name in new and _same(new[name], value) for name, value in old.items())
    return kept and all(isinstance(getattr_static(type(whole), n, None), cached_property) for n in new.keys() - old)


def _attributes(members: list[object]) -> dict[str, object]:
    half = len(members) // 2
    return dict(zip(cast("list[str]", members[:half]), members[half:], strict=True))


@lru_cache(maxsize=1024)
def _form(kind: Any) -> Literal["container", "bytes", "row", "function", "object", "other"]:
    """Says how to look into the instances of a class."""
    if issubclass(kind, list | dict | set | deque):
        return "container"
    if issubclass(kind, bytearray):
        return "bytes"
    if issubclass(kind, tuple):
        return "row"
    if issubclass(kind, FunctionType):
        return "function"
    if issubclass(kind, Resource | type) or not kind.__dictoffset__:
        return "other"
    if kind.__module__ in _OF_VALUES or is_users_class(kind):
        return "object"
    return "other"


def _globals_of(code: CodeType, variables: Mapping[str, object]) -> Iterator[tuple[str, object]]:
    for name in _names(code):
        value = variables.get(name)
        if type(value) not in PLAIN:
            yield name, value


def _kept_by(function: FunctionType) -> Iterator[tuple[str, object]]:
    """Gives what a helper function of the user reaches from one call to the next: globals, closure, default values."""
    code = function.__code__
    if not _is_users(code):
        return
    yield from _globals_of(code, function.__globals__)
    for name, cell in zip(code.co_freevars, function.__closure__ or (), strict=True):
        with suppress(ValueError):  # a cell that is not filled yet holds nothing
            yield name, cell.cell_contents
    for value in function.__defaults__ or ():
        yield function.__name__, value


@lru_cache(maxsize=1024)
def _names(code: CodeType) -> tuple[str, ...]:
    """Gives the names that code, and the functions inside it, may read globals by."""
    return tuple(name for name in dict.fromkeys(used_names(code)) if not hasattr(builtins, name))


@lru_cache(maxsize=1024)
def _is_users(code: CodeType) -> bool:
    return is_users(code.co_filename)
