"""Generating: the folder, a person's files in it, environments, what would change."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from zipfile import ZipFile

import pytest

from glacier.errors import ConfigError, InputError
from glacier.loading import load_pipeline
from glacier.pipeline import Pipeline
from terraform import formatted

SOURCE = """
import os
import polars as pl
from glacier import Bucket, pipeline, task
from glacier.providers import LocalProvider

ENV = os.environ.get("GLACIER_ENVIRONMENT", "dev")
provider = LocalProvider(f"./data-{ENV}")

@task
def load(source: Bucket) -> pl.LazyFrame:
    return source.scan()

@pipeline(schedule="0 6 * * *")
def etl() -> None:
    frame = load(provider.bucket("raw", path="a.parquet"))
    provider.bucket("clean", path="b.parquet").write(frame)
"""


@pytest.fixture
def etl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    file = tmp_path / "etl.py"
    file.write_text(SOURCE)
    monkeypatch.chdir(tmp_path)
    yield file
    sys.modules.pop("etl", None)


def loaded(file: Path) -> Pipeline[..., object]:
    sys.modules.pop("etl", None)
    return load_pipeline(str(file))


def glacier(*arguments: str, folder: Path, code: int = 0) -> str:
    """Runs the command line, and gives what it printed."""
    command = [sys.executable, "-m", "glacier", *arguments]
    done = subprocess.run(command, check=False, capture_output=True, text=True, cwd=folder)
    assert done.returncode == code, done.stderr + done.stdout
    return done.stdout + done.stderr


def tree(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


FILES = [".gitignore", ".glacier.json", "README.md", "outputs.tf", "storage.tf", "variables.tf", "versions.tf"]


def test_generating_writes_a_folder_and_again_nothing(etl: Path) -> None:
    first = loaded(etl).run(mode="generate", output_dir="./terraform")
    folder = etl.parent / "terraform"
    assert list(tree(folder)) == FILES
    assert first.written.new == tuple(name for name in FILES if name != ".glacier.json")
    assert str(first).splitlines()[0] == "etl on this machine: 2 resources in terraform (files: 6 new)"
    before = {name: (folder / name).stat().st_mtime_ns for name in FILES}
    again = loaded(etl).run(mode="generate", output_dir="./terraform")
    assert (again.written.new, again.written.changed, again.written.kept) == ((), (), 6)
    assert {name: (folder / name).stat().st_mtime_ns for name in FILES} == before
    assert not [*folder.glob("*.tmp")]


def test_the_same_bytes_from_another_folder_and_time_zone(etl: Path, tmp_path: Path) -> None:
    glacier("generate", "etl.py", folder=tmp_path)
    other = tmp_path / "some" / "where"
    other.mkdir(parents=True)
    shutil.copy(etl, other / "etl.py")
    command = [sys.executable, "-m", "glacier", "generate", "etl.py"]
    subprocess.run(command, check=True, capture_output=True, cwd=other, env={**os.environ, "TZ": "Asia/Tokyo"})
    assert tree(tmp_path / "terraform") == tree(other / "terraform")
    assert str(tmp_path).encode() not in b"".join(tree(other / "terraform").values())


def test_what_a_person_adds_stays_and_what_is_needed_no_more_goes(etl: Path, tmp_path: Path) -> None:
    loaded(etl).run(mode="generate")
    mine = tmp_path / "terraform" / "mine.tf"
    mine.write_text("# mine\n")
    etl.write_text(SOURCE.replace('provider.bucket("clean", path="b.parquet").write(frame)', "frame"))
    written = loaded(etl).run(mode="generate").written
    assert written.changed == ("README.md", "outputs.tf", "storage.tf")
    etl.write_text("from glacier import pipeline\n\n@pipeline\ndef etl() -> None: ...\n")
    written = loaded(etl).run(mode="generate").written
    assert written.removed == ("outputs.tf", "storage.tf", "variables.tf")
    assert mine.read_text() == "# mine\n"


def test_a_changed_file_is_not_overwritten_unless_forced(etl: Path, tmp_path: Path) -> None:
    loaded(etl).run(mode="generate")
    storage = tmp_path / "terraform" / "storage.tf"
    storage.write_text(storage.read_text() + "# mine\n")
    etl.write_text(SOURCE.replace('"raw"', '"source"'))
    before = tree(tmp_path / "terraform")
    with pytest.raises(ConfigError) as caught:
        loaded(etl).run(mode="generate")
    assert str(caught.value) == (
        "`storage.tf` in `terraform` was changed since Glacier wrote it\n"
        "  Fix: move what is yours into files of other names, or overwrite with --force (force=True)"
    )
    assert tree(tmp_path / "terraform") == before
    loaded(etl).run(mode="generate", force=True)
    assert "# mine" not in storage.read_text()


def test_a_file_that_was_there_before_is_a_persons(etl: Path, tmp_path: Path) -> None:
    (tmp_path / "terraform").mkdir()
    (tmp_path / "terraform" / "storage.tf").write_text("# mine\n")
    with pytest.raises(ConfigError, match=r"`storage\.tf` in `terraform` was not written by Glacier"):
        loaded(etl).run(mode="generate")
    assert list(tree(tmp_path / "terraform")) == ["storage.tf"]


def test_an_output_that_is_a_file_is_refused(etl: Path, tmp_path: Path) -> None:
    (tmp_path / "there").write_text("")
    for place in ("there", "there/terraform"):
        with pytest.raises(ConfigError, match="is a file"):
            loaded(etl).run(mode="generate", output_dir=place)


def test_an_interrupted_generation_is_mended_by_the_next(
    etl: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded(etl).run(mode="generate")
    etl.write_text(SOURCE.replace('"raw"', '"source"'))
    moved, really = list[str](), os.replace

    def fails(source: Path, target: Path) -> None:
        if target.name == "storage.tf":
            raise OSError(28, "No space left on device")
        moved.append(target.name)
        really(source, target)

    monkeypatch.setattr(os, "replace", fails)
    with pytest.raises(ConfigError, match="the folder `terraform` cannot be written to: No space left on device"):
        loaded(etl).run(mode="generate")
    monkeypatch.undo()
    monkeypatch.chdir(tmp_path)
    assert moved == [".glacier.json", "README.md", "outputs.tf"]
    assert [*Path("terraform").glob(".*.tmp")] == []
    written = loaded(etl).run(mode="generate").written
    assert written.changed == ("storage.tf",)


def test_environments_share_a_folder(etl: Path, tmp_path: Path) -> None:
    glacier("generate", "etl.py", "--env", "dev", "--env", "prod", folder=tmp_path)
    folder = tmp_path / "terraform"
    assert (folder / "dev.tfvars").read_text().splitlines()[2:] == ['base_path = "../data-dev"']
    assert (folder / "prod.tfvars").read_text().splitlines()[2:] == ['base_path = "../data-prod"']
    assert "terraform apply -var-file=prod.tfvars" in (folder / "README.md").read_text()


VARYING = """
import os
import polars as pl
from glacier import Bucket, pipeline, task
from glacier.config import Compute, DeployConfig
from glacier.providers import AWSProvider, GCPProvider

