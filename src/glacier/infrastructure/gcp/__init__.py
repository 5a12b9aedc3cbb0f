"""Google Cloud: Cloud Storage, Cloud Run jobs and functions, Workflows, Cloud Scheduler, IAM with conditions."""

from __future__ import annotations

from collections.abc import Iterator

from glacier.blueprint import Because, Blueprint, Declaration, Output, Plugin, Step, Variable
from glacier.deployment.needs import Deployment, identifier
from glacier.deployment.packaging import archive_of, image_of
from glacier.infrastructure.gcp.access import Access, Identity, access_of, account, joined, on_job, on_workflows, roles
from glacier.infrastructure.gcp.alerts import alert_declarations
from glacier.infrastructure.gcp.buckets import access_logs, bucket_declarations, bucket_ref
from glacier.infrastructure.gcp.functions import WAITED, build_access, build_declarations, function_declarations
from glacier.infrastructure.gcp.jobs import image, images, job, job_name
from glacier.infrastructure.gcp.keys import AGENTS, keys_of
from glacier.infrastructure.gcp.logs import PROJECT_DAYS, days, log_declarations
from glacier.infrastructure.gcp.network import network_declarations, vpc_access
from glacier.infrastructure.gcp.project import Project, apis, project_of, relabelled
from glacier.infrastructure.gcp.schedule import because, schedule_declaration
from glacier.infrastructure.gcp.workflow import workflow

_VERSIONS = ">= 7.0, < 9.0"
"""Of the provider: 7 and 8 have every argument that is used here."""
_TIME = ">= 0.12, < 1.0"


def blueprint(deployment: Deployment) -> Blueprint:
    """Gives what Google Cloud must hold for a pipeline.

    Raises:
        ConfigError: a name is longer than Google Cloud takes, or two tags are one label.
        UnsupportedError: what the pipeline asks for does not go with Cloud Storage, Cloud Run or IAM.
    """
    project = project_of(deployment)
    keys = keys_of(project)
    packed = {one.name: archive_of(one, "gcp") for one in deployment.functions}
    recipe = image_of(deployment)
    network = network_declarations(project)
    through = vpc_access(project, network)
    jobs = {stage.name: job(project, stage, through, keys) for stage in deployment.stages}
    functions = [
        declaration
        for one in deployment.functions
        for declaration in function_declarations(project, one, packed[one.name])
    ]
    flow = workflow(project, jobs) if len(jobs) > 1 else None
    target = flow or next(iter(jobs.values()))
    schedule = schedule_declaration(project, target)
    access = _access(project, jobs, flow, schedule)
    declarations = [
        *bucket_declarations(project, keys),
        *access_logs(project, keys),
        *build_declarations(project, keys),
        *functions,
        images(project, keys),
        *jobs.values(),
        *log_declarations(project, [*jobs.values(), *functions]),
        *([flow] if flow else []),
        *([schedule] if schedule else []),
        *access.declarations,
        *keys.declarations,
        *network,
        *alert_declarations(project, target, schedule),
    ]
    declarations = [*_once(declarations), *roles(project, declarations)]
    return Blueprint(
        deployment.pipeline,
        "Google Cloud",
        tuple(_plugins(project, declarations)),
        (*apis(project, declarations), *declarations),
        tuple(_outputs(project, jobs, flow, recipe.tag)),
        access.permissions,
        (*recipe.assets, *packed.values()),
        tuple(_steps(project, flow)),
        tuple(_notes(project, flow)),
    )


def _plugins(project: Project, declarations: list[Declaration]) -> Iterator[Plugin]:
    yield Plugin("google", "hashicorp/google", _VERSIONS, {"project": project.id, "region": project.region})
    if any(one.kind == WAITED.kind for one in declarations):
        yield Plugin("time", "hashicorp/time", _TIME)


def _once(declarations: list[Declaration]) -> Iterator[Declaration]:
    """Gives what is looked up once, whoever needs it; what is made twice stays, and is refused."""
    known: set[str] = set()
    for one in declarations:
        if not (one.looked_up and one.address in known):
            yield one
        known.add(one.address)


def _access(
    project: Project, jobs: dict[str, Declaration], flow: Declaration | None, schedule: Declaration | None
) -> Access:
    """Gives every identity with what it may do."""
    deployment = project.deployment
    found: list[Access] = []
    for stage in deployment.stages:
        identity = Identity("stage", stage.name)
        found += [Access((account(project, identity),)), access_of(project, identity, stage.grants)]
    for function in deployment.functions:
        identity = Identity("function", function.name)
        found.append(Access((account(project, identity, function.because),)))
        found.append(access_of(project, identity, function.grants))
    found.append(build_access(project))
    if flow is not None:
        runs = Identity("workflow")
        found.append(Access((account(project, runs),)))
        found += [
            on_job(project, runs, "orchestrator", one, _stage_because(project, name)) for name, one in jobs.items()
        ]
    if schedule is not None:
        starts = Identity("scheduler")
        found.append(Access((account(project, starts, because(project)),)))
        only = next(iter(jobs.values()))
        found.append(
            on_workflows(project, starts, because(project))
            if flow
            else on_job(project, starts, "starter", only, because(project))
        )
    return joined(found)


