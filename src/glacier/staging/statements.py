"""The staging of a body's statements."""

from __future__ import annotations

import ast
import copy
from collections.abc import Iterator, Sequence
from typing import Any, cast

from glacier.source import FunctionNode
from glacier.staging.expressions import BRANCHES, GROWTH, LOOPS, REFUSING, Expressions
from glacier.staging.syntax import (
    OWN,
    REPEATS,
    SCOPES,
    Unfolded,
    assign,
    assigned,
    call,
    changed,
    changed_by,
    elsewhere,
    first_word,
    is_deep,
    leaves_loop,
    locate,
    named,
    own,
    returns,
    stored,
    strings,
    variables_now,
    without_continue,
)

_IN_PLACE: dict[type[ast.operator], str] = {
    ast.Sub: "__isub__",
    ast.Mult: "__imul__",
    ast.MatMult: "__imatmul__",
    ast.Div: "__itruediv__",
    ast.FloorDiv: "__ifloordiv__",
    ast.Mod: "__imod__",
    ast.Pow: "__ipow__",
    ast.LShift: "__ilshift__",
    ast.RShift: "__irshift__",
    ast.BitAnd: "__iand__",
    ast.BitXor: "__ixor__",
    ast.BitOr: "__ior__",
}
"""The methods that change an object in place, where its class has them; `+=` is planned."""
_RETURNED, _DONE, _DEPTH = f"{OWN}returned", f"{OWN}done", f"{OWN}depth"


class _For:
    """The names around a `for` that is being staged.

    Attributes:
        turns: the variable that holds its `loops.Turns`.
        names: the variables that a turn assigns, without those that stand for the item.
        targets: the variables that stand for the item.
        changed: those of `names` whose containers are changed and that are not assigned.
        skipped: the variable that says whether `continue` was met in this turn; None where there is none.
    """

    def __init__(self, node: ast.For, number: int, variables: frozenset[str], shared: Sequence[str]) -> None:
        self.skipped = f"{OWN}skipped{number}" if leaves_loop(node.body, ast.Continue) else None
        self.turns = f"{OWN}turns{number}"
        self.targets = assigned([node.target])
        every = [*assigned(node.body), *shared]
        self.changed = [name for name in changed(node.body, variables) if name not in every]
        self.names = [name for name in dict.fromkeys((*every, *self.changed)) if name not in self.targets]

    def planned(self, *statements: ast.stmt) -> ast.stmt:
        """Gives statements that run only where one turn is planned for all."""
        return ast.If(ast.Attribute(named(self.turns), "planned", ast.Load()), list(statements), [])

    def begin(self) -> ast.stmt:
        """Gives the assignment that stands before a turn."""
        begin = ast.Attribute(named(self.turns), "begin", ast.Load())
        started = ast.Call(begin, [strings(self.names), strings(self.changed)], [])
        return self.planned(ast.Assign([stored(self.names)], started) if self.names else ast.Expr(started))

    def end(self, method: str) -> ast.stmt:
        """Gives the assignment that stands where a turn ends: `turn`, or `left` before a `break`."""
        names = [*self.names, *self.targets]
        ending = ast.Attribute(named(self.turns), method, ast.Load())
        ended = ast.Call(ending, [variables_now(), strings(names), strings(self.targets)], [])
        return self.planned(ast.Assign([stored(names)], ended) if names else ast.Expr(ended))


