"""What is carried to a cloud: functions' archives and the image; the same bytes everywhere, and what is refused."""

from __future__ import annotations

import ast
import io
import json
import os
import subprocess
import sys
import tarfile
import textwrap
import time
import zipfile
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from glacier.blueprint import Asset
from glacier.config import AzureFunctionConfig, LambdaConfig
from glacier.config.deploy import Compute, DeployConfig
from glacier.deployment.commands import records_uri, stage_command, stage_environment
from glacier.deployment.needs import DeclaredBucket, DeclaredFunction, Deployment, Stage
from glacier.deployment.packaging import Platform, archive_of, image_of
from glacier.deployment.requirements import missing_requirements, requirements_of
from glacier.errors import ConfigError
from glacier.providers import AWSProvider, GCPProvider, LocalProvider

AWS = AWSProvider(region="us-east-1", name_prefix="acme-", tags={"team": "sales"}, profile="mine")

WHEEL = f"glacier_pipelines-{version('glacier-pipelines')}-py3-none-any.whl"

PROCESS = """
    from pathlib import Path

    import helpers.text
    import rates

    def handler(event, context):
        if event is None:
            raise ValueError("no event")
        return {
            "text": helpers.text.louder(event["text"]),
            "rate": rates.RATE,
            "model": Path("model.json").read_text().strip(),
            "name": context.function_name,
            "left": context.get_remaining_time_in_millis() > 0,
        }
"""


def project(folder: Path) -> Path:
    """A project with a function beside its pipeline, and much that does not belong to either."""
    files = {
        "process.py": PROCESS,
        "rates.py": "RATE = 2\n",
        "helpers/__init__.py": "",
        "helpers/text.py": "from . import letters\n\ndef louder(text):\n    return letters.upper(text)\n",
        "helpers/letters.py": "def upper(text):\n    return text.upper()\n",
        "helpers/words.txt": "a\n",
        "model.json": "{}\n",
        "etl.py": """
            import polars as pl
            import rates
            from glacier import pipeline, task

            @task
            def one() -> int:
                return rates.RATE

            @pipeline
            def sales() -> int:
                return one()
        """,
        "unrelated.py": "import nothing_of_this_name\n",
        "secret.json": "{}",
        ".env": "PASSWORD=1\n",
        "data/raw.parquet": "not taken",
        "tests/test_process.py": "",
        "helpers/__pycache__/text.cpython-311.pyc": "",
        ".venv/pyvenv.cfg": "",
        ".venv/lib/rates.py": "",
    }
    for name, content in files.items():
        place = folder / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(textwrap.dedent(content), "utf-8")
    return folder


def function(folder: Path, handler: str = "process.handler", **options: Any) -> DeclaredFunction:
    name = options.pop("name", "sums")
    declared = LocalProvider().serverless(name, handler=handler, source=folder, **options)
    site = options.get("site", declared.site)
    return DeclaredFunction(
        name, name, AWS, declared.config, handler, declared.runtime, Path(declared.source), declared.requirements,
        site=site,
    )  # fmt: skip


def beside(folder: Path, handler: str = "process.handler", **options: Any) -> DeclaredFunction:
    """A function declared in the project's own etl.py, without `source=`."""
    from dataclasses import replace

    from glacier.errors import Site

    return replace(function(folder, handler, **options), site=Site(str(folder / "etl.py"), 1))


def names(asset: Asset) -> list[str]:
    return zipfile.ZipFile(io.BytesIO(asset.content)).namelist()


OWN = ["helpers/__init__.py", "helpers/letters.py", "helpers/text.py", "helpers/words.txt", "model.json", "process.py",
       "rates.py"]  # fmt: skip


def test_beside_the_pipeline_only_what_the_handler_needs_is_taken(tmp_path: Path) -> None:
    made = archive_of(beside(project(tmp_path)), "lambda-x86_64")
    assert (made.path, names(made)) == ("functions/sums.zip", OWN)


def test_of_a_folder_of_its_own_all_is_taken(tmp_path: Path) -> None:
    made = archive_of(function(project(tmp_path)), "lambda-arm64")
    assert names(made) == sorted([*OWN, "data/raw.parquet", "etl.py", "secret.json", "unrelated.py"])


