"""What of a run is kept in its checkpoint, and what is taken from there instead of being done again."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

from glacier.errors import text_of
from glacier.execution.checkpoints import Checkpoint, Recalled
from glacier.execution.codec import NotPlain
from glacier.execution.keys import Replaced, node_keys
from glacier.graph import Graph, Node
from glacier.task import Task
from glacier.trace import handles_in
from glacier.work import Outcome, StorageCall

_log = logging.getLogger("glacier.checkpoints")


class Keeping:
    """The checkpoint of one run, seen from its graph.

    A task is known by its key, and by which of several with the same key it is: tasks may have effects, so that one
    does not stand for another. In a loop the turn counts too.
    """

    def __init__(self, graph: Graph, replace: Replaced, checkpoint: Checkpoint) -> None:
        self.graph = graph
        self.checkpoint = checkpoint
        self._ids = dict(_ids(graph, node_keys(graph, replace)))
        self._left_out: set[int] = set()

    def applies(self, index: int) -> bool:
        """Says whether what a node gives is kept at all."""
        return index in self._ids and index not in self._left_out

    def recalled(self, index: int, path: Iterable[int]) -> Recalled | None:
        """Gives what a node gave in an earlier run; None if it is to be done.

        Args:
            index: the node.
            path: for each loop around it the number of the item.
        """
        return self.checkpoint.recalled(self._id(index, path)) if self.applies(index) else None

    def kept(self, index: int, path: Iterable[int], value: object, rows: int | None) -> object:
        """Keeps what a node gave, and gives what is handed on in its place.

        A value that cannot be kept is told in a warning; what comes after it is then not kept either, so that all of it
        is done again together.

        Args:
            index: the node.
            path: for each loop around it the number of the item.
            value: what it gave.
            rows: of the frame it gave or wrote.

        Raises:
            GivenUp: its run has given it up.
            Exception: whatever computing a LazyFrame raises.
        """
        if not self.applies(index) or (type(value).__name__ == "LazyFrame" and self._stays_a_plan(index)):
            return value
        try:
            return self.checkpoint.keep(self._id(index, path), self.graph.names[index], value, rows)
        except NotPlain as error:
            self._leave_out(index, str(error))
        except OSError as error:
            self._leave_out(index, text_of(error))
        return value

    def _id(self, index: int, path: Iterable[int]) -> str:
        return "/".join([self._ids[index], *map(str, path)])

    def _stays_a_plan(self, index: int) -> bool:
        """Whether a task's LazyFrame stays a plan: the user says so, and no later node overwrites what it reads."""
        work = self.graph.nodes[index].work
        return isinstance(work, Task) and work.options.materialize is False and index not in self.graph.unsettled

    def _leave_out(self, index: int, reason: str) -> None:
        node = self.graph.nodes[index]
        self._left_out.update(_after(self.graph, index))
        _log.warning(
            "what `%s` gave is not kept, so it and all after it would be done again: %s (%s)",
            self.graph.names[index],
            reason,
            node.work.site if isinstance(node.work, Task) else node.site,
        )


def _ids(graph: Graph, keys: list[str | None]) -> Iterator[tuple[int, str]]:
    """Gives the ids of the nodes whose values are kept."""
    seen: Counter[str] = Counter()
    for node, key in zip(graph.nodes, keys, strict=True):
        if key is not None and _is_kept(graph, node):
            seen[key] += 1
            yield node.index, key if seen[key] == 1 else f"{key}.{seen[key]}"


def _is_kept(graph: Graph, node: Node) -> bool:
    """Whether a node does work of its own. A scan is only where a later node overwrites what it reads."""
    if isinstance(node.work, StorageCall):
        return node.work.verb != "scan" or node.index in graph.unsettled
    return isinstance(node.work, Task)


def _after(graph: Graph, index: int) -> set[int]:
    """Gives a node and all that waits for it, whatever turn of a loop that is in."""
    following: dict[int, list[int]] = {}
    for node in graph.nodes:
        for source in waited_for(graph, node):
            following.setdefault(source, []).append(node.index)
    pending, found = [index], set[int]()
    while pending:
        now = pending.pop()
        if now not in found:
            found.add(now)
            pending += following.get(now, ())
    return found


def waited_for(graph: Graph, node: Node) -> Iterator[int]:
    """Gives what a node waits for directly, in the same turn of a loop or in the one before."""
    yield from graph.upstream(node.index)
    yield from (edge.source for edge in graph.across.get(node.index, ()))
    loop = graph.loop_of.get(node.index)
    left: Any = loop.carried.get(node.index) if loop is not None else None
    if isinstance(node.work, Outcome):
        left = graph.loops[node.work.loop].outcomes[node.index]
    yield from handles_in(left)
