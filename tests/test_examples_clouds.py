"""Each example runs unchanged in every cloud: `GLACIER_ENV` moves it, and what it prints and writes stays the same.

Besides that, its process has in the environment what any tool of the cloud takes: keys, and where an emulator is.
"""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import obstore
import polars as pl
import pytest
from obstore.store import AzureStore, GCSStore, LocalStore, S3Store
from polars.testing import assert_frame_equal

from function_servers import Asked, Reply, serving
from stores import (
    ACCOUNT,
    HAS_AZURITE,
    azure_client,
    azure_container,
    azure_url,
    gcs_client,
    gcs_server,
    s3_client,
    seaweedfs,
)

EXAMPLES = Path(__file__).parent.parent / "examples"
ASIDE = {"make_data", "process", "providers"}
"""What is no pipeline."""
NAMES = sorted({file.stem for file in EXAMPLES.glob("*.py")} - ASIDE)
ANALYZED = {"sales_analytics", "smart_pipeline"}
"""As files they show their analysis; `glacier run` shows what they return."""
DATA = ("customers", "data", "inventory", "raw", "raw-data", "sales", "sales-raw")
RESULTS = {
    "data_lake": ("sales-processed", "sales-analytics"),
    "nightly_report": ("reports",),
    "serverless_transformation": ("staging", "results"),
    "simple_etl": ("processed",),
}
BUCKETS = (*DATA, *(bucket for written in RESULTS.values() for bucket in written))
CLOUDS = ("aws", "gcp", *(("azure",) if HAS_AZURITE else ()))

Client = AzureStore | GCSStore | LocalStore | S3Store


FUNCTION = """
import json, sys
from process import handler
json.dump(handler(json.load(sys.stdin), None), open("answer.json", "w"))
"""
"""What the hosts of functions do."""


@dataclass(frozen=True)
class Home:
    """Where one value of `GLACIER_ENV` leads.

    Attributes:
        folder: of the examples.
        told: what their processes have in the environment.
        client: gives a bucket, past Glacier.
    """

    folder: Path
    told: Mapping[str, str]
    client: Callable[[str], Client]

    def python(self, *command: str) -> list[str]:
        """Runs Python in the folder, and gives the lines that it prints."""
        done = subprocess.run(
            [sys.executable, *command], cwd=self.folder, env=self.told, capture_output=True, text=True, check=False
        )
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout.splitlines()

    def run(self, name: str) -> list[str]:
        """Runs an example, and gives what it prints without the order, which groups do not have."""
        as_command = ["-m", "glacier", "run", "--quiet"] if name in ANALYZED else []
        return sorted(self.python(*as_command, f"{name}.py"))

    def frames(self, buckets: tuple[str, ...]) -> dict[str, pl.DataFrame]:
        """Gives all that lies in buckets."""
        found: dict[str, pl.DataFrame] = {}
        for bucket in buckets:
            client = self.client(bucket)
            for key in sorted(one["path"] for page in obstore.list(client) for one in page):
                content = io.BytesIO(obstore.get(client, key).bytes())
                found[f"{bucket}/{key}"] = pl.read_csv(content) if key.endswith(".csv") else pl.read_parquet(content)
        return found


def answered(home: Home, asked: Asked) -> Reply:
    """Answers as a cloud that runs the function of the examples."""
    assert "/acme-data-processor" in asked.path
    done = subprocess.run(
        [sys.executable, "-c", FUNCTION],
        cwd=home.folder,
        env=home.told,
        input=asked.body,
        capture_output=True,
        check=False,
    )
    failed = json.dumps({"errorType": "Exception", "errorMessage": done.stderr.decode()}).encode()
    return (500, {}, failed) if done.returncode else (200, {}, (home.folder / "answer.json").read_bytes())


