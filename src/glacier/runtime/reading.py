"""Runs of deployed pipelines as the history shows them: read back from what their stages recorded."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from itertools import chain, islice
from typing import Any
from urllib.parse import urlsplit

from glacier.deployment.commands import PROVIDER
from glacier.deployment.needs import slug
from glacier.doing import Told
from glacier.execution.measures import Measures
from glacier.execution.record import Attempt, NodeState
from glacier.history.naming import Known, run_named
from glacier.history.runs import RecordedRun, RecordedState, RecordedTask
from glacier.history.store import Wanted
from glacier.providers import AWSProvider, AzureProvider, GCPProvider
from glacier.providers.portable import Provider, provider_from
from glacier.runtime.records import Records, records_at

_AT_ONCE = 16  # records that are read at the same time
_RECORD = re.compile(r"(?:.*/)?(?P<pipeline>[^/]+)/(?P<stage>[^/]+)/(?P<run>[^/]+)/record\.json")
_DATED = re.compile(r"\d{8}-\d{6}-\d{6}-[0-9a-f]{8}")
"""Ids that Glacier made, which sort as the runs' starts do; clouds make others."""

_Documents = Sequence[Mapping[str, Any]]


def cloud_history(uri: str) -> CloudHistory:
    """Gives the runs that are recorded below a URI, with the credentials that its cloud's SDK finds.

    Args:
        uri: what stages are told as `--records`. `GLACIER_PROVIDER` describes the provider, as in the stages, where its
            defaults are not enough.

    Raises:
        InputError: the URI is of no known kind, or `GLACIER_PROVIDER` describes another cloud.
        ConfigError: the provider has no region, say.
    """
    stated = os.environ.get(PROVIDER)
    return CloudHistory(records_at(uri, provider_from(json.loads(stated)) if stated else _usual_provider(uri)))


def _usual_provider(uri: str) -> Provider | None:
    parts = urlsplit(uri)
    match parts.scheme:
        case "s3":
            return AWSProvider()
        case "gs":
            return GCPProvider()
        case "abfss":
            return AzureProvider(storage_account=parts.netloc.partition("@")[2].partition(".")[0] or None)
        case _:
            return None


class CloudHistory:
    """The runs that are recorded in a bucket, newest first, by the same methods as `history.store.History`.

    Args:
        records: the bucket, or the prefix of it, that stages are told as `--records`.
    """

    def __init__(self, records: Records) -> None:
        self._records = records
        self._read: dict[str, _Documents] = {}

    @property
    def home(self) -> str:
        """Where the records are."""
        return self._records.uri

    def close(self) -> None:
        """Does nothing: there is nothing to close."""

    def runs(self, wanted: Wanted | None = None) -> list[RecordedRun]:
        """Gives runs, newest first. Reads the record of each, of those that are asked for only where ids tell which.

        Raises:
            StorageError: the store cannot be read, or holds something else.
        """
        wanted = wanted or Wanted()
        places = self._places(None if wanted.pipeline is None else slug(wanted.pipeline))
        if wanted.state is None and wanted.most is not None and all(map(_DATED.fullmatch, places)):
            places = dict(islice(sorted(places.items(), reverse=True), wanted.most))
        self._fetch(places)
        found = [_run_of(run, self._read[run]) for run in places]
        found = [run for run in found if wanted.pipeline in (None, run.pipeline) and wanted.state in (None, run.state)]
        found.sort(key=lambda run: run.started, reverse=True)
        return found[: wanted.most]

    def run(self, name: str) -> RecordedRun:
        """Gives one run; see `run_named` for its names.

        Raises:
            InputError: it names no run, or several.
            StorageError: the store cannot be read, or holds something else.
        """
        found = self.runs()
        run_id = run_named(name, [Known(run.run_id, run.pipeline) for run in found], self.home)
        return next(run for run in found if run.run_id == run_id)

    def before(self, run: RecordedRun) -> RecordedRun | None:
        """Gives the run of the same pipeline before one; None if there is none."""
        earlier = (one for one in self.runs(Wanted(pipeline=run.pipeline)) if one.started < run.started)
        return next(earlier, None)

    def tasks(self, run: RecordedRun) -> tuple[RecordedTask, ...]:
        """Gives the tasks of a run, stage by stage."""
        stages = sorted(self._read[run.run_id], key=lambda one: one["started"])
        every = chain.from_iterable(_tasks_of(stage, run.started) for stage in stages)
        return tuple(_task_of(number, *one) for number, one in enumerate(every))

    def _places(self, pipeline: str | None) -> dict[str, list[str]]:
        """Gives for each run, by its id, the paths of its stages' records."""
        below = self._records.key("") if pipeline is None else self._records.key(f"{pipeline}/")
        places: dict[str, list[str]] = {}
        for entry in self._records.bucket.store.entries(self._records.bucket.name, below or "./"):
            match = _RECORD.fullmatch(entry.path)
            if match:
                path = f"{match['pipeline']}/{match['stage']}/{match['run']}/record.json"
                places.setdefault(match["run"], []).append(path)
        return places

    def _fetch(self, places: Mapping[str, Sequence[str]]) -> None:
        missing = [(run, path) for run, paths in places.items() if run not in self._read for path in paths]
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            documents = pool.map(self._records.read, [path for _, path in missing])
            read: dict[str, list[Mapping[str, Any]]] = {}
            for (run, _), document in zip(missing, documents, strict=True):
                if document is not None:  # it was deleted meanwhile
                    read.setdefault(run, []).append(document)
        self._read.update(read)


