"""Groups: what a graph's calls were called in, a pipeline in another's body say; and names that tell calls apart."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import CodeType
from typing import Literal, TypeVar

from glacier.errors import Site
from glacier.source import line_of, variable_of

GroupKind = Literal["pipeline", "loop"]
T = TypeVar("T", bound=Hashable)


@dataclass(frozen=True, slots=True, eq=False)
class Group:
    """Calls of a graph that belong together: those of a pipeline called in a body, or of a loop. Two calls are two.

    Attributes:
        name: the pipeline's; `Graph.groups` has a unique one.
        code: the code object that made the call.
        instruction: the byte offset of the call in `code`, by which line and variable are found when asked for.
        body: the pipeline that was called.
        infer: whether resources and checks order its nodes among each other; of a loop, its pipeline says it.
    """

    name: str
    kind: GroupKind
    code: CodeType = field(repr=False)
    instruction: int = field(repr=False)
    body: object = field(default=None, repr=False)
    infer: bool = True

    @property
    def site(self) -> Site:
        """The line of the call in the user's code."""
        return Site(self.code.co_filename, line_of(self.code, self.instruction))

    @property
    def variable(self) -> str | None:
        """The variable the call is assigned to, if it is."""
        return variable_of(self.code, self.instruction)


GroupPath = tuple[Group, ...]
"""The groups that a node is in, outermost first."""


def bodies(path: Sequence[Group]) -> GroupPath:
    """Gives the pipelines of a path, without the loops between them."""
    return tuple(group for group in path if group.kind == "pipeline")


def told_apart(
    names: Sequence[str], place: Callable[[int], T | None], variable: Callable[[int], str]
) -> list[tuple[T | None, str]]:
    """Gives each call a name that no other call of its group has: `load`, or `load[sales]` if it occurs again there.

    Before a name that occurs in several groups belongs that of its group; the group is then given with it.

    Args:
        names: what is called, by number.
        place: the group in which a call is made; None for the pipeline itself.
        variable: what a call is assigned to, or something else that tells it from others; "" if there is nothing.
    """
    calls: defaultdict[str, list[int]] = defaultdict(list)
    for number, name in enumerate(names):
        calls[name].append(number)
    found: list[tuple[T | None, str]] = [(None, name) for name in names]
    for name, numbers in calls.items():
        if len(numbers) == 1:
            continue
        together: defaultdict[T | None, list[int]] = defaultdict(list)
        for number in numbers:
            together[place(number)].append(number)
        for group, same in together.items():
            before = group if len(together) > 1 else None
            for number, label in zip(same, _labels(same, variable), strict=True):
                found[number] = before, name + label
    return found


def _labels(calls: Sequence[int], variable: Callable[[int], str]) -> Iterator[str]:
    if len(calls) == 1:
        yield ""
        return
    seen: defaultdict[str, int] = defaultdict(int)
    for call in calls:
        name = variable(call)
        seen[name] += 1
        count = seen[name]
        yield f"[{name}]" if count == 1 and name else f"[{name}#{count}]"


class Inference:
    """Which nodes resources and checks order: two are ordered by what the innermost pipeline that holds both says."""

    def __init__(self, grouped: Mapping[int, GroupPath], *, infer: bool) -> None:
        """Takes the groups of each node that is in some, and what the pipeline as a whole says."""
        self._paths = {index: bodies(path) for index, path in grouped.items()}
        self._infer = infer
        said = {infer, *(group.infer for path in self._paths.values() for group in path)}
        self._one_for_all = len(said) == 1
        self.anywhere = True in said

    def orders(self, one: int, other: int) -> bool:
        """Whether two nodes that touch the same object keep their order."""
        infer = self._infer
        if not self._one_for_all:
            for group, same in zip(self._paths.get(one, ()), self._paths.get(other, ()), strict=False):
                if group is not same:
                    break
                infer = group.infer
        return infer

    def supersedes(self, index: int) -> bool:
        """Whether a write of this node is ordered after all before it, so that what waits for it waits for them."""
        return self._one_for_all or (self._infer and all(group.infer for group in self._paths.get(index, ())))
