"""A pipeline called in another's body: what it is given is checked, and its calls join that one's graph as a group."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from itertools import pairwise
from types import FrameType
from typing import Any, Protocol, cast

from glacier.annotations import Parameter, Signature, can_be, shown
from glacier.errors import GraphError, InputError, Site, did_you_mean, listed
from glacier.groups import Group, bodies
from glacier.misfits import misfit
from glacier.task import fitting_fix, given_by
from glacier.trace import Handle, Plan


class Body(Protocol):
    """A pipeline, as far as calling it in another's body needs to know it."""

    @property
    def name(self) -> str:
        """Its name."""
        ...

    @property
    def infer(self) -> bool:
        """Whether resources and checks order its nodes."""
        ...

    @property
    def site(self) -> Site:
        """The line of its `def`."""
        ...

    @property
    def signature(self) -> Signature:
        """What it takes."""
        ...


@contextmanager
def inlining(plan: Plan, body: Body, frame: FrameType, given: Iterable[object]) -> Generator[None]:
    """Makes what is recorded in the block a group of `plan`: that of the call of `body` at `frame` with what is given.

    Raises:
        GraphError: the body is being called already, so that it would call itself for ever.
    """
    group = Group(body.name, "pipeline", frame.f_code, frame.f_lasti, body, body.infer)
    _refuse_recursion(plan, group)
    around, lent = plan.open(), plan.lent
    plan.groups.append(group)
    plan.lent = {**lent, **_containers_in(given)}
    try:
        yield
    finally:
        plan.lent = lent
        plan.close(around)


def _refuse_recursion(plan: Plan, call: Group) -> None:
    calls = [*bodies(plan.groups), call]
    called = [plan.body, *(group.body for group in calls)]
    first = called.index(call.body)
    if first == len(called) - 1:
        return
    names = [f"`{name}`" for name in (plan.name, *(group.name for group in calls))][first:]
    steps = [f"    {a} calls {b} at {group.site}" for (a, b), group in zip(pairwise(names), calls[first:], strict=True)]
    raise GraphError(
        f"pipeline `{call.name}` calls itself: {' -> '.join(names)}\n" + "\n".join(steps),
        site=call.site,
        fix=f"call the tasks that {names[-2]} needs there, in place of pipeline {names[-1]}",
    )


def refuse_options(body: Body, plan: Plan, options: Sequence[str], site: Site) -> None:
    """Refuses options of a run that is none: that of a pipeline inside another's body.

    Raises:
        GraphError: there are such.
    """
    if options:
        named = ", ".join(f"{name}=" for name in options)
        raise GraphError(
            f"pipeline `{body.name}` is run with `{named}` inside the body of pipeline `{plan.name}`, "
            "whose run it becomes a part of",
            site=site,
            fix=f"pass `{named}` to the run of `{plan.name}`",
        )


def bound(
    body: Body, args: tuple[object, ...], kwargs: Mapping[str, object], site: Site
) -> tuple[tuple[object, ...], dict[str, Any]]:
    """Gives the arguments of a call in a body, checked.

    Raises:
        GraphError: they do not fit the signature.
        InputError: one cannot be what the body takes.
    """
    try:
        arguments = body.signature.binding.bind(*args, **kwargs)
    except TypeError as error:
        raise GraphError(
            f"pipeline `{body.name}` is called with the wrong arguments: {error}",
            site=site,
            fix=f"its signature is {body.name}{body.signature.binding}",
        ) from None
    _check_types(body, arguments.arguments, site)
    return arguments.args, arguments.kwargs


def _containers_in(given: Iterable[object]) -> dict[int, object]:
    """Gives the containers that a pipeline called in a body is given: the body would not see it change them."""
    found: dict[int, object] = {}
    pending = list(given)
    while pending:
        value = pending.pop()
        if type(value) in (list, dict, set):
            if id(value) in found:
                continue
            found[id(value)] = value
        if isinstance(value, dict):
            pending += cast("dict[object, object]", value).values()
        elif isinstance(value, list | tuple | set):
            pending += cast("list[object]", value)
    return found


def checked(body: Body, inputs: Mapping[str, object], site: Site, *, partial: bool) -> dict[str, object]:
    """Gives the inputs of a run.

    Raises:
        InputError: some are missing (unless `partial`), unknown, or cannot be what the body takes.
    """
    parameters = {p.name: p for p in body.signature.parameters if not p.variadic}
    for name in inputs:
        if name not in parameters:
            near = did_you_mean(name, parameters) or list(parameters)
            takes = f"did you mean {listed(near)}?" if near else "it takes none"
            raise InputError(f"pipeline `{body.name}` has no input `{name}`", site=site, fix=takes)
    missing = [name for name, p in parameters.items() if p.required and name not in inputs]
    if missing and not partial:
        example = ", ".join(f"{name!r}: ..." for name in missing)
        raise InputError(
            f"pipeline `{body.name}` is missing {'input' if len(missing) == 1 else 'inputs'} {listed(missing)}",
            site=site,
            fix=f"pass inputs={{{example}}}",
        )
    _check_types(body, inputs, site)
    return dict(inputs)


def _check_types(body: Body, given: Mapping[str, object], site: Site) -> None:
    for parameter in body.signature.parameters:
        if not parameter.variadic and parameter.name in given:
            misfit = _misfit(parameter, given[parameter.name])
            if misfit is not None:
                takes = f"pipeline `{body.name}` takes input `{parameter.name}` as {shown(parameter.type)}, but "
                raise InputError(takes + misfit, site=site, fix=_fix(body, parameter, given[parameter.name]))


def _misfit(parameter: Parameter, value: object) -> str | None:
    if type(value) is Handle:
        work = value.glacier_node.work
        produced = given_by(work)
        return None if can_be(produced, parameter.type) else f"`{work.name}` gives {shown(produced)}"
    found = misfit(value, parameter.type)
    if found is None:
        return None
    return f"`{parameter.name}{found.where}` is {found.got}" if found.where else f"got {found.got}"


def _fix(body: Body, parameter: Parameter, value: object) -> str:
    if type(value) is Handle:
        work = value.glacier_node.work
        return fitting_fix(body.name, parameter, work.name, given_by(work))
    return f"pass a value of type {shown(parameter.type)}"
