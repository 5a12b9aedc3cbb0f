"""Writes of the body that share what is above them, done as one Polars query: one scan, many outputs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from glacier.graph import Graph, Node
from glacier.work import StorageCall

if TYPE_CHECKING:
    from glacier.resources.pending import PendingWrite, Written


def is_write(node: Node) -> bool:
    """Says whether a node is a `bucket.write(frame)` of the body."""
    return isinstance(node.work, StorageCall) and node.work.verb == "write"


def shared_sinks(graph: Graph) -> list[list[int]]:
    """Gives the groups of two or more writes that take values from a common node, in body order; none of a loop.

    Nodes of one group never wait for each other, not even through another group: a write that nothing waits for can go
    last; of the others only those of equal depth are put together, and along every edge the depth grows.
    """
    writes = [node for node in graph.nodes if is_write(node) and node.index not in graph.loop_of]
    if len(writes) < 2:
        return []
    sources = _Sets(len(graph.nodes))
    seen: set[int] = set()
    pending = [node.index for node in writes]
    while pending:
        index = pending.pop()
        for source in graph.nodes[index].data:
            sources.join(index, source)
            if source not in seen:
                seen.add(source)
                pending.append(source)
    waited_for = {source for node in graph.nodes for source in graph.upstream(node.index)}
    groups: dict[tuple[int, int], list[int]] = {}
    for node in writes:
        depth = graph.depths[node.index] if node.index in waited_for else -1
        groups.setdefault((sources.of(node.index), depth), []).append(node.index)
    return [members for members in groups.values() if len(members) > 1]


class _Sets:
    """Which nodes belong together, as a forest of parents."""

    def __init__(self, count: int) -> None:
        self.parents = list(range(count))

    def of(self, index: int) -> int:
        while self.parents[index] != index:
            self.parents[index] = self.parents[self.parents[index]]
            index = self.parents[index]
        return index

    def join(self, one: int, other: int) -> None:
        self.parents[self.of(one)] = self.of(other)


def write_together(writes: Sequence[tuple[Any, tuple[Any, ...], dict[str, Any]]]) -> list[Written | Exception] | None:
    """Writes several frames to their buckets in one query, all or none; then publishes one after the other.

    Args:
        writes: for each the bucket, and the arguments of its `write`.

    Returns:
        What each has published, or why it could not; None if the query failed and nothing is published: tried one by
        one, they then tell whose failure it was.
    """
    import polars as pl

    staged: list[PendingWrite] = []
    try:
        for bucket, args, kwargs in writes:
            staged.append(bucket.stage_write(*args, **kwargs))
        pl.collect_all([pending.plan for pending in staged if pending.plan is not None], engine="streaming")
    except Exception:  # noqa: BLE001  # told by the caller, who repeats the writes one by one
        _discard(staged)
        return None
    except BaseException:
        _discard(staged)
        raise
    try:
        return [_published(pending) for pending in staged]
    except BaseException:
        _discard(staged)
        raise


def _published(pending: PendingWrite) -> Written | Exception:
    """Publishes a write; what was published before it stays, and is not written again."""
    try:
        return pending.publish()
    except Exception as error:  # noqa: BLE001  # told by the caller
        pending.discard()
        return error


def _discard(staged: Sequence[PendingWrite]) -> None:
    for pending in staged:
        pending.discard()
