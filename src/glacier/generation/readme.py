"""The README of a generated folder: what is made, who may do what and why, and the commands."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from glacier.blueprint import Blueprint, Permission
from glacier.deployment.needs import Deployment


def readme(deployment: Deployment, blueprint: Blueprint, picture: str, environments: Iterable[str] = ()) -> str:
    """Gives the text, in Markdown.

    Args:
        deployment: what was needed.
        blueprint: what was made of it.
        picture: the pipeline's graph, as Mermaid.
        environments: the names of the files of values, if there are several.
    """
    about = (
        f"Infrastructure of pipeline `{deployment.pipeline}` on {blueprint.cloud}, generated from `{deployment.entry}`."
    )
    sections = [
        f"# {deployment.pipeline}",
        about,
        "Files that Glacier wrote say so in their first line, and are written anew by the next `glacier generate`. "
        "Put what is yours into files of other names.",
        "## Apply",
        _commands(blueprint, list(environments)),
        *_notes(blueprint),
        "## The pipeline",
        f"```mermaid\n{picture.rstrip()}\n```",
        *_schedule(deployment),
        *_stages(deployment),
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
    apply = [f"terraform apply -var-file={name}.tfvars" for name in environments] or ["terraform apply"]
    either = "   # or\n".join(apply)
    parts = [f"```sh\nterraform init\n{either}\n```"]
    parts += [f"{step.title}:\n\n```sh\n{step.command.rstrip()}\n```" for step in blueprint.steps]
    if len(environments) > 1:
        parts.append(
            "Each environment has a state of its own: keep them apart by `terraform workspace`, or by backends."
        )
    return "\n\n".join(parts)


def _notes(blueprint: Blueprint) -> Iterable[str]:
    if blueprint.notes:
        yield "## Before you apply"
        yield "\n".join(f"- {note}" for note in blueprint.notes)


def _schedule(deployment: Deployment) -> Iterable[str]:
    if deployment.schedule is not None:
        schedule = deployment.schedule
        yield f"It runs at `{schedule.text}` (minute, hour, day, month, weekday), {schedule.timezone}."


def _stages(deployment: Deployment) -> Iterable[str]:
    rows = [
        (
            f"`{stage.name}`",
            f"{stage.compute.cpu:g}",
            f"{stage.compute.memory:,}",
            ", ".join(f"`{t}`" for t in stage.tasks),
        )
        for stage in deployment.stages
    ]
    yield _table(("stage", "cores", "MiB", "tasks"), rows)


def _resources(blueprint: Blueprint) -> str:
    rows = [
        (f"`{one.address}`", "looked up" if one.looked_up else "made", "; ".join(map(str, one.because)))
        for one in blueprint.declarations
    ]
    return _table(("address", "", "for"), rows)


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def summary_of(deployment: Deployment, blueprint: Blueprint) -> Mapping[str, object]:
    """Gives what the next generation is compared with, besides the files."""
    schedule = deployment.schedule
    return {
        "pipeline": deployment.pipeline,
        "cloud": blueprint.cloud,
        "schedule": None if schedule is None else f"{schedule.cron} {schedule.timezone}",
        "stages": {s.name: f"{s.compute.cpu:g} cores, {s.compute.memory} MiB" for s in deployment.stages},
        "permissions": sorted({(p.holder, action, p.scope) for p in blueprint.permissions for action in p.actions}),
    }
