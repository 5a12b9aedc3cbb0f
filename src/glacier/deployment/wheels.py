"""The packages of a function, for the machine it runs on: pip finds the wheels, and they are unpacked as they are."""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal

from glacier.errors import ConfigError, Site

Machine = Literal["x86_64", "aarch64"]


@dataclass(frozen=True)
class Target:
    """What packages are for.

    Attributes:
        machine: its processor.
        python: `3.12`.
        glibc: the minor version of its C library: 34 for glibc 2.34.
    """

    machine: Machine
    python: str
    glibc: int

    @property
    def platforms(self) -> tuple[str, ...]:
        """The wheels' platforms that fit, the newest first, in their old spelling too (PEP 600)."""
        old = {17: "manylinux2014", 12: "manylinux2010", 5: "manylinux1"}
        found: list[str] = []
        for minor in range(self.glibc, 4, -1):
            found.append(f"manylinux_2_{minor}_{self.machine}")
            found += [f"{old[minor]}_{self.machine}"] if minor in old else []
        return tuple(found)


def packages_for(
    target: Target, requirements: Sequence[str], function: str, site: Site | None = None
) -> dict[str, bytes]:
    """Gives the files of the packages that requirements come to, dependencies among them, by their path.

    Runs the pip of this Python, which asks the index that it is set up with. Scripts that packages bring are left out:
    their first line would name this machine's Python.

    Args:
        target: the machine.
        requirements: as pip takes them.
        function: whose they are, for the error.
        site: where it was declared.

    Raises:
        ConfigError: pip finds no wheels for this machine, or there is no pip.
    """
    if not requirements:
        return {}
    with tempfile.TemporaryDirectory(prefix="glacier-wheels-") as folder:
        command = [
            sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-input",
            "--only-binary=:all:", "--implementation=cp", f"--python-version={target.python}", f"--dest={folder}",
            *(f"--platform={platform}" for platform in target.platforms), "--", *requirements,
        ]  # fmt: skip
        done = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)  # noqa: S603  # fixed
        if done.returncode:
            raise ConfigError(
                f"the requirements of function `{function}` cannot be had for Python {target.python} on "
                f"Linux {target.machine}:\n    {_last_line(done.stderr)}",
                site=site,
                fix="install pip: python -m ensurepip"
                if "No module named pip" in done.stderr
                else "correct requirements=[...], or choose versions that have wheels for this platform",
            )
        return {name: content for wheel in sorted(Path(folder).glob("*.whl")) for name, content in unpacked(wheel)}


def unpacked(wheel: Path) -> Iterator[tuple[str, bytes]]:
    """Gives the files of a wheel as they lie when it is installed (PEP 427), without scripts, headers and data."""
    with zipfile.ZipFile(wheel) as archive:
        for name in sorted(archive.namelist()):
            first, *rest = PurePosixPath(name).parts
            if name.endswith("/"):
                continue
            if first.endswith(".data"):
                if rest[0] in ("purelib", "platlib"):
                    yield "/".join(rest[1:]), archive.read(name)
                continue
            yield name, archive.read(name)


def _last_line(told: str) -> str:
    """Gives what pip says in the end, without the address of an index, which may hold a password."""
    lines = [line.strip() for line in told.splitlines() if line.strip() and not line.startswith(("WARNING", "[notice"))]
    last = lines[-1] if lines else "pip said nothing"
    return re.sub(r"https?://\S+|file://\S+", "(an index)", last.removeprefix("ERROR: "))
