"""What generated statements allow, and what a deployment needs: the same questions for every cloud.

A cloud joins with a `Cloud`: how its statements are read from a blueprint, and which of its actions a verb takes. What
is needed comes from the deployment's grants alone, so that a mistake in making statements of them is seen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

from glacier.blueprint import Blueprint
from glacier.deployment.needs import Deployment, Keys, Verb


class Asked(NamedTuple):
    """What one identity asks of a cloud.

    Attributes:
        identity: by what runs under it: `stage main`, `function mail`.
        action: in the cloud's own words: `storage.objects.get`.
        place: a bucket or what else is asked for something, by its name in the cloud.
        key: of an object; of a listing, the prefix that is asked for.
    """

    identity: str
    action: str
    place: str
    key: str = ""


@dataclass(frozen=True)
class Statement:
    """One thing in a blueprint that allows something: a binding, a statement of a policy, a role assignment.

    Attributes:
        name: what it is called there.
        identity: whom it allows something.
        allows: tells of an action, a place and a key.
    """

    name: str
    identity: str
    allows: Callable[[str, str, str], bool] = field(compare=False)


class Need(NamedTuple):
    """What one identity must be able to do.

    Attributes:
        keys: to which objects; of what is no object, one without a name.
    """

    identity: str
    action: str
    place: str
    keys: Keys = Keys("")

    def covers(self, asked: Asked) -> bool:
        """Tells whether something asked is a part of this."""
        return self[:3] == asked[:3] and holds(self.keys, asked.key)


@dataclass(frozen=True)
class Cloud:
    """How one cloud permits things.

    Attributes:
        actions: that a verb takes, as the cloud documents it.
        listings: those of the actions that are asked with a prefix, not with an object's key.
        wide: actions that the cloud permits in a whole account or project only, not on one thing in it.
        statements: reads a blueprint; refuses what it cannot judge.
        besides: what is needed beyond what grants say: to start a job, to build a function.
    """

    actions: Mapping[Verb, tuple[str, ...]]
    listings: frozenset[str]
    wide: frozenset[str]
    statements: Callable[[Deployment, Blueprint], list[Statement]]
    besides: Callable[[Deployment], Iterable[Need]]


def allowed(statements: Iterable[Statement], asked: Asked) -> bool:
    """Tells whether any statement allows what is asked."""
    return any(
        one.identity == asked.identity and one.allows(asked.action, asked.place, asked.key) for one in statements
    )


@dataclass(frozen=True)
class Needs:
    """What the identities of a deployment must be able to do, and what lies beside that."""

    cloud: Cloud
    deployment: Deployment

    def __contains__(self, asked: Asked) -> bool:
        """Tells whether something is needed."""
        return any(need.covers(asked) for need in self._by_place.get(asked[:3], ()))

    @cached_property
    def all(self) -> tuple[Need, ...]:
        """Gives what the grants say, in the cloud's actions, and what is needed besides."""
        holders = {
            **{f"stage {one.name}": one.grants for one in self.deployment.stages},
            **{f"function {one.name}": one.grants for one in self.deployment.functions},
        }
        found = [
            Need(identity, action, grant.target.physical, self._asked_for(action, grant.keys))
            for identity, grants in holders.items()
            for grant in grants
            for verb in sorted(grant.verbs)
            for action in self.cloud.actions[verb]
        ]
        return tuple(dict.fromkeys([*found, *self.cloud.besides(self.deployment)]))

    @cached_property
    def on_objects(self) -> frozenset[str]:
        """Gives the actions that are asked with a key."""
        verbs: tuple[Verb, ...] = ("read", "list", "write", "delete")
        return frozenset(action for verb in verbs for action in self.cloud.actions[verb])

    def examples(self) -> Iterator[Asked]:
        """Gives of all that is needed some of each."""
        for need in self.all:
            for key in self._keys(need):
                yield Asked(need.identity, need.action, need.place, key)

    def neighbours(self) -> Iterator[Asked]:
        """Gives what lies close to what is needed, and is not: other verbs, keys, buckets, functions, identities."""
        needed = [*self.examples()]
        identities = sorted({one.identity for one in needed})
        near = {name for one in needed for name in around(one.key)}
        for action in sorted({one.action for one in needed} | self.on_objects):
            for place in self._places(action):
                for key in sorted(near) if action in self.on_objects else [""]:
                    for identity in identities:
                        if (asked := Asked(identity, action, place, key)) not in self:
                            yield asked

    def _places(self, action: str) -> list[str]:
        """Gives where an action is asked for: every place of the pipeline, and others with names close to theirs."""
        if action in self.cloud.wide:
            return sorted({need.place for need in self.all if need.action == action})
        buckets = (*self.deployment.buckets, self.deployment.records)
        places = {need.place for need in self.all} | {bucket.physical for bucket in buckets}
        return sorted(places | {f"{place}-x" for place in places} | {place[:-1] for place in places})

    @cached_property
    def _by_place(self) -> dict[tuple[str, str, str], list[Need]]:
        found: dict[tuple[str, str, str], list[Need]] = {}
        for need in self.all:
            found.setdefault(need[:3], []).append(need)
        return found

    def _keys(self, need: Need) -> list[str]:
        path = need.keys.path
        if not need.keys.below:
            return [path]
        if need.action in self.cloud.listings:
            return [path, f"{path}year=2024/"]
        return [f"{path}{name}" for name in ("0.parquet", "year=2024/0.parquet", ".glacier-1-2-3.tmp/journal")]

    def _asked_for(self, action: str, keys: Keys) -> Keys:
        """Gives the keys as an action is asked for them: of one object, what may lie below its name is listed."""
        if keys.below or action not in self.cloud.listings:
            return keys
        return Keys(f"{keys.path}/")


def holds(keys: Keys, key: str) -> bool:
    """Tells whether a key is one of some."""
    return key.startswith(keys.path) if keys.below else key == keys.path


def around(key: str) -> Iterator[str]:
    """Gives a key, and those that a careless comparison would take for it or for something below it."""
    yield key
    yield f"{key}x"
    yield f"x{key}"
    yield key[:-1]
    yield key.upper()
    bare = key.rstrip("/")
    yield from (bare, f"{bare}/", f"{bare}/x", f"{bare}-2/x", f"{bare}.old")
    parts = bare.split("/")
    for depth in range(len(parts)):
        above = "".join(f"{part}/" for part in parts[:depth])
        yield from (above, above[:-1], f"{above}other.parquet", f"{above}{parts[depth][:1]}")
