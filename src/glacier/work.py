"""What a node does when its turn comes, besides a task: operators, inputs, calls of storage, selections, barriers."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NoReturn

from glacier.errors import GraphError, Site
from glacier.graph import Resource


@dataclass(frozen=True)
class Expression:
    """An operator on a handle, worked out during the run: `h["valid"]`, `h > 3`."""

    body: Callable[..., object]
    name: str
    kind: Literal["expression"] = "expression"


@dataclass(frozen=True)
class Input:
    """A parameter of the pipeline whose value is not known while planning."""

    name: str
    annotation: object
    kind: Literal["input"] = "input"

    def body(self) -> NoReturn:
        """Is never called: a run starts only when every input is known."""
        raise GraphError(f"input `{self.name}` has no value", fix=f"pass inputs={{{self.name!r}: ...}}")


@dataclass(frozen=True)
class StorageCall:
    """A resource's method called in the body: `source.scan()`, `target.write(df)`. The resource is the first argument.

    Attributes:
        body: the method as a function of the resource.
        name: the resource's label and the method's name.
        verb: the method's name.
    """

    body: Callable[..., object]
    name: str
    verb: str
    reads: bool
    writes: bool
    annotation: object
    kind: Literal["storage"] = "storage"


@dataclass(frozen=True)
class Barrier:
    """Waits for many nodes so that many others can wait for one."""

    name: str
    kind: Literal["barrier"] = "barrier"

    def body(self) -> None:
        """Does nothing: what it waits for has ended when it is called."""


@dataclass(frozen=True)
class Select:
    """Gives what a variable is after a branch: its arguments are the condition, then what each side made of it."""

    name: str
    kind: Literal["expression"] = "expression"

    def body(self, condition: object, then: object, other: object) -> object:
        """Gives one of two values."""
        return then if condition else other


@dataclass(frozen=True)
class Absent:
    """Stands in a `Select` for the side that never assigned the variable."""

    name: str


class Located(str):
    """The URI of a resource that a body asked for: a string to the task that gets it, a resource to the planner."""

    __slots__ = ("resource",)
    resource: Resource

    @classmethod
    def of(cls, resource: Resource) -> Located:
        """Gives the resource's URI."""
        made = cls(resource.uri)
        made.resource = resource
        return made

    def __reduce__(self) -> tuple[object, ...]:
        return str, (str(self),)


class Unset:
    """What a variable holds while planning where the branch so far has not assigned it; any use of it is an error."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    def glacier_refusal(self) -> GraphError:
        """Gives the error of its use."""
        return GraphError(
            f"`{self.name}` is used where no side of the branch has assigned it",
            site=Site.of_caller(sys._getframe(1)),
            fix=f"assign `{self.name}` before the branch, or on the side that uses it",
        )

    def __getattr__(self, name: str) -> NoReturn:
        if name.startswith("__"):
            raise AttributeError(name)
        raise self.glacier_refusal()

    def __bool__(self) -> NoReturn:
        raise self.glacier_refusal()
