"""`@composite_resource`: what it may give, the group's name, and what does not change by being in one."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import polars as pl
import pytest

from glacier import Bucket, composite_resource, pipeline, task
from glacier.errors import ConfigError
from glacier.providers import LocalProvider


@composite_resource
def create_data_lake(provider: LocalProvider, name: str) -> dict[str, Bucket]:
    """Create a complete data lake with multiple buckets."""
    return {
        "raw": provider.bucket(f"{name}-raw", path="data.parquet"),
        "processed": provider.bucket(f"{name}-processed", path="data.parquet"),
        "analytics": provider.bucket(f"{name}-analytics", path="data.parquet"),
    }


@dataclass(frozen=True)
class Zone:
    landing: Bucket
    archive: Bucket
    days: int = 30


class Pair(NamedTuple):
    left: Bucket
    right: Bucket


@task
def load_data(source: Bucket) -> pl.LazyFrame:
    return source.scan()


@task
def transform(df: pl.LazyFrame) -> pl.LazyFrame:
    return df.filter(pl.col("n") > 1)


@task
def publish(lake: dict[str, Bucket]) -> int:
    lake["analytics"].write(lake["processed"].read())
    return lake["analytics"].read().height


@pytest.fixture
def provider(tmp_path: Path) -> LocalProvider:
    return LocalProvider(tmp_path)


def test_the_document_s_data_lake(provider: LocalProvider) -> None:
    create_data_lake(provider, "sales")["raw"].write(pl.DataFrame({"n": [1, 2, 3]}))

    @pipeline
    def data_lake_pipeline() -> int:
        lake = create_data_lake(provider, "sales")

        raw_df = load_data(lake["raw"])
        processed_df = transform(raw_df)
        lake["processed"].write(processed_df)
        return publish(lake)

    assert data_lake_pipeline() == data_lake_pipeline.run() == 2
    analysis = data_lake_pipeline.run(mode="analyze")
    assert analysis["execution_levels"] == [["load_data"], ["transform"], ["sales-processed.write"], ["publish"]]
    assert [(r["name"], r["group"]) for r in analysis["resources"]] == [
        ("sales-raw/data.parquet", "create_data_lake[sales]"),
        ("sales-processed/data.parquet", "create_data_lake[sales]"),
        ("sales-analytics/data.parquet", "create_data_lake[sales]"),
    ]
    told = analysis.text(300).splitlines()
    assert [row[:33].rstrip() for row in told[told.index("resources") + 1 :]] == [
        "  create_data_lake[sales]",
        "    sales-raw/data.parquet",
        "    sales-processed/data.parquet",
        "    sales-analytics/data.parquet",
    ]
    assert "<td>create_data_lake[sales]</td>" in analysis._repr_html_()
    assert 'subgraph c0["create_data_lake[sales]"]' in data_lake_pipeline.graph().mermaid()
    assert "create_data_lake[sales]</text>" in data_lake_pipeline.graph().svg()


def test_it_looks_like_its_function(provider: LocalProvider) -> None:
    assert create_data_lake.__name__ == "create_data_lake"
    assert create_data_lake.__doc__ == "Create a complete data lake with multiple buckets."
    assert list(create_data_lake(provider, "a")) == ["raw", "processed", "analytics"]


def test_a_group_changes_nothing_else(provider: LocalProvider) -> None:
    plain = provider.bucket("sales-raw", path="data.parquet")
    member = create_data_lake(provider, "sales")["raw"]
    assert (member, hash(member), repr(member), member.uri) == (plain, hash(plain), repr(plain), plain.uri)
    assert (plain.group, member.group) == ((), ("create_data_lake[sales]",))
    assert member.site is not None
    assert "provider.bucket(" in member.site.text
    assert member.at("other.csv").group == member.at("folder").group == member.group
    assert pickle.loads(pickle.dumps(member)).group == member.group


def test_results_of_every_shape(provider: LocalProvider) -> None:
    def bucket(name: str) -> Bucket:
        return provider.bucket(name, path="d.parquet")

    @composite_resource
    def single(name: str) -> Bucket:
        return bucket(name)

    @composite_resource
    def pair(name: str) -> Pair:
        return Pair(bucket(f"{name}-l"), bucket(f"{name}-r"))

    @composite_resource
    def zone(name: str) -> Zone:
        return Zone(bucket(f"{name}-in"), bucket(f"{name}-old"))

    @composite_resource
    def frozen(name: str) -> Mapping[str, Bucket]:
        return MappingProxyType({"only": bucket(name)})

    @composite_resource
    def listed(name: str, count: int) -> list[tuple[int, Bucket]]:
        return [(n, bucket(f"{name}-{n}")) for n in range(count)]

    assert single("a").group == ("single[a]",)
    assert [part.group for part in pair("a")] == [("pair[a]",)] * 2
    made = zone("a")
    assert (type(made), made.days, made.landing.group, made.archive.group) == (Zone, 30, ("zone[a]",), ("zone[a]",))
    assert frozen("a")["only"].group == ("frozen[a]",)
    assert [(n, b.group) for n, b in listed("a", 2)] == [(0, ("listed[a]",)), (1, ("listed[a]",))]


def test_composites_of_composites(provider: LocalProvider) -> None:
    @composite_resource
    def platform(provider: LocalProvider, *regions: str) -> dict[str, Any]:
        lakes = {region: create_data_lake(provider, region) for region in regions}
        return {"lakes": lakes, "shared": provider.bucket("shared", path="d.parquet")}

    made = platform(provider, "eu", "us")
    assert made["lakes"]["eu"]["raw"].group == ("platform[eu, us]", "create_data_lake[eu]")
    assert made["shared"].group == ("platform[eu, us]",)

    @pipeline
    def copied() -> None:
        made["shared"].write(load_data(made["lakes"]["us"]["raw"]))

    assert [r["group"] for r in copied.run(mode="analyze")["resources"]] == [
        "platform[eu, us]/create_data_lake[us]",
        "platform[eu, us]",
    ]
    assert copied.graph().mermaid().splitlines()[3:9] == [
        '    subgraph c0["platform[eu, us]"]',
        '        subgraph c1["create_data_lake[us]"]',
        '            r0[("us-raw/data.parquet")]:::resource',
        "        end",
        '        r1[("shared/d.parquet")]:::resource',
        "    end",
    ]


def test_without_telling_arguments_it_is_named_for_its_variable(provider: LocalProvider) -> None:
    @composite_resource(name="scratch")
    def make_scratch(secret: str = "") -> tuple[Bucket]:
        return (provider.bucket("tmp", path="d.parquet"),)

    area = make_scratch(secret="hunter2")
    assert area[0].group == ("scratch[area]",)
    assert [make_scratch()][0][0].group == ("scratch",)


SHARED = LocalProvider("./nowhere")
LAKE = create_data_lake(SHARED, "global")


@task
def reads_global() -> int:
    return LAKE["raw"].read().height


@task
def reads_default(lake: dict[str, Bucket] = LAKE) -> int:
    return lake["raw"].read().height


@task
def reads_zone(zone: Zone) -> int:
    return zone.landing.read().height


def test_wherever_it_stands(provider: LocalProvider) -> None:
    @composite_resource
    def zone(name: str) -> Zone:
        return Zone(provider.bucket(f"{name}-in", path="d.parquet"), provider.bucket(f"{name}-old", path="d.parquet"))

    @pipeline
    def body(lake: dict[str, Bucket] = LAKE) -> list[Any]:
        return [reads_global(), reads_default(), load_data(lake["processed"]), reads_zone(zone("z"))]

    found = {r["name"]: (r["group"], r["read_by"]) for r in body.run(mode="analyze")["resources"]}
    lake = "create_data_lake[global]"
    assert found["global-raw/data.parquet"] == (lake, ["reads_global", "reads_default"])
    assert found["global-processed/data.parquet"][0] == lake
    assert found["z-in/d.parquet"] == ("zone[z]", ["reads_zone"])


def test_the_group_is_told_even_if_another_declaration_comes_first(provider: LocalProvider) -> None:
    @pipeline
    def body() -> list[pl.LazyFrame]:
        plain = provider.bucket("sales-raw", path="data.parquet")
        return [load_data(plain), load_data(create_data_lake(provider, "sales")["raw"])]

    (resource,) = body.run(mode="analyze")["resources"]
    assert resource["group"] == "create_data_lake[sales]"


def nothing() -> None: ...


def number() -> dict[str, int]:
    return {"a": 1}


@pytest.mark.parametrize(("function", "shown"), [(nothing, "None"), (number, "a dict")])
def test_nothing_in_it_is_refused(function: Callable[[], object], shown: str, line: Callable[[str], str]) -> None:
    made = composite_resource(function)
    with pytest.raises(ConfigError) as caught:
        made()
    assert str(caught.value) == (
        f"composite resource `{function.__name__}` returns {shown}, in which there is no resource\n"
        f"  at {line('made()')}\n"
        "     made()\n"
        "  Fix: return what it declares: a bucket, or a dict, dataclass or tuple of them"
    )


def yielding() -> Iterator[Bucket]:
    yield SHARED.bucket("a", path="a.parquet")


async def later() -> Bucket:
    return SHARED.bucket("a", path="a.parquet")


@pytest.mark.parametrize(("function", "what"), [(yielding, "yields"), (later, "is an `async def`")])
def test_generators_and_coroutines_are_refused(function: Any, what: str, line: Callable[[str], str]) -> None:
    with pytest.raises(ConfigError) as caught:
        composite_resource(function)
    assert str(caught.value) == (
        f"composite resource `{function.__name__}` {what}\n"
        f"  at {line('composite_resource(function)')}\n"
        "     composite_resource(function)\n"
        "  Fix: write a plain `def` that returns its resources: declaring them waits for nothing"
    )


def test_only_functions_are_decorated() -> None:
    with pytest.raises(ConfigError, match="@composite_resource takes a function, but got 7"):
        composite_resource(7)  # type: ignore[call-overload]  # what is tested
