"""Small questions about a body's AST, and the making of pieces of it."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from types import UnionType
from typing import TypeGuard, cast

from glacier.source import FunctionNode

OWN = "__glacier_"
"""What every variable that staging adds begins with."""
SCOPES = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda
REPEATS = ast.For | ast.AsyncFor | ast.While
COMPREHENSIONS = ast.ListComp | ast.SetComp | ast.DictComp

CHANGING = frozenset(
    {
        "append", "extend", "insert", "pop", "remove", "sort", "reverse", "clear", "add", "discard", "update",
        "popitem", "setdefault", "difference_update", "intersection_update", "symmetric_difference_update",
    }
)  # fmt: skip
"""The methods of lists, dicts and sets that change them."""


def own(nodes: Sequence[ast.AST]) -> Iterator[ast.AST]:
    """Gives the nodes below `nodes` that run in the same frame: nothing inside nested functions, classes, lambdas."""
    pending = list(reversed(nodes))
    while pending:
        node = pending.pop()
        yield node
        if isinstance(node, ast.comprehension):  # its targets are variables of its own
            pending.extend([*node.ifs, node.iter])
        elif isinstance(node, SCOPES):
            pending.extend(reversed(defined_with(node)))
        else:
            pending.extend(reversed(list(ast.iter_child_nodes(node))))


def defined_with(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda) -> list[ast.expr]:
    """Gives what of a nested scope is worked out where it is defined: decorators, default values, base classes."""
    decorators = [] if isinstance(node, ast.Lambda) else node.decorator_list
    if isinstance(node, ast.ClassDef):
        return [*decorators, *node.bases]
    return [*decorators, *node.args.defaults, *(default for default in node.args.kw_defaults if default)]


def leaves_loop(nodes: Sequence[ast.AST], kinds: type | UnionType = ast.Break | ast.Continue) -> bool:
    """Says whether a `break` or `continue` among `nodes` belongs to a loop around them."""
    pending = list(nodes)
    while pending:
        node = pending.pop()
        if isinstance(node, kinds):
            return True
        if isinstance(node, REPEATS):
            pending.extend(node.orelse)
        elif not isinstance(node, SCOPES):
            pending.extend(ast.iter_child_nodes(node))
    return False


def elsewhere(tree: FunctionNode) -> tuple[list[str], list[str]]:
    """Gives the names that a body assigns outside of its frame, and those of its own that functions in it assign."""
    names: list[str] = [
        name for node in own(tree.body) if isinstance(node, ast.Global | ast.Nonlocal) for name in node.names
    ]
    inner = [node for node in ast.walk(tree) if isinstance(node, ast.Nonlocal)]
    return names, [name for node in inner for name in node.names if name not in names]


def is_deep(pattern: ast.pattern) -> bool:
    """Says whether a pattern asks for the structure of what the subject holds: a sequence, mapping or None inside."""
    if isinstance(pattern, ast.MatchOr):
        return any(is_deep(inner) for inner in pattern.patterns)
    if isinstance(pattern, ast.MatchAs):
        return pattern.pattern is not None and is_deep(pattern.pattern)
    structures = ast.MatchSequence | ast.MatchMapping | ast.MatchSingleton
    return any(isinstance(inner, structures) for inner in ast.walk(pattern) if inner is not pattern)


def returns(node: ast.stmt) -> bool:
    """Says whether a statement may return from the function that it stands in."""
    return any(isinstance(inner, ast.Return) for inner in own([node]))


def assigned(nodes: Sequence[ast.AST]) -> list[str]:
    """Gives the names that statements bind in their own frame, in order; not those that staging added."""
    names: dict[str, None] = {}
    for node in own(nodes):
        match node:
            case ast.Name(id=name, ctx=ast.Store() | ast.Del()) | ast.ExceptHandler(name=str(name)):
                names[name] = None
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                names[name] = None
            case ast.alias(name=name, asname=asname):
                names[asname or name.partition(".")[0]] = None
            case ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)) | ast.MatchMapping(rest=str(name)):
                names[name] = None
            case _:
                pass
    return list(names)


def changed(nodes: Sequence[ast.AST], variables: frozenset[str]) -> list[str]:
    """Gives the variables of a frame whose containers statements change: `x.append(...)`, `x[key] = ...`."""
    names: dict[str, None] = {}
    for node in own(nodes):
        name = changed_by(node, variables)
        if name is not None:
            names[name] = None
    return list(names)


def changed_by(node: ast.AST, variables: frozenset[str]) -> str | None:
    """Gives the variable whose container this one statement changes, if it does."""
    match node:
        case ast.Expr(value=ast.Call(func=ast.Attribute(value=ast.Name(id=name), attr=attr), args=args, keywords=_)):
            starred = any(isinstance(argument, ast.Starred) for argument in args)
            return name if name in variables and attr in CHANGING and not starred else None
        case ast.Assign(targets=[ast.Subscript(value=ast.Name(id=name), slice=key)]):
            return name if name in variables and not isinstance(key, ast.Slice) else None
        case ast.AugAssign(
            target=ast.Subscript(value=ast.Name(id=name), slice=ast.Constant() | ast.Name()), op=ast.Add()
        ):
            return name if name in variables else None
        case _:
            return None


def binds(node: ast.expr) -> bool:
    """Says whether an expression cannot move into a function of its own: it assigns or yields."""
    return any(isinstance(inner, ast.NamedExpr | ast.Yield | ast.YieldFrom) for inner in ast.walk(node))


class Unfolded(ast.NodeTransformer):
    """Writes `found.append(x) if test else None` and `test and found.append(x)`, whose value nobody takes, as `if`."""

    def __init__(self, variables: frozenset[str]) -> None:
        self.variables = variables

    def visit(self, node: ast.AST) -> ast.AST:
        """Leaves nested scopes and expressions as they are."""
        if isinstance(node, ast.Expr):
            return self._statement(node)
        return node if isinstance(node, SCOPES | ast.expr) else self.generic_visit(node)

    def _statement(self, node: ast.Expr) -> ast.stmt:
        match node.value:
            case ast.IfExp(test=test, body=then, orelse=other):
                sides = [self._side(then), self._side(other)]
            case ast.BoolOp(op=operation, values=[*asked, then]):
                test = asked[0] if len(asked) == 1 else ast.copy_location(ast.BoolOp(operation, asked), node)
                nothing = ast.copy_location(ast.Pass(), node)
                sides = [self._side(then), nothing] if isinstance(operation, ast.And) else [nothing, self._side(then)]
            case _:
                return node
        if not changed(sides, self.variables):
            return node
        return ast.copy_location(ast.If(test, sides[:1], sides[1:]), node)

    def _side(self, value: ast.expr) -> ast.stmt:
        return self._statement(ast.copy_location(ast.Expr(value), value))


class _Awaited(ast.NodeTransformer):
    """Puts a call in place of each `await`, which cannot stand in a lambda."""

    def __init__(self, function: str) -> None:
        self.function = function

    def visit_Await(self, node: ast.Await) -> ast.expr:
        return call(self.function, self.visit(node.value), at=node)


def is_block(value: object) -> TypeGuard[list[ast.stmt]]:
    """Says whether a field of a node is a list of statements."""
    return isinstance(value, list) and isinstance(next(iter(cast("list[object]", value)), None), ast.stmt)


def is_type_check(node: ast.AST) -> bool:
    """Says whether it is a call of `isinstance`."""
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "isinstance"


def without_continue(statements: Sequence[ast.stmt]) -> list[ast.stmt]:
    """Gives a loop's body in which what follows `if ...: continue` stands on the other side of that `if`."""
    for place, statement in enumerate(statements):
        if isinstance(statement, ast.Continue):
            return list(statements[:place])
        if not isinstance(statement, ast.If):
            continue
        rest = statements[place + 1 :]
        if isinstance(statement.body[-1], ast.Continue):
            then, other = statement.body[:-1], [*statement.orelse, *rest]
        elif statement.orelse and isinstance(statement.orelse[-1], ast.Continue):
            then, other = [*statement.body, *rest], statement.orelse[:-1]
        else:
            continue
        nothing = ast.copy_location(ast.Pass(), statement)
        statement.body = without_continue(then) or [nothing]
        statement.orelse = without_continue(other)
        return [*statements[:place], statement]
    return list(statements)


