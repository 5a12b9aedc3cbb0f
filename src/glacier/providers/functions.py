"""Functions in a cloud: asked over HTTP with a time limit, and what goes wrong told in Glacier's words."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol, cast

from glacier.errors import FunctionError
from glacier.providers.plain_http import Answer, retry_after, send
from glacier.providers.settings import physical
from glacier.resources.host import Invocation, Limit

_TRIES = 4
"""Of an invocation that has surely not begun: refused as one too many, or never sent."""
_MOST_LINES = 30
_TICK = 0.1
"""Seconds before the time limit in which a timeout is that limit's; one that comes earlier is the network's."""


class Service(Protocol):
    """What differs between the clouds.

    Attributes:
        title: the service as people know it: "Lambda".
        credentials: where credentials are looked for, in words that follow "they are looked for".
    """

    title: ClassVar[str]
    credentials: ClassVar[str]

    @property
    def provider(self) -> str:
        """The provider's name."""
        ...

    @property
    def timeout(self) -> float:
        """For how many seconds a silent server is waited for, beyond what the function itself may take."""
        ...

    def refusal(self, name: str) -> tuple[str, str] | None:
        """Why the cloud cannot have a function of this name, and the fix; None if it can."""
        ...

    def address(self, name: str) -> str:
        """Where the function is called."""
        ...

    def limit(self, *, wait: bool) -> Limit:
        """How long a payload may be."""
        ...

    def headers(self, invocation: Invocation, address: str) -> Mapping[str, str]:
        """What is sent with a payload, so that the service knows who sends it.

        Raises:
            FunctionError: there are no credentials, or the service has no such invocation.
        """
        ...

    def failed(self, answer: Answer) -> bool:
        """Whether the function itself failed, so that the body tells of its exception."""
        ...


class _Limits(Protocol):
    @property
    def timeout(self) -> int: ...


@dataclass(frozen=True)
class CloudFunctions:
    """A cloud's functions, of one config."""

    service: Service
    given: _Limits | None = field(default=None, compare=False)
    declarer: Any = field(default=None, compare=False, repr=False)

    @property
    def provider(self) -> str:
        """The provider's name."""
        return self.service.provider

    @property
    def config(self) -> object:
        """The config of this cloud."""
        return self.given

    def physical(self, name: str) -> str:
        """Gives the name with prefix and environment."""
        return physical(self.declarer.name_prefix, name, self.declarer.environment)

    def uri(self, name: str) -> str:
        """Gives the address."""
        return self.service.address(name)

    def refusal(self, name: str) -> tuple[str, str] | None:
        """Refuses what the cloud does."""
        return self.service.refusal(name)

    def limit(self, *, wait: bool) -> Limit:
        """Gives the cloud's."""
        return self.service.limit(wait=wait)

    def invoke(self, invocation: Invocation) -> bytes:
        """Sends the payload and gives the answer; again only where the function has surely not begun."""
        from urllib.request import Request

        longest = self.given.timeout if self.given is not None and invocation.wait else 900 if invocation.wait else 0
        end = time.monotonic() + longest + self.service.timeout
        address = self.service.address(invocation.function.name)
        for left in reversed(range(_TRIES)):
            headers = {"Content-Type": "application/json", **self.service.headers(invocation, address)}
            try:
                request = Request(address, invocation.payload, headers, method="POST")  # noqa: S310  # checked to be http
                answer = send(request, end)
            except OSError as error:
                if isinstance(error, TimeoutError) and time.monotonic() > end - _TICK:
                    raise self._refused(
                        invocation, f"gave no answer within {longest + self.service.timeout:g} seconds",
                        "look at its log in the cloud; pass timeout=... (seconds) to the provider if the network is "
                        "slow",
                    ) from None  # fmt: skip
                if _never_sent(error) and left:
                    _pause(left, None, end)
                    continue
                raise self._refused(
                    invocation, f"cannot be reached ({type(error).__name__})",
                    f"check the network, and that there is a function at {address.partition('?')[0]}",
                ) from None  # fmt: skip
            if answer.status == 429 and left and time.monotonic() < end:
                _pause(left, retry_after(answer.headers), end)
                continue
            return self._judged(invocation, answer)
        raise AssertionError

    def _judged(self, invocation: Invocation, answer: Answer) -> bytes:
        if self.service.failed(answer):
            raise _own_failure(invocation, answer)
        if 200 <= answer.status < 300:
            return answer.body if invocation.wait else b""
        code = _code(answer)
        told = f"{answer.status} {code}".strip()
        what, fix = self._reason(answer.status, code, invocation)
        raise self._refused(invocation, f"was refused by {self.service.title} ({told}): {what}", fix)

    def _reason(self, status: int, code: str, invocation: Invocation) -> tuple[str, str]:
        looked_for = f"check the credentials: they are looked for {self.service.credentials}"
        match status:
            case _ if "Expired" in code:
                return "the credentials have expired", "sign in again, or let the environment renew them"
            case _ if code in ("UnrecognizedClientException", "InvalidSignatureException", "InvalidClientTokenId"):
                return "it does not know the credentials", looked_for
            case 401:
                return "it does not know the credentials", looked_for
            case 403:
                name = invocation.function.name
                return "the credentials do not allow it", f"allow this process's identity to invoke function `{name}`"
            case 404:
                return "there is no such function", "create it, or correct its name, name_prefix= and region"
            case 413:
                return "the payload is too long", "write it to a bucket, and pass where"
            case 429:
                return "it is asked too often", "run fewer tasks at once (max_workers=), or raise its concurrency"
            case 408 | 504:
                return "it ran longer than its timeout", "write a larger timeout= in its config, or give it less to do"
            case _:
                return "it could not do it", "look at its log in the cloud, and try again"

    def _refused(self, invocation: Invocation, what: str, fix: str) -> FunctionError:
        function = invocation.function
        return FunctionError(f"function `{function.name}` ({function.handler}) {what}", function=function.name, fix=fix)


