"""Does the work of one node: its arguments' values, the call, what the frame it returns becomes."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from itertools import islice
from time import perf_counter
from typing import Any, cast

from glacier.access import act_for
from glacier.containers import rebuilt
from glacier.doing import Doing, current, enter
from glacier.errors import TaskError
from glacier.execution.cache.run import Caching
from glacier.execution.checkpoints import Recalled
from glacier.execution.failures import no_items, task_error
from glacier.execution.frames import Frames
from glacier.execution.keeping import Keeping
from glacier.execution.measures import Measures
from glacier.execution.measuring import Lazily, Measuring, observed_nodes
from glacier.execution.memory import Memory
from glacier.execution.record import RunStart
from glacier.execution.sinks import is_write, write_together
from glacier.execution.turns import MISSING, Done, Left, Turn, Values
from glacier.execution.workplace import Workplace
from glacier.graph import Node
from glacier.lease import GivenUp
from glacier.nesting import Loop
from glacier.origins import Published
from glacier.schemas import recorded_dtype
from glacier.secret import NO_MASK, Mask, is_secret
from glacier.task import Task
from glacier.trace import Handle, handles_in
from glacier.work import Absent, Carried, Outcome, Select

_MOST_COLUMNS = 200
"""Of a frame, told in a record."""


class Performer:
    """Does the work of nodes, with the values of those before them."""

    def __init__(
        self,
        start: RunStart,
        workplace: Workplace,
        replace: Mapping[Task[..., Any], Callable[..., object]],
        frames: Frames,
        keeping: Keeping | None = None,
        caching: Caching | None = None,
        *,
        tells_origins: bool = False,
    ) -> None:
        self.keeping = keeping
        self.caching = caching
        self.run_id = start.run_id
        self.graph = graph = start.graph
        self.workplace = workplace
        self.replace = replace
        self.frames = frames
        self._conditions = {e.source for edges in graph.ordering.values() for e in edges if e.wanted is not None}
        self.secrets = start.secrets
        waits = (*graph.ordering.values(), *graph.across.values())
        self._observed = observed_nodes(graph)
        self._tells_origins = tells_origins
        self._memory = Memory() if any("memory" in wanted for wanted in self._observed.values()) else None
        self._gates = {edge.source for edges in waits for edge in edges if edge.gate}

    def close(self) -> None:
        """Ends what looks at the memory."""
        if self._memory is not None:
            self._memory.close()

    def values(self) -> Values:
        """Gives the values before anything has run, outside of every loop."""
        return [MISSING] * (len(self.graph.nodes) + len(self.graph.loops))

    def perform(self, unit: Sequence[int], values: Values, turn: Turn | None = None, tried: int = 0) -> list[Done]:
        """Does the work of the nodes of a unit, puts their values among `values`, and says how each ended.

        Args:
            unit: the nodes.
            values: those of their turn.
            turn: of the loop they are in.
            tried: how many tries failed before.
        """
        if len(unit) == 1:
            return [self._one(unit[0], values, turn, tried)]
        if self.keeping is not None:  # each write is kept by itself
            return [self._one(index, values, turn) for index in unit]
        began = perf_counter()
        nodes = [self.graph.nodes[index] for index in unit]
        writes = [self._arguments(node, values, loaded=True) for node in nodes]
        measurings = {node.index: self._measuring(node) for node in nodes if node.index in self._observed}
        for node, (args, kwargs) in zip(nodes, writes, strict=True):
            if (measuring := measurings.get(node.index)) is not None:
                measuring.lazy_in = "leave"  # the plans are computed together
                measuring.begun(args, kwargs)
        unit_doing = self._doing(nodes[0], tried)
        enter(unit_doing)
        written = write_together([(args[0], args[1:], kwargs) for args, kwargs in writes])
        if written is None:
            return [self._one(index, values, turn) for index in unit]
        seconds = perf_counter() - began
        all_published = iter(unit_doing.published)
        done: list[Done] = []
        for index, one in zip(unit, written, strict=True):
            if isinstance(one, Exception):
                done.append(self.failed(index, one, values, turn, began, tried))
                continue
            done.append(Done(index, began, seconds, one.rows, published=list(islice(all_published, 1))))
            if (measuring := measurings.get(index)) is not None:
                measuring.ended(None)
                done[-1].measures = Measures(measuring.measured([("out", one.rows, one.bytes)]))
        return done

    def items(self, loop: Loop, values: Values) -> list[object]:
        """Gives what a loop goes over.

        Raises:
            Exception: whatever the value raises, a generator say; a TypeError if it has no items.
        """
        items = list(cast("Iterable[object]", self.workplace.value(values[loop.items])))
        return items[:1] if loop.first_only else items

    def without_items(
        self, loop: Loop, error: BaseException, values: Values, path: Sequence[tuple[str, int]]
    ) -> TaskError:
        """Gives the failure of a loop that cannot have what it goes over."""
        mask = NO_MASK
        for node in map(self.graph.nodes.__getitem__, {loop.items, *self.graph.shown(loop.items)}):
            mask = mask | self.secrets.of(node) | Mask.of(self._given(node, values))
        iterable = not isinstance(error, TypeError) or _has_items(self.workplace.value(values[loop.items]))
        return no_items(self.graph, loop, error, path, mask, iterable=iterable)

    def filled(self, value: object, values: Values, *, loaded: bool) -> object:
        """Gives a structure with values in place of handles.

        Args:
            value: the structure.
            values: those of its turn.
            loaded: whether frames that lie in another process' file are opened.
        """
        return self._filled(value, values, loaded=loaded)

    def has(self, value: object, values: Values) -> bool:
        """Says whether every handle in a structure has a value."""
        return all(values[index] is not MISSING for index in handles_in(value))

    def failed(
        self, index: int, error: BaseException, values: Values, turn: Turn | None, began: float, tried: int
    ) -> Done:
        """Says of a node that it failed with `error` just now."""
        node, seconds, path = self.graph.nodes[index], perf_counter() - began, turn.path if turn else ()
        failure = task_error(self.graph, node, error, self._given(node, values), path, self.secrets.of(node), tried)
        return Done(index, began, seconds, error=failure)

    def function(self, task: Task[..., Any]) -> Callable[..., object]:
        """Gives what is called for a task: its own function, or what takes its place."""
        return self.replace.get(task.origin, task.function) if self.replace else task.function

    def _one(self, index: int, values: Values, turn: Turn | None, tried: int = 0) -> Done:
        node = self.graph.nodes[index]
        began = perf_counter()
        truth: bool | None = None
        measuring = self._measuring(node) if index in self._observed else None
        if isinstance(node.work, Select | Outcome) and (reason := self._lacks(node, values)) is not None:
            return Done(index, began, 0.0, skipped=reason)
        recalled = self._recalled(index, turn)
        told: _Told | None = None
        try:
            if recalled is not None:
                value, rows = recalled.value, recalled.rows
                self.frames.handed_on_as(None, value)
            else:
                value, rows = self._call(node, values, turn, measuring, tried)
                if index in self.frames.rules:
                    value = self.frames.settled(index, value, kept=self._keeps(index))
                if measuring is not None:
                    value = measuring.ended(value)
                told = _told(measuring)  # before the result is kept, which writes and reads too
                if self._keeps(index):
                    kept = self._kept(index, turn, value, rows, perf_counter() - began)
                    self.frames.handed_on_as(value, kept)
                    value = kept
            values[index] = value
            if is_secret(type(value)):
                self.secrets.returned(value)
            if index in self._conditions:
                truth = bool(value)
        except (KeyboardInterrupt, GivenUp):
            raise
        except BaseException as error:  # noqa: BLE001  # a task may raise anything, SystemExit too; the run tells it
            # held by no variable: the exception's traceback holds this frame, and what is returned the exception
            return _with_told(self.failed(index, error, values, turn, began, tried), told or _told(measuring))
        closed = index in self._gates and _is_false(value)
        seconds = perf_counter() - began
        rows = _rows_of(value) if rows is None else rows
        done = Done(index, began, seconds, rows, closed, truth)
        if told is not None:
            done.measures, done.published = told
        if recalled is not None:
            done.reuse = recalled.reuse
            if index in self._observed:
                done.measures = Measures(dict.fromkeys(self._observed[index]))
        done.columns = _columns_of(value)
        return done

    def _recalled(self, index: int, turn: Turn | None) -> Recalled | None:
        """Gives what a node gave in the run that is resumed, or what the cache has of it."""
        found = self.keeping.recalled(index, _path(turn)) if self.keeping is not None else None
        if self.caching is None:
            return found
        self.caching.begun(index, _path(turn))
        return self.caching.recalled(index, _path(turn)) if found is None else found

    def _keeps(self, index: int) -> bool:
        in_checkpoint = self.keeping is not None and self.keeping.applies(index)
        return in_checkpoint or (self.caching is not None and self.caching.applies(index))

    def _kept(self, index: int, turn: Turn | None, value: object, rows: int | None, seconds: float) -> object:
        """Keeps what a node gave; in the checkpoint no check that closed: resumed, it is asked again."""
        kept, path = self.workplace.opened(value), _path(turn)
        if self.keeping is not None and not (index in self._gates and _is_false(value)):
            kept = self.keeping.kept(index, path, kept, rows)
        if self.caching is not None:
            kept = self.caching.kept(index, path, kept, rows, seconds)
        return value if self.workplace.elsewhere else kept

    def _measuring(self, node: Node) -> Measuring | None:
        """Gives what measures an observed node; None where another process does."""
        is_task, unsettled = isinstance(node.work, Task), self.graph.unsettled
        if is_task and self.workplace.elsewhere:
            return None
        lazy_in: Lazily = "compute" if unsettled.isdisjoint(node.data) else "leave"
        lazy_out: Lazily = "leave"
        if is_task and node.index not in unsettled:
            lazy_out = self.frames.told_by(node.index)
        return Measuring(self._observed[node.index], self._memory, lazy_in, lazy_out)

    def _lacks(self, node: Node, values: Values) -> str | None:
        """Says why a node that selects from a branch, or stands for what a loop leaves, has no value, if so."""
        if isinstance(node.work, Outcome):
            return self._left(node.work, values).lacking.get(node.index)
        condition, then, other = node.args
        decided = values[cast("Handle", condition).glacier_node.index]
        if decided is MISSING:
            return "its branch was not reached"
        side = then if decided else other
        if isinstance(side, Absent):
            return f"`{side.name}` is not assigned where its branch went"
        if not self.has(side, values):
            return "what the branch gives was skipped"
        return None

    def _left(self, outcome: Outcome, values: Values) -> Left:
        return cast("Left", values[len(self.graph.nodes) + outcome.loop])

    def _call(
        self, node: Node, values: Values, turn: Turn | None, measuring: Measuring | None, tried: int
    ) -> tuple[object, int | None]:
        """Gives what a node's work returns, and for a write its rows where they are known."""
        work = node.work
        if isinstance(work, Task):
            args, kwargs = self._arguments(node, values, loaded=False)
            function = self.replace.get(work.origin, work.function) if self.replace else work.function
            act_for(self.graph, node if function is work.function else None)
            doing = self._doing(node, tried)
            doing.given = args, kwargs
            enter(doing)
            if measuring is not None:
                args, kwargs = measuring.begun(args, kwargs)
            # isinstance tells pyright no type arguments, and a cast would be a call per node
            return self.workplace.call(work, function, args, kwargs), None  # pyright: ignore[reportUnknownArgumentType]
        if isinstance(work, Outcome):
            before = self._filled(node.args[0], values, loaded=False)
            return work.body(before, self._left(work, values).outcomes[node.index]), None
        if turn is not None and turn.before is not None and node.index in turn.loop.carried:
            return self._filled(turn.loop.carried[node.index], turn.before, loaded=False), None
        args, kwargs = self._arguments(node, values, loaded=True)
        if measuring is not None or self._tells_origins:
            enter(self._doing(node, tried))
        if measuring is not None:
            args, kwargs = measuring.begun(args, kwargs)
        if is_write(node):
            bucket = cast("Any", args[0])
            return None, bucket.stage_write(*args[1:], **kwargs).run().rows
        return work.body(*args, **kwargs), None

    def _doing(self, node: Node, tried: int) -> Doing:
        observed = self._observed.get(node.index, ()) if self._observed else ()
        doing = Doing(self.run_id, self.graph.name, partial(self._name, node.index), tried + 1, observed)
        if self._tells_origins:
            doing.tells_origins, doing.handed = True, self.frames.handed
        return doing

    def _name(self, index: int) -> str:
        return self.graph.names[index]

    def _arguments(self, node: Node, values: Values, *, loaded: bool) -> tuple[tuple[object, ...], dict[str, object]]:
        if node.nested or loaded:
            args = tuple([self._filled(value, values, loaded=loaded) for value in node.args])
            return args, {key: self._filled(value, values, loaded=loaded) for key, value in node.kwargs.items()}
        args = tuple([values[a.glacier_node.index] if type(a) is Handle else a for a in node.args])
        if not node.kwargs:
            return args, {}
        return args, {k: values[a.glacier_node.index] if type(a) is Handle else a for k, a in node.kwargs.items()}

    def _filled(self, value: object, values: Values, *, loaded: bool) -> object:
        if type(value) is Handle:
            handed = values[value.glacier_node.index]
            return self.workplace.value(handed) if loaded else handed
        return rebuilt(value, lambda member: self._filled(member, values, loaded=loaded))

    def _given(self, node: Node, values: Values) -> dict[str, object]:
        """Gives a failed node's arguments by parameter, for its error."""
        if isinstance(node.work, Outcome | Carried):
            return {}
        args, kwargs = self._arguments(node, values, loaded=False)
        if isinstance(node.work, Task):
            names = [parameter.name for parameter in node.work.signature.parameters]
        else:
            names = ["bucket", "frame"] if is_write(node) else []
        return {**dict(zip(names, args, strict=False)), **kwargs}


