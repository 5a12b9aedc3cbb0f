"""The secrets that a run may know, so that nothing that is told of it tells them."""

from __future__ import annotations

from functools import cached_property

from glacier.graph import Graph, Node
from glacier.reaching import helpers, outer_names, python_function
from glacier.secret import Mask
from glacier.task import Task


class Secrets:
    """What is looked for only when something is to be told: a failure, a line of the log.

    Args:
        graph: what is run.
    """

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._returned: list[object] = []
        self._reached: dict[object, Mask] = {}

    def returned(self, secret: object) -> None:
        """Notes that a task returned a secret."""
        self._returned.append(secret)

    def of(self, node: Node) -> Mask:
        """Gives what hides the secrets that a node may know besides the values of its arguments.

        Those are what the body passes to any task, what its function names as global or closure variables, itself or in
        a helper, and what tasks have returned.
        """
        return self._planned | self._of_function(node) | Mask.of(self._returned)

    def of_all(self) -> Mask:
        """Gives what hides the secrets that any node may know."""
        return self._standing | Mask.of(self._returned)

    @cached_property
    def _standing(self) -> Mask:
        mask = self._planned
        for node in self._graph.nodes:
            mask = mask | self._of_function(node)
        return mask

    def _of_function(self, node: Node) -> Mask:
        function = python_function(node.work.function) if isinstance(node.work, Task) else None
        if function not in self._reached:
            reached = [function, *helpers(function)] if function else []
            self._reached[function] = Mask.of([outer_names(one) for one in reached])
        return self._reached[function]

    @cached_property
    def _planned(self) -> Mask:
        return Mask.of([(node.args, node.kwargs) for node in self._graph.nodes])
