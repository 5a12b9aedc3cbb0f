"""Rewrites a pipeline's body so that its branches and loops over results become part of the graph, not errors.

Each `if`, conditional expression, `and`, `or`, `not`, `is` and `in` asks `branches` whether its condition is a plain
value or a handle; each loop and comprehension asks `loops` the same of what it goes over. A plain one is decided there
and then, as Python would. On a handle both sides of a branch are planned, one after the other in the same frame, each
under a guard, and every variable that a side assigned becomes a select of both; of a loop one turn is planned for all.
What changes a list, dict or set asks `growth`. Early returns are two more variables: what is returned, and whether.

Lines and columns survive, so nodes are named as in the body as written.
"""

from __future__ import annotations
import __future__

import ast
import copy
from collections.abc import Callable, Iterator
from functools import lru_cache
from types import CellType, CodeType, FunctionType
from typing import Any, cast

from glacier.errors import GraphError, Site
from glacier.source import FunctionNode, definition_line, function_ast, is_edited
from glacier.staging.expressions import ASKED, BUILTIN
from glacier.staging.statements import Statements
from glacier.staging.syntax import COMPREHENSIONS, changed_by, defined_with, is_type_check, named, own

_STATEMENTS = ast.If | ast.For | ast.While | ast.Try | ast.TryStar | ast.With | ast.Match
_STAGED = _STATEMENTS | ast.IfExp | ast.BoolOp | COMPREHENSIONS


@lru_cache(maxsize=1024)
def staged(function: Callable[..., Any]) -> Callable[..., Any]:
    """Gives `function` with its control flow staged; itself where it has none, or its source cannot be had."""
    if not isinstance(function, FunctionType):
        return function
    tree = function_ast(function)
    if tree is None and is_edited(function):
        raise GraphError(
            f"`{function.__name__}` cannot be read: its file was edited after it was imported",
            site=Site(function.__code__.co_filename, function.__code__.co_firstlineno),
            fix="import it again (`importlib.reload`, and take it from the module anew), or start Python anew",
        )
    variables = frozenset(function.__code__.co_varnames + function.__code__.co_cellvars)
    if tree is None or "__class__" in function.__code__.co_freevars or not any(_to_stage(tree, variables)):
        return function
    known = variables | function.__globals__.keys() | set(function.__code__.co_freevars)
    _mangle(tree := copy.deepcopy(tree), function)
    staging = Statements(variables, builtin=BUILTIN - known)
    code = _compiled(staging.body(tree), function)
    cells = dict(zip(function.__code__.co_freevars, function.__closure__ or (), strict=True))
    cells |= {name: CellType(module) for name, module in ASKED.items()}
    closure = tuple(cells[name] for name in code.co_freevars)
    made = FunctionType(code, function.__globals__, function.__name__, function.__defaults__, closure)
    made.__kwdefaults__ = function.__kwdefaults__
    return made


def _to_stage(tree: FunctionNode, variables: frozenset[str]) -> Iterator[ast.AST]:
    """Gives the nodes of a body that staging rewrites."""
    for node in own(tree.body):
        match node:
            case ast.UnaryOp(op=ast.Not()) | ast.AugAssign() | ast.Compare():
                yield node
            case ast.Assign(targets=[ast.Tuple() | ast.List(), *_]):
                yield node
            case ast.Attribute(ctx=ast.Store() | ast.Del()) | ast.Subscript(ctx=ast.Store() | ast.Del()):
                yield node
            case _ if isinstance(node, _STAGED) or is_type_check(node) or changed_by(node, variables):
                yield node
            case _:
                pass


def _compiled(tree: FunctionNode, function: FunctionType) -> CodeType:
    """Compiles the body inside a function that has its free variables, so that they stay free."""
    names = [*ASKED, *function.__code__.co_freevars]
    outer = ast.parse(f"def outer({', '.join(names)}):\n    pass")
    definition = cast("ast.FunctionDef", outer.body[0])
    used = ast.Expr(ast.Tuple([named(name) for name in names], ast.Load()))
    definition.body = [used, tree]
    module = _module_code(ast.fix_missing_locations(outer), function)
    wrapper = next(const for const in module.co_consts if isinstance(const, CodeType))
    return next(c for c in wrapper.co_consts if isinstance(c, CodeType) and c.co_name == function.__code__.co_name)


def _module_code(outer: ast.Module, function: FunctionType) -> CodeType:
    flags = function.__code__.co_flags & __future__.annotations.compiler_flag
    try:
        code: CodeType = compile(outer, function.__code__.co_filename, "exec", flags=flags, dont_inherit=True)
    except SyntaxError as error:  # the body was compiled before, so this is about what staging made of it
        raise GraphError(
            f"the branches and loops of `{function.__name__}` are too many, one in another, to be planned: {error.msg}",
            site=Site(function.__code__.co_filename, definition_line(function)),
            fix="put some into a task, or write them one after another: `if`s that return need no `elif`",
        ) from None
    return code


def _mangle(tree: FunctionNode, function: FunctionType) -> None:
    """Writes private names (`__secret`) as Python does in a function that stands in a class."""
    owner = function.__qualname__.split(".")[-2:-1]
    if not owner or owner == ["<locals>"]:
        return
    prefix = "_" + owner[0].lstrip("_")
    pending: list[ast.AST] = [tree.args, *tree.body]
    while pending:
        node = pending.pop()
        for field in () if isinstance(node, ast.keyword) else _NAMES.intersection(node._fields):
            value = getattr(node, field)
            if isinstance(value, str) and _is_private(value):
                setattr(node, field, prefix + value)
            elif isinstance(node, ast.Global | ast.Nonlocal):
                node.names = [prefix + name if _is_private(name) else name for name in node.names]
        # a class in the body has private names of its own
        pending += defined_with(node) if isinstance(node, ast.ClassDef) else ast.iter_child_nodes(node)


_NAMES = frozenset({"id", "attr", "arg", "name", "asname", "names", "rest"})
"""The fields by which nodes hold names that Python writes so; those of keywords in calls it leaves alone."""


def _is_private(name: str) -> bool:
    return name.startswith("__") and not name.endswith("__") and "." not in name
