"""What a call was given and the body may change afterwards: as it was at the call, for the task that runs later."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping, Sequence
from typing import cast

from glacier.containers import rebuilt
from glacier.errors import GraphError, listed
from glacier.graph import Node
from glacier.reaching import is_users_class
from glacier.work import Carried, Growth, Outcome, Select

Held = Mapping[str, object]
"""An object's attributes, by name."""

Snapshot = tuple[object, Held]
"""An object, and what it held when a call was given it."""


def is_open(value: object) -> bool:
    """Whether it is an object whose attributes a body can change."""
    kind = type(value)
    if isinstance(value, type):
        return False
    parameters = getattr(kind, "__dataclass_params__", None)  # a dataclass of a library may hold results too
    return not parameters.frozen if parameters is not None else is_users_class(kind)


def snapshot(value: object) -> Snapshot:
    """Gives an object with what it holds now. It is not copied, and what it holds is not looked into."""
    return value, _held(value)


def _held(value: object) -> Held:
    state = object.__getstate__(value)  # not what the class may have in its place, for pickle
    own, slots = cast("tuple[Held | None, Held]", state if isinstance(state, tuple) else (state, _NO_SLOTS))
    return {**(own or {}), **slots}


_NO_SLOTS: Held = {}


def restore(taken: Iterable[tuple[Node, Sequence[Snapshot]]]) -> None:
    """Ends a body: what it changed after a call is for that call a copy, as it was; the rest is what was given.

    Raises:
        GraphError: what was changed cannot be copied, or a branch or loop over a result holds it, which would have to
            see the change.
    """
    for node, snapshots in taken:
        before = {id(value): (value, held) for value, held in snapshots if not _same(_held(value), held)}
        if before:
            _Restoring(node, before).restore()


def _same(one: Held, other: Held) -> bool:
    return one.keys() == other.keys() and all(one[name] is value for name, value in other.items())


class _Restoring:
    """One call, and what it was given that has changed since, by its identity."""

    def __init__(self, node: Node, before: Mapping[int, Snapshot]) -> None:
        self.node = node
        self.before = before

    def restore(self) -> None:
        node = self.node
        if isinstance(node.work, Growth | Select | Carried | Outcome):
            raise self._refused("a branch or loop over a result may have taken it", "change it before, or a new one")
        node.args = tuple([self._as_given(value) for value in node.args])
        node.kwargs = {name: self._as_given(value) for name, value in node.kwargs.items()}

    def _as_given(self, value: object) -> object:
        if id(value) in self.before:
            value = self._made(*self.before[id(value)])
        return rebuilt(value, self._as_given)

    def _made(self, value: object, held: Held) -> object:
        made = _copied(value)
        if made is value:
            raise self._refused("it cannot be copied", "pass what the task needs of it by itself")
        for name in _held(made).keys() - held.keys():
            object.__delattr__(made, name)
        for name, item in held.items():
            object.__setattr__(made, name, item)
        return made

    def _refused(self, why: str, fix: str) -> GraphError:
        kinds = listed(dict.fromkeys(type(value).__name__ for value, _ in self.before.values()))
        what = f"an object ({kinds}) is changed after `{self.node.work.name}` got it, and {why}"
        return GraphError(what, site=self.node.site, fix=fix)


def _copied(value: object) -> object:
    """Gives a shallow copy, the object itself where its class makes none."""
    try:
        return copy.copy(value)
    except Exception:  # noqa: BLE001  # whatever a class raises there
        return value
