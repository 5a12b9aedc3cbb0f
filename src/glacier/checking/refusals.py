"""Which frame-returning tasks a check does not call after all: their code is read, not run."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from functools import lru_cache, partial
from types import FunctionType

from glacier.reaching import outer_names, python_function
from glacier.source import FunctionNode, function_ast, is_users
from glacier.task import Task

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
_CHANGES = frozenset({"unlink", "rename", "touch", "mkdir", "makedirs", "rmdir", "rmtree", "copyfile", "copytree"})
"""Besides `write_...`, `sink_...` and `open`, what changes files."""
_HARMLESS = frozenset({"get_uri", "uri", "BytesIO", "StringIO"})
"""What leads to a place that a check may write to: a bucket's URI, which it makes its own, and memory."""


@lru_cache(maxsize=4096)
def refusal(function: Callable[..., object], places: frozenset[str] = frozenset()) -> str | None:
    """Gives why `function` is not called in a check, from its code and that of the user's functions it names.

    Either a method it calls makes columns that only rows can tell, or it changes files by a path that is no bucket's,
    which a call with empty frames would destroy; or there is no source to tell. None where it may be called.

    Args:
        function: the function of a task.
        places: the parameters that are given a bucket's URI.

    >>> import polars as pl
    >>> def doubled(df: pl.DataFrame) -> pl.DataFrame:
    ...     return pl.DataFrame([{"n": 2 * row["n"]} for row in df.iter_rows(named=True)])
    >>> refusal(doubled)
    'what `iter_rows` gives is known only in a run; declare gives= on the task'
    """
    for inner, tree in _functions(function):
        if tree is None:
            return f"the source of `{inner.__qualname__}` cannot be had to see that it writes nothing"
        harmless = _harmless_names(tree, places if inner is python_function(function) else frozenset())
        for call in ast.walk(tree):
            match call:
                case ast.Call(func=ast.Attribute(attr=name)) if _is_opaque(call, name):
                    return f"what `{name}` gives is known only in a run; declare gives= on the task"
                case ast.Call(func=ast.Attribute(attr=name) | ast.Name(id=name)):
                    if _changes_files(call, name) and not _leads_to(call, harmless):
                        return f"it calls `{name}` on a path that is no bucket's"
                case _:
                    pass
    return None


def _functions(function: Callable[..., object]) -> Iterator[tuple[FunctionType, FunctionNode | None]]:
    """Gives the user's functions that a call may reach by name, each with its AST if there is one."""
    pending: list[Callable[..., object]] = [function]
    seen = set[Callable[..., object]]()
    while pending:
        called = pending.pop()
        inner = python_function(called.func if isinstance(called, partial) else called)
        if inner is None or inner in seen or not is_users(inner.__code__.co_filename):
            continue
        seen.add(inner)
        if inner.__name__ != "<lambda>":  # an expression, which the AST is not kept of by name
            yield inner, function_ast(inner)
        named = [value.function if isinstance(value, Task) else value for value in outer_names(inner).values()]
        pending += [value for value in named if isinstance(value, FunctionType)]


def _is_opaque(call: ast.Call, name: str) -> bool:
    if name in _FROM_ROWS:
        return True
    told_by = _TOLD_BY.get(name)
    given = {keyword.arg for keyword in call.keywords}
    return told_by is not None and None not in given and not told_by & given


def _changes_files(call: ast.Call, name: str) -> bool:
    given = [*call.args, *(keyword.value for keyword in call.keywords)]
    if name.startswith(("write_", "sink_")):
        return bool(given)  # without a target, `write_csv()` gives text
    if name == "open":
        modes = [value.value for value in given if isinstance(value, ast.Constant) and isinstance(value.value, str)]
        return any(re.fullmatch(r"[rbt]*[wax+][wax+rbt]*", mode) for mode in modes)
    if name == "rename" and isinstance(call.func, ast.Attribute):
        return _names_files(call.func.value)  # frames and columns are renamed too
    return name in _CHANGES


def _names_files(value: ast.expr) -> bool:
    """Whether what a method is called on is about files, by its names: `os`, `Path(...)`, `old_path`."""
    words = {node.id for node in ast.walk(value) if isinstance(node, ast.Name)}
    words |= {node.attr for node in ast.walk(value) if isinstance(node, ast.Attribute)}
    return any(word in ("os", "shutil") or "path" in word.lower() or "file" in word.lower() for word in words)


def _harmless_names(tree: FunctionNode, places: frozenset[str]) -> frozenset[str]:
    """Gives the variables that hold a bucket's URI, something made of one, or a buffer."""
    assigned: list[tuple[ast.expr, ast.expr]] = []
    for node in ast.walk(tree):
        match node:
            case ast.Assign(targets=targets, value=value):
                assigned += [(target, value) for target in targets]
            case ast.AnnAssign(target=target, value=ast.expr() as value) | ast.NamedExpr(target=target, value=value):
                assigned.append((target, value))
            case ast.withitem(context_expr=value, optional_vars=ast.expr() as target):
                assigned.append((target, value))
            case _:
                pass
    names, before = places, None
    while names != before:
        before = names
        names |= {target.id for target, value in assigned if isinstance(target, ast.Name) and _leads_to(value, names)}
    return names


def _leads_to(expression: ast.expr, names: frozenset[str]) -> bool:
    return any(
        (isinstance(node, ast.Attribute) and node.attr in _HARMLESS)
        or (isinstance(node, ast.Name) and node.id in names | _HARMLESS)
        for node in ast.walk(expression)
    )
