"""Every block of the README and the docs runs, and prints what the page says it prints.

A Python block that begins with `# file: NAME` is written to that file; the others run one after another in the page's
namespace. In a console block each line after `$ ` is run in the page's folder, and what follows it is what it prints
(`...` stands for anything). An HCL block that begins with `# in: NAME` stands in that file, which a command has made.
"""

from __future__ import annotations

import doctest
import linecache
import logging
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"^```(python|console|hcl)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)#:]+)(?:#[^)]*)?\)")


def run_python(block: str, name: str, namespace: dict[str, object], folder: Path) -> None:
    if block.startswith("# file: "):
        file = folder / block.partition("\n")[0].removeprefix("# file: ")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(block)
        return
    linecache.cache[name] = (len(block), None, block.splitlines(keepends=True), name)
    exec(compile(block, name, "exec"), namespace)


def find_hcl(block: str, folder: Path) -> None:
    first, _, excerpt = block.partition("\n")
    assert excerpt in (folder / first.removeprefix("# in: ")).read_text()


def run_console(block: str, folder: Path) -> None:
    for entry in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
        command, _, expected = entry.partition("\n")
        words = shlex.split(command)
        environment = dict(os.environ)
        while "=" in words[0]:
            name, _, value = words.pop(0).partition("=")
            environment[name] = value
        if words[0] in ("glacier", "python"):
            words = [sys.executable, *(["-m", "glacier"] if words[0] == "glacier" else []), *words[1:]]
        done = subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True, check=False)
        printed = done.stdout + done.stderr
        if expected.strip():
            flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
            assert doctest.OutputChecker().check_output(expected, printed, flags), f"$ {command}\n{printed}"
        else:
            assert done.returncode == 0, f"$ {command}\n{printed}"


@pytest.fixture
def same_level() -> Iterator[None]:
    """Undoes what a page lets through of what is logged."""
    level = logging.root.level
    yield
    logging.root.setLevel(level)


@pytest.mark.usefixtures("same_level")
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_blocks_run(page: Path, in_tmp: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.delenv("GLACIER_HOME")
    monkeypatch.syspath_prepend(str(in_tmp))
    namespace: dict[str, object] = {"__name__": f"page_{page.stem}"}
    text = page.read_text()
    for found in BLOCK.finditer(text):
        line = text[: found.start()].count("\n") + 2
        name = f"<{page.name}, line {line}>"
        match found[1]:
            case "python":
                run_python(found[2], name, namespace, in_tmp)
            case "hcl":
                find_hcl(found[2], in_tmp)
            case _:
                run_console(found[2], in_tmp)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in LINK.findall(page.read_text()):
        assert (page.parent / target).exists(), f"{page.name} links to {target}"