def named(name: str) -> ast.expr:
    """Gives the reading of a variable."""
    return ast.Name(name, ast.Load())


def stored(names: Sequence[str]) -> ast.expr:
    """Gives several variables as the target of an assignment."""
    return ast.Tuple([ast.Name(name, ast.Store()) for name in names], ast.Store())


def strings(names: Sequence[str]) -> ast.expr:
    """Gives names as a tuple of strings."""
    return ast.Tuple([ast.Constant(name) for name in names], ast.Load())


def variables_now() -> ast.expr:
    """Gives `locals()`."""
    return ast.Call(named("locals"), [], [])


def call(function: str, *values: ast.expr, keywords: Sequence[ast.keyword] = (), at: ast.AST) -> ast.expr:
    """Gives a call of `module.function` with the place of the node it stands for."""
    module, _, name = function.rpartition(".")
    called = ast.Call(ast.Attribute(named(module), name, ast.Load()), list(values), list(keywords))
    locate(called, at)
    return called


def assign(name: str, value: ast.expr, at: ast.AST) -> ast.stmt:
    """Gives `name = value`."""
    statement = ast.Assign([ast.Name(name, ast.Store())], value)
    locate(statement, at)
    return statement


def later(value: ast.expr, *parameters: str, awaited: str) -> ast.expr:
    """Gives a lambda around an expression.

    Args:
        value: the expression.
        parameters: of the lambda.
        awaited: the function that stands for `await` in it.
    """
    inner: ast.expr = _Awaited(awaited).visit(value)
    return ast.copy_location(ast.Lambda(parameters_of(*parameters), inner), value)


def parameters_of(*names: str) -> ast.arguments:
    """Gives the positional parameters of a function."""
    args = [ast.arg(name) for name in names]
    return ast.arguments(posonlyargs=[], args=args, vararg=None, kwonlyargs=[], kw_defaults=[], kwarg=None, defaults=[])


def first_word(node: ast.stmt) -> ast.AST:
    """Gives the place of a statement's first word; Python tells a call over several lines by its last one."""
    return ast.Pass(
        lineno=node.lineno, col_offset=node.col_offset, end_lineno=node.lineno, end_col_offset=node.col_offset + 1
    )


def locate(made: ast.AST, at: ast.AST) -> None:
    """Puts the nodes made here at the place of those they stand for; those that have a place keep it."""
    for node in ast.walk(made):
        if "lineno" in node._attributes and not hasattr(node, "lineno"):
            ast.copy_location(node, at)
