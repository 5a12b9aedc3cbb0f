"""Where columns come from, operator by operator, as Polars' plan of a frame tells."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from glacier.frameplans import origins_of
from glacier.origins import Origin, Origins


@pytest.fixture
def files(tmp_path: Path) -> tuple[pl.LazyFrame, pl.LazyFrame]:
    pl.DataFrame({"id": [1, 2], "amount": [1.0, 2.0], "cid": [1, 2], "tags": [["x"], []]}).write_parquet(tmp_path / "a")
    pl.DataFrame({"cid": [1, 2], "segment": ["s", "t"], "amount": [3, 4]}).write_csv(tmp_path / "b")
    return pl.scan_parquet(tmp_path / "a"), pl.scan_csv(tmp_path / "b")


_SHORT = {"IDENTITY": "=", "TRANSFORMATION": "~", "AGGREGATION": "+"}


def shown(found: Origins, origins: tuple[Origin, ...]) -> set[str]:
    """Each as `a.amount+`: the file, the column, how its values are used; `?` where that is only possible."""
    return {
        f"{Path(found.sources[one.source].paths[0]).name}.{one.column}{_SHORT.get(one.how, ' ' + one.how)}"
        + ("?" if one.guessed else "")
        for one in origins
    }


def parts(text: str) -> set[str]:
    return set(text.split(", ")) - {""}


n = pl.col

CASES: dict[str, tuple[Callable[[pl.LazyFrame, pl.LazyFrame], pl.LazyFrame], dict[str, str], str]] = {
    "select": (
        lambda a, b: a.select("id", x=n("amount") * n("cid") + 1),
        {"id": "a.id=", "x": "a.amount~, a.cid~"},
        "",
    ),
    "chain": (
        lambda a, b: a.with_columns(x=n("amount") * 2).select(y=n("x").round()).rename({"y": "z"}),
        {"z": "a.amount~"},
        "",
    ),
    "literal": (lambda a, b: a.select("id", x=pl.lit(1)), {"id": "a.id=", "x": ""}, ""),
    "filter": (lambda a, b: a.filter(n("amount") > 1).select("id"), {"id": "a.id="}, "a.amount FILTER"),
    "filter after": (
        lambda a, b: a.group_by("cid").agg(t=n("amount").sum()).filter(n("t") > 1),
        {"cid": "a.cid=", "t": "a.amount+"},
        "a.cid GROUP_BY, a.amount FILTER",
    ),
    "group by": (
        lambda a, b: a.group_by(k=n("cid") % 2).agg(n("amount").mean(), n=pl.len(), ids=n("id")),
        {"k": "a.cid~", "amount": "a.amount+", "n": "", "ids": "a.id+"},
        "a.cid GROUP_BY",
    ),
    "when": (
        lambda a, b: a.select(x=pl.when(n("cid") > 1).then("amount").otherwise(n("id"))),
        {"x": "a.amount~, a.id~, a.cid CONDITIONAL"},
        "",
    ),
    "window": (
        lambda a, b: a.select(x=n("amount").sum().over("cid", order_by="id")),
        {"x": "a.amount+, a.cid WINDOW, a.id WINDOW"},
        "",
    ),
    "inner join": (
        lambda a, b: a.select("id", "cid", "amount").join(b, on="cid"),
        {"id": "a.id=", "cid": "a.cid=", "amount": "a.amount=", "segment": "b.segment=", "amount_right": "b.amount="},
        "a.cid JOIN, b.cid JOIN",
    ),
    "right join": (
        lambda a, b: a.select("id", "cid").join(b.select("cid", "segment"), on="cid", how="right"),
        {"id": "a.id=", "cid": "b.cid=", "segment": "b.segment="},
        "a.cid JOIN, b.cid JOIN",
    ),
    "right join, keys apart": (
        lambda a, b: a.select("id", "cid").join(b.select("cid"), on="cid", how="right", coalesce=False),
        {"id": "a.id=", "cid": "a.cid=", "cid_right": "b.cid="},
        "a.cid JOIN, b.cid JOIN",
    ),
    "full join": (
        lambda a, b: a.select("id", "cid").join(b.select("cid"), on="cid", how="full", coalesce=True),
        {"id": "a.id=", "cid": "a.cid=, b.cid="},
        "a.cid JOIN, b.cid JOIN",
    ),
    "full join, keys of two names, values of one": (
        lambda a, b: a.select("amount", k="cid").join(
            b.select("amount", "cid"), left_on="k", right_on="cid", how="full", coalesce=True
        ),
        {"amount": "a.amount=", "k": "a.cid=, b.cid=", "amount_right": "b.amount="},
        "a.cid JOIN, b.cid JOIN",
    ),
    "right join, keys of two names": (
        lambda a, b: a.select("amount", k="cid").join(
            b.select("amount", "cid"), left_on="k", right_on="cid", how="right"
        ),
        {"amount": "a.amount=", "amount_right": "b.amount=", "cid": "b.cid="},
        "a.cid JOIN, b.cid JOIN",
    ),
    "suffix": (
        lambda a, b: a.select("cid", "amount").join(b, left_on="cid", right_on="cid", suffix="_b").select("amount_b"),
        {"amount_b": "b.amount="},
        "a.cid JOIN, b.cid JOIN",
    ),
    "semi join": (
        lambda a, b: a.select("id", "cid").join(b, on="cid", how="semi").select("id"),
        {"id": "a.id="},
        "a.cid JOIN, b.cid JOIN",
    ),
    "sort": (lambda a, b: a.sort("amount").select("id"), {"id": "a.id="}, "a.amount SORT"),
    "unique": (lambda a, b: a.unique("cid").select("id"), {"id": "a.id="}, "a.cid GROUP_BY"),
    "concat": (
        lambda a, b: pl.concat([a.select("cid", "amount"), b.select("cid", n("amount").cast(pl.Float64))]),
        {"cid": "a.cid=, b.cid=", "amount": "a.amount=, b.amount~"},
        "",
    ),
    "side by side": (
        lambda a, b: pl.concat([a.select("id"), b.select("segment")], how="horizontal"),
        {"id": "a.id=", "segment": "b.segment="},
        "",
    ),
    "unpivot": (
        lambda a, b: a.unpivot(["amount", "id"], index="cid"),
        {"cid": "a.cid=", "variable": "", "value": "a.amount~, a.id~"},
        "",
    ),
    "explode": (lambda a, b: a.select("id", "tags").explode("tags"), {"id": "a.id=", "tags": "a.tags="}, ""),
    "row index": (lambda a, b: a.select("id").with_row_index("at"), {"at": "", "id": "a.id="}, ""),
    "struct": (lambda a, b: a.select(s=pl.struct("id", "cid")), {"s": "a.id~, a.cid~"}, ""),
    "unnest": (
        lambda a, b: a.select("amount", s=pl.struct("id", "cid")).unnest("s"),
        {"amount": "a.amount=", "id": "a.id~, a.cid~", "cid": "a.id~, a.cid~"},
        "",
    ),
    "head": (lambda a, b: a.select("id").head(1), {"id": "a.id="}, ""),
    "cache": (lambda a, b: a.select("id").cache(), {"id": "a.id="}, ""),
    "sql": (
        lambda a, b: pl.SQLContext(a=a, b=b).execute(
            "select segment, sum(a.amount) s from a join b using (cid) group by 1"
        ),
        {"segment": "b.segment=", "s": "a.amount+, a.amount CONDITIONAL"},
        "a.cid JOIN, b.cid JOIN, b.segment GROUP_BY",
    ),
    "python function of a column": (
        lambda a, b: a.select("id", "cid").with_columns(x=n("cid").map_batches(lambda s: s, return_dtype=pl.Int64)),
        {"id": "a.id=", "cid": "a.cid=", "x": "a.id~?, a.cid~?"},
        "",
    ),
    "python function of a frame": (
        lambda a, b: a.select("id", "cid").map_batches(lambda df: df, schema={"id": pl.Int64, "z": pl.Int64}),
        {"id": "a.id~?, a.cid~?", "z": "a.id~?, a.cid~?"},
        "",
    ),
    "in memory": (lambda a, b: a.select("id").collect().lazy(), {"id": ""}, ""),
}


@pytest.mark.parametrize("case", CASES)
def test_columns_come_from(case: str, files: tuple[pl.LazyFrame, pl.LazyFrame]) -> None:
    made, columns, rows = CASES[case]
    found = origins_of(made(*files))
    assert found is not None
    assert {name: shown(found, origins) for name, origins in found.columns.items()} == {
        name: parts(text) for name, text in columns.items()
    }
    assert shown(found, found.rows) == parts(rows)


def test_arrow_files_are_sources_too(tmp_path: Path) -> None:
    for name in ("a", "b"):
        pl.DataFrame({"id": [1], name: [2]}).write_ipc(tmp_path / name)
    a, b = pl.scan_ipc(tmp_path / "a"), pl.scan_ipc(tmp_path / "b")
    found = origins_of(a.join(b, on="id").join(a.select("id", z=n("a") + 1), on="id").drop("id"))
    assert found is not None
    assert {Path(source.paths[0]).name for source in found.sources} == {"a", "b"}
    assert {name: shown(found, origins) for name, origins in found.columns.items()} == {
        "a": {"a.a="},
        "b": {"b.b="},
        "z": {"a.a~"},
    }


def test_a_plan_that_polars_does_not_show_has_no_origins(monkeypatch: pytest.MonkeyPatch) -> None:
    class Hidden:
        _ldf = None

    assert origins_of(Hidden()) is None  # type: ignore[arg-type]  # what a later Polars may be like


def test_files_that_are_not_there_have_no_origins(tmp_path: Path) -> None:
    assert origins_of(pl.scan_parquet(tmp_path / "none.parquet")) is None
