"""`glacier demo`: the data, the tour, and that a second one does no harm."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from glacier.demo.data import is_written, write_data
from glacier.demo.pipeline import sales_analytics
from glacier.providers import LocalProvider


def demo(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "glacier", "demo", *words], capture_output=True, text=True, check=False
    )


def test_tour_twice(in_tmp: Path) -> None:
    began = time.perf_counter()
    first = demo()
    assert first.returncode == 0, first.stderr
    assert time.perf_counter() - began < 15
    for expected in (
        "1,000,000 sales in 12 Parquet files",
        "sales_are_usable",
        "by_segment",
        "consumer",
        "reports.write",
        "glacier analyze glacier-demo/pipeline.py",
    ):
        assert expected in first.stdout
    stamps = {file: file.stat().st_mtime_ns for file in (in_tmp / "glacier-demo" / "data").glob("sales/*")}
    assert len(stamps) == 12

    script = in_tmp / "glacier-demo" / "pipeline.py"
    script.write_text(script.read_text().replace("MOST_DIRTY = 0.05", "MOST_DIRTY = 0.06"))
    second = demo()
    assert second.returncode == 0
    assert "is kept as you changed it" in second.stdout
    assert "MOST_DIRTY = 0.06" in script.read_text()
    assert {file: file.stat().st_mtime_ns for file in stamps} == stamps


def test_the_check_of_the_demo_closes_its_gate(in_tmp: Path) -> None:
    assert demo().returncode == 0
    script = in_tmp / "glacier-demo" / "pipeline.py"
    script.write_text(script.read_text().replace("MOST_DIRTY = 0.05", "MOST_DIRTY = 0.01"))
    done = demo()
    assert done.returncode == 1
    assert "`sales_are_usable` returned False" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_picture_in_the_readme(golden: Callable[[Path, str], None], monkeypatch: pytest.MonkeyPatch) -> None:
    root = Path(__file__).parent.parent
    monkeypatch.chdir(root)  # files are told as seen from the working directory
    golden(root / "docs" / "images" / "demo.svg", sales_analytics.graph().svg().replace(f"{root}/", ""))


def test_a_file_in_the_way(in_tmp: Path) -> None:
    (in_tmp / "glacier-demo").write_text("mine")
    done = demo()
    assert done.returncode == 2
    assert done.stderr == (
        "ConfigError: `glacier-demo` is a file, and the demo needs a folder\n  Fix: glacier demo another-folder\n"
    )


def test_data_is_the_same_for_the_same_seed(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        write_data(tmp_path / folder, sales=1_200)
    files = sorted(path.relative_to(tmp_path / "a") for path in (tmp_path / "a").rglob("*.*"))
    assert len(files) == 14
    for file in files:
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()
    assert is_written(tmp_path / "a")
    (tmp_path / "a" / "sales" / "2024-07.parquet").unlink()
    assert not is_written(tmp_path / "a")


def test_data_is_what_its_description_says(tmp_path: Path) -> None:
    write_data(tmp_path, sales=120_000)
    sales = LocalProvider(tmp_path).bucket("sales", path="*.parquet").read()
    assert sales.schema == pl.Schema(
        {
            "order_id": pl.Int64,
            "customer_id": pl.Int64,
            "product_id": pl.Int64,
            "quantity": pl.Int64,
            "unit_price": pl.Float64,
            "ordered_on": pl.Date,
        }
    )
    assert sales.height == 120_000
    assert sales["order_id"].n_unique() == 120_000
    assert sales["unit_price"].null_count() / sales.height == pytest.approx(0.015, abs=0.002)
    assert (sales["quantity"] < 1).sum() / sales.height == pytest.approx(0.01, abs=0.002)
    assert sales["ordered_on"].dt.month().n_unique() == 12
    assert (sales["customer_id"] > 50_000).sum() / sales.height == pytest.approx(0.002, abs=0.0007)
