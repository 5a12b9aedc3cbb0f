"""What must be permitted for what is done, to the key; and grants brought to the fewest places that hold them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from glacier.accesses import Access
from glacier.blueprint import Because
from glacier.deployment.needs import DeclaredBucket, DeclaredFunction, Grant, Keys, Verb
from glacier.providers.leftovers import PREFIX
from glacier.resources import paths
from glacier.resources.bucket import Bucket

Reasons = dict[Keys, tuple[Because, ...]]
"""Places in one bucket, each with who needs it."""
WHOLE_TREE: frozenset[Verb] = frozenset(("read", "list", "write", "delete"))
"""All that can be done with objects below a prefix."""


def needed(bucket: Bucket, access: Access) -> Iterator[tuple[frozenset[Verb], Keys]]:
    """Gives what must be permitted for an access, as Glacier's own requests to stores are.

    A missing object is told from a forbidden one only by those who may list, so a reader may list just that name.
    """
    path = bucket.path
    below = path.endswith("/") or paths.is_glob(path)
    folder = paths.folder(path)
    if below:
        verbs: set[Verb] = set()
        if access.reads:
            verbs |= {"read", "list"}
        if access.removes:  # of a glob, what a writer has noted is read too
            verbs |= {"read", "list", "delete"} if paths.is_glob(path) else {"list", "delete"}
        elif access.writes:  # a tree is written beside, copied into its place, and the old one deleted
            verbs |= WHOLE_TREE
        yield frozenset(verbs), Keys(folder, below=True)
        return
    verbs = set()
    if access.reads:
        verbs |= {"read", "list"}
    if access.writes and not access.removes:
        verbs.add("write")
    if "delete" in access.besides:
        verbs |= {"read", "list", "delete"}
        yield frozenset(("list", "delete")), Keys(f"{path}/", below=True)
    if "copy" in access.besides and bucket.store.copies_beside:
        yield WHOLE_TREE, Keys(f"{folder}{PREFIX}", below=True)
        verbs |= {"read"} if bucket.store.copies_later else set()
    yield frozenset(verbs), Keys(path)


def merged(grants: Iterable[Grant]) -> Iterator[Grant]:
    """Gives one grant for each place, with all that is done there, sorted by target and keys."""
    found: dict[tuple[str, str, Keys], Grant] = {}
    for grant in grants:
        kind = "function" if isinstance(grant.target, DeclaredFunction) else "bucket"
        key = (kind, grant.target.physical, grant.keys)
        known = found.get(key)
        if known is not None:
            because = together(known.because, grant.because)
            grant = Grant(grant.target, known.verbs | grant.verbs, grant.keys, because)  # noqa: PLW2901
        found[key] = grant
    yield from (found[key] for key in sorted(found))


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
