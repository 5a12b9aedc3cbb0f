"""Credentials of Google that its own library, google-auth, makes tokens of: the store's client cannot use them."""

from __future__ import annotations

import json
import os
import warnings
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache, partial
from importlib import import_module
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, cast

from glacier.errors import MissingExtra, StorageError

if TYPE_CHECKING:
    from obstore.store import GCSCredential

_SCOPE = "https://www.googleapis.com/auth/devstorage.read_write"
_OTHERS = ("GOOGLE_SERVICE_ACCOUNT", "GOOGLE_SERVICE_ACCOUNT_PATH", "GOOGLE_SERVICE_ACCOUNT_KEY")
"""Variables by which the store's client has credentials that Google's library does not look at: not to be mixed up."""
_KINDS = ("external_account", "external_account_authorized_user", "impersonated_service_account")
"""Of files: workload and workforce identity federation, and a service account that somebody acts as."""

_looking = Lock()


@dataclass(frozen=True)
class GoogleCredentials:
    """Gives tokens in the forms that Polars and the client library ask for. Pickled or printed, it holds none.

    Attributes:
        timeout: of a request for a token, in seconds.

    >>> GoogleCredentials(timeout=60)
    GoogleCredentials(timeout=60)
    """

    timeout: float

    def __call__(self) -> tuple[dict[str, str], int | None]:
        """Gives a token as Polars takes it, with the second at which it expires; raises what `token` does."""
        text, until = token(self.timeout)
        return {"bearer_token": text}, int(until.timestamp()) if until else None

    def for_client(self) -> GCSCredential:
        """Gives a token as the client library takes it; raises what `token` does."""
        text, until = token(self.timeout)
        return {"token": text, "expires_at": until}


def credentials_in_use(timeout: float) -> GoogleCredentials | None:
    """Gives what makes tokens of the credentials of this machine; None where the store's client can use them itself."""
    if any(os.environ.get(name) for name in _OTHERS):
        return None
    given = os.environ.get("GOOGLE_APPLICATION_CREDENTIALS")
    file = Path(given or Path.home() / ".config/gcloud/application_default_credentials.json")
    try:
        content: object = json.loads(file.read_text("utf-8"))
    except (OSError, ValueError):
        return None  # the client tells what is wrong with it
    kind = cast("dict[str, object]", content).get("type") if isinstance(content, dict) else None
    return GoogleCredentials(timeout) if kind in _KINDS else None


def token(timeout: float) -> tuple[str, datetime | None]:
    """Gives an access token for Cloud Storage, with when it expires.

    Args:
        timeout: of each request, in seconds.

    Raises:
        MissingExtra: google-auth is not installed.
        StorageError: it finds no credentials, or no token is given for them.
    """
    if any(os.environ.get(name) for name in _OTHERS):
        raise StorageError("the credentials of this machine are not among those that Google's library looks at")
    try:
        transport: Any = import_module("google.auth.transport.requests")  # which says little of its types
        refused: type[Exception] = import_module("google.auth.exceptions").GoogleAuthError
    except ImportError:
        raise MissingExtra(
            "Google's credentials of this kind need Google's own library, which is not installed",
            fix="pip install 'glacier-pipelines[gcp]'",
        ) from None
    with _looking:
        try:
            credentials = _found(os.environ.get("GOOGLE_APPLICATION_CREDENTIALS"))
            if not credentials.valid:
                credentials.refresh(partial(transport.Request(), timeout=timeout))
        except (OSError, refused) as error:
            raise StorageError(
                f"Google gives no token for the credentials of this machine ({type(error).__name__})",
                fix="check GOOGLE_APPLICATION_CREDENTIALS, or `gcloud auth application-default login`",
            ) from None
        until: datetime | None = credentials.expiry
        return str(credentials.token), until.replace(tzinfo=UTC) if until else None


@lru_cache(maxsize=4)
def _found(file: str | None) -> Any:
    """Gives the credentials of this machine, looked for once for each file that the environment names.

    Where there are none, what it gives fails when it is used, each time: to look may take seconds.
    """
    del file
    google_auth: Any = import_module("google.auth")
    refused: type[Exception] = import_module("google.auth.exceptions").GoogleAuthError
    try:
        with warnings.catch_warnings(action="ignore"):  # of a person's own credentials, say
            return google_auth.default(scopes=[_SCOPE])[0]
    except (OSError, refused) as error:
        return _NoCredentials(error)


class _NoCredentials:
    """Credentials that are none."""

    valid = False

    def __init__(self, reason: Exception) -> None:
        self._reason = reason

    def refresh(self, session: object) -> None:
        del session
        raise self._reason
