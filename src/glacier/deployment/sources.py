"""Which files a module needs beside it: the modules it imports, the packages these are in, the data that they name."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from glacier.errors import ConfigError, Site, did_you_mean, listed

_NOT_SOURCES = frozenset(
    {"__pycache__", "node_modules", "venv", "env", "site-packages", "tests", "test", "dist", "build"}
)
_NOT_DATA = frozenset({".py", ".pyc", ".pyo", ".pyi", ".tf", ".tfvars", ".tfstate"})


@dataclass
class Sources:
    """What was found.

    Attributes:
        files: by their path below the folder, with "/".
        imported: the modules from elsewhere, by their first name: `polars`.
    """

    files: dict[str, Path] = field(default_factory=dict[str, Path])
    imported: set[str] = field(default_factory=set[str])


def sources_of(folder: Path, module: str, site: Site | None = None) -> Sources:
    """Gives the files below `folder` that importing `module` from there needs.

    A module that stands alone is taken by itself, a package whole: its modules and data, without tests. What these
    import from the folder is taken likewise, imports in functions too. A data file beside a module is taken if the
    code names it: a text that is its path from the module's folder, or from `folder`. What is hidden, and what tools
    make (caches, virtual environments), is never taken. Nothing is imported.

    Args:
        folder: the project's.
        module: its name, from the folder on: `etl`, `sales.daily`.
        site: who wants it.

    Raises:
        ConfigError: there is no such module, or a module is not Python.
    """
    if _place(folder, module) is None:
        name = module.rpartition(".")[2]
        near = did_you_mean(name, [file.stem for file in folder.glob("*.py")]) if folder.is_dir() else []
        raise ConfigError(
            f"there is no module `{module}`: no file {module.replace('.', '/')}.py where it is looked for",
            site=site,
            fix=f"did you mean {listed(near)}?" if near else "correct the name, or say the folder that holds it",
        )
    sources, pending = Sources(), [module]
    while pending:
        for name, file in _taken(folder, pending.pop()):
            if name in sources.files:
                continue
            sources.files[name] = file
            if file.suffix == ".py":
                tree = parsed(file, site)
                imports = list(_imports(tree, _package(name)))
                own = [one for one in imports if _place(folder, one.partition(".")[0]) is not None]
                pending += own
                sources.imported |= {one.partition(".")[0] for one in imports} - {one.partition(".")[0] for one in own}
                sources.files |= _named_data(tree, folder, file)
    return sources


def whole_folder(folder: Path) -> dict[str, Path]:
    """Gives all files below a folder by their path, without what is hidden, caches, virtual environments and tests."""
    return {file.relative_to(folder).as_posix(): file for file in _walk(folder)}


def parsed(file: Path, site: Site | None) -> ast.Module:
    """Gives a module's AST.

    Raises:
        ConfigError: it is not Python.
    """
    try:
        return ast.parse(file.read_bytes())
    except (SyntaxError, ValueError) as error:
        line = getattr(error, "lineno", None) or 1
        raise ConfigError(
            f"`{file.name}` is not Python: {getattr(error, 'msg', error)}",
            site=Site(str(file), line) if isinstance(error, SyntaxError) else site,
            fix="correct this line",
        ) from None


def module_file(folder: Path, module: str) -> Path | None:
    """Gives the file of a module below a folder; of a package its `__init__.py`. None if there is none."""
    place = _place(folder, module)
    return place / "__init__.py" if place is not None and place.is_dir() else place


def _place(folder: Path, module: str) -> Path | None:
    """Gives a module's file, or its folder if it is a package."""
    base = folder.joinpath(*module.split("."))
    if (base / "__init__.py").is_file():
        return base
    file = base.with_name(f"{base.name}.py")
    if file.is_file():
        return file
    is_namespace = base.is_dir() and base.name not in _NOT_SOURCES and any(base.glob("*.py"))
    return base if is_namespace else None


def _taken(folder: Path, module: str) -> Iterator[tuple[str, Path]]:
    """Gives the files that come with a module: itself, or the outermost package it is in."""
    top = _place(folder, module.partition(".")[0])
    if top is None:
        return
    for file in sorted(_walk(top)) if top.is_dir() else [top]:
        yield file.relative_to(folder).as_posix(), file


def _walk(folder: Path) -> Iterator[Path]:
    for entry in sorted(folder.iterdir()):
        if entry.name.startswith(".") or entry.suffix in (".pyc", ".pyo", ".egg-info", ".dist-info"):
            continue
        if entry.is_dir():
            is_environment = (entry / "pyvenv.cfg").exists()
            if entry.name not in _NOT_SOURCES and not is_environment:
                yield from _walk(entry)
        elif entry.is_file():
            yield entry


def _package(name: str) -> list[str]:
    return list(PurePosixPath(name).parent.parts)


def _imports(tree: ast.Module, package: list[str]) -> Iterator[str]:
    """Gives the modules that a module names in imports, relative ones from the folder on."""
    for node in ast.walk(tree):
        match node:
            case ast.Import(names):
                yield from (alias.name for alias in names)
            case ast.ImportFrom(module, names, level):
                above = package[: len(package) - (level - 1)] if level else []
                base = ".".join([*above, *([module] if module else [])])
                if base:
                    yield base
                yield from (f"{base}.{alias.name}" if base else alias.name for alias in names if not module)
            case _:
                pass


def _named_data(tree: ast.Module, folder: Path, file: Path) -> dict[str, Path]:
    """Gives the data files that a module's code names."""
    found: dict[str, Path] = {}
    for node in ast.walk(tree):
        if not isinstance(node, ast.Constant) or not isinstance(node.value, str) or not _may_be_path(node.value):
            continue
        for base in (file.parent, folder):
            place = base / node.value
            if place.is_file() and place.resolve().is_relative_to(folder.resolve()):
                found[place.relative_to(folder).as_posix()] = place
                break
    return found


def _may_be_path(text: str) -> bool:
    if not 0 < len(text) < 200 or "\n" in text or "\0" in text:
        return False
    path = PurePosixPath(text)
    hidden = any(part.startswith(".") for part in path.parts)
    return not path.is_absolute() and not hidden and path.suffix not in ("", *_NOT_DATA)
