"""The README of a generated folder: what is made, who may do what and why, and the commands."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TypeVar

from glacier.blueprint import Blueprint, Permission, Step
from glacier.deployment.needs import Deployment
from glacier.errors import listed

T = TypeVar("T")


def readme(deployments: Mapping[str | None, Deployment], blueprint: Blueprint, picture: str) -> str:
    """Gives the text, in Markdown.

    Args:
        deployments: what was needed, by environment.
        blueprint: what was made of it, for all of them.
        picture: the pipeline's graph, as Mermaid.
    """
    deployment = next(iter(deployments.values()))
    about = (
        f"Infrastructure of pipeline `{deployment.pipeline}` on {blueprint.cloud}, generated from `{deployment.entry}`."
    )
    sections = [
        f"# {deployment.pipeline}",
        about,
        "Files that Glacier wrote say so in their first line, and are written anew by the next `glacier generate`. "
        "Put what is yours into files of other names.",
        *_notes(blueprint),
        "## Apply",
        _commands(blueprint, [f"{name}" for name in deployments] if len(deployments) > 1 else []),
        "## The pipeline",
        f"```mermaid\n{picture.rstrip()}\n```",
        *_schedules(deployments),
        _stages(deployments),
        "## Resources",
        _resources(blueprint),
    ]
    if blueprint.permissions:
        sections += ["## Who may do what, and why", permissions_table(blueprint.permissions)]
    return "\n\n".join(sections) + "\n"


def explained(permissions: Iterable[Permission]) -> str:
    """Gives the permissions as text for a terminal: who may do what, and for whose sake."""
    lines: list[str] = []
    holder = ""
    for one in permissions:
        if one.holder != holder:
            lines += [""] * bool(lines) + [one.holder]
            holder = one.holder
        lines.append(f"  {', '.join(one.actions)}")
        lines.append(f"    on {one.scope}")
        lines += [f"    because {cause}" for cause in one.because]
    return "\n".join(lines) or "no identity is made, so nothing is permitted"


def permissions_table(permissions: Iterable[Permission]) -> str:
    """Gives the permissions as a table in Markdown."""
    rows = [
        (
            f"`{one.holder}`",
            " ".join(f"`{action}`" for action in one.actions),
            f"`{one.scope}`",
            "; ".join(map(str, one.because)) or "runs at all",
        )
        for one in permissions
    ]
    return _table(("identity", "may", "on", "because"), rows)


def _commands(blueprint: Blueprint, environments: list[str]) -> str:
    if not environments:
        before, after = _steps(blueprint.steps)
        return "\n\n".join([*before, *["Then:"] * bool(before), _shell("terraform init", *apply_commands()), *after])
    common = [step for step in blueprint.steps if step.first and _is_of_all(step, blueprint.steps, environments)]
    before = [_step(step) for step in common if step.environment == environments[0]]
    parts = [
        *before,
        *["Then:"] * bool(before),
        _shell("terraform init"),
        "Each environment has a state of its own: that of a workspace, as here, or a backend's.",
    ]
    for name in environments:
        own = [step for step in blueprint.steps if step.environment == name and step not in common]
        before, after = _steps(own)
        parts += [f"### {name}", *before, *_standing_in(blueprint, name), "Apply:"]
        parts += [_shell(*apply_commands(value_files(blueprint, name), name)), *after]
    return "\n\n".join(parts)


def apply_commands(files: Iterable[str] = (), environment: str | None = None) -> list[str]:
    """Gives what a person types to apply a folder after `terraform init`.

    Args:
        files: with the values of variables, beside those that Terraform finds by itself.
        environment: which, if the folder is shared by several.
    """
    select = [f"terraform workspace select -or-create {environment}"] if environment else []
    return [*select, " ".join(["terraform apply", *(f"-var-file={file}" for file in files)])]


def value_files(blueprint: Blueprint, environment: str) -> list[str]:
    """Gives the files with an environment's values: the generated one, and one for each variable that a step sets."""
    return [f"{environment}.tfvars", *(_file_of(step) for step in _setting(blueprint, environment))]


def _setting(blueprint: Blueprint, environment: str) -> list[Step]:
    return [step for step in blueprint.steps if step.sets is not None and step.environment == environment]


def _file_of(step: Step) -> str:
    """Gives the file that a step writes its variable to; Terraform finds it by itself where it is of no environment."""
    return f"{step.environment}.{step.sets}.tfvars" if step.environment else f"{step.sets}.auto.tfvars"


