"""mypy --strict, and pyright where it is installed, see through the decorators in users' code."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

CASES = Path(__file__).parent / "typing"
CHECKERS = [
    "mypy",
    *(["pyright"] if shutil.which("pyright") else []),
]  # pyright is a tool of developers, in .ci/run too


def refused_lines(checker: str, file: Path) -> list[int]:
    if checker == "mypy":
        command = [sys.executable, "-m", "mypy", "--strict", "--no-error-summary", "--output=json", str(file)]
        printed = subprocess.run(command, capture_output=True, text=True, check=False).stdout
        errors = [json.loads(line) for line in printed.splitlines()]
        return sorted(
            {error["line"] for error in errors if error["severity"] == "error" and error["file"].endswith(file.name)}
        )
    config = CASES / "pyrightconfig.json"
    command = ["pyright", "--outputjson", "--project", str(config), "--pythonpath", sys.executable]
    printed = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    errors = json.loads(printed)["generalDiagnostics"]
    return sorted(
        {
            error["range"]["start"]["line"] + 1
            for error in errors
            if error["severity"] == "error" and Path(error["file"]).name == file.name
        }
    )


@pytest.mark.parametrize("checker", CHECKERS)
def test_good_code_passes(checker: str) -> None:
    assert refused_lines(checker, CASES / "ok.py") == []


@pytest.mark.parametrize("checker", CHECKERS)
def test_bad_code_is_refused_line_by_line(checker: str) -> None:
    bad = CASES / "bad.py"
    marked = [number for number, line in enumerate(bad.read_text().splitlines(), 1) if line.endswith("# refused")]
    assert refused_lines(checker, bad) == marked
