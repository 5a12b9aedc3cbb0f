"""One attempt at a stage of a run: what it takes, what it runs, what it records and hands on."""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Literal, get_args

from glacier import __version__
from glacier.access import touches
from glacier.config import DeployConfig
from glacier.deployment.needs import slug
from glacier.deployment.stages import Part as Stage
from glacier.deployment.stages import stages_of
from glacier.errors import GlacierError, GraphError, InputError, UnsupportedError, did_you_mean, listed
from glacier.execution.failures import run_reason
from glacier.execution.options import RunOptions
from glacier.execution.part import Earlier, Part
from glacier.execution.record import NodeRecord, Observers
from glacier.execution.scheduler import execute, no_result
from glacier.graph import Graph
from glacier.lineage.environment import lineage
from glacier.loading import load_pipeline, parse_inputs
from glacier.providers.portable import Provider, declarer_of
from glacier.rebinding import rebinding
from glacier.report.outcome import exit_code
from glacier.report.outcome import told as told_error
from glacier.runtime import lease
from glacier.runtime.ending import EndedEarly, beside
from glacier.runtime.handing import Left, hand_on, taken, wanted_of
from glacier.runtime.invocation import Invocation
from glacier.runtime.logs import Told, log, redacted
from glacier.runtime.records import Records, Shelf, records_at
from glacier.runtime.shape import difference, shape_of
from glacier.secret import SHOWN, is_secret
from glacier.telemetry.telemetry import telemetry
from glacier.trace import handles_in

RECORD, ENDS = "record.json", "ends.json"
FORMAT = 1
"""Of both documents; a later version of Glacier may need another."""

State = Literal["running", "succeeded", "failed", "cancelled", "skipped"]


def run_stage(told: Invocation) -> int:
    """Runs what a process was told to, and gives its exit code.

    Raises:
        EndedEarly: it was ended from outside; that is recorded.
    """
    try:
        with rebinding(told.provider if told.rebinds else None):
            return _Attempt(told, *_loaded(told)).run()
    except Exception as error:  # noqa: BLE001  # whatever the user's module raises when it is loaded, and all before a record
        log.error("%s", told_error(error))
        return exit_code(error)


@dataclass(frozen=True)
class _Plan:
    """The pipeline as it is split.

    Attributes:
        stages: all of its stages.
        stage: that is to run.
        retries: how often its cloud starts one again that failed.
        inputs: of the run, as they may be written down.
    """

    graph: Graph
    stages: Sequence[Stage]
    stage: Stage
    retries: int
    inputs: tuple[str, ...]

    @property
    def is_last(self) -> bool:
        """Whether no stage waits for this one."""
        return not any(self.stage.name in other.upstream for other in self.stages)


def _loaded(told: Invocation) -> tuple[_Plan, Records]:
    pipeline = load_pipeline(told.entry)
    graph = pipeline.plan(parse_inputs(pipeline, told.inputs, complete=True))
    _check_provider(graph, told.provider)
    options = pipeline.deploy or DeployConfig()
    stages = stages_of(graph, options.compute)
    stage = next((stage for stage in stages if stage.name == told.stage), None)
    names = [stage.name for stage in stages]
    if stage is None:
        near = did_you_mean(told.stage, names) or names
        raise InputError(f"pipeline `{pipeline.name}` has no stage `{told.stage}`", fix=f"name one: {listed(near)}")
    if stage.upstream and told.run_id_is_new:
        raise InputError(
            f"stage `{stage.name}` goes on with what {listed(stage.upstream)} left, and GLACIER_RUN_ID is not set",
            fix="set it to the id of their run",
        )
    secret = {p.name for p in pipeline.signature.parameters if any(map(is_secret, (p.type, *get_args(p.type))))}
    shown = [(text.partition("=")[0], text) for text in told.inputs]
    inputs = tuple(f"{name}={SHOWN}" if name in secret else text for name, text in shown)
    records = records_at(told.records, told.provider).below(slug(pipeline.name))
    return _Plan(graph, stages, stage, options.retries, inputs), records


def _check_provider(graph: Graph, provider: Provider | None) -> None:
    """Refuses what lies elsewhere than the stages run: its results would go where nobody looks, and be gone with it.

    Raises:
        UnsupportedError: there is such a resource.
    """
    if provider is None:
        return
    for node in graph.nodes:
        for touch in touches(node):
            declarer = declarer_of(touch.resource)
            if not isinstance(declarer, type(provider)):
                raise UnsupportedError(
                    f"pipeline `{graph.name}` was deployed to {type(provider).__name__}, but here its code declares "
                    f"`{touch.resource.label}` on {type(declarer).__name__}",
                    site=getattr(touch.resource, "site", None) or node.site,
                    fix="write `LocalProvider(...)` and `glacier generate --provider ...`, or choose the provider by "
                    "what is the same in the container",
                )


