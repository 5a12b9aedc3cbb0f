"""What stages of one run must agree on: the graph, how it is split, the inputs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from glacier.deployment.stages import Part
from glacier.graph import Graph

Shape = dict[str, Any]


def shape_of(graph: Graph, stages: Sequence[Part], inputs: Sequence[str]) -> Shape:
    """Gives it as JSON: for each node its name, its stage, and the nodes that it waits for."""
    stage_of = {index: stage.name for stage in stages for index in stage.nodes}
    nodes = [
        [graph.names[node.index], stage_of[node.index], sorted(graph.upstream(node.index))] for node in graph.nodes
    ]
    return {"inputs": sorted(inputs), "nodes": nodes}


def difference(there: Shape, here: Shape) -> str | None:
    """Says in what the graph that another stage ran differs from the one here; None if they are the same.

    >>> difference({"inputs": [], "nodes": [["load", "main", []]]}, {"inputs": [], "nodes": [["read", "main", []]]})
    'it had `load` where this has `read`'
    """
    if there == here:
        return None
    if there["inputs"] != here["inputs"]:
        return f"it was given the inputs {_listed(there['inputs'])}, and this {_listed(here['inputs'])}"
    for one, other in zip(there["nodes"], here["nodes"], strict=False):
        if one != other:
            if one[0] != other[0]:
                return f"it had `{one[0]}` where this has `{other[0]}`"
            return f"it had `{one[0]}` " + ("in another stage" if one[1] != other[1] else "waiting for other tasks")
    return f"it had {len(there['nodes'])} nodes, and this has {len(here['nodes'])}"


def _listed(inputs: Sequence[str]) -> str:
    return ", ".join(f"`{text}`" for text in inputs) or "none"