def in_place(template: str, name: str) -> str:
    """Gives the address of a function where functions have one of their own.

    >>> in_place("https://{name}-acme.run.app", "sums"), in_place("http://localhost:8080/", "sums")
    ('https://sums-acme.run.app', 'http://localhost:8080/sums')
    """
    return template.replace("{name}", name) if "{name}" in template else f"{template.rstrip('/')}/{name}"


def _never_sent(error: OSError) -> bool:
    from socket import gaierror

    return isinstance(error, ConnectionRefusedError | gaierror)


def _pause(left: int, asked: float | None, end: float) -> None:
    """Waits before another try: as long as the service asks, else longer each time; never beyond the end."""
    seconds = asked if asked is not None else 0.2 * 2 ** (_TRIES - left) * random.uniform(0.5, 1)  # noqa: S311  # no secret
    time.sleep(max(0.0, min(seconds, end - time.monotonic())))


def _own_failure(invocation: Invocation, answer: Answer) -> FunctionError:
    """Gives the error of a function's own exception, as Lambda tells it: type, message, stack trace."""
    try:
        told: object = json.loads(answer.body)
    except ValueError:
        told = None
    found = cast("dict[str, object]", told) if isinstance(told, dict) else {}
    raised, message = str(found.get("errorType") or ""), str(found.get("errorMessage") or "")
    lines = cast("list[object]", trace) if isinstance(trace := found.get("stackTrace"), list) else []
    shown = [f"    {line}" for one in lines for line in str(one).rstrip().splitlines()][-_MOST_LINES:]
    first = f"raised {raised or 'an exception'}" + (f": {message}" if message else "")
    function = invocation.function
    fix = "correct the handler, or what it is given as payload; its log in the cloud tells more"
    if raised == "Sandbox.Timedout":
        first, fix = "ran longer than its timeout", "write a larger timeout= in its config, or give it less to do"
    elif raised == "Runtime.OutOfMemory" or (raised == "Runtime.ExitError" and "signal: killed" in message):
        first, fix = "ran out of memory", "write a larger memory= in its config, or hold less at once"
    text = "\n".join([f"function `{function.name}` ({function.handler}) {first}", *shown])
    return FunctionError(text, function=function.name, raised=raised, fix=fix)


def _code(answer: Answer) -> str:
    """Gives the service's own code, which holds no secret; nothing else of the body is shown."""
    named = answer.headers.get("x-amzn-errortype", "").partition(":")[0]
    return named if named.isalnum() else ""
