"""AWS: S3, ECS on Fargate, Lambda, Step Functions, EventBridge Scheduler, IAM with conditions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from glacier.blueprint import Block, Blueprint, Declaration, Json, Output, Plugin, Step, Value
from glacier.deployment.needs import Deployment, Stage, identifier
from glacier.deployment.packaging import image_of
from glacier.infrastructure.aws.access import Access, Identity, access_of, granted, joined, on_keys
from glacier.infrastructure.aws.account import Account, account_of, identity
from glacier.infrastructure.aws.alerts import alert_declarations
from glacier.infrastructure.aws.buckets import access_logs, archives, bucket_declarations, bucket_ref
from glacier.infrastructure.aws.functions import archive, function_access, function_declarations, regions_of_archives
from glacier.infrastructure.aws.jobs import AGENT, agent_rights, cluster, image, images, log_of_jobs, task_definition
from glacier.infrastructure.aws.keys import KmsKeys, keys_of
from glacier.infrastructure.aws.network import FLOW, Network, flow_rights, network_of
from glacier.infrastructure.aws.schedule import schedule_access, schedule_declarations
from glacier.infrastructure.aws.workflow import workflow_access, workflow_declarations

_VERSIONS = ">= 6.0, < 7.0"
"""Of the provider: from 6 on each declaration may be in a region of its own."""


def blueprint(deployment: Deployment) -> Blueprint:
    """Gives what AWS must hold for a pipeline.

    Raises:
        ConfigError: a name is longer than AWS takes.
        UnsupportedError: what the pipeline asks for does not go with S3, Fargate, Lambda or IAM.
    """
    account = account_of(deployment)
    keys = keys_of(account)
    recipe = image_of(deployment)
    network = network_of(account, keys)
    logs = log_of_jobs(account, keys)
    here = cluster(account)
    packed = {one.name: archive(one) for one in deployment.functions}
    of_archives = regions_of_archives(account, packed)
    rights = {one.name: function_access(account, keys, one) for one in deployment.functions}
    functions = [
        declaration
        for one in deployment.functions
        for declaration in function_declarations(account, keys, one, packed[one.name], rights[one.name])
    ]
    tasks = {stage.name: task_definition(account, stage, logs, recipe.tag) for stage in deployment.stages}
    orchestrates = workflow_access(account, tasks, here)
    flow = workflow_declarations(account, keys, tasks, here, network, orchestrates)
    target = flow[-1] if flow else next(iter(tasks.values()))
    starts = schedule_access(account, keys, target, here)
    schedule = schedule_declarations(account, keys, target, here, network, starts)
    queues = [one for one in (*functions, *schedule) if one.kind == "aws_sqs_queue" and "region" not in one.arguments]
    access = joined(
        [
            access_of(account, AGENT, agent_rights(logs)),
            *(_stage_access(account, keys, stage) for stage in deployment.stages),
            *rights.values(),
            orchestrates,
            starts,
            *([access_of(account, FLOW, noted)] if (noted := flow_rights(network)) else []),
        ]
    )
    declarations = [
        identity(),
        *bucket_declarations(account, keys),
        *access_logs(account, of_archives),
        *(one for region in of_archives for one in archives(account, keys, region)),
        *functions,
        *images(account, keys),
        here,
        logs,
        *tasks.values(),
        *flow,
        *schedule,
        *access.declarations,
        *keys.declarations,
        *network.declarations,
        *alert_declarations(account, keys, target, here, queues),
    ]
    settings: dict[str, Value] = {"region": account.region, "default_tags": Block({"tags": deployment.tags})}
    return Blueprint(
        deployment.pipeline,
        "AWS",
        (Plugin("aws", "hashicorp/aws", _VERSIONS, settings),),
        tuple(declarations),
        tuple(_outputs(account, tasks, flow, network, here, recipe.tag)),
        access.permissions,
        (*recipe.assets, *packed.values()),
        tuple(_steps(account, tasks, flow)),
        tuple(_notes(account, flow)),
    )


def _stage_access(account: Account, keys: KmsKeys, stage: Stage) -> Access:
    rights = [*granted(account, stage.grants), *on_keys(account, keys, stage.grants)]
    return access_of(account, Identity("stage", stage.name), rights)


def _outputs(
    account: Account,
    tasks: Mapping[str, Declaration],
    flow: Sequence[Declaration],
    network: Network,
    here: Declaration,
    tag: str,
) -> Iterator[Output]:
    deployment = account.deployment
    yield Output("region", account.region, "The region.")
    yield Output("image", image(tag), "Where the image is pushed to.")
    yield Output("cluster", here.ref("name"), "The cluster that tasks run in.")
    for stage, declaration in tasks.items():
        yield Output(f"task_{declaration.name}", declaration.ref("arn"), f"The task of stage {stage}.")
    if flow:
        yield Output("state_machine", flow[-1].ref("arn"), "The state machine that runs the stages in order.")
    else:
        yield Output("network", Json(network.run_task), "Where a task runs, as `aws ecs run-task` takes it.")
    for bucket in (*deployment.buckets, deployment.records):
        yield Output(f"bucket_{identifier(bucket.name)}", bucket_ref(bucket, "id"), f"Bucket `{bucket.name}`.")


def _steps(account: Account, tasks: Mapping[str, Declaration], flow: Sequence[Declaration]) -> Iterator[Step]:
    region = account.region
    yield Step(
        "Build the image and push it",
        'IMAGE="$(terraform output -raw image)"\n'
        f"aws ecr get-login-password --region {region} |\n"
        '  docker login --username AWS --password-stdin "${IMAGE%%/*}"\n'
        'docker build --platform linux/amd64 --tag "$IMAGE" image\n'
        'docker push "$IMAGE"',
    )
    if flow:
        yield Step(
            "Start a run",
            f"aws stepfunctions start-execution --region {region} \\\n"
            '  --state-machine-arn "$(terraform output -raw state_machine)"',
        )
        return
    only = next(iter(tasks.values()))
    yield Step(
        "Start a run",
        f"aws ecs run-task --region {region} --launch-type FARGATE \\\n"
        '  --cluster "$(terraform output -raw cluster)" \\\n'
        f'  --task-definition "$(terraform output -raw task_{only.name})" \\\n'
        '  --network-configuration "$(terraform output -raw network)"',
    )


def _notes(account: Account, flow: Sequence[Declaration]) -> Iterator[str]:
    deployment = account.deployment
    options = deployment.options
    yield (
        "The image's tag is made of what is in the image, and the tasks name it: after an apply that changes it, push "
        "the image before the next run."
    )
    if options.alert:
        yield (
            f"AWS asks {options.alert} by e-mail whether failures may be told there; none are before that. EventBridge "
            "does not tell a topic by which rule it publishes, so one of somebody who knows the topic's name could too."
        )
    if options.subnets:
        yield (
            "The given subnets need a way to ECR, CloudWatch Logs and S3: a NAT gateway, or endpoints of the network. "
            "They are of one network."
        )
    else:
        yield (
            "Tasks reach the internet over HTTPS alone; rules for other ports, of a database say, are added to "
            "`aws_security_group.tasks` in a file of your own."
        )
    if flow and len(deployment.stages) == 1:
        yield "ECS never starts a failed task again, so a state machine does that: retries= is not 0."
    existing = [one for one in deployment.buckets if one.existing and getattr(one.config, "kms_key", None) is None]
    if existing:
        names = ", ".join(f"`{one.name}`" for one in existing)
        yield (
            f"If objects of {names} are encrypted with a key of yours, name it, so that stages may use it: "
            '`config=S3Config(encryption="aws:kms", kms_key="...")`.'
        )
    url = deployment.provider.endpoint_url
    if url:
        yield f"Stages reach S3 at {url}, as the provider's endpoint_url says."
    yield from deployment.warnings
