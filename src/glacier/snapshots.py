"""What a call was given and the body may change afterwards: as it was at the call, for the task that runs later."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from types import CellType, FunctionType, MethodType
from typing import Protocol, cast

from glacier.containers import rebuilt
from glacier.errors import GraphError, listed
from glacier.graph import Node, Work
from glacier.reaching import is_users_class
from glacier.work import Carried, Growth, Outcome, Select

Held = Mapping[str, object]
"""An object's attributes, or the variables that a function takes from around it, by name."""

Snapshot = tuple[object, Held]
"""An object, and what it held when a call was given it."""

_EMPTY = object()


def is_open(value: object) -> bool:
    """Whether a body can change what an object or function holds, other than a container: attributes, variables."""
    kind = type(value)
    if kind is FunctionType:
        return cast("FunctionType", value).__closure__ is not None
    if kind is MethodType:
        return is_open(cast("MethodType", value).__self__)
    if isinstance(value, type):
        return False
    parameters = getattr(kind, "__dataclass_params__", None)  # a dataclass of a library may hold results too
    return not parameters.frozen if parameters is not None else is_users_class(kind)


def snapshot(value: object) -> Snapshot:
    """Gives an object or function with what it holds now. It is not copied, and what it holds is not looked into."""
    return value, _held(value)


def _held(value: object) -> Held:
    if isinstance(value, MethodType):
        return _held(value.__self__)
    if isinstance(value, FunctionType):
        return dict(zip(value.__code__.co_freevars, map(_content, value.__closure__ or ()), strict=True))
    state = object.__getstate__(value)  # not what the class may have in its place, for pickle
    own, slots = cast("tuple[Held | None, Held]", state if isinstance(state, tuple) else (state, _NO_SLOTS))
    return {**(own or {}), **slots}


def _content(cell: CellType) -> object:
    try:
        return cell.cell_contents
    except ValueError:  # nothing has been assigned yet
        return _EMPTY


_NO_SLOTS: Held = {}


def restore(taken: list[tuple[Node, Sequence[Snapshot]]]) -> None:
    """Ends a body: what it changed after a call is for that call a copy, as it was; the rest is what was given.

    Empties `taken`, as handles keep their plan.

    Raises:
        GraphError: what was changed cannot be copied, or a branch or loop over a result holds it, which would have to
            see the change.
    """
    for node, snapshots in taken:
        before = {id(value): (value, held) for value, held in snapshots if not _same(_held(value), held)}
        if before:
            _Restoring(node, before).restore()
    taken.clear()


def _same(one: Held, other: Held) -> bool:
    return one.keys() == other.keys() and all(one[name] is value for name, value in other.items())


class _Task(Protocol):
    """What alone has a function that a body can change: a task."""

    def calling(self, function: Callable[..., object]) -> Work:
        """Gives the same task with another function."""
        ...


class _Restoring:
    """One call, and what it was given that has changed since, by its identity."""

    def __init__(self, node: Node, before: Mapping[int, Snapshot]) -> None:
        self.node = node
        self.before = before

    def restore(self) -> None:
        node = self.node
        if isinstance(node.work, Growth | Select | Carried | Outcome):
            if all(isinstance(value, FunctionType) for value, _ in self.before.values()):
                return  # whoever calls it sees the variables as they are then
            raise self._refused("a branch or loop over a result may have taken it", "change it before, or a new one")
        if id(node.work.body) in self.before:
            function = cast("Callable[..., object]", self._as_given(node.work.body))
            node.work = cast("_Task", node.work).calling(function)
        node.args = tuple([self._as_given(value) for value in node.args])
        node.kwargs = {name: self._as_given(value) for name, value in node.kwargs.items()}

    def _as_given(self, value: object) -> object:
        if id(value) in self.before:
            value = self._made(*self.before[id(value)])
        return rebuilt(value, self._as_given)

    def _made(self, value: object, held: Held) -> object:
        if isinstance(value, MethodType):
            return MethodType(value.__func__, self._made(value.__self__, held))
        if isinstance(value, FunctionType):
            return _with_variables(value, held)
        made = copied(value)
        if made is value:
            raise self._refused("it cannot be copied", "pass what the task needs of it by itself")
        for name in _held(made).keys() - held.keys():
            object.__delattr__(made, name)
        for name, item in held.items():
            object.__setattr__(made, name, item)
        return made

    def _refused(self, why: str, fix: str) -> GraphError:
        kinds = listed(dict.fromkeys(_kind(value) for value, _ in self.before.values()))
        what = f"an object ({kinds}) is changed after `{self.node.work.name}` got it, and {why}"
        return GraphError(what, site=self.node.site, fix=fix)


def _kind(value: object) -> str:
    return type(value.__self__ if isinstance(value, MethodType) else value).__name__


def copied(value: object) -> object:
    """Gives a shallow copy, the object itself where its class makes none."""
    try:
        return copy.copy(value)
    except Exception:  # noqa: BLE001  # whatever a class raises there
        return value


def _with_variables(function: FunctionType, held: Held) -> FunctionType:
    cells = tuple([CellType() if value is _EMPTY else CellType(value) for value in held.values()])
    made = FunctionType(function.__code__, function.__globals__, function.__name__, function.__defaults__, cells)
    for name in ("__kwdefaults__", "__annotations__", "__qualname__", "__module__", "__doc__"):
        setattr(made, name, getattr(function, name))
    made.__dict__.update(function.__dict__)
    return made
