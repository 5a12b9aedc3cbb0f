"""What stages run on: a Cloud Run job for each, all from one image in a registry of the pipeline's."""

from __future__ import annotations

from glacier.blueprint import Block, Declaration, Value, Variable, Waiver, text
from glacier.config.deploy import Compute
from glacier.deployment.commands import records_uri, stage_command, stage_environment
from glacier.deployment.needs import Deployment, Stage, identifier
from glacier.errors import UnsupportedError
from glacier.infrastructure.gcp.access import Identity
from glacier.infrastructure.gcp.keys import Keys
from glacier.infrastructure.gcp.project import Project, api

PLACEHOLDER = "us-docker.pkg.dev/cloudrun/container/job:latest"
"""An image of Google's that is there for everybody. It has no Python: a run before the own image is there fails."""

_SIZES: tuple[tuple[int, int, int], ...] = (
    (1, 512, 4096),
    (2, 512, 8192),
    (4, 2048, 16_384),
    (6, 4096, 24_576),
    (8, 4096, 32_768),
)
"""CPUs with the least and the most MiB that each takes. (Cloud Run: CPU limits, memory limits)"""
_STARTING = 300
"""Seconds that an attempt has besides its own time limit: its image is pulled before, its record is written after.

Both together are less than the week that Cloud Run gives. (Cloud Run: task timeout)
"""
_KEPT_IMAGES = 10
_IMAGE_DAYS = 30


def images(project: Project, keys: Keys) -> Declaration:
    """Gives the repository of the pipeline's images, whose tags never come to mean another image."""
    return repository(project, "images", _images_id(project), keys, immutable=True)


def repository(project: Project, name: str, called: str, keys: Keys, *, immutable: bool = False) -> Declaration:
    """Gives a repository of images, which keeps the newest."""
    newest = Block({"keep_count": _KEPT_IMAGES})
    old = Block({"tag_state": "ANY", "older_than": f"{_IMAGE_DAYS * 86_400}s"})
    return Declaration(
        "google_artifact_registry_repository",
        name,
        "jobs",
        {
            "location": project.region,
            "repository_id": called,
            "format": "DOCKER",
            "kms_key_name": keys.of(project.region),
            "labels": project.labels,
            "docker_config": Block({"immutable_tags": True}) if immutable else None,
            "cleanup_policies": (
                Block({"id": "keep-the-newest", "action": "KEEP", "most_recent_versions": newest}),
                Block({"id": "delete-the-old", "action": "DELETE", "condition": old}),
            ),
        },
        after=(api("artifactregistry"), *keys.agent("registry")),
        waivers=() if project.strict else (Waiver("CKV_GCP_84", 'a key of your own comes with hardening="strict"'),),
    )


def image(project: Project, tag: str) -> Value:
    """Gives where the pipeline's image is pushed to."""
    host, repository = f"{project.region}-docker.pkg.dev/", _images_id(project)
    return text(host, *_dotted(project), f"/{repository}/{project.deployment.slug}:{tag}")


def image_variable() -> Variable:
    """Gives what says which image runs."""
    return Variable(
        "image",
        "string",
        "The image that runs, with its tag; one that fails stands in for it until the pipeline's own is pushed.",
        default=PLACEHOLDER,
    )


def job(project: Project, stage: Stage, network: Block | None, keys: Keys) -> Declaration:
    """Gives the job of a stage.

    Raises:
        UnsupportedError: no size of Cloud Run holds the stage's compute.
    """
    deployment = project.deployment
    options = deployment.options
    identity = Identity("stage", stage.name)
    cpu, memory = size(deployment, stage)
    command = stage_command(deployment, stage, records_uri(deployment))
    environment: dict[str, Value] = {**stage_environment(deployment, stage), "GOOGLE_CLOUD_PROJECT": project.id}
    container = Block(
        {
            "image": image_variable(),
            "command": command[:1],
            "args": command[1:],
            "resources": Block({"limits": {"cpu": str(cpu), "memory": f"{memory}Mi"}}),
            "env": tuple(Block({"name": name, "value": value}) for name, value in sorted(environment.items())),
        }
    )
    inner: dict[str, Value] = {
        "service_account": identity.ref("email"),
        "execution_environment": "EXECUTION_ENVIRONMENT_GEN2",
        "max_retries": options.retries,
        "timeout": f"{options.timeout + _STARTING}s",
        "encryption_key": keys.of(project.region),
        "containers": container,
        "vpc_access": network,
    }
    return Declaration(
        "google_cloud_run_v2_job",
        identifier(stage.name),
        "jobs",
        {
            "location": project.region,
            "name": job_name(project, stage),
            "labels": project.labels,
            "deletion_protection": False,
            "template": Block({"task_count": 1, "parallelism": 1, "template": Block(inner)}),
        },
        after=(api("run"), *keys.agent("run")),
    )


def job_name(project: Project, stage: Stage) -> str:
    """Gives what a stage's job is called; the same when there come to be more stages."""
    return project.called(stage.name, what="a Cloud Run job")


def _images_id(project: Project) -> str:
    return project.called(longest=63, what="an Artifact Registry repository")


def _dotted(project: Project) -> tuple[str | Variable, ...]:
    """Gives the project's id as registries write it: one of a domain, `acme.com:data`, with a slash."""
    return (project.id if isinstance(project.id, Variable) else project.id.replace(":", "/"),)


def size(deployment: Deployment, stage: Stage) -> tuple[int, int]:
    """Gives the fewest CPUs that Cloud Run has for a machine, and its MiB.

    Raises:
        UnsupportedError: there is no such size.
    """
    wanted: Compute = stage.compute
    for cpu, least, most in _SIZES:
        if cpu >= wanted.cpu and most >= wanted.memory:
            return cpu, max(wanted.memory, least)
    cpu, _, memory = _SIZES[-1]
    raise UnsupportedError(
        f"Google Cloud cannot run stage `{stage.name}` of pipeline `{deployment.pipeline}`: it asks for "
        f"{wanted.cpu:g} CPUs and {wanted.memory:,} MiB, and a Cloud Run job has up to {cpu} and {memory:,}",
        site=deployment.site,
        fix=f"write Compute(cpu={min(wanted.cpu, cpu):g}, memory={min(wanted.memory, memory)}), "
        "or split the work into tasks of less",
    )
