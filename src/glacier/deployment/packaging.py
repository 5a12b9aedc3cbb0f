"""What is carried to a cloud: an archive for each function, and the recipe of the image that stages run from."""

from __future__ import annotations

import ast
import hashlib
import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, assert_never, cast

from glacier.blueprint import Asset
from glacier.deployment.archives import tarred, zipped
from glacier.deployment.needs import DeclaredFunction, Deployment, slug
from glacier.deployment.requirements import WHEELS, missing_requirements, requirements_of
from glacier.deployment.sources import module_file, parsed, sources_of, whole_folder
from glacier.deployment.wheels import Target, packages_for
from glacier.errors import ConfigError, did_you_mean, listed
from glacier.providers import AWSProvider, AzureProvider, GCPProvider

Platform = Literal["lambda-x86_64", "lambda-arm64", "gcp", "azure"]

ARCHIVES = "functions/"
"""The folder of functions' archives."""
GCP_ENTRY_POINT = "glacier_function"
"""The function in an archive's `main.py` that Google's framework is to call."""

# Versions that the modules below were written against; exact, so that an archive stays the same.
_FRAMEWORK = "functions-framework==3.10.2"
_AZURE_LIBRARY, _AZURE_LIBRARY_BEFORE_3_13 = "azure-functions==2.3.0", "azure-functions==1.26.0"

_MIB = 1024 * 1024
_LAMBDA_UNZIPPED = 250 * _MIB
_LAMBDA_QUOTAS = "AWS Lambda quotas: deployment package size"

_AT_HAND: dict[type, frozenset[str]] = {
    AWSProvider: frozenset(
        {"boto3", "botocore", "s3transfer", "awslambdaric", "urllib3", "jmespath", "dateutil", "six"}
    ),
    GCPProvider: frozenset({"functions_framework", "flask", "werkzeug", "jinja2", "click", "cloudevents"}),
    AzureProvider: frozenset({"azure"}),
}
"""What a cloud's own runtime of functions brings, or the archive that Glacier makes for it."""


@dataclass(frozen=True)
class Image:
    """What a stage's container image is built from: `docker build image/` in the folder of the declarations.

    Attributes:
        assets: the recipe, the requirements, wheels of those that no index has and the sources, all below `image/`.
        tag: of the image: 12 digits of a SHA-256 over all of these.
    """

    assets: tuple[Asset, ...]
    tag: str


def python_of(function: DeclaredFunction) -> str:
    """Gives the version of Python a function runs on, `3.12`: what was declared, else this one's."""
    return (function.runtime or f"python{sys.version_info[0]}.{sys.version_info[1]}").removeprefix("python")


def handler_of(function: DeclaredFunction) -> str:
    """Gives the handler as Lambda and Python name it, with dots only: `jobs.process.handler`."""
    return function.handler.replace("/", ".")


def archive_of(function: DeclaredFunction, platform: Platform) -> Asset:
    """Gives the zip that a function is deployed as: its sources, what they need, and what the cloud calls.

    Where the function's declaration names a folder (`source=`), all of it is taken, without what is hidden, caches,
    virtual environments and tests. Where it does not, the handler lies beside the pipeline, and only what it imports
    from there is taken; see `sources_of`.

    The packages in `requirements` go in for Lambda and Azure, as wheels for their machines; Google installs them from a
    `requirements.txt`. Same input, same bytes, on every machine, as long as pip finds the same versions.

    Raises:
        ConfigError: the handler is not there, requirements cannot be had, or the archive is longer than Lambda takes.
    """
    _check_handler(function)
    files = {name: file.read_bytes() for name, file in _sources(function).items()}
    match platform:
        case "lambda-x86_64" | "lambda-arm64":
            target = _lambda_target(platform, python_of(function))
            packages = packages_for(target, function.requirements, function.name, function.site)
            files = {**packages, **files}
        case "gcp":
            requirements = "".join(f"{line}\n" for line in (_FRAMEWORK, *function.requirements))
            files = _called_over_http(function, files) | {"main.py": _GCP, "requirements.txt": requirements.encode()}
        case "azure":
            target = Target("x86_64", python_of(function), 28)
            is_before = int(python_of(function).partition(".")[2]) < 13
            wanted = (_AZURE_LIBRARY_BEFORE_3_13 if is_before else _AZURE_LIBRARY, *function.requirements)
            packages = packages_for(target, wanted, function.name, function.site)
            installed = {f".python_packages/lib/site-packages/{name}": content for name, content in packages.items()}
            own = {"function_app.py": _AZURE, "host.json": _host_json(function)}
            files = _called_over_http(function, files) | installed | own
        case _:
            assert_never(platform)
    archive = zipped(files)
    if platform.startswith("lambda"):
        _check_size(function, sum(map(len, files.values())))
    return Asset(f"{ARCHIVES}{slug(function.name)}.zip", archive)


