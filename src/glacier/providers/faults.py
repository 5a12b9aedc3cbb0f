"""What an object store refuses, in Glacier's words: which bucket and key, the service's own code, what to do."""

from __future__ import annotations

import re
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

from glacier.errors import AccessDenied, ObjectNotFound, StorageError
from glacier.providers.plain_http import retry_after

Verb = Literal["read", "write", "list", "delete", "copy"]
Kind = Literal["final", "passing", "throttled"]

_NO_BUCKET = frozenset({"NoSuchBucket", "ContainerNotFound", "ContainerBeingDeleted"})
_EXPIRED = frozenset({"ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired"})
_SKEWED = frozenset({"RequestTimeTooSkewed", "RequestExpired"})
_ELSEWHERE = frozenset({
    "PermanentRedirect", "TemporaryRedirect", "AuthorizationHeaderMalformed", "IncorrectEndpoint",
    "IllegalLocationConstraintException", "301", "307",
})  # fmt: skip
_UNKNOWN = frozenset({
    "InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidToken", "AuthenticationFailed", "InvalidSecurity",
    "InvalidAuthenticationInfo", "NoAuthenticationInformation", "AuthenticationRequired", "InvalidAuthentication",
    "401",
})  # fmt: skip
_DENIED = frozenset({
    "AccessDenied", "AllAccessDisabled", "AccountProblem", "Forbidden", "UserProjectAccountProblem",
    "AuthorizationFailure", "AuthorizationPermissionMismatch", "AuthorizationProtocolMismatch",
    "AuthorizationSourceIPMismatch", "InsufficientAccountPermissions", "403",
})  # fmt: skip
_ENDED = frozenset({"NoSuchUpload", "InvalidPart", "InvalidBlockList"})
"""What the second request to complete an upload is told; the answer to the first may have been lost."""
_OVERWRITTEN = frozenset({"PreconditionFailed", "ConditionNotMet", "412"})
_ARCHIVED = frozenset({"InvalidObjectState", "BlobArchived", "BlobBeingRehydrated"})
_CHANGED = "it was overwritten while it was read", "try again, or let this task wait for the one that writes it"
_THROTTLED = frozenset({
    "SlowDown", "ServerBusy", "TooManyRequests", "RequestLimitExceeded", "RequestThrottled", "Throttling",
    "ThrottlingException", "429",
})  # fmt: skip
_AWAY = frozenset({"ServiceUnavailable", "503"})
_PASSING = frozenset({
    "InternalError", "OperationTimedOut", "RequestTimeout", "BadGateway", "408", "500", "502", "504",
})  # fmt: skip
_METADATA = re.compile(r"169\.254\.\d+\.\d+|fd00:ec2::|metadata\.google")
_DETAIL = {
    # Azure tells most refusals of credentials by one code, and Google's tokens by none: what tells them apart is text.
    "ExpiredToken": r"token is expired|not valid in the specified time frame|[Ss]igned expiry time|expired or revoked"
    r"|invalid_rapt|token has expired",
    "RequestTimeTooSkewed": r"date header too old|x-ms-date.{0,40}too old|short-lived token|clock skew",
}


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
    except (BaseError, OSError) as error:  # what is sent in parts raises the latter
        raise fault(asked, error) from None


def fault(asked: Asked, error: Exception, *, tries: int = 1, headers: Mapping[str, str] | None = None) -> StorageError:
    """Gives the error for what the client library raised.

    Args:
        asked: what it was doing.
        error: what it raised.
        tries: how often it was asked to.
        headers: of the service's answer, as far as they are known, by lower-case names.

    >>> asked = Asked("S3", "raw", "s3://raw/a.csv", "read", 60, "in the environment")
    >>> print(fault(asked, RuntimeError("... <Code>RequestTimeTooSkewed</Code> ...")))
    S3 refused to read `s3://raw/a.csv` (RequestTimeTooSkewed): this machine's clock is wrong
      Fix: set the clock, by NTP say; signatures hold for 15 minutes
    """
    text = str(error)
    code = _code_in(text)
    what, fix = _reason(asked, text, code, headers or {})
    message = f"{asked.service} refused to {asked.verb} `{asked.uri}`{_detail(text, code, tries)}: {what}"
    if isinstance(error, FileNotFoundError) and code not in _NO_BUCKET and asked.verb != "write":
        return ObjectNotFound(f"nothing at `{asked.uri}`", fix="write the data first, or correct the path")
    return (AccessDenied if what == _denied(asked) else StorageError)(message, fix=fix)


def overwritten(asked: Asked) -> StorageError:
    """Gives the error for an object that is no more what it was when it was listed."""
    what, fix = _CHANGED
    return StorageError(f"{asked.service} could not {asked.verb} `{asked.uri}`: {what}", fix=fix)


def kind_of(error: Exception) -> Kind:
    """Tells whether what the client library raised may be otherwise next time.

    Returns:
        "throttled" where the service itself asks for patience, "passing" for its other failures, broken connections and
        silence, "final" for all that another try cannot change.

    >>> kind_of(RuntimeError("status code: 503 Service Unavailable: <Code>SlowDown</Code>"))
    'throttled'
    >>> kind_of(RuntimeError("status code: 403 Forbidden: <Code>AccessDenied</Code>"))
    'final'
    """
    text = str(error)
    code = _code_in(text)
    status = _status_in(text)
    if _METADATA.search(text) and not status:
        return "final"  # there is no such server: this machine is in no cloud
    if code in _THROTTLED or code in _AWAY or status in ("429", "503"):
        return "throttled"
    if code in _PASSING or status in _PASSING:
        return "passing"
    if code or status or _is_redirect(text):
        return "final"
    return (
        "passing"
        if re.search(r"error sending request|body error|kind: (Timeout|Interrupted|Connect)", text)
        else "final"
    )


