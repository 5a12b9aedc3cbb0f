"""One virtual environment per peer, and the variables it runs under: no telemetry, homes in the work folder."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
WORK = ROOT / "benchmarks" / ".work"
PEERS = {
    "bare": "bare",
    "glacier": "glacier_",
    "hamilton": "hamilton_",
    "dask": "dask_",
    "kedro": "kedro_",
    "prefect": "prefect_",
    "dagster": "dagster_",
    "cdk": "cdk_",
    "cdktn": "cdktn_",
}


def module(peer: str) -> str:
    """The module that is the peer's runner; a name of its own, as `dask` is the tool."""
    return f"benchmarks.peers.{PEERS[peer]}"


def python(peer: str) -> Path:
    """The interpreter of the peer's environment."""
    return WORK / "venvs" / peer / "bin" / "python"


def make(peer: str) -> str:
    """Makes the environment if it is missing or its requirements changed; "" or the reason why there is none."""
    requirements = ROOT / "benchmarks" / "peers" / "requirements" / f"{peer}.txt"
    marker = WORK / "venvs" / peer / "installed.txt"
    wanted = hashlib.sha256(requirements.read_bytes()).hexdigest()
    if marker.exists() and marker.read_text() == wanted:
        return ""
    print(f"making the environment of {peer}", file=sys.stderr, flush=True)
    venv = [sys.executable, "-m", "venv", "--clear", str(WORK / "venvs" / peer)]
    install = [str(python(peer)), "-m", "pip", "install", "--quiet", "-r", str(requirements)]
    for command in (venv, install):
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        if done.returncode:
            errors = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
            return errors[-1] if errors else f"exit code {done.returncode}"
    marker.write_text(wanted)
    return ""


def variables(home: Path) -> dict[str, str]:
    """The environment of a peer's process. `home` is empty and its own, so no run finds what another one left."""
    prefect, dagster = home / "prefect", home / "dagster"
    for folder in (prefect, dagster):
        folder.mkdir(parents=True, exist_ok=True)
    (dagster / "dagster.yaml").write_text("telemetry:\n  enabled: false\n")
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "TMPDIR", "LD_LIBRARY_PATH") if name in os.environ}
    return kept | {
        "HOME": str(home),
        "PYTHONWARNINGS": "ignore",
        "DO_NOT_TRACK": "1",
        "KEDRO_DISABLE_TELEMETRY": "1",
        "DAGSTER_DISABLE_TELEMETRY": "1",
        "DAGSTER_HOME": str(dagster),
        "JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION": "1",
        "CHECKPOINT_DISABLE": "1",
        "PREFECT_HOME": str(prefect),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_SERVER_ALLOW_EPHEMERAL_MODE": "true",
        "PREFECT_LOGGING_LEVEL": "WARNING",
    }
