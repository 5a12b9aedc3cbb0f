"""The real Terraform, where it is at hand: judging a generated folder offline, against the providers' own schemas.

`GLACIER_TF_OFFLINE` names the command that runs Terraform with stand-ins for the providers' plugins; `.ci/run` sets it.
"""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

OFFLINE = os.environ.get("GLACIER_TF_OFFLINE", "")
TERRAFORM = shutil.which("terraform")

needs_offline = pytest.mark.skipif(not OFFLINE, reason="GLACIER_TF_OFFLINE does not name a Terraform that runs offline")


def formatted(folder: Path) -> str:
    """Gives what `terraform fmt` would change; nothing where there is no Terraform."""
    if TERRAFORM is None:
        return ""
    command = [TERRAFORM, "fmt", "-check", "-diff", "-recursive", str(folder)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    return done.stdout if done.returncode else ""


def applied(folder: Path, state: Path, *variables: str) -> dict[str, object]:
    """Applies a folder twice, of which the second must find nothing to do, and gives the state as JSON.

    Args:
        folder: as it was generated.
        state: where to put it.
        variables: files in the folder that have their values, where they are not found by themselves.
    """
    command = [OFFLINE, "apply", str(folder), "--stable", "--out", str(state)]
    command += ["--", *(f"-var-file={file}" for file in variables)] if variables else []
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Warning:" not in done.stdout, done.stdout
    read: dict[str, object] = json.loads(state.read_text())
    return read
