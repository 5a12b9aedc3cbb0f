"""HTTP without a client library: one request that is over by a deadline, and what an answer says of the next one."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from urllib.request import Request


@dataclass(frozen=True, slots=True)
class Answer:
    """What a service answered; header names are lower-case, and what comes several times is joined by commas."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def send(request: Request, end: float) -> Answer:
    """Sends a request and reads all of the answer, whatever its status; follows no redirect, which could leak a token.

    Args:
        request: to an http or https address.
        end: when it must be over, on the monotonic clock.

    Raises:
        TimeoutError: it was not over by then.
        OSError: the server cannot be reached, or hung up.
    """
    from http.client import HTTPException
    from urllib.error import HTTPError, URLError
    from urllib.request import HTTPRedirectHandler, build_opener

    class Stay(HTTPRedirectHandler):
        def redirect_request(self, req: object, fp: object, code: int, msg: str, headers: object, newurl: str) -> None:
            del req, fp, code, msg, headers, newurl

    try:
        try:
            response: Any = build_opener(Stay).open(request, timeout=max(0.1, end - time.monotonic()))
        except HTTPError as error:
            response = error
        with response:
            pieces: list[bytes] = []
            while piece := response.read1(1 << 20):
                pieces.append(piece)
                if time.monotonic() > end:
                    raise TimeoutError
            headers: dict[str, str] = {}
            for name, value in response.headers.items():
                before = headers.get(name.lower())
                headers[name.lower()] = value if before is None else f"{before}, {value}"
            return Answer(response.status, headers, b"".join(pieces))
    except URLError as error:
        if isinstance(error.reason, OSError):
            raise error.reason from None
        raise OSError(str(error.reason)) from None
    except HTTPException as error:
        raise ConnectionError(type(error).__name__) from None


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Gives for how many seconds a service asks not to be asked again; None if it does not say.

    Args:
        headers: of its answer; names are lower-case.

    >>> retry_after({"retry-after": "7"}), retry_after({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"})
    (7.0, 0.0)
    """
    text = headers.get("retry-after", "").strip()
    if text.isdecimal():
        return float(text)
    from email.utils import parsedate_to_datetime

    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - time.time())
    except ValueError:
        return None
