"""Every example for every cloud, whole folders: as they were, formatted, parsed, applied by the real Terraform."""

import base64
import hashlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import hcl2
import pytest

from glacier.loading import load_pipeline
from projects import OF_EXAMPLES, PROVIDERS, project
from terraform import applied, formatted, needs_offline

GOLDENS = Path(__file__).parent / "goldens"
CASES = [(name, cloud) for name in OF_EXAMPLES for cloud in ("local", "aws", "gcp", "azure")]


@pytest.fixture(scope="module")
def copied(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with project(tmp_path_factory.mktemp("project")) as folder:
        yield folder


@pytest.fixture(scope="module", params=CASES, ids="-".join)
def folder(request: pytest.FixtureRequest, copied: Path) -> Path:
    """Gives the folder that was generated for an example and a cloud: `<example>/<cloud>`."""
    name, cloud = cast(tuple[str, str], request.param)
    output: Path = copied / "terraform" / name / cloud
    load_pipeline(str(copied / OF_EXAMPLES[name])).run(
        mode="generate", output_dir=output, provider=PROVIDERS.get(cloud)
    )
    return output


def texts(folder: Path) -> dict[str, str]:
    """Gives the text files of a folder, with what depends on installed versions masked."""
    found: dict[str, str] = {}
    masks = dict.fromkeys(re.findall(r"\b[0-9a-f]{12}\b", "\n".join(_read(folder).values())), "IMAGE-TAG")
    for archive in folder.rglob("*.zip"):
        digest = hashlib.sha256(archive.read_bytes())
        masks[base64.b64encode(digest.digest()).decode()] = "ARCHIVE-DIGEST"
        masks[digest.hexdigest()] = "ARCHIVE-DIGEST"
        masks[hashlib.md5(archive.read_bytes()).hexdigest()] = "ARCHIVE-DIGEST"
        masks[base64.b64encode(hashlib.md5(archive.read_bytes()).digest()).decode()] = "ARCHIVE-DIGEST"
    for name, text in _read(folder).items():
        masked = text
        for known, mask in masks.items():
            masked = masked.replace(known, mask)
        masked = re.sub(r"\b(polars)==[\d.]+", r"\1==VERSION", masked)
        found[name] = re.sub(r"python3\.\d+|python:3\.\d+|\"3\.\d+\"", "PYTHON", masked)
    return found


def _read(folder: Path) -> dict[str, str]:
    return {
        str(file.relative_to(folder)): file.read_text()
        for file in sorted(folder.rglob("*"))
        if file.suffix in (".tf", ".md", ".tfvars", ".yaml", ".json", ".sh") and file.name != ".glacier.json"
    }


def test_a_folder_is_its_golden(folder: Path, request: pytest.FixtureRequest) -> None:
    golden = GOLDENS / folder.parent.name / folder.name
    made = texts(folder)
    if request.config.getoption("--update-golden"):
        for stale in golden.rglob("*"):
            if stale.is_file() and str(stale.relative_to(golden)) not in made:
                stale.unlink()
        for name, text in made.items():
            (golden / name).parent.mkdir(parents=True, exist_ok=True)
            (golden / name).write_text(text)
    assert made == {name: (golden / name).read_text() for name in sorted(_read(golden))}


def test_a_folder_is_formatted_and_parsed(folder: Path) -> None:
    assert formatted(folder) == ""
    for file in folder.glob("*.tf"):
        hcl2.loads(file.read_text())


@needs_offline
def test_terraform_applies_a_folder_and_then_finds_nothing_to_do(folder: Path, tmp_path: Path) -> None:
    assert applied(folder, tmp_path / "state.json")
