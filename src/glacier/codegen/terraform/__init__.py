"""A blueprint as Terraform: files of HCL by concern."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from glacier.blueprint import Blueprint, Concern, Declaration, Output, Plugin, Value, Variable
from glacier.codegen.terraform.hcl import Line, block, expression

REQUIRED_VERSION = ">= 1.6"
"""Of Terraform: the first with the test command, which is what the output is judged with."""

_ORDER: tuple[Concern, ...] = ("services", "storage", "functions", "jobs", "schedule", "access", "network", "alerts")
_TITLES: Mapping[Concern, str] = {
    "services": "Services of the cloud that are turned on.",
    "storage": "Buckets.",
    "functions": "Serverless functions.",
    "jobs": "What the pipeline's stages run on.",
    "schedule": "When the pipeline runs, and in what order its stages do.",
    "access": "Who may do what: an identity for each stage and function, with what its code touches.",
    "network": "Where it runs.",
    "alerts": "Who is told of failures.",
}


@dataclass(frozen=True)
class Options:
    """How the text is written.

    Attributes:
        backend: where Terraform is to keep its state; its settings are given to `terraform init`.
        values: for each environment, the values of variables that differ between them.
        asked: variables that Terraform asks for, whatever their default: that would take the place of an environment's
            own value, which is in a file that Terraform does not find by itself.
    """

    backend: str | None = None
    values: Mapping[str, Mapping[str, Value]] | None = None
    asked: frozenset[str] = frozenset()


def files(blueprint: Blueprint, options: Options | None = None) -> dict[str, str]:
    """Gives the text of each file by its name, without the header that says who wrote it.

    Formatted as `terraform fmt` would, and the same for the same blueprint.
    """
    options = options or Options()
    texts = {"versions.tf": _versions(blueprint.plugins, options.backend)}
    if blueprint.variables:
        shown = [replace(one, default=None) if one.name in options.asked else one for one in blueprint.variables]
        texts["variables.tf"] = _joined("", [_variable(variable) for variable in shown])
    for concern in _ORDER:
        declared = [one for one in blueprint.declarations if one.concern == concern]
        if declared:
            texts[f"{concern}.tf"] = _joined(f"# {_TITLES[concern]}", [_declaration(one) for one in declared])
    if blueprint.outputs:
        texts["outputs.tf"] = _joined("", [_output(output) for output in blueprint.outputs])
    for environment, values in (options.values or {}).items():
        texts[f"{environment}.tfvars"] = _values(values)
    return texts


def _joined(title: str, blocks: Sequence[str]) -> str:
    return "\n\n".join([title] * bool(title) + [*blocks]) + "\n"


def _versions(plugins: Sequence[Plugin], backend: str | None) -> str:
    required: list[Line] = ["required_providers {"]
    for plugin in plugins:
        required += [
            f"  {plugin.name} = {{",
            ("    source ", f'= "{plugin.source}"'),
            ("    version ", f'= "{plugin.versions}"'),
            "  }",
        ]
    required.append("}")
    if backend is not None:
        required += ["", f'backend "{backend}" {{}} # its settings: terraform init -backend-config=...']
    terraform = block("terraform", {"required_version": REQUIRED_VERSION}, after=required)
    settings = [block(f'provider "{p.name}"', p.settings) for p in plugins if p.settings]
    return _joined("", [terraform, *settings])


def _variable(variable: Variable) -> str:
    after: list[Line] = []
    if variable.pattern is not None:
        shown = expression(variable.pattern)
        test = f"can(regex({shown}, var.{variable.name}))"
        if variable.nullable:
            test = f"var.{variable.name} == null || {test}"
        after = [
            "validation {",
            ("  condition ", f"= {test}"),
            ("  error_message ", f"= {expression(variable.complaint)}"),
            "}",
        ]
    head: list[Line] = [("type ", f"= {variable.type}"), ("description ", f"= {expression(variable.description)}")]
    if variable.default is not None or variable.nullable:
        head.append(("default ", f"= {expression(variable.default)}"))
    if not variable.nullable and variable.default is None:
        head.append(("nullable ", "= false"))
    if variable.sensitive:
        head.append(("sensitive ", "= true"))
    return block(f'variable "{variable.name}"', {}, after=[*head, *([""] if after else []), *after])


def _declaration(declaration: Declaration) -> str:
    word = "data" if declaration.looked_up else "resource"
    after: list[Line] = []
    if declaration.after:
        after = [f"depends_on = [{', '.join(ref.address for ref in declaration.after)}]"]
    if declaration.keeps_data or declaration.ignored:
        inner: list[Line] = []
        if declaration.keeps_data:
            inner.append(("  prevent_destroy ", "= true"))
        if declaration.ignored:
            inner.append(("  ignore_changes ", f"= [{', '.join(declaration.ignored)}]"))
        after += [*([""] if after else []), "lifecycle {", *inner, "}"]
    skips = [f"checkov:skip={waiver.rule}:{waiver.reason}" for waiver in declaration.waivers]
    text = block(f'{word} "{declaration.kind}" "{declaration.name}"', declaration.arguments, skips, after)
    return "".join(f"# {cause}\n" for cause in declaration.because) + text


def _output(output: Output) -> str:
    lines: list[Line] = [
        ("description ", f"= {expression(output.description)}"),
        ("value ", f"= {expression(output.value)}"),
    ]
    return block(f'output "{output.name}"', {}, after=lines)


def _values(values: Mapping[str, Value]) -> str:
    width = max(map(len, values), default=0)
    return "".join(f"{name:<{width}} = {expression(value)}\n" for name, value in values.items())