@pytest.mark.parametrize("platform", ["lambda-x86_64", "gcp"])
def test_the_same_bytes_whatever_the_folder_the_time_and_the_umask(
    tmp_path: Path, platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = archive_of(beside(project(tmp_path / "here")), platform)
    monkeypatch.setenv("TZ", "Asia/Kathmandu")
    time.tzset()
    before = os.umask(0o077)
    try:
        there = project(tmp_path / "somewhere" / "else")
    finally:
        os.umask(before)
    for file in there.rglob("*"):
        os.utime(file, (0, 0))
    second = archive_of(beside(there), platform)
    monkeypatch.undo()
    time.tzset()
    assert first == second
    assert str(tmp_path).encode() not in first.content


def test_an_archive_answers_requests(tmp_path: Path) -> None:
    """The part of a Google or Azure archive that is Glacier's own, run as a process from the unpacked zip."""
    made = archive_of(beside(project(tmp_path / "project")), "gcp")
    zipfile.ZipFile(io.BytesIO(made.content)).extractall(tmp_path / "app")
    script = "import function_entry as f; print(*f.answer(b'{\"text\": \"hi\"}')); print(*f.answer(b''))"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path / "app", capture_output=True, text=True, check=True
    )
    good, bad = done.stdout.splitlines()
    assert good.startswith("200 ")
    assert json.loads(good[4:]) == {"text": "HI", "rate": 2, "model": "{}", "name": "sums", "left": True}
    told = json.loads(bad[4:])
    trace = told.pop("stackTrace")
    assert told == {"errorType": "ValueError", "errorMessage": "no event"}
    assert trace == ['  File "process.py", line 9, in handler\n    raise ValueError("no event")\n']
    assert "ValueError: no event" in done.stderr


def test_a_handler_in_a_module_main_is_not_the_clouds_own(tmp_path: Path) -> None:
    (tmp_path / "project").mkdir()
    (tmp_path / "project" / "main.py").write_text("def handler(event, context):\n    return event\n")
    made = archive_of(function(tmp_path / "project", "main.handler"), "gcp")
    assert names(made) == ["function_entry.json", "function_entry.py", "main.py", "requirements.txt", "source/main.py"]
    zipfile.ZipFile(io.BytesIO(made.content)).extractall(tmp_path / "app")
    framework = tmp_path / "framework"
    framework.mkdir()
    (framework / "functions_framework.py").write_text("def http(function):\n    return function\n")
    script = "import main; print(main.glacier_function(type('R', (), {'get_data': lambda self: b'7'})()))"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path / "app", capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": str(framework)}, check=True,
    )  # fmt: skip
    assert ast.literal_eval(done.stdout) == ("7", 200, {"Content-Type": "application/json"})


def test_requirements_go_in_as_wheels_of_the_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    index = tmp_path / "index"
    index.mkdir()
    for tag, content in (("manylinux_2_28_x86_64", "x86"), ("manylinux2014_aarch64", "arm"), ("win32", "win")):
        with zipfile.ZipFile(index / f"tiny-1.0-cp312-cp312-{tag}.whl", "w") as wheel:
            wheel.writestr("tiny/__init__.py", f"MACHINE = '{content}'\n")
            wheel.writestr("tiny-1.0.data/scripts/tiny", "#!python\n")
            wheel.writestr("tiny-1.0.data/purelib/more.py", "")
            wheel.writestr("tiny-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n")
            wheel.writestr("tiny-1.0.dist-info/WHEEL", f"Wheel-Version: 1.0\nTag: cp312-cp312-{tag}\n")
            wheel.writestr("tiny-1.0.dist-info/RECORD", "")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(index))
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    folder = project(tmp_path / "project")
    for platform, machine in (("lambda-x86_64", "x86"), ("lambda-arm64", "arm")):
        made = archive_of(beside(folder, runtime="python3.12", requirements=["tiny"]), platform)  # type: ignore[arg-type]  # a literal
        packed = zipfile.ZipFile(io.BytesIO(made.content))
        assert packed.read("tiny/__init__.py").decode() == f"MACHINE = '{machine}'\n"
        assert {"more.py", "process.py", "tiny-1.0.dist-info/METADATA"} <= set(packed.namelist())
        assert not [name for name in packed.namelist() if "scripts" in name]
    with pytest.raises(ConfigError) as caught:
        archive_of(beside(folder, runtime="python3.11", requirements=["tiny==1.0"]), "lambda-x86_64")
    assert str(caught.value).partition("\n  at ")[0] == (
        "the requirements of function `sums` cannot be had for Python 3.11 on Linux x86_64:\n"
        "    No matching distribution found for tiny==1.0"
    )
    gcp = archive_of(beside(folder, requirements=["tiny"]), "gcp")
    packed = zipfile.ZipFile(io.BytesIO(gcp.content))
    assert packed.read("requirements.txt").decode().splitlines()[1:] == ["tiny"]


