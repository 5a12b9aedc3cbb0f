"""Finds the pipeline a command line names: `etl.py`, `etl.py:sales`, `package.module:sales`; and its inputs."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Sequence
from datetime import date
from enum import Enum
from pathlib import Path
from types import ModuleType
from typing import Any, Literal, get_args, get_origin

from glacier.annotations import UNKNOWN, shown
from glacier.errors import InputError, did_you_mean, listed
from glacier.parsing import NotOfType, is_json, parsed
from glacier.pipeline import Pipeline


def load_pipeline(target: str) -> Pipeline[..., Any]:
    """Gives the pipeline that `target` names. Imports its file or module, but not as `__main__`.

    Args:
        target: `FILE.py`, `FILE.py:NAME` or `package.module:NAME`; the name may be left out where there is only one.

    Raises:
        InputError: there is no such file, module or pipeline, or several pipelines and none is named.
        Exception: whatever the file itself raises when it is imported.
    """
    place, _, name = target.partition(":") if not target.endswith(".py") else (target, "", "")
    module = _from_file(Path(place)) if place.endswith(".py") or "/" in place else _from_name(place)
    named = vars(module).items()
    found: dict[str, Pipeline[..., Any]] = {key: value for key, value in named if isinstance(value, Pipeline)}
    own = {key: value for key, value in found.items() if value.function.__module__ == module.__name__}
    if name:
        by_name = {pipeline.name: pipeline for pipeline in own.values()} | found
        if name in by_name:
            return by_name[name]
        raise InputError(
            f"`{place}` has no pipeline `{name}`", fix=_choice(place, did_you_mean(name, by_name) or list(own))
        )
    choices = {id(pipeline): (key, pipeline) for key, pipeline in (own or found).items()}
    if len(choices) == 1:
        return next(iter(choices.values()))[1]
    if not choices:
        raise InputError(f"`{place}` has no pipeline", fix="put @pipeline above the function that calls the tasks")
    names = [key for key, _ in choices.values()]
    raise InputError(f"`{place}` has {len(names)} pipelines: {listed(names)}", fix=_choice(place, names))


def _choice(place: str, names: Sequence[str]) -> str:
    return "name one: " + " or ".join(f"{place}:{name}" for name in names[:3]) if names else "it has none"


def _from_file(path: Path) -> ModuleType:
    path = path.absolute()
    if not path.is_file():
        folder = path.parent
        near = did_you_mean(path.name, [entry.name for entry in folder.glob("*.py")]) if folder.is_dir() else []
        there = f"did you mean {listed(near)}?" if near else "check the path"
        raise InputError(f"there is no file `{path.name}` in `{folder}`", fix=there)
    if str(path.parent) not in sys.path:
        sys.path.insert(0, str(path.parent))  # as `python FILE` does, so that the file can import its neighbours
    name = path.stem
    known = sys.modules.get(name)
    if known is not None and getattr(known, "__file__", None) == str(path):
        return known
    if known is not None or name in sys.stdlib_module_names:
        name = f"{name}_py"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise InputError(f"`{path.name}` is not a Python file", fix="name a file that ends in .py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except SystemExit as error:
        del sys.modules[name]
        raise InputError(
            f"`{path.name}` ends Python when it is imported: it calls sys.exit({error.code})",
            fix='put what runs under `if __name__ == "__main__":`',
        ) from None
    except BaseException as error:
        del sys.modules[name]
        if isinstance(error, ImportError) and "no known parent package" in str(error):
            raise _in_package(path) from error
        raise
    return module


def _in_package(path: Path) -> InputError:
    """Gives the error for a file that imports from the package it is in, which it does not know when run as a file."""
    parts, folder = [path.stem], path.parent
    while (folder / "__init__.py").is_file():
        parts.insert(0, folder.name)
        folder = folder.parent
    where = "" if folder == Path.cwd() else f", in `{folder}`"
    fix = f"name it as a module{where}: {'.'.join(parts)}" if len(parts) > 1 else "import by the module's whole name"
    return InputError(f"`{path.name}` imports from its own package, which a file run by its path is not in", fix=fix)


def _from_name(name: str) -> ModuleType:
    if not all(part.isidentifier() for part in name.split(".")):
        raise InputError(f"`{name}` is no file and no module", fix="name a file (`etl.py`) or a module (`package.etl`)")
    if "" not in sys.path and str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name and not name.startswith(error.name):
            raise  # the module is there; something it imports is not
        file = f"{name}.py" if Path(f"{name}.py").is_file() else None
        fix = (
            f"to run the file, write `{file}`" if file else "name a file (`etl.py`) or a module that Python can import"
        )
        raise InputError(f"there is no module `{name}`", fix=fix) from None


def parse_inputs(pipeline: Pipeline[..., Any], given: Sequence[str], *, complete: bool = False) -> dict[str, object]:
    """Gives the inputs of `KEY=VALUE` texts, each as its parameter's annotation says.

    Args:
        pipeline: whose parameters they are.
        given: the texts.
        complete: whether every parameter without a default must be among them.

    Raises:
        InputError: a text is not of that form or not a value of the parameter's type, or one is missing.
    """
    types_by_name = {parameter.name: parameter.type for parameter in pipeline.signature.parameters}
    inputs: dict[str, object] = {}
    for text in given:
        key, equals, value = text.partition("=")
        if not equals:
            raise InputError(f"input `{text}` is not of the form KEY=VALUE", fix=f"write -i {text}=...")
        if key in inputs:
            raise InputError(f"input `{key}` is given twice", fix="give it once")
        try:
            inputs[key] = parsed(value, types_by_name.get(key, UNKNOWN))
        except NotOfType as error:
            wanted = shown(types_by_name.get(key))
            raise InputError(
                f"input `{key}{error.where}` of pipeline `{pipeline.name}` is {shown(error.wanted)}, "
                f"but got {error.got!r}",
                site=pipeline.site,
                fix=f"write {key}= and a value of type {wanted}{_example(types_by_name.get(key))}",
            ) from error
    required = [p.name for p in pipeline.signature.parameters if p.required and not p.variadic]
    missing = [name for name in required if name not in inputs]
    if complete and missing and inputs.keys() <= types_by_name.keys():  # an unknown one is the better thing to tell
        raise InputError(
            f"pipeline `{pipeline.name}` is missing {'input' if len(missing) == 1 else 'inputs'} {listed(missing)}",
            site=pipeline.site,
            fix="add " + " ".join(f"-i {name}=..." for name in missing),
        )
    return inputs


def _example(wanted: object) -> str:
    match wanted:
        case type() if issubclass(wanted, Enum):
            return f": {listed(wanted.__members__)}"
        case _ if get_origin(wanted) is Literal:
            return f": {listed(str(value) for value in get_args(wanted))}"
        case _ if wanted is date:
            return ", such as 2024-12-31"
        case _ if wanted is bool:
            return ": true or false"
        case _ if is_json(wanted):
            return ", as JSON"
        case _:
            return ""
