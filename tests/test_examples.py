"""Each example: the plain call equals the run, the analysis is as documented, the result is what bare Polars gives."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from glacier import Pipeline
from glacier.loading import load_pipeline

EXAMPLES = Path(__file__).parent.parent / "examples"


def example(folder: Path, name: str, body: str = "") -> Pipeline[[], Any]:
    return load_pipeline(str(folder / f"{name}.py") + (f":{body}" if body else ""))


def frame(value: Any) -> pl.DataFrame:
    return value.collect() if isinstance(value, pl.LazyFrame) else value


@pytest.mark.parametrize("executor", ["threads", "processes", "sync"])
@pytest.mark.parametrize("name", ["sales_analytics", "validated_processing", "portable_pipeline", "smart_pipeline"])
def test_plain_call_equals_run(examples: Path, name: str, executor: Any) -> None:
    body = example(examples, name)
    planned = frame(body.run(executor=executor))
    assert planned.height > 0
    assert_frame_equal(planned, frame(body()), check_row_order=False)


@pytest.mark.parametrize("executor", ["threads", "processes", "sync"])
def test_pipeline_composition(examples: Path, executor: Any) -> None:
    body = example(examples, "pipeline_composition", "end_to_end")
    amounts = pl.read_parquet(examples / "data" / "raw" / "data.parquet")["amount"]
    direct = amounts.filter(amounts > 0)
    assert body.run(executor=executor).rows() == body().rows() == [(direct.len(), direct.sum())]
    analysis = body.run(mode="analyze")
    assert analysis["execution_levels"] == [["extract_and_validate"], ["compute_metrics"]]
    assert [(group["name"], group["tasks"]) for group in analysis["groups"]] == [
        ("ingestion_pipeline", ["extract_and_validate"]),
        ("analytics_pipeline", ["compute_metrics"]),
    ]


@pytest.mark.parametrize("run", [True, False])
def test_data_lake(examples: Path, run: bool) -> None:
    body = example(examples, "data_lake")
    assert (body.run() if run else body()) is None
    raw = pl.read_parquet(examples / "data" / "sales-raw" / "data.parquet").filter(pl.col("amount") > 0)
    assert_frame_equal(pl.read_parquet(examples / "data" / "sales-processed" / "data.parquet"), raw)
    summary = pl.read_parquet(examples / "data" / "sales-analytics" / "data.parquet")
    assert summary.rows() == [(raw.height, raw["amount"].sum())]
    assert {r["group"] for r in body.run(mode="analyze")["resources"]} == {"create_data_lake[sales]"}


@pytest.mark.parametrize("run", [True, False])
def test_simple_etl(examples: Path, run: bool) -> None:
    body = example(examples, "simple_etl")
    assert (body.run() if run else body()) is None
    written = pl.read_parquet(examples / "data" / "processed" / "data.parquet")
    direct = (
        pl.scan_csv(examples / "data" / "raw" / "data.csv")
        .filter(pl.col("amount") > 0)
        .with_columns(pl.col("date").str.to_date())
        .collect()
    )
    assert_frame_equal(written, direct)
    assert body.run(mode="analyze")["execution_levels"] == [["extract"], ["transform"], ["load"]]
    resources = body.run(mode="analyze")["resources"]
    assert [(r["name"], r["read_by"], r["written_by"]) for r in resources] == [
        ("raw/data.csv", ["extract"], []),
        ("processed/data.parquet", [], ["load"]),
    ]


def test_sales_analytics(examples: Path) -> None:
    body = example(examples, "sales_analytics")
    data = examples / "data"
    direct = (
        pl.scan_parquet(data / "sales" / "transactions.parquet")
        .join(pl.scan_parquet(data / "inventory" / "products.parquet"), on="product_id", how="left")
        .join(pl.scan_parquet(data / "customers" / "customers.parquet"), on="customer_id", how="left")
        .group_by("customer_segment", "product_category")
        .agg(
            pl.sum("revenue").alias("total_revenue"),
            pl.mean("margin").alias("avg_margin"),
            pl.count("order_id").alias("order_count"),
        )
        .collect()
    )
    assert direct.height == 15
    assert_frame_equal(body.run(), direct, check_row_order=False)
    printed = subprocess.run(
        [sys.executable, str(examples / "sales_analytics.py")], capture_output=True, text=True, check=True
    )
    assert printed.stdout == (
        "Tasks: 5\n"
        "Execution levels: [[load_sales, load_inventory, load_customers], [enrich_sales], [compute_metrics]]\n"
    )


def test_validated_processing(examples: Path, capsys: pytest.CaptureFixture[str]) -> None:
    body = example(examples, "validated_processing")
    direct = pl.scan_parquet(examples / "data" / "raw-data" / "orders.parquet").filter(pl.col("amount") > 0).collect()
    assert_frame_equal(body.run().collect(), direct)
    assert capsys.readouterr().out == ""
    analysis = body.run(mode="analyze")
    assert analysis["execution_levels"] == [["validate_schema", "validate_quality"], ["process_data", "send_alert"]]
    assert [(edge["from"], edge["to"], edge["kind"]) for edge in analysis["edges"]] == [
        ("validate_schema", "process_data", "explicit"),
        ("validate_quality", "process_data", "explicit"),
        ("validate_schema", "send_alert", "data"),
        ("validate_quality", "send_alert", "data"),
    ]


def test_portable_pipeline(examples: Path) -> None:
    body = example(examples, "portable_pipeline")
    direct = pl.scan_parquet(examples / "data" / "data" / "sales.parquet").filter(pl.col("amount") > 100).collect()
    assert_frame_equal(body.run(), direct)
    assert body.run(mode="analyze")["execution_levels"] == [["load_data"], ["transform"]]


def test_smart_pipeline(examples: Path) -> None:
    body = example(examples, "smart_pipeline")
    direct = pl.read_parquet(examples / "data" / "data" / "input.parquet")
    assert_frame_equal(body.run().collect(), direct)
    analysis = body.run(mode="analyze")
    assert analysis["execution_levels"] == [["validate"], ["process"]]
    assert [edge["reason"] for edge in analysis["edges"]] == [
        "`process` waits for `validate`: it checks the same `data/input.parquet`"
    ]
    assert analysis["warnings"] == []


@pytest.mark.parametrize("executor", ["threads", "processes", "sync"])
def test_serverless_transformation(examples: Path, executor: Any) -> None:
    body = example(examples, "serverless_transformation")
    raw = pl.read_parquet(examples / "data" / "raw" / "input.parquet")
    totals = raw.group_by("product").agg(pl.col("amount").sum()).sort("product")
    assert_frame_equal(body.run(executor=executor), totals)
    (examples / "data" / "results" / "output.parquet").unlink()
    assert_frame_equal(body(), totals)
    analysis = body.run(mode="analyze")
    assert analysis["execution_levels"] == [
        ["load_raw_data"], ["prepare_for_processing"], ["invoke_processing"], ["load_results"],
    ]  # fmt: skip
    assert [(r["name"], r["read_by"], r["written_by"], r["invoked_by"]) for r in analysis["resources"]] == [
        ("raw/input.parquet", ["load_raw_data"], [], []),
        ("staging/prepared.parquet", [], ["prepare_for_processing"], []),
        ("data-processor", [], [], ["invoke_processing"]),
        ("results/output.parquet", ["load_results"], [], []),
    ]
