"""The recording of a body: a task called while a plan is open becomes a node, and what it gives is a handle."""

from __future__ import annotations

import operator
import sys
from collections import defaultdict, deque
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path, PurePath
from types import CoroutineType, FrameType, GeneratorType
from typing import Any, NamedTuple, NoReturn, TypeVar, cast

from glacier.containers import PLAIN, rebuilt
from glacier.errors import GraphError, Site, listed
from glacier.graph import Node, Resource, Work
from glacier.groups import Group, GroupPath, bodies
from glacier.nesting import Loop
from glacier.reaching import is_users_class
from glacier.regions import Region
from glacier.snapshots import Snapshot, copied, is_open, snapshot
from glacier.source import is_users, source_file
from glacier.work import Expression, Located, Unset, places_in

M = TypeVar("M", bound=Callable[..., Any])

_DEEPEST = 100
_WHOLE = PLAIN | {type(Path()), type(PurePath())}  # they hold nothing
_USED_UP = (GeneratorType, map, filter, zip)


class Depth(NamedTuple):
    """How many guards, loops, regions and groups are open at a moment of planning."""

    guards: int
    within: int
    regions: int
    groups: int


class Plan:
    """What has been recorded so far while a body is called with handles in place of values.

    Attributes:
        name: the pipeline's name.
        nodes: the calls in body order.
        calls: for each work (a task's `origin`) the nodes that call it.
        after: for each node the nodes or tasks that `.after(...)` named.
        touching: the nodes with a resource among their arguments.
        closed: whether the body has ended, so that nothing more can be recorded.
        guards: the conditions under which what is recorded now runs, as (node, wanted truth), outermost first.
        guarded: for each node recorded under guards, those.
        loops: the loops over results met so far.
        within: the loops that are being planned now, outermost first.
        loop_of: for each node recorded in a loop the innermost one.
        regions: the branches and loops being planned, each of which knows what was there before it.
        containers: for nodes whose value surely is a list, dict or set, which of these.
        kept: nodes whose value is a container that was put into another one.
        lent: the containers that the pipelines being called in the body were given, by identity.
        given: the containers that tasks were given, by identity, with the node that got each last.
        snapshots: the calls that were given what the body may change afterwards, and that as it was.
        warnings: what a person should know before running.
        prepared: resources whose place must be made ready before the run, because the body asked for their URI.
        body: the pipeline that is planned.
        groups: what is being called in it now (another pipeline, and one in that), outermost first.
        grouped: for each node recorded in groups, those.
        refused: the first use of a result that was refused; it stays one though the body may catch the error.
    """

    def __init__(self, name: str, body: object = None) -> None:
        self.name = name
        self.body = body
        self.nodes: list[Node] = []
        self.calls: defaultdict[object, list[int]] = defaultdict(list)
        self.after: dict[int, tuple[object, ...]] = {}
        self.touching: set[int] = set()
        self.closed = False
        self.guards: list[tuple[int, bool]] = []
        self.guarded: dict[int, tuple[tuple[int, bool], ...]] = {}
        self.loops: list[Loop] = []
        self.within: list[Loop] = []
        self.loop_of: dict[int, Loop] = {}
        self.regions: list[Region] = []
        self.containers: dict[int, type] = {}
        self.kept: set[int] = set()
        self.lent: dict[int, object] = {}
        self.given: dict[int, tuple[object, Node]] = {}
        self.snapshots: list[tuple[Node, Sequence[Snapshot]]] = []
        self.warnings: list[str] = []
        self.prepared: dict[Resource, None] = {}
        self.groups: list[Group] = []
        self.grouped: dict[int, GroupPath] = {}
        self.refused: GraphError | None = None

    def open(self) -> Depth:
        """Gives how many branches, loops and pipelines are being planned now."""
        return Depth(len(self.guards), len(self.within), len(self.regions), len(self.groups))

    def close(self, depth: Depth) -> None:
        """Leaves the branches, loops and pipelines that were opened since, as an exception that is caught does."""
        del self.guards[depth.guards :], self.within[depth.within :]
        del self.regions[depth.regions :], self.groups[depth.groups :]

    def latest_call(self, origin: object) -> int | None:
        """Gives the last call of a task in the body that is being called now, or in a pipeline called there."""
        calls = self.calls.get(origin)
        if not calls:
            return None
        inside = bodies(self.groups)
        return calls[-1] if not inside or inside[-1] in self.grouped.get(calls[-1], ()) else None

    def record(
        self, work: Work, args: tuple[object, ...], kwargs: Mapping[str, object], frame: FrameType | None
    ) -> Handle:
        """Adds a node for a call made at `frame` and gives the handle of its result.

        Containers among the arguments are copied, so that a list changed later in the body stays what the task got.
        Of objects it is noted what they hold; `snapshots.restore` makes the copies, of those that do change.
        """
        frame = frame or sys._getframe(1)
        if self.closed:
            raise GraphError(
                f"a result of pipeline `{self.name}` is used outside its body, inside an object that planning cannot "
                "look into",
                site=Site.of_caller(frame),
                fix="pass it to the task as an argument of its own, or in a list, dict, tuple or dataclass",
            )
        taking = _Arguments(self)
        taken = tuple([value if type(value) in PLAIN and not self.prepared else taking.take(value) for value in args])
        named = {key: taking.take(value) for key, value in kwargs.items()} if kwargs else _NO_KWARGS
        index = len(self.nodes)
        data = tuple(taking.upstream)
        anew = taking.nested or (bool(taking.containers) and (bool(self.within) or _may_be_retried(work)))
        node = Node(index, work, taken, named, data, anew, frame.f_code, frame.f_lasti, tuple(taking.places))
        self.nodes.append(node)
        if taking.touches or taking.places:
            self.touching.add(index)
        if self.guards:
            self.guarded[index] = tuple(self.guards)
        if self.within:
            self.loop_of[index] = self.within[-1]
        for container in taking.containers:
            self.given[id(container)] = container, node
        if taking.open:
            self.snapshots.append((node, taking.open))
        if self.groups:
            self.grouped[index] = tuple(self.groups)
        return Handle(node, self)

    def check_reached(self, handle: Handle, frame: FrameType | None) -> None:
        """Refuses a result of this plan where it is not one value: after the loop that it is made in."""
        loop = self.loop_of.get(handle.glacier_node.index)
        if loop is not None and loop not in self.within:
            raise _escaped(handle, self.nodes[loop.item].site, frame)


