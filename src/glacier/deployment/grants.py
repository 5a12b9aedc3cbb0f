"""Grants brought to the fewest places: what lies in another place that is granted anyway is not granted again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from glacier.blueprint import Because
from glacier.deployment.needs import DeclaredBucket, DeclaredFunction, Grant, Keys, Verb

Reasons = dict[Keys, tuple[Because, ...]]
"""Places in one bucket, each with who needs it."""


def on_buckets(grants: Iterable[Grant]) -> list[tuple[DeclaredBucket, Verb, Reasons]]:
    """Gives what is done to objects, for each bucket and verb the fewest places; sorted by both."""
    wanted: dict[tuple[str, Verb], Reasons] = {}
    buckets: dict[str, DeclaredBucket] = {}
    for grant in grants:
        if isinstance(grant.target, DeclaredFunction):
            continue
        buckets[grant.target.physical] = grant.target
        for verb in grant.verbs:
            keys = wanted.setdefault((grant.target.physical, verb), {})
            keys[grant.keys] = together(keys.get(grant.keys, ()), grant.because)
    return [(buckets[name], verb, least(wanted[name, verb])) for name, verb in sorted(wanted)]


def on_functions(grants: Iterable[Grant]) -> list[tuple[DeclaredFunction, tuple[Because, ...]]]:
    """Gives the functions that are invoked, each with who does so; sorted by name."""
    invoked: dict[str, tuple[DeclaredFunction, tuple[Because, ...]]] = {}
    for grant in grants:
        if isinstance(grant.target, DeclaredFunction):
            _, before = invoked.get(grant.target.name, (None, ()))
            invoked[grant.target.name] = (grant.target, together(before, grant.because))
    return [invoked[name] for name in sorted(invoked)]


def least(keys: Mapping[Keys, tuple[Because, ...]], implied: Iterable[Keys] = ()) -> Reasons:
    """Gives the fewest keys that hold all of them, sorted.

    Args:
        keys: each with who needs it.
        implied: what is granted anyway.

    >>> least({Keys("2024/may.parquet"): (), Keys("2024/", below=True): ()})
    {Keys(path='2024/', below=True): ()}
    """
    found: Reasons = {}
    granted = [*implied]
    for one in sorted(keys, key=lambda each: (not each.below, len(each.path), each.path)):
        if any(holds(other, one) for other in granted):
            continue
        holder = next((other for other in found if holds(other, one)), one)
        found[holder] = together(found.get(holder, ()), keys[one])
    return {one: found[one] for one in sorted(found)}


def holds(outer: Keys, inner: Keys) -> bool:
    """Whether all objects of one place are in another."""
    return outer == inner or (outer.below and inner.path.startswith(outer.path))


def together(*several: tuple[Because, ...]) -> tuple[Because, ...]:
    """Gives several lists of reasons as one, each reason once."""
    return tuple(dict.fromkeys(one for because in several for one in because))
