"""In what order an orchestrator runs stages, where it knows steps and branches: what need not wait is side by side."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from glacier.deployment.needs import Stage


@dataclass(frozen=True)
class Parallel:
    """What runs side by side, each branch in its own order."""

    branches: tuple[Sequence[Step], ...]


Step = str | Parallel
"""A stage by its name, or several side by side."""


def arranged(
    stages: Sequence[Stage], *, branches: int | None = None, nested: int | None = None, depth: int = 0
) -> tuple[Step, ...]:
    """Gives stages in an order in which each comes after those it waits for, what can side by side.

    Stages that nothing connects are branches. Of those that are connected, the first are those that wait for none of
    them; where parallel steps can be nested no deeper, all run in the order given.

    Args:
        stages: in an order in which they may run one after another.
        branches: how many a parallel step may have; None for any number.
        nested: how deep parallel steps may stand in each other; None for any depth.
        depth: how deep these stages stand.

    >>> from glacier.config.deploy import Compute
    >>> stages = [Stage("a", Compute(), ()), Stage("b", Compute(), (), ("a",)), Stage("c", Compute(), (), ("a",))]
    >>> arranged(stages)
    ('a', Parallel(branches=(('b',), ('c',))))
    """
    if len(stages) <= 1 or depth == nested:
        return tuple(stage.name for stage in stages)
    groups = _connected(stages)
    if len(groups) > 1:
        lanes = min(len(groups), branches or len(groups))
        dealt = [groups[start::lanes] for start in range(lanes)]
        inner = [
            tuple(
                step for group in several for step in arranged(group, branches=branches, nested=nested, depth=depth + 1)
            )
            for several in dealt
        ]
        return (Parallel(tuple(inner)),)
    names = {stage.name for stage in stages}
    first = [stage for stage in stages if not names.intersection(stage.upstream)]
    rest = [stage for stage in stages if stage not in first]
    return tuple(
        step for part in (first, rest) for step in arranged(part, branches=branches, nested=nested, depth=depth)
    )


def first_of(step: Step) -> str:
    """Gives the stage that a step begins with, the first branch's where there are several."""
    return step if isinstance(step, str) else first_of(step.branches[0][0])


def stages_in(steps: Sequence[Step]) -> Iterator[str]:
    """Gives the names of the stages in steps, in order."""
    for step in steps:
        if isinstance(step, str):
            yield step
        else:
            for branch in step.branches:
                yield from stages_in(branch)


def _connected(stages: Sequence[Stage]) -> list[list[Stage]]:
    """Gives the stages in groups between which nobody waits, each in the order given."""
    groups: list[list[Stage]] = []
    for stage in stages:
        near = [group for group in groups if any(one.name in stage.upstream for one in group)]
        groups = [group for group in groups if group not in near]
        groups.append([*(one for group in near for one in group), stage])
    places = {stage.name: place for place, stage in enumerate(stages)}
    for group in groups:
        group.sort(key=lambda one: places[one.name])
    return sorted(groups, key=lambda group: places[group[0].name])
