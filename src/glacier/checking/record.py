"""The file of schemas that `glacier check --record` writes, so that a later check needs no access to the data."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from operator import index
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

from glacier.errors import InputError

if TYPE_CHECKING:
    import polars as pl

FILE_NAME = "glacier-schemas.json"
_VERSION = 1
_UNITS: Mapping[str, Literal["ms", "us", "ns"]] = {"ms": "ms", "us": "us", "ns": "ns"}
_PLAIN = (
    *(f"{kind}{bits}" for kind in ("Int", "UInt") for bits in (8, 16, 32, 64, 128)),
    *("Float16", "Float32", "Float64", "Boolean", "String", "Binary", "Date", "Time", "Null", "Categorical"),
)


def written(schemas: Mapping[str, pl.Schema]) -> str:
    """Gives the file's text: sources sorted, columns in their order, one a line.

    >>> import polars as pl
    >>> print(written({"raw/x.csv": pl.Schema({"id": pl.Int64, "tags": pl.List(pl.String)})}), end="")
    {
      "version": 1,
      "schemas": {
        "raw/x.csv": {
          "id": "Int64",
          "tags": {"List": "String"}
        }
      }
    }
    """
    sources = [f"    {_json(name)}: {_columns(schemas[name])}" for name in sorted(schemas)]
    inner = "{\n" + ",\n".join(sources) + "\n  }" if sources else "{}"
    return f'{{\n  "version": {_VERSION},\n  "schemas": {inner}\n}}\n'


def _columns(schema: pl.Schema) -> str:
    lines = [f"      {_json(name)}: {_json(encoded(dtype))}" for name, dtype in schema.items()]
    return "{\n" + ",\n".join(lines) + "\n    }" if lines else "{}"


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def encoded(dtype: pl.DataType) -> object:
    """Gives a dtype as JSON: its name, or its name with what it is made of.

    >>> import polars as pl
    >>> encoded(pl.Int64()), encoded(pl.Datetime("ms", "UTC"))
    ('Int64', {'Datetime': {'unit': 'ms', 'zone': 'UTC'}})
    """
    import polars as pl

    match dtype:
        case pl.Datetime():
            return {"Datetime": {"unit": dtype.time_unit, "zone": dtype.time_zone}}
        case pl.Duration():
            return {"Duration": {"unit": dtype.time_unit}}
        case pl.Decimal():
            return {"Decimal": {"precision": dtype.precision, "scale": dtype.scale}}
        case pl.Enum():
            return {"Enum": dtype.categories.to_list()}
        case pl.Categorical() if not dtype.categories.is_global():
            kept = dtype.categories
            physical = str(kept.physical())
            return {"Categorical": {"name": kept.name(), "namespace": kept.namespace(), "physical": physical}}
        case pl.Array():
            return {"Array": {"inner": encoded(cast("pl.DataType", dtype.inner)), "size": dtype.size}}
        case pl.List():
            return {"List": encoded(cast("pl.DataType", dtype.inner))}
        case pl.Struct():
            return {"Struct": {field.name: encoded(cast("pl.DataType", field.dtype)) for field in dtype.fields}}
        case _:
            return str(dtype)


def decoded(value: Any) -> pl.DataType:
    """Gives the dtype of `encoded`'s JSON.

    Raises:
        ValueError: it is not what that writes.

    >>> decoded({"Array": {"inner": "Int8", "size": 3}})
    Array(Int8, shape=(3,))
    """
    import polars as pl

    if isinstance(value, str) and value in _PLAIN:
        made: pl.DataType = getattr(pl, value)()
        return made
    compound = cast("dict[str, Any]", value) if isinstance(value, dict) else {}
    if len(compound) != 1:
        raise ValueError(_json(cast("object", value)))
    makers: dict[str, Callable[[Any], pl.DataType]] = {
        "Datetime": lambda of: pl.Datetime(_UNITS[of["unit"]], of["zone"]),
        "Duration": lambda of: pl.Duration(_UNITS[of["unit"]]),
        "Decimal": lambda of: pl.Decimal(index(of["precision"]), index(of["scale"])),
        "Enum": pl.Enum,
        "Categorical": lambda of: pl.Categorical(pl.Categories(of["name"], of["namespace"], decoded(of["physical"]))),
        "Array": lambda of: pl.Array(decoded(of["inner"]), index(of["size"])),
        "List": lambda of: pl.List(decoded(of)),
        "Struct": lambda of: pl.Struct({name: decoded(inner) for name, inner in of.items()}),
    }
    ((name, of),) = compound.items()
    try:
        return makers[name](of)
    except (LookupError, TypeError, AttributeError, OverflowError, pl.exceptions.PolarsError) as error:
        raise ValueError(_json(compound)) from error


def read(path: Path) -> dict[str, pl.Schema]:
    """Gives the schemas of a file, by source.

    Raises:
        InputError: it cannot be read, or is not what `written` gives.
    """
    import polars as pl

    try:
        content = json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise InputError(
            f"the schemas file `{path}` cannot be read: {error.strerror}",
            fix="correct the path, or run `glacier check --record` where the data is",
        ) from None
    except ValueError as error:
        raise _refused(path, f"it is not JSON ({error})") from None
    if not isinstance(content, dict) or cast("dict[str, Any]", content).get("version") != _VERSION:
        raise _refused(path, f'it has no "version": {_VERSION}')
    schemas: dict[str, pl.Schema] = {}
    sources = cast("dict[str, Any]", content).get("schemas")
    if not isinstance(sources, dict):
        raise _refused(path, "it has no schemas by source")
    for source, columns in cast("dict[str, Any]", sources).items():
        if not isinstance(columns, dict):
            raise _refused(path, f"`{source}` has no columns with dtypes")
        schemas[source] = pl.Schema()
        for name, dtype in cast("dict[str, Any]", columns).items():
            try:
                schemas[source][name] = decoded(dtype)
            except ValueError as error:
                raise _refused(path, f"column `{name}` of `{source}` has no dtype that is known: {error}") from None
    return schemas


def update(path: Path, schemas: Mapping[str, pl.Schema]) -> None:
    """Writes schemas to a file that keeps those of other sources.

    Raises:
        InputError: the file is there and is not what `written` gives.
    """
    before = read(path) if path.is_file() else {}
    path.write_text(written({**before, **schemas}), "utf-8")


def _refused(path: Path, why: str) -> InputError:
    return InputError(
        f"`{path}` is not a file that `glacier check --record` writes: {why}",
        fix="delete it, and run `glacier check --record` where the data is",
    )