_NO_KWARGS: Mapping[str, object] = {}


class _Arguments:
    """What one call's arguments hold: their handles, whether one is inside a container, whether there is a resource."""

    __slots__ = ("containers", "depth", "nested", "open", "places", "plan", "touches", "upstream")

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.upstream: dict[int, None] = {}
        self.nested = False
        self.touches = False
        self.depth = 0
        self.containers: list[object] = []
        self.places: dict[Resource, None] = {}
        self.open: list[Snapshot] = []

    def take(self, value: object) -> object:
        if type(value) in _WHOLE:
            return self._looked_at(value) if self.plan.prepared else value
        if type(value) is Handle:
            if value.glacier_plan is not self.plan:
                raise foreign(value, self.plan)
            if self.plan.loop_of:
                self.plan.check_reached(value, sys._getframe(1))
            self.upstream[value.glacier_node.index] = None
            self.nested = self.nested or self.depth > 0
            return value
        if isinstance(value, Resource | Located):
            self.touches = True
            return value
        if isinstance(value, _USED_UP):
            kind = type(cast("object", value)).__name__
            raise GraphError(
                f"a {kind} is passed to a task; it is empty after one use and would run while planning",
                site=Site.of_caller(sys._getframe(1)),
                fix="pass a list: [... for ... in ...]",
            )
        if self.depth > _DEEPEST:
            raise GraphError(
                f"an argument holds containers {_DEEPEST} deep, or one that holds itself",
                site=Site.of_caller(sys._getframe(1)),
                fix="pass something flatter",
            )
        if isinstance(value, Unset):
            raise value.glacier_refusal()
        if type(value) in (list, dict, set):
            self.containers.append(value)
        if isinstance(value, CoroutineType):
            name = value.__name__
            value.close()  # this error says what Python's warning would
            raise GraphError(
                f"a coroutine of `{name}`, which nobody awaits, is passed to a task",
                site=Site.of_caller(sys._getframe(1)),
                fix=f"pass `await {name}(...)`, in an `async def` body",
            )
        self.depth += 1
        taken = rebuilt(value, self.take)
        self.depth -= 1
        if taken is not value:
            return taken
        if isinstance(value, list | set | deque):  # of a class of its own; what holds results is copied already
            return copied(cast("object", value))
        if is_users_class(type(value)):  # an object that may hold one
            self.touches = True
        if is_open(value):
            self.open.append(snapshot(value))
        return taken

    def _looked_at(self, value: object) -> object:
        if isinstance(value, str | PurePath):
            self.places |= dict.fromkeys(places_in(value, self.plan.prepared))
        return value


def _may_be_retried(work: Work) -> bool:
    return getattr(getattr(work, "options", None), "tries", None) is not None


def handles_in(value: object) -> Iterator[int]:
    """Gives the nodes whose values a structure holds."""
    found: list[int] = []

    def visit(member: object) -> object:
        if type(member) is Handle:
            found.append(member.glacier_node.index)
            return member
        return rebuilt(member, visit)

    visit(value)
    return iter(found)


_current: ContextVar[Plan | None] = ContextVar("glacier_plan", default=None)
current_plan = _current.get