def only_azure_library(tmp_path: Path, of: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets pip find Azure's library, without what is in it, and nothing else."""
    index = tmp_path / "index"
    index.mkdir()
    with zipfile.ZipFile(index / f"azure_functions-{of}-py3-none-any.whl", "w") as wheel:
        told = f"azure_functions-{of}.dist-info"
        wheel.writestr("azure/functions/__init__.py", "")
        wheel.writestr(f"{told}/METADATA", f"Metadata-Version: 2.1\nName: azure-functions\nVersion: {of}\n")
        wheel.writestr(f"{told}/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        wheel.writestr(f"{told}/RECORD", "")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(index))
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)


@pytest.mark.parametrize(("runtime", "version"), [("python3.12", "1.26.0"), ("python3.13", "2.3.0")])
def test_an_azure_app_has_its_packages_and_its_timeout(
    runtime: str, version: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    only_azure_library(tmp_path, version, monkeypatch)
    config = AzureFunctionConfig(timeout=3700, memory=2048)
    made = archive_of(beside(project(tmp_path / "project"), runtime=runtime, config=config), "azure")
    packed = zipfile.ZipFile(io.BytesIO(made.content))
    assert ".python_packages/lib/site-packages/azure/functions/__init__.py" in packed.namelist()
    assert json.loads(packed.read("host.json"))["functionTimeout"] == "01:01:40"
    assert json.loads(packed.read("function_entry.json"))["memory"] == 2048
    compile(packed.read("function_app.py"), "function_app.py", "exec")


def refusal(make: Callable[[], object]) -> str:
    with pytest.raises(ConfigError) as caught:
        make()
    fix = caught.value.fix
    return f"{caught.value.message} / {fix}"


def test_handlers_that_are_not_there(tmp_path: Path) -> None:
    folder = project(tmp_path / "project")
    assert refusal(lambda: archive_of(beside(folder, "proces.handler"), "gcp")) == (
        "function `sums` is handled by `proces.handler`, but there is no proces.py in the folder `project` / "
        "did you mean `process`, `rates`?"
    )
    assert refusal(lambda: archive_of(beside(folder, "process.handle"), "gcp")) == (
        "function `sums` is handled by `process.handle`, but process.py has no `handle` at its top / "
        "did you mean `handler`?"
    )
    (folder / "inner.py").write_text("def outer():\n    def inside(event, context): ...\n    return inside\n")
    assert refusal(lambda: archive_of(beside(folder, "inner.inside"), "gcp")) == (
        "function `sums` is handled by `inner.inside`, but inner.py has no `inside` at its top / "
        "write `def inside(event, context):` there"
    )
    (folder / "broken.py").write_text("def handler(event, context)\n")
    assert refusal(lambda: archive_of(beside(folder, "broken.handler"), "gcp")) == (
        "`broken.py` is not Python: expected ':' / correct this line"
    )


def test_an_archive_longer_than_lambda_takes(tmp_path: Path) -> None:
    folder = project(tmp_path / "project")
    (folder / "helpers" / "big.bin").write_bytes(bytes(251 * 1024 * 1024))
    assert refusal(lambda: archive_of(beside(folder, config=LambdaConfig()), "lambda-x86_64")) == (
        "the archive of function `sums` has 251 MiB unzipped, and Lambda takes 250 (AWS Lambda quotas: deployment "
        "package size) / take packages out of requirements=[...], or do this work in a task"
    )


def deployment(root: Path, entry: str = "etl:sales", **options: Any) -> Deployment:
    stage = Stage("main", Compute(), ("one",))
    records = DeclaredBucket("sales-runs", "acme-sales-runs-prod", AWSProvider(region="us-east-1", name_prefix="acme-",
                             environment="prod"))  # fmt: skip
    return Deployment(
        "sales",
        entry,
        root,
        root / "terraform",
        AWS,
        "prod",
        (),
        (),
        (stage,),
        records,
        None,
        DeployConfig(),
        **options,
    )


def test_an_image_holds_what_the_entry_imports_and_nothing_of_the_machine(tmp_path: Path) -> None:
    image = image_of(deployment(project(tmp_path / "project")))
    by_path = {asset.path: asset.content for asset in image.assets}
    assert list(by_path) == ["image/Dockerfile", "image/project.tar", "image/requirements.txt", f"image/{WHEEL}"]
    packed = tarfile.open(fileobj=io.BytesIO(by_path["image/project.tar"]))
    assert packed.getnames() == ["etl.py", "rates.py"]
    assert str(tmp_path).encode() not in b"".join(by_path.values())
    recipe = by_path["image/Dockerfile"].decode()
    assert f"FROM python:{sys.version_info[0]}.{sys.version_info[1]}-slim-bookworm" in recipe
    assert "\nUSER 10001:10001\n" in recipe
    assert recipe.index("\nCOPY *.whl /tmp/wheels/\n") < recipe.index("pip install")
    lines = by_path["image/requirements.txt"].decode().splitlines()
    import polars

    assert lines[0] == f"glacier-pipelines[aws] @ file:///tmp/wheels/{WHEEL}"
    assert f"polars=={polars.__version__}" in lines
    assert not [line for line in lines if line.startswith(("pytest", "ruff", "mypy", "moto"))]
    assert all("==" in line for line in lines[1:])


def test_the_tag_is_that_of_the_content(tmp_path: Path) -> None:
    here, there = project(tmp_path / "here"), project(tmp_path / "there")
    first, second = image_of(deployment(here)), image_of(deployment(there))
    assert first == second
    (there / "unrelated.py").write_text("x = 1\n")
    assert image_of(deployment(there)).tag == first.tag
    (there / "rates.py").write_text("RATE = 3\n")
    assert image_of(deployment(there)).tag != first.tag


@pytest.mark.parametrize(
    ("imported", "requirements", "missing"),
    [
        ({"polars", "json", "unheard_of"}, [], ["polars"]),
        ({"polars"}, ["Polars[numpy]>=2"], []),
        ({"obstore"}, ["glacier-pipelines"], ["obstore"]),
        ({"obstore"}, ["glacier-pipelines[aws]"], []),  # an extra of an extra
        ({"polars"}, ["not-installed-here"], []),  # which may bring it
        ({"polars"}, ["-r more.txt"], []),
    ],
)
def test_what_requirements_do_not_bring(imported: set[str], requirements: list[str], missing: list[str]) -> None:
    found = missing_requirements(imported, requirements)
    assert found == {name: f"{name}=={version(name)}" for name in missing}


def test_a_projects_own_lock_is_taken_as_it_is(tmp_path: Path) -> None:
    own = f"glacier-pipelines[gcp] @ file:///tmp/wheels/{WHEEL}\n"
    (tmp_path / "requirements.txt").write_text("# mine\npolars==2.1.0")
    found = requirements_of(tmp_path, {"polars"}, "gcp", ["orjson"])
    assert found.text == f"# mine\npolars==2.1.0\n{own}orjson\n"
    assert [wheel.file for wheel in found.wheels] == [WHEEL]
    hashed = "glacier_pipelines==0.1 --hash=sha256:00\n"
    (tmp_path / "requirements.txt").write_text(hashed)
    assert requirements_of(tmp_path, {"polars"}, "gcp", ["orjson"]).text == hashed


@pytest.mark.parametrize(
    "named",
    [
        "glacier-pipelines @ git+https://git.example/glacier@v1",
        "Glacier_Pipelines[aws]>=0.1",
        "-e git+https://git.example/glacier#egg=glacier-pipelines",
        "./vendored/glacier_pipelines-0.2-py3-none-any.whl",
    ],
)
@pytest.mark.parametrize("in_lock", [True, False])
def test_glacier_is_named_once(tmp_path: Path, named: str, in_lock: bool) -> None:
    if in_lock:
        (tmp_path / "requirements.txt").write_text(f"{named}\n")
    found = requirements_of(tmp_path, {"glacier"}, "aws", [] if in_lock else [named])
    assert [line for line in found.text.splitlines() if "glacier" in line.lower()] == [named]
    assert found.wheels == ()


def test_glacier_from_an_index_is_asked_of_the_index(tmp_path: Path) -> None:
    installed(tmp_path / "site", "glacier-pipelines", "7.0")
    script = f"""
from pathlib import Path
from glacier.deployment.requirements import requirements_of
print(requirements_of(Path({str(tmp_path)!r}), set(), "aws", []))
"""
    path = os.pathsep.join((str(tmp_path / "site"), *sys.path))
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True,
        env={**os.environ, "PYTHONPATH": path},
    )  # fmt: skip
    assert done.stdout == "Requirements(text='glacier-pipelines[aws]==7.0\\n', wheels=())\n"


def test_pip_installs_the_wheel_of_glacier_without_an_index(tmp_path: Path) -> None:
    (wheel,) = requirements_of(tmp_path, (), "aws", ()).wheels
    (tmp_path / wheel.file).write_bytes(wheel.content)
    place = tmp_path / "installed"
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "-q", "--disable-pip-version-check", "--no-index", "--no-deps",
         "--target", str(place), f"glacier-pipelines[aws] @ file://{tmp_path}/{wheel.file}"],
        check=True,
    )  # fmt: skip
    script = "import glacier, glacier.cli; print(glacier.__file__, glacier.__version__)"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True,
        env={**os.environ, "PYTHONPATH": str(place)},
    )  # fmt: skip
    import glacier

    assert done.stdout.split() == [str(place / "glacier" / "__init__.py"), glacier.__version__]
    here = Path(glacier.__file__).parent
    sources = {str(file.relative_to(here)) for file in here.rglob("*.py")}
    assert {str(file.relative_to(place / "glacier")) for file in (place / "glacier").rglob("*.py")} == sources
    assert (place / "bin" / "glacier").is_file()


