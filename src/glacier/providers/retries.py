"""Requests that are made again: what may pass is, with growing pauses, and not before the service wants it."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping
from itertools import count
from typing import TypeVar

from glacier.providers.faults import Asked, fault, is_elsewhere, kind_of
from glacier.providers.limits import IN_ALL
from glacier.providers.plain_http import retry_after

_TRIES = 7
"""Of a request that fails. One that is refused as one too many is made again until its time is over."""
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 15.0

T = TypeVar("T")


def persistently(step: Callable[[], T], asked: Asked, headers: Callable[[], Mapping[str, str]]) -> T:
    """Gives what a request to a store gives, in the end.

    Args:
        step: makes the request; may be called many times.
        asked: what it is about.
        headers: asks for the headers of the service's answer, which the client library keeps for itself.

    Raises:
        StorageError: the service refuses it, or still fails when tries or time are used up.
        ObjectNotFound: if an object is not there.
    """
    from obstore.exceptions import BaseError

    end = time.monotonic() + IN_ALL * asked.seconds
    says_when = True
    for tries in count(1):
        try:
            return step()
        except FileNotFoundError as error:
            raise fault(asked, error, tries=tries) from None
        except (BaseError, OSError) as error:  # what is sent in parts raises the latter
            kind = kind_of(error)
            known: Mapping[str, str] = headers() if (kind == "throttled" and says_when) or is_elsewhere(error) else {}
            wanted = retry_after(known)
            says_when = wanted is not None
            pause = _pause(tries, wanted)
            over = time.monotonic() + pause > end
            if kind == "final" or over or (kind == "passing" and tries == _TRIES):
                raise fault(asked, error, tries=tries, headers=known) from None
        time.sleep(pause)
    raise AssertionError


def _pause(tries: int, wanted: float | None) -> float:
    """Gives the seconds before the next try: longer each time, by chance so that many clients part, or as is wanted."""
    grown = min(_FIRST_PAUSE * 2.0 ** (tries - 1), _LONGEST_PAUSE) * random.uniform(0.5, 1)  # noqa: S311  # no secret
    return grown if wanted is None else wanted + grown * 0.1
