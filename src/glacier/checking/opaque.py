"""Which tasks make columns that only a run can tell: their code is read, not run."""

from __future__ import annotations

import ast
from collections.abc import Callable
from functools import lru_cache
from types import FunctionType

from glacier.source import function_ast, is_users
from glacier.task import Task
from glacier.usage import outer_names, python_function

_FROM_ROWS = frozenset(
    {"iter_rows", "to_dicts", "rows", "rows_by_key", "unstack", "to_dummies", "transpose", "map_rows", "to_pandas"}
)
"""Methods after which columns or dtypes come from rows, of which an empty frame has none."""
_TOLD_BY: dict[str, frozenset[str]] = {
    "pivot": frozenset({"on_columns"}),
    "map_groups": frozenset({"schema"}),
    "map_batches": frozenset({"return_dtype", "schema"}),
    "map_elements": frozenset({"return_dtype"}),
}
"""The same, unless one of these arguments tells what they give."""


@lru_cache(maxsize=4096)
def opaque_step(function: Callable[..., object]) -> str | None:
    """Gives the first method in `function`, or in the user's functions it names, whose columns only a run can tell.

    None where there is none, or where there is no source.

    >>> import polars as pl
    >>> def doubled(df: pl.DataFrame) -> pl.DataFrame:
    ...     return pl.DataFrame([{"n": 2 * row["n"]} for row in df.iter_rows(named=True)])
    >>> opaque_step(doubled)
    'iter_rows'
    """
    pending: list[Callable[..., object]] = [function]
    seen = set[Callable[..., object]]()
    while pending:
        inner = python_function(pending.pop())
        if inner is None or inner in seen or not is_users(inner.__code__.co_filename):
            continue
        seen.add(inner)
        tree = function_ast(inner)
        for node in ast.walk(tree) if tree else ():
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and _is_opaque(node, node.func.attr):
                return node.func.attr
        named = [value.function if isinstance(value, Task) else value for value in outer_names(inner).values()]
        pending += [value for value in named if isinstance(value, FunctionType)]
    return None


def _is_opaque(call: ast.Call, name: str) -> bool:
    if name in _FROM_ROWS:
        return True
    told_by = _TOLD_BY.get(name)
    given = {keyword.arg for keyword in call.keywords}
    return told_by is not None and None not in given and not told_by & given
