"""Schemas that a user declares: as columns with dtypes, or as a model of dataframely or pandera. What fits them."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from glacier.errors import ConfigError, Site, did_you_mean, listed

if TYPE_CHECKING:
    import polars as pl

SchemaLike = Mapping[str, Any] | type
"""Columns with dtypes (a dict or `pl.Schema`), a dataframely `Schema`, or a `DataFrameModel` of pandera.polars."""


_LONGEST_DTYPE = 200
"""Characters of a dtype that a record tells."""


def schema_from(declared: object, what: str, site: Site | None) -> pl.Schema:
    """Gives the columns and dtypes that a declaration stands for; dtypes without details get Polars' defaults.

    Columns that a model calls optional are left out.

    Args:
        declared: a `SchemaLike`, or what a user wrote in its place.
        what: whose schema it is, for the message.
        site: where it was declared.

    Raises:
        ConfigError: it is none of these, or a dtype is none of Polars'.

    >>> import polars as pl
    >>> schema_from({"id": pl.Int64, "at": pl.Datetime}, "bucket `raw`", None)
    Schema([('id', Int64), ('at', Datetime(time_unit='us', time_zone=None))])
    """
    import polars as pl

    columns = _columns_of(declared)
    if columns is None:
        raise ConfigError(
            f"the schema of {what} is a {type(declared).__name__}, and takes columns with their dtypes, "
            "or a model of dataframely or pandera",
            site=site,
            fix='write {"id": pl.Int64, "amount": pl.Float64}',
        )
    complete: dict[str, pl.DataType] = {}
    for name, dtype in columns.items():
        try:
            complete[name] = pl.LazyFrame(schema={name: dtype}).collect_schema()[name]
        except (TypeError, pl.exceptions.PolarsError):
            raise ConfigError(
                f"column `{name}` in the schema of {what} has no dtype of Polars",
                site=site,
                fix="write a name and one of Polars' dtypes, pl.Int64 or pl.List(pl.String) say",
            ) from None
    return pl.Schema(complete)


def _columns_of(declared: object) -> Mapping[str, Any] | None:
    if isinstance(declared, Mapping):
        return cast("Mapping[str, Any]", declared)
    if not isinstance(declared, type):
        return None
    to_schema = getattr(declared, "to_schema", None)
    if callable(to_schema):  # a pandera model
        made = cast("Any", to_schema())
        columns: Mapping[str, Any] = {
            name: column.dtype.type for name, column in made.columns.items() if column.required and column.dtype
        }
        return columns if all(_is_dtype(dtype) for dtype in columns.values()) else None
    of_model = cast("Callable[[], Mapping[str, Any]] | None", getattr(declared, "columns", None))
    if callable(of_model):  # a dataframely schema
        return {name: column.dtype for name, column in of_model().items()}
    return None


def _is_dtype(dtype: object) -> bool:
    import polars as pl

    return isinstance(dtype, pl.DataType) or (isinstance(dtype, type) and issubclass(dtype, pl.DataType))


def schemas_taken(
    takes: Mapping[str, object], function: Callable[..., object], site: Site | None
) -> dict[str, pl.Schema]:
    """Gives the schemas of a task's `takes=`, by parameter.

    Raises:
        ConfigError: one is no schema, or `function` has no such parameter.
    """
    parameters = inspect.signature(function).parameters
    for name in takes:
        if name not in parameters:
            near = did_you_mean(name, parameters)
            raise ConfigError(
                f"takes= names `{name}`, which is no parameter of `{getattr(function, '__name__', 'the task')}`",
                site=site,
                fix=f"did you mean {listed(near)}?" if near else f"drop {name!r}",
            )
    return {name: schema_from(declared, f"`{name}` in takes=", site) for name, declared in takes.items()}


class Misfit(NamedTuple):
    """What a frame lacks of a declared schema, and which of its columns look like the first one missing."""

    told: str
    near: list[str]


def misfit(wanted: Mapping[str, object], got: Mapping[str, object]) -> Misfit | None:
    """Tells what a frame lacks of a declared schema; None if it fits. More columns than declared fit.

    A column of nothing but nulls, whose dtype is `Null`, fits each dtype.

    >>> misfit({"amount": "Int64", "id": "Int64"}, {"amuont": "Int64", "id": "String"})
    Misfit(told='column `amount` is not there and `id` is String, not Int64', near=['amuont'])
    """
    missing = [name for name in wanted if name not in got]
    other = [name for name in wanted if name in got and wanted[name] != got[name] and str(got[name]) != "Null"]
    if not missing and not other:
        return None
    told: list[str] = []
    if missing:
        told.append(f"column {listed(missing)} is not there" if len(missing) == 1 else f"{listed(missing)} are missing")
    for name in other:
        has, asked = shown_dtype(got[name]), shown_dtype(wanted[name])
        told.append(f"`{name}` is {has}, not {asked}" if has != asked else f"`{name}` is another {has}")
    near = did_you_mean(missing[0], [name for name in got if name not in wanted]) if missing else []
    return Misfit(" and ".join(told), near)


_LONG_FORMS = (
    (re.compile(r"time_unit='(\w+)'(?:, time_zone=None)?"), r"\1"),
    (re.compile(r"time_zone='([^']*)'"), r"\1"),
    (re.compile(r"precision=(\d+), scale=(\d+)"), r"\1, \2"),
    (re.compile(r"Enum\(categories=\[.*?\]\)"), "Enum"),
)
"""How Polars writes dtypes, and how they are short enough to read; categories can be thousands."""


def shown_dtype(dtype: object) -> str:
    """Gives a dtype in a few words.

    >>> import polars as pl
    >>> shown_dtype(pl.Datetime("us", "UTC")), shown_dtype(pl.List(pl.Enum(["a", "b"])))
    ('Datetime(us, UTC)', 'List(Enum)')
    """
    text = str(dtype)
    for long, short in _LONG_FORMS:
        text = long.sub(short, text)
    return text


def recorded_dtype(dtype: pl.DataType) -> str:
    """Gives a dtype as Polars writes it, but of an `Enum` the number of its categories, which may be data; cut if long.

    >>> import polars as pl
    >>> recorded_dtype(pl.Struct({"at": pl.Datetime("us"), "of": pl.List(pl.Enum(["Oslo", "Bergen"]))}))
    "Struct({'at': Datetime(time_unit='us', time_zone=None), 'of': List(Enum(2 categories))})"
    """
    text = _without_categories(dtype)
    return text if len(text) <= _LONGEST_DTYPE else f"{text[:_LONGEST_DTYPE]}..."


def _without_categories(dtype: pl.DataType) -> str:
    import polars as pl

    match dtype:
        case pl.Enum():
            return f"Enum({len(dtype.categories):,} categories)"
        case pl.List():
            return f"List({_without_categories(_inner(dtype))})"
        case pl.Array():
            within, shape = _inner(dtype), dtype.shape
            for _ in shape[1:]:
                within = _inner(cast("pl.Array", within))
            return f"Array({_without_categories(within)}, shape={shape})"
        case pl.Struct():
            fields = [f"{field.name!r}: {_without_categories(_instance(field.dtype))}" for field in dtype.fields]
            return f"Struct({{{', '.join(fields)}}})"
        case _:
            return str(dtype)


def _inner(dtype: pl.List | pl.Array) -> pl.DataType:
    return _instance(dtype.inner)


def _instance(dtype: Any) -> pl.DataType:
    made: pl.DataType = dtype() if isinstance(dtype, type) else dtype
    return made


def shown_schema(schema: Mapping[str, object], most: int = 8) -> str:
    """Gives columns with dtypes in one line, at most `most` of them.

    >>> shown_schema({"id": "Int64", "name": "String"}, most=1)
    'id Int64 and 1 more'
    """
    columns = [f"{name} {shown_dtype(dtype)}" for name, dtype in schema.items()]
    beyond = f" and {len(columns) - most} more" if len(columns) > most else ""
    return (", ".join(columns[:most]) or "no columns") + beyond
