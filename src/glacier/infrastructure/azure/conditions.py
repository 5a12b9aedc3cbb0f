"""Conditions of role assignments: on which blobs of a container an identity may do what its role has.

A condition is asked for every action of the role. It lets an action pass that it does not speak of, so each of its
parts speaks of one action, and all parts must hold. (Azure RBAC: role assignment condition format)
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from glacier.deployment.needs import DeclaredBucket, Keys
from glacier.errors import UnsupportedError

BLOBS = "Microsoft.Storage/storageAccounts/blobServices/containers/blobs"
READ, WRITE, DELETE = f"{BLOBS}/read", f"{BLOBS}/write", f"{BLOBS}/delete"

_LONGEST = 8192
"""Bytes of a condition. (Azure RBAC: limits)"""
_LISTING = "SubOperationMatches{'Blob.List'}"
_PATH, _PREFIX = f"@Resource[{BLOBS}:path]", f"@Request[{BLOBS}:prefix]"


def read_condition(bucket: DeclaredBucket, read: Sequence[Keys], listed: Sequence[Keys]) -> str | None:
    """Gives the condition of a role that reads and lists, which are one action in Azure; None if it may all.

    A list is asked for by a prefix. Of one key, what lies below it may be listed: that is how a run tells a blob that
    is missing from a directory.

    Raises:
        UnsupportedError: Azure has no such condition.
    """
    return _joined(
        bucket,
        _part(bucket, f"ActionMatches{{'{READ}'}} AND NOT {_LISTING}", _PATH, read),
        _part(bucket, f"ActionMatches{{'{READ}'}} AND {_LISTING}", _PREFIX, [listing(keys) for keys in listed]),
    )


def path_condition(bucket: DeclaredBucket, action: str, keys: Sequence[Keys]) -> str | None:
    """Gives the condition of a role that writes or deletes; None if it may anything in the container.

    Raises:
        UnsupportedError: Azure has no such condition.
    """
    return _joined(bucket, _part(bucket, f"ActionMatches{{'{action}'}}", _PATH, keys))


def listing(keys: Keys) -> Keys:
    """Gives the prefix by which what is granted is listed.

    >>> str(listing(Keys("2024/may.parquet"))), str(listing(Keys("2024/", below=True)))
    ('2024/may.parquet/', '2024/*')
    """
    return keys if keys.below else Keys(f"{keys.path}/")


def _part(bucket: DeclaredBucket, action: str, attribute: str, keys: Sequence[Keys]) -> str | None:
    """Gives what must hold of one action: that it is another one, or that the blob is one of those. None if any is."""
    if any(one.below and not one.path for one in keys):
        return None
    comparisons = [f"{attribute} {told}" for told in _told(bucket, keys)]
    if not comparisons:
        return f"(!({action}))"
    return f"((!({action})) OR ({' OR '.join(comparisons)}))"


def _told(bucket: DeclaredBucket, keys: Iterable[Keys]) -> list[str]:
    """Gives at most two comparisons, since Azure wants brackets between three."""
    for one in keys:
        if "'" in one.path:
            raise UnsupportedError(
                f"Azure cannot grant `{one}` of bucket `{bucket.name}`: conditions hold no quotation mark",
                site=bucket.site,
                fix="give the blob a path without it",
            )
    exact = [one.path for one in keys if not one.below]
    below = [one.path for one in keys if one.below]
    found: list[str] = []
    if exact:
        found.append(
            f"StringEquals '{exact[0]}'" if len(exact) == 1 else f"ForAnyOfAnyValues:StringEquals {_set(exact)}"
        )
    if len(below) == 1:
        found.append(f"StringStartsWith '{below[0]}'")
    elif below:
        found.append(f"ForAnyOfAnyValues:StringLike {_set(f'{_escaped(one)}*' for one in below)}")
    return found


def _set(values: Iterable[str]) -> str:
    return "{" + ", ".join(f"'{value}'" for value in values) + "}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("*", "\\*").replace("?", "\\?")


def _joined(bucket: DeclaredBucket, *parts: str | None) -> str | None:
    condition = " AND ".join(part for part in parts if part is not None)
    if len(condition.encode()) > _LONGEST:
        raise UnsupportedError(
            f"Azure cannot grant an identity so many keys of bucket `{bucket.name}` one by one: the condition would "
            f"have {len(condition.encode()):,} bytes, and it takes {_LONGEST:,}",
            site=bucket.site,
            fix="keep them below one prefix, and declare the bucket with that path",
        )
    return condition or None
