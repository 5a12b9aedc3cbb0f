"""What a node's value is known by: a digest of its code, its arguments, and the keys of all that it waits for.

Two nodes of one key give the same value, as far as their code and arguments decide that. What lies in buckets is not
looked at here; who keeps values from run to run adds what it must know of that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from types import BuiltinFunctionType, FunctionType
from typing import Any, cast

from glacier.containers import rebuilt
from glacier.execution.code import canonical, code_digest, code_parts, digest_of
from glacier.execution.codec import NotPlain
from glacier.graph import Graph, Node, Resource
from glacier.nesting import Loop
from glacier.secret import is_secret
from glacier.task import Task
from glacier.trace import Handle, handles_in
from glacier.work import Absent, Expression, Outcome, StorageCall

FORMAT = 1
"""Raised when the same code comes to another key."""

Replaced = Mapping[Task[..., Any], Callable[..., object]]
SecretDigest = Callable[[object], str]
"""How a secret counts; `NotPlain` where it is not to."""


def any_secret(secret: object) -> str:
    """Gives the same digest for every secret."""
    del secret
    return ""


def node_keys(
    graph: Graph, replace: Replaced | None = None, salt: str = "", secret: SecretDigest = any_secret
) -> list[str | None]:
    """Gives the key of each node; None where it has an argument whose content cannot be known, or waits for such a one.

    A node in a loop over a result has one key for all turns: the turn is told by its number beside it.

    Args:
        graph: the graph.
        replace: functions that are called in place of tasks.
        salt: goes into every key.
        secret: gives a digest of one among the arguments.
    """
    import polars as pl

    return _Keys(graph, replace or {}, digest_of(FORMAT, pl.__version__, salt), secret).of_all()


def key_parts(
    graph: Graph, indices: Iterable[int], replace: Replaced | None = None, secret: SecretDigest = any_secret
) -> dict[str, str]:
    """Gives what goes into the keys of nodes, by names that a person knows, with a digest of each.

    Args:
        graph: the graph.
        indices: the nodes.
        replace: functions that are called in place of tasks.
        secret: gives a digest of one among the arguments.
    """
    reading = _Keys(graph, replace or {}, "", secret)
    parts: dict[str, str] = {}
    for index in indices:
        node = graph.nodes[index]
        if isinstance(node.work, Task):
            work = cast("Task[..., Any]", node.work)
            function = reading.replace.get(work.origin, work.function)
            parts |= {f"code of {name}": digest for name, digest in code_parts(function).items()}
        parts |= reading.argument_parts(node)
    return parts


@dataclass(frozen=True)
class _Upstream:
    """Stands for the value of a node among the arguments of another."""

    key: str


@dataclass(frozen=True)
class _Stands:
    """Stands for an argument that is no plain data: a function by its code, a resource by its place, a secret."""

    kind: str
    digest: str


class _Keys:
    """Works out the keys of one graph, those that others wait for first."""

    def __init__(self, graph: Graph, replace: Replaced, salt: str, secret: SecretDigest) -> None:
        self.graph = graph
        self.replace = replace
        self.salt = salt
        self.secret = secret
        self.keys: list[str | None] = [None] * len(graph.nodes)
        self.code: dict[object, str] = {}

    def of_all(self) -> list[str | None]:
        for index in self.graph.order:
            self.keys[index] = self._key(self.graph.nodes[index])
        return self.keys

    def _key(self, node: Node) -> str | None:
        waits = [self.keys[source] for source in self._before(node)]
        arguments = self._arguments(node, lambda handle: self.keys[handle.glacier_node.index])
        if arguments is None or None in waits:
            return None
        return digest_of(self.salt, self._work(node), arguments, sorted(map(str, waits)), self._turns(node))

    def _before(self, node: Node) -> Iterator[int]:
        """Gives the nodes that a node waits for; of a variable after a loop, also what the loop leaves it as."""
        yield from (edge.source for edge in self.graph.ordering.get(node.index, ()))
        if isinstance(node.work, Outcome):
            loop = self.graph.loops[node.work.loop]
            yield loop.items
            yield from handles_in(loop.outcomes[node.index])

    def _turns(self, node: Node) -> list[str]:
        """Gives digests of what the turn before does that a turn of this node waits for; keys of it would go round."""
        loop = self.graph.loop_of.get(node.index)
        if loop is None:
            return []
        sources = {edge.source for edge in self.graph.across.get(node.index, ())}
        sources.update(handles_in(loop.carried.get(node.index)))
        return sorted(str(self._local(index)) for index in self._inside(loop, sources))

    def _inside(self, loop: Loop, sources: Iterable[int]) -> set[int]:
        """Gives the nodes of a loop from which others come, in the same turn or in those before."""
        pending, found = list(sources), set[int]()
        while pending:
            index = pending.pop()
            if index in found or self.graph.nesting.key_in(index, loop) is None:
                continue
            found.add(index)
            pending += self.graph.upstream(index)
            pending += (edge.source for edge in self.graph.across.get(index, ()))
            innermost = self.graph.loop_of.get(index)
            pending += handles_in(innermost.carried.get(index)) if innermost is not None else ()
        return found

    def _local(self, index: int) -> str | None:
        """Gives a digest of what a node does, the nodes whose values it takes told by how far before it they stand."""
        node = self.graph.nodes[index]
        arguments = self._arguments(node, lambda handle: str(index - handle.glacier_node.index))
        return None if arguments is None else digest_of(self._work(node), arguments)

    def _work(self, node: Node) -> list[str]:
        match node.work:
            case Task():
                task = cast("Task[..., Any]", node.work)
                return ["task", self._code(self.replace.get(task.origin, task.function))]
            case StorageCall(verb=verb):
                return ["storage", verb]
            case Expression(body=body, name=name):
                return ["expression", name, getattr(body, "__qualname__", "")]
            case work:
                return [type(work).__name__, work.name]

    def _code(self, function: Callable[..., object]) -> str:
        if function not in self.code:
            self.code[function] = code_digest(function)
        return self.code[function]

    def argument_parts(self, node: Node) -> dict[str, str]:
        """Gives a digest of each argument of a node that is no result of another."""
        given = self._arguments(node, lambda handle: "")
        if given is None or node.hidden:
            return {}
        names: list[str] = []
        if isinstance(node.work, Task):
            names = [parameter.name for parameter in node.work.signature.parameters]
        args, kwargs = given
        by_name = {names[at] if at < len(names) else str(at + 1): value for at, value in enumerate(args)} | dict(kwargs)
        plain = {name: value for name, value in by_name.items() if not _is_upstream(value)}
        return {f"argument {name} of {self.graph.names[node.index]}": digest_of(value) for name, value in plain.items()}

    def _arguments(self, node: Node, key_of: Callable[[Handle], str | None]) -> list[Any] | None:
        """Gives a node's arguments as JSON; None if one of them cannot be known."""
        unknown: list[object] = []

        def stand(value: object) -> object:
            if type(value) is Handle:
                key = key_of(value)
                unknown.extend([value] if key is None else [])
                return _Upstream(str(key))
            match value:
                case Resource():
                    return _Stands(type(value).__name__, digest_of(value.uri, str(getattr(value, "format", ""))))
                case Absent(name=name):
                    return _Stands("absent", name)
                case slice():
                    piece = cast("slice[object, object, object]", value)
                    parts = [stand(part) for part in (piece.start, piece.stop, piece.step)]
                    return _Stands("slice", digest_of(canonical(parts)))
                case Task() | FunctionType() | BuiltinFunctionType():
                    return _Stands("function", self._code(cast("Callable[..., object]", value)))
                case partial():
                    given = cast("partial[object]", value)
                    bound = canonical([stand(given.args), stand(given.keywords)])
                    return _Stands("function", digest_of(self._code(given.func), bound))
                case _ if is_secret(type(value)):
                    return _Stands("secret", self.secret(value))
                case _:
                    return rebuilt(value, stand)

        try:
            given: list[Any] = [[stand(value) for value in node.args], {k: stand(v) for k, v in node.kwargs.items()}]
            document: list[Any] = canonical(given)
        except NotPlain:
            return None
        return None if unknown else document


def _is_upstream(document: Any) -> bool:
    """Whether an argument, as JSON, is the result of another node and nothing else."""
    kind: object = cast("dict[str, object]", document).get("$dataclass") if isinstance(document, dict) else None
    return str(kind).endswith(f":{_Upstream.__qualname__}")
