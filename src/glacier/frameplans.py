"""Reads Polars' own plan of a LazyFrame: which columns of which files its columns come from.

Polars resolves a plan into nodes that its other engines read (`visit`), with columns in place of selectors. That is no
public interface of Polars, so whoever asks has to do without an answer at any time.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from glacier.origins import How, Origin, Origins, Source, later

if TYPE_CHECKING:
    import polars as pl


def origins_of(frame: pl.LazyFrame) -> Origins | None:
    """Gives where the columns of a LazyFrame come from; None where this Polars does not tell.

    A frame that is in memory has no sources: what it was made from is not known any more.

    >>> import polars as pl
    >>> frame = pl.LazyFrame({"a": [1]}).with_columns(b=pl.col("a") + 1)
    >>> origins_of(frame)
    Origins(sources=(), columns={'a': (), 'b': ()}, rows=())
    """
    import polars as pl

    try:
        plain = pl.QueryOptFlags.none()  # what is optimized is told less well: filters go into scans
        plan = frame._ldf.with_optimizations(plain._pyoptflags).visit()
        reader = _Reader(plan, _arrow_files(frame.explain(optimizations=plain)))
        table = reader.table()
    except (Exception, pl.exceptions.PanicException):  # noqa: BLE001  # an interface that is not public may do anything
        return None
    columns = {name: tuple(sorted(origins)) for name, origins in table.columns.items()}
    return Origins(tuple(reader.sources), columns, tuple(sorted(table.rows)))


def _arrow_files(text: str) -> list[str]:
    """Gives the first file of each scan of Arrow files, which the traverser does not show, in the order of the plan."""
    return [found.split(", ")[0] for found in re.findall(r"Ipc SCAN \[(.*?)\]$", text, re.MULTILINE)]


@dataclass(slots=True)
class _Table:
    """What is known of a node's output."""

    columns: dict[str, set[Origin]]
    rows: set[Origin] = field(default_factory=set[Origin])


@dataclass(slots=True)
class _Use:
    """Which columns of its input an expression uses, and how; `opaque` if that is not known."""

    columns: set[tuple[str, How]] = field(default_factory=set[tuple[str, How]])
    opaque: bool = False

    def add(self, other: _Use, how: How) -> None:
        """Adds what another one uses, as a part that takes effect like that."""
        self.columns |= {(name, later(before, how)) for name, before in other.columns}
        self.opaque = self.opaque or other.opaque


_PARTS: Mapping[str, tuple[tuple[str, How], ...]] = {
    "Literal": (),
    "Len": (),
    "Cast": (("expr", "TRANSFORMATION"),),
    "Agg": (("arguments", "AGGREGATION"),),
    "BinaryExpr": (("left", "TRANSFORMATION"), ("right", "TRANSFORMATION")),
    "Function": (("input", "TRANSFORMATION"),),
    "Ternary": (("truthy", "TRANSFORMATION"), ("falsy", "TRANSFORMATION"), ("predicate", "CONDITIONAL")),
    "Window": (("function", "TRANSFORMATION"), ("partition_by", "WINDOW"), ("order_by", "WINDOW")),
    "Rolling": (("function", "TRANSFORMATION"), ("index_column", "WINDOW")),
    "Filter": (("input", "IDENTITY"), ("by", "FILTER")),
    "SortBy": (("expr", "IDENTITY"), ("by", "SORT")),
    "Gather": (("expr", "IDENTITY"), ("idx", "CONDITIONAL")),
    "Slice": (("input", "IDENTITY"),),
    "Sort": (("expr", "IDENTITY"),),
    "Explode": (("expr", "IDENTITY"),),
}
"""The expressions inside of each kind of expression by their attribute, and how their columns take effect."""


