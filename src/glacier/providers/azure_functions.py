"""Azure Functions: HTTP with a key, or with the token of a managed identity."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, cast
from urllib.parse import urlencode

from glacier.errors import FunctionError
from glacier.providers.functions import in_place
from glacier.providers.plain_http import Answer, send
from glacier.providers.settings import misnamed
from glacier.resources.host import Invocation, Limit

_NAME = r"(?!.*--)[A-Za-z0-9][A-Za-z0-9-]{0,58}[A-Za-z0-9]"
_QUOTAS = "Azure Functions HTTP trigger: request length limit"
_AUDIENCES = "AZURE_FUNCTIONS_AUDIENCES"
"""The variable by which a deployed stage is told what to ask tokens for: JSON, by the functions' names."""


@dataclass(frozen=True)
class FunctionApps:
    """Function apps, each with one function that has the app's declared name.

    Attributes:
        url: where they are, if not below azurewebsites.net.
    """

    provider: str
    prefix: str
    suffix: str
    url: str | None
    timeout: float
    title: ClassVar[str] = "Azure Functions"
    credentials: ClassVar[str] = "in AZURE_FUNCTIONS_KEY (a host or function key), a managed identity"

    def refusal(self, name: str) -> tuple[str, str] | None:
        """Refuses names against Azure's rules for apps."""
        rules = "2 to 60 letters, digits and single hyphens, with a letter or digit at both ends"
        return misnamed(f"{self.prefix}{name}{self.suffix}", name, _NAME, rules, "Azure Functions", what="function")

    def address(self, name: str) -> str:
        """Gives the function's address in its app."""
        app = in_place(self.url or "https://{name}.azurewebsites.net", f"{self.prefix}{name}{self.suffix}")
        return f"{app}/api/{name}"

    def limit(self, *, wait: bool) -> Limit:
        """Gives 100 MB."""
        del wait
        return Limit(100 * 1024 * 1024, _QUOTAS)

    def headers(self, invocation: Invocation, address: str) -> Mapping[str, str]:
        """Gives the key, else a token for the app; neither over plain http, which only an emulator speaks."""
        function = invocation.function
        if not invocation.wait:
            raise FunctionError(
                f"function `{function.name}` ({function.handler}) is always waited for: "
                "Azure Functions have no wait=False over HTTP",
                function=function.name,
                fix="drop wait=False, or let other tasks run beside it",
            )
        if address.startswith("http://"):
            return {}
        key = os.environ.get("AZURE_FUNCTIONS_KEY")
        if key:
            return {"x-functions-key": key}
        token = self._token(function.name, address)
        if token is None:
            raise FunctionError(
                f"function `{function.name}` ({function.handler}) cannot be invoked: no credentials were found",
                function=function.name,
                fix=f"set them: they are looked for {self.credentials}",
            )
        return {"Authorization": f"Bearer {token}"}

    def _token(self, name: str, address: str) -> str | None:
        """Gives the token that a managed identity of this machine has for the app; None if there is no such."""
        from urllib.request import Request

        endpoint, header = os.environ.get("IDENTITY_ENDPOINT"), os.environ.get("IDENTITY_HEADER")
        if not endpoint or not header or not endpoint.startswith(("http://", "https://")):
            return None
        query = {"api-version": "2019-08-01", "resource": _audiences().get(name) or address.partition("/api/")[0]}
        if client := os.environ.get("AZURE_CLIENT_ID"):  # which identity, where the machine has several
            query["client_id"] = client
        request = Request(f"{endpoint}?{urlencode(query)}", headers={"X-IDENTITY-HEADER": header})  # noqa: S310  # checked above
        try:
            answer = send(request, time.monotonic() + self.timeout)
            return str(json.loads(answer.body)["access_token"]) if answer.status == 200 else None
        except (OSError, ValueError, KeyError):
            return None

    def failed(self, answer: Answer) -> bool:
        """Tells it by the status: an exception of the function is a 500."""
        return answer.status == 500


def _audiences() -> dict[str, str]:
    try:
        told: object = json.loads(os.environ.get(_AUDIENCES) or "{}")
    except ValueError:
        return {}
    return cast("dict[str, str]", told) if isinstance(told, dict) else {}
