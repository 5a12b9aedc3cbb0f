"""The examples as projects that are deployed to one cloud or another."""

import shutil
import sys
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from glacier.config.deploy import Hardening
from glacier.generation.generate import Draft, draft
from glacier.loading import load_pipeline
from glacier.providers import AWSProvider, AzureProvider, GCPProvider
from glacier.providers.portable import Provider

HERE = Path(__file__).parent
EXAMPLES = HERE.parent / "examples"
SCENARIOS = {
    "simple_etl": "simple_etl.py",
    "sales_analytics": "sales_analytics.py",
    "validated_processing": "validated_processing.py",
    "serverless_transformation": "serverless_transformation.py",
    "portable_pipeline": "portable_pipeline.py",
}
"""The five of the design document."""
OF_EXAMPLES = {
    **SCENARIOS,
    "smart_pipeline": "smart_pipeline.py",
    "data_lake": "data_lake.py",
    "pipeline_composition": "pipeline_composition.py:end_to_end",
    "nightly_report": "nightly_report.py",
}
PIPELINES = {
    **OF_EXAMPLES,
    "every_verb": "every_verb.py",
    "rights_of_functions": "rights_of_functions.py",
}
PROVIDERS: dict[str, Provider] = {
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


@contextmanager
def project(folder: Path) -> Generator[Path]:
    """Copies the examples, and the pipelines of the tests; what is imported from there is forgotten at the end."""
    copied = folder / "examples"
    shutil.copytree(EXAMPLES, copied, ignore=shutil.ignore_patterns("data", "__pycache__", "terraform"))
    for file in ("every_verb.py", "rights_of_functions.py"):
        shutil.copy(HERE / "pipelines" / file, copied)
    before, path = {*sys.modules}, [*sys.path]
    sys.path.insert(0, str(copied))
    try:
        yield copied
    finally:
        sys.path[:] = path
        for name in {*sys.modules} - before:
            if str(getattr(sys.modules[name], "__file__", None)).startswith(str(copied)):
                del sys.modules[name]


def drafts_of(
    folder: Path, cloud: str, pipelines: Mapping[str, str] = PIPELINES, *, hardening: Hardening | None = None
) -> dict[str, Draft]:
    """Gives what each pipeline needs in a cloud; hardened as it says itself if nothing else is asked for."""
    found: dict[str, Draft] = {}
    with project(folder) as copied:
        for name, target in pipelines.items():
            pipeline = load_pipeline(str(copied / target))
            source = pipeline.source()
            if hardening is not None:
                source = replace(source, options=replace(source.options, hardening=hardening))
            found[name] = draft(pipeline.plan(), source, copied / "terraform", PROVIDERS[cloud])
    return found