PROD = os.environ.get("GLACIER_ENVIRONMENT") == "prod"
TAGS = {"tier": "gold" if PROD else "bronze"}
aws = AWSProvider(region="eu-north-1", name_prefix="acme-", tags=TAGS)
gcp = GCPProvider(project_id="acme-data", region="europe-north1", name_prefix="acme-", tags=TAGS)
cloud = {"aws": aws, "gcp": gcp}[os.environ["CLOUD"]]

@task(compute=Compute(cpu=2, memory=8192 if PROD else 4096))
def load(source: Bucket) -> pl.DataFrame:
    return source.read()

@pipeline(
    schedule="0 6 * * MON-FRI" if PROD else "0 8 * * MON",
    timezone="Europe/Oslo",
    deploy=DeployConfig(
        timeout=3600 if PROD else 1800,
        alert="prod@acme.com" if PROD else "dev@acme.com",
        log_retention_days=90 if PROD else 14,
    ),
)
def etl() -> None:
    cloud.bucket("clean", path="b.parquet").write(load(cloud.bucket("raw", path="a.parquet")))
"""
BOTH = ("--env", "dev", "--env", "prod")


def values(file: Path) -> dict[str, str]:
    lines = (line.partition("=") for line in file.read_text().splitlines()[2:])
    return {name.strip(): value.strip() for name, _, value in lines}


@pytest.mark.parametrize(
    ("cloud", "prod"),
    [
        (
            "aws",
            {
                "environment": '"prod"',
                "ecs_task_definition_load_memory": '"8192"',
                "cloudwatch_log_group_jobs_retention_in_days": "90",
                "ecs_task_definition_load_glacier_timeout": '"3600"',
                "scheduler_schedule_schedule_expression": '"cron(0 6 ? * 2-6 *)"',
                "tags_tier": '"gold"',
            },
        ),
        (
            "gcp",
            {
                "environment": '"prod"',
                "labels_tier": '"gold"',
                "user_labels_tier": '"gold"',
                "cloud_run_v2_job_load_timeout": '"3900s"',
                "cloud_run_v2_job_load_glacier_timeout": '"3600"',
                "cloud_run_v2_job_load_memory": '"8192Mi"',
                "logging_project_bucket_config_retention_days": "90",
                "logging_project_exclusion_description": '"Logs of etl are kept for 90 days in a bucket of their own."',
                "logging_project_exclusion_disabled": "true",
                "cloud_scheduler_job_description": '"Starts etl: 0 6 * * MON-FRI (Europe/Oslo)"',
                "cloud_scheduler_job_schedule": '"0 6 * * 1-5"',
            },
        ),
    ],
)
def test_what_differs_by_environment_is_a_variable_that_says_what_it_is(
    etl: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cloud: str, prod: dict[str, str]
) -> None:
    etl.write_text(VARYING)
    monkeypatch.setenv("CLOUD", cloud)
    said = glacier("generate", "etl.py", *BOTH, folder=tmp_path)
    folder = tmp_path / "terraform"
    applying = "terraform workspace select -or-create dev && terraform apply -var-file=dev.tfvars"
    if cloud == "gcp":  # what says which image runs is not there yet
        assert said.endswith("next: cd terraform && terraform init, then the commands for dev in README.md there\n")
        (folder / "dev.image.tfvars").write_text('image = "a"\n')
        said = glacier("generate", "etl.py", *BOTH, folder=tmp_path)
        applying += " -var-file=dev.image.tfvars"
    assert f"next: cd terraform && terraform init && {applying}; more in README.md there\n" in said
    found = values(folder / "prod.tfvars")
    assert found == prod
    assert values(folder / "dev.tfvars").keys() == prod.keys()
    image = "europe-north1-docker.pkg.dev/acme-data/acme-etl-${var.environment}/etl:"
    assert (image in (folder / "outputs.tf").read_text()) == (cloud == "gcp")


def test_the_readme_and_the_plan_are_of_all_environments(
    etl: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    etl.write_text(VARYING)
    monkeypatch.setenv("CLOUD", "gcp")
    explained = glacier("generate", "etl.py", *BOTH, "--explain-permissions", folder=tmp_path)
    assert "on gs://acme-raw-dev/a.parquet\n" in explained
    assert "on gs://acme-raw-prod/a.parquet\n" in explained
    readme = (tmp_path / "terraform" / "README.md").read_text()
    assert (
        "echo 'image = \"us-docker.pkg.dev/cloudrun/container/job:latest\"' > prod.image.tfvars\n```\n\n"
        "The file says from then on which image runs: keep it, in version control say.\n\nApply:\n\n```sh\n"
        "terraform workspace select -or-create prod\n"
        "terraform apply -var-file=prod.tfvars -var-file=prod.image.tfvars\n"
    ) in readme
    assert (
        'echo "image = \\"$IMAGE\\"" > prod.image.tfvars\n'
        "terraform apply -var-file=prod.tfvars -var-file=prod.image.tfvars\n"
    ) in readme
    assert "terraform workspace select prod\ngcloud run jobs execute acme-etl-load-prod " in readme
    assert "| `load` in dev | 2 | 4,096 |" in readme
    assert "| `load` in prod | 2 | 8,192 |" in readme
    assert "Europe/Oslo in dev; at `0 6 * * MON-FRI`" in readme
    assert readme.index("gcloud auth application-default login") < readme.index("terraform init")
    etl.write_text(VARYING.replace("0 8", "0 9"))
    assert (
        "schedule: 0 8 * * 1 Europe/Oslo in dev; 0 6 * * 1-5 Europe/Oslo in prod -> "
        "0 9 * * 1 Europe/Oslo in dev; 0 6 * * 1-5 Europe/Oslo in prod\n"
    ) in glacier("plan", "etl.py", *BOTH, folder=tmp_path, code=2)


@pytest.mark.parametrize("cloud", ["aws", "gcp"])
def test_each_environments_commands_begin_in_its_workspace(
    etl: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cloud: str
) -> None:
    etl.write_text(VARYING)
    monkeypatch.setenv("CLOUD", cloud)
    glacier("generate", "etl.py", *BOTH, folder=tmp_path)
    readme = (tmp_path / "terraform" / "README.md").read_text()
    commands = readme[readme.index("## Apply") : readme.index("## The pipeline")]
    common, *each = re.split(r"\n### (?=\w+\n)", commands)
    assert common.endswith("or a backend's.\n")
    assert [part.partition("\n")[0] for part in each] == ["dev", "prod"]
    for name, part in zip(("dev", "prod"), each, strict=True):
        *_, first, build, start = re.findall(r"```sh\n(.*?)```", part, re.DOTALL)
        assert first.startswith(
            f"terraform workspace select -or-create {name}\nterraform apply -var-file={name}.tfvars"
        )
        assert [one.partition("\n")[0] for one in (build, start)] == [f"terraform workspace select {name}"] * 2
        assert "docker push" in build
        assert {"aws": "aws ecs run-task", "gcp": "gcloud run jobs execute"}[cloud] in start


@pytest.mark.parametrize("cloud", ["gcp", "azure"])
def test_no_apply_of_an_environment_brings_back_what_stood_in_for_its_image(
    etl: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cloud: str
) -> None:
    etl.write_text(FUNCTION[: FUNCTION.index("@task")] + SAVING)
    monkeypatch.setenv("CLOUD", cloud)
    folder = tmp_path / "terraform"

    def said_of_image() -> str:
        (found,) = re.findall(r'variable "image" \{\n(.*?)\n\}', (folder / "variables.tf").read_text(), re.DOTALL)
        return re.sub(r" +description .*\n", "", found)

    glacier("generate", "etl.py", *BOTH, folder=tmp_path)
    assert said_of_image() == "  type        = string\n  nullable    = false"
    applies = re.findall(r"^terraform apply.*$", (folder / "README.md").read_text(), re.MULTILINE)
    assert applies == [
        f"terraform apply -var-file={name}.tfvars -var-file={name}.image.tfvars"
        for name in ("dev", "dev", "prod", "prod")
    ]
    glacier("generate", "etl.py", "--env", "prod", folder=tmp_path)  # a folder of its own has image.auto.tfvars
    assert re.fullmatch(r'  type        = string\n  default     = "\S+job\S*:latest"', said_of_image())


@pytest.mark.parametrize(
    ("cloud", "change", "told"),
    [
        (
            "azure",
            (' + os.environ.get("GLACIER_ENVIRONMENT", "")', ""),
            "storage account `acmedata`\n"
            "  at etl.py:20\n"
            '     cloud.bucket("clean", path="b.parquet").write(cloud.bucket("raw", path="a.parquet").scan())\n'
            "  Fix: let its name end in the environment's, "
            'storage_account="..." + os.getenv("GLACIER_ENVIRONMENT", ""), '
            "or say that it is there: existing_account=True\n",
        ),
        (
            "azure",
            (
                ' + os.environ.get("GLACIER_ENVIRONMENT", "")',
                ', existing_account=True, environment="all"',
            ),
            "bucket `acme-clean-all` in storage account `acmedata`\n",
        ),
        ("aws", ('region="eu-north-1"', 'region="eu-north-1", environment="all"'), "bucket `acme-clean-all`\n"),
    ],
)
def test_what_two_environments_would_both_make_is_refused(
    etl: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cloud: str, change: tuple[str, str], told: str
) -> None:
    written = FUNCTION[: FUNCTION.index("@task")] + SAVING
    etl.write_text(written.replace(*change))
    monkeypatch.setenv("CLOUD", cloud)
    said = glacier("generate", "etl.py", *BOTH, folder=tmp_path, code=2)
    assert said.startswith(f"ConfigError: environments `dev` and `prod` of pipeline `etl` would both make {told}")
    if "storage" in told:
        shared = (change[0], ", existing_account=True")
        etl.write_text(written.replace(*shared))
        glacier("generate", "etl.py", *BOTH, folder=tmp_path)


SAVING = """
@pipeline
def etl() -> None:
    cloud.bucket("clean", path="b.parquet").write(cloud.bucket("raw", path="a.parquet").scan())
