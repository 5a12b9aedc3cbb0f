"""`@task(reads=[...], writes=[...])`: what a task touches, stated in place of what its code tells."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from glacier import Bucket, pipeline, task
from glacier.errors import ConfigError
from glacier.providers import LocalProvider

ONE = pl.DataFrame({"n": [1]})


@pytest.fixture
def provider(in_tmp: Path) -> LocalProvider:
    return LocalProvider("data")


@pytest.fixture
def raw(provider: LocalProvider) -> Bucket:
    bucket = provider.bucket("raw", path="a.parquet")
    bucket.write(ONE)
    return bucket


def test_they_order_and_show(raw: Bucket, provider: LocalProvider) -> None:
    lake = {"raw": raw, "clean": provider.bucket("clean", path="b.parquet")}

    @task(reads=["lake.raw"], writes=["lake.clean"])
    def vague(lake: dict[str, Bucket]) -> None:
        for name in ("clean", "raw"):
            getattr(lake[name], "exists" if name == "raw" else "delete")()

    @task(writes=[raw], reads=[])
    def outside() -> None:
        globals_of_another_kind()

    def globals_of_another_kind() -> None:
        LocalProvider("data").bucket("raw", path="a.parquet").write(ONE)

    @pipeline
    def body() -> None:
        vague(lake)
        outside()

    analysis = body.run(mode="analyze")
    assert [(r["name"], r["read_by"], r["written_by"], r["uncertain"]) for r in analysis["resources"]] == [
        ("raw/a.parquet", ["vague"], ["outside"], []),
        ("clean/b.parquet", [], ["vague"], []),
    ]
    assert [edge["reason"] for edge in analysis["edges"]] == [
        "`outside` waits for `vague`: it reads `raw/a.parquet`, overwritten here"
    ]
    assert analysis["warnings"] == []
    body.run()


def test_a_list_left_out_is_inferred(raw: Bucket, provider: LocalProvider) -> None:
    @task(writes=["target"])
    def copy(source: Bucket, target: Bucket) -> None:
        getattr(target, "write")(source.read())  # noqa: B009  # a way that nobody follows

    @pipeline
    def body() -> None:
        copy(raw, provider.bucket("clean", path="b.parquet"))

    found = [(r["name"], r["read_by"], r["written_by"]) for r in body.run(mode="analyze")["resources"]]
    assert found == [("raw/a.parquet", ["copy"], []), ("clean/b.parquet", ["copy"], ["copy"])]
    body.run()


def test_a_wrong_name(line: Callable[[str], str]) -> None:
    with pytest.raises(ConfigError) as caught:

        @task(writes=["taget"])
        def save(df: pl.DataFrame, target: Bucket) -> None: ...

    assert str(caught.value) == (
        "writes of task `save` names `taget`; its parameters are `df`, `target`\n"
        f"  at {line('@task(writes=[' + chr(34) + 'taget')}\n"
        '     @task(writes=["taget"])\n'
        "  Fix: name one of these, or pass the resource itself where it is a global"
    )


def test_no_list(line: Callable[[str], str]) -> None:
    with pytest.raises(ConfigError) as caught:
        task(reads="source")
    assert str(caught.value).startswith("reads takes a list of parameters' names and resources, but got 'source'\n")