class _Reader:
    """Reads the plan at a traverser of Polars."""

    def __init__(self, plan: Any, arrow_files: Sequence[str]) -> None:
        self._plan = plan
        self._arrow_files = iter(arrow_files)
        self.sources: list[Source] = []
        self._cached: dict[int, _Table] = {}

    def table(self) -> _Table:
        """Reads the node at which the traverser stands, and what is below it."""
        here = self._plan.get_node()
        if here in self._cached:
            return self._cached[here]
        schema: list[str] = list(self._plan.get_schema())
        try:
            node = self._plan.view_current_node()
        except NotImplementedError as error:  # a Python function, or what Polars' other engines do not know
            arrow = next(self._arrow_files, None) if "ipc scan" in str(error) else None
            table = self._opaque(schema, self._inputs()) if arrow is None else self._read_from((arrow,), schema)
        else:
            table = self._read(node, schema)
        self._plan.set_node(here)
        self._cached[here] = table
        return table

    def _inputs(self) -> list[_Table]:
        tables: list[_Table] = []
        here = self._plan.get_node()
        for index in self._plan.get_inputs():
            self._plan.set_node(index)
            tables.append(self.table())
            self._plan.set_node(here)
        return tables

    def _read(self, node: Any, schema: list[str]) -> _Table:
        kind = type(node).__name__
        if kind == "Scan":
            return self._scanned(node)
        inputs = self._inputs()
        if kind in ("DataFrameScan", "PythonScan"):
            return _Table({name: set() for name in schema})
        if kind == "Join":
            return self._joined(node, schema, *inputs)
        if kind in ("Union", "HConcat", "MergeSorted"):
            return _united(schema, inputs)
        if len(inputs) != 1:
            return self._opaque(schema, inputs)
        (table,) = inputs
        if kind in ("Cache", "Slice", "SimpleProjection", "Sink"):
            return _Table({name: table.columns[name] for name in schema}, table.rows)
        if kind == "Select":
            return self._computed(node.expr, table, {})
        if kind == "HStack":
            return self._computed(node.exprs, table, table.columns)
        if kind == "Filter":
            return self._chosen(table, [node.predicate.node], "FILTER")
        if kind == "Sort":
            return self._chosen(table, [key.node for key in node.by_column], "SORT")
        if kind == "Distinct":
            named = node.options[1] or schema
            return _with_rows(table, ((name, "GROUP_BY") for name in named), table)
        if kind == "GroupBy":
            return self._grouped(node, schema, table)
        if kind == "MapFunction":
            return self._mapped(node, schema, table)
        return self._opaque(schema, inputs)

    def _scanned(self, node: Any) -> _Table:
        schema: list[str] = list(self._plan.get_schema())
        index, paths = node.file_options.row_index, node.file_options.include_file_paths
        made = {index[0] if index else None, paths}
        table = self._read_from(tuple(str(path) for path in node.paths), [name for name in schema if name not in made])
        table.columns = {name: table.columns.get(name, set()) for name in schema}
        if node.predicate is not None:
            at = len(self.sources) - 1
            use = self._use(node.predicate.node)
            table.rows |= {Origin(at, name, "FILTER") for name, _ in use.columns if name not in made}
        return table

    def _read_from(self, paths: tuple[str, ...], names: Iterable[str]) -> _Table:
        """Gives the table of some columns of files, which are one more source."""
        self.sources.append(Source(paths))
        at = len(self.sources) - 1
        return _Table({name: {Origin(at, name, "IDENTITY")} for name in names})

    def _computed(self, expressions: Iterable[Any], table: _Table, kept: Mapping[str, set[Origin]]) -> _Table:
        made = {one.output_name: _through(self._use(one.node), table) for one in expressions}
        return _Table({**kept, **made}, table.rows)

    def _chosen(self, table: _Table, expressions: Iterable[int], how: How) -> _Table:
        used = ((name, how) for one in expressions for name, _ in self._use(one).columns)
        return _with_rows(table, used, table)

    def _grouped(self, node: Any, schema: list[str], table: _Table) -> _Table:
        made = {one.output_name: _through(self._use(one.node), table) for one in node.keys}
        for one in node.aggs:
            use = _Use()
            use.add(self._use(one.node), "AGGREGATION")
            made[one.output_name] = _through(use, table)
        window = {name: table.columns.get(name, set[Origin]()) for name in schema if name not in made}
        keys = [(name, "GROUP_BY") for one in node.keys for name, _ in self._use(one.node).columns]
        keys += [(name, "GROUP_BY") for name in window if name in table.columns]
        ordered = {name: (made | window)[name] for name in schema}
        return _with_rows(_Table(ordered, table.rows), keys, table)

    def _joined(self, node: Any, schema: list[str], left: _Table, right: _Table) -> _Table:
        how, _, _, suffix, coalesce, *_ = node.options
        columns: dict[str, set[Origin]] = {}
        for name in schema:
            if name in left.columns:
                columns[name] = left.columns[name]
            else:
                columns[name] = right.columns[name if name in right.columns else name.removesuffix(suffix)]
        pairs = zip(node.left_on, node.right_on, strict=True) if coalesce and how in ("Right", "Full") else ()
        for of_left, of_right in pairs:  # the two keys are one column
            found = _through(self._use(of_right.node), right)
            if how == "Right":
                columns[of_right.output_name] = found
            else:
                columns[of_left.output_name] = columns[of_left.output_name] | found
        table = _Table(columns, left.rows | right.rows)
        for side, keys in ((left, node.left_on), (right, node.right_on)):
            used = [(name, "JOIN") for key in keys for name, _ in self._use(key.node).columns]
            table = _with_rows(table, used, side)
        return table

    def _mapped(self, node: Any, schema: list[str], table: _Table) -> _Table:
        name, *given = node.function
        if name == "unpivot":
            index, on, _, value = given
            values = {origin for one in on for origin in table.columns[one]}
            columns = {one: table.columns[one] for one in index} | {value: _made(values, "TRANSFORMATION")}
            return _Table({one: columns.get(one, set()) for one in schema}, table.rows)
        if name == "unnest":
            opened = {origin for one in given[0] for origin in table.columns[one]}
            taken = _made(opened, "TRANSFORMATION")
            kept = {one: origins for one, origins in table.columns.items() if one not in given[0]}
            return _Table({one: kept.get(one, taken) for one in schema}, table.rows)
        if name == "row_index":
            return _Table({one: table.columns.get(one, set()) for one in schema}, table.rows)
        if set(schema) <= table.columns.keys() and name in ("explode", "hint_sorted", "rechunk"):
            return _Table({one: table.columns[one] for one in schema}, table.rows)
        return self._opaque(schema, [table])

    def _opaque(self, schema: list[str], inputs: list[_Table]) -> _Table:
        """Gives a table any of whose columns may come from any column of the inputs."""
        rows = {origin for table in inputs for origin in table.rows}
        possible = {origin for table in inputs for origin in _guessed(table)}
        return _Table({name: set(possible) for name in schema}, rows)

    def _use(self, index: int) -> _Use:
        """Gives what the expression at `index` uses."""
        try:
            node = self._plan.view_expression(index)
        except NotImplementedError:
            return _Use(opaque=True)
        if type(node).__name__ == "Column":
            return _Use({(node.name, "IDENTITY")})
        parts = _PARTS.get(type(node).__name__)
        use = _Use(opaque=parts is None)
        for attribute, how in parts or ():
            part: Any = getattr(node, attribute)
            for one in _each(part):
                if one is not None:
                    use.add(self._use(one), how)
        return use