def _run_of(run_id: str, stages: _Documents) -> RecordedRun:
    began = min(_moment(stage["started"]) for stage in stages)
    ended = [_moment(stage["ended"]) for stage in stages if stage["ended"]]
    state = _state_of(stages)
    until = datetime.now(UTC) if state == "running" else max(ended)
    counts: dict[NodeState, int] = {}
    for task in chain.from_iterable(stage["tasks"] for stage in stages):
        counts[task["state"]] = counts.get(task["state"], 0) + 1
    return RecordedRun(
        run_id,
        stages[0]["pipeline"],
        "",
        state,
        began,
        max(0.0, (until - began).total_seconds()),
        sum(counts.values()),
        counts,
        next((f"stage `{stage['stage']}`: {stage['reason']}" for stage in stages if stage["reason"]), None),
        dict(text.partition("=")[::2] for text in stages[0]["inputs"]),
        {"glacier": stages[0]["glacier"], "stages": ", ".join(stage["stage"] for stage in stages)},
    )


def _state_of(stages: _Documents) -> RecordedState:
    states = {stage["state"] for stage in stages}
    worst: tuple[RecordedState, ...] = ("failed", "cancelled", "running")
    for state in worst:
        if state in states:
            return state
    if "skipped" in states:
        return "cancelled"
    missing = set(stages[0].get("stages", ())) - {stage["stage"] for stage in stages}
    return "running" if missing else "succeeded"


def _tasks_of(stage: Mapping[str, Any], began: datetime) -> Iterator[tuple[Mapping[str, Any], float]]:
    later = (_moment(stage["started"]) - began).total_seconds()
    return ((task, later) for task in stage["tasks"])


def _task_of(number: int, task: Mapping[str, Any], later: float) -> RecordedTask:
    """Gives a task.

    Args:
        number: its place among the run's tasks.
        task: what its stage recorded.
        later: seconds after the run's beginning that its stage's times count from.
    """

    def moved(seconds: float | None) -> float | None:
        return None if seconds is None else seconds + later

    tries = (
        Attempt(one["started"] + later, one["seconds"], one["error"], tuple(one["items"])) for one in task["attempts"]
    )
    measured: Mapping[str, float | None] = task["measures"] or {}
    numbers = {name: Told(value, "last") for name, value in measured.items() if value is not None}
    return RecordedTask(
        task["name"],
        task["state"],
        moved(task["started"]),
        task["seconds"],
        task["rows"],
        task["reason"],
        moved(task["ended"]),
        task["turns"],
        tuple(task["groups"]),
        tuple(tries),
        Measures(told=numbers) if numbers else None,
        node=number,
    )


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)