@contextmanager
def planning(plan: Plan) -> Generator[Plan]:
    """Makes `plan` the one that calls are recorded in, until the block ends."""
    token = _current.set(plan)
    try:
        yield plan
    finally:
        _current.reset(token)
        plan.closed = True


def _operator(name: str, symbol: str) -> Callable[..., Any]:
    return _recorded(Expression(getattr(operator, name), symbol))


def _swapped(name: str, symbol: str) -> Callable[..., Any]:
    function = getattr(operator, name)

    def swapped(right: object, left: object) -> object:
        return function(left, right)

    return _recorded(Expression(swapped, symbol))


def _recorded(expression: Expression) -> Callable[..., Any]:
    def record(self: Handle, *operands: object) -> Handle:
        return self.glacier_plan.record(expression, (self, *operands), _NO_KWARGS, calling(sys._getframe(1)))

    return record


def _refusal(use: str, fix: str | None = None) -> Callable[..., Any]:
    def refuse(self: Handle, *_: object) -> NoReturn:
        raise self.glacier_refusal(use, fix)

    return refuse


_DECIDE_IN_TASK = "decide inside a task that takes it: `@task def step(value): if value: ...`"
_LOOP_IN_TASK = "loop inside a task that takes it: `@task def step(items): for item in items: ...`"


