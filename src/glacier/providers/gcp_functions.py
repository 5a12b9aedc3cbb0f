"""Cloud Run functions: HTTP with an identity token."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from typing import Any, ClassVar

from glacier.errors import FunctionError, MissingExtra
from glacier.providers.functions import in_place
from glacier.providers.plain_http import Answer
from glacier.providers.settings import misnamed
from glacier.resources.host import Invocation, Limit

_NAME = r"[a-z]([a-z0-9-]{0,61}[a-z0-9])?"
_QUOTAS = "Cloud Run functions quotas: maximum uncompressed HTTP request size"


@dataclass(frozen=True)
class RunFunctions:
    """Cloud Run functions of a project in one region.

    Attributes:
        url: where functions are, if not below the project's cloudfunctions.net.
    """

    provider: str
    project: str | None
    region: str
    prefix: str
    suffix: str
    url: str | None
    timeout: float
    title: ClassVar[str] = "Cloud Run functions"
    credentials: ClassVar[str] = "in GOOGLE_APPLICATION_CREDENTIALS (a service account's), the metadata service"

    def refusal(self, name: str) -> tuple[str, str] | None:
        """Refuses names against Google's rules, and a function that has no project."""
        if self.project is None and self.url is None:
            return (
                f"function `{name}` has no project, and GOOGLE_CLOUD_PROJECT is not set",
                'write GCPProvider(project_id="my-project", ...)',
            )
        rules = "up to 63 lower-case letters, digits and hyphens, with a letter first and no hyphen last"
        return misnamed(f"{self.prefix}{name}{self.suffix}", name, _NAME, rules, "Cloud Run functions", what="function")

    def address(self, name: str) -> str:
        """Gives the function's address."""
        base = self.url or f"https://{self.region}-{self.project}.cloudfunctions.net"
        return in_place(base, f"{self.prefix}{name}{self.suffix}")

    def limit(self, *, wait: bool) -> Limit:
        """Gives 32 MB."""
        del wait
        return Limit(32 * 1024 * 1024, _QUOTAS)

    def headers(self, invocation: Invocation, address: str) -> Mapping[str, str]:
        """Gives an identity token for this address; none over plain http, which only an emulator speaks."""
        function = invocation.function
        if not invocation.wait:
            raise FunctionError(
                f"function `{function.name}` ({function.handler}) is always waited for: "
                "Cloud Run functions have no wait=False over HTTP",
                function=function.name,
                fix="drop wait=False, or let other tasks run beside it",
            )
        if address.startswith("http://"):
            return {}
        try:
            id_token: Any = import_module("google.oauth2.id_token")  # which says little of its types
            session: Any = import_module("google.auth.transport.requests").Request()
            refused: Any = import_module("google.auth.exceptions").GoogleAuthError
        except ImportError:
            raise MissingExtra(
                "an identity token takes Google's own library, which is not installed",
                fix='pip install "glacier-pipelines[gcp]"',
            ) from None
        try:
            token = id_token.fetch_id_token(partial(session, timeout=self.timeout), address)
        except refused as error:
            raise FunctionError(
                f"function `{function.name}` ({function.handler}) cannot be invoked: no identity token was given "
                f"({type(error).__name__})",
                function=function.name,
                fix=f"check the credentials: they are looked for {self.credentials}",
            ) from None
        return {"Authorization": f"Bearer {token}"}

    def failed(self, answer: Answer) -> bool:
        """Tells it by the status: an exception of the function is a 500."""
        return answer.status == 500
