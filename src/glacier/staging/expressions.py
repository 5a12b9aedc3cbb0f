"""The staging of a body's expressions: conditions, comprehensions, what a loop goes over."""

from __future__ import annotations

import ast
import copy
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, cast

from glacier import branches, growth, loops, refusing
from glacier.staging.syntax import (
    OWN,
    SCOPES,
    assign,
    assigned,
    binds,
    call,
    is_block,
    is_type_check,
    later,
    locate,
    named,
    parameters_of,
)

ASKED = {f"{OWN}{module.__name__.rpartition('.')[2]}": module for module in (branches, loops, growth, refusing)}
"""The modules that a staged body calls, by the names it has for them."""
BRANCHES, LOOPS, GROWTH, REFUSING = ASKED
_ITERABLES = frozenset({"enumerate", "zip", "reversed", "sorted", "range", "list", "tuple", "set", "dict"})
"""Python's own functions that may stand around what a loop goes over."""
_ASKING = frozenset({"type", "callable"})
"""Python's own functions that would tell of a handle in place of what it stands for."""
BUILTIN = _ITERABLES | _ASKING
_COMPARED: dict[type[ast.cmpop], str] = {
    ast.Eq: "equal",
    ast.NotEq: "unequal",
    ast.Is: "same",
    ast.IsNot: "not_same",
    ast.In: "within",
    ast.NotIn: "not_within",
    ast.Lt: "lt",
    ast.LtE: "le",
    ast.Gt: "gt",
    ast.GtE: "ge",
}
_OUT = f"{OWN}out"