def _stage_because(project: Project, name: str) -> tuple[Because, ...]:
    return (Because(f"the workflow runs stage {name}"),)


def _outputs(project: Project, jobs: dict[str, Declaration], flow: Declaration | None, tag: str) -> Iterator[Output]:
    deployment = project.deployment
    yield Output("project", project.id, "The project.")
    yield Output("image", image(project, tag), "Where the image is pushed to.")
    for stage, declaration in jobs.items():
        yield Output(f"job_{declaration.name}", declaration.ref("name"), f"The Cloud Run job of stage {stage}.")
    if flow is not None:
        yield Output("workflow", flow.ref("name"), "The workflow that runs the stages in order.")
    for bucket in (*deployment.buckets, deployment.records):
        yield Output(f"bucket_{identifier(bucket.name)}", bucket_ref(bucket, "name"), f"Bucket `{bucket.name}`.")


def _steps(project: Project, flow: Declaration | None) -> Iterator[Step]:
    deployment = project.deployment
    shown = '"$(terraform output -raw project)"' if isinstance(project.id, Variable) else project.id
    yield Step("Log in", "gcloud auth login\ngcloud auth application-default login", first=True)
    yield from _first_steps(project, flow)
    yield Step(
        "Build the image, push it, and let the jobs run it",
        'IMAGE="$(terraform output -raw image)"\n'
        f"gcloud auth configure-docker {project.region}-docker.pkg.dev\n"
        'docker build --platform linux/amd64 --tag "$IMAGE" image\n'
        'docker push "$IMAGE"',
        sets="image",
    )
    where = f"--project {shown}"
    if flow is not None:
        yield Step("Start a run", f"gcloud workflows run {flow.arguments['name']} --location {project.region} {where}")
        return
    name = job_name(project, deployment.stages[0])
    yield Step("Start a run", f"gcloud run jobs execute {name} --wait --region {project.region} {where}")


def _first_steps(project: Project, flow: Declaration | None) -> Iterator[Step]:
    """Gives what a new project lacks, and Terraform cannot do: it looks at the project, and at accounts, before."""
    which, meant = f"--project {project.id}", ""
    if isinstance(project.id, Variable):
        which, meant = "--project PROJECT", f"; PROJECT is what `{project.id.name}` will be"
    yield Step(
        f"Let Terraform look at the project, once in each{meant}",
        f"gcloud services enable cloudresourcemanager.googleapis.com {which}",
        first=True,
    )
    used = [*(["workflows"] if flow else []), *([name for name, _ in AGENTS.values()] if project.strict else [])]
    if used:
        services = [f"{name}.googleapis.com" for name in used]
        lines = [f"gcloud services enable {' '.join(services)} {which}"]
        lines += [f"gcloud beta services identity create --service {one} {which}" for one in services]
        title = f"Have Google make those accounts of its own that are used at once, once in each project{meant}"
        yield Step(title, "\n".join(lines), first=True)


def _notes(project: Project, flow: Declaration | None) -> Iterator[str]:
    deployment = project.deployment
    yield (
        "Until the image is pushed, the jobs have one that cannot run the pipeline, so that all can be made in one "
        "apply: runs before that fail, and say so."
    )
    yield (
        "Who applies this makes custom roles, service accounts and bindings, and lets jobs run as those accounts: Role "
        "Administrator, Service Account Admin, Service Account User and Project IAM Admin, besides the right to make "
        "the rest."
    )
    if changed := relabelled(deployment.tags):
        yield f"Labels are in lower case, without spaces: {', '.join(changed)} became such."
    if days(project) != PROJECT_DAYS:
        yield (
            f"Logs of the jobs are kept for {days(project)} days, in a log bucket of their own; the project keeps what "
            f"goes there for {PROJECT_DAYS}."
        )
    for bucket in dict.fromkeys((*deployment.buckets, deployment.records)):
        if bucket.existing:
            yield (
                f"Bucket `{bucket.physical}` is there already. Rights on some of its objects have conditions, which it "
                "takes with uniform bucket-level access only, and that puts an end to the access lists of its objects: "
                f"`gcloud storage buckets update gs://{bucket.physical} --uniform-bucket-level-access`."
            )
    if deployment.options.subnets:
        yield (
            "All requests of the jobs go through the given subnet: it needs Private Google Access to reach buckets and "
            "functions, and Cloud NAT where tasks reach the internet. One of a shared VPC lets the Cloud Run service "
            "agent use it (roles/compute.networkUser)."
        )
    if flow is not None and deployment.schedule is not None:
        yield (
            "Google Cloud gives the right to start workflows on a project, not on one of them: the schedule's account "
            "could start the project's other workflows."
        )
    if project.strict:
        yield "Key rings and keys are never deleted in Google Cloud: their names stay taken after a destroy."
    yield from deployment.warnings
