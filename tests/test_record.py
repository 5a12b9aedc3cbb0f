"""The file of schemas: every dtype comes back as it was, what is no such file is told; the command that writes it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from glacier import Bucket, pipeline, task
from glacier.checking.record import read, update, written
from glacier.errors import InputError
from glacier.providers import LocalProvider

DTYPES: list[pl.DataType] = [
    *(pl.Int8(), pl.Int16(), pl.Int32(), pl.Int64(), pl.Int128()),
    *(pl.UInt8(), pl.UInt16(), pl.UInt32(), pl.UInt64(), pl.UInt128()),
    *(
        pl.Float16(),
        pl.Float32(),
        pl.Float64(),
        pl.Boolean(),
        pl.String(),
        pl.Binary(),
        pl.Date(),
        pl.Time(),
        pl.Null(),
    ),
    *(pl.Datetime(unit) for unit in ("ms", "us", "ns")),
    *(pl.Datetime(unit, "Europe/Berlin") for unit in ("ms", "us", "ns")),
    *(pl.Duration(unit) for unit in ("ms", "us", "ns")),
    pl.Decimal(38, 0),
    pl.Decimal(10, 2),
    pl.Enum([]),
    pl.Enum(["a", 'quoted "b"', "Straße, 東京"]),
    pl.Categorical(),
    pl.Categorical(pl.Categories("places", "geo", pl.UInt8)),
    pl.List(pl.Int8()),
    pl.List(pl.List(pl.Datetime("ns"))),
    pl.Array(pl.Float32(), 3),
    pl.Array(pl.Int8(), (2, 3)),
    pl.Struct({"street": pl.String(), "no": pl.Int32()}),
    pl.Struct({}),
    pl.Struct({"in": pl.List(pl.Struct({"kind": pl.Enum(["x"]), "at": pl.Array(pl.Decimal(5, 1), 2)}))}),
]


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_every_dtype_comes_back_as_it_was(dtype: pl.DataType, tmp_path: Path) -> None:
    schemas = {"raw/x.parquet": pl.Schema({'odd "name"\n': dtype, "id": pl.Int64()})}
    file = tmp_path / "schemas.json"
    file.write_text(written(schemas), "utf-8")
    assert read(file) == schemas
    assert list(read(file)["raw/x.parquet"]) == ['odd "name"\n', "id"]


def test_the_text_is_stable_and_one_column_a_line() -> None:
    schema = pl.Schema({"id": pl.Int64(), "at": pl.Datetime("us", "UTC"), "tags": pl.List(pl.String())})
    assert written({"raw/b.csv": pl.Schema(), "raw/a.parquet": schema}) == (
        "{\n"
        '  "version": 1,\n'
        '  "schemas": {\n'
        '    "raw/a.parquet": {\n'
        '      "id": "Int64",\n'
        '      "at": {"Datetime": {"unit": "us", "zone": "UTC"}},\n'
        '      "tags": {"List": "String"}\n'
        "    },\n"
        '    "raw/b.csv": {}\n'
        "  }\n"
        "}\n"
    )


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("id,amount", "it is not JSON (Expecting value: line 1 column 1 (char 0))"),
        ("[]", 'it has no "version": 1'),
        ('{"version": 2}', 'it has no "version": 1'),
        ('{"version": 1, "schemas": []}', "it has no schemas by source"),
        ('{"version": 1, "schemas": {"a": ["id"]}}', "`a` has no columns with dtypes"),
        (
            '{"version": 1, "schemas": {"a": {"id": "Int65"}}}',
            'column `id` of `a` has no dtype that is known: "Int65"',
        ),
        (
            '{"version": 1, "schemas": {"a": {"id": "Expr"}}}',
            'column `id` of `a` has no dtype that is known: "Expr"',
        ),
        (
            '{"version": 1, "schemas": {"a": {"id": {"Datetime": {"unit": "h", "zone": null}}}}}',
            'column `id` of `a` has no dtype that is known: {"Datetime": {"unit": "h", "zone": null}}',
        ),
        (
            '{"version": 1, "schemas": {"a": {"id": {"List": 3}}}}',
            "column `id` of `a` has no dtype that is known: 3",
        ),
        (
            '{"version": 1, "schemas": {"a": {"id": {"Decimal": {"precision": "many", "scale": 2}}}}}',
            'column `id` of `a` has no dtype that is known: {"Decimal": {"precision": "many", "scale": 2}}',
        ),
    ],
)
def test_what_is_no_such_file(text: str, why: str, in_tmp: Path) -> None:
    file = Path("s.json")
    file.write_text(text)
    with pytest.raises(InputError) as caught:
        read(file)
    assert str(caught.value) == (
        f"`s.json` is not a file that `glacier check --record` writes: {why}\n"
        "  Fix: delete it, and run `glacier check --record` where the data is"
    )


def test_a_file_that_is_not_there(in_tmp: Path) -> None:
    @pipeline
    def nothing() -> None: ...

    with pytest.raises(InputError) as caught:
        nothing.check(schemas="gone.json")
    assert str(caught.value) == (
        "the schemas file `gone.json` cannot be read: No such file or directory\n"
        "  Fix: correct the path, or run `glacier check --record` where the data is"
    )


def test_other_sources_stay_in_the_file(tmp_path: Path) -> None:
    file = tmp_path / "schemas.json"
    update(file, {"a": pl.Schema({"x": pl.Int8()}), "b": pl.Schema({"y": pl.Int8()})})
    update(file, {"b": pl.Schema({"z": pl.Int16()})})
    assert read(file) == {"a": pl.Schema({"x": pl.Int8()}), "b": pl.Schema({"z": pl.Int16()})}


@task
def load(source: Bucket) -> pl.LazyFrame:
    return source.scan()


def test_what_is_recorded_stands_in_for_data_that_is_not_here(tmp_path: Path) -> None:
    @pipeline
    def reading() -> None:
        load(LocalProvider(tmp_path / "elsewhere").bucket("raw", path="x.csv"))
        load(LocalProvider(tmp_path / "elsewhere").bucket("raw", path="y.csv", schema={"kept": pl.Int8}))

    file = tmp_path / "s.json"
    update(file, {"raw/x.csv": pl.Schema({"id": pl.Int8()}), "raw/y.csv": pl.Schema({"id": pl.Int8()})})
    for schemas in (file, str(file)):
        check = reading.check(schemas=schemas, strict=True)
        assert [(one.name, one.origin) for one in check.sources] == [
            ("raw/x.csv", "recorded in s.json"),
            ("raw/y.csv", "declared"),
        ]
    given = reading.check(schemas={"raw/x.csv": {"id": pl.Int8}})
    assert [one.origin for one in given.sources] == ["given to the check", "declared"]


# The command

ETL = """
import polars as pl
from glacier import Bucket, pipeline, task
from glacier.providers import LocalProvider

