"""Sends events to a receiver of OpenLineage, on a thread of its own; no failure of that stops a run."""

from __future__ import annotations

import json
import logging
import threading
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urljoin, urlsplit
from urllib.request import Request, urlopen

from glacier.errors import text_of
from glacier.lineage.events import Json

Send = Callable[[Json], None]

_TIMEOUT = 5.0  # seconds for one event, as openlineage-python has it
_MOST_REFUSED = 3
"""After so many events in a row that nobody took, a run sends no more of them but its last."""
_MOST_HELD = 10_000
"""So many events wait at most; more of them are dropped."""

_log = logging.getLogger("glacier.lineage")


def sends(settings: Mapping[str, str]) -> Send | None:
    """Gives what sends one event, as the environment says; None if it names no receiver, or turns events off.

    `OPENLINEAGE_URL` is served by Glacier itself. Other transports, of `OPENLINEAGE_CONFIG` and the variables that
    begin with `OPENLINEAGE__`, are those of openlineage-python.
    """
    if settings.get("OPENLINEAGE_DISABLED", "").strip().lower() == "true":
        return None
    if "OPENLINEAGE_CONFIG" in settings or any(name.startswith("OPENLINEAGE__") for name in settings):
        return _by_client()
    url = settings.get("OPENLINEAGE_URL", "").strip()
    if not url:
        return None
    if urlsplit(url).scheme not in ("http", "https"):
        _log.warning("no lineage is sent: OPENLINEAGE_URL is %r, and not the URL of an HTTP server", url)
        return None
    endpoint = settings.get("OPENLINEAGE_ENDPOINT", "api/v1/lineage")
    return by_http(urljoin(url.rstrip("/") + "/", endpoint.lstrip("/")), settings.get("OPENLINEAGE_API_KEY"))


def by_http(url: str, key: str | None) -> Send:
    """Gives what sends an event to an HTTP endpoint, with the key as a bearer token."""
    headers = {"Content-Type": "application/json", **({"Authorization": f"Bearer {key}"} if key else {})}

    def send(event: Json) -> None:
        request = Request(url, json.dumps(event).encode(), headers, method="POST")  # noqa: S310  # http or https
        with urlopen(request, timeout=_TIMEOUT) as answer:  # noqa: S310
            answer.read()

    return send


def _by_client() -> Send | None:
    try:
        from openlineage.client import OpenLineageClient
    except ImportError:
        _log.warning(
            "no lineage is sent: transports of OPENLINEAGE_CONFIG and OPENLINEAGE__... need openlineage-python; "
            "install glacier-pipelines[openlineage], or name an HTTP server in OPENLINEAGE_URL alone"
        )
        return None
    try:
        transport: Any = OpenLineageClient().transport
    except Exception as error:  # noqa: BLE001  # whatever is wrong with its configuration, the run goes on
        _log.warning("no lineage is sent: %s", text_of(error))
        return None
    emit: Send = transport.emit
    return emit


class Sender:
    """Sends the events of one run in their order. The run's threads only hand them over."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._events: deque[Json] = deque()
        self._changed = threading.Condition()
        self._over = False
        self._lost = 0
        self._refused = 0
        self._why = ""
        self._thread: threading.Thread | None = None

    def put(self, event: Json) -> None:
        """Hands over an event."""
        with self._changed:
            if len(self._events) >= _MOST_HELD:
                self._lost += 1
                self._why = f"more than {_MOST_HELD:,} were waiting"
                return
            self._events.append(event)
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="glacier-lineage", daemon=True)
                self._thread.start()
            self._changed.notify()

    def close(self, patience: float) -> None:
        """Waits until all is sent, at most so many seconds; says so if events were lost."""
        with self._changed:
            self._over = True
            self._changed.notify()
        if self._thread is not None:
            self._thread.join(patience)
            with self._changed:
                if self._thread.is_alive():
                    self._lost += len(self._events) + 1
                    self._events.clear()
                    self._why = f"the receiver took more than {patience:g} s for the last of them"
        if self._lost:
            _log.warning("%d lineage events were not delivered: %s", self._lost, self._why)

    def _work(self) -> None:
        while (event := self._next()) is not None:
            is_last = self._over and not self._events
            if self._refused >= _MOST_REFUSED and not is_last:
                self._lost += 1
                continue
            try:
                self._send(event)
            except Exception as error:  # noqa: BLE001  # a receiver, or a network, may fail in any way
                self._lost += 1
                self._refused += 1
                self._why = _told(error)
            else:
                self._refused = 0

    def _next(self) -> Json | None:
        with self._changed:
            while not self._events:
                if self._over:
                    return None
                self._changed.wait()
            return self._events.popleft()


def _told(error: Exception) -> str:
    if not isinstance(error, HTTPError):
        return f"{type(error).__name__}: {text_of(error)}"
    with error:
        return f"the receiver answered {error.code} {error.reason}"
