"""Blueprints of pipelines that a test writes, and their declarations as plain data."""

import sys
from collections.abc import Mapping
from dataclasses import replace
from hashlib import blake2s
from pathlib import Path
from types import ModuleType
from typing import Any

from glacier.blueprint import AssetPath, Block, Blueprint, Declaration, Either, Json, Ref, Text, Value, Variable
from glacier.deployment.needs import Deployment
from glacier.deployment.reading import deployment_of
from glacier.loading import load_pipeline
from glacier.providers.portable import Provider


class Writer:
    """Reads pipelines that a test writes below the same beginning, each as a project of its own."""

    def __init__(self, folder: Path, head: str) -> None:
        self.folder = folder
        self.head = head
        self.modules: dict[str, ModuleType] = {}

    def __call__(self, body: str, provider: Provider | None = None) -> Deployment:
        """Gives what the one pipeline of a body needs.

        Args:
            body: what comes after the beginning.
            provider: takes the place of the local one.
        """
        name = f"written_{blake2s(f'{self.folder}{self.head}{body}'.encode(), digest_size=8).hexdigest()}"
        file = self.folder / f"{name}.py"
        file.write_text(self.head + body)
        pipeline = load_pipeline(str(file))
        self.modules[name] = sys.modules[name]
        return deployment_of(pipeline.plan(), pipeline.source(), self.folder / "terraform", provider)

    def beginning(self, old: str, new: str) -> "Writer":
        """Gives one whose pipelines begin otherwise."""
        assert old in self.head
        other = Writer(self.folder, self.head.replace(old, new, 1))
        other.modules = self.modules
        return other

    def forget(self) -> None:
        """Lets Python forget the modules that were read."""
        for name in self.modules:
            sys.modules.pop(name, None)


def with_options(deployment: Deployment, **changes: Any) -> Deployment:
    """Gives a deployment with other options of `DeployConfig`."""
    return replace(deployment, options=replace(deployment.options, **changes))


def plain(value: Value) -> Any:
    """Gives a value as JSON would hold it, references as `<address.attribute>`, variables as `<var.name>`."""
    match value:
        case Ref():
            return f"<{'.'.join([value.address, *map(str, value.path)])}>"
        case Variable():
            return f"<var.{value.name}>"
        case Text(parts):
            return "".join(part if isinstance(part, str) else plain(part) for part in parts)
        case Json(document):
            return plain(document)
        case Block(arguments):
            return plain(arguments)
        case Either(values) | tuple(values):
            return [plain(one) for one in values]
        case Mapping():
            return {key: plain(one) for key, one in value.items() if one is not None}
        case AssetPath(path):
            return path
        case _:
            return value


def declared(blueprint: Blueprint, address: str) -> Declaration:
    (found,) = [one for one in blueprint.declarations if one.address == address]
    return found


def told(blueprint: Blueprint, address: str) -> dict[str, Any]:
    """Gives the arguments of a declaration."""
    arguments: dict[str, Any] = plain(declared(blueprint, address).arguments)
    return arguments


def addresses(blueprint: Blueprint, kind: str = "") -> list[str]:
    """Gives the addresses of all declarations, or of those of a kind."""
    return [one.address for one in blueprint.declarations if kind in ("", one.kind)]
