"""What the source says of a line of code: the variable a call is assigned to, the AST of a function.

Nothing here runs the user's code. Where the source cannot be had (a REPL without history, `exec`), every
function gives "unknown" and its caller does without.
"""

from __future__ import annotations
import __future__

import ast
import importlib.util
import inspect
import linecache
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import cast
from weakref import WeakKeyDictionary

from glacier.errors import in_library, in_package

FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class SourceFile:
    """One parsed file of the user's code."""

    tree: ast.Module

    @cached_property
    def variables(self) -> dict[tuple[int, int], str]:
        """The variable each call or item access is assigned to, by the place (line, column) where the expression ends.

        The end identifies an expression: it is its own closing bracket, and bytecode positions keep it.
        """
        found: dict[tuple[int, int], str] = {}
        for target, value in _assignments(self.tree):
            if isinstance(value, ast.Await):
                value = value.value  # noqa: PLW2901  # the awaited call is what is named
            if value.end_lineno is not None and value.end_col_offset is not None:
                found[value.end_lineno, value.end_col_offset] = target
        return found

    @cached_property
    def functions(self) -> dict[tuple[str, int], FunctionNode]:
        """Every function of the file by name and first line (that of its first decorator, as in `co_firstlineno`)."""
        found: dict[tuple[str, int], FunctionNode] = {}
        for node in ast.walk(self.tree):
            if isinstance(node, FunctionNode):
                first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
                found[node.name, first] = node
        return found


def _assignments(tree: ast.AST) -> Iterator[tuple[str, ast.expr]]:
    for node in ast.walk(tree):
        match node:
            case ast.Assign(targets=[target], value=value):
                yield from _pairs(target, value)
            case ast.AnnAssign(target=target, value=ast.expr() as value):
                yield from _pairs(target, value)
            case ast.AugAssign(target=target, value=value) | ast.NamedExpr(target=target, value=value):
                yield from _pairs(target, value)
            case ast.withitem(context_expr=value, optional_vars=ast.expr() as target):
                yield from _pairs(target, value)
            case _:
                pass


def _pairs(target: ast.expr, value: ast.expr) -> Iterator[tuple[str, ast.expr]]:
    if isinstance(target, ast.Tuple | ast.List) and isinstance(value, ast.Tuple | ast.List):
        for one_target, one_value in zip(target.elts, value.elts, strict=False):
            yield from _pairs(one_target, one_value)
    elif isinstance(target, ast.Name | ast.Attribute | ast.Subscript | ast.Tuple):
        yield ast.unparse(target).strip("()"), value


def source_file(path: str) -> SourceFile | None:
    """Gives the parsed file, or None where it cannot be read or is not Python; parsed again when its text changes."""
    lines = linecache.getlines(path)
    return _parse("".join(lines)) if lines else None


@lru_cache(maxsize=256)
def _parse(text: str) -> SourceFile | None:
    try:
        return SourceFile(ast.parse(text))
    except SyntaxError:
        return None


def function_ast(function: FunctionType) -> FunctionNode | None:
    """Gives the AST of `function`, with the lines of its file; None where the source cannot be had, or is another's."""
    code = function.__code__
    file = source_file(code.co_filename)
    found = file.functions.get((code.co_name, code.co_firstlineno)) if file else None
    return None if found is None or (is_edited(function) and not _compiles_to(found, code)) else found


def note_loaded(function: Callable[..., object]) -> None:
    """Notes the state of the file that a function has just been loaded from; an older text of it is forgotten."""
    inner = inspect.unwrap(function)
    if isinstance(inner, FunctionType) and inner not in _loaded:
        linecache.checkcache(inner.__code__.co_filename)
        _loaded[inner] = _state(inner.__code__.co_filename)


def is_edited(function: FunctionType) -> bool:
    """Says whether the file of a function was written after `note_loaded`."""
    return function in _loaded and _loaded[function] != _state(function.__code__.co_filename)


_loaded: WeakKeyDictionary[FunctionType, tuple[int, int] | None] = WeakKeyDictionary()


def _state(path: str) -> tuple[int, int] | None:
    try:
        told = Path(path).stat()
    except OSError:  # it is no file: a cell of a notebook, say
        return None
    return told.st_mtime_ns, told.st_size


def _compiles_to(tree: FunctionNode, code: CodeType) -> bool:
    """Says whether a function's code is what its source says now, as far as its names and constants tell."""
    flags = code.co_flags & __future__.annotations.compiler_flag
    module = cast("CodeType", compile(ast.Module([tree], []), code.co_filename, "exec", flags, dont_inherit=True))
    consts = cast("tuple[object, ...]", module.co_consts)
    return any(isinstance(const, CodeType) and _told(const) == _told(code) for const in consts)


def _told(code: CodeType) -> object:
    every = cast("tuple[object, ...]", code.co_consts)
    consts = [_told(const) if isinstance(const, CodeType) else repr(const) for const in every]
    return code.co_name, code.co_names, code.co_varnames, consts


@lru_cache(maxsize=4096)
def _positions(code: CodeType) -> list[tuple[int | None, int | None, int | None, int | None]]:
    return list(code.co_positions())


def line_of(code: CodeType, instruction: int) -> int:
    """Gives the line on which the instruction at byte offset `instruction` starts."""
    return _positions(code)[instruction // 2][0] or code.co_firstlineno


def variable_of(code: CodeType, instruction: int) -> str | None:
    """Gives the name of the variable that the call at `instruction` is assigned to, if it is assigned directly."""
    file = source_file(code.co_filename)
    if file is None:
        return None
    _, end_line, _, end_column = _positions(code)[instruction // 2]
    return file.variables.get((end_line or 0, end_column or 0))


def is_users(file: str) -> bool:
    """Says whether a file is the user's code: not of Python's library, not installed, not Glacier's own."""
    return not (in_library(file) or in_package(file))


def definition_line(function: Callable[..., object]) -> int:
    """Gives the line of a function's `def`, below its decorators; where there is no source, of its first decorator."""
    inner = inspect.unwrap(function)
    inner = getattr(inner, "__func__", inner)
    if not isinstance(inner, FunctionType):
        return 0
    tree = function_ast(inner)
    return tree.lineno if tree else inner.__code__.co_firstlineno


def module_name(name: str) -> str:
    """Gives the name that a module has in other processes too; `__main__` goes by its file's."""
    file = getattr(sys.modules.get(name), "__file__", None) if name == "__main__" else None
    return Path(file).stem if file else name


def module_named(name: str) -> ModuleType | None:
    """Gives the module of a name that `module_name` gave; None if it is not loaded."""
    found = sys.modules.get(name)
    return sys.modules.get("__main__") if found is None and module_name("__main__") == name else found


def by_path(module: str, file: str, qualname: str) -> object:
    """Finds a task again in another process: by its module's name, or by its file where that name means another one."""
    found = sys.modules.get(module) or _imported(module, file)
    for part in qualname.split("."):
        found = getattr(found, part)
    return found


def _imported(name: str, file: str) -> ModuleType:
    try:
        module = importlib.import_module(name)
    except ModuleNotFoundError:
        module = None
    if module is not None and (not file or getattr(module, "__file__", file) == file):
        return module
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise ModuleNotFoundError(f"no module {name!r}, and no file {file!r} to load it from")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module
