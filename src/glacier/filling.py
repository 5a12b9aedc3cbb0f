"""Arguments that a call in a body leaves out: taken from the body's variables and from what the task depends on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import FrameType
from typing import Protocol

from glacier.annotations import Parameter, Signature, can_be
from glacier.errors import GraphError, Site, listed
from glacier.graph import Resource
from glacier.trace import Handle, Plan


class Callee(Protocol):
    """A task, as far as filling its arguments needs to know it."""

    @property
    def name(self) -> str:
        """Its name."""
        ...

    @property
    def origin(self) -> object:
        """What its calls are noted under."""
        ...

    @property
    def upstream(self) -> Sequence[Callee]:
        """What it depends on."""
        ...

    @property
    def signature(self) -> Signature:
        """What it takes and gives."""
        ...

    def record(self, plan: Plan, args: tuple[object, ...], kwargs: Mapping[str, object], frame: FrameType) -> Handle:
        """Adds a call."""
        ...


class Filling:
    """Finds the arguments a call leaves out: resources among the body's variables, others in `depends_on` results."""

    def __init__(self, task: Callee, plan: Plan, frame: FrameType) -> None:
        """Takes the task that is called, the plan, and the frame of the call."""
        self.task = task
        self.plan = plan
        self.frame = frame
        self.unused = list(task.upstream)

    def fill(self, missing: list[Parameter]) -> dict[str, object]:
        """Gives a value for each of `missing`.

        Raises:
            GraphError: nothing fits one of them.
        """
        return {parameter.name: self._one(parameter) for parameter in missing}

    def _one(self, parameter: Parameter) -> object:
        variable = self.frame.f_locals.get(parameter.name, self.frame.f_globals.get(parameter.name))
        if isinstance(variable, Resource) and can_be(type(variable), parameter.type):
            return variable
        for task in self.unused:
            if can_be(task.signature.returns, parameter.type):
                self.unused.remove(task)
                return self._result_of(task)
        depends_on = self.task.upstream
        listing = listed(task.name for task in depends_on)
        tried = (
            f"nothing its depends_on gives ({listing}) fits" if depends_on else "it has no depends_on to take it from"
        )
        raise GraphError(
            f"task `{self.task.name}` is called without `{parameter.name}`: {tried}, "
            "and the body has no resource variable of that name",
            site=Site.of_frame(self.frame),
            fix=f"pass it: `{self.task.name}({parameter.name}=...)`",
        )

    def _result_of(self, task: Callee) -> object:
        """The latest call of `task` in this body, or a call made now where the body has none."""
        call = self.plan.latest_call(task.origin)
        if call is not None:
            return Handle(self.plan.nodes[call], self.plan)
        return task.record(self.plan, (), {}, self.frame)