def _standing_in(blueprint: Blueprint, environment: str) -> Iterable[str]:
    """Gives what is to be done once, so that all can be applied before the steps that set variables."""
    defaults = {one.name: one.default for one in blueprint.variables}
    lines = [
        f"echo '{step.sets} = \"{defaults[str(step.sets)]}\"' > {_file_of(step)}"
        for step in _setting(blueprint, environment)
    ]
    if lines:
        yield "Only before the first apply, as there is no image yet and one that fails stands in for it:"
        yield _shell(*lines)
        yield "The file says from then on which image runs: keep it, in version control say."


def _is_of_all(step: Step, steps: Iterable[Step], environments: list[str]) -> bool:
    return {one.environment for one in steps if one == replace(step, environment=one.environment)} >= {*environments}


def _steps(steps: Iterable[Step]) -> tuple[list[str], list[str]]:
    """Gives the steps before all is applied, and those after."""
    steps = [*steps]
    return [_step(one) for one in steps if one.first], [_step(one) for one in steps if not one.first]


def _step(step: Step) -> str:
    lines = [step.command.rstrip()]
    if step.environment and not step.first:  # whoever comes back for this step may have been in another one
        lines.insert(0, f"terraform workspace select {step.environment}")
    if step.sets is not None:
        files = [f"{step.environment}.tfvars", _file_of(step)] if step.environment else []
        lines += [f'echo "{step.sets} = \\"$IMAGE\\"" > {_file_of(step)}', *apply_commands(files)]
    return f"{step.title}:\n\n{_shell(*lines)}"


def _shell(*lines: str) -> str:
    return "\n".join(["```sh", *lines, "```"])


def _notes(blueprint: Blueprint) -> Iterable[str]:
    if blueprint.notes:
        yield "## Before you apply"
        yield "\n".join(f"- {note}" for note in blueprint.notes)


def _schedules(deployments: Mapping[str | None, Deployment]) -> Iterable[str]:
    said = _by_environment(
        {
            name: f"at `{one.schedule.text}` (minute, hour, day, month, weekday), {one.schedule.timezone}"
            for name, one in deployments.items()
            if one.schedule is not None
        },
        of=len(deployments),
    )
    if said:
        yield f"It runs {'; '.join(said)}."
    given = _by_environment(
        {name: listed(one.inputs, most=len(one.inputs)) for name, one in deployments.items() if one.inputs},
        of=len(deployments),
    )
    if given:
        yield f"Every run is given {'; '.join(given)}, the same each time."


def _stages(deployments: Mapping[str | None, Deployment]) -> str:
    machines: dict[str, dict[str | None, tuple[str, str, str]]] = {}
    for environment, deployment in deployments.items():
        for stage in deployment.stages:
            tasks = ", ".join(f"`{task}`" for task in stage.tasks)
            machine = (f"{stage.compute.cpu:g}", f"{stage.compute.memory:,}", tasks)
            machines.setdefault(stage.name, {})[environment] = machine
    rows = [
        (f"`{stage}`{where}", *machine)
        for stage, each in machines.items()
        for machine, where in _gathered(each, of=len(deployments))
    ]
    return _table(("stage", "cores", "MiB", "tasks"), rows)


def _by_environment(said: Mapping[str | None, str], *, of: int) -> list[str]:
    """Gives each text once, with the environments that it is said of unless it is said of all."""
    return [f"{text}{where}" for text, where in _gathered(said, of=of)]


def _gathered(said: Mapping[str | None, T], *, of: int) -> list[tuple[T, str]]:
    names: dict[T, list[str]] = {}
    for name, one in said.items():
        names.setdefault(one, []).append(str(name))
    return [(one, "" if len(where) == of else f" in {', '.join(where)}") for one, where in names.items()]


def _resources(blueprint: Blueprint) -> str:
    rows = [
        (f"`{one.address}`", "looked up" if one.looked_up else "made", "; ".join(map(str, one.because)))
        for one in blueprint.declarations
    ]
    return _table(("address", "", "for"), rows)


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def summary_of(deployments: Mapping[str | None, Deployment], blueprint: Blueprint) -> Mapping[str, object]:
    """Gives what the next generation is compared with, besides the files."""
    count = len(deployments)
    schedules = {
        name: f"{one.schedule.cron} {one.schedule.timezone}"
        for name, one in deployments.items()
        if one.schedule is not None
    }
    stages: dict[str, dict[str | None, str]] = {}
    for name, one in deployments.items():
        for stage in one.stages:
            machine = f"{stage.compute.cpu:g} cores, {stage.compute.memory} MiB"
            stages.setdefault(stage.name, {})[name] = machine
    return {
        "pipeline": blueprint.name,
        "cloud": blueprint.cloud,
        "schedule": "; ".join(_by_environment(schedules, of=count)) or None,
        "stages": {name: "; ".join(_by_environment(each, of=count)) for name, each in stages.items()},
        "permissions": sorted({(p.holder, action, p.scope) for p in blueprint.permissions for action in p.actions}),
    }
