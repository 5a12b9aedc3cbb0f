"""What a staged body does to its lists, dicts and sets: `found.append(x)`, `sizes[name] = n`, `seen |= more`.

In a branch or a loop over a result such a change may happen never, or many times. It is planned as an assignment of a
new container to the same variable, which branches select from and loops carry from turn to turn, as any other value.
Everywhere else the container itself is changed, as Python would.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from copy import copy
from types import FrameType
from typing import Any, cast

from glacier.errors import GraphError, Site
from glacier.trace import Handle, Plan, current_plan
from glacier.work import Growth


def _appended(items: list[object], item: object) -> list[object]:
    return [*items, item]


def _extended(items: list[object], more: Any) -> list[object]:
    return [*items, *more]


def _with_member(members: set[object], member: object) -> set[object]:
    return {*members, member}


def _updated(whole: Any, more: Any) -> object:
    kept = cast("dict[object, object] | set[object]", whole)
    return {**kept, **dict(more)} if isinstance(kept, dict) else {*kept, *more}


def _with_item(items: Any, key: Any, value: object) -> object:
    changed = copy(items)
    changed[key] = value
    return cast("object", changed)


def _increased(value: Any, more: Any) -> object:
    """`value += more`, without changing what `value` is."""
    return [*cast("list[object]", value), *more] if isinstance(value, list) else value + more


_METHODS: dict[str, Growth] = {
    "append": Growth(_appended, "append", (list,)),
    "extend": Growth(_extended, "extend", (list,)),
    "add": Growth(_with_member, "add", (set,)),
    "update": Growth(_updated, "update", (dict, set)),
}
_WITH_ITEM = Growth(_with_item, "[]=", (dict,))
_INCREASED = Growth(_increased, "+", (list,))


def call(value: Any, method: str, /, *args: Any, **kwargs: Any) -> object:
    """`value.method(...)` as a statement: gives what the variable is after it.

    Raises:
        GraphError: the container was there before a branch or loop over a result, and the method cannot be planned.
    """
    growth = _METHODS.get(method)
    if growth is not None and len(args) == 1 and not kwargs:
        return _changed(growth, value, args, lambda: getattr(value, method)(*args))
    if _is_outer(value):
        raise _refused(value, f"`.{method}(...)`", sys._getframe(1))
    _note_given(value, sys._getframe(1))
    getattr(value, method)(*args, **kwargs)
    return value


def put(value: Any, key: object, item: object) -> object:
    """`value[key] = item`: gives what the variable is after it."""
    if type(value) is Handle and container_of(value) is None:
        raise value.glacier_refusal("an item of it is assigned or deleted")
    return _changed(_WITH_ITEM, value, (key, item), lambda: cast("Any", value).__setitem__(key, item))


def increased(value: Any, more: Any) -> object:
    """`value += more`: gives what the variable is after it."""
    if type(value) is Handle or type(more) is Handle or _is_outer(value):
        return _changed(_INCREASED, value, (more,), lambda: None)
    value += more
    return cast("object", value)


def assign_attribute(owner: Any, name: str, value: object) -> None:
    """`owner.name = value`.

    Raises:
        GraphError: the object is older than a branch or loop over a result that is being planned.
    """
    plan = current_plan()
    if plan is not None and any(region.knows(owner) for region in plan.regions):
        frame = sys._getframe(1)
        whole = f"{next(iter(names_of(owner, frame)), type(owner).__name__)}.{name}"
        raise GraphError(
            f"`{whole}` is assigned in a branch or loop over a result, where it may happen never or many times",
            site=Site.of_frame(frame),
            fix="assign a variable there instead, which may be an object made there",
        )
    setattr(owner, name, value)


def _changed(growth: Growth, value: Any, args: tuple[object, ...], really: Callable[[], object]) -> object:
    frame = sys._getframe(2)
    if type(value) is Handle or (growth is _INCREASED and type(args[0]) is Handle):
        made = cast("Plan", current_plan()).record(growth, (value, *args), {}, frame)
        return noted(made, container_of(value))
    if not _is_outer(value):
        _note_given(value, frame)
        really()
        return value
    if type(value) not in (*growth.containers, list):
        raise _refused(value, f"`{growth.name}`", frame)
    other = names_of(value, frame)[1:]
    if other:
        raise shared(names_of(value, frame), Site.of_frame(frame))
    return growth.body(value, *args)


def names_of(value: object, frame: FrameType) -> list[str]:
    """Gives the variables of a body that hold this very object."""
    return [name for name, held in frame.f_locals.items() if held is value and not name.startswith("__glacier")]


def shared(names: list[str], site: Site | None) -> GraphError:
    """Gives the error that says a container has two names and only one of them would see the change."""
    return GraphError(
        f"`{names[0]}` and `{names[1]}` are one object, which a branch or loop over a result changes",
        site=site,
        fix=f"make them two, such as `{names[1]} = [*{names[0]}]`, or use one name",
    )


def _is_outer(value: object) -> bool:
    """Whether a container was there before a branch or loop over a result that is being planned."""
    plan = current_plan()
    return plan is not None and any(value in region for region in plan.regions)


def _refused(value: object, how: str, frame: FrameType) -> GraphError:
    name = next(iter(names_of(value, frame)), type(value).__name__)
    return GraphError(
        f"{how} changes `{name}` in a branch or loop over a result, where it may happen never or many times",
        site=Site.of_frame(frame),
        fix=f"assign a new one, such as `{name} = [*{name}, more]`, or change it in a task",
    )


def _note_given(value: object, frame: FrameType) -> None:
    """Warns of a change to what a task got before: a run gives the task what it was then."""
    plan = current_plan()
    if plan is None:
        return
    given, node = plan.given.get(id(value), (None, None))
    if node is None or given is not value:
        return
    name = next(iter(names_of(value, frame)), "it")
    warning = (
        f"`{name}` is changed at {Site.of_frame(frame)} after `{node.work.name}` got it at {node.site}; "
        f"`{node.work.name}` sees it as it was then (pass a copy, [*{name}], to say so)"
    )
    if warning not in plan.warnings:
        plan.warnings.append(warning)


def container_of(value: object) -> type | None:
    """Gives the type of container that a value of a plan surely is; None where that is not known."""
    if type(value) in (list, dict, set):
        return type(value)
    return value.glacier_plan.containers.get(value.glacier_node.index) if type(value) is Handle else None


def noted(handle: Handle, container: type | None) -> Handle:
    """Notes which container the value of a handle is, and gives the handle."""
    if container is not None:
        handle.glacier_plan.containers[handle.glacier_node.index] = container
    return handle
