"""What a node does when its turn comes, besides a task: operators, inputs, storage calls, branches, loops, barriers."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from copy import copy
from dataclasses import dataclass
from pathlib import PurePath
from typing import Literal, NoReturn, cast

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


@dataclass(frozen=True)
class Growth:
    """What makes a container longer, as an operator: `found.append(x)` is the list with `x` at its end.

    Attributes:
        body: gives the longer container and leaves the one it is given as it was.
        containers: the types that it only makes longer, so that what several turns of a loop do can be joined.
        takes_apart: whether it looks into what it is given, and does not only keep it.
    """

    body: Callable[..., object]
    name: str
    containers: tuple[type, ...]
    takes_apart: bool = False
    kind: Literal["expression"] = "expression"


@dataclass(frozen=True)
class Item:
    """What a turn of a loop is for: one item of the result that the loop goes over, which is its argument."""

    name: str
    kind: Literal["expression"] = "expression"

    def body(self, items: object) -> NoReturn:
        """Is never called: whoever starts a turn knows its item."""
        raise AssertionError(f"`{self.name}` of {type(items).__name__} has no turn")


@dataclass(frozen=True)
class Carried:
    """A variable as a turn of a loop finds it: as the turn before left it, in the first turn as it was before the loop.

    Attributes:
        container: set where the loop only makes a container longer. Each turn then starts with an empty one, so that
            turns need not wait for each other, and what they add is joined in the end.
    """

    name: str
    container: type | None = None
    kind: Literal["expression"] = "expression"

    def body(self, before: object) -> object:
        """Gives what it was before the loop."""
        return before


@dataclass(frozen=True)
class Outcome:
    """A variable after a loop: what it was before, and what the last turn made of it.

    Attributes:
        loop: the loop's index in the graph.
        container: as that of the variable's `Carried`.
    """

    name: str
    loop: int
    container: type | None = None
    kind: Literal["expression"] = "expression"

    def body(self, before: object, turns: list[object]) -> object:
        """Gives the variable's value.

        Args:
            before: what it was before the loop.
            turns: what each turn made of it, in order.
        """
        if self.container is None:
            return turns[-1] if turns else before
        joined = copy(before)
        for added in turns:
            _join(joined, added)
        return joined


def _join(whole: object, added: object) -> None:
    match whole, added:
        case list(), list():
            cast("list[object]", whole).extend(cast("list[object]", added))
        case (set(), set()) | (dict(), dict()):
            cast("set[object]", whole).update(cast("set[object]", added))
        case _:
            raise TypeError(f"{type(whole).__name__} and {type(added).__name__} cannot be joined")


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


def places_in(text: str | PurePath, asked_for: Iterable[Resource]) -> list[Resource]:
    """Gives the resources whose URI a text or path was made from: one that holds it, and no longer one, among those.

    What Python makes of a `Located` by an f-string, `+` or `Path` is none any more.
    """
    uris = {resource.uri.rstrip("/"): resource for resource in asked_for}
    found = [uri for uri in uris if (str(PurePath(uri)) if isinstance(text, PurePath) else uri) in str(text)]
    return [uris[uri] for uri in found if not any(uri != other and uri in other for other in found)]


Missing = Literal["branch", "turn", "loop", "item"]

_MISSING: dict[Missing, tuple[str, str]] = {
    "branch": (
        "is used where no side of the branch has assigned it",
        "assign `{name}` before the branch, or on the side that uses it",
    ),
    "turn": (
        "is used in a loop over a result before the loop has assigned it",
        "assign `{name}` before the loop, or earlier in it",
    ),
    "loop": (
        "is used after a loop over a result that alone assigns it, and which may have no turn",
        "assign `{name}` before the loop too, or collect what the turns make: `found.append({name})`",
    ),
    "item": (
        "stands for an item of a loop over a result, and is used after it, where there may have been none",
        "collect what is needed in the loop: `found.append({name})`",
    ),
}


class Unset:
    """What a variable holds while planning where nothing has surely assigned it; any use of it is an error.

    Attributes:
        missing: what should have assigned it: a branch so far, this turn of a loop, or a loop that may have no turn.
    """

    __slots__ = ("missing", "name")

    def __init__(self, name: str, missing: Missing = "branch") -> None:
        self.name = name
        self.missing: Missing = missing

    def glacier_refusal(self) -> GraphError:
        """Gives the error of its use."""
        what, fix = _MISSING[self.missing]
        return GraphError(
            f"`{self.name}` {what}", site=Site.of_caller(sys._getframe(1)), fix=fix.format(name=self.name)
        )

    def __getattr__(self, name: str) -> NoReturn:
        if name.startswith("__"):
            raise AttributeError(name)
        raise self.glacier_refusal()

    def __bool__(self) -> NoReturn:
        raise self.glacier_refusal()

    __iter__ = __len__ = __str__ = __bool__

    def __lt__(self, other: object) -> NoReturn:
        raise self.glacier_refusal()

    __le__ = __gt__ = __ge__ = __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __lt__
    __truediv__ = __rtruediv__ = __contains__ = __getitem__ = __lt__