class Expressions(ABC):
    """The rewriting of one body's expressions.

    Attributes:
        variables: the names that are variables of the body's frame.
        builtin: those of `BUILTIN` that have no other meaning there.
        count: how many names have been made.
        hoisted: the functions to define before the statement that is being staged.
    """

    def __init__(self, variables: frozenset[str], builtin: frozenset[str], count: int = 0) -> None:
        self.variables = variables
        self.builtin = builtin
        self.count = count
        self.hoisted: list[ast.stmt] = []

    def visit(self, node: ast.AST) -> Any:
        """Leaves the bodies of nested scopes as they are, and stages the blocks of every statement."""
        if isinstance(node, SCOPES):
            return self._definition(node)
        visitor = getattr(self, f"visit_{type(node).__name__}", None)
        return visitor(node) if visitor is not None else self._inside(node)

    def _definition(self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda) -> ast.AST:
        """Stages what of a nested scope runs in the body's frame: decorators, default values, base classes."""
        if not isinstance(node, ast.Lambda):
            node.decorator_list = [self.visit(decorator) for decorator in node.decorator_list]
        if isinstance(node, ast.ClassDef):
            node.bases = [self.visit(base) for base in node.bases]
            return node
        node.args.defaults = [self.visit(default) for default in node.args.defaults]
        node.args.kw_defaults = [default and self.visit(default) for default in node.args.kw_defaults]
        return node

    @abstractmethod
    def block(self, statements: Sequence[ast.stmt]) -> list[ast.stmt]:
        """Stages statements."""

    def _inside(self, node: ast.AST) -> Any:
        for name, value in ast.iter_fields(node):
            if is_block(value):
                setattr(node, name, self.block(value))
            elif isinstance(value, list):
                items = cast("list[object]", value)
                setattr(node, name, [self.visit(item) if isinstance(item, ast.AST) else item for item in items])
            elif isinstance(value, ast.AST):
                setattr(node, name, self.visit(value))
        return node

    def visit_IfExp(self, node: ast.IfExp) -> ast.expr:
        """`a if test else b`."""
        if binds(node.body) or binds(node.orelse):
            return cast("ast.expr", self._inside(node))
        sides = [self._later(self.visit(side)) for side in (node.body, node.orelse)]
        return call(f"{BRANCHES}.choose", self.visit(node.test), *sides, at=node)

    def visit_BoolOp(self, node: ast.BoolOp) -> ast.expr:
        """`a and b`, `a or b`: the right side is looked at only if the left one asks for it."""
        if any(map(binds, node.values[1:])):
            return cast("ast.expr", self._inside(node))
        function = "both" if isinstance(node.op, ast.And) else "either"
        values: list[ast.expr] = [self.visit(value) for value in node.values]
        joined: ast.expr = values[-1]
        for value in reversed(values[:-1]):
            joined = call(f"{BRANCHES}.{function}", value, self._later(joined), at=node)
        return joined

    def visit_UnaryOp(self, node: ast.UnaryOp) -> ast.expr:
        """`not a`."""
        node.operand = self.visit(node.operand)
        return call(f"{BRANCHES}.negated", node.operand, at=node) if isinstance(node.op, ast.Not) else node

    def visit_Compare(self, node: ast.Compare) -> ast.expr:
        """`a is b`, `a in b`, which Python decides without asking a handle; `a < b < c`, which asks for a truth."""
        node.left = self.visit(node.left)
        node.comparators = [self.visit(value) for value in node.comparators]
        functions = [_COMPARED[type(operation)] for operation in node.ops]
        if len(functions) == 1:
            plain = isinstance(node.ops[0], ast.Lt | ast.LtE | ast.Gt | ast.GtE)
            return node if plain else call(f"{BRANCHES}.{functions[0]}", node.left, node.comparators[0], at=node)
        if any(map(binds, node.comparators)):
            return node
        links: list[ast.expr] = []
        for function, compared in zip(functions, node.comparators, strict=True):
            links += [ast.Attribute(named(BRANCHES), function, ast.Load()), self._later(compared)]
        return call(f"{BRANCHES}.chained", node.left, *links, at=node)

    def _later(self, value: ast.expr, *parameters: str) -> ast.expr:
        return later(value, *parameters, awaited=f"{BRANCHES}.awaited")

    def visit_Call(self, node: ast.Call) -> ast.expr:
        """`isinstance(a, T)`, `type(a)`, `callable(a)`."""
        match node:
            case ast.Call(func=ast.Name(id=name), args=[value], keywords=[]) if name in self.builtin & _ASKING:
                return call(f"{BRANCHES}.asked", node.func, self.visit(value), at=node)
            case _:
                pass
        if is_type_check(node) and len(node.args) == 2:
            return call(f"{BRANCHES}.is_instance", *(self.visit(value) for value in node.args), at=node)
        return cast("ast.expr", self._inside(node))

    def visit_Attribute(self, node: ast.Attribute) -> ast.expr:
        """`a.name` as a target."""
        node.value = self.visit(node.value)
        if not isinstance(node.ctx, ast.Load):
            node.value = call(f"{GROWTH}.owner", node.value, ast.Constant(node.attr), at=node)
        return node

    def visit_Subscript(self, node: ast.Subscript) -> ast.expr:
        """`a[key]` as a target."""
        node.value, node.slice = self.visit(node.value), self.visit(node.slice)
        if not isinstance(node.ctx, ast.Load):
            node.value = call(f"{GROWTH}.holder", node.value, at=node)
        return node

    def visit_ListComp(self, node: ast.ListComp) -> ast.expr:
        """`[f(x) for x in items if test]`: a function with a loop, defined before the statement."""
        return self._comprehension(node, ast.List([], ast.Load()), _changing("append", node.elt))

    def visit_SetComp(self, node: ast.SetComp) -> ast.expr:
        """`{f(x) for x in items}`."""
        nothing = ast.Set([ast.Starred(ast.Tuple([], ast.Load()), ast.Load())])
        return self._comprehension(node, nothing, _changing("add", node.elt))

    def visit_DictComp(self, node: ast.DictComp) -> ast.expr:
        """`{key(x): f(x) for x in items}`."""
        item = ast.Subscript(named(_OUT), node.key, ast.Store())
        return self._comprehension(node, ast.Dict([], []), ast.Assign([item], node.value))

    def _comprehension(
        self, node: ast.ListComp | ast.SetComp | ast.DictComp, nothing: ast.expr, adding: ast.stmt
    ) -> ast.expr:
        awaits = any(isinstance(inner, ast.Await) for inner in ast.walk(node))
        if binds(node) or awaits or any(generator.is_async for generator in node.generators):
            return node
        plain, first = copy.deepcopy(node), node.generators[0]
        name, items = f"{OWN}comprehension{self._number()}", f"{OWN}items"
        statement = adding
        for generator in reversed(node.generators):
            for test in reversed(generator.ifs):
                statement = ast.If(test, [statement], [])
            source = named(items) if generator is first else generator.iter
            statement = ast.For(generator.target, source, [statement], [])
        body = [assign(_OUT, nothing, node), statement, ast.Return(named(_OUT))]
        made = ast.FunctionDef(name, parameters_of(items), body, [])
        locate(made, node)
        own_variables = frozenset({_OUT, *assigned([generator.target for generator in node.generators])})
        inner = type(self)(own_variables, self.builtin, self.count)
        made.body = inner.block(made.body)
        self.count = inner.count
        self.hoisted.append(made)
        over = self._iterable(first.iter)
        if len(node.generators) > 1 or first.ifs:
            return ast.copy_location(ast.Call(named(name), [over], []), node)
        plain.generators[0].iter = named(items)
        here = self._later(cast("ast.expr", self._elements(plain)), items)
        return call(f"{LOOPS}.collected", over, named(name), here, at=node)

    def _elements(self, node: ast.ListComp | ast.SetComp | ast.DictComp) -> ast.AST:
        """Stages what a comprehension without conditions gives for each item."""
        if isinstance(node, ast.DictComp):
            node.key, node.value = self.visit(node.key), self.visit(node.value)
        else:
            node.elt = self.visit(node.elt)
        return node

    def _iterable(self, node: ast.expr) -> ast.expr:
        """What a loop goes over: Python's own functions of iterables take handles there."""
        match node:
            case ast.Call(func=ast.Name(id=name), args=[_, *_], keywords=keywords) if name in self.builtin & _ITERABLES:
                given = [named(name), *map(self._iterable, node.args)]
                return call(f"{LOOPS}.over", *given, keywords=[self.visit(k) for k in keywords], at=node)
            case ast.Call(func=ast.Attribute(value=value, attr="items" | "keys" | "values" as attr), args=[]):
                return call(f"{LOOPS}.over_method", self.visit(value), ast.Constant(attr), at=node)
            case _:
                return cast("ast.expr", self.visit(node))

    def _number(self) -> int:
        self.count += 1
        return self.count


def _changing(method: str, value: ast.expr) -> ast.stmt:
    """Gives `out.method(value)` for the container that a comprehension makes."""
    return ast.Expr(ast.Call(ast.Attribute(named(_OUT), method, ast.Load()), [value], []))
