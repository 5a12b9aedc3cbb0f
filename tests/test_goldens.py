"""Every example for every cloud, whole folders: as they were, formatted, parsed, applied by the real Terraform."""

import base64
import hashlib
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import hcl2
import pytest

from glacier.deployment.reading import Provider
from glacier.loading import load_pipeline
from glacier.providers import AWSProvider, AzureProvider, GCPProvider
from terraform import applied, formatted, needs_offline

EXAMPLES = Path(__file__).parent.parent / "examples"
GOLDENS = Path(__file__).parent / "goldens"
PIPELINES = {
    "simple_etl": "simple_etl.py",
    "sales_analytics": "sales_analytics.py",
    "validated_processing": "validated_processing.py",
    "serverless_transformation": "serverless_transformation.py",
    "portable_pipeline": "portable_pipeline.py",
    "smart_pipeline": "smart_pipeline.py",
    "data_lake": "data_lake.py",
    "pipeline_composition": "pipeline_composition.py:end_to_end",
    "nightly_report": "nightly_report.py",
}
CLOUDS: dict[str, Provider | None] = {
    "local": None,
    "aws": AWSProvider(region="eu-north-1", name_prefix="acme-", tags={"team": "sales"}),
    "gcp": GCPProvider(project_id="acme-data", region="europe-north1", name_prefix="acme-", tags={"team": "sales"}),
    "azure": AzureProvider(
        subscription_id="00000000-0000-0000-0000-000000000000",
        resource_group="acme-data",
        storage_account="acmedata",
        location="norwayeast",
        name_prefix="acme-",
        tags={"team": "sales"},
    ),
}
CASES = [(name, cloud) for name in PIPELINES for cloud in ("local", "aws", "gcp", "azure")]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Gives a project of its own with the examples, whose modules are forgotten at the end."""
    copied = tmp_path_factory.mktemp("project") / "examples"
    shutil.copytree(EXAMPLES, copied, ignore=shutil.ignore_patterns("data", "__pycache__", "terraform"))
    before = {*sys.modules}
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(copied))
        yield copied
    for name in {*sys.modules} - before:
        if str(getattr(sys.modules[name], "__file__", None)).startswith(str(copied)):
            del sys.modules[name]


@pytest.fixture(scope="module", params=CASES, ids="-".join)
def folder(request: pytest.FixtureRequest, project: Path) -> Path:
    """Gives the folder that was generated for an example and a cloud: `<example>/<cloud>`."""
    name, cloud = cast(tuple[str, str], request.param)
    output: Path = project / "terraform" / name / cloud
    load_pipeline(str(project / PIPELINES[name])).run(mode="generate", output_dir=output, provider=CLOUDS[cloud])
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