"""
FUNCTION = """
import os
from glacier import Serverless, pipeline, task
from glacier.providers import AWSProvider, AzureProvider, GCPProvider

PROD = os.environ.get("GLACIER_ENVIRONMENT") == "prod"
cloud = {
    "aws": AWSProvider(region="eu-north-1", name_prefix="acme-"),
    "gcp": GCPProvider(project_id="acme-data", region="europe-north1", name_prefix="acme-"),
    "azure": AzureProvider(
        subscription_id="00000000-0000-0000-0000-000000000000", resource_group="acme-data",
        storage_account="acmedata" + os.environ.get("GLACIER_ENVIRONMENT", ""), location="norwayeast",
        name_prefix="acme-",
    ),
}[os.environ["CLOUD"]]

@task
def call(fn: Serverless) -> None:
    fn.invoke()

@pipeline
def etl() -> None:
    call(cloud.serverless("sums", handler="full.handler" if PROD else "tried.handler"))
"""


@pytest.mark.parametrize("cloud", ["aws", "gcp", "azure"])
def test_each_environment_has_the_archive_of_its_functions(
    etl: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cloud: str
) -> None:
    etl.write_text(FUNCTION)
    for name in ("full", "tried"):
        (tmp_path / f"{name}.py").write_text(f"def handler(event, context):\n    return {name!r}\n")
    monkeypatch.setenv("CLOUD", cloud)
    glacier("generate", "etl.py", *BOTH, folder=tmp_path)
    folder = tmp_path / "terraform"
    held = {file.name: {*ZipFile(file).namelist()} for file in (folder / "functions").iterdir()}
    assert any("tried.py" in name for name in held["sums-dev.zip"])
    assert any("full.py" in name for name in held["sums-prod.zip"])
    if cloud == "azure":  # where a command of the README sends it
        assert "--src functions/sums-dev.zip" in (folder / "README.md").read_text()
        assert "--src functions/sums-prod.zip" in (folder / "README.md").read_text()
    else:
        assert '"${path.module}/functions/sums-${var.environment}.zip"' in (folder / "functions.tf").read_text()
        assert formatted(folder) == ""


def test_an_image_that_differs_by_environment_is_refused(
    etl: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    etl.write_text(VARYING.replace("timeout=3600", "requirements=[*(['orjson'] if PROD else [])], timeout=3600"))
    monkeypatch.setenv("CLOUD", "gcp")
    assert glacier("generate", "etl.py", *BOTH, folder=tmp_path, code=2) == (
        "UnsupportedError: environments `dev`, `prod` cannot share a folder: `image/requirements.txt` differs in them\n"
        "  Fix: generate each into a folder of its own: --env NAME --output terraform/NAME\n"
    )


def test_a_bucket_without_a_prefix_is_likely_somebodys_and_so_it_is_told(
    etl: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    etl.write_text(VARYING.replace('name_prefix="acme-", ', ""))
    monkeypatch.setenv("CLOUD", "aws")
    said = glacier("generate", "etl.py", folder=tmp_path)
    assert (
        "warning: names of buckets are unique in all of AWS, and `clean`, `etl-runs`, `raw` may be somebody's: "
        'give AWSProvider a name_prefix="..."\n'
    ) in said


def test_environments_that_differ_in_more_than_values_are_told(etl: Path, tmp_path: Path) -> None:
    etl.write_text(
        SOURCE.replace(
            "    frame = load", '    ENV == "prod" and load(provider.bucket("more", path="a.csv"))\n    frame = load'
        )
    )
    told = glacier("generate", "etl.py", "--env", "dev", "--env", "prod", folder=tmp_path, code=2)
    assert told == (
        "UnsupportedError: environments `dev` and `prod` cannot share a folder: `local_file.more` "
        "is declared in `prod` only\n"
        "  Fix: generate each into a folder of its own: --env prod --output terraform/prod\n"
    )
    assert not (tmp_path / "terraform").exists()


def test_plan_tells_what_would_change(etl: Path, tmp_path: Path) -> None:
    assert glacier("plan", "etl.py", folder=tmp_path, code=2).splitlines()[-2:] == [
        "~ file variables.tf",
        "~ file versions.tf",
    ]
    glacier("generate", "etl.py", folder=tmp_path)
    assert glacier("plan", "etl.py", folder=tmp_path) == "no changes\n"
    etl.write_text(
        SOURCE.replace('"raw"', '"source"').replace("0 6", "0 7").replace('"clean"', '"clean", existing=False')
    )
    assert glacier("plan", "etl.py", folder=tmp_path, code=2) == (
        "schedule: 0 6 * * * UTC -> 0 7 * * * UTC\n+ local_file.source\n- local_file.raw\n~ file outputs.tf\n"
    )
    found = json.loads(glacier("plan", "etl.py", "--json", folder=tmp_path, code=2))
    assert (found["changes"], found["added"], found["removed"]) == (True, ["local_file.source"], ["local_file.raw"])
    storage = tmp_path / "terraform" / "storage.tf"
    storage.write_text(storage.read_text() + "# mine\n")
    assert "! storage.tf was changed by hand" in glacier("plan", "etl.py", folder=tmp_path, code=2)


def test_a_missing_input_is_told(etl: Path) -> None:
    etl.write_text(SOURCE.replace("def etl()", "def etl(day: str)"))
    with pytest.raises(InputError, match="pipeline `etl` is missing input `day`"):
        loaded(etl).run(mode="generate")


def test_a_setting_that_is_none_is_told_with_those_there_are(etl: Path, tmp_path: Path) -> None:
    told = glacier("generate", "etl.py", "--provider", "aws", "--set", "regoin=x", folder=tmp_path, code=2)
    assert told.startswith("InputError: AWSProvider has no setting `regoin`\n  Fix: write --set region=..., one of")
    told = glacier("generate", "etl.py", "--provider", "aws", "--set", "region", folder=tmp_path, code=2)
    assert told.startswith("InputError: --set `region` has no value\n  Fix: write --set region=..., one of")
    told = glacier("generate", "etl.py", "--provider", "azure", folder=tmp_path, code=2)
    assert told.endswith("and AZURE_STORAGE_ACCOUNT_NAME is not set\n  Fix: add --set storage_account=...\n")
    told = glacier("generate", "etl.py", "--provider", "aws", "--set", "region=Oslo", folder=tmp_path, code=2)
    assert told.splitlines()[1:] == ['  Fix: write region="us-east-1" (no zone, no spaces)']
    told = glacier("generate", "etl.py", "--set", "region=x", folder=tmp_path, code=2)
    assert told == "InputError: --set is given without --provider\n  Fix: add --provider aws, gcp or azure\n"


@pytest.mark.parametrize(
    ("body", "told", "fix"),
    [
        (
            """    load(aws.bucket("raw-data", path="a.parquet"))
    load(aws.bucket("raw.data", path="a.parquet"))""",
            "pipeline `etl` would declare `aws_s3_bucket.raw_data` twice",
            "give one of the two another name; names are told apart without case and punctuation",
        ),
        (
            """    aws.serverless("sums", handler="absent.handler").invoke(payload={})""",
            "function `sums` is handled by `absent.handler`, but there is no absent.py",
            "",
        ),
        (
            """    sums = aws.serverless("sums", handler="clean.handler", requirements=["no-such-package-glacier==1.0"])
    sums.invoke()""",
            "the requirements of function `sums` cannot be had for Python",
            "correct requirements=[...], or choose versions that have wheels for this platform",
        ),
    ],
)
def test_what_cannot_be_generated_is_told_and_nothing_is_written(etl: Path, body: str, told: str, fix: str) -> None:
    (etl.parent / "clean.py").write_text("def handler(event, context):\n    return event\n")
    head, _, _ = SOURCE.partition("@pipeline")
    etl.write_text(
        head.replace("import LocalProvider", "import AWSProvider, LocalProvider")
        + f'aws = AWSProvider(region="eu-north-1")\n\n\n@pipeline\ndef etl() -> None:\n{body}\n'
    )
    printed = glacier("generate", "etl.py", folder=etl.parent, code=2)
    assert printed.startswith(f"ConfigError: {told}")
    assert f"Fix: {fix}" in printed
    assert "  at etl.py:" in printed
    assert not (etl.parent / "terraform").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small file system takes root")
def test_a_folder_without_room_keeps_what_was_there(etl: Path, tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", small], check=False).returncode:
        pytest.skip("this machine lets nobody mount")
    try:
        glacier("generate", "etl.py", "-o", "small/terraform", folder=tmp_path)
        before = tree(small)
        (small / "filler").write_bytes(b"\0" * (64 * 1024 - sum(-(-len(b) // 4096) * 4096 for b in before.values())))
        etl.write_text(SOURCE.replace('"clean", path', '"cleaned", path'))
        told = glacier("generate", "etl.py", "-o", "small/terraform", folder=tmp_path, code=2)
        (small / "filler").unlink()
        assert "No space left on device" in told
        assert tree(small) == before
    finally:
        subprocess.run(["umount", small], check=True)


def test_what_cannot_be_read_is_told_when_generating(etl: Path) -> None:
    etl.write_text(SOURCE.replace("    return source.scan()", "    return getattr(source, str('scan'))()"))
    made = loaded(etl).run(mode="generate")
    warnings = [line for line in str(made).splitlines() if line.startswith("warning: ")]
    assert warnings[-1] == (
        "warning: what `load` does to bucket `raw` is not known, so it may do anything in it: state it with "
        "@task(reads=[...], writes=[...])"
    )


def test_a_body_with_a_bucket_in_a_with_block_is_planned_without_its_cloud(etl: Path, tmp_path: Path) -> None:
    text = SOURCE.replace('LocalProvider(f"./data-{ENV}")', 'GCPProvider(project_id="acme-data", timeout=1)')
    text = text.replace("import LocalProvider", "import GCPProvider")
    head, body = text.split("def etl() -> None:\n")
    (first, second) = body.splitlines()
    block = '    with provider.bucket("raw", path="a.parquet") as raw:\n        frame = load(raw)\n'
    assert first.strip().startswith("frame = load(")
    etl.write_text(f"{head}def etl() -> None:\n{block}{second}\n")
    assert loaded(etl).run(mode="generate").blueprint.cloud == "Google Cloud"


def test_a_file_that_fails_in_an_environment_is_told_with_its_line(etl: Path) -> None:
    etl.write_text(SOURCE.replace("ENV = ", "LIMIT = {'dev': 1}[os.environ['GLACIER_ENVIRONMENT']]\nENV = "))
    told = glacier("generate", "etl.py", "--env", "dev", "--env", "prod", folder=etl.parent, code=2)
    assert told.startswith("InputError: `etl.py` cannot be read in environment `prod`:\nTraceback")
    assert "LIMIT = {'dev': 1}" in told
    assert told.count("Traceback") == 1
    assert not (etl.parent / "terraform").exists()
