"""Lifecycle rules: after so many days an object moves to a colder class, or goes. What all clouds have in common."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, ClassVar, TypeVar, cast

from glacier.config.checks import Checks
from glacier.errors import ConfigError, Site, did_you_mean, listed


@dataclass(frozen=True, kw_only=True)
class LifecycleRule:
    """What happens to an object some days after it was written; each cloud's rules name the classes it may move to.

    Attributes:
        days: since the object was written.
        expiration: whether it is deleted then.
        prefix: of the objects' paths in the bucket; all objects if empty.
    """

    CLASSES: ClassVar[tuple[str, ...]] = ()
    LIMIT: ClassVar[str] = ""
    LEAST: ClassVar[Mapping[str, int]] = {}

    days: int
    expiration: bool = False
    prefix: str = ""

    def __post_init__(self) -> None:
        checks = Checks(self, Site.of_caller(sys._getframe(2)))
        goal: str | None = getattr(self, "transition", None)
        checks.whole("days", 1 if goal is None else 0, 2**31 - 1, unit="days", limit=self.LIMIT)
        checks.flag("expiration")
        checks.choice("transition", self.CLASSES, limit=self.LIMIT, optional=True)
        if (goal is None) is not self.expiration:
            did = "neither moves the object nor deletes it" if goal is None else "both moves the object and deletes it"
            raise checks.conflict(
                did,
                limit="one rule does one thing",
                fix="write transition=... or expiration=True, in rules of their own",
            )
        least = self.LEAST.get(goal or "", 0)
        if self.days < least:
            raise checks.refusal(
                "days", f'transition="{goal}" takes at least {least}', limit=self.LIMIT, fix=f"write days={least}"
            )


R = TypeVar("R", bound=LifecycleRule)


def rules_of(kind: type[R], given: Sequence[R | Mapping[str, Any]], checks: Checks) -> tuple[R, ...]:
    """Gives rules, each written as an object or as a dict of its fields.

    Raises:
        ConfigError: if one is neither, has a field that there is not, or has a value that is not allowed.
    """
    if isinstance(given, str | Mapping) or not isinstance(cast("object", given), Iterable):
        raise checks.refusal("lifecycle_rules", "takes a list of rules", limit="", fix="write lifecycle_rules=[...]")
    return tuple(_rule(kind, rule, checks) for rule in given)


def _rule(kind: type[R], given: R | Mapping[str, Any], checks: Checks) -> R:
    if isinstance(given, kind):
        return given
    known = [field.name for field in fields(kind)]
    if not isinstance(given, Mapping):
        raise ConfigError(
            f"{type(checks.config).__name__} got a {type(given).__name__} among its lifecycle_rules, and takes "
            f"{kind.__name__} or a dict of its fields",
            site=checks.site,
            fix=f"write {kind.__name__}(days=30, ...)",
        )
    for name in given:
        if name not in known:
            near = did_you_mean(name, known)
            raise ConfigError(
                f"a lifecycle rule of {type(checks.config).__name__} has no `{name}`; it has {listed(known)}",
                site=checks.site,
                fix=f'write "{near[0] if near else known[0]}"',
            )
    if "days" not in given:
        raise ConfigError(
            f"a lifecycle rule of {type(checks.config).__name__} says no days",
            site=checks.site,
            fix='write {"days": 30, ...}',
        )
    try:
        return kind(**given)
    except ConfigError as error:
        error.site = checks.site
        raise


def check_order(rules: Sequence[LifecycleRule], start: str, classes: Sequence[str], checks: Checks, limit: str) -> None:
    """Refuses rules that expire an object before it moves, or move it back to a warmer class.

    Args:
        rules: of one bucket.
        start: the class objects are written with.
        classes: from warm to cold.
        checks: of the config that holds the rules.
        limit: where that is laid down.
    """
    for first in rules:
        goal = _goal(first)
        if goal is None:
            continue
        if classes.index(goal) <= classes.index(start):
            raise checks.conflict(
                f'moves objects to "{goal}", which is no colder than "{start}" that they have',
                limit=limit,
                fix="drop that rule, or move to a colder class",
            )
        for second in rules:
            if second is first or not overlap(first, second):
                continue
            later = _goal(second)
            if later is None and second.days <= first.days:
                raise checks.conflict(
                    f'expires objects after {second.days} days, before they move to "{goal}" after {first.days}',
                    limit=limit,
                    fix="let them expire later than they move, or drop the transition",
                )
            if later is not None and second.days >= first.days and classes.index(later) <= classes.index(goal):
                raise checks.conflict(
                    f'moves objects to "{goal}" after {first.days} days, and to "{later}" after {second.days}',
                    limit=limit,
                    fix="move to colder classes as days pass, each once",
                )


def _goal(rule: LifecycleRule) -> str | None:
    goal: str | None = getattr(rule, "transition", None)
    return goal


def overlap(first: LifecycleRule, second: LifecycleRule) -> bool:
    """Whether there may be objects that both rules are for."""
    return first.prefix.startswith(second.prefix) or second.prefix.startswith(first.prefix)
