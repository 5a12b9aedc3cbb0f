"""A run told to OpenLineage while it goes on: the pipeline and each of its tasks as jobs, resources as datasets."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from importlib.metadata import version
from inspect import cleandoc
from uuid import UUID

from glacier.errors import text_of
from glacier.execution.record import NodeRecord, NodeState, RunRecord, RunStart, RunState
from glacier.graph import Graph, Resource
from glacier.lineage.datasets import Dataset, dataset_at, dataset_of
from glacier.lineage.events import EventType, Job, Json, Producer, parent_of, run_uuid
from glacier.lineage.flow import Flow, flow_of
from glacier.lineage.sending import Sender
from glacier.origins import Published
from glacier.task import Task

_PATIENCE = 10.0  # seconds that a run that is over waits until its last events are sent
_HURRIED = 1.0  # seconds, if it was interrupted
_ENDS: Mapping[NodeState | RunState, EventType] = {"succeeded": "COMPLETE", "failed": "FAIL", "cancelled": "ABORT"}


class Lineage:
    """Tells of one run; one of its observers. What goes wrong in that is logged once, and the run goes on."""

    def __init__(self, sender: Sender, settings: Mapping[str, str], *, whole: bool) -> None:
        self._sender = sender
        self._namespace = settings.get("OPENLINEAGE_NAMESPACE", "default")
        self._around = settings.get("OPENLINEAGE_PARENT_ID", "")
        self._whole = whole
        self._published: dict[Dataset, Published] = {}
        self._started: set[int] = set()
        self._broken = False

    def run_started(self, run: RunStart) -> None:
        """Tells that the pipeline starts, and what it reads and writes."""
        self._safely(lambda: self._begin(run))

    def node_started(self, index: int) -> None:
        """Tells that a task starts."""
        self._safely(lambda: self._begin_node(index))

    def turn_ended(self, index: int, ended: int, turns: int | None) -> None:
        """Tells nothing: a task in a loop is one job, and all its turns are one run of it."""

    def node_ended(self, index: int, record: NodeRecord) -> None:
        """Tells how a task ended, and what it wrote; nothing of one that never started."""
        self._safely(lambda: self._end_node(index, record))

    def run_ended(self, record: RunRecord) -> None:
        """Tells how the pipeline ended, with all that was written, and waits until that is sent."""
        self._safely(lambda: self._tell_run(_ENDS[record.state], record.reason))
        self._sender.close(_HURRIED if record.state == "cancelled" else _PATIENCE)

    def _safely(self, call: Callable[[], None]) -> None:
        if self._broken:
            return
        try:
            call()
        except Exception as error:  # a run is more than what is told of it
            self._broken = True
            logging.getLogger("glacier.lineage").warning("no more lineage is told: %s", text_of(error), exc_info=True)

    def _begin(self, run: RunStart) -> None:
        self._run = run
        self._graph: Graph = run.graph
        self._flow: Flow = flow_of(run.graph)
        self._resources = self._flow.resources()
        self._producer = Producer(version("glacier-pipelines"), version("polars"))
        parent, root = _parent(self._around)
        self._job = Job(self._namespace, run.graph.name, "PIPELINE", _description(run.graph.body), parent)
        self._parent = parent_of(self._namespace, run.graph.name, run_uuid(run.run_id), root)
        self._tell_run("START")

    def _begin_node(self, index: int) -> None:
        if self._graph.nodes[index].work.kind in ("task", "storage"):
            self._started.add(index)
            self._tell_node("START", index)

    def _end_node(self, index: int, record: NodeRecord) -> None:
        if index not in self._started:
            return
        written = {dataset_at(published.uri): published for published in record.published}
        self._published.update(written)
        self._tell_node(_ENDS.get(record.state, "ABORT"), index, written, record.reason)

    def _tell_run(self, event: EventType, error: str | None = None) -> None:
        if not self._whole:
            return
        written = _datasets(resource for held in self._flow.writes.values() for resource in held)
        read = _datasets(resource for held in self._flow.reads.values() for resource in held)
        own = [dataset for dataset in read if dataset not in written or dataset not in self._published]
        outputs = [self._output(dataset, self._published.get(dataset)) for dataset in {**written, **self._published}]
        run = run_uuid(self._run.run_id)
        self._sender.put(self._producer.event(event, run, self._job, own, outputs, error if event == "FAIL" else None))

    def _tell_node(
        self,
        event: EventType,
        index: int,
        published: Mapping[Dataset, Published] | None = None,
        error: str | None = None,
    ) -> None:
        name = self._graph.names[index]
        work = self._graph.nodes[index].work
        about = _description(work.origin.function) if isinstance(work, Task) else None
        job = Job(self._namespace, f"{self._graph.name}.{name}", "TASK", about, self._parent)
        found = published or {}
        inputs = _datasets(self._flow.reads.get(index, ()))
        for one in found.values():
            inputs |= {dataset: None for dataset in self._sources(one) if dataset is not None}
        outputs = {**_datasets(self._flow.writes.get(index, ())), **found}
        self._sender.put(
            self._producer.event(
                event,
                run_uuid(self._run.run_id, name),
                job,
                inputs,
                [self._output(dataset, found.get(dataset)) for dataset in outputs],
                error if event == "FAIL" else None,
            )
        )

    def _output(self, dataset: Dataset, published: Published | None) -> Json:
        sources = self._sources(published) if published is not None else []
        return self._producer.output(dataset, published, sources)

    def _sources(self, published: Published) -> list[Dataset | None]:
        """Gives the datasets of the sources of a plan that was written, in their order."""
        if published.origins is None:
            return []
        return [dataset_of(source.paths, self._resources) for source in published.origins.sources]


def _datasets(resources: Iterable[Resource]) -> dict[Dataset, None]:
    return {dataset_at(resource.uri): None for resource in resources}


def _description(of: object) -> str | None:
    text = getattr(of, "__doc__", None)
    return cleandoc(text) if isinstance(text, str) and text.strip() else None


def _parent(stated: str) -> tuple[Json | None, Json | None]:
    """Gives the run that `OPENLINEAGE_PARENT_ID` names, `NAMESPACE/JOB/RUN`, as parent and as root of what is in it."""
    head, _, run = stated.rpartition("/")
    namespace, _, name = head.rpartition("/")
    try:
        UUID(run)
    except ValueError:
        return None, None
    if not namespace or not name:
        return None, None
    parent = parent_of(namespace, name, run)
    return parent, parent["root"]
