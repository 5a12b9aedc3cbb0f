"""Rewrites a pipeline's body so that a branch on a result becomes part of the graph instead of an error.

Each `if`, conditional expression, `and`, `or`, `not`, `is` and `in` asks `branches` whether its condition is a plain
value or a handle. A plain one is decided there and then, as Python would. On a handle both sides are planned, one after
the other in the same frame, each under a guard; then every variable that a side assigned becomes a select of both.
Early returns become two more such variables: what is returned, and whether something was.

Lines and columns survive, so nodes are named as in the body as written.
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from types import CellType, CodeType, FunctionType
from typing import Any, TypeGuard, cast

from glacier import branches
from glacier.source import FunctionNode, function_ast

_RUNTIME = "__glacier__"
_RETURNED = "__glacier_returned"
_DONE = "__glacier_done"
_BRANCHING = ast.If | ast.IfExp | ast.BoolOp
_ASKED: dict[type[ast.cmpop], str] = {
    ast.Is: "same",
    ast.IsNot: "not_same",
    ast.In: "within",
    ast.NotIn: "not_within",
}
_SCOPES = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda
_LOOPS = ast.For | ast.AsyncFor | ast.While


@lru_cache(maxsize=1024)
def staged(function: Callable[..., Any]) -> Callable[..., Any]:
    """Gives `function` with its branches staged; itself where it has none, or its source cannot be had."""
    if not isinstance(function, FunctionType):
        return function
    tree = function_ast(function)
    if tree is None or "__class__" in function.__code__.co_freevars or not any(_branching(tree)):
        return function
    code = _compiled(_Staging().body(copy.deepcopy(tree)), function)
    cells = dict(zip(function.__code__.co_freevars, function.__closure__ or (), strict=True))
    cells[_RUNTIME] = CellType(branches)
    closure = tuple(cells[name] for name in code.co_freevars)
    made = FunctionType(code, function.__globals__, function.__name__, function.__defaults__, closure)
    made.__kwdefaults__ = function.__kwdefaults__
    return made


def _branching(tree: FunctionNode) -> Iterator[ast.AST]:
    for node in _own(tree.body):
        negated = isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not)
        asked = isinstance(node, ast.Compare) and isinstance(node.ops[0], ast.Is | ast.IsNot | ast.In | ast.NotIn)
        if isinstance(node, _BRANCHING) or negated or asked or _is_type_check(node):
            yield node


def _compiled(tree: FunctionNode, function: FunctionType) -> CodeType:
    """Compiles the body inside a function that has its free variables, so that they stay free."""
    names = [_RUNTIME, *function.__code__.co_freevars]
    outer = ast.parse(f"def outer({', '.join(names)}):\n    pass")
    definition = cast("ast.FunctionDef", outer.body[0])
    used = ast.Expr(ast.Tuple([ast.Name(name, ast.Load()) for name in names], ast.Load()))
    definition.body = [used, tree]
    module = compile(ast.fix_missing_locations(outer), function.__code__.co_filename, "exec", dont_inherit=True)
    wrapper = next(const for const in module.co_consts if isinstance(const, CodeType))
    return next(c for c in wrapper.co_consts if isinstance(c, CodeType) and c.co_name == function.__code__.co_name)


def _own(nodes: Sequence[ast.AST]) -> Iterator[ast.AST]:
    """Gives the nodes below `nodes` that run in the same frame: nothing inside nested functions, classes, lambdas."""
    pending = list(reversed(nodes))
    while pending:
        node = pending.pop()
        yield node
        if not isinstance(node, _SCOPES):
            pending.extend(reversed(list(ast.iter_child_nodes(node))))


def _leaves_loop(nodes: Sequence[ast.AST]) -> bool:
    """Whether a `break` or `continue` among `nodes` belongs to a loop around them."""
    pending = list(nodes)
    while pending:
        node = pending.pop()
        if isinstance(node, ast.Break | ast.Continue):
            return True
        if not isinstance(node, _SCOPES | _LOOPS):
            pending.extend(ast.iter_child_nodes(node))
    return False


def _returns(node: ast.stmt) -> bool:
    return any(isinstance(inner, ast.Return) for inner in _own([node]))


def _assigned(nodes: Sequence[ast.stmt]) -> list[str]:
    """Gives the names that statements bind in their own frame, in order."""
    names: dict[str, None] = {}
    for node in _own(nodes):
        match node:
            case ast.Name(id=name, ctx=ast.Store()):
                names[name] = None
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                names[name] = None
            case ast.alias(name=name, asname=asname):
                names[asname or name.partition(".")[0]] = None
            case _:
                pass
    return list(names)


class _Staging(ast.NodeTransformer):
    """The rewriting of one body."""

    def __init__(self) -> None:
        self.count = 0
        self.loops = 0
        self.flags = False

    def body(self, tree: FunctionNode) -> FunctionNode:
        """Gives the definition with its body staged, without decorators, defaults and annotations."""
        tree.decorator_list, tree.returns = [], None
        arguments = tree.args
        arguments.defaults = [ast.copy_location(ast.Constant(None), tree) for _ in arguments.defaults]
        arguments.kw_defaults = [default and ast.Constant(None) for default in arguments.kw_defaults]
        for argument in ast.walk(arguments):
            if isinstance(argument, ast.arg):
                argument.annotation = None
        self.flags = any(_returns(s) for s in tree.body if not isinstance(s, ast.Return | _LOOPS | _SCOPES))
        statements = self.block(tree.body)
        if self.flags:
            first = tree.body[0]
            start = [_assign(_RETURNED, ast.Constant(None), first), _assign(_DONE, ast.Constant(value=False), first)]
            statements = [*start, *statements, ast.copy_location(ast.Return(_name(_RETURNED)), tree.body[-1])]
        tree.body = statements
        return tree

    def block(self, statements: Sequence[ast.stmt]) -> list[ast.stmt]:
        """Stages statements; what follows one that may have returned runs only if it has not."""
        staged: list[ast.stmt] = []
        for place, statement in enumerate(statements):
            may_return = self.flags and not self.loops and not isinstance(statement, _SCOPES) and _returns(statement)
            rest = statements[place + 1 :]
            made = self.visit(statement)
            staged.extend(cast("list[ast.stmt]", made if isinstance(made, list) else [made]))
            if may_return and not isinstance(statement, ast.Return | _LOOPS) and rest:
                undone = ast.UnaryOp(ast.Not(), _name(_DONE))
                following = ast.copy_location(ast.If(undone, list(rest), []), rest[0])
                staged.extend(self.visit_If(ast.fix_missing_locations(following)))
                break
        return staged

    def visit(self, node: ast.AST) -> Any:
        """Leaves nested scopes as they are, and stages the blocks of every statement."""
        if isinstance(node, _SCOPES):
            return node
        if isinstance(node, _LOOPS):
            return self._loop(node)
        if isinstance(node, ast.Call) and _is_type_check(node) and len(node.args) == 2:
            return _call("is_instance", *(self.visit(value) for value in node.args), at=node)
        if isinstance(node, ast.If | ast.IfExp | ast.BoolOp | ast.UnaryOp | ast.Compare | ast.Return):
            return super().visit(node)
        for name, value in ast.iter_fields(node):
            if _is_block(value):
                setattr(node, name, self.block(value))
            elif isinstance(value, list):
                items = cast("list[object]", value)
                setattr(node, name, [self.visit(item) if isinstance(item, ast.AST) else item for item in items])
            elif isinstance(value, ast.AST):
                setattr(node, name, self.visit(value))
        return node

    def _loop(self, node: ast.For | ast.AsyncFor | ast.While) -> ast.stmt:
        if isinstance(node, ast.While):
            node.test = self.visit(node.test)
        else:
            node.iter = self.visit(node.iter)
        self.loops += 1
        node.body = self.block(node.body)
        self.loops -= 1
        node.orelse = self.block(node.orelse)
        return node

    def visit_Return(self, node: ast.Return) -> Any:
        """In a body with early returns: notes the value, or checks that a loop may be left here."""
        value = self.visit(node.value) if node.value else ast.Constant(None)
        if not self.flags or self.loops:
            node.value = _call("leaving", value, at=node) if self.loops else value
            return node
        return [_assign(_RETURNED, value, node), _assign(_DONE, ast.Constant(value=True), node)]

    def visit_If(self, node: ast.If) -> list[ast.stmt]:
        """Plans both sides where the condition is a handle."""
        inside = [*node.body, *node.orelse]
        if _leaves_loop(inside) or (self.loops and any(_returns(statement) for statement in inside)):
            node.test = _call("plain", self.visit(node.test), at=node.test)
            node.body, node.orelse = self.block(node.body), self.block(node.orelse)
            return [node]
        self.count += 1
        branch, side = f"__glacier_branch{self.count}", f"__glacier_side{self.count}"
        test = _call("branch", self.visit(node.test), ast.Call(_name("locals"), [], []), at=node.test)
        then, other = self.block(node.body), self.block(node.orelse)
        names = [name for name in _assigned([*then, *other]) if not name.startswith("__glacier_branch")]
        names = [name for name in names if not name.startswith("__glacier_side")]
        turn = ast.Call(
            ast.Attribute(_name(branch), "turn", ast.Load()),
            [ast.Call(_name("locals"), [], []), ast.Tuple([ast.Constant(name) for name in names], ast.Load())],
            [],
        )
        ended: ast.stmt = ast.Expr(turn)
        if names:
            ended = ast.Assign([ast.Tuple([ast.Name(name, ast.Store()) for name in names], ast.Store())], turn)
        asked = ast.If(_name(side), then, other)
        planned = ast.If(ast.Attribute(_name(branch), "planned", ast.Load()), [ended], [])
        loop = ast.For(ast.Name(side, ast.Store()), _name(branch), [asked, planned], [])
        _locate(loop, _first_line(node))
        return [_assign(branch, test, node), loop]

    def visit_IfExp(self, node: ast.IfExp) -> ast.expr:
        """`a if test else b`."""
        if _binds(node):
            return node
        return _call("choose", self.visit(node.test), *map(_later, map(self.visit, (node.body, node.orelse))), at=node)

    def visit_BoolOp(self, node: ast.BoolOp) -> ast.expr:
        """`a and b`, `a or b`: the right side is looked at only if the left one asks for it."""
        if _binds(node):
            return node
        function = "both" if isinstance(node.op, ast.And) else "either"
        values: list[ast.expr] = [self.visit(value) for value in node.values]
        joined: ast.expr = values[-1]
        for value in reversed(values[:-1]):
            joined = _call(function, value, _later(joined), at=node)
        return joined

    def visit_UnaryOp(self, node: ast.UnaryOp) -> ast.expr:
        """`not a`."""
        node.operand = self.visit(node.operand)
        return _call("negated", node.operand, at=node) if isinstance(node.op, ast.Not) else node

    def visit_Compare(self, node: ast.Compare) -> ast.expr:
        """`a is b`, `a in b` and their negations, which Python decides without asking a handle."""
        node.left = self.visit(node.left)
        node.comparators = [self.visit(value) for value in node.comparators]
        function = _ASKED.get(type(node.ops[0])) if len(node.ops) == 1 else None
        return _call(function, node.left, node.comparators[0], at=node) if function else node


def _is_block(value: object) -> TypeGuard[list[ast.stmt]]:
    return isinstance(value, list) and isinstance(next(iter(cast("list[object]", value)), None), ast.stmt)


def _is_type_check(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "isinstance"


def _binds(node: ast.expr) -> bool:
    """Whether an expression cannot move into a lambda: it assigns, awaits or yields."""
    return any(isinstance(inner, ast.NamedExpr | ast.Await | ast.Yield | ast.YieldFrom) for inner in ast.walk(node))


def _name(name: str) -> ast.expr:
    return ast.Name(name, ast.Load())


def _assign(name: str, value: ast.expr, at: ast.AST) -> ast.stmt:
    statement = ast.Assign([ast.Name(name, ast.Store())], value)
    _locate(statement, at)
    return statement


def _later(value: ast.expr) -> ast.expr:
    empty = ast.arguments(posonlyargs=[], args=[], vararg=None, kwonlyargs=[], kw_defaults=[], kwarg=None, defaults=[])
    return ast.copy_location(ast.Lambda(empty, value), value)


def _call(function: str, *values: ast.expr, at: ast.AST) -> ast.expr:
    called = ast.Call(ast.Attribute(_name(_RUNTIME), function, ast.Load()), list(values), [])
    _locate(called, at)
    return called


def _first_line(node: ast.stmt) -> ast.AST:
    """Gives the place of a statement's first word; Python tells a call over several lines by its last one."""
    return ast.Pass(
        lineno=node.lineno, col_offset=node.col_offset, end_lineno=node.lineno, end_col_offset=node.col_offset + 1
    )


def _locate(made: ast.AST, at: ast.AST) -> None:
    """Puts the nodes made here at the place of those they stand for; those that have a place keep it."""
    for node in ast.walk(made):
        if "lineno" in node._attributes and not hasattr(node, "lineno"):
            ast.copy_location(node, at)
