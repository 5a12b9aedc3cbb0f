"""OpenLineage: what a receiver on loopback gets of runs; column lineage; receivers that fail; the settings."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from glacier import Bucket, Secret, pipeline, task
from glacier.errors import TaskError
from glacier.execution.options import Executor
from glacier.execution.record import Recorder
from glacier.lineage.datasets import dataset_at
from glacier.lineage.events import run_uuid
from glacier.providers import LocalProvider

Json = dict[str, Any]


@dataclass
class Receiver:
    """A receiver of events; what it has got, and how it answers."""

    url: str = ""
    events: list[Json] = field(default_factory=list[Json])
    headers: list[Mapping[str, str]] = field(default_factory=list[Mapping[str, str]])
    paths: list[str] = field(default_factory=list[str])
    status: int = 201
    answers: threading.Event = field(default_factory=threading.Event)

    def of(self, job: str) -> list[Json]:
        return [event for event in self.events if event["job"]["name"] == job]

    def last(self, job: str) -> Json:
        return self.of(job)[-1]


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    got = Receiver()
    got.answers.set()

    class Answers(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            got.answers.wait(20)
            got.events.append(json.loads(body))
            got.headers.append(dict(self.headers))
            got.paths.append(self.path)
            self.send_response(got.status)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None: ...  # noqa: A002  # its name there

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    got.url = f"http://127.0.0.1:{server.server_port}"
    monkeypatch.setenv("OPENLINEAGE_URL", got.url)
    yield got
    got.answers.set()
    server.shutdown()
    server.server_close()
    thread.join()


def bucket(name: str, path: str) -> Bucket:
    return LocalProvider(".").bucket(name, path=path)


@task
def load(source: Bucket) -> pl.LazyFrame:
    """Reads the orders."""
    return source.scan()


@task
def enriched(orders: pl.LazyFrame, customers: pl.LazyFrame) -> pl.LazyFrame:
    return orders.filter(pl.col("amount") > 0).join(customers, on="customer", how="left")


@task
def totals(df: pl.LazyFrame) -> pl.LazyFrame:
    return df.group_by("segment").agg(total=pl.col("amount").sum(), orders=pl.len())


@task
def save(df: pl.LazyFrame, target: Bucket) -> None:
    target.write(df)


def refused(df: pl.LazyFrame, target: Bucket) -> None:
    raise PermissionError(target.name)


@pipeline
def sales() -> None:
    """Totals by segment."""
    orders = load(bucket("raw", "orders.parquet"))
    customers = load(bucket("raw", "customers.csv"))
    save(totals(enriched(orders, customers)), bucket("out", "totals.parquet"))


@pytest.fixture
def data(in_tmp: Path) -> Path:
    orders = pl.DataFrame({"id": [1, 2], "customer": [1, 2], "amount": [5.0, -1.0]})
    bucket("raw", "orders.parquet").write(orders)
    bucket("raw", "customers.csv").write(pl.DataFrame({"customer": [1, 2], "segment": ["a", "b"]}))
    return in_tmp


def names(datasets: list[Json]) -> list[str]:
    return [dataset["name"] for dataset in datasets]


def test_a_run_and_its_tasks_start_and_complete(receiver: Receiver, data: Path) -> None:
    recorder = Recorder()
    sales.run(progress=recorder)
    assert recorder.record is not None
    run = str(run_uuid(recorder.record.run_id))
    told = [(event["eventType"], event["job"]["name"]) for event in receiver.events]
    assert told[0] == ("START", "sales")
    assert told[-1] == ("COMPLETE", "sales")
    tasks = ["sales.load[orders]", "sales.load[customers]", "sales.enriched", "sales.totals", "sales.save"]
    assert sorted(told[1:-1]) == sorted((event, name) for name in tasks for event in ("START", "COMPLETE"))
    for name in tasks:
        start, end = receiver.of(name)
        assert start["run"]["runId"] == end["run"]["runId"] != run
        parent = start["run"]["facets"]["parent"]
        assert parent["run"] == {"runId": run}
        assert parent["job"] == {"namespace": "default", "name": "sales"}
    assert {event["run"]["runId"] for event in receiver.of("sales")} == {run}
    assert receiver.last("sales.load[orders]")["job"]["facets"]["documentation"]["description"] == "Reads the orders."
    assert receiver.last("sales")["job"]["facets"]["jobType"]["jobType"] == "PIPELINE"
    assert set(receiver.paths) == {"/api/v1/lineage"}


def test_resources_are_datasets_of_those_who_read_and_write_them(receiver: Receiver, data: Path) -> None:
    sales.run()
    orders, customers, out = (
        str(data / name) for name in ("raw/orders.parquet", "raw/customers.csv", "out/totals.parquet")
    )
    loading, saving, whole = (receiver.last(name) for name in ("sales.load[orders]", "sales.save", "sales"))
    assert (names(loading["inputs"]), names(loading["outputs"])) == ([orders], [])
    assert (names(saving["inputs"]), names(saving["outputs"])) == ([orders, customers], [out])
    assert (names(whole["inputs"]), names(whole["outputs"])) == ([orders, customers], [out])
    assert saving["outputs"][0]["namespace"] == "file"
    assert names(receiver.of("sales")[0]["outputs"]) == [out]


def test_a_schema_tells_no_data(receiver: Receiver, data: Path) -> None:
    frame = pl.LazyFrame({"city": ["Oslo"]}, schema={"city": pl.Enum(["Oslo", "Bergen"])})

    @task
    def put(target: Bucket) -> None:
        target.write(frame)

    @pipeline
    def cities() -> None:
        put(LocalProvider(data).bucket("out", path="cities.parquet"))

    cities.run()
    facets = receiver.last("cities.put")["outputs"][0]["facets"]
    assert [one["type"] for one in facets["schema"]["fields"]] == ["Enum(2 categories)"]


@pytest.mark.parametrize("executor", ["threads", "processes"])
def test_columns_are_told_from_files_to_files_through_every_lazy_task(
    receiver: Receiver, data: Path, executor: Executor
) -> None:
    sales.run(executor=executor)
    orders, customers = str(data / "raw/orders.parquet"), str(data / "raw/customers.csv")
    for event in (receiver.last("sales.save"), receiver.last("sales")):
        (output,) = event["outputs"]
        facets = output["facets"]
        assert [(one["name"], one["type"]) for one in facets["schema"]["fields"]] == [
            ("segment", "String"),
            ("total", "Float64"),
            ("orders", "UInt32"),
        ]
        assert shown(facets["columnLineage"]["fields"]) == {
            "segment": [(customers, "segment", "IDENTITY")],
            "total": [(orders, "amount", "AGGREGATION")],
        }
        assert sorted(shown({"": {"inputFields": facets["columnLineage"]["dataset"]}})[""]) == [
            (customers, "customer", "JOIN"),
            (customers, "segment", "GROUP_BY"),
            (orders, "amount", "FILTER"),
            (orders, "customer", "JOIN"),
        ]
        written = data / "out" / "totals.parquet"
        statistics = {**output["outputFacets"]["outputStatistics"]}
        assert (statistics["rowCount"], statistics["size"], statistics["fileCount"]) == (1, written.stat().st_size, 1)
        assert facets["storage"]["fileFormat"] == "parquet"


def shown(fields: Mapping[str, Json]) -> dict[str, list[tuple[str, str, str]]]:
    return {
        name: [
            (one["name"], one["field"], transformation["subtype"])
            for one in entry["inputFields"]
            for transformation in one["transformations"]
        ]
        for name, entry in fields.items()
    }


def test_writes_of_the_body_that_run_as_one_query_each_tell_their_columns(receiver: Receiver, data: Path) -> None:
    @pipeline
    def body() -> None:
        df = bucket("raw", "orders.parquet").scan()
        bucket("out", "a.parquet").write(df)
        bucket("out", "b.csv").write(totals_of(df))

    @task
    def totals_of(df: pl.LazyFrame) -> pl.LazyFrame:
        return df.select(pl.col("amount").sum())

    body.run()
    orders = str(data / "raw/orders.parquet")
    (a,), (b,) = (receiver.last(f"body.{name}")["outputs"] for name in ("out.write[a.parquet]", "out.write[b.csv]"))
    assert shown(a["facets"]["columnLineage"]["fields"])["id"] == [(orders, "id", "IDENTITY")]
    assert shown(b["facets"]["columnLineage"]["fields"]) == {"amount": [(orders, "amount", "AGGREGATION")]}
    assert sorted(names(receiver.last("body")["outputs"])) == [
        str(data / "out" / name) for name in ("a.parquet", "b.csv")
    ]


def test_what_a_task_writes_and_the_next_reads_is_output_of_one_and_input_of_the_other(
    receiver: Receiver, data: Path
) -> None:
    between = bucket("between", "orders.parquet")

    @task
    def staged(source: Bucket, target: Bucket) -> str:
        target.write(source.scan())
        return target.name

    @task
    def counted(name: str, source: Bucket) -> int:
        return source.read().height

    @pipeline
    def two() -> int:
        name = staged(bucket("raw", "orders.parquet"), between)
        return counted(name, between)

    two.run()
    assert names(receiver.last("two.counted")["inputs"]) == [between.uri]
    assert names(receiver.last("two.staged")["outputs"]) == [between.uri]


def test_columns_are_told_through_frames_that_are_kept_in_files(receiver: Receiver, data: Path) -> None:
    @task(materialize="disk")
    def kept(source: Bucket) -> pl.LazyFrame:
        return source.scan().with_columns(double=pl.col("amount") * 2)

    @pipeline
    def by_disk() -> None:
        df = kept(bucket("raw", "orders.parquet"))
        save(totals_by_id(df), bucket("out", "a.parquet"))

    @task
    def totals_by_id(df: pl.LazyFrame) -> pl.LazyFrame:
        return df.group_by("id").agg(pl.col("double").max())

    by_disk.run()
    orders = str(data / "raw/orders.parquet")
    (output,) = receiver.last("by_disk")["outputs"]
    assert shown(output["facets"]["columnLineage"]["fields"]) == {
        "id": [(orders, "id", "IDENTITY")],
        "double": [(orders, "amount", "AGGREGATION")],
    }


@pytest.mark.parametrize("executor", ["threads", "processes"])
def test_files_of_the_cache_are_no_datasets(receiver: Receiver, data: Path, executor: Executor) -> None:
    """What is taken from it has no columns of files; what is put there has those that it is made of."""
    orders = str(data / "raw/orders.parquet")
    for fields in ({"id": [(orders, "id", "IDENTITY")], "double": [(orders, "amount", "TRANSFORMATION")]}, None):
        caching.run(executor=executor)
        event = receiver.last("caching.save")
        (output,) = event["outputs"]
        lineage = output["facets"].get("columnLineage")
        assert (shown(lineage["fields"]) if lineage else None) == fields
        assert names(event["inputs"]) == [orders]


@task(cache=True)
def doubled(source: Bucket) -> pl.LazyFrame:
    return source.scan().select("id", double=pl.col("amount") * 2)


@pipeline
def caching() -> None:
    save(doubled(bucket("raw", "orders.parquet")), bucket("out", "a.parquet"))


def test_frames_in_memory_have_no_columns_but_datasets(receiver: Receiver, data: Path) -> None:
    @task
    def collected(source: Bucket) -> pl.DataFrame:
        return source.scan().collect()

    @task
    def kept(df: pl.DataFrame, target: Bucket) -> None:
        target.write(df)

    @pipeline
    def eager() -> None:
        kept(collected(bucket("raw", "orders.parquet")), bucket("out", "a.parquet"))

    eager.run()
    event = receiver.last("eager.kept")
    assert names(event["inputs"]) == [str(data / "raw/orders.parquet")]
    facets = event["outputs"][0]["facets"]
    assert "columnLineage" not in facets
    assert len(facets["schema"]["fields"]) == 3


def test_a_failure_is_told_of_the_task_and_the_run_without_secrets(receiver: Receiver, in_tmp: Path) -> None:
    @task
    def failing(token: Secret) -> None:
        raise OSError(f"refused {token.get_secret_value()}")

    @task
    def after(before: None) -> None: ...

    @pipeline
    def fails() -> None:
        after(failing(Secret("s3cr3t")))

    with pytest.raises(TaskError):
        fails.run()
    told = [(event["eventType"], event["job"]["name"]) for event in receiver.events]
    assert told == [("START", "fails"), ("START", "fails.failing"), ("FAIL", "fails.failing"), ("FAIL", "fails")]
    messages = [event["run"]["facets"]["errorMessage"]["message"] for event in receiver.events[2:]]
    assert messages == ["OSError: refused **********", "`failing` failed: OSError: refused **********"]
    assert "s3cr3t" not in json.dumps(receiver.events)


def test_a_loop_is_one_run_of_each_job_in_it(receiver: Receiver, in_tmp: Path) -> None:
    @task
    def items() -> list[int]:
        return [1, 2, 3]

    @task
    def part(number: int, target: Bucket) -> None:
        target.at(f"{number}.parquet").write(pl.DataFrame({"n": [number]}))

    @pipeline
    def looping() -> None:
        for number in items():
            part(number, bucket("out", "parts/"))

    looping.run()
    assert [event["eventType"] for event in receiver.of("looping.part")] == ["START", "COMPLETE"]


def test_events_are_those_of_the_specification(receiver: Receiver, data: Path) -> None:
    """openlineage-python's classes are generated from the specification: they take its fields, and no others."""
    from openlineage.client import facet_v2
    from openlineage.client.event_v2 import InputDataset, Job, OutputDataset, Run, RunEvent, RunState

    kinds = {
        "parent": facet_v2.parent_run.ParentRunFacet,
        "processing_engine": facet_v2.processing_engine_run.ProcessingEngineRunFacet,
        "errorMessage": facet_v2.error_message_run.ErrorMessageRunFacet,
        "jobType": facet_v2.job_type_job.JobTypeJobFacet,
        "documentation": facet_v2.documentation_job.DocumentationJobFacet,
        "schema": facet_v2.schema_dataset.SchemaDatasetFacet,
        "storage": facet_v2.storage_dataset.StorageDatasetFacet,
        "columnLineage": facet_v2.column_lineage_dataset.ColumnLineageDatasetFacet,
        "outputStatistics": facet_v2.output_statistics_output_dataset.OutputStatisticsOutputDatasetFacet,
    }

    def facets(given: Json) -> Json:
        made: Json = {}
        for name, content in given.items():
            plain = {key: value for key, value in content.items() if not key.startswith("_")}
            made[name] = kinds[name](**plain)
            assert made[name]._schemaURL == content["_schemaURL"]
        return made

    sales.run()
    with pytest.raises(TaskError):
        sales.run(replace={save: refused})
    seen: set[str] = set()
    for event in receiver.events:
        run, job = event["run"], event["job"]
        parts = [run["facets"], job["facets"]]
        for one in event["outputs"]:
            parts += [one["facets"], one.get("outputFacets", {})]
        seen |= {name for part in parts for name in part}
        made = RunEvent(
            eventTime=event["eventTime"],
            producer=event["producer"],
            run=Run(run["runId"], facets(run["facets"])),
            job=Job(job["namespace"], job["name"], facets(job["facets"])),
            eventType=RunState[event["eventType"]],
            inputs=[InputDataset(one["namespace"], one["name"]) for one in event["inputs"]],
            outputs=[
                OutputDataset(
                    name=one["name"],
                    namespace=one["namespace"],
                    facets=facets(one["facets"]),
                    outputFacets=facets(one.get("outputFacets", {})),
                )
                for one in event["outputs"]
            ],
        )
        assert event["schemaURL"] == made.schemaURL
    assert seen == set(kinds)


