"""What makes a resource's method a node of the body that calls it."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from typing import Any, TypeVar, cast

from glacier.annotations import UNKNOWN
from glacier.graph import Resource
from glacier.permits import require
from glacier.rehearsal import rehearsed
from glacier.trace import current_plan
from glacier.work import StorageCall

M = TypeVar("M", bound=Callable[..., Any])


def storage_node(*, reads: bool = False, writes: bool = False, gives: str | None = None) -> Callable[[M], M]:
    """Makes a resource's method one that, called in a body that is being planned, becomes a node instead.

    Args:
        reads: whether the method reads what the resource stands for.
        writes: whether it changes it.
        gives: which of Polars' frames it returns, if one.
    """

    def decorate(method: M) -> M:
        @functools.wraps(method)
        def call(self: object, *args: object, **kwargs: object) -> object:
            plan = current_plan()
            verb = method.__name__
            if plan is None:
                require(cast("Resource", self), verb, reads=reads, writes=writes)
                rehearsal = rehearsed()
                if rehearsal is None:
                    return method(self, *args, **kwargs)
                return rehearsal.call(cast("Resource", self), verb, args, kwargs)
            annotation = getattr(sys.modules.get("polars"), gives, UNKNOWN) if gives else UNKNOWN
            work = StorageCall(method, f"{getattr(self, 'name', 'resource')}.{verb}", verb, reads, writes, annotation)
            return plan.record(work, (self, *args), kwargs, sys._getframe(1))

        return cast("M", call)

    return decorate
