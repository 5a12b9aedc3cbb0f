"""Which nodes run in one process on one machine."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from glacier.access import touches
from glacier.config.deploy import Compute
from glacier.deployment.needs import slug
from glacier.errors import GraphError
from glacier.graph import Graph, Node, in_order
from glacier.permits import covers
from glacier.task import Task
from glacier.work import Outcome

MAIN = "main"
"""The stage of tasks that name no machine."""
_TAKEN = frozenset(("begin", "break", "continue", "coordinator", "end", "scheduler"))
"""What orchestrators call steps and jobs of their own; a stage of such a name counts on."""


@dataclass(frozen=True)
class Part:
    """The nodes of one stage.

    Attributes:
        name: of the stage.
        compute: the machine.
        nodes: their indices, in body order.
        upstream: the stages that must have ended before, those from which it takes values or the ends of nodes.
    """

    name: str
    compute: Compute
    nodes: tuple[int, ...]
    upstream: tuple[str, ...] = ()


def stages_of(graph: Graph, default: Compute) -> list[Part]:
    """Gives the stages of a graph, each after those it waits for; one for a graph whose tasks name no machine.

    A node's level is the largest among what it waits for, one more where that runs on another machine. The nodes of one
    level and machine are a stage, so no stages wait for each other in a circle. What is not a task goes where its value
    comes from, a read of the body where it is taken. A loop over results is in one stage as a whole.

    A stage has the name of the first task in the body that brings it its machine, so that tasks which are added behind
    that leave it, and all other stages, their names. Of a machine with a name the stage with the first such task has
    that name: `main` for the default, else the name of the `Compute`. A name that is taken counts on: `fit-2`.

    Raises:
        GraphError: tasks of one loop name different machines; different machines have one name; or a LazyFrame goes to
            another stage that has still to read what is written in between.
    """
    found = {work.options.compute for node in graph.nodes if isinstance(work := node.work, Task)} - {None, default}
    if not found:
        return [Part(MAIN, default, tuple(node.index for node in graph.nodes))]
    parts = _Stages(graph, default).parts()
    _check_plans(graph, parts)
    return parts


def _check_plans(graph: Graph, parts: Sequence[Part]) -> None:
    """Refuses a LazyFrame that is computed when its stage ends, and by then would read other data than in one process.

    Raises:
        GraphError: there is one.
    """
    stage_of = {index: part.name for part in parts for index in part.nodes}
    for node in graph.nodes:
        for source in graph.unsettled.intersection(node.data):
            if stage_of[source] == stage_of[node.index]:
                continue
            for edge in graph.ordering.get(node.index, ()):
                if edge.kind == "resource" and stage_of[edge.source] != stage_of[source]:
                    written = _unread(graph.nodes[edge.source], node)
                    if written is not None:
                        raise _too_early(graph, source, edge.source, node.index, written, stage_of)


def _unread(writer: Node, taker: Node) -> str | None:
    """Gives what a node writes that another waits for without touching it, which thus a LazyFrame it takes reads."""
    own = [touch.resource.uri for touch in touches(taker)]
    written = [touch.resource for touch in touches(writer) if touch.access.writes]
    if any(covers(uri, one.uri) or covers(one.uri, uri) for one in written for uri in own):
        return None
    return next((one.label for one in written), None)


def _too_early(
    graph: Graph, source: int, writer: int, taker: int, written: str, stage_of: Mapping[int, str]
) -> GraphError:
    names = graph.names
    return GraphError(
        f"`{names[taker]}` takes the LazyFrame of `{names[source]}`, which reads `{written}`, after `{names[writer]}` "
        f"has written that; but a LazyFrame is computed when its stage, `{stage_of[source]}`, ends, which is before",
        site=graph.nodes[taker].site,
        fix=f"read `{written}` anew after `{names[writer]}`, or let all of them run on one machine",
    )


_Key = tuple[int, Compute]
"""What the nodes of a stage have in common: their level and machine."""


class _Stages:
    """Finds the stages of one graph. A unit is what stays together: a node, or a loop with the variables it leaves."""

    def __init__(self, graph: Graph, default: Compute) -> None:
        self.graph = graph
        self.default = default
        self.unit_of = [0] * len(graph.nodes)
        self.members: list[list[int]] = []
        by_loop: dict[int, int] = {}
        for node in graph.nodes:
            loop = self._outermost(node.index)
            if loop is not None and loop in by_loop:
                unit = by_loop[loop]
            else:
                unit = len(self.members)
                self.members.append([])
                if loop is not None:
                    by_loop[loop] = unit
            self.members[unit].append(node.index)
            self.unit_of[node.index] = unit
        count = len(self.members)
        self.sources: list[dict[int, bool]] = [{} for _ in range(count)]  # whether a value comes from there
        self.takers: list[dict[int, bool]] = [{} for _ in range(count)]
        for node in graph.nodes:
            unit = self.unit_of[node.index]
            for source in graph.upstream(node.index):
                other = self.unit_of[source]
                if other != unit:
                    valued = source in node.data
                    self.sources[unit][other] = self.sources[unit].get(other, False) or valued
                    self.takers[other][unit] = self.takers[other].get(unit, False) or valued
        self.order = in_order(count, lambda unit: self.sources[unit], self._refuse)
        self.compute = [self._stated(unit) for unit in range(count)]
        self.levels = [0] * count

    def parts(self) -> list[Part]:
        for unit in reversed(self.order):
            if self.compute[unit] is None and not any(self.sources[unit].values()):
                self.compute[unit] = self._of_takers(unit)
        for unit in self.order:
            if self.compute[unit] is None:
                self.compute[unit] = self._of_sources(unit) or self.default
            steps = [
                self.levels[source] + (self.compute[source] != self.compute[unit]) for source in self.sources[unit]
            ]
            self.levels[unit] = max(steps, default=0)
        for unit in reversed(self.order):
            if not self._has_task(unit) and not any(self.sources[unit].values()):
                self._go_to_takers(unit)
        return list(self._named())

    def _outermost(self, index: int) -> int | None:
        """Gives the index of the outermost loop that a node is in, or that leaves the variable it stands for."""
        work = self.graph.nodes[index].work
        loop = self.graph.loop_of.get(index)
        if loop is None and isinstance(work, Outcome):
            loop = self.graph.loops[work.loop]
        return None if loop is None else list(loop.around())[-1].index

    def _stated(self, unit: int) -> Compute | None:
        """Gives the machine that the tasks of a unit name: the default's for a task that names none.

        Raises:
            GraphError: tasks of a loop name different ones.
        """
        named: dict[Compute, int] = {}
        for index in self.members[unit]:
            work = self.graph.nodes[index].work
            if isinstance(work, Task) and work.options.compute is not None:
                named.setdefault(work.options.compute, index)
        if len(named) > 1:
            first, second = (self.graph.nodes[index] for index in list(named.values())[:2])
            raise GraphError(
                f"the loop that `{first.work.name}` and `{second.work.name}` are in runs on one machine, but they name "
                "different ones",
                site=second.site,
                fix="give them the same compute=Compute(...), or split the loop in two",
            )
        return next(iter(named), self.default if self._has_task(unit) else None)

    def _has_task(self, unit: int) -> bool:
        return any(isinstance(self.graph.nodes[index].work, Task) for index in self.members[unit])

    def _of_takers(self, unit: int) -> Compute | None:
        takers = sorted(self.takers[unit].items(), key=lambda taker: (not taker[1], taker[0]))
        return next((compute for taker, _ in takers if (compute := self.compute[taker]) is not None), None)

    def _of_sources(self, unit: int) -> Compute | None:
        """Gives the machine of what a value comes from last; where several are last, of what takes it."""
        valued = [source for source, is_valued in self.sources[unit].items() if is_valued] or list(self.sources[unit])
        top = max((self.levels[source] for source in valued), default=0)
        last = {self.compute[source]: None for source in valued if self.levels[source] == top}
        if len(last) > 1 and (wanted := self._of_takers(unit)) is not None:
            return wanted
        return next(iter(last), None)

    def _go_to_takers(self, unit: int) -> None:
        """Puts what waits for no value into the first stage that takes it, so that nothing is handed on for it."""
        latest = [self.levels[t] - (self.compute[t] != self.compute[unit]) for t in self.takers[unit]]
        self.levels[unit] = max(self.levels[unit], min(latest, default=0))

    def _named(self) -> Iterator[Part]:
        stages: dict[_Key, list[int]] = {}
        for unit in self.order:
            stages.setdefault((self.levels[unit], self.compute[unit] or self.default), []).append(unit)
        nodes = {key: sorted(index for unit in units for index in self.members[unit]) for key, units in stages.items()}
        names = self._names(nodes)
        stage_of = {unit: names[key] for key, units in stages.items() for unit in units}
        for key, name in names.items():
            above = {stage_of[source] for unit in stages[key] for source in self.sources[unit]} - {name}
            yield Part(name, key[1], tuple(nodes[key]), tuple(one for one in names.values() if one in above))

    def _names(self, nodes: Mapping[_Key, list[int]]) -> dict[_Key, str]:
        """Gives each stage's name, in an order in which they may run one after another.

        Raises:
            GraphError: two machines have one name.
        """
        self._check_machines()
        first = {key: self._first(indices, key[1]) for key, indices in nodes.items()}
        in_body = sorted(nodes, key=lambda key: first[key])
        named = {machine: MAIN if machine == self.default else machine.name for _, machine in in_body}
        bases: dict[_Key, str] = {}
        for key in in_body:
            if name := named.pop(key[1], None):
                bases[key] = name
        names: dict[_Key, str] = {}
        for key in [*bases, *(key for key in in_body if key not in bases)]:
            base = bases.get(key) or slug(self.graph.nodes[first[key]].work.name)
            name, number = base, 1
            while name in _TAKEN or name in names.values():
                number += 1
                name = f"{base}-{number}"
            names[key] = name
        return {key: names[key] for key in sorted(names, key=lambda key: (key[0], names[key]))}

    def _first(self, indices: Sequence[int], machine: Compute) -> int:
        """Gives the first node of a stage that is on its machine by its own word, not by that of a loop."""
        works = ((index, self.graph.nodes[index].work) for index in indices)
        own = (i for i, work in works if isinstance(work, Task) and (work.options.compute or self.default) == machine)
        return next(own, indices[0])

    def _check_machines(self) -> None:
        """Refuses different machines of one name.

        Raises:
            GraphError: there are some.
        """
        known: dict[str, tuple[Compute, str]] = {}
        for node in self.graph.nodes:
            compute = node.work.options.compute if isinstance(node.work, Task) else None
            if compute is None or not compute.name or compute == self.default:
                continue
            other, task = known.setdefault(compute.name, (compute, node.work.name))
            if other != compute:
                raise GraphError(
                    f"two machines are named `{compute.name}`: that of `{task}` and that of `{node.work.name}`",
                    site=node.site,
                    fix="give one of them another name=, or both the same cpu= and memory=",
                )

    def _refuse(self, cycle: list[int]) -> GraphError:
        names = [self.graph.names[self.members[unit][0]] for unit in cycle]
        return GraphError(f"`{'` and `'.join(names)}` wait for each other", site=self.graph.nodes[0].site)
