"""What the task that is running may do to resources: a run holds it to what its code was seen to do.

In a cloud the identity of a task has just the permissions that its access asks for; what would be refused there is
refused here. Calls outside a run, and calls of a body, are not limited.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import NamedTuple

from glacier.errors import Site, StorageError
from glacier.graph import Resource
from glacier.lease import check_lease


class Allowed(NamedTuple):
    """What may be done at one URI: a file, a folder with all in it, or a glob; and the name it goes by in the code."""

    uri: str
    reads: bool
    writes: bool
    name: str


@dataclass(frozen=True, slots=True)
class Permit:
    """What one task of a run may do; plain data, so that it can go to another process.

    Attributes:
        stated: whether `reads=` or `writes=` of the task say so, not its code alone.
        unlimited: whether nothing is known of the task's code, so that nothing is refused.
    """

    task: str
    allowed: tuple[Allowed, ...]
    stated: bool = False
    unlimited: bool = False


_acting: ContextVar[Permit | Callable[[], Permit] | None] = ContextVar("glacier_permit", default=None)

act = _acting.set
"""Says for whom the code of this context runs from now on; None where nothing is refused.

A function is called for the permit when a resource is first touched, so that other tasks pay nothing for it.
"""


def current_permit() -> Permit | None:
    """Gives the permit of the task that this context runs, if one is."""
    acting = _acting.get()
    if acting is None or isinstance(acting, Permit):
        return acting
    permit = acting()
    _acting.set(permit)
    return permit


def require(resource: Resource, verb: str, *, reads: bool = False, writes: bool = False) -> None:
    """Lets the running task do this to the resource, or refuses it. Refuses nothing where no task of a run is running.

    Args:
        resource: what is touched.
        verb: the method that was called.
        reads: whether that reads what is there.
        writes: whether it changes it. If neither, it is enough that the task was seen to be given the resource.

    Raises:
        StorageError: the task's code was not seen to do this.
        GivenUp: the run has given the task up.
    """
    check_lease()
    if _acting.get() is None:
        return
    permit = current_permit()
    if permit is None or permit.unlimited:
        return
    covering = [allowed for allowed in permit.allowed if covers(allowed.uri, resource.uri)]
    may_read = any(allowed.reads for allowed in covering)
    may_write = any(allowed.writes for allowed in covering)
    if not covering or (reads and not may_read) or (writes and not may_write):
        seen = "read it" if may_read else "write it" if may_write else "be given it"
        raise _refusal(permit, resource, verb, covering, seen, option="writes" if writes else "reads")


def covers(allowed: str, uri: str) -> bool:
    """Says whether all of `uri` lies in `allowed`.

    >>> covers("/data/raw/", "/data/raw/a.csv"), covers("/data/raw/*.csv", "/data/raw/a.csv"), covers("/a", "/ab")
    (True, True, False)
    """
    top, place = allowed.rstrip("/").removesuffix("/."), uri.rstrip("/")
    return place == top or place.startswith(top + "/") or fnmatchcase(place, top)


def _refusal(
    permit: Permit, resource: Resource, verb: str, covering: list[Allowed], seen: str, *, option: str
) -> StorageError:
    what = f"task `{permit.task}` may not `{verb}` `{resource.label}`"
    known = f"its code was only seen to {seen}" if covering else "its code was not seen to touch it"
    if permit.stated:
        known = "its reads= and writes= do not say so"
    fix = "declare the bucket in the pipeline's body, or at the top of the module, and pass it as an argument"
    if covering:
        name = covering[0].name
        fix = f'state it: @task({option}=["{name}"])' if name else f"state it: @task({option}=[the_bucket])"
    return StorageError(
        f"{what}: {known}, and in a cloud its identity would be refused", site=Site.of_caller(sys._getframe(2)), fix=fix
    )