def lacking_packages(function: DeclaredFunction) -> Iterator[str]:
    """Warns of what a function's code imports and may not find in the cloud."""
    at_hand = _AT_HAND.get(type(cast("object", function.provider)))
    if at_hand is None:
        return
    try:
        imported = sources_of(function.source, handler_of(function).rpartition(".")[0], function.site).imported
    except ConfigError:  # told when the archive is made
        return
    missing = missing_requirements(imported - at_hand, function.requirements)
    if missing:
        whole = json.dumps([*function.requirements, *missing.values()])
        yield (
            f"function `{function.name}` imports {listed(missing)}, which its requirements do not bring, and may fail "
            f"in the cloud: write requirements={whole}"
        )


def image_of(deployment: Deployment) -> Image:
    """Gives what the image of a pipeline's stages is built from.

    The image holds the entry's module and what it imports from the project, see `sources_of`, with packages of the very
    versions that are installed here; see `requirements_of`. It runs as a user of its own and writes to `/tmp` only.

    Raises:
        ConfigError: the entry's module is not there, or is not Python; or a package cannot go into the image.
    """
    found = sources_of(deployment.root, deployment.entry.partition(":")[0], deployment.site)
    extra = _extra(deployment.provider)
    more = deployment.options.requirements
    requirements = requirements_of(deployment.root, found.imported, extra, more, deployment.site)
    python = f"{sys.version_info[0]}.{sys.version_info[1]}"
    recipe = _DOCKERFILE.replace("python:PYTHON", f"python:{python}")
    recipe = recipe.replace("# COPY WHEELS\n", "COPY *.whl WHEELS/\n" if requirements.wheels else "")
    recipe = recipe.replace("WHEELS", WHEELS)
    assets = (
        Asset("image/Dockerfile", recipe.encode()),
        Asset("image/project.tar", tarred({name: file.read_bytes() for name, file in found.files.items()})),
        Asset("image/requirements.txt", requirements.text.encode()),
        *(Asset(f"image/{wheel.file}", wheel.content) for wheel in requirements.wheels),
    )
    digest = hashlib.sha256()
    for asset in assets:
        digest.update(f"{asset.path}\0{len(asset.content)}\0".encode() + asset.content)
    return Image(assets, digest.hexdigest()[:12])


def _extra(provider: object) -> str:
    match provider:
        case AWSProvider():
            return "aws"
        case GCPProvider():
            return "gcp"
        case AzureProvider() | _:
            return "cloud"


def _sources(function: DeclaredFunction) -> Mapping[str, Path]:
    module = handler_of(function).rpartition(".")[0]
    beside = function.site is not None and Path(function.site.file).parent.absolute() == function.source.absolute()
    return sources_of(function.source, module, function.site).files if beside else whole_folder(function.source)


def _check_handler(function: DeclaredFunction) -> None:
    """Refuses a handler that is not there; imports nothing.

    Raises:
        ConfigError: no such module in the folder, or no such function at the module's top.
    """
    module, _, name = handler_of(function).rpartition(".")
    file = module_file(function.source, module)
    if file is None or not file.is_file():
        there = [place.stem for place in function.source.glob("*.py")] if function.source.is_dir() else []
        near = did_you_mean(module, there)
        raise ConfigError(
            f"function `{function.name}` is handled by `{function.handler}`, but there is no "
            f"{module.replace('.', '/')}.py in the folder `{function.source.name}`",
            site=function.site,
            fix=f"did you mean {listed(near)}?" if near else 'correct handler=, or say the folder: source="..."',
        )
    defined = list(_defined(parsed(file, function.site).body))
    if name not in defined:
        near = did_you_mean(name, defined)
        raise ConfigError(
            f"function `{function.name}` is handled by `{function.handler}`, but {file.name} has no `{name}` "
            "at its top",
            site=function.site,
            fix=f"did you mean {listed(near)}?" if near else f"write `def {name}(event, context):` there",
        )


def _defined(body: list[ast.stmt]) -> list[str]:
    """Gives the names that a module's top defines, in branches too."""
    names: list[str] = []
    for statement in body:
        match statement:
            case ast.FunctionDef(name) | ast.AsyncFunctionDef(name) | ast.ClassDef(name):
                names.append(name)
            case ast.Import(aliases) | ast.ImportFrom(names=aliases):
                names += [alias.asname or alias.name.partition(".")[0] for alias in aliases]
            case ast.Assign(targets):
                names += [target.id for target in targets if isinstance(target, ast.Name)]
            case ast.AnnAssign(ast.Name(name)):
                names.append(name)
            case ast.If(_, inner, other) | ast.Try(inner, _, other):
                names += [*_defined(inner), *_defined(other)]
            case _:
                pass
    return names


