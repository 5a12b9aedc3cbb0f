"""Serverless functions: Cloud Run functions, each under an account of its own, reached from inside only."""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256

from glacier.blueprint import Asset, AssetPath, Block, Declaration, Permission, Ref, Value, Waiver, text
from glacier.config.gcp import CloudFunctionConfig
from glacier.deployment.needs import DeclaredFunction, identifier
from glacier.deployment.packaging import GCP_ENTRY_POINT, python_of
from glacier.errors import UnsupportedError, listed
from glacier.infrastructure.gcp.access import PERMISSIONS, Access, Identity, account, role_ref
from glacier.infrastructure.gcp.buckets import own_bucket
from glacier.infrastructure.gcp.jobs import repository
from glacier.infrastructure.gcp.keys import Keys
from glacier.infrastructure.gcp.project import Project, api, numbered

BUILDER = Identity("builder")
WAITED = Ref("time_sleep", "builder", ())
"""The wait for the builder's rights to hold, without which the first build fails."""

_PYTHONS = ("3.10", "3.11", "3.12", "3.13", "3.14")
"""That Cloud Run functions has. (Cloud Run functions: runtime support)"""
_WAIT = "120s"
"""After which a binding usually holds everywhere. (IAM: access change propagation)"""
_WHOLE = 2048
"""The MiB from which on Google gives a whole CPU if none is asked for. (Cloud Run functions: memory; Cloud Run: CPU)"""
_ARCHIVES = Ref("google_storage_bucket", "glacier_archives", ("name",))
_REPOSITORY = Ref("google_artifact_registry_repository", "functions", ("id",))
_REPOSITORY_NAME = Ref("google_artifact_registry_repository", "functions", ("name",))


def function_declarations(project: Project, function: DeclaredFunction, archive: Asset) -> list[Declaration]:
    """Gives a function, and its archive in the bucket of archives.

    Args:
        project: where.
        function: as it was declared.
        archive: among the blueprint's assets. Its object is named for its content, so that a new one is built.

    Raises:
        UnsupportedError: the function is elsewhere than the pipeline, or on a Python that the cloud does not have.
    """
    _check(project, function)
    name = identifier(function.name)
    digest = sha256(archive.content).hexdigest()[:12]
    packed = Declaration(
        "google_storage_bucket_object",
        name,
        "functions",
        {"name": f"{function.name}-{digest}.zip", "bucket": _ARCHIVES, "source": AssetPath(archive.path)},
    )
    config: CloudFunctionConfig = function.config or CloudFunctionConfig()
    build: dict[str, Value] = {
        "runtime": f"python{python_of(function).replace('.', '')}",
        "entry_point": GCP_ENTRY_POINT,
        "service_account": BUILDER.ref("id"),
        "docker_repository": _REPOSITORY,
        "source": Block({"storage_source": Block({"bucket": _ARCHIVES, "object": packed.ref("name")})}),
    }
    service: dict[str, Value] = {
        "service_account_email": Identity("function", function.name).ref("email"),
        "ingress_settings": "ALLOW_INTERNAL_ONLY",
        "all_traffic_on_latest_revision": True,
        "available_memory": f"{config.memory}Mi",
        "available_cpu": _cpu(config),
        "timeout_seconds": config.timeout,
        "max_instance_request_concurrency": config.concurrency,
        "min_instance_count": config.min_instances,
        "max_instance_count": config.max_instances,
        "environment_variables": dict(function.env) or None,
    }
    declaration = Declaration(
        "google_cloudfunctions2_function",
        name,
        "functions",
        {
            "location": project.region,
            "name": function.physical,
            "description": f"Function {function.name} of {project.deployment.pipeline}.",
            "labels": project.labels,
            "build_config": Block(build),
            "service_config": Block(service),
        },
        after=(
            api("cloudbuild"),
            api("cloudfunctions"),
            api("run"),
            WAITED,
        ),
        because=function.because,
    )
    return [packed, declaration]


