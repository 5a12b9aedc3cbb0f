"""What runs really ask of a store is what their statements allow: pipelines over an emulator that refuses the rest."""

import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from deployed import DATA, EMULATORS, Deployed, Emulator
from glacier import Bucket
from glacier.errors import AccessDenied, ObjectNotFound
from glacier.generation.generate import Draft
from glacier.providers import AWSProvider, GCPProvider
from glacier.providers.journal import Journal
from permissions import Asked
from permissions_gcp import GOOGLE
from projects import drafts_of, project

UNUSED = {
    ("list", "acme-raw/2024/a.parquet/"),  # is asked only of what is missing
    ("list", "acme-every-verb-runs/every-verb/lease/"),  # of records it is only asked whether they are there
    ("read", "acme-raw/none/*"),  # is missing
    ("delete", "acme-old/never/was.parquet"),  # as well
    ("delete", "acme-old/never/was.parquet/*"),
}
UNUSED_IN = {
    "aws": {
        ("list", "acme-raw/2024/a.parquet"),  # S3 has one right for listing and for telling that an object is missing
        ("list", "acme-old/a.parquet"),
    },
    "gcp": {("list", "acme-every-verb-runs/every-verb/main/*")},
}


@pytest.fixture(scope="module", params=EMULATORS)
def cloud(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture(scope="module")
def drafts(cloud: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Draft]:
    return drafts_of(tmp_path_factory.mktemp("project"), cloud)


@pytest.fixture(scope="module")
def examples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The pipelines, with the examples' data and some for the tests' own."""
    with project(tmp_path_factory.mktemp("run")) as folder:
        subprocess.run([sys.executable, str(folder / "make_data.py")], check=True)
    for name in ("raw/2024/a", "raw/2024/b", "old/a.parquet/below", "old/tree/a", "old/globbed/a"):
        file = folder / "data" / f"{name}.parquet"
        file.parent.mkdir(parents=True, exist_ok=True)
        DATA.write_parquet(file)
    return folder


@pytest.mark.parametrize("name", ["simple_etl", "validated_processing", "data_lake", "nightly_report"])
def test_a_run_of_an_example_is_refused_nothing(
    name: str, cloud: str, drafts: dict[str, Draft], examples: Path
) -> None:
    deployed = Deployed(cloud, drafts[name], examples)
    deployed.run()
    assert deployed.state.denied == set()
    actions = deployed.cloud.actions
    assert {actions["read"][0], actions["write"][0]} <= {action for action, _, _ in deployed.state.used}


@pytest.fixture(scope="module")
def every_verb(cloud: str, drafts: dict[str, Draft], examples: Path) -> Deployed:
    deployed = Deployed(cloud, drafts["every_verb"], examples)
    deployed.state.put("acme-old", "a.parquet", b"")  # beside the folder of that name, which no file system can hold
    note = Journal("published", new=(), old=("globbed/gone.parquet",))  # of a writer, which a glob's delete heeds
    deployed.state.put("acme-old", "globbed/.glacier-1-2-3.tmp/journal", note.dumps())
    deployed.run()
    return deployed


def test_a_run_that_does_all_there_is_is_refused_only_what_it_leaves_to_others(every_verb: Deployed) -> None:
    actions = every_verb.cloud.actions
    swept = (actions["list"][0], "acme-tidy", "deep/")  # an identity that writes one object does not sweep there
    assert every_verb.state.denied == {swept}
    assert {action for action, _, _ in every_verb.state.used} == {
        action
        for verb in ("read", "list", "write", "delete")
        for action in actions[verb]
        if not action.lower().endswith(("abort", "abortmultipartupload"))
    }


def test_a_run_uses_all_verbs_that_it_is_granted(cloud: str, every_verb: Deployed) -> None:
    """A verb is used if its first action is: what else it takes depends on what was there before."""
    actions = every_verb.cloud.actions
    first = {actions[verb][0]: verb for verb in ("read", "list", "write", "delete")}
    unused = {
        (first[need.action], f"{need.place}/{need.keys}")
        for need in every_verb.needs.all
        if need.action in first
        if not any(need.covers(Asked(need.identity, *right)) for right in every_verb.state.used)
    }
    written = {f"{n.place}/{n.keys}" for n in every_verb.needs.all if n.action == actions["write"][0]}
    assert {(verb, where) for verb, where in unused if verb != "delete" or where not in written} == UNUSED | UNUSED_IN[
        cloud
    ]


@pytest.fixture
def emulator(cloud: str) -> Emulator:
    """An emulator of the test's own, with a bucket `raw`."""
    started = EMULATORS[cloud]()
    started.state.create("raw")
    return started


def raw_in(emulator: Emulator, path: str) -> Bucket:
    google = emulator.cloud is GOOGLE
    provider = (
        GCPProvider(endpoint_url=emulator.url) if google else AWSProvider(region="us-east-1", endpoint_url=emulator.url)
    )
    return provider.bucket("raw", path=path)


def test_an_upload_that_fails_is_dropped_by_who_may_only_write(emulator: Emulator) -> None:
    writes = emulator.cloud.actions["write"]
    emulator.state.may = lambda action, _bucket, key: action in writes and key == "out.csv"

    def broken(frame: pl.DataFrame) -> pl.DataFrame:
        if frame["n"].max() == 3_999_999:
            raise ValueError("the last rows are wrong")
        return frame

    plan = pl.LazyFrame({"n": range(4_000_000)}).map_batches(broken, streamable=True)
    with pytest.raises(ValueError, match="the last rows are wrong"):
        raw_in(emulator, "out.csv").write(plan)
    assert emulator.state.denied == set()
    dropped = next(action for action in writes if "abort" in action.lower())
    assert (dropped, "raw", "out.csv") in emulator.state.used
    assert emulator.uploads() == []


def test_what_is_missing_is_told_to_who_may_not_look_beside_it(emulator: Emulator) -> None:
    emulator.state.put("raw", "2024/other.parquet", b"")
    actions = emulator.cloud.actions
    read, lists, told = actions["read"][0], actions["list"][0], actions["list"][-1]
    allowed = {(read, "2024/a.parquet"), (told, "2024/a.parquet"), (lists, "2024/a.parquet/")}
    emulator.state.may = lambda action, _bucket, key: (action, key) in allowed
    raw = raw_in(emulator, "2024/a.parquet")
    assert not raw.exists()
    with pytest.raises(ObjectNotFound, match=r"^nothing at `\w+://raw/2024/a.parquet`\n"):
        raw.scan()
    emulator.state.may = lambda _action, _bucket, _key: False
    with pytest.raises(AccessDenied, match="the credentials do not allow it to read there"):
        raw.scan()
