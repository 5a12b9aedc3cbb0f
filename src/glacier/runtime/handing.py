"""What a stage leaves for those after it: how its nodes ended, and the values that they take."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from glacier.deployment.stages import Part as Stage
from glacier.errors import GraphError, TaskError
from glacier.execution.agenda import Ended
from glacier.execution.codec import NotPlain, NotReadable, decoded, encoded
from glacier.execution.failures import task_error
from glacier.execution.part import Earlier
from glacier.execution.turns import MISSING
from glacier.graph import Graph, Node
from glacier.runtime.records import NotKept, Shelf
from glacier.task import Task


@dataclass(frozen=True)
class Wanted:
    """What other stages wait for in a stage.

    Attributes:
        keys: nodes by index and loops by key, each with the stages that wait for it.
        values: those whose values they take.
    """

    keys: dict[int, list[str]] = field(default_factory=dict[int, list[str]])
    values: set[int] = field(default_factory=set[int])


def wanted_of(graph: Graph, stages: Sequence[Stage], stage: Stage) -> Wanted:
    """Gives what other stages wait for in a stage."""
    own = set(stage.nodes)
    wanted = Wanted()
    for other in stages:
        for index in other.nodes if other.name != stage.name else ():
            for source in own.intersection(graph.upstream(index)):
                takers = wanted.keys.setdefault(key_of(graph, source), [])
                if other.name not in takers:
                    takers.append(other.name)
            wanted.values.update(own.intersection(graph.nodes[index].data))
    return wanted


def hand_on(graph: Graph, left: Mapping[int, Earlier], wanted: Wanted, shelf: Shelf) -> dict[str, Any]:
    """Writes the values that other stages take, and gives how nodes ended as JSON.

    Args:
        graph: of the pipeline.
        left: how the nodes of the stage ended.
        wanted: what other stages wait for.
        shelf: where values are to lie.

    Raises:
        GraphError: a value has no form as data.
        TaskError: a LazyFrame could not be computed.
    """
    ends: dict[str, Any] = {}
    owners: dict[str, Node] = {}
    for key, takers in wanted.keys.items():
        earlier = left[key]
        end: dict[str, Any] = {"ended": asdict(earlier.ended)}
        if earlier.inner:
            end["inner"] = {str(index): asdict(ended) for index, ended in earlier.inner.items()}
        if key in wanted.values and earlier.value is not MISSING:
            node = graph.nodes[key]
            try:
                end["value"] = encoded(earlier.value, shelf)
            except NotPlain as error:
                raise _refusal(graph, node, takers, error) from None
            owners.update((name, node) for name, _ in shelf.pending if name not in owners)
        ends[str(key)] = end
    try:
        shelf.flush()
    except NotKept as error:
        raise _failure(graph, owners[error.name], error) from error.__cause__
    return ends


def taken(graph: Graph, stage: Stage, stage_of: Mapping[int, str], left: Mapping[str, Left]) -> dict[int, Earlier]:
    """Gives how all ended that a stage waits for in others, with the values that it takes.

    Args:
        graph: of the pipeline.
        stage: that is to run.
        stage_of: the stage of each node.
        left: what each stage before it left.

    Raises:
        GraphError: a value is not readable here.
    """
    own = set(stage.nodes)
    found: dict[int, Earlier] = {}
    for index in stage.nodes:
        for source in graph.upstream(index):
            key = key_of(graph, source)
            if source in own or key in found:
                continue
            there = left[stage_of[source]]
            end = there.ends[str(key)]
            inner = {int(number): Ended(**ended) for number, ended in end.get("inner", {}).items()}
            value: object = MISSING
            if "value" in end:
                try:
                    value = decoded(end["value"], there.shelf)
                except NotReadable as error:
                    raise _unreadable(graph, graph.nodes[key], stage_of[source], error) from error
            found[key] = Earlier(Ended(**end["ended"]), value, inner)
    return found


@dataclass(frozen=True)
class Left:
    """What a stage left.

    Attributes:
        ends: how its nodes ended, as `hand_on` gave it.
        shelf: where values lie.
    """

    ends: Mapping[str, Any]
    shelf: Shelf


def key_of(graph: Graph, index: int) -> int:
    """Gives the key of the outermost loop that a node is in, else the node's index."""
    key = graph.nesting.key_in(index, None) if graph.loops else index
    assert key is not None
    return key


def _refusal(graph: Graph, node: Node, takers: Sequence[str], error: NotPlain) -> GraphError:
    name = graph.names[node.index]
    there = f"stage `{takers[0]}`" if len(takers) == 1 else f"stages `{'`, `'.join(takers)}`"
    where = f" (at {error.where.lstrip('.')})" if error.where else ""
    return GraphError(
        f"what `{name}` returned cannot be handed on to {there}: {error.what}{where}",
        site=node.work.site if isinstance(node.work, Task) else node.site,
        fix="return frames, text, numbers, dates, or dataclasses, lists and dicts of such; or write it to a bucket, "
        "and return its path",
    )


def _failure(graph: Graph, node: Node, error: NotKept) -> TaskError:
    cause = error.__cause__ or error
    return task_error(graph, node, cause, {})


def _unreadable(graph: Graph, node: Node, stage: str, error: NotReadable) -> GraphError:
    return GraphError(
        f"what `{graph.names[node.index]}` handed on from stage `{stage}` cannot be read: {error}",
        site=node.site,
        fix="run all stages from one image: start the whole run again",
    )
