"""What checkov, a scanner of policies, says of all that is generated: nothing, but for a short list with reasons.

`GLACIER_CHECKOV` names the command; `.ci/run` installs one. Scanners have no rules for Cloud Run jobs, Workflows,
schedulers and Container Apps jobs: those are in the tests of each cloud's blueprint.
"""

import json
import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pytest

from glacier.blueprint import Waiver
from glacier.config.deploy import Hardening
from glacier.generation.generate import files_of
from projects import OF_EXAMPLES, drafts_of

CHECKOV = os.environ.get("GLACIER_CHECKOV", "")
Cloud = Literal["aws", "gcp", "azure"]

pytestmark = [
    pytest.mark.skipif(not CHECKOV and not os.environ.get("CI"), reason="GLACIER_CHECKOV names no command to run"),
    pytest.mark.timeout(900),
]

PIPELINES = {**OF_EXAMPLES, "rights_of_functions": "rights_of_functions.py"}
CASES: list[tuple[Cloud, Hardening]] = [
    ("aws", "standard"), ("aws", "strict"), ("gcp", "standard"), ("gcp", "strict"),
    ("azure", "standard"), ("azure", "strict"),
]  # fmt: skip
HELD: Mapping[Cloud, frozenset[str]] = {
    "aws": frozenset((
        "CKV_AWS_21", "CKV2_AWS_6", "CKV_AWS_53", "CKV_AWS_54", "CKV_AWS_55", "CKV_AWS_56", "CKV2_AWS_61",
        "CKV_AWS_300", "CKV_AWS_50", "CKV_AWS_116", "CKV_AWS_284", "CKV_AWS_285", "CKV_AWS_66", "CKV_AWS_51",
        "CKV_AWS_163", "CKV_AWS_65", "CKV_AWS_336", "CKV_AWS_249", "CKV_AWS_27", "CKV_AWS_288", "CKV_AWS_289",
        "CKV_AWS_290", "CKV_AWS_355",
    )),
    "gcp": frozenset(("CKV_GCP_29", "CKV_GCP_114", "CKV_GCP_78", "CKV_GCP_124")),
    "azure": frozenset((
        "CKV_AZURE_44", "CKV_AZURE_190", "CKV2_AZURE_38", "CKV2_AZURE_40", "CKV2_AZURE_41", "CKV2_AZURE_47",
    )),
}  # fmt: skip
"""Rules that must be looked at and hold everywhere, by default already. There is none of apps on Flex Consumption."""
PAID: Mapping[Cloud, frozenset[str]] = {
    "aws": frozenset((
        "CKV_AWS_158", "CKV_AWS_173", "CKV_AWS_136", "CKV_AWS_297", "CKV_AWS_115", "CKV_AWS_338", "CKV2_AWS_11",
    )),
    "gcp": frozenset(("CKV_GCP_84",)),
    "azure": frozenset(("CKV2_AZURE_1", "CKV2_AZURE_33", "CKV_AZURE_59")),
}  # fmt: skip
"""Rules that cost money to keep: they hold where hardening is strict."""
WAIVED: Mapping[tuple[Cloud, Hardening], frozenset[str]] = {
    ("aws", "standard"): PAID["aws"] | {
        "CKV2_AWS_5", "CKV2_AWS_62", "CKV_AWS_117", "CKV_AWS_144", "CKV_AWS_145", "CKV_AWS_18", "CKV_AWS_26",
        "CKV_AWS_272", "CKV_AWS_394",
    },
    ("aws", "strict"): frozenset((
        "CKV2_AWS_5", "CKV2_AWS_62", "CKV_AWS_117", "CKV_AWS_144", "CKV_AWS_145", "CKV_AWS_18", "CKV_AWS_272",
        "CKV_AWS_394",
    )),
    ("azure", "standard"): PAID["azure"] | {
        "CKV2_AZURE_21", "CKV_AZURE_139", "CKV_AZURE_163", "CKV_AZURE_164", "CKV_AZURE_165", "CKV_AZURE_166",
        "CKV_AZURE_167", "CKV_AZURE_206", "CKV_AZURE_212", "CKV_AZURE_225", "CKV_AZURE_233", "CKV_AZURE_237",
        "CKV_AZURE_33", "CKV_AZURE_35",
    },
    ("azure", "strict"): frozenset((
        "CKV2_AZURE_21", "CKV2_AZURE_32", "CKV_AZURE_139", "CKV_AZURE_163", "CKV_AZURE_164", "CKV_AZURE_165",
        "CKV_AZURE_166", "CKV_AZURE_206", "CKV_AZURE_212", "CKV_AZURE_225", "CKV_AZURE_33",
    )),
    ("gcp", "standard"): frozenset(("CKV_GCP_62", "CKV_GCP_84")),
    ("gcp", "strict"): frozenset(("CKV_GCP_62",)),  # access logs do not log into themselves
}  # fmt: skip
"""Rules that something does not keep. A new one here is a deliberate choice."""