def _each(part: Any) -> Iterable[Any]:
    return part if isinstance(part, list) else (part,)  # pyright: ignore[reportUnknownVariableType]


def _through(use: _Use, table: _Table) -> set[Origin]:
    """Gives the origins of a column that is computed from a table."""
    found = set(_guessed(table)) if use.opaque else set[Origin]()
    for name, how in use.columns:
        found |= _made(table.columns.get(name, set()), how)
    return found


def _made(origins: Iterable[Origin], how: How) -> set[Origin]:
    return {Origin(one.source, one.column, later(one.how, how), one.guessed) for one in origins}


def _guessed(table: _Table) -> Iterator[Origin]:
    for origins in table.columns.values():
        for one in origins:
            yield Origin(one.source, one.column, later(one.how, "TRANSFORMATION"), guessed=True)


def _with_rows(table: _Table, used: Iterable[tuple[str, Any]], source: _Table) -> _Table:
    """Gives a table whose rows columns of another one choose."""
    chosen = {one for name, how in used for one in _made(source.columns.get(name, set()), how)}
    return _Table(table.columns, table.rows | chosen)


def _united(schema: list[str], inputs: list[_Table]) -> _Table:
    columns = {name: {one for table in inputs for one in table.columns.get(name, ())} for name in schema}
    return _Table(columns, {one for table in inputs for one in table.rows})
