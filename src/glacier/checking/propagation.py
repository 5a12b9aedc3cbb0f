"""The walk through a graph that calls frame-returning tasks on empty frames and looks at each edge."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from inspect import iscoroutine
from typing import TYPE_CHECKING, Any, cast
from warnings import catch_warnings

from glacier.access import touches
from glacier.annotations import UNKNOWN, frame_kind, frame_model, gives_frames, shown
from glacier.checking import contracts
from glacier.checking.check import Checked
from glacier.checking.empty import Unknown, emptied, empty, frames_in, same_frames, settled, unknown_in
from glacier.checking.findings import Call, Taken, finding, is_about_schemas
from glacier.checking.refusals import refusal
from glacier.containers import rebuilt
from glacier.errors import ConfigError, SchemaError, StorageError
from glacier.execution.failures import summary
from glacier.rehearsal import Unknowable, rehearsing
from glacier.schemas import schema_from
from glacier.task import Task
from glacier.trace import Handle
from glacier.work import (
    Absent,
    Barrier,
    Carried,
    Expression,
    Growth,
    Input,
    Located,
    Outcome,
    Select,
    StorageCall,
)

if TYPE_CHECKING:
    from glacier.checking.sources import Sources
    from glacier.execution.coroutines import Coroutines
    from glacier.graph import Graph, Node, Resource

_DOES_NOT_FIT = "it does not fit what it takes"


class Propagation:
    """The values of a check: empty frames where the schema is known, `Unknown` for all else.

    Attributes:
        errors: what does not fit, in the order of the walk.
    """

    def __init__(self, graph: Graph, sources: Sources) -> None:
        self.graph = graph
        self.sources = sources
        self.errors: list[SchemaError] = []
        self._coroutines: Coroutines | None = None
        self._prepared = frozenset(graph.prepared)
        self._values: list[object] = [Unknown("it waits for itself")] * len(graph.nodes)

    def calls(self) -> tuple[Checked, ...]:
        """Walks the graph; gives what is known of each call that a person would look for."""
        try:
            with catch_warnings(action="ignore"):  # of comparisons with the None that a frame without rows gives, say
                for index in self.graph.order:
                    self.sources.writing(self.graph.names[index])
                    self._values[index] = self._value(self.graph.nodes[index])
        finally:
            if self._coroutines is not None:
                self._coroutines.close()
        seen = [node for node in self.graph.nodes if not node.hidden and not isinstance(node.work, Barrier)]
        return tuple(self._checked(node) for node in seen)

    def _checked(self, node: Node) -> Checked:
        value = self._values[node.index]
        reason = value.reason if isinstance(value, Unknown) else ""
        return Checked(self.graph.names[node.index], node.site, dict(frames_in(value)), reason)

    def _value(self, node: Node) -> object:
        match node.work:
            case Task():
                return self._of_task(node, cast("Task[..., Any]", node.work))
            case StorageCall():
                return self._of_storage(node, node.work)
            case Input():
                return self._of_input(node.work)
            case Select():
                return self._of_select(node)
            case Expression() | Growth():
                return self._of_expression(node, node.work)
            case Carried(container=container):
                return container() if container is not None else self._filled(node.args[0])
            case Outcome():
                return self._of_outcome(node, node.work)
            case _:
                return Unknown("a check does not follow it")

    def _of_input(self, work: Input) -> object:
        schema, model = self.sources.known.schemas.get(work.name), frame_model(work.annotation)
        if schema is None and model is not None:
            schema = schema_from(model, f"input `{work.name}`", None)
        if schema is None:
            return Unknown(f"input `{work.name}` has no value")
        return empty(schema, frame_kind(work.annotation))

    def _of_select(self, node: Node) -> object:
        """Gives the frame that both sides agree on, or the one of the only side that has the variable."""
        sides = [self._filled(side) for side in node.args[1:] if not isinstance(side, Absent)]
        unknown = next((side for side in sides if isinstance(side, Unknown)), None)
        if unknown is not None:
            return unknown
        if not all(any(True for _ in frames_in(side)) for side in sides):
            return Unknown("a branch decides what that is")
        if not all(same_frames(sides[0], side) for side in sides):
            return Unknown("the two sides of a branch give it different schemas")
        return sides[0]

    def _of_outcome(self, node: Node, work: Outcome) -> object:
        """Gives what a variable is after one turn of a loop, if more turns, or none, would leave it alike."""
        before = self._filled(node.args[0])
        after = self._filled(self.graph.loops[work.loop].outcomes[node.index])
        unknown = unknown_in([before, after])
        if unknown is not None:
            return unknown
        if work.container is not None:
            return work.body(before, [after])
        if any(True for _ in frames_in(before)) and same_frames(before, after):
            return after
        return Unknown("a loop may leave it as it was, or with another schema")

    def _of_expression(self, node: Node, work: Expression | Growth) -> object:
        args = [self._filled(value) for value in node.args]
        unknown = next((value for value in args if isinstance(value, Unknown)), None)
        if unknown is not None:
            return unknown
        return self._called(lambda: work.body(*args), Call(self.graph.names[node.index], node.site, None, ()))

    def _of_storage(self, node: Node, work: StorageCall) -> object:
        resource = cast("Resource", node.args[0])
        if resource.invocable:
            return Unknown(f"a check invokes no function, `{resource.label}` neither")
        args = [self._filled(value) for value in node.args[1:]]
        kwargs = {name: self._filled(value) for name, value in node.kwargs.items()}
        unknown = unknown_in([args, kwargs])
        if unknown is not None:
            if work.writes:
                self.sources.write_unseen(resource)
            return Unknown(f"what it writes is not known: {unknown.reason}") if work.writes else unknown
        frame = kwargs.get("frame", args[0] if args else None)
        handed = node.kwargs.get("frame", node.args[1] if len(node.args) > 1 else None)
        call = Call(self.graph.names[node.index], node.site, None, self._taken({"frame": frame}, {"frame": handed}))

        def act() -> object:
            answer = self.sources.call(resource, work.verb, tuple(args), kwargs)
            return frame if work.verb == "write" else answer

        return self._called(act, call)

    def _of_task(self, node: Node, task: Task[..., Any]) -> object:
        handed = dict(task.signature.binding.bind_partial(*node.args, **node.kwargs).arguments)
        given = {name: self._filled(value) for name, value in handed.items()}
        call = Call(self.graph.names[node.index], node.site, task.function, self._taken(given, handed))
        takes, gives = contracts.takes(task), contracts.gives(task)
        misfits = list(contracts.misfits_taken(takes, call))
        self.errors += misfits
        touched = touches(node)
        changed = [touch.resource for touch in touched if touch.access.writes]
        for resource in changed:
            self.sources.write_unseen(resource)
        for parameter in task.signature.parameters:
            if parameter.name in takes and isinstance(given.get(parameter.name), Unknown):
                given[parameter.name] = empty(takes[parameter.name], frame_kind(parameter.type))
        reason = _DOES_NOT_FIT if misfits else self._why_not_run(task, given, handed)
        if reason is None:
            for touch in touched:
                if touch.resource in self._prepared:
                    self.sources.prepare(touch.resource)
            value = self._called(lambda: self._run(task, given), call)
            self.sources.see_files(changed)
        else:
            value = Unknown(reason)
        if gives is None:
            return value
        schema = dict(frames_in(value)).get("")
        wrong = contracts.misfit_given(gives, schema, task) if schema is not None else None
        self.errors += [wrong] if wrong is not None else []
        return value if schema is not None and wrong is None else empty(gives, frame_kind(task.signature.returns))

    def _why_not_run(
        self, task: Task[..., Any], given: Mapping[str, object], handed: Mapping[str, object]
    ) -> str | None:
        returns = task.signature.returns
        if returns is UNKNOWN:
            return "its result is not annotated, so a check does not run it"
        if not gives_frames(returns):
            return f"it returns {shown(returns)}, so a check does not run it"
        for name, value in given.items():
            unknown = unknown_in(value)
            if unknown is not None:
                if self._is_select(handed[name]):
                    return f"it takes `{name}`, and {unknown.reason}"
                source = self._source(handed[name])
                return f"it takes `{name}` from {source}, and that is not known" if source else unknown.reason
        places = frozenset(name for name, value in given.items() if isinstance(value, Located))
        return refusal(task.origin.function, places)

    def _run(self, task: Task[..., Any], given: Mapping[str, object]) -> object:
        bound = task.signature.binding.bind_partial()
        bound.arguments.update(given)
        value = task.function(*bound.args, **bound.kwargs)
        value = self._awaited(value) if iscoroutine(value) else value
        kind = frame_kind(task.signature.returns)
        got = type(value).__name__
        if kind is not None and got != kind and got in ("LazyFrame", "DataFrame"):
            raise SchemaError(
                f"it is annotated to return a {kind}, but returned {got}",
                fix=f"return {'.lazy()' if kind == 'LazyFrame' else '.collect()'}, or annotate `-> pl.{got}`",
            )
        return value

    def _awaited(self, coroutine: Coroutine[object, object, object]) -> object:
        if self._coroutines is None:
            from glacier.execution.coroutines import Coroutines  # loads asyncio, which takes longer than most checks

            self._coroutines = Coroutines()
        return self._coroutines.result(coroutine)

    def _called(self, function: Callable[[], object], call: Call) -> object:
        """Gives what a call makes of empty frames; what does not fit becomes an error, what only rows tell unknown."""
        try:
            with rehearsing(self.sources):
                return settled(function())
        except KeyboardInterrupt:
            raise
        except Unknowable as unknowable:
            return Unknown(unknowable.reason)
        except (SchemaError, ConfigError, StorageError) as error:
            self.errors.append(SchemaError(f"{call.what}: {error.message}", site=call.site, fix=error.fix))
            return Unknown(_DOES_NOT_FIT)
        except BaseException as error:  # noqa: BLE001  # a task may raise anything, and frames without rows be why
            if not is_about_schemas(error):
                return Unknown(f"on empty frames it raises {summary(error)}")
            self.errors.append(finding(error, call))
            return Unknown(_DOES_NOT_FIT)

    def _taken(self, given: Mapping[str, object], handed: Mapping[str, object]) -> tuple[Taken, ...]:
        return tuple(
            Taken(name + reached, self._source(handed.get(name)) or "the body", schema)
            for name, value in given.items()
            for reached, schema in frames_in(value)
        )

    def _source(self, handed: object) -> str:
        """Gives the calls that an argument comes from, in backticks; empty where it comes from none."""
        found: dict[str, None] = {}

        def visit(member: object) -> object:
            if type(member) is not Handle:
                return rebuilt(member, visit)
            index = member.glacier_node.index
            inputs = [f"input `{self.graph.nodes[index].work.name}`"] if self._is_input(index) else []
            found.update(dict.fromkeys([f"`{self.graph.names[one]}`" for one in self.graph.shown(index)] or inputs))
            return member

        visit(handed)
        return ", ".join(found)

    def _is_select(self, handed: object) -> bool:
        return type(handed) is Handle and isinstance(self.graph.nodes[handed.glacier_node.index].work, Select)

    def _is_input(self, index: int) -> bool:
        return isinstance(self.graph.nodes[index].work, Input)

    def _filled(self, value: object) -> object:
        """Gives an argument with values in place of handles, and no rows in its frames."""
        if type(value) is Handle:
            return self._values[value.glacier_node.index]
        made = emptied(value)
        return made if made is not value else rebuilt(value, self._filled)