def _is_false(value: object) -> bool:
    """Says whether a check did not hold: numpy has truth values of its own."""
    kind = type(value)
    return value is False or (kind.__module__ == "numpy" and kind.__name__ in ("bool", "bool_") and not value)


def _has_items(value: object) -> bool:
    return isinstance(value, Iterable) or hasattr(type(value), "__getitem__")


_Told = tuple[Measures | None, Sequence[Published]]


def _told(measuring: Measuring | None) -> _Told:
    """Gives what was measured of the node that this context has done, here or elsewhere, and what it told itself."""
    doing = current()
    if doing is None:
        return None, ()
    if measuring is not None:
        doing.measured = measuring.measured(doing.moves)
    measures = Measures(doing.measured, doing.told) if doing.measured or doing.told else None
    return measures, tuple(doing.published)


def _with_told(done: Done, told: _Told) -> Done:
    """Gives how a task ended, with what it told until then."""
    done.measures, done.published = told
    return done


def _path(turn: Turn | None) -> tuple[int, ...]:
    """Gives for each loop around a turn the number of the item."""
    return tuple(number for _, number in turn.path) if turn is not None else ()


def _columns_of(value: Any) -> tuple[tuple[str, str], ...] | None:
    """Gives the columns of a DataFrame; those of a LazyFrame would have to be worked out."""
    frame = getattr(sys.modules.get("polars"), "DataFrame", None)
    if frame is None or not isinstance(value, frame):
        return None
    columns: list[tuple[str, Any]] = list(value.schema.items())[:_MOST_COLUMNS]
    return tuple((name, recorded_dtype(dtype)) for name, dtype in columns)


def _rows_of(value: Any) -> int | None:
    frame = getattr(sys.modules.get("polars"), "DataFrame", None)  # none yet while another thread imports it
    rows: int | None = value.height if frame is not None and isinstance(value, frame) else None
    return rows
