"""Which resources each node of a graph writes, and of which it may have the data: what it reads, or is handed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from glacier.access import touches
from glacier.annotations import frame_kind
from glacier.graph import Graph, Node, Resource
from glacier.task import Task
from glacier.trace import handles_in
from glacier.work import Carried, Outcome

Resources = dict[Resource, None]


@dataclass(frozen=True, slots=True)
class Flow:
    """Where data flows through a graph, as its tasks' code says.

    Attributes:
        reads: for each node the resources whose data it reads itself, or is handed by those before it.
        writes: for each node those it writes.
    """

    reads: Mapping[int, Resources]
    writes: Mapping[int, Resources]

    def resources(self) -> Resources:
        """Gives every resource that is read or written."""
        return {one: None for held in (*self.reads.values(), *self.writes.values()) for one in held}


def flow_of(graph: Graph) -> Flow:
    """Gives the flow of a graph. A function that is invoked is no dataset."""
    reads: dict[int, Resources] = {}
    writes: dict[int, Resources] = {}
    for node in graph.nodes:
        if node.work.kind not in ("task", "storage"):
            continue
        for touch in touches(node):
            if touch.resource.invocable:
                continue
            for done, found in ((touch.access.reads, reads), (touch.access.writes, writes)):
                if done:
                    found.setdefault(node.index, {})[touch.resource] = None
    return Flow(_handed_on(graph, reads, writes), writes)


def _handed_on(graph: Graph, reads: Mapping[int, Resources], writes: Mapping[int, Resources]) -> dict[int, Resources]:
    found = {index: dict(held) for index, held in reads.items()}
    changed = True
    while changed:  # more than once only where a loop hands a variable from turn to turn
        changed = False
        for node in graph.nodes:
            for source in _sources(graph, node):
                if source in found and _hands_on(graph.nodes[source], writes):
                    held = found.setdefault(node.index, {})
                    before = len(held)
                    held.update(found[source])
                    changed = changed or (len(held) > before and source > node.index)
    return found


def _hands_on(node: Node, writes: Mapping[int, Resources]) -> bool:
    """Whether a node gives data of what it read. One that writes, and gives no frame, has left it there."""
    if node.index not in writes or not isinstance(node.work, Task):
        return node.index not in writes
    return frame_kind(node.work.signature.returns) is not None


def _sources(graph: Graph, node: Node) -> list[int]:
    """Gives the nodes whose values a node takes; of a loop's variable also those that its turns leave it as."""
    work, sources = node.work, list(node.data)
    if isinstance(work, Outcome):
        sources += handles_in(graph.loops[work.loop].outcomes.get(node.index))
    elif isinstance(work, Carried):
        sources += handles_in(graph.loop_of[node.index].carried.get(node.index))
    return sources
