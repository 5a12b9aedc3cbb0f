"""Which nodes run in one process on one machine."""

from __future__ import annotations

from dataclasses import dataclass

from glacier.config.deploy import Compute
from glacier.graph import Graph


@dataclass(frozen=True)
class Part:
    """The nodes of one stage.

    Attributes:
        name: of the stage.
        compute: the machine.
        nodes: their indices, in body order.
        upstream: the stages that must have ended before.
    """

    name: str
    compute: Compute
    nodes: tuple[int, ...]
    upstream: tuple[str, ...] = ()


def stages_of(graph: Graph, default: Compute) -> list[Part]:
    """Gives the stages of a graph, each after those it waits for."""
    return [Part("main", default, tuple(node.index for node in graph.nodes))]
