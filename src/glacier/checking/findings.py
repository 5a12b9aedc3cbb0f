"""What Polars says of an empty frame, told as what does not fit between tasks; or as no finding at all."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from glacier.errors import SchemaError, Site, did_you_mean, listed
from glacier.reaching import python_function
from glacier.schemas import shown_schema
from glacier.source import function_ast, is_users

if TYPE_CHECKING:
    import polars as pl

_SCHEMA_ERRORS = frozenset({
    "ColumnNotFoundError", "SchemaFieldNotFoundError", "StructFieldNotFoundError", "SchemaError", "DuplicateError",
    "InvalidOperationError",
})  # fmt: skip
"""Polars' errors that name columns and dtypes, never rows."""
_PANDERA_REASONS = frozenset({
    "COLUMN_NOT_IN_DATAFRAME", "COLUMN_NOT_IN_SCHEMA", "COLUMN_NOT_ORDERED", "WRONG_DATATYPE",
    "DUPLICATE_COLUMN_LABELS",
})  # fmt: skip
"""The same of pandera's, which calls a check of rows a schema error too."""
_OF_NO_ROWS = re.compile(r"\bnull\b|\bwidth 0\b|valid columns: \[\]", re.IGNORECASE)
"""What a frame made of Python values has where there are none: no columns, or dtypes that nothing tells."""
_LONGEST = 300


@dataclass(frozen=True, slots=True)
class Taken:
    """A frame that a call takes: by which parameter, from which call (in backticks), with which columns."""

    parameter: str
    source: str
    schema: pl.Schema


@dataclass(frozen=True, slots=True)
class Call:
    """What a finding names: the call in the graph, where it stands, its function, the frames it takes."""

    name: str
    site: Site
    function: Callable[..., object] | None
    taken: Sequence[Taken]

    @property
    def what(self) -> str:
        """What a message calls it."""
        return f"`{self.name}`" if self.function is None else f"task `{self.name}`"


def is_about_schemas(error: BaseException) -> bool:
    """Says whether an exception that empty frames caused would come with any rows: columns or dtypes do not fit."""
    kind, text = type(error).__name__, str(error)
    if _OF_NO_ROWS.search(text.partition("\n")[0]):
        return False
    match type(error).__module__.partition(".")[0]:
        case "polars" if kind == "ComputeError":
            return text.startswith("cannot compare")
        case "polars" if kind == "ShapeError":
            return "width" in text
        case "polars":
            return kind in _SCHEMA_ERRORS
        case "dataframely":
            return kind == "SchemaError"
        case "pandera":
            return _of_pandera(error) is not error or _is_of_schema(error)
        case _:
            return False


def _of_pandera(error: BaseException) -> BaseException:
    """Gives the first of pandera's errors that is about columns and dtypes, where it collects several."""
    several: list[BaseException] = getattr(error, "schema_errors", [])
    return next((one for one in several if _is_of_schema(one)), error)


def _is_of_schema(error: BaseException) -> bool:
    return getattr(getattr(error, "reason_code", None), "name", "") in _PANDERA_REASONS


def finding(error: BaseException, call: Call) -> SchemaError:
    """Gives the error of a check for an exception that `is_about_schemas`."""
    text = str(_of_pandera(error))
    if type(error).__name__ in ("ColumnNotFoundError", "SchemaFieldNotFoundError"):
        quoted = re.match(r'(?:unable to find column )?"([^"]+)"', text)
        return _missing(quoted[1] if quoted else _first_part(text), _valid(text), call, _raised_at(error))
    keys = re.match(r"datatypes of join keys don't match - `(.+?)`: (.+?) on left does not match `(.+?)`: (\S+)", text)
    if keys is not None:
        left, left_type, right, right_type = keys.groups()
        names = f"`{left}`" if left == right else f"`{left}` with `{right}`"
        return SchemaError(
            f"{call.what} joins {names}{_written_at(call, left)}, which is {_dtype(left_type)} on the left "
            f"and {_dtype(right_type)} on the right{_shown(call, (left, right))}",
            site=call.site,
            fix=f'cast one of the two: `pl.col("{left}").cast(...)`',
        )
    told = _first_part(text)
    named = re.findall(r"[`'\"]([^`'\"]+)[`'\"]", told) + re.findall(r'col\("([^"]+)"\)', text)
    at = _raised_at(error)
    return SchemaError(f"{call.what} cannot run{at}: {told}{_shown(call, named)}", site=call.site, fix=_fix_of(text))


