"""What a staged body does to its lists, dicts and sets: `found.append(x)`, `sizes[name] = n`, `seen |= more`.

In a branch or a loop over a result such a change may happen never, or many times. It is planned as an assignment of a
new container to the same variable, which branches select from and loops carry from turn to turn, as any other value.
Everywhere else the container itself is changed, as Python would.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping
from copy import copy
from types import FrameType, FunctionType, ModuleType
from typing import Any, cast

from glacier.errors import GraphError, Site
from glacier.trace import Handle, Plan, current_plan, handles_in
from glacier.work import Growth, Select


def _by(method: str) -> Callable[..., object]:
    """Gives the function that makes a changed copy: of the same type, and with the errors of the method itself."""

    def changed(value: Any, *args: object) -> object:
        made = copy(value)
        getattr(made, method)(*args)
        return cast("object", made)

    return changed


def _increased(value: Any, more: Any) -> object:
    """`value += more`, without changing what `value` is."""
    made = copy(value)
    made += more
    return cast("object", made)


_METHODS: dict[str, Growth] = {
    "append": Growth(_by("append"), "append", (list,)),
    "extend": Growth(_by("extend"), "extend", (list,), takes_apart=True),
    "add": Growth(_by("add"), "add", (set,)),
    "update": Growth(_by("update"), "update", (dict, set), takes_apart=True),
}
_WITH_ITEM = Growth(_by("__setitem__"), "[]=", (dict,))
_INCREASED = Growth(_increased, "+", (list,), takes_apart=True)


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
    _keep(value, "__iadd__", sys._getframe(1))
    value += more
    return cast("object", value)


def owner(value: Any, name: str) -> Any:
    """Gives `value`, whose attribute `name` is assigned or deleted: `value.name = ...`.

    Raises:
        GraphError: the object is older than a branch or loop over a result that is being planned.
    """
    if _is_known(value):
        frame = sys._getframe(1)
        known_as = getattr(value, "__name__", type(value).__name__)  # a class or module of the globals by its own
        whole = f"{next(iter(names_of(value, frame)), known_as)}.{name}"
        raise GraphError(
            f"`{whole}` is assigned in a branch or loop over a result, where it may happen never or many times",
            site=Site.of_frame(frame),
            fix="assign a variable there instead, which may be an object made there",
        )
    return value


def holder(value: Any) -> Any:
    """Gives `value`, whose items are assigned or deleted: `value[a:b] = ...`, `del value[key]`.

    Raises:
        GraphError: it is older than a branch or loop over a result, and its members are not compared after that.
    """
    if _is_unwatched(value):
        raise _refused(value, "`[...] =`", sys._getframe(1))
    return value


def kept_in_place(value: object, method: str) -> None:
    """Stands before `value -= more`, with the method that would change `value` itself: `__isub__`.

    Raises:
        GraphError: it has that method, it is older than a branch or loop over a result, and its members are not
            compared after that.
    """
    _keep(value, method, sys._getframe(1))


def _keep(value: object, method: str, frame: FrameType) -> None:
    if hasattr(type(value), method) and _is_unwatched(value):
        raise _refused(value, "an assignment in place", frame)


def _changed(growth: Growth, value: Any, args: tuple[object, ...], really: Callable[[], object]) -> object:
    frame = sys._getframe(2)
    names = names_of(value, frame)
    name = next(iter(names), type(value).__name__)
    if type(value) is Handle or (growth is _INCREASED and type(args[0]) is Handle):
        check_not_kept(value, name, Site.of_frame(frame))
        if growth is not _INCREASED and len(names) > 1:
            raise _two_names(names, Site.of_frame(frame))
        check_alone(value, name, frame.f_locals, Site.of_frame(frame))
        plan = cast("Plan", current_plan())
        made = plan.record(growth, (value, *args), {}, frame)
        plan.kept.update(index for arg in args for index in handles_in(arg) if index in plan.containers)
        return noted(made, container_of(value))
    if not _is_outer(value) and not (growth is _WITH_ITEM and _is_known(value)):
        _note_given(value, frame)
        really()
        return value
    if type(value) not in (list, dict, set):
        raise _refused(value, f"`{growth.name}`", frame)
    check_alone(value, name, frame.f_locals, Site.of_frame(frame))
    return growth.body(value, *args)


def check_alone(value: object, name: str, variables: Mapping[str, object], site: Site | None) -> None:
    """Refuses to change a container as only the run can, if something else holds it, and would not see it.

    Args:
        value: the container as it was before.
        name: the variable that is assigned a changed one.
        variables: those of the body.
        site: where the branch or loop is.

    Raises:
        GraphError: another variable is or holds the same object, or the body was given it by another pipeline's.
    """
    if type(value) not in (list, dict, set):
        return
    plan = current_plan()
    holds = "the pipeline that calls this one" if plan is not None and id(value) in plan.lent else None
    for other, held in variables.items():
        if other != name and not other.startswith("__glacier") and _holds(held, value, 4):
            holds = f"`{other}`"
    if holds is not None:
        kind = type(value).__name__
        raise GraphError(
            f"`{name}` is changed in a way that only the run decides, and {holds} holds the same {kind}, as it was",
            site=site,
            fix=f"change a copy, `{name} = {name}.copy()`, and use that from then on; or return it",
        )


def _two_names(names: list[str], site: Site | None) -> GraphError:
    return GraphError(
        f"`{names[0]}` is changed, and `{names[1]}` is the same result, as it was",
        site=site,
        fix=f"use `{names[0]}` from then on, or change it in a task",
    )


def _holds(whole: object, part: object, depth: int) -> bool:
    """Whether a value is an object, or holds it in containers and attributes, at most so many deep."""
    level, seen = [whole], set[int]()
    for _ in range(depth + 1):
        inner: list[object] = []
        for value in level:
            if value is part:
                return True
            if id(value) not in seen:
                seen.add(id(value))
                inner += _members_of(value)
        level = inner
    return False


def _members_of(value: object) -> Iterable[object]:
    if type(value) is Handle or isinstance(value, str | bytes | type | ModuleType | FunctionType):
        return ()
    if isinstance(value, dict):
        return list(cast("dict[object, object]", value).values())
    if isinstance(value, list | tuple | set | frozenset):
        return list(cast("Iterable[object]", value))
    return list(cast("dict[str, object]", getattr(value, "__dict__", {})).values())


def check_not_kept(value: object, name: str, site: Site | None) -> None:
    """Refuses to change a container after it was put into another one, which holds it as it was then.

    Raises:
        GraphError: it was.
    """
    if type(value) is Handle and value.glacier_node.index in value.glacier_plan.kept:
        raise _kept(name, site)


def _kept(name: str, site: Site | None) -> GraphError:
    return GraphError(
        f"`{name}` is changed after it was put into another container, which a plan keeps as it was then",
        site=site,
        fix=f"put it there when it is complete, or a copy: `[*{name}]`, `dict({name})`",
    )


def names_of(value: object, frame: FrameType) -> list[str]:
    """Gives the variables of a body that hold this very object."""
    return [name for name, held in frame.f_locals.items() if held is value and not name.startswith("__glacier")]


def _is_outer(value: object) -> bool:
    """Whether a container was there before a branch or loop over a result that is being planned."""
    plan = current_plan()
    return plan is not None and any(value in region for region in plan.regions)


def _is_unwatched(value: object) -> bool:
    """Whether a change of what was there before a branch or loop over a result would not be noticed after it."""
    plan = current_plan()
    if plan is None or type(value) is Handle:
        return False
    return any(region.knows(value) and not region.compares(value) for region in plan.regions)


def _is_known(value: object) -> bool:
    """Whether an object of any kind was there before a branch or loop over a result that is being planned."""
    plan = current_plan()
    return plan is not None and any(region.knows(value) for region in plan.regions)


def _refused(value: object, how: str, frame: FrameType) -> GraphError:
    name = next(iter(names_of(value, frame)), type(value).__name__)
    anew = "make a new one in a task"
    methods = f"use `append`, `extend`, `add`, `update` or `{name}[key] = ...`"
    return GraphError(
        f"{how} changes `{name}` in a branch or loop over a result, where it may happen never or many times",
        site=Site.of_frame(frame),
        fix=f"{methods}, or {anew}" if isinstance(value, list | dict | set) else f"{anew}: `{name} = changed({name})`",
    )


def _note_given(value: object, frame: FrameType) -> None:
    """Warns of a change to what a task got before: a run gives the task what it was then.

    Raises:
        GraphError: another container got it, or a branch chose it, and would not see the change.
    """
    plan = current_plan()
    if plan is None:
        return
    given, node = plan.given.get(id(value), (None, None))
    if node is None or given is not value:
        return
    name = next(iter(names_of(value, frame)), "it")
    if isinstance(node.work, Growth):
        raise _kept(name, Site.of_frame(frame))
    if isinstance(node.work, Select):
        raise GraphError(
            f"`{name}` is changed after a branch on a result may have chosen it, which a plan keeps as it was then",
            site=Site.of_frame(frame),
            fix=f"change it before the branch, or let the branch choose a copy: `[*{name}]`, `dict({name})`",
        )
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