def installed(site: Path, name: str, version: str, told: dict[str, Any] | None = None, **files: str) -> None:
    """A package as pip leaves it: its files, what is told of it, and in `told` where it was from (PEP 610)."""
    module = name.replace("-", "_")
    about = {
        "METADATA": f"Metadata-Version: 2.4\nName: {name}\nVersion: {version}\nLicense-File: LICENSE\n"
        "Requires-Dist: acme-core @ git+https://me:hunter2@git.example/core ; sys_platform == 'linux'\n",
        "entry_points.txt": f"[acme.plugins]\n{name} = {module}:of\n",
        "INSTALLER": "pip\n",
        **({"direct_url.json": json.dumps(told)} if told is not None else {}),
    }
    contents = {f"{module}-{version}.dist-info/{file}": text for file, text in about.items()} | files
    record = f"{module}-{version}.dist-info/RECORD"
    contents[record] = "".join(f"{file},,\n" for file in (*contents, record))
    for file, text in contents.items():
        place = site / file
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)


def test_what_was_not_installed_from_an_index_goes_along(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def machine(name: str) -> Path:
        folder = tmp_path / name
        source = folder / "repository" / "src" / "ratebook"
        source.mkdir(parents=True)
        (source / "__init__.py").write_text("RATE = 2\n")
        (source / "rates.csv").write_text("a\n")
        edited = {"url": (folder / "repository").as_uri(), "dir_info": {"editable": True}}
        installed(folder / "site", "acme-rates", "1.0", edited, **{"_acme.pth": f"{source.parent}\n"})
        vcs = {"vcs": "git", "commit_id": "a" * 40}
        address = "https://me:hunter2@git.example/tools"
        files = {"acme_tools/__init__.py": "def of(): ...\n", "acme_tools/__pycache__/__init__.pyc": "", "../run": ""}
        installed(folder / "site", "acme-tools", "2.0+g1", {"url": address, "vcs_info": vcs}, **files)
        return folder

    def made(machine: Path) -> Any:
        with monkeypatch.context() as patch:
            for place in (machine / "repository" / "src", machine / "site"):
                patch.syspath_prepend(place)
            return requirements_of(tmp_path, {"ratebook", "acme_tools"}, "aws", ())

    found = made(machine("here"))
    assert [line for line in found.text.splitlines() if "acme" in line] == [
        "acme-rates @ file:///tmp/wheels/acme_rates-1.0-py3-none-any.whl",
        "acme-tools @ file:///tmp/wheels/acme_tools-2.0+g1-py3-none-any.whl",
    ]
    assert found == made(machine("somewhere-else"))
    _, rates, tools = found.wheels
    assert b"hunter2" not in rates.content + tools.content
    assert str(tmp_path).encode() not in rates.content + tools.content
    for wheel in (rates, tools):
        (tmp_path / wheel.file).write_bytes(wheel.content)
    place = tmp_path / "installed"
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "-q", "--disable-pip-version-check", "--no-index", "--no-deps",
         "--target", str(place), *(str(tmp_path / wheel.file) for wheel in (rates, tools))],
        check=True,
    )  # fmt: skip
    there = {str(file.relative_to(place)) for file in place.rglob("*") if file.is_file()}
    about = {"METADATA", "WHEEL", "RECORD", "INSTALLER", "REQUESTED", "direct_url.json", "entry_points.txt"}
    assert {name for name in there if not name.endswith(".pyc")} == {
        "ratebook/__init__.py", "ratebook/rates.csv", "acme_tools/__init__.py",
        *(f"{name}.dist-info/{file}" for name in ("acme_rates-1.0", "acme_tools-2.0+g1") for file in about),
    }  # fmt: skip
    told = (place / "acme_rates-1.0.dist-info" / "METADATA").read_text()
    assert told == (
        "Metadata-Version: 2.1\nName: acme-rates\nVersion: 1.0\nRequires-Dist: acme-core ; sys_platform == 'linux'\n"
    )