class _Attempt:
    """One attempt. Its record is there, and says so, from its beginning on; `ends.json` only once it has ended."""

    def __init__(self, told: Invocation, plan: _Plan, records: Records) -> None:
        self.told = told
        self.plan = plan
        self.pipeline = records
        self.own = records.below(plan.stage.name, told.run_id)
        self.shape = shape_of(plan.graph, plan.stages, plan.inputs)
        self.observer = Told(plan.graph)
        self.clock = time.perf_counter()
        self.started = datetime.now(UTC)
        self.name = f"{self.started:%Y%m%d%H%M%S}-{secrets.token_hex(4)}"
        self.ends: dict[str, Any] = {}
        self.without_result: str | None = None
        self.earlier: list[dict[str, Any]] = []
        self.state: State = "running"
        self.began = False
        self.holds_lease = False

    def run(self) -> int:
        """Gives the exit code.

        Raises:
            EndedEarly: it was ended from outside.
        """
        log.info("stage begins: pipeline `%s`, records in %s", self.plan.graph.name, self.own.uri)
        try:
            self.earlier = _attempts(self.own.read(RECORD))
            before = {name: self._document(name) for name in self.plan.stage.upstream}
            reason = next((one["reason"] for one in before.values() if one["state"] == "skipped"), None)
            reason = reason or (None if self.told.overlap else self._other_run())
            if reason is not None:
                log.warning("not run: %s", reason)
                self._close("skipped", reason)
                return 0
            self._record("running")
            self.began = True
            self._work(before)
            return self._close_well(before)
        except EndedEarly as ending:
            self._close_badly(ending.state, ending.message)
            raise
        except Exception as error:  # noqa: BLE001  # what a task or a store raises is the stage's failure
            log.error("%s", told_error(error))
            self._close_badly("failed", run_reason(error))
            return 1 if self.began else exit_code(error)
        finally:
            if self.holds_lease:
                self._let_go()

    def _document(self, stage: str) -> dict[str, Any]:
        """Gives what a stage before this one left.

        Raises:
            GraphError: it left nothing, or has failed, or ran another graph.
        """
        found = self.pipeline.below(stage, self.told.run_id).read(ENDS)
        run = f"stage `{stage}` of run `{self.told.run_id}`"
        if found is None:
            raise GraphError(
                f"{run} has not ended: `{self.pipeline.uri}/{stage}/{self.told.run_id}/{ENDS}` is not there",
                fix=f"run stage `{stage}` first, with the same GLACIER_RUN_ID",
            )
        if found.get("format") != FORMAT:
            raise GraphError(f"{run} was run by another version of Glacier", fix="run all stages from one image")
        if found["state"] not in ("succeeded", "skipped"):
            raise GraphError(f"{run} {found['state']}: {found['reason']}", fix=f"run stage `{stage}` again")
        differs = difference(found["shape"], self.shape)
        if differs is not None:
            raise GraphError(
                f"{run} ran another version of pipeline `{self.plan.graph.name}`: {differs}",
                site=None,
                fix="run all stages from one image and with the same inputs: start the whole run again",
            )
        return found

    def _other_run(self) -> str | None:
        """Takes the lease, or says which run keeps this one from starting.

        Raises:
            GraphError: this run has begun before, and lost the lease.
        """
        held = lease.take(self.pipeline, self.told.run_id, self.plan.stage.name, self.told.timeout)
        if held is None:
            self.holds_lease = True
            return None
        until = datetime.fromtimestamp(held.until, UTC)
        reason = f"run `{held.run}` is under way, until {until:%Y-%m-%d %H:%M:%S} UTC at most, and runs may not overlap"
        if self.plan.stage.upstream or any(attempt["state"] != "skipped" for attempt in self.earlier):
            raise GraphError(
                f"run `{self.told.run_id}` cannot go on: {reason}",
                fix="start a new run once that one has ended, or let runs overlap: DeployConfig(overlap=True)",
            )
        return reason

    def _let_go(self) -> None:
        again = self.state == "failed" and len(self.earlier) < self.plan.retries
        way: lease.Way = "ended" if self.state == "succeeded" else "waiting" if again else "failed"
        names = [stage.name for stage in self.plan.stages]
        try:
            lease.leave(self.pipeline, self.told.run_id, self.plan.stage.name, way, names)
        except (GlacierError, OSError) as error:
            log.warning("the lease could not be let go of, and ends by itself: %s", error)

    def _work(self, before: Mapping[str, Mapping[str, Any]]) -> None:
        plan = self.plan
        if len(plan.stages) == 1:
            execute(plan.graph, self._options())
            return
        stage_of = {index: stage.name for stage in plan.stages for index in stage.nodes}
        left = {name: Left(one["ends"], self._shelf(name)) for name, one in before.items()}
        ended = taken(plan.graph, plan.stage, stage_of, left)
        part = Part(frozenset(plan.stage.nodes), ended, self._hand_on)
        execute(plan.graph, self._options(part))

    def _options(self, part: Part | None = None) -> RunOptions:
        told = lineage(whole=part is None)
        observer = Observers(self.observer, told) if told is not None else self.observer
        return RunOptions(
            observer=observer,
            part=part,
            run_id=self.told.run_id,
            tracer=telemetry(),
            tells_origins=told is not None,
        )

    def _hand_on(self, left: dict[int, Earlier]) -> None:
        graph, plan = self.plan.graph, self.plan
        for index in handles_in(graph.result):
            if index in left and left[index].ended.state == "skipped" and self.without_result is None:
                self.without_result = no_result(graph, index, left[index].ended.reason).message
        wanted = wanted_of(graph, plan.stages, plan.stage)
        shelf = self._shelf(plan.stage.name)
        self.ends = beside(lambda: hand_on(graph, left, wanted, shelf))

    def _shelf(self, stage: str) -> Shelf:
        return Shelf(self.pipeline.below(stage, self.told.run_id), self.name)

    def _close_well(self, before: Mapping[str, Mapping[str, Any]]) -> int:
        lacking = [self.without_result, *(one["without_result"] for one in before.values())]
        self.without_result = next((one for one in lacking if one), None)
        if self.without_result is not None and self.plan.is_last:
            log.error("%s", self.without_result)
            self._close("failed", self.without_result)
            return 1
        self._close("succeeded")
        log.info("stage succeeded in %.3f s", time.perf_counter() - self.clock)
        return 0

    def _close_badly(self, state: State, reason: str) -> None:
        self.ends = {}
        try:
            self._close(state, reason)
        except (GlacierError, OSError) as error:
            log.error("that could not be recorded: %s", error)

    def _close(self, state: State, reason: str | None = None) -> None:
        """Writes the record, and then the ends."""
        self.state = state
        self._record(state, reason)
        own = {"without_result": self.without_result, "shape": self.shape, "ends": self.ends}
        self.own.write(ENDS, {**self._heading(state, reason), **own})

    def _record(self, state: State, reason: str | None = None) -> None:
        run = self.observer.record
        own = {
            "glacier": __version__,
            "started": self.started.isoformat(),
            "ended": None if state == "running" else datetime.now(UTC).isoformat(),
            "seconds": None if state == "running" else round(time.perf_counter() - self.clock, 6),
            "inputs": list(self.plan.inputs),
            "stages": [stage.name for stage in self.plan.stages],
            "tasks": [self._task(node) for node in run.nodes] if run else [],
            "earlier": self.earlier,
        }
        self.own.write(RECORD, {**self._heading(state, reason), **own})

    def _heading(self, state: State, reason: str | None) -> dict[str, Any]:
        return {
            "format": FORMAT,
            "pipeline": self.plan.graph.name,
            "stage": self.plan.stage.name,
            "run": self.told.run_id,
            "attempt": self.name,
            "state": state,
            "reason": self._redacted(reason),
        }

    def _task(self, node: NodeRecord) -> dict[str, Any]:
        tries = [{**asdict(attempt), "error": self._redacted(attempt.error)} for attempt in node.attempts]
        return {
            "name": node.name,
            "state": node.state,
            "reason": self._redacted(node.reason),
            "started": node.started,
            "ended": node.ended,
            "seconds": node.seconds,
            "rows": node.rows,
            "turns": node.turns,
            "groups": list(node.groups),
            "attempts": tries,
            "measures": node.measures.shown() if node.measures else None,
        }

    def _redacted(self, text: str | None) -> str | None:
        return None if text is None else redacted(text, self.told.secrets)


def _attempts(record: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    """Gives the attempts before, the first one first, without their tasks."""
    if record is None:
        return []
    kept = ("attempt", "state", "reason", "started", "ended", "seconds")
    return [*record.get("earlier", ()), {name: record.get(name) for name in kept}]