def _dtype(short: str) -> str:
    """Gives the name a user knows for one of those in Polars' messages."""
    number = re.fullmatch(r"([iuf])(\d+)", short)
    if number is not None:
        return {"i": "Int", "u": "UInt", "f": "Float"}[number[1]] + number[2]
    return {"str": "String", "bool": "Boolean", "date": "Date", "time": "Time"}.get(short, short)


def _missing(column: str, valid: Sequence[str], call: Call, raised_at: str) -> SchemaError:
    whose = [one for one in call.taken if list(one.schema) == list(valid)]
    if not valid and len(call.taken) == 1:
        whose = list(call.taken)
    columns = list(whose[0].schema) if whose else list(valid) or [name for one in call.taken for name in one.schema]
    near = did_you_mean(column, columns)
    at = _written_at(call, column) or raised_at
    if whose:
        lacks = f", which {whose[0].source} does not give"
    else:
        lacks = f" where there are {listed(valid)}" if valid else ", which is not there"
    return SchemaError(
        f"{call.what} uses column `{column}`{at}{lacks}{_shown(call)}",
        site=call.site,
        fix=f"did you mean {listed(near)}?" if near else "name a column that is there, or add it above",
    )


def _valid(text: str) -> list[str]:
    found = re.search(r"valid columns: \[(.*)\]", text)
    return re.findall(r'"([^"]+)"', found[1]) if found else []


def _first_part(text: str) -> str:
    """Gives what Polars says first, on one line, without the plan that follows."""
    part = re.split(r"\n\s*\n|\nnaive plan:|\nResolved plan|\n?\(and no other", text.strip())[0]
    line = " ".join(part.split())
    return line if len(line) <= _LONGEST else line[: _LONGEST - 1] + "…"


def _shown(call: Call, columns: Sequence[str] = ()) -> str:
    """Gives a line for each frame that the call takes, with only `columns` where it has one of them."""
    lines: list[str] = []
    for one in call.taken:
        kept: Mapping[str, object] = {name: one.schema[name] for name in dict.fromkeys(columns) if name in one.schema}
        lines.append(f"\n    `{one.parameter}` from {one.source}: {shown_schema(kept or one.schema)}")
    return "".join(lines)


def _written_at(call: Call, column: str) -> str:
    """Gives the line of the task on which a column's name is written."""
    inner = python_function(call.function) if call.function is not None else None
    tree = function_ast(inner) if inner is not None else None
    if inner is None or tree is None:
        return ""
    lines = [node.lineno for node in ast.walk(tree) if isinstance(node, ast.Constant) and node.value == column]
    return f" ({Site(inner.__code__.co_filename, min(lines))})" if lines else ""


def _raised_at(error: BaseException) -> str:
    """Gives the user's innermost line that the exception came through; none where a plan was resolved later."""
    at, traceback = "", error.__traceback__
    while traceback is not None:
        file = traceback.tb_frame.f_code.co_filename
        at = f" ({Site(file, traceback.tb_lineno)})" if is_users(file) else at
        traceback = traceback.tb_next
    return at


def _fix_of(text: str) -> str:
    if text.startswith("filter predicate"):
        return 'filter by a condition: `pl.col("amount") > 0`'
    if text.startswith("cannot compare"):
        return "compare with a value of the column's dtype, or cast the column"
    if "not in dataframe" in text or "missing columns" in text:
        return "add the column above, or change the model"
    if "duplicate" in text:
        return "give one of the two another name: `.alias(...)`"
    if "inputs should all have the same schema" in text:
        return 'cast before, or pass how="diagonal_relaxed"'
    return "cast the column, or use one of another dtype"