def may_have_succeeded(error: Exception) -> bool:
    """Tells whether a request to complete an upload may have been obeyed all the same."""
    return _code_in(str(error)) in _ENDED or kind_of(error) != "final"


def is_elsewhere(error: Exception) -> bool:
    """Tells whether a bucket is in another region, which the error does not name."""
    text = str(error)
    return (_is_redirect(text) or _code_in(text) in _ELSEWHERE) and "<Region>" not in text


def is_silent(error: Exception) -> bool:
    """Tells whether a service refused without its reason: in the answer to a HEAD request there is no place for it."""
    text = str(error)
    return (_status_in(text) in ("400", "401", "403") and "<Code>" not in text) or _is_redirect(text)


def _reason(asked: Asked, text: str, code: str, headers: Mapping[str, str]) -> tuple[str, str]:
    if code in _NO_BUCKET:
        return (
            f"there is no bucket `{asked.container}`",
            "create it, or correct its name; a name with existing=True is taken as it is, without prefix",
        )
    if code in _EXPIRED or re.search(_DETAIL["ExpiredToken"], text):
        return "the credentials have expired", "sign in again, or let the environment renew them"
    if code in _SKEWED or re.search(_DETAIL["RequestTimeTooSkewed"], text):
        return "this machine's clock is wrong", "set the clock, by NTP say; signatures hold for 15 minutes"
    if code in _ELSEWHERE or _is_redirect(text):
        return f"bucket `{asked.container}` is in another region", _other_region(text, headers)
    if code in _OVERWRITTEN:
        return _CHANGED
    if code in _ARCHIVED:
        return "it is archived", "restore it first, or read only what is not in an archive's storage class"
    return _reason_of_credentials(asked, text, code) or _reason_of_trouble(asked, text, code, headers)


def _reason_of_credentials(asked: Asked, text: str, code: str) -> tuple[str, str] | None:
    if re.search(r"\bAzureCli\b", text):
        return "the `az` command, by which somebody signed in, gives no token", "run `az login`, with `az` on PATH"
    if re.search(r"\b(Open|Decode)Credentials\b|\bInvalidAccessKey\b", text):
        return "the credentials that are set cannot be used", f"correct them: they are looked for {asked.credentials}"
    requests_token = "token request" in text.lower()
    if requests_token and _status_in(text) in ("400", "401") and not _METADATA.search(text):
        return "it does not know the credentials", f"check them: they are looked for {asked.credentials}"
    if _METADATA.search(text) or requests_token:
        return "no credentials were found", f"set them: they are looked for {asked.credentials}"
    if code in _UNKNOWN or "Unauthenticated" in text:
        return "it does not know the credentials", f"check them: they are looked for {asked.credentials}"
    if code in _DENIED or _status_in(text) == "403":
        return (
            _denied(asked),
            f"allow this process's identity to {asked.verb} objects of `{asked.container}`",
        )
    return None


def _reason_of_trouble(asked: Asked, text: str, code: str, headers: Mapping[str, str]) -> tuple[str, str]:
    if code in _THROTTLED:
        wanted = retry_after(headers)
        pause = f", and asks for a pause of {wanted:.0f} seconds" if wanted else ""
        return (
            f"it is asked too often{pause}",
            "run fewer tasks at once (max_workers=), or spread the keys over prefixes",
        )
    if code in _AWAY:
        return "it is overloaded, or out of service for now", "try again later; run fewer tasks at once (max_workers=)"
    if re.search(r"timed out|TimedOut|Timeout\b", text):
        return (
            f"no answer within {asked.seconds:g} seconds",
            "try again; if the network is slow, pass timeout=... (seconds) to the provider",
        )
    if re.search(r"body error|Interrupted", text):
        return "the connection broke in the middle of its answer", "try again; if it stays, look at the network"
    if re.search(r"error sending request|[Cc]onnect|dns error|tcp", text):
        return "it cannot be reached", "check the network, and endpoint_url= of the provider if it is set"
    return "it could not do it", "try again; if it stays, look the code up in the service's documentation"


def _denied(asked: Asked) -> str:
    return f"the credentials do not allow it to {asked.verb} there"


def _other_region(text: str, headers: Mapping[str, str]) -> str:
    found = re.search(r"<Region>([\w-]+)</Region>|expecting '([\w-]+)'", text)
    region = headers.get("x-amz-bucket-region") or (found[1] or found[2] if found else "")
    return f'pass region="{region}" to the provider' if region else "pass the bucket's own region= to the provider"


def _is_redirect(text: str) -> bool:
    return "redirect without LOCATION" in text


def _code_in(text: str) -> str:
    """Gives the service's own code, else the HTTP status, else nothing."""
    named = re.search(r"<Code>(\w+)</Code>|\(code: (\w+)\)", text)
    return named[1] or named[2] if named else _status_in(text)


def _status_in(text: str) -> str:
    found = re.search(r"status code: (\d{3})", text)
    return found[1] if found else ""


def _detail(text: str, code: str, tries: int) -> str:
    again = re.search(r"after (\d+) retries", text)
    every = tries + int(again[1]) if again else tries
    parts = [code] if code else []
    if every > 1:
        parts.append(f"{every} tries")
    return f" ({', '.join(parts)})" if parts else ""
