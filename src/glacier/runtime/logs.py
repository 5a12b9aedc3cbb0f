"""The log of a stage: a line on stdout for each thing, as clouds' log readers take them."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from glacier.doing import current
from glacier.execution.record import NodeRecord, RunRecord, RunStart
from glacier.graph import Graph
from glacier.runtime.invocation import Invocation

log = logging.getLogger("glacier.runtime")


def configure(told: Invocation) -> None:
    """Sends all logging of this process to stdout, unless the user's code has configured it otherwise before."""
    if logging.root.handlers:
        return
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(_Lines(told))
    logging.root.addHandler(handler)
    logging.root.setLevel(logging.INFO)


def redacted(text: str, secrets: Sequence[str]) -> str:
    """Gives a text without the values of secret variables of the environment."""
    for secret in secrets:
        text = text.replace(secret, "***")
    return text


class _Lines(logging.Formatter):
    """Writes a record as one line of text, tracebacks below it; or as one JSON object."""

    def __init__(self, told: Invocation) -> None:
        super().__init__()
        self.told = told

    def format(self, record: logging.LogRecord) -> str:
        """Gives the line."""
        when = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        message = redacted(super().format(record), self.told.secrets)
        doing = current()
        task: str | None = getattr(record, "task", None) or (doing.task if doing else None)
        if self.told.json_logs:
            line: dict[str, Any] = {
                "time": when,
                "severity": record.levelname,
                "message": message,
                "run": self.told.run_id,
                "stage": self.told.stage,
                "task": task,
                "logger": record.name,
            }
            return json.dumps(line, ensure_ascii=False)
        names = f"run={self.told.run_id} stage={self.told.stage}" + (f" task={task}" if task else "")
        return f"{when} {record.levelname} {names} {message}"


class Told:
    """Logs how tasks go, and keeps the record of the run.

    Attributes:
        record: once the run is over.
    """

    def __init__(self, graph: Graph) -> None:
        self.record: RunRecord | None = None
        self._graph = graph

    def run_started(self, run: RunStart) -> None:
        """Is logged by the stage itself."""

    def node_started(self, index: int) -> None:
        """Says so."""
        if not self._graph.nodes[index].hidden:
            log.info("started", extra={"task": self._graph.names[index]})

    def turn_ended(self, index: int, ended: int, turns: int | None) -> None:
        """Is told at the end of the loop."""

    def node_ended(self, index: int, record: NodeRecord) -> None:
        """Says how it ended."""
        if not self._graph.nodes[index].hidden:
            level = logging.ERROR if record.state == "failed" else logging.INFO
            log.log(level, "%s", _shown(record), extra={"task": record.name})

    def run_ended(self, record: RunRecord) -> None:
        """Keeps the record."""
        self.record = record


def _shown(record: NodeRecord) -> str:
    match record.state:
        case "succeeded":
            rows = f", {record.rows:,} rows" if record.rows is not None else ""
            turns = f", {record.turns:,} turns" if record.turns is not None else ""
            return f"succeeded in {record.seconds or 0:.3f} s{rows}{turns}"
        case "skipped" | "failed":
            return f"{record.state}: {record.reason}"
        case state:
            return state
