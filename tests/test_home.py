"""Where `.glacier` lies."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from glacier.execution.home import home_here, home_of, make_home


@pytest.fixture(autouse=True)
def no_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GLACIER_HOME", raising=False)


def file_in(folder: Path) -> str:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "etl.py").touch()
    return str(folder / "etl.py")


def test_the_folder_of_git_is_the_project(tmp_path: Path) -> None:
    file = file_in(tmp_path / "project" / "jobs")
    (tmp_path / "project" / ".git").mkdir()
    assert home_of(file) == tmp_path / "project" / ".glacier"


def test_a_work_tree_whose_git_is_a_file_is_a_project_too(tmp_path: Path) -> None:
    file = file_in(tmp_path / "project" / "jobs")
    (tmp_path / "project" / ".git").write_text("gitdir: elsewhere")
    assert home_of(file) == tmp_path / "project" / ".glacier"


def test_a_folder_that_is_there_counts_as_git_does_and_the_nearest_wins(tmp_path: Path) -> None:
    file = file_in(tmp_path / "project" / "jobs")
    (tmp_path / "project" / ".git").mkdir()
    (tmp_path / "project" / "jobs" / ".glacier").mkdir()
    assert home_of(file) == tmp_path / "project" / "jobs" / ".glacier"


def test_without_a_project_it_is_beside_the_file(tmp_path: Path) -> None:
    assert home_of(file_in(tmp_path / "jobs")) == tmp_path / "jobs" / ".glacier"


@pytest.mark.parametrize("file", ["<stdin>", "<ipython-input-1>", "/x/site-packages/acme/etl.py", ""])
def test_a_pipeline_without_a_file_of_its_own_is_in_the_working_directory(in_tmp: Path, file: str) -> None:
    assert home_of(file) == home_here() == in_tmp / ".glacier"


def test_a_command_in_a_folder_below_finds_the_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = home_of(file_in(tmp_path / "project"))
    home.mkdir()
    below = tmp_path / "project" / "data"
    below.mkdir()
    monkeypatch.chdir(below)
    assert home_here() == home


def test_git_ignores_the_folder(in_tmp: Path) -> None:
    subprocess.run(["git", "init", "-q"], check=True)
    home = home_of(file_in(in_tmp))
    make_home(home)
    make_home(home)
    (home / "history.db").touch()
    told = subprocess.run(["git", "status", "--short"], check=True, capture_output=True, text=True).stdout
    assert told.split() == ["??", "etl.py"]


def test_a_variable_names_another_folder(in_tmp: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GLACIER_HOME", "kept")
    assert home_of(file_in(in_tmp)) == home_here() == in_tmp / "kept"