@dataclass(frozen=True)
class Scan:
    """What checkov says of all pipelines in one cloud, and what their blueprints waive."""

    cloud: Cloud
    hardening: Hardening
    waivers: frozenset[Waiver]
    passed: tuple[dict[str, Any], ...]
    failed: tuple[dict[str, Any], ...]
    skipped: tuple[dict[str, Any], ...]
    unread: tuple[str, ...]


@pytest.fixture(scope="module", params=CASES, ids="-".join)
def scan(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Scan:
    cloud, hardening = request.param
    folder = tmp_path_factory.mktemp(f"{cloud}-{hardening}")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("glacier.infrastructure.aws.functions.SENT_BYTES", 0)  # archives lie in a bucket: more to keep
        drafts = drafts_of(tmp_path_factory.mktemp("project"), cloud, PIPELINES, hardening=hardening)
    for name, one in drafts.items():
        for path, content in files_of({None: one}).items():
            (folder / name / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / name / path).write_bytes(content)
    results = checkov(folder)
    waivers = frozenset(w for one in drafts.values() for each in one.blueprint.declarations for w in each.waivers)
    kinds = ("passed_checks", "failed_checks", "skipped_checks", "parsing_errors")
    return Scan(cloud, hardening, waivers, *(tuple(x for each in results for x in each[kind]) for kind in kinds))


def checkov(folder: Path) -> list[dict[str, Any]]:
    """Runs checkov over a folder, and gives its results of each framework."""
    command = [CHECKOV, "--directory", str(folder), "--framework", "terraform", "dockerfile"]
    done = subprocess.run(
        [*command, "--output", "json", "--compact", "--skip-download"],
        env={**os.environ, "HCL_PARSE_TIMEOUT_SEC": "300"},  # a file that takes longer is passed over
        check=False, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode in (0, 1), done.stderr
    told: dict[str, Any] | list[dict[str, Any]] = json.loads(done.stdout)
    results: list[dict[str, Any]] = [one["results"] for one in (told if isinstance(told, list) else [told])]
    assert len(results) == 2
    return results


def test_no_rule_is_broken(scan: Scan) -> None:
    assert [f"{one['check_id']} {one['resource']} {one['file_path']}" for one in scan.failed] == []
    assert scan.unread == ()


def test_every_folder_is_looked_at(scan: Scan) -> None:
    looked_at = {(one["file_path"].split("/")[1], Path(one["file_path"]).name) for one in scan.passed}
    assert looked_at >= {(name, file) for name in PIPELINES for file in ("storage.tf", "Dockerfile")}


def test_what_a_rule_is_not_kept_for_is_said_in_the_text(scan: Scan) -> None:
    skipped = {Waiver(one["check_id"], one["check_result"]["suppress_comment"]) for one in scan.skipped}
    assert skipped <= scan.waivers
    assert {one.rule for one in scan.waivers - skipped} <= {one.rule for one in skipped}, "nothing needs a waiver"
    assert {one.rule for one in skipped} == WAIVED[scan.cloud, scan.hardening]


def test_the_rules_that_must_hold_do(scan: Scan) -> None:
    rules = HELD[scan.cloud] | (PAID[scan.cloud] if scan.hardening == "strict" else frozenset[str]())
    assert rules <= {one["check_id"] for one in scan.passed}
    assert rules & {one["check_id"] for one in scan.skipped} == frozenset()
