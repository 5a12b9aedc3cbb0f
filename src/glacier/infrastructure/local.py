"""This machine: the folders of buckets, made by Terraform's `local` provider. Applied without any account."""

from __future__ import annotations

import os
from pathlib import Path

from glacier.blueprint import Blueprint, Declaration, Output, Plugin, Step, Variable, text
from glacier.deployment.needs import DeclaredBucket, Deployment, identifier

_PLUGIN = Plugin("local", "hashicorp/local", ">= 2.5, < 3.0")


def blueprint(deployment: Deployment) -> Blueprint:
    """Gives a folder for each bucket that is not there already."""
    base = Variable(
        "base_path",
        "string",
        "The folder that holds the buckets.",
        default=_relative(deployment.provider.base_path, deployment),
    )
    made = [bucket for bucket in deployment.buckets if not bucket.existing]
    file, _, name = deployment.entry.partition(":")
    pipeline = f"{_relative(deployment.root / (file.replace('.', '/') + '.py'), deployment)}:{name}"
    steps, notes = [Step("Run the pipeline", f"glacier run {pipeline}")], list(deployment.warnings)
    if deployment.schedule is not None:
        line = f"{deployment.schedule.cron} cd $PWD && glacier run {pipeline}"
        steps.append(Step("Let cron run it", f'(crontab -l; echo "{line}") | crontab -'))
        notes.append(
            f"Terraform can set no schedule on this machine; cron reads `{deployment.schedule.text}` in the machine's "
            f"own time zone, not in {deployment.schedule.timezone}."
        )
    if deployment.functions:
        notes.append("Functions run in processes of their own, and need nothing to be made.")
    return Blueprint(
        deployment.pipeline,
        "this machine",
        (_PLUGIN,),
        tuple(_folder(bucket, base) for bucket in made),
        tuple(
            Output(
                f"bucket_{identifier(one.name)}", text(base, f"/{one.physical}"), f"The folder of bucket `{one.name}`."
            )
            for one in made
        ),
        steps=tuple(steps),
        notes=tuple(notes),
    )


def _relative(place: str | Path, deployment: Deployment) -> str:
    """Gives a path from the folder that Terraform is run in, so that no machine's folders are in the text."""
    return os.path.relpath(place, deployment.folder).replace(os.sep, "/")


def _folder(bucket: DeclaredBucket, base: Variable) -> Declaration:
    """Gives an empty hidden file, with which the folder is made; hidden files are no data."""
    path = text(base, f"/{bucket.physical}/.keep")
    return Declaration(
        "local_file", identifier(bucket.name), "storage", {"filename": path, "content": ""}, because=bucket.because
    )
