"""The events of OpenLineage, as its specification has them in JSON."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal
from uuid import NAMESPACE_URL, UUID, uuid5

from glacier.lineage.datasets import Dataset
from glacier.origins import Origin, Origins, Published

Json = dict[str, Any]
EventType = Literal["START", "COMPLETE", "FAIL", "ABORT"]

_SPEC = "https://openlineage.io/spec"
_EVENT = f"{_SPEC}/2-0-2/OpenLineage.json#/$defs/RunEvent"
_DIRECT = ("IDENTITY", "TRANSFORMATION", "AGGREGATION")


def run_uuid(run_id: str, node: str = "") -> UUID:
    """Gives the id that OpenLineage knows a run by, or one of its nodes: always the same for the same run.

    >>> run_uuid("20240517-101112-000345-9f3c2a7b")
    UUID('6a90ea91-5b9f-5714-887e-0f7edf5e7f67')
    """
    run = uuid5(NAMESPACE_URL, f"glacier:run:{run_id}")
    return uuid5(run, node) if node else run


@dataclass(frozen=True)
class Job:
    """A pipeline or a task, as a job.

    Attributes:
        parent: the run that this one is a part of, as the specification's `parent` facet has it.
    """

    namespace: str
    name: str
    kind: Literal["PIPELINE", "TASK"]
    description: str | None = None
    parent: Json | None = None


@dataclass(frozen=True)
class Producer:
    """Who makes the events.

    Attributes:
        version: Glacier's.
        polars: Polars' version.
    """

    version: str
    polars: str

    @property
    def uri(self) -> str:
        """Names this version of Glacier."""
        return f"https://pypi.org/project/glacier-pipelines/{self.version}"

    def event(
        self,
        event: EventType,
        run: UUID,
        job: Job,
        inputs: Iterable[Dataset] = (),
        outputs: Iterable[Json] = (),
        error: str | None = None,
    ) -> Json:
        """Gives an event of now.

        Args:
            event: what has happened.
            run: the run's id.
            job: what runs.
            inputs: what it reads.
            outputs: what it writes, each as `output` gives it.
            error: why it failed.
        """
        facets: Json = {
            "processing_engine": self._facet(
                "ProcessingEngineRunFacet/1-1-1",
                name="Polars",
                version=self.polars,
                openlineageAdapterVersion=self.version,
            )
        }
        if job.parent is not None:
            facets["parent"] = self._facet("ParentRunFacet/1-2-0", **job.parent)
        if error is not None:
            facets["errorMessage"] = self._facet(
                "ErrorMessageRunFacet/1-0-1", message=error, programmingLanguage="Python"
            )
        about: Json = {
            "jobType": self._facet(
                "JobTypeJobFacet/2-0-4", processingType="BATCH", integration="GLACIER", jobType=job.kind
            )
        }
        if job.description:
            about["documentation"] = self._facet("DocumentationJobFacet/1-1-0", description=job.description)
        return {
            "eventTime": datetime.now(UTC).isoformat(),
            "eventType": event,
            "producer": self.uri,
            "schemaURL": _EVENT,
            "run": {"runId": str(run), "facets": facets},
            "job": {"namespace": job.namespace, "name": job.name, "facets": about},
            "inputs": [dict(dataset._asdict(), facets={}) for dataset in inputs],
            "outputs": list(outputs),
        }

    def output(
        self, dataset: Dataset, published: Published | None = None, sources: Sequence[Dataset | None] = ()
    ) -> Json:
        """Gives an output, with what is known of what was written.

        Args:
            dataset: where it was written.
            published: what was written there.
            sources: the datasets of the plan's sources, in their order.
        """
        facets: Json = {}
        made: Json = {**dataset._asdict(), "facets": facets}
        if published is None:
            return made
        fields = [{"name": name, "type": dtype} for name, dtype in published.schema.items()]
        facets["schema"] = self._facet("SchemaDatasetFacet/1-2-0", fields=fields)
        facets["storage"] = self._facet(
            "StorageDatasetFacet/1-0-1", storageLayer=_layer(dataset), fileFormat=published.format
        )
        columns = _columns(published.origins, sources) if published.origins is not None else None
        if columns is not None:
            facets["columnLineage"] = self._facet("ColumnLineageDatasetFacet/1-2-0", **columns)
        numbers: Json = {"rowCount": published.rows, "size": published.bytes, "fileCount": published.files}
        known = {name: number for name, number in numbers.items() if number is not None}
        made["outputFacets"] = {"outputStatistics": self._facet("OutputStatisticsOutputDatasetFacet/1-0-2", **known)}
        return made

    def _facet(self, schema: str, **content: Any) -> Json:
        name, version = schema.split("/")
        url = f"{_SPEC}/facets/{version}/{name}.json#/$defs/{name}"
        return {"_producer": self.uri, "_schemaURL": url, **content}


def _layer(dataset: Dataset) -> str:
    scheme, separator, _ = dataset.namespace.partition("://")
    return scheme if separator else "file"


def _columns(origins: Origins, sources: Sequence[Dataset | None]) -> Json | None:
    """Gives the content of the facet `columnLineage`; None where no column comes from a dataset."""
    fields = {
        name: {"inputFields": _input_fields(found, sources)}
        for name, found in origins.columns.items()
        if _input_fields(found, sources)
    }
    rows = _input_fields(origins.rows, sources)
    return {"fields": fields, "dataset": rows} if fields or rows else None


def _input_fields(origins: Iterable[Origin], sources: Sequence[Dataset | None]) -> list[Json]:
    found: dict[tuple[Dataset, str], list[Json]] = {}
    for origin in origins:
        dataset = sources[origin.source]
        if dataset is not None:
            found.setdefault((dataset, origin.column), []).append(_transformation(origin))
    return [
        {**dataset._asdict(), "field": column, "transformations": transformations}
        for (dataset, column), transformations in found.items()
    ]


def _transformation(origin: Origin) -> Json:
    kind = "DIRECT" if origin.how in _DIRECT else "INDIRECT"
    guess = "possible: a Python function or the like is between the two" if origin.guessed else ""
    return {"type": kind, "subtype": origin.how, "description": guess, "masking": False}


def parent_of(namespace: str, name: str, run: UUID | str, root: Mapping[str, Any] | None = None) -> Json:
    """Gives a run as the parent of another; `root` is the parent of all, where that is yet another."""
    parent: Json = {"run": {"runId": str(run)}, "job": {"namespace": namespace, "name": name}}
    parent["root"] = dict(root) if root is not None else {"run": parent["run"], "job": parent["job"]}
    return parent
