"""What an object store refuses, in Glacier's words: which bucket and key, the service's own code, what to do."""

from __future__ import annotations

import re
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

from glacier.errors import AccessDenied, ObjectNotFound, StorageError

Verb = Literal["read", "write", "list", "delete", "copy"]

_NO_BUCKET = frozenset({"NoSuchBucket", "ContainerNotFound", "ContainerBeingDeleted"})
_EXPIRED = frozenset({"ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired"})
_SKEWED = frozenset({"RequestTimeTooSkewed", "RequestExpired"})
_ELSEWHERE = frozenset({
    "PermanentRedirect", "AuthorizationHeaderMalformed", "IncorrectEndpoint", "IllegalLocationConstraintException",
})  # fmt: skip
_UNKNOWN = frozenset({
    "InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidToken", "AuthenticationFailed", "InvalidSecurity",
    "InvalidAuthenticationInfo", "NoAuthenticationInformation", "AuthenticationRequired",
})  # fmt: skip
_OVERWRITTEN = frozenset({"PreconditionFailed", "ConditionNotMet", "412"})
_THROTTLED = frozenset({"SlowDown", "ServerBusy", "TooManyRequests", "RequestLimitExceeded", "Throttling"})


@dataclass(frozen=True)
class Asked:
    """What was asked of a store.

    Attributes:
        service: as people know it: "S3".
        container: the bucket's name there.
        uri: of what the request was about.
        verb: what was to be done with it.
        seconds: for how long a silent server is waited for, each time.
        credentials: where this service's credentials are looked for, in a sentence.
    """

    service: str
    container: str
    uri: str
    verb: Verb
    seconds: float
    credentials: str


@contextmanager
def told(asked: Asked) -> Generator[None]:
    """Turns what the client library raises into Glacier's errors. The library's text may hold signed addresses.

    Raises:
        StorageError: naming service, bucket, object, what was asked, the tries and the service's own code.
        ObjectNotFound: if an object is not there.
        AccessDenied: if the credentials are known and do not allow it.
    """
    from obstore.exceptions import BaseError

    try:
        yield
    except (BaseError, FileNotFoundError) as error:
        raise fault(asked, error) from None


def fault(asked: Asked, error: Exception) -> StorageError:
    """Gives the error for what the client library raised.

    >>> asked = Asked("S3", "raw", "s3://raw/a.csv", "read", 60, "in the environment")
    >>> print(fault(asked, RuntimeError("... <Code>RequestTimeTooSkewed</Code> ...")))
    S3 refused to read `s3://raw/a.csv` (RequestTimeTooSkewed): this machine's clock is wrong
      Fix: set the clock, by NTP say; signatures hold for 15 minutes
    """
    text = str(error)
    code = _code_in(text)
    what, fix = _reason(asked, text, code)
    message = f"{asked.service} refused to {asked.verb} `{asked.uri}`{_detail(text, code)}: {what}"
    if isinstance(error, FileNotFoundError) and code not in _NO_BUCKET:
        return ObjectNotFound(f"nothing at `{asked.uri}`", fix="write the data first, or correct the path")
    return (AccessDenied if what == _denied(asked) else StorageError)(message, fix=fix)


def _reason(asked: Asked, text: str, code: str) -> tuple[str, str]:
    if code in _NO_BUCKET:
        return (
            f"there is no bucket `{asked.container}`",
            "create it, or correct its name; a name with existing=True is taken as it is, without prefix",
        )
    if code in _EXPIRED:
        return "the credentials have expired", "sign in again, or let the environment renew them"
    if code in _SKEWED:
        return "this machine's clock is wrong", "set the clock, by NTP say; signatures hold for 15 minutes"
    if code in _ELSEWHERE:
        region = re.search(r"<Region>([\w-]+)</Region>|expecting '([\w-]+)'", text)
        there = (region[1] or region[2]) if region else ""
        return f"bucket `{asked.container}` is in another region", f'pass region="{there}" to the provider'
    if "169.254.169.254" in text or "metadata.google" in text or "token request" in text.lower():
        return "no credentials were found", f"set them: they are looked for {asked.credentials}"
    if code in _UNKNOWN or "Unauthenticated" in text or "401" in code:
        return "it does not know the credentials", f"check them: they are looked for {asked.credentials}"
    if code == "403" or re.search(r"AccessDenied|Forbidden|AuthorizationFailure|PermissionMismatch|\b403\b", text):
        return (
            _denied(asked),
            f"allow this process's identity to {asked.verb} objects of `{asked.container}`",
        )
    if code in _OVERWRITTEN:
        return "it was overwritten while it was read", "try again, or let this task wait for the one that writes it"
    if re.search(r"timed out|TimedOut|Timeout\b", text):
        return (
            f"no answer within {asked.seconds:g} seconds",
            "try again; if the network is slow, pass timeout=... (seconds) to the provider",
        )
    if code in _THROTTLED or code == "429":
        return "it is asked too often", "run fewer tasks at once (max_workers=), or spread the keys over prefixes"
    if re.search(r"error sending request|[Cc]onnect|dns error|tcp", text):
        return "it cannot be reached", "check the network, and endpoint_url= of the provider if it is set"
    return "it could not do it", "try again; if it stays, look the code up in the service's documentation"


def _denied(asked: Asked) -> str:
    return f"the credentials do not allow it to {asked.verb} there"


def _code_in(text: str) -> str:
    """Gives the service's own code, else the HTTP status, else nothing."""
    named = re.search(r"<Code>(\w+)</Code>", text) or re.search(r"status code: (\d{3})", text)
    return named[1] if named else ""


def _detail(text: str, code: str) -> str:
    tries = re.search(r"after (\d+) retries", text)
    parts = [code] if code else []
    if tries and int(tries[1]):
        parts.append(f"{int(tries[1]) + 1} tries")
    return f" ({', '.join(parts)})" if parts else ""
