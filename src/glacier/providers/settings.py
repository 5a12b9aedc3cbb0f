"""What the providers of all clouds check of the values they are made with."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

from glacier.errors import ConfigError, Site

_ADDRESS = r"https?://[^/@?#\s]+(/[^@?#\s]*)?"


@dataclass(frozen=True, slots=True)
class Settings:
    """Looks at the values of one provider.

    Attributes:
        provider: the object whose values are checked, by its fields' names.
        site: where the user wrote it.
    """

    provider: object
    site: Site | None

    def form(self, field: str, pattern: str, takes: str, *, fix: str) -> None:
        """Refuses a value that is neither None nor of a form.

        Args:
            field: of the provider.
            pattern: a regular expression of the whole value.
            takes: what the value may be, in words.
            fix: the edit.

        Raises:
            ConfigError: naming the provider, the field and what it takes.
        """
        value: object = getattr(self.provider, field)
        if value is not None and not (isinstance(value, str) and re.fullmatch(pattern, value)):
            raise self.refusal(f"got {field}={_typed(value)}, and takes {takes}", fix)

    def environment(self) -> None:
        """Takes the environment from `GLACIER_ENVIRONMENT` where the provider was given none."""
        if getattr(self.provider, "environment", None) is None:
            object.__setattr__(self.provider, "environment", os.environ.get("GLACIER_ENVIRONMENT") or None)

    def common(self) -> None:
        """Refuses what no cloud takes for a prefix, an environment, tags, an endpoint or a time limit."""
        part = r"[a-z0-9][a-z0-9._-]*"
        self.form(
            "name_prefix", f"({part})?", "lower-case letters, digits and hyphens", fix='write name_prefix="acme-"'
        )
        self.form(
            "environment",
            part,
            "lower-case letters, digits and hyphens",
            fix='write environment="prod", or leave it out',
        )
        for article, name in (("an", "endpoint_url"), ("a", "functions_url")):
            endpoint: object = getattr(self.provider, name, None) or None
            if endpoint is not None and not re.fullmatch(_ADDRESS, str(endpoint)):
                raise self.refusal(  # which may hold a secret, so it is not shown
                    f"got {article} {name} that is not an address without credentials or query",
                    f'write {name}="https://host:port"',
                )
        tags: object = getattr(self.provider, "tags", {})
        if not isinstance(tags, Mapping) or not all(
            isinstance(name, str) and isinstance(value, str)
            for name, value in cast("Mapping[object, object]", tags).items()
        ):
            raise self.refusal("takes tags as text by name", 'write tags={"team": "sales"}')
        timeout: object = getattr(self.provider, "timeout", None)
        if isinstance(timeout, bool) or not isinstance(timeout, int | float) or not 0 < timeout < math.inf:
            raise self.refusal(f"got timeout={timeout!r}, and takes seconds, more than 0", "write timeout=60")

    def refusal(self, what: str, fix: str) -> ConfigError:
        """Gives the error for a value."""
        return ConfigError(f"{type(self.provider).__name__} {what}", site=self.site, fix=fix)


def address_in(*variables: str) -> str | None:
    """Gives the address in the first of the environment's variables that is set, http where it says no scheme.

    Raises:
        ConfigError: it is no address, or holds credentials or a query, which would get into plans.
    """
    for name in variables:
        if value := os.environ.get(name):
            address = value if "://" in value else f"http://{value}"
            if not re.fullmatch(_ADDRESS, address):
                raise ConfigError(
                    f"{name} in the environment is not an address without credentials or query",
                    fix=f"set {name}=https://host:port",
                )
            return address
    return None


def physical(prefix: str, name: str, environment: str | None) -> str:
    """Gives what a declared bucket is called in the cloud.

    >>> physical("acme-", "raw", "prod"), physical("", "raw", None)
    ('acme-raw-prod', 'raw')
    """
    return f"{prefix}{name}" + (f"-{environment}" if environment else "")


def misnamed(
    name: str, declared: str, pattern: str, rules: str, service: str, *, forbidden: str = "", what: str = "bucket"
) -> tuple[str, str] | None:
    """Tells why a cloud cannot have a bucket or a function of this name, and the fix; None if it can.

    Args:
        name: in the cloud.
        declared: what the user called it.
        pattern: a regular expression of a whole name.
        rules: what a name is made of, in words, as the service documents it.
        service: whose rules they are.
        forbidden: a regular expression of what no name may have in it.
        what: is named so.
    """
    if re.fullmatch(pattern, name) and not (forbidden and re.search(forbidden, name)):
        return None
    before, _, after = name.partition(declared)
    near = re.sub(r"[^a-z0-9-]+", "-", declared.lower())[: 63 - len(before) - len(after)].strip("-")
    whole = f"{before}{near}{after}"
    works = re.fullmatch(pattern, whole) and not (forbidden and re.search(forbidden, whole))
    return (
        f"{what} name `{name}` is none that {service} takes: {rules}",
        f'name it "{near}"' if works and near != declared else "choose another name, or another name_prefix=",
    )


def _typed(value: object) -> str:
    return f'"{value}"' if isinstance(value, str) else repr(value)