class Statements(Expressions):
    """The rewriting of one body."""

    def __init__(self, variables: frozenset[str], builtin: frozenset[str], count: int = 0) -> None:
        super().__init__(variables, builtin, count)
        self.elsewhere: list[str] = []
        self.shared: list[str] = []
        self.loops: list[_For | None] = []
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
        self.elsewhere, self.shared = elsewhere(tree)
        tree.body = [cast("ast.stmt", Unfolded(self.variables).visit(statement)) for statement in tree.body]
        first, last = tree.body[0], tree.body[-1]
        loops = [node for node in own(tree.body) if isinstance(node, REPEATS)]
        after_loops = (statement for loop in loops for statement in loop.orelse)
        outside = [s for s in tree.body if not isinstance(s, ast.Return | REPEATS | SCOPES)]
        self.flags = any(map(returns, (*outside, *after_loops)))
        in_loops = any(map(returns, loops))
        statements = self.block(tree.body)
        start = [assign(_DEPTH, call(f"{REFUSING}.depth", at=first), first)] if in_loops else []
        if self.flags:
            start += [assign(_RETURNED, ast.Constant(None), first), assign(_DONE, ast.Constant(value=False), first)]
            statements = [*statements, ast.copy_location(ast.Return(named(_RETURNED)), last)]
        tree.body = [*start, *statements]
        return tree

    def block(self, statements: Sequence[ast.stmt]) -> list[ast.stmt]:
        """Stages statements; what follows one that may have returned runs only if it has not."""
        made: list[ast.stmt] = []
        parts = list(self._parts_by_leaving(statements))
        for flag, part in parts:
            if flag is None:
                for statement in part:
                    made += self._statement(statement)
            else:
                made += self.visit_If(_unless(flag, part))
        return made

    def _parts_by_leaving(self, statements: Sequence[ast.stmt]) -> Iterator[tuple[str | None, list[ast.stmt]]]:
        """Gives statements in parts, each with the variable that says whether what came before left them out."""
        flag: str | None = None
        part: list[ast.stmt] = []
        for statement in statements:
            part.append(statement)
            leaving = self._left_by(statement)
            if leaving is not None:
                yield flag, part
                flag, part = leaving, []
        if part:
            yield flag, part

    def _left_by(self, statement: ast.stmt) -> str | None:
        """Gives the variable that a statement may set so that the rest of its block does not run."""
        if isinstance(statement, SCOPES | ast.Return | ast.Continue):
            return None
        inside = statement.orelse if isinstance(statement, REPEATS) else [statement]  # a loop's turns are its own
        if not self.loops:
            return _DONE if self.flags and any(map(returns, inside)) else None
        loop = self.loops[-1]
        return loop.skipped if loop is not None and leaves_loop(inside, ast.Continue) else None

    def _statement(self, statement: ast.stmt) -> list[ast.stmt]:
        """Stages one statement, with the functions that it needs before it."""
        around, self.hoisted = self.hoisted, []
        visited: ast.stmt | list[ast.stmt] = self.visit(statement)
        made = [*self.hoisted, *(visited if isinstance(visited, list) else [visited])]
        self.hoisted = around
        return made

    def visit_Return(self, node: ast.Return) -> Any:
        """In a body with early returns: notes the value, or checks that a loop may be left here."""
        value = self.visit(node.value) if node.value else ast.Constant(None)
        if not self.flags or self.loops:
            node.value = call(f"{REFUSING}.leaving", value, named(_DEPTH), at=node) if self.loops else value
            return node
        return [assign(_RETURNED, value, node), assign(_DONE, ast.Constant(value=True), node)]

    def visit_If(self, node: ast.If) -> list[ast.stmt]:
        """Plans both sides where the condition is a handle."""
        inside = [*node.body, *node.orelse]
        returned = any(returns(statement) for statement in inside)
        around = self.loops[-1] if self.loops else None
        skipped = around.skipped if around is not None and leaves_loop(inside, ast.Continue) else None
        breaks = leaves_loop(inside, ast.Break) if around is not None else leaves_loop(inside)
        names = list(dict.fromkeys([*assigned(inside), *changed(inside, self.variables), *self.shared]))
        outside = [name for name in names if name in self.elsewhere]
        if breaks or (self.loops and returned) or outside:
            why = f"assigns `{outside[0]}` of another scope" if outside else "leaves a loop (`break`, `return`)"
            node.test = call(f"{BRANCHES}.plain", self.visit(node.test), ast.Constant(why), at=node.test)
            node.body, node.orelse = self.block(node.body), self.block(node.orelse)
            return [node]
        number = self._number()
        branch, side = f"{OWN}branch{number}", f"{OWN}side{number}"
        names += [_RETURNED, _DONE] if self.flags and returned else []
        names += [skipped] if skipped is not None else []
        test = call(f"{BRANCHES}.branch", self.visit(node.test), variables_now(), at=node.test)
        then, other = self.block(node.body), self.block(node.orelse)
        turn = ast.Call(ast.Attribute(named(branch), "turn", ast.Load()), [variables_now(), strings(names)], [])
        ended: ast.stmt = ast.Assign([stored(names)], turn) if names else ast.Expr(turn)
        asked = ast.If(named(side), then, other)
        planned = ast.If(ast.Attribute(named(branch), "planned", ast.Load()), [ended], [])
        loop = ast.For(ast.Name(side, ast.Store()), named(branch), [asked, planned], [])
        locate(loop, first_word(node))
        return [assign(branch, test, node), loop]

    def visit_For(self, node: ast.For) -> list[ast.stmt]:
        """Plans one turn where what it goes over is a handle."""
        node.body = without_continue(node.body) or [ast.copy_location(ast.Pass(), node)]
        loop = _For(node, self._number(), self.variables, self.shared)
        item = ast.Constant(ast.unparse(node.target).strip("()"))
        turns = call(f"{LOOPS}.turns", self._iterable(node.iter), variables_now(), item, at=node.iter)
        self.loops.append(loop)
        body = self.block(node.body)
        self.loops.pop()
        target, unpacking = self._unpacking(node.target)
        orelse = self.block(node.orelse) if node.orelse else []
        begin = [loop.begin()]
        if loop.skipped is not None:
            begin.append(assign(loop.skipped, ast.Constant(value=False), node))
        made = ast.For(target, named(loop.turns), [*begin, *unpacking, *body, loop.end("turn")], orelse)
        locate(made, first_word(node))
        return [assign(loop.turns, turns, node), made]

    def visit_While(self, node: ast.While) -> ast.stmt:
        """Asks that the condition be plain."""
        node.test = call(f"{REFUSING}.lasting", self.visit(node.test), at=node.test)
        return self._unplanned(node)

    def visit_AsyncFor(self, node: ast.AsyncFor) -> ast.stmt:
        """Goes over what is known while planning only."""
        node.iter = self.visit(node.iter)
        return self._unplanned(node)

    def _unplanned(self, node: ast.While | ast.AsyncFor) -> ast.stmt:
        self.loops.append(None)
        node.body = self.block(node.body)
        self.loops.pop()
        node.orelse = self.block(node.orelse)
        return node

    def visit_Break(self, node: ast.Break) -> list[ast.stmt]:
        """Ends the turn that is planned for all, and says that it is the only one."""
        loop = self.loops[-1] if self.loops else None
        if loop is None:
            return [node]
        end = loop.end("left")
        locate(end, node)
        return [end, node]

    def visit_Continue(self, node: ast.Continue) -> ast.stmt:
        """Notes that the rest of the turn does not run."""
        loop = self.loops[-1] if self.loops else None
        skipped = loop.skipped if loop is not None else None
        return node if skipped is None else assign(skipped, ast.Constant(value=True), node)

    def visit_Assign(self, node: ast.Assign) -> Any:
        """`a, b = result`; `sizes[name] = n`."""
        name, target = changed_by(node, self.variables), node.targets[0]
        if name is not None and isinstance(target, ast.Subscript):
            value, key = self.visit(node.value), self.visit(target.slice)
            return assign(name, call(f"{GROWTH}.put", named(name), key, value, at=node), node)
        if len(node.targets) == 1:
            displayed = isinstance(node.value, ast.Tuple | ast.List)  # its members are there to assign one by one
            value = self.visit(node.value)
            node.value = value if displayed else self._parts(value, target)
            node.targets[0], unpacking = self._unpacked(target, whole=displayed)
            return [node, *unpacking]
        return self._inside(node)

    def visit_AugAssign(self, node: ast.AugAssign) -> Any:
        """`total += n`, `sizes[name] += n`."""
        node.value = self.visit(node.value)
        if isinstance(node.target, ast.Name) and node.target.id in self.variables:
            name = node.target.id
            if isinstance(node.op, ast.Add):
                return assign(name, call(f"{GROWTH}.increased", named(name), node.value, at=node), node)
            method = ast.Constant(_IN_PLACE[type(node.op)])
            kept = call(f"{GROWTH}.kept_in_place", named(name), method, at=node)
            return [ast.copy_location(ast.Expr(kept), node), node]
        changed_name = changed_by(node, self.variables)
        if changed_name is not None and isinstance(node.target, ast.Subscript):
            key = node.target.slice
            now = ast.copy_location(ast.Subscript(named(changed_name), copy.deepcopy(key), ast.Load()), node)
            increased = call(f"{GROWTH}.increased", now, node.value, at=node)
            return assign(changed_name, call(f"{GROWTH}.put", named(changed_name), key, increased, at=node), node)
        node.target = self.visit(node.target)
        return node

    def visit_Expr(self, node: ast.Expr) -> ast.stmt:
        """`found.append(x)`."""
        name = changed_by(node, self.variables)
        if name is None:
            return cast("ast.stmt", self._inside(node))
        method = cast("ast.Call", node.value)
        verb = ast.Constant(cast("ast.Attribute", method.func).attr)
        values: list[ast.expr] = [self.visit(value) for value in method.args]
        keywords: list[ast.keyword] = [self.visit(keyword) for keyword in method.keywords]
        return assign(name, call(f"{GROWTH}.call", named(name), verb, *values, keywords=keywords, at=node), node)

    def visit_Try(self, node: ast.Try | ast.TryStar) -> list[ast.stmt]:
        """Asks that no task be called where the body could catch what it raises."""
        number = self._number()
        since, finally_since = f"{OWN}try{number}", f"{OWN}finally{number}"
        recorded = call(f"{REFUSING}.recorded", at=node)
        tried = ast.copy_location(ast.Expr(call(f"{REFUSING}.tried", named(since), at=first_word(node))), node)
        if self.flags and not self.loops and node.orelse and any(map(returns, node.body)):
            node.orelse = [_unless(_DONE, node.orelse)]
        self._inside(node)
        for handler in node.handlers:
            handler.body = [copy.deepcopy(tried), *handler.body]
        if node.handlers:
            node.orelse = [tried, *node.orelse]
        if node.finalbody and not node.handlers:
            finished = call(f"{REFUSING}.finished", named(since), named(finally_since), at=first_word(node))
            ended = ast.copy_location(ast.Expr(finished), node)
            node.finalbody = [assign(finally_since, copy.deepcopy(recorded), node), *node.finalbody, ended]
        return [assign(since, recorded, node), node]

    def visit_TryStar(self, node: ast.TryStar) -> list[ast.stmt]:
        """The same for `except*`."""
        return self.visit_Try(node)

    def visit_With(self, node: ast.With) -> list[ast.stmt]:
        """Asks that nothing suppress what a task raises, or what leaves a branch."""
        since = f"{OWN}with{self._number()}"
        self._inside(node)
        for item in node.items:
            item.context_expr = call(f"{REFUSING}.entered", item.context_expr, named(since), at=item.context_expr)
        whole = ast.copy_location(ast.Expr(call(f"{REFUSING}.whole", named(since), at=node)), node)
        return [assign(since, call(f"{REFUSING}.recorded", at=node), node), node, whole]

    def visit_Match(self, node: ast.Match) -> ast.stmt:
        """Asks that what the patterns ask for be plain."""
        self._inside(node)
        deep = ast.Constant(any(is_deep(case.pattern) for case in node.cases))
        node.subject = call(f"{REFUSING}.matched", node.subject, deep, at=node.subject)
        return node

    def _unpacking(self, target: ast.expr) -> tuple[ast.expr, list[ast.stmt]]:
        """Gives a target that takes a handle as it is, and the statements that assign its parts."""
        if not isinstance(target, ast.Tuple | ast.List):
            return self.visit(target), []
        name = f"{OWN}part{self._number()}"
        whole = ast.copy_location(ast.Assign([target], self._parts(named(name), target)), target)
        inner, unpacking = self._unpacked(target)
        whole.targets = [inner]
        ast.fix_missing_locations(whole)
        return ast.copy_location(ast.Name(name, ast.Store()), target), [whole, *unpacking]

    def _unpacked(self, target: ast.expr, *, whole: bool = False) -> tuple[ast.expr, list[ast.stmt]]:
        """Gives a target whose own targets take handles as they are, and the statements that assign their parts.

        Args:
            target: what is assigned to.
            whole: whether a starred target is to take several members, which otherwise come as one list.
        """
        if not isinstance(target, ast.Tuple | ast.List):
            return self.visit(target), []
        statements: list[ast.stmt] = []
        for place, element in enumerate(target.elts):
            one = element.value if isinstance(element, ast.Starred) and not whole else element
            later = bool(statements) and not isinstance(one, ast.Tuple | ast.List)
            target.elts[place], inner = self._later_assigned(one) if later else self._unpacking(one)
            statements += inner
        return target, statements

    def _later_assigned(self, target: ast.expr) -> tuple[ast.expr, list[ast.stmt]]:
        """Gives what stands for a target behind a tuple, whose parts are assigned before it: `(a, b), a = ...`."""
        name = f"{OWN}part{self._number()}"
        place: ast.expr = ast.copy_location(ast.Name(name, ast.Store()), target)
        if isinstance(target, ast.Starred):
            place, target = ast.copy_location(ast.Starred(place, ast.Store()), target), target.value
        assigning = ast.copy_location(ast.Assign([self.visit(target)], named(name)), target)
        return place, [ast.fix_missing_locations(assigning)]

    def _parts(self, value: ast.expr, target: ast.expr) -> ast.expr:
        if not isinstance(target, ast.Tuple | ast.List):
            return value
        star = next((i for i, element in enumerate(target.elts) if isinstance(element, ast.Starred)), None)
        return call(f"{LOOPS}.unpacked", value, ast.Constant(len(target.elts)), ast.Constant(star), at=value)


def _unless(flag: str, statements: Sequence[ast.stmt]) -> ast.If:
    """Gives `if not flag: ...`, at the place of the first statement."""
    made = ast.copy_location(ast.If(ast.UnaryOp(ast.Not(), named(flag)), list(statements), []), statements[0])
    return ast.fix_missing_locations(made)