def test_what_conda_installed_is_asked_of_the_index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    built: dict[str, Any] = {"url": "file:///home/conda/feedstock_root/build_artifacts/acme-solver", "dir_info": {}}
    files = {"acme_solver/__init__.py": "", "acme_solver/inner.so": ""}
    installed(tmp_path / "site", "acme-solver", "1.0", built, **files)
    (tmp_path / "site" / "acme_solver-1.0.dist-info" / "INSTALLER").write_text("conda\n")
    monkeypatch.syspath_prepend(tmp_path / "site")
    found = requirements_of(tmp_path, {"acme_solver"}, "aws", ())
    assert [line for line in found.text.splitlines() if "acme" in line and "core" not in line] == ["acme-solver==1.0"]


def test_a_package_for_this_machine_only_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = {"acme_fast/__init__.py": "", "acme_fast/inner.so": ""}
    installed(tmp_path / "site", "acme-fast", "1.0", {"url": tmp_path.as_uri(), "dir_info": {}}, **files)
    monkeypatch.syspath_prepend(tmp_path / "site")
    assert refusal(lambda: requirements_of(tmp_path, {"acme_fast"}, "aws", ())) == (
        "package `acme-fast` was installed from another place than an index, and cannot go into the image: "
        "`acme_fast/inner.so` in it is for this machine only / "
        'say where pip is to get it: @pipeline(deploy=DeployConfig(requirements=["acme-fast @ https://..."]))'
    )
    stated = requirements_of(tmp_path, {"acme_fast"}, "aws", ("acme-fast==1.0",))
    assert [line for line in stated.text.splitlines() if "acme" in line] == ["acme-fast==1.0"]


def test_how_a_stage_is_started(tmp_path: Path) -> None:
    one = deployment(tmp_path)
    (stage,) = one.stages
    assert stage_command(one, stage, records_uri(one)) == (
        "python", "-m", "glacier.runtime", "etl:sales", "--stage", "main", "--records", "s3://acme-sales-runs-prod",
    )  # fmt: skip
    assert stage_environment(one, stage) == {
        "GLACIER_ENVIRONMENT": "prod",
        "GLACIER_PROVIDER": '{"cloud": "aws", "name_prefix": "acme-", "region": "us-east-1"}',
        "GLACIER_REBINDS": "1",
        "GLACIER_TIMEOUT": "3600",
    }


def test_the_environment_is_taken_from_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GLACIER_ENVIRONMENT", "prod")
    assert GCPProvider(name_prefix="acme-").bucket("raw", path="a.csv").uri == "gs://acme-raw-prod/a.csv"
    assert AWSProvider(region="us-east-1", environment="dev").bucket("raw", path="a.csv").uri == "s3://raw-dev/a.csv"
