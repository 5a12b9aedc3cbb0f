"""AWS: S3, ECS on Fargate, Lambda, Step Functions, EventBridge Scheduler, IAM with conditions."""

from __future__ import annotations

from collections.abc import Iterator

from glacier.blueprint import Block, Blueprint, Declaration, Json, Output, Plugin, Step, Value
from glacier.deployment.needs import Deployment, identifier
from glacier.deployment.packaging import image_of
from glacier.infrastructure.aws.access import Access, Identity, access_of, granted, joined, on_keys
from glacier.infrastructure.aws.account import Account, account_of, identity
from glacier.infrastructure.aws.buckets import access_logs, bucket_declarations, bucket_ref
from glacier.infrastructure.aws.functions import archive, function_access, function_declarations
from glacier.infrastructure.aws.jobs import AGENT, agent_rights, cluster, image, images, log_of_jobs, task_definition
from glacier.infrastructure.aws.keys import KmsKeys, keys_of
from glacier.infrastructure.aws.network import Network, network_of

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
    rights = {one.name: function_access(account, keys, one) for one in deployment.functions}
    functions = [
        declaration
        for one in deployment.functions
        for declaration in function_declarations(account, keys, one, packed[one.name], rights[one.name])
    ]
    tasks = {stage.name: task_definition(account, stage, logs, recipe.tag) for stage in deployment.stages}
    access = joined([_access(account, keys, logs), *rights.values()])
    declarations = [
        identity(),
        *bucket_declarations(account, keys),
        *access_logs(account),
        *functions,
        *images(account, keys),
        here,
        logs,
        *tasks.values(),
        *access.declarations,
        *keys.declarations,
        *network.declarations,
    ]
    settings: dict[str, Value] = {"region": account.region, "default_tags": Block({"tags": deployment.tags})}
    return Blueprint(
        deployment.pipeline,
        "AWS",
        (Plugin("aws", "hashicorp/aws", _VERSIONS, settings),),
        tuple(declarations),
        tuple(_outputs(account, tasks, network, here, recipe.tag)),
        access.permissions,
        (*recipe.assets, *packed.values()),
        tuple(_steps(account, tasks)),
        tuple(deployment.warnings),
    )


def _access(account: Account, keys: KmsKeys, logs: Declaration) -> Access:
    """Gives every identity with what it may do."""
    found: list[Access] = [access_of(account, AGENT, agent_rights(logs))]
    for stage in account.deployment.stages:
        rights = [*granted(account, stage.grants), *on_keys(account, keys, stage.grants)]
        found.append(access_of(account, Identity("stage", stage.name), rights))
    return joined(found)


def _outputs(
    account: Account, tasks: dict[str, Declaration], network: Network, here: Declaration, tag: str
) -> Iterator[Output]:
    deployment = account.deployment
    yield Output("region", account.region, "The region.")
    yield Output("image", image(tag), "Where the image is pushed to.")
    yield Output("cluster", here.ref("name"), "The cluster that tasks run in.")
    for stage, declaration in tasks.items():
        yield Output(f"task_{declaration.name}", declaration.ref("arn"), f"The task of stage {stage}.")
    yield Output("network", Json(network.configuration), "Where tasks run, as `aws ecs run-task` takes it.")
    for bucket in (*deployment.buckets, deployment.records):
        yield Output(f"bucket_{identifier(bucket.name)}", bucket_ref(bucket, "id"), f"Bucket `{bucket.name}`.")


def _steps(account: Account, tasks: dict[str, Declaration]) -> Iterator[Step]:
    yield Step(
        "Build the image and push it",
        'IMAGE="$(terraform output -raw image)"\n'
        f"aws ecr get-login-password --region {account.region} |\n"
        '  docker login --username AWS --password-stdin "${IMAGE%%/*}"\n'
        'docker build --platform linux/amd64 --tag "$IMAGE" image\n'
        'docker push "$IMAGE"',
    )
    only = next(iter(tasks.values()))
    yield Step(
        "Start a run",
        f"aws ecs run-task --region {account.region} --launch-type FARGATE \\\n"
        f'  --cluster "$(terraform output -raw cluster)" \\\n'
        f'  --task-definition "$(terraform output -raw task_{only.name})" \\\n'
        f'  --network-configuration "$(terraform output -raw network)"',
    )