raw = LocalProvider("data").bucket("raw", path="sales.csv")


@task
def load(source: Bucket) -> pl.LazyFrame:
    print("loading")
    return source.scan()


@task
def cheap(df: pl.LazyFrame, column: str) -> pl.LazyFrame:
    return df.filter(pl.col(column) < 5)


@pipeline
def etl(column: str = "amount") -> pl.LazyFrame:
    return cheap(load(raw), column)
"""


@pytest.fixture
def folder(in_tmp: Path) -> Path:
    (in_tmp / "etl.py").write_text(ETL)
    LocalProvider("data").bucket("raw", path="sales.csv").write(pl.DataFrame({"id": [1], "amount": [2.5]}))
    return in_tmp


def glacier(*words: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "COLUMNS": "100"}
    command = [sys.executable, "-m", "glacier", *words]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)


def test_the_command(folder: Path) -> None:
    done = glacier("check", "etl.py")
    assert (done.returncode, done.stderr) == (0, "loading\n")
    assert done.stdout == (
        "etl: 2 of 2 calls checked\n"
        "\n"
        "sources\n"
        "  raw/sales.csv   the data's head   id Int64, amount Float64\n"
        "\n"
        "schemas\n"
        "  load    etl.py:22   id Int64, amount Float64\n"
        "  cheap   etl.py:22   id Int64, amount Float64\n"
    )


def test_the_command_ends_with_1_for_what_does_not_fit(folder: Path) -> None:
    done = glacier("check", "etl.py", "-i", "column=amuont")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        "loading\n"
        "SchemaError: task `cheap` uses column `amuont`, which `load` does not give\n"
        "    `df` from `load`: id Int64, amount Float64\n"
        "  at etl.py:22\n"
        "     return cheap(load(raw), column)\n"
        "  Fix: did you mean `amount`?\n"
    )
    machine = glacier("check", "etl.py", "-i", "column=amuont", "--json")
    assert machine.returncode == 1
    told = json.loads(machine.stdout)
    assert told["errors"] == [
        {
            "message": "task `cheap` uses column `amuont`, which `load` does not give\n"
            "    `df` from `load`: id Int64, amount Float64",
            "file": "etl.py",
            "line": 22,
            "fix": "did you mean `amount`?",
        }
    ]
    assert told["calls"][0] == {
        "name": "load",
        "file": "etl.py",
        "line": 22,
        "schemas": {"": {"id": "Int64", "amount": "Float64"}},
        "reason": None,
    }


def test_record_where_the_data_is_then_check_where_it_is_not(folder: Path) -> None:
    done = glacier("check", "etl.py", "--record")
    assert (done.returncode, done.stderr) == (0, "loading\nwrote 1 of 1 schemas to glacier-schemas.json\n")
    assert json.loads((folder / "glacier-schemas.json").read_text())["schemas"] == {
        "raw/sales.csv": {"id": "Int64", "amount": "Float64"}
    }
    (folder / "data" / "raw" / "sales.csv").unlink()
    there = glacier("check", "etl.py", "--strict", "--json")
    assert there.returncode == 0
    assert json.loads(there.stdout)["sources"] == [
        {
            "name": "raw/sales.csv",
            "schema": {"id": "Int64", "amount": "Float64"},
            "origin": "recorded in glacier-schemas.json",
        }
    ]
    (folder / "glacier-schemas.json").rename(folder / "kept.json")
    missing = glacier("check", "etl.py", "--strict")
    assert missing.returncode == 1
    assert "SchemaError: the schema of `raw/sales.csv` is not known: there is no data yet\n" in missing.stderr
    assert glacier("check", "etl.py").returncode == 0
    assert glacier("check", "etl.py", "--strict", "--schemas", "kept.json").returncode == 0


def test_what_cannot_start_ends_with_2(folder: Path) -> None:
    done = glacier("check", "etl.py", "--schemas", "gone.json")
    assert (done.returncode, done.stderr.partition("\n")[0]) == (
        2,
        "InputError: the schemas file `gone.json` cannot be read: No such file or directory",
    )
    assert glacier("check", "elt.py").returncode == 2