def _cpu(config: CloudFunctionConfig) -> str | None:
    """Gives a function's CPUs; one where Google would give less for the memory, and several requests need one."""
    shared = config.concurrency > 1 and config.memory < _WHOLE
    return str(config.cpu) if config.cpu else "1" if shared else None


def build_declarations(project: Project, keys: Keys) -> list[Declaration]:
    """Gives what functions are built of and in: a bucket of archives and a repository; nothing without functions."""
    if not project.deployment.functions:
        return []
    waiver = Waiver("CKV_GCP_62", "it holds archives that Glacier made, and only builds read it")
    archives = own_bucket(project, "archives", keys, waiver)
    name = project.called("functions", longest=63, what="an Artifact Registry repository")
    return [
        replace(archives, arguments={**archives.arguments, "force_destroy": True}),
        repository(project, "functions", name, keys),
    ]


def build_access(project: Project) -> Access:
    """Gives the identity that builds functions, and what it may do; nothing without functions."""
    if not project.deployment.functions:
        return Access()
    number = numbered(project)
    builds = _builds(project)
    after = tuple(one.ref() for one in builds.declarations)
    wait = Declaration(WAITED.kind, WAITED.name, "functions", {"create_duration": _WAIT}, after=after)
    return Access((account(project, BUILDER), number, *builds.declarations, wait), builds.permissions)


def _builds(project: Project) -> Access:
    """Gives what a build does: reads the archive where Google has put it, writes an image and the log."""
    because = tuple(cause for function in project.deployment.functions for cause in function.because)
    place: tuple[str | Ref, ...] = (
        "projects/_/buckets/gcf-v2-sources-", numbered(project).ref("number"),
        f"-{project.region}/objects/",
    )  # fmt: skip
    condition = Block(
        {"title": "reads archives of functions", "expression": text('resource.name.startsWith("', *place, '")')}
    )
    member: dict[str, Value] = {"member": BUILDER.ref("member")}
    reads: dict[str, Value] = {"project": project.id, "role": role_ref(project, "reader", project.id), **member}
    writes: dict[str, Value] = {
        "location": project.region, "repository": _REPOSITORY_NAME,
        "role": "roles/artifactregistry.writer", **member,
    }  # fmt: skip
    logs: dict[str, Value] = {"project": project.id, "role": "roles/logging.logWriter", **member}
    builder = BUILDER.title
    return Access(
        (
            Declaration(
                "google_project_iam_member", "builder_reads_archives", "access", {**reads, "condition": condition}
            ),
            Declaration("google_artifact_registry_repository_iam_member", "builder_writes_images", "access", writes),
            Declaration("google_project_iam_member", "builder_writes_logs", "access", logs),
        ),
        (
            Permission(builder, PERMISSIONS["reader"], f"gs://gcf-v2-sources-NUMBER-{project.region}/*", because),
            Permission(builder, ("roles/artifactregistry.writer",), "repository functions", because),
            Permission(builder, ("roles/logging.logWriter",), "the logs of the project", because),
        ),
    )


def _check(project: Project, function: DeclaredFunction) -> None:
    own = (function.provider.project_id or project.id, function.provider.region)
    if own != (project.id, project.region):
        raise UnsupportedError(
            f"Google Cloud cannot deploy function `{function.name}` with pipeline `{project.deployment.pipeline}`: "
            "it is in another project or region, and takes requests from its own only",
            site=function.site,
            fix="declare it with the provider of the pipeline's buckets",
        )
    version = python_of(function)
    if version not in _PYTHONS:
        raise UnsupportedError(
            f"Google Cloud cannot run function `{function.name}` on Python {version}: Cloud Run functions has "
            f"{listed(_PYTHONS)}",
            site=function.site,
            fix=f'write runtime="python{_PYTHONS[-2]}"',
        )