def test_the_environment_names_receiver_namespace_key_and_parent(
    receiver: Receiver, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENLINEAGE_ENDPOINT", "lineage/in")
    monkeypatch.setenv("OPENLINEAGE_API_KEY", "k3y")
    monkeypatch.setenv("OPENLINEAGE_NAMESPACE", "acme")
    monkeypatch.setenv("OPENLINEAGE_PARENT_ID", "airflow/nightly.etl/3f5e83fa-3480-44ff-99c5-ff943904e5e8")
    sales.run()
    assert set(receiver.paths) == {"/lineage/in"}
    assert {headers["Authorization"] for headers in receiver.headers} == {"Bearer k3y"}
    assert {event["job"]["namespace"] for event in receiver.events} == {"acme"}
    above = {
        "run": {"runId": "3f5e83fa-3480-44ff-99c5-ff943904e5e8"},
        "job": {"namespace": "airflow", "name": "nightly.etl"},
    }
    parent = receiver.last("sales")["run"]["facets"]["parent"]
    assert {key: parent[key] for key in ("run", "job", "root")} == {**above, "root": above}
    of_task = receiver.last("sales.save")["run"]["facets"]["parent"]
    assert (of_task["job"], of_task["root"]) == ({"namespace": "acme", "name": "sales"}, above)


@pytest.mark.parametrize("settings", [{"OPENLINEAGE_DISABLED": "true"}, {"OPENLINEAGE_URL": ""}])
def test_nothing_is_sent_where_it_is_turned_off(
    receiver: Receiver, data: Path, monkeypatch: pytest.MonkeyPatch, settings: Mapping[str, str]
) -> None:
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    sales.run()
    assert receiver.events == []


def test_an_address_that_is_none_is_told(
    data: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("OPENLINEAGE_URL", "marquez:5000")
    sales.run()
    assert [record.getMessage() for record in caplog.records] == [
        "no lineage is sent: OPENLINEAGE_URL is 'marquez:5000', and not the URL of an HTTP server"
    ]


def test_a_receiver_that_refuses_stops_no_run_and_is_told_once(
    receiver: Receiver, data: Path, caplog: pytest.LogCaptureFixture
) -> None:
    receiver.status = 503
    sales.run()
    assert (data / "out" / "totals.parquet").exists()
    assert [record.getMessage() for record in caplog.records] == [
        "12 lineage events were not delivered: the receiver answered 503 Service Unavailable"
    ]
    assert len(receiver.events) == 4  # three, and the last, which says how the run ended


def test_a_receiver_that_is_not_there_stops_no_run(
    data: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("OPENLINEAGE_URL", "http://127.0.0.1:9")
    sales.run()
    (record,) = caplog.records
    assert record.getMessage().startswith("12 lineage events were not delivered: URLError: ")


def test_a_receiver_that_hangs_holds_a_run_for_a_bounded_time(
    receiver: Receiver, data: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("glacier.lineage.lineage._PATIENCE", 0.2)
    receiver.answers.clear()
    began = time.monotonic()
    sales.run()
    assert time.monotonic() - began < 5
    (record,) = caplog.records
    assert record.getMessage().startswith("12 lineage events were not delivered: the receiver took more than 0.2 s")


def test_other_transports_are_those_of_openlineage_python(
    data: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    log = data / "events.json"
    monkeypatch.setenv("OPENLINEAGE__TRANSPORT__TYPE", "file")
    monkeypatch.setenv("OPENLINEAGE__TRANSPORT__LOG_FILE_PATH", str(log))
    monkeypatch.setenv("OPENLINEAGE__TRANSPORT__APPEND", "true")
    caplog.set_level(logging.WARNING)
    sales.run()
    events = [json.loads(line) for line in log.read_text().splitlines()]
    assert [event["eventType"] for event in events if event["job"]["name"] == "sales"] == ["START", "COMPLETE"]
    assert caplog.records == []


def test_a_transport_that_is_not_installed_is_told_with_what_to_install(
    data: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "openlineage.client", None)
    monkeypatch.setenv("OPENLINEAGE_CONFIG", "openlineage.yml")
    sales.run()
    (record,) = caplog.records
    assert "install glacier-pipelines[openlineage]" in record.getMessage()


@pytest.mark.parametrize(
    ("uri", "namespace", "name"),
    [
        ("s3://acme-raw/2024/may.parquet", "s3://acme-raw", "2024/may.parquet"),
        ("gs://acme-raw/parts/", "gs://acme-raw", "parts"),
        (
            *("abfss://raw@acme.dfs.core.windows.net/a/*/b.csv", "abfss://raw@acme.dfs.core.windows.net"),
            "a",
        ),
        ("s3://acme-raw/*.csv", "s3://acme-raw", "/"),
        ("/data/raw/a.csv", "file", "/data/raw/a.csv"),
        ("file:///data/raw/", "file", "/data/raw"),
    ],
)
def test_datasets_have_the_names_that_other_tools_give_them(uri: str, namespace: str, name: str) -> None:
    assert dataset_at(uri) == (namespace, name)


def test_a_fault_in_telling_stops_no_run_and_is_told_once(
    receiver: Receiver, data: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def faulty(graph: object) -> None:
        raise LookupError("no flow")

    monkeypatch.setattr("glacier.lineage.lineage.flow_of", faulty)
    sales.run()
    assert [record.getMessage() for record in caplog.records] == ["no more lineage is told: no flow"]
    assert receiver.events == []


@task
def interrupted() -> None:
    raise KeyboardInterrupt


@pipeline
def stopping() -> None:
    interrupted()


def test_an_interrupted_run_is_aborted(receiver: Receiver, in_tmp: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        stopping.run(executor="sync")
    for name in ("stopping", "stopping.interrupted"):
        assert [event["eventType"] for event in receiver.of(name)] == ["START", "ABORT"]


def test_an_interrupted_run_waits_for_its_receiver_for_a_second(receiver: Receiver, in_tmp: Path) -> None:
    receiver.answers.clear()
    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        stopping.run(executor="sync")
    assert time.monotonic() - began < 5