def home(folder: Path, cloud: str) -> Home:
    """Copies the examples, and makes their data with `make_data.py`, as their reader does."""
    copied = folder / "examples"
    shutil.copytree(EXAMPLES, copied, ignore=shutil.ignore_patterns("data", "__pycache__", "terraform"))
    told = {**os.environ, "POLARS_FMT_MAX_ROWS": "-1"}
    made = Home(copied, told, lambda bucket: LocalStore(copied / "data" / bucket))
    if cloud != "local":
        client, own = {"aws": aws, "gcp": gcp, "azure": azure}[cloud](folder)
        made = Home(copied, {**told, **own, "GLACIER_ENV": cloud}, lambda bucket: client(f"acme-{bucket}"))
    made.python("make_data.py")
    return made


def aws(_: Path) -> tuple[Callable[[str], Client], dict[str, str]]:
    for bucket in BUCKETS:
        seaweedfs().empty(f"acme-{bucket}")
    return partial(s3_client, seaweedfs().url), {"AWS_ENDPOINT_URL": seaweedfs().url}


def gcp(folder: Path) -> tuple[Callable[[str], Client], dict[str, str]]:
    """Lets processes find no google-auth: where it is, Polars' own writes go to Google itself and to no emulator."""
    for bucket in BUCKETS:
        gcs_server().state.create(f"acme-{bucket}")
    (folder / "sitecustomize.py").write_text("import sys\nsys.modules['google.auth'] = None\n")
    nobody = {"client_email": "", "private_key": "", "private_key_id": ""}
    account = json.dumps({"gcs_base_url": gcs_server().url, "disable_oauth": True, **nobody})
    return gcs_client, {
        "STORAGE_EMULATOR_HOST": gcs_server().url,
        "GOOGLE_SERVICE_ACCOUNT_KEY": account,
        "PYTHONPATH": str(folder),
    }


def azure(_: Path) -> tuple[Callable[[str], Client], dict[str, str]]:
    for bucket in BUCKETS:
        azure_container(azure_url(), f"acme-{bucket}")
    return azure_client, {"AZURE_STORAGE_ENDPOINT": azure_url(), "AZURE_STORAGE_ACCOUNT_NAME": ACCOUNT}


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """This machine, with the data."""
    return home(tmp_path_factory.mktemp("local"), "local")


@pytest.fixture(scope="module")
def printed_here(here: Home) -> dict[str, list[str]]:
    """Runs all examples here."""
    return {name: here.run(name) for name in NAMES}


@pytest.fixture(scope="module", params=CLOUDS)
def there(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    """Each cloud in turn, with a host of functions."""
    made = home(tmp_path_factory.mktemp(request.param), request.param)
    with serving() as functions:
        functions.answer(partial(answered, made))
        yield replace(made, told={**made.told, "FUNCTIONS_URL": functions.url})


def test_the_data_of_the_examples_is_the_same_in_a_cloud(here: Home, there: Home) -> None:
    same(there.frames(DATA), here.frames(DATA))


@pytest.mark.parametrize("name", NAMES)
def test_one_variable_moves_an_example(name: str, here: Home, printed_here: dict[str, list[str]], there: Home) -> None:
    assert there.run(name) == printed_here[name]
    written = RESULTS.get(name, ())
    assert bool(printed_here[name] or written)
    same(there.frames(written), here.frames(written))
    assert not (there.folder / "data").exists()


def test_a_misspelt_environment_is_told(here: Home) -> None:
    done = subprocess.run(
        [sys.executable, "simple_etl.py"],
        cwd=here.folder,
        env={**here.told, "GLACIER_ENV": "asw"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr.endswith("ValueError: GLACIER_ENV=asw is none of aws, gcp, azure, local\n")


def same(found: dict[str, pl.DataFrame], wanted: dict[str, pl.DataFrame]) -> None:
    assert found.keys() == wanted.keys()
    assert all(frame.height for frame in wanted.values())
    for place, frame in wanted.items():
        assert_frame_equal(found[place], frame)
