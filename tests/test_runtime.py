"""The process of a stage, run as a cloud runs it: child processes, stage by stage, over each object store."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from glacier.providers import LocalProvider
from glacier.providers.portable import settings_of
from stores import CLOUDS, Place, local, place_of

SALES = """
    import logging
    from dataclasses import dataclass

    import polars as pl
    from glacier import Bucket, pipeline, task
    from glacier.config import Compute
    from glacier.providers import LocalProvider

    provider = LocalProvider("data")
    raw = provider.bucket("raw", path="sales.parquet")
    out = provider.bucket("out", path="./")
    BIG = Compute(cpu=4, memory=16_384, name="big")

    @dataclass(frozen=True)
    class Model:
        store: str
        factor: float

    @task
    def load(source: Bucket) -> pl.LazyFrame:
        return source.scan()

    @task
    def stores(sales: pl.LazyFrame, least: int) -> list[str]:
        counted = sales.group_by("store").len().filter(pl.col("len") >= least).collect()
        logging.getLogger("mine").warning("%d stores", counted.height)
        return sorted(counted["store"])

    @task
    def enough(found: list[str]) -> bool:
        return len(found) > 1

    @task(compute=BIG)
    def fit(sales: pl.LazyFrame, store: str) -> Model:
        total = sales.filter(pl.col("store") == store).select(pl.col("amount").sum()).collect().item()
        return Model(store, total / 2)

    @task
    def scored(sales: pl.LazyFrame, models: list[Model]) -> pl.LazyFrame:
        factors = pl.LazyFrame({"store": [m.store for m in models], "factor": [m.factor for m in models]})
        return sales.join(factors, on="store").group_by("store").agg((pl.col("amount") * pl.col("factor")).sum())

    @task
    def nothing(found: list[str]) -> pl.LazyFrame:
        return pl.LazyFrame({"store": found, "amount": [0.0] * len(found)})

    @pipeline
    def sales_by_store(least: int = 2) -> None:
        sales = load(raw)
        found = stores(sales, least)
        if enough(found):
            models = []
            for store in found:
                models.append(fit(sales, store))
            result = scored(sales, models)
        else:
            result = nothing(found)
        out.at("by_store.parquet").write(result)
"""
SOLD = pl.DataFrame({"store": ["a", "a", "b", "b", "c"], "amount": [1.0, 2.0, 3.0, 5.0, 8.0]})


@dataclass
class Cloud:
    """A pipeline's project on disk, and the place where it runs."""

    folder: Path
    place: Place
    entry: str
    environment: dict[str, str] = field(default_factory=dict[str, str])
    arguments: list[str] = field(default_factory=list[str])

    @property
    def records(self) -> Any:
        return self.place.provider.bucket("nothing", path="./")

    def command(self, stage: str) -> list[str]:
        uri = self.records.uri.rstrip("/")
        own = [sys.executable, "-m", "glacier.runtime", self.entry, "--stage", stage, "--records", uri]
        return own + self.arguments

    def start(self, stage: str, run: str = "r1", **environment: str) -> subprocess.Popen[str]:
        told = {
            **os.environ,
            "GLACIER_PROVIDER": json.dumps(settings_of(self.place.provider)),
            "GLACIER_REBINDS": "1",
            "GLACIER_RUN_ID": run,
            "GLACIER_TIMEOUT": "60",
            **self.environment,
            **environment,
        }
        return subprocess.Popen(
            self.command(stage), cwd=self.folder, env=told, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )

    def run(self, stage: str, run: str = "r1", *, code: int = 0, **environment: str) -> str:
        """Runs a stage to its end, and gives what it printed."""
        process = self.start(stage, run, **environment)
        out, err = process.communicate(timeout=90)
        assert process.returncode == code, out + err
        return out + err

    def document(self, path: str) -> dict[str, Any]:
        found = self.records.store.small("nothing", path)
        assert found is not None, self.place.keys(self.records)
        document: dict[str, Any] = json.loads(found.content)
        return document

    def record(self, pipeline: str, stage: str, run: str = "r1") -> dict[str, Any]:
        return self.document(f"{pipeline}/{stage}/{run}/record.json")


def project(folder: Path, text: str, place: Place | None = None, name: str = "etl", *inputs: str) -> Cloud:
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.py").write_text(textwrap.dedent(text))
    at = place or local(LocalProvider(folder / "data"))
    return Cloud(folder, at, name, arguments=[word for text in inputs for word in ("--input", text)])


@pytest.mark.parametrize("kind", ["local", *CLOUDS])
def test_stages_run_one_after_another_over_each_store(kind: str, tmp_path: Path) -> None:
    cloud = project(tmp_path, SALES, place_of(kind, tmp_path))
    cloud.place.provider.bucket("raw", path="sales.parquet").write(SOLD)
    for stage in ("main", "big", "main-2"):
        cloud.run(stage)
    made = cloud.place.provider.bucket("out", path="by_store.parquet").read().sort("store")
    assert made.rows() == [("a", 4.5), ("b", 32.0)]
    states = {task["name"]: task["state"] for stage in ("main", "big", "main-2")
              for task in cloud.record("sales-by-store", stage)["tasks"]}  # fmt: skip
    assert states == {
        "load": "succeeded", "stores": "succeeded", "enough": "succeeded", "fit": "succeeded", "nothing": "skipped",
        "scored": "succeeded", "out.write": "succeeded",
    }  # fmt: skip
    assert cloud.document("sales-by-store/lease")["run"] is None
