"""What every test may use."""

from __future__ import annotations

import inspect
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gcs_server import GoogleStorage
from stores import CLOUDS, Place, place_of

EXAMPLES = Path(__file__).parent.parent / "examples"
collect_ignore_glob = ["typing/*"]  # read by the type checkers, never imported


@pytest.fixture(scope="session", autouse=True)
def suite_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The history of the suite's runs, those of its child processes too: in a folder of its own, not the repository."""
    folder = tmp_path_factory.mktemp("glacier-home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GLACIER_HOME", str(folder))
        yield folder


@pytest.fixture
def line() -> Callable[[str], str]:
    """Gives `file:line` of the only line of the calling test file that starts with a text."""

    def find(text: str) -> str:
        frame = inspect.stack()[1]
        path = Path(frame.filename)
        lines = path.read_text().splitlines()
        found = [n for n, one in enumerate(lines, 1) if one.strip().startswith(text)]
        assert len(found) == 1, f"{text!r} stands on lines {found} of {path.name}"
        shown = path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
        return f"{shown}:{found[0]}"

    return find


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="write golden files anew instead of comparing")


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[Path, str], None]:
    """Compares a text with a file of the repository, or writes the file with `--update-golden`."""

    def compare(file: Path, text: str) -> None:
        if request.config.getoption("--update-golden"):
            file.write_text(text, "utf-8")
        assert text == file.read_text("utf-8"), f"{file.name} differs; if that is meant, run pytest --update-golden"

    return compare


@pytest.fixture
def in_tmp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory of the test's own."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def examples(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The examples and their data in a folder of the test's own."""
    for file in EXAMPLES.glob("*.py"):
        shutil.copy(file, tmp_path)
    subprocess.run([sys.executable, str(tmp_path / "make_data.py")], check=True)
    modules = set(sys.modules)
    monkeypatch.setattr(sys, "path", [*sys.path])
    yield tmp_path
    for name in set(sys.modules) - modules:
        if getattr(sys.modules[name], "__file__", "") and str(tmp_path) in str(sys.modules[name].__file__):
            del sys.modules[name]


@pytest.fixture(params=CLOUDS)
def cloud(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """Each object store in turn."""
    return place_of(request.param, tmp_path)


@pytest.fixture
def google() -> GoogleStorage:
    """A server of the test's own, with a bucket `raw`, whose answers the test may spoil."""
    server = GoogleStorage()
    server.state.create("raw")
    return server
