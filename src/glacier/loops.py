"""What a staged body asks while it is planned of its loops: is this iterable known, and if not, plan one turn for all.

A loop over a handle is planned by one turn, with a handle for the item. A variable that the loop assigns is a handle
too while the turn is planned (`Carried`), and another one after the loop (`Outcome`). Where the turns only make a list,
dict or set longer, they do not wait for each other: each adds to an empty one, and the outcome joins them.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from types import FrameType
from typing import Any

from glacier.containers import PLAIN
from glacier.errors import GraphError, Site
from glacier.graph import Node
from glacier.groups import Group
from glacier.growth import call, check_alone, check_not_kept, container_of, noted
from glacier.nesting import Loop
from glacier.regions import Region
from glacier.trace import Handle, Plan, current_plan, handles_in
from glacier.work import Carried, Expression, Growth, Item, Outcome, Select, Unset


class Turns:
    """One `for`. Iterating gives its items: those that are known, or a handle that stands for any of them.

    Attributes:
        planned: whether the items are a result, so that one turn is planned for all.
    """

    def __init__(self, items: Any, variables: Mapping[str, object], item: str, frame: FrameType | None = None) -> None:
        """Takes what to go over, the variables before the loop, the item's, and where that is, if not in the caller."""
        self.planned = type(items) is Handle
        self._items = items
        if self.planned:
            self._frame = frame or sys._getframe(1)
            self._item = item
            self._before = dict(variables)
            self._start: dict[str, object] = {}

    def __iter__(self) -> Iterator[Any]:
        return self._once() if self.planned else iter(self._items)

    def _once(self) -> Generator[Handle]:
        items: Handle = self._items
        plan = items.glacier_plan
        within = plan.within[-1] if plan.within else None
        self._loop = Loop(len(plan.loops), items.glacier_node.index, len(plan.nodes), within)
        plan.loops.append(self._loop)
        plan.groups.append(Group(_called(items.glacier_node, plan), "loop", self._frame.f_code, self._frame.f_lasti))
        plan.within.append(self._loop)
        plan.regions.append(Region(self._before, self._frame))
        yield plan.record(Item(self._item), (items,), {}, self._frame)

    def begin(self, names: tuple[str, ...], changed: tuple[str, ...]) -> tuple[object, ...]:
        """Gives the variables that the loop assigns as a turn finds them.

        Args:
            names: the variables.
            changed: those of them that are only changed by a method, and left alone unless they are containers.
        """
        for name in names:
            value = self._before.get(name, Unset(name, "turn"))
            if isinstance(value, Unset):
                self._start[name] = Unset(name, "turn")
            elif name in changed and container_of(value) is None and type(value) is not Handle:
                self._start[name] = value
            else:
                carried = self._items.glacier_plan.record(Carried(name), (value,), {}, self._frame)
                self._start[name] = noted(carried, container_of(value))
        return tuple(self._start.values())

    def turn(self, variables: Mapping[str, object], names: tuple[str, ...], targets: tuple[str, ...]) -> Any:
        """Ends the turn, and with it the planning of the loop: gives the variables as they are after it.

        Args:
            variables: those of the body.
            names: those that the loop assigns.
            targets: those that stand for the item.
        """
        frame = sys._getframe(1)
        plan: Plan = self._items.glacier_plan
        self._check_unchanged(plan.regions.pop(), frame)
        now = {name: variables.get(name, Unset(name, "loop")) for name in names}
        plan.within.pop()
        plan.groups.pop()
        self._nodes = plan.nodes[self._loop.item :]
        self._now = now
        return tuple(Unset(name, "item") if name in targets else self._outcome(name, plan) for name in names)

    def left(self, variables: Mapping[str, object], names: tuple[str, ...], targets: tuple[str, ...]) -> Any:
        """Ends the turn by a `break` that depends on no result: there is no other turn."""
        self._loop.first_only = True
        return self.turn(variables, names, targets)

    def _check_unchanged(self, region: Region, frame: FrameType) -> None:
        changed = region.changed()
        if changed is not None:
            raise GraphError(
                f"`{changed.name}` is changed inside a loop over a result in a way that planning cannot follow",
                site=Site(frame.f_code.co_filename, self._site.line),
                fix=changed.fix,
            )

    @property
    def _site(self) -> Site:
        plan: Plan = self._items.glacier_plan
        return plan.nodes[self._loop.item].site

    def _outcome(self, name: str, plan: Plan) -> object:
        """Gives what a variable is after the loop, and notes what one turn leaves to the next."""
        start, now = self._start.get(name), self._now[name]
        if now is start or (name in self._before and _same_plain(now, self._before[name])):
            return self._before[name] if isinstance(start, Handle) else now
        if not isinstance(start, Handle) or isinstance(now, Unset):
            return now if isinstance(start, Handle) or not isinstance(start, Unset) else Unset(name, "loop")
        carry = start.glacier_node
        before = carry.args[0]
        original = self._before[name]
        check_alone(original, name, self._frame.f_locals, self._site)
        check_not_kept(now, name, self._site)
        elsewhere = {index for other, left in self._now.items() if other != name for index in handles_in(left)}
        container = container_of(before)
        chain = _growth(carry, now) if container is not None else None
        if chain is not None and not chain & elsewhere and not _taken_elsewhere(chain, self._nodes):
            carry.work = Carried(name, container)
        else:
            container = None
            taken = any(carry.index in node.data for node in self._nodes)
            if taken or carry.index in elsewhere or carry.index in handles_in(now):
                self._loop.carried[carry.index] = now
        outcome = plan.record(Outcome(name, self._loop.index, container), (before,), {}, self._frame)
        self._loop.outcomes[outcome.glacier_node.index] = now
        node = outcome.glacier_node
        made = list(handles_in(now))
        inside = any(self._loop in loop.around() for index in made if (loop := plan.loop_of.get(index)))
        waited = [] if inside else [self._loop.item]  # for the loop it waits in any case
        node.data = tuple(dict.fromkeys([*node.data, *made, *waited]))
        return noted(outcome, container)