class Handle:
    """The result of a node, not known until the run.

    It can be passed to tasks (also inside lists, dicts, tuples, dataclasses), indexed, compared, combined with
    operators, and piped. Any other use is a `GraphError` at the line of the use.
    """

    __slots__ = ("glacier_node", "glacier_plan")

    def __init__(self, node: Node, plan: Plan) -> None:
        self.glacier_node = node
        self.glacier_plan = plan

    def pipe(self, function: Callable[..., Any], /, *args: object, **kwargs: object) -> Any:
        """Gives `function(self, *args, **kwargs)`, as `LazyFrame.pipe` does in a plain call."""
        return function(self, *args, **kwargs)

    def glacier_refusal(self, use: str, fix: str | None = None) -> GraphError:
        """Gives the error that says this result cannot be used so while planning."""
        subject, lacking = self._glacier_subject()
        site = Site.of_caller(sys._getframe(1))
        if fix in (_DECIDE_IN_TASK, _LOOP_IN_TASK) and site is not None and source_file(site.file) is None:
            fix = f"put the pipeline into a file or a notebook, since its source cannot be read here; or {fix}"
        if lacking:
            command = " ".join(f"-i {one}=..." for one in lacking)
            python = ", ".join(f'"{one}": ...' for one in lacking)
            what = "a value" if len(lacking) == 1 else "values"
            fix = f"give {what}: {command} on the command line, inputs={{{python}}} in Python"
        error = GraphError(
            f"{subject}; {use}",
            site=site,
            fix=fix or "do it in a task that takes it, and call that task here",
        )
        self.glacier_plan.refused = self.glacier_plan.refused or error
        return error

    def _glacier_subject(self) -> tuple[str, Sequence[str]]:
        """Gives what this result is, in words, and the inputs that it is made from alone, which have no value."""
        node, lacking = self.glacier_node, self._glacier_inputs()
        if node.work.kind == "input":
            return f"input `{node.work.name}` has no value here", lacking
        name = node.variable or node.work.name
        if lacking:
            have = "has" if len(lacking) == 1 else "have"
            return f"`{name}` is made from {listed(lacking)}, which {have} no value here", lacking
        if not name:
            return "a choice between results is not known until the run", ()  # a conditional expression's
        whose = "made from results of tasks" if node.work.kind == "expression" else f"the result of `{node.work.name}`"
        return f"`{name}` is {whose} and is not known until the run", ()

    def _glacier_inputs(self) -> Sequence[str]:
        """Gives the inputs without a value that this is made from; none where a result of a task is among it."""
        nodes, pending, found = self.glacier_plan.nodes, [self.glacier_node.index], dict[int, str]()
        while pending:
            node = nodes[pending.pop()]
            if node.work.kind == "input":
                found[node.index] = node.work.name
            elif node.work.kind == "expression":
                pending += handles_in((node.args, tuple(node.kwargs.values())))
            else:
                return ()
        return [found[index] for index in sorted(found)]

    def __getattr__(self, name: str) -> NoReturn:
        if name.startswith("_"):
            raise AttributeError(name)
        fix = f"do it in a task: `@task def step(value): return value.{name}...`, and call that task here"
        raise self.glacier_refusal(f"`.{name}` uses it as a plain value", fix)

    @property  # type: ignore[misc]  # `object` lets it be assigned; here it can only be asked for
    def __class__(self) -> type[Handle]:  # pyright: ignore[reportIncompatibleMethodOverride]  # as above
        """Refuses `isinstance` in a user's code, which would take every result for something else than it will be.

        A method such as `__eq__` may ask: it gives NotImplemented, and the operator becomes a node.
        """
        code = sys._getframe(1).f_code
        if is_users(code.co_filename) and not code.co_name.startswith("__"):
            raise self.glacier_refusal("`isinstance`, or a class pattern of a `match`, needs its value")
        return Handle

    def __repr__(self) -> str:
        if is_users(sys._getframe(1).f_code.co_filename):
            raise self.glacier_refusal("`repr`, or the text of a container that holds it, needs its value")
        return f"<result of {self.glacier_node.work.name}, not known until the run>"

    def __await__(self) -> Generator[None, None, Handle]:
        return self
        yield

    __getitem__ = _operator("getitem", "[]")
    __lt__ = _operator("lt", "<")
    __le__ = _operator("le", "<=")
    __gt__ = _operator("gt", ">")
    __ge__ = _operator("ge", ">=")
    __eq__ = _operator("eq", "==")
    __ne__ = _operator("ne", "!=")
    __add__ = _operator("add", "+")
    __sub__ = _operator("sub", "-")
    __mul__ = _operator("mul", "*")
    __truediv__ = _operator("truediv", "/")
    __floordiv__ = _operator("floordiv", "//")
    __mod__ = _operator("mod", "%")
    __pow__ = _operator("pow", "**")
    __matmul__ = _operator("matmul", "@")
    __lshift__ = _operator("lshift", "<<")
    __rshift__ = _operator("rshift", ">>")
    __and__ = _operator("and_", "&")
    __or__ = _operator("or_", "|")
    __xor__ = _operator("xor", "^")
    __radd__ = _swapped("add", "+")
    __rsub__ = _swapped("sub", "-")
    __rmul__ = _swapped("mul", "*")
    __rtruediv__ = _swapped("truediv", "/")
    __rfloordiv__ = _swapped("floordiv", "//")
    __rmod__ = _swapped("mod", "%")
    __rpow__ = _swapped("pow", "**")
    __rmatmul__ = _swapped("matmul", "@")
    __rlshift__ = _swapped("lshift", "<<")
    __rrshift__ = _swapped("rshift", ">>")
    __rand__ = _swapped("and_", "&")
    __ror__ = _swapped("or_", "|")
    __rxor__ = _swapped("xor", "^")
    __neg__ = _operator("neg", "-")
    __pos__ = _operator("pos", "+")
    __invert__ = _operator("invert", "~")
    __abs__ = _operator("abs", "abs")

    __bool__ = _refusal(
        "a branch (`if`, `and`, `or`, `not`, a conditional expression) needs its value", _DECIDE_IN_TASK
    )
    __iter__ = _refusal("a loop or an unpacking needs its items", _LOOP_IN_TASK)
    __contains__ = _refusal("`in` needs its items", _LOOP_IN_TASK)
    __len__ = _refusal("`len` needs its value")
    __str__ = _refusal("`str` or `print` needs its value")
    __format__ = _refusal("an f-string or `format` needs its value")
    __int__ = __float__ = __index__ = __complex__ = __round__ = _refusal("a number is made of its value")
    __hash__ = _refusal("a set member or dict key needs its value")
    __setitem__ = __delitem__ = _refusal("an item of it is assigned or deleted")
    __call__ = _refusal("it is called as a function")
    __enter__ = __exit__ = _refusal("`with` needs its value")
    __next__ = _refusal("`next` needs its items")


def calling(frame: FrameType) -> FrameType:
    """Gives the frame of the user's call, from the one that called.

    `handle.pipe(f)` stands for `f(handle)`, and what a staged body's statements call, `found.add(x)`, `growth` calls.
    """
    while frame.f_back is not None and (frame.f_code is _PIPE or frame.f_globals.get("__name__") == _GROWTH):
        frame = frame.f_back
    return frame


_PIPE = Handle.pipe.__code__
_GROWTH = "glacier.growth"


def foreign(handle: Handle, plan: Plan) -> GraphError:
    """Gives the error that says `plan` cannot take a handle of another plan."""
    return GraphError(
        f"a result of `{handle.glacier_node.work.name}` in pipeline `{handle.glacier_plan.name}` "
        f"is used in pipeline `{plan.name}`",
        site=Site.of_caller(sys._getframe(1)),
        fix="call the task in this body, or hand its value over with inputs={...}",
    )


def _escaped(handle: Handle, loop: Site, frame: FrameType | None) -> GraphError:
    name = handle.glacier_node.variable or handle.glacier_node.work.name
    return GraphError(
        f"`{name}` is made in each turn of the loop at {loop}, and is used outside of it",
        site=Site.of_caller(frame),
        fix=f"use it in the loop, or collect what the turns make: `found.append({name})`",
    )
