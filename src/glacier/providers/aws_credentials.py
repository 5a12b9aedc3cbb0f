"""Keys of a profile in the files that AWS's own tools share; read when a request needs them, and never kept."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from glacier.errors import MissingExtra, StorageError

if TYPE_CHECKING:
    from obstore.store import S3Credential

_IN_ENVIRONMENT = (
    "AWS_ACCESS_KEY_ID",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
)
_READ_AGAIN = timedelta(minutes=15)
"""For how long the keys in a file are taken to hold: tools that sign in write new ones there."""


def profile_in_use(given: str | None) -> str | None:
    """Gives the profile whose keys are to be used; None if the environment or the machine has others.

    Args:
        given: what the user asked for.
    """
    if given is not None:
        return given
    if any(os.environ.get(name) for name in _IN_ENVIRONMENT):
        return None
    named = os.environ.get("AWS_PROFILE")
    if named:
        return named
    return "default" if _section("default") else None


@dataclass(frozen=True)
class ProfileCredentials:
    """Gives the keys of a profile, in the forms that Polars and the client library ask for.

    Pickled or printed, it is the profile's name.

    Attributes:
        profile: a section of the shared files.

    >>> ProfileCredentials("sales")
    ProfileCredentials(profile='sales')
    """

    profile: str

    def __call__(self) -> tuple[dict[str, str], int | None]:
        """Gives the keys as Polars takes them, with the second at which they expire.

        Raises:
            StorageError: if the files have no such profile.
            MissingExtra: if the profile needs AWS's own library (single sign-on, a role), which is not installed.
        """
        key, secret, token, until = self._keys()
        keys = {"aws_access_key_id": key, "aws_secret_access_key": secret}
        return keys | ({"aws_session_token": token} if token else {}), int(until.timestamp()) if until else None

    def for_client(self) -> S3Credential:
        """Gives the keys as the client library takes them; raises what a call does."""
        key, secret, token, until = self._keys()
        return {"access_key_id": key, "secret_access_key": secret, "token": token, "expires_at": until}

    def _keys(self) -> tuple[str, str, str | None, datetime | None]:
        found = _section(self.profile)
        if not found:
            raise StorageError(
                f"the shared AWS files have no profile `{self.profile}`",
                fix="correct profile= (or AWS_PROFILE), or add it with `aws configure`",
            )
        if "aws_access_key_id" in found and "aws_secret_access_key" in found:
            again = datetime.now(UTC) + _READ_AGAIN
            return found["aws_access_key_id"], found["aws_secret_access_key"], found.get("aws_session_token"), again
        return _signed_in(self.profile)


def _section(profile: str) -> dict[str, str]:
    """Gives what both shared files say of a profile."""
    from configparser import ConfigParser

    home = Path.home() / ".aws"
    keys = Path(os.environ.get("AWS_SHARED_CREDENTIALS_FILE", home / "credentials"))
    settings = Path(os.environ.get("AWS_CONFIG_FILE", home / "config"))
    found: dict[str, str] = {}
    for file, section in (settings, f"profile {profile}" if profile != "default" else profile), (keys, profile):
        parser = ConfigParser(interpolation=None)
        parser.read(file, encoding="utf-8")
        if parser.has_section(section):
            found |= dict(parser.items(section))
    known = ("aws_access_key_id", "sso_session", "sso_start_url", "role_arn", "credential_process", "source_profile")
    return found if any(name in found for name in known) else {}


def _signed_in(profile: str) -> tuple[str, str, str | None, datetime | None]:
    """Gives the keys that AWS's own library gets for a profile: single sign-on, a role, a process."""
    try:
        boto3: Any = import_module("boto3")  # which says nothing of its types
    except ImportError:
        raise MissingExtra(
            f"profile `{profile}` signs in through AWS's own library, which is not installed", fix="pip install boto3"
        ) from None
    refused: type[Exception] = import_module("botocore.exceptions").BotoCoreError
    fix = f"sign in: `aws sso login --profile {profile}`, say"
    try:
        keys = boto3.Session(profile_name=profile).get_credentials()
        if keys is None:
            raise StorageError(f"profile `{profile}` gives no keys", fix=fix)
        frozen = keys.get_frozen_credentials()
    except refused as error:
        raise StorageError(f"profile `{profile}` gives no keys ({type(error).__name__})", fix=fix) from None
    until: datetime | None = getattr(keys, "_expiry_time", None)
    return frozen.access_key, frozen.secret_key, frozen.token, until