turns = Turns


def _same_plain(one: object, other: object) -> bool:
    return type(one) in PLAIN and type(one) is type(other) and one == other


def _called(items: Node, plan: Plan) -> str:
    """Gives the name of the loop over a node's value: that of the tasks which it is made of."""
    names: dict[str, None] = {}
    pending, seen = [items.index], set[int]()
    while pending:
        node = plan.nodes[pending.pop()]
        if node.index in seen:
            continue
        seen.add(node.index)
        if node.hidden and node.data:
            pending += reversed(node.data)
        else:
            names[node.work.name] = None
    return f"each {' and '.join(names)}"


def _growth(carry: Node, value: object) -> set[int] | None:
    """Gives the nodes by which `value` is made from `carry` if they only make it longer, `carry` among them."""
    found: set[int] = set()
    pending = [value]
    while pending:
        at = pending.pop()
        if type(at) is not Handle:
            return None
        node = at.glacier_node
        if node.index in found:
            continue
        found.add(node.index)
        match node.work:
            case Carried() if node is carry:
                pass
            case Growth(containers=containers) if container_of(carry.args[0]) in containers:
                pending.append(node.args[0])
            case Select():
                pending += node.args[1:]
            case Outcome(container=container) if container is not None:
                pending.append(node.args[0])
            case _:
                return None
    return found


def _taken_elsewhere(chain: set[int], nodes: Iterable[Node]) -> bool:
    """Whether a turn uses what a container is so far for more than to make it longer."""
    for node in nodes:
        taken = chain.intersection(node.data)
        if not taken or (isinstance(node.work, Carried) and node.work.container is not None):
            continue
        if node.index not in chain:
            return True
        grown = 1 if isinstance(node.work, Growth) else len(node.args)
        if any(chain.intersection(handles_in(argument)) for argument in node.args[grown:]):
            return True
    return False


def collected(items: Any, staged: Callable[[Any], object], plain: Callable[[Any], object]) -> object:
    """Gives what a comprehension over `items` makes: planned as a loop over a result, as Python would elsewhere."""
    return staged(items) if type(items) is Handle else plain(items)


def over(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """`enumerate(x)`, `zip(x, y)` and the like as what a loop goes over: worked out in the run if `x` is a result."""
    plan = current_plan()
    if plan is None or Handle not in map(type, [*args, *kwargs.values()]):
        return function(*args, **kwargs)
    return plan.record(Expression(_listed(function), function.__name__), args, kwargs, sys._getframe(1))


def over_method(value: Any, method: str) -> Any:
    """`x.items()`, `x.keys()` or `x.values()` as what a loop goes over."""
    if type(value) is not Handle:
        return getattr(value, method)()

    def listed(mapping: Any) -> list[object]:
        return list(getattr(mapping, method)())

    return value.glacier_plan.record(Expression(listed, method), (value,), {}, sys._getframe(1))


def _listed(function: Callable[..., Iterable[object]]) -> Callable[..., list[object]]:
    def listed(*args: object, **kwargs: object) -> list[object]:
        return list(function(*args, **kwargs))

    return listed


def unpacked(value: Any, count: int, star: int | None = None) -> Any:
    """Gives the parts of `value` for an assignment to `count` names.

    Args:
        value: a sequence, or a handle of one.
        count: how many targets there are, a starred one among them.
        star: the place of the starred target, whose part is a list.
    """
    if type(value) is not Handle:
        return value if star is None else _splitting(count, star)(value)
    plan, frame = value.glacier_plan, sys._getframe(1)
    parts = plan.record(Expression(_splitting(count, star), "unpack"), (value,), {}, frame)
    return tuple(plan.record(_PART, (parts, place), {}, frame) for place in range(count))


def _splitting(count: int, star: int | None) -> Callable[[Any], list[object]]:
    def parts(value: Any) -> list[object]:
        members = list(value)
        if star is None:
            if len(members) != count:
                raise ValueError(f"{count} values are assigned, and there are {len(members)}")
            return members
        if len(members) < count - 1:
            raise ValueError(f"at least {count - 1} values are assigned, and there are {len(members)}")
        end = len(members) - (count - 1 - star)
        return [*members[:star], members[star:end], *members[end:]]

    return parts


def _part(parts: list[object], place: int) -> object:
    return parts[place]


_PART = Expression(_part, "part")


def mapped(called: Callable[[Any], object], items: Any, frame: FrameType) -> object:
    """Gives `[called(item) for item in items]` for a call at `frame`, with `items` a result or not."""
    if type(items) is not Handle:
        return [called(item) for item in items]
    found: object = []
    around = Turns(items, {"found": found}, "item", frame)
    for item in around:
        (found,) = around.begin(("found",), ())
        found = call(found, "append", called(item))
        (found,) = around.turn({"found": found}, ("found",), ())
    return found
