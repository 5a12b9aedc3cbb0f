"""Azure Container Apps jobs, as one that starts others asks for them: over HTTP, with its managed identity's token."""

from __future__ import annotations

import http.client
import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, cast
from urllib.parse import urlencode

from glacier.errors import GlacierError

Way = Literal["running", "succeeded", "failed"]

MANAGEMENT = "https://management.azure.com"
_API = "2024-03-01"
_IDENTITY_API = "2019-08-01"
_WAYS: Mapping[str, Way] = {"Succeeded": "succeeded", "Failed": "failed", "Stopped": "failed", "Degraded": "failed"}
"""How an execution ended, by its status; all others say that it goes on."""
_TRIES, _FIRST_WAIT, _LONGEST_WAIT = 6, 1.0, 30.0
_TOO_MANY = (408, 429, 500, 502, 503, 504)
_EARLY = 300
"""How many seconds before its end a token is replaced."""
_REQUEST_SECONDS = 30
_MESSAGE = 300


class JobsError(GlacierError):
    """Azure refused, or did not answer."""


@dataclass
class ContainerJobs:
    """The jobs that this job's identity may start.

    Attributes:
        environment: of the process: where tokens are had, and for which identity.
        management: where Azure Resource Manager is.
        sleep: waits for seconds.
    """

    environment: Mapping[str, str]
    management: str = MANAGEMENT
    sleep: Callable[[float], None] = time.sleep
    _token: tuple[str, float] = field(default=("", 0.0), init=False, repr=False)

    def start(self, job: str, variables: Mapping[str, str] | None = None) -> str | None:
        """Starts a job, and gives the execution's name; None if Azure does not say it at once.

        Args:
            job: its id in Azure Resource Manager.
            variables: of the environment, besides those that the job has.

        Raises:
            JobsError: it cannot be started.
        """
        body: dict[str, Any] = {}
        if variables:
            template = self._ask("GET", job)["properties"]["template"]
            body = {key: template[key] for key in ("containers", "initContainers") if template.get(key)}
            for container in body["containers"]:
                had: list[dict[str, str]] = container.get("env") or []
                kept = [one for one in had if one["name"] not in variables]
                container["env"] = [*kept, *({"name": name, "value": value} for name, value in variables.items())]
        # Not asked again where it may have begun: a stage that runs twice at once is worse than one that fails.
        answer = self._ask("POST", f"{job}/start", body, again=(429, 503))
        name: str | None = answer.get("name")
        return name

    def way(self, job: str, execution: str) -> Way:
        """Gives how an execution goes.

        Raises:
            JobsError: Azure does not say.
        """
        found = self._ask("GET", f"{job}/executions/{execution}")
        return _way(found)

    def found(self, job: str, name: str, value: str) -> str | None:
        """Gives the execution that was started with a variable, None if there is none yet.

        Raises:
            JobsError: Azure does not say.
        """
        for one in self._ask("GET", f"{job}/executions")["value"]:
            template: dict[str, Any] = one.get("properties", {}).get("template") or {}
            containers: list[dict[str, Any]] = template.get("containers") or []
            given: list[list[dict[str, str]]] = [container.get("env") or [] for container in containers]
            if any({"name": name, "value": value}.items() <= variable.items() for env in given for variable in env):
                return str(one["name"])
        return None

    def _ask(self, method: str, path: str, body: object = None, again: tuple[int, ...] = _TOO_MANY) -> dict[str, Any]:
        """Asks Azure Resource Manager, again where it is busy."""
        url = f"{self.management}{path}?api-version={_API}"
        wait = _FIRST_WAIT
        for attempt in range(1, _TRIES + 1):
            headers = {"Authorization": f"Bearer {self._bearer()}", "Content-Type": "application/json"}
            data = None if body is None else json.dumps(body).encode()
            status, answer, reason = _sent(method, url, headers, data)
            if status is not None and status < 300:
                return answer
            retried = status in again if status is not None else method == "GET"
            if not retried or attempt == _TRIES:
                raise JobsError(
                    f"{method} {path} was refused: {reason}",
                    fix="let the identity of this job start that job; `terraform apply` gives it the right"
                    if status == 403
                    else None,
                )
            self.sleep(wait)
            wait = min(wait * 2, _LONGEST_WAIT)
        raise AssertionError("the last attempt returns or raises")

    def _bearer(self) -> str:
        token, until = self._token
        if time.time() < until - _EARLY:
            return token
        endpoint, header = self.environment.get("IDENTITY_ENDPOINT"), self.environment.get("IDENTITY_HEADER")
        if not endpoint or not header:
            raise JobsError(
                "there is no managed identity here: IDENTITY_ENDPOINT and IDENTITY_HEADER are not set",
                fix="run this as the job that Glacier generates for Azure Container Apps",
            )
        query = {"api-version": _IDENTITY_API, "resource": MANAGEMENT}
        if client := self.environment.get("AZURE_CLIENT_ID"):
            query["client_id"] = client
        wait = _FIRST_WAIT
        for attempt in range(1, _TRIES + 1):
            status, answer, reason = _sent("GET", f"{endpoint}?{urlencode(query)}", {"X-IDENTITY-HEADER": header}, None)
            if status == 200 and "access_token" in answer:
                self._token = (str(answer["access_token"]), float(answer.get("expires_on") or 0))
                return self._token[0]
            if attempt == _TRIES:
                raise JobsError(f"the managed identity gave no token: {reason}")
            self.sleep(wait)
            wait = min(wait * 2, _LONGEST_WAIT)
        raise AssertionError("the last attempt returns or raises")


def _way(execution: Mapping[str, Any]) -> Way:
    properties: Any = execution.get("properties") or {}
    return _WAYS.get(str(properties.get("status") or execution.get("status")), "running")


def _sent(
    method: str, url: str, headers: Mapping[str, str], data: bytes | None
) -> tuple[int | None, dict[str, Any], str]:
    """Gives status, body and, in words, what went wrong; no status where nobody answered. No token is in the words."""
    request = urllib.request.Request(url, data, dict(headers), method=method)  # noqa: S310  # ours, or the platform's
    try:
        with urllib.request.urlopen(request, timeout=_REQUEST_SECONDS) as answer:  # noqa: S310
            return answer.status, _document(answer.read()), ""
    except urllib.error.HTTPError as error:
        with error:
            told = error.read().decode(errors="replace")[:_MESSAGE]
        return error.code, {}, f"{error.code} {told}".strip()
    except (OSError, http.client.HTTPException) as error:
        return None, {}, str(error) or type(error).__name__


def _document(body: bytes) -> dict[str, Any]:
    try:
        found: object = json.loads(body) if body.strip() else {}
    except ValueError:
        return {}
    return cast("dict[str, Any]", found) if isinstance(found, dict) else {}