def _lambda_target(platform: Platform, python: str) -> Target:
    """Gives the machine: Amazon Linux 2023 (glibc 2.34) from Python 3.12 on, before that Amazon Linux 2 (2.26)."""
    glibc = 34 if int(python.partition(".")[2]) >= 12 else 26
    return Target("x86_64" if platform == "lambda-x86_64" else "aarch64", python, glibc)


def _check_size(function: DeclaredFunction, unzipped_bytes: int) -> None:
    if unzipped_bytes > _LAMBDA_UNZIPPED:
        raise ConfigError(
            f"the archive of function `{function.name}` has {unzipped_bytes / _MIB:,.0f} MiB unzipped, and Lambda "
            f"takes {_LAMBDA_UNZIPPED // _MIB} ({_LAMBDA_QUOTAS})",
            site=function.site,
            fix="take packages out of requirements=[...], or do this work in a task",
        )


def _called_over_http(function: DeclaredFunction, sources: Mapping[str, bytes]) -> dict[str, bytes]:
    """Gives the sources in a folder of their own, and beside it what calls the handler."""
    limits: Any = function.config
    settings = {
        "handler": handler_of(function),
        "name": function.name,
        "memory": getattr(limits, "memory", None) or 512,
        "timeout": getattr(limits, "timeout", 60),
    }
    return {
        **{f"source/{name}": content for name, content in sources.items()},
        "function_entry.py": Path(__file__).with_name("function_entry.py").read_bytes(),
        "function_entry.json": _json(settings),
    }


def _host_json(function: DeclaredFunction) -> bytes:
    seconds: int = getattr(function.config, "timeout", 300)
    hours, rest = divmod(seconds, 3600)
    bundle = {"id": "Microsoft.Azure.Functions.ExtensionBundle", "version": "[4.*, 5.0.0)"}
    timeout = f"{hours:02}:{rest // 60:02}:{rest % 60:02}"
    return _json({"version": "2.0", "functionTimeout": timeout, "extensionBundle": bundle})


def _json(document: object) -> bytes:
    return (json.dumps(document, indent=2) + "\n").encode()


_GCP = b'''"""The function as Google's framework calls it. Written by Glacier."""

import functions_framework

import function_entry


@functions_framework.http
def glacier_function(request):
    status, body = function_entry.answer(request.get_data())
    return body, status, {"Content-Type": "application/json"}
'''

_AZURE = b'''"""The function as Azure calls it. Written by Glacier."""

import json
import os

import azure.functions as func

import function_entry

NAME = json.loads((function_entry.HERE / "function_entry.json").read_bytes())["name"]
# Where the app itself asks for a token of Entra ID, who gets here has been let in. Else a key is asked for.
SIGNED_IN = os.environ.get("WEBSITE_AUTH_ENABLED", "").lower() == "true"
LEVEL = func.AuthLevel.ANONYMOUS if SIGNED_IN else func.AuthLevel.FUNCTION

app = func.FunctionApp()


@app.function_name(NAME)
@app.route(route=NAME, methods=["POST"], auth_level=LEVEL)
def glacier_function(req: func.HttpRequest) -> func.HttpResponse:
    status, body = function_entry.answer(req.get_body())
    return func.HttpResponse(body, status_code=status, mimetype="application/json")
'''

_DOCKERFILE = """\
# The image that the pipeline's stages run from. Written by Glacier.
FROM python:PYTHON-slim-bookworm

ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 HOME=/tmp

WORKDIR /app
COPY requirements.txt ./
# COPY WHEELS
RUN pip install --no-cache-dir --disable-pip-version-check --root-user-action=ignore -r requirements.txt \\
    && rm -rf WHEELS

COPY project.tar /tmp/
RUN tar --extract --file=/tmp/project.tar --directory=/app --no-same-owner && rm /tmp/project.tar \\
    && useradd --uid 10001 --no-create-home --home-dir /tmp --shell /usr/sbin/nologin glacier

# What is mounted there may be written to by all, as the folder itself: AWS takes the rights of a volume from here.
VOLUME /tmp

USER 10001:10001
# A job is watched by how it ends, not by being asked.
HEALTHCHECK NONE
CMD ["python", "-m", "glacier.runtime", "--help"]
"""
