"""Serverless functions: Lambda, each under a role of its own, with a log and a queue for what failed."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from hashlib import sha256

from glacier.blueprint import Asset, AssetPath, Block, Declaration, Ref, Value, Waiver, text
from glacier.config.aws import LambdaConfig
from glacier.deployment.needs import DeclaredFunction, identifier
from glacier.deployment.packaging import archive_of, handler_of, python_of
from glacier.errors import UnsupportedError, listed
from glacier.infrastructure.aws.access import Access, Identity, Right, access_of, granted, on_keys
from glacier.infrastructure.aws.account import Account
from glacier.infrastructure.aws.buckets import archives_ref, archives_versioned
from glacier.infrastructure.aws.keys import KmsKeys
from glacier.infrastructure.aws.logs import log_group
from glacier.infrastructure.aws.policies import Statement
from glacier.infrastructure.aws.queues import dead_letters, sending

SENT_BYTES = 50 * 1024 * 1024
"""Of the largest archive that Lambda is sent itself; it takes larger ones from S3. (AWS Lambda quotas)"""
_TAGS_OF_OBJECT = 10
"""At most. (Amazon S3 User Guide: categorizing objects with tags)"""
STRICT_CONCURRENCY = 10
"""How many invocations of a function may run at once where hardening is strict and its config does not say."""

_PYTHONS = ("3.10", "3.11", "3.12", "3.13", "3.14")
"""That Lambda has. (AWS Lambda: runtimes)"""
_VPC = Waiver("CKV_AWS_117", "it reaches AWS alone; a network of its own would need addresses and endpoints")
_SIGNED = Waiver("CKV_AWS_272", "the archive is made here, and its digest is in the declaration")
_UNRESERVED = Waiver("CKV_AWS_115", 'set LambdaConfig(reserved_concurrency=...), or hardening="strict"')
_NO_KEY = Waiver("CKV_AWS_173", 'a key of your own comes with hardening="strict"')


def archive(function: DeclaredFunction) -> Asset:
    """Gives the archive of a function, for the machine that its config says."""
    config: LambdaConfig = function.config or LambdaConfig()
    return archive_of(function, "lambda-arm64" if config.architecture == "arm64" else "lambda-x86_64")


def function_declarations(
    account: Account, keys: KmsKeys, function: DeclaredFunction, packed: Asset, access: Access
) -> list[Declaration]:
    """Gives a function with its log and its queue.

    Args:
        account: where.
        keys: of the pipeline.
        function: as it was declared.
        packed: its archive, among the blueprint's assets.
        access: what its role may do, which has to be there before it.

    Raises:
        UnsupportedError: it is on a Python that Lambda does not have.
    """
    _check(function)
    name = identifier(function.name)
    region = account.region_of(function)
    config: LambdaConfig = function.config or LambdaConfig()
    called = f"/aws/lambda/{function.physical}"
    logs = log_group(account, keys, name, called, "functions", region, function.because)
    queue, *rest = dead_letters(account, keys, name, f"{function.name}-failed", "functions", region, function.because)
    reserved = config.reserved_concurrency
    if reserved is None and account.strict:
        reserved = STRICT_CONCURRENCY
    waivers = [_VPC, _SIGNED]
    if reserved is None:
        waivers.append(_UNRESERVED)
    if function.env and not account.strict:
        waivers.append(_NO_KEY)
    key = keys.of(region)
    stored, code = _code(account, function, packed, region, key)
    arguments: dict[str, Value] = {
        "function_name": function.physical,
        **account.elsewhere(region),
        "description": f"Function {function.name} of {account.deployment.pipeline}.",
        "role": Identity("function", function.name).ref("arn"),
        "runtime": f"python{python_of(function)}",
        "handler": handler_of(function),
        "architectures": (config.architecture,),
        **code,
        "source_code_hash": base64.b64encode(sha256(packed.content).digest()).decode(),
        "memory_size": config.memory,
        "timeout": config.timeout,
        "reserved_concurrent_executions": reserved,
        "kms_key_arn": key if function.env else None,
        "ephemeral_storage": Block({"size": config.ephemeral_storage}),
        "environment": Block({"variables": dict(function.env)}) if function.env else None,
        "dead_letter_config": Block({"target_arn": queue.ref("arn")}),
        "logging_config": Block({"log_format": "Text", "log_group": logs.ref("name")}),
        "tracing_config": Block({"mode": "Active"}),
    }
    declaration = Declaration(
        "aws_lambda_function",
        name,
        "functions",
        arguments,
        after=access.policies,
        because=function.because,
        waivers=tuple(waivers),
    )
    return [logs, queue, *rest, *stored, declaration]


def regions_of_archives(account: Account, packed: Mapping[str, Asset]) -> list[str]:
    """Gives the regions where Lambda takes an archive from a bucket, because it is too large to be sent."""
    return sorted({account.region_of(one) for one in account.deployment.functions if _is_large(packed[one.name])})


def _code(
    account: Account, function: DeclaredFunction, packed: Asset, region: str, key: Value
) -> tuple[list[Declaration], dict[str, Value]]:
    """Gives how Lambda gets an archive: it is sent, or lies in S3 under a name that tells its content."""
    if not _is_large(packed):
        return [], {"filename": AssetPath(packed.path)}
    if len(account.deployment.tags) > _TAGS_OF_OBJECT:
        raise UnsupportedError(
            f"the archive of function `{function.name}` is too large to be sent to Lambda, and S3, where it would lie, "
            f"takes {_TAGS_OF_OBJECT} tags of an object: there are {len(account.deployment.tags)}, of them "
            f"{len(account.deployment.tags) - len(account.deployment.provider.tags)} by Glacier",
            site=function.site,
            fix="give the provider fewer tags=, or the function smaller requirements=",
        )
    arguments: dict[str, Value] = {
        "bucket": archives_ref(account, region, "id"),
        **account.elsewhere(region),
        "key": f"{function.name}-{sha256(packed.content).hexdigest()[:12]}.zip",
        "source": AssetPath(packed.path),
        "kms_key_id": key,
    }
    stored = Declaration(
        "aws_s3_object",
        identifier(function.name),
        "functions",
        arguments,
        after=(archives_versioned(account, region),),
        because=function.because,
    )
    return [stored], {"s3_bucket": stored.ref("bucket"), "s3_key": stored.ref("key")}


def _is_large(packed: Asset) -> bool:
    return len(packed.content) > SENT_BYTES


def function_access(account: Account, keys: KmsKeys, function: DeclaredFunction) -> Access:
    """Gives a function's role: what was stated with `reads=` and `writes=`, its log, traces, and its queue."""
    name = identifier(function.name)
    because = function.because
    region = account.region_of(function)
    logs = Ref("aws_cloudwatch_log_group", name, ("arn",))
    writes = Statement(
        "WritesLogs", ("logs:CreateLogStream", "logs:PutLogEvents"), (text(logs, ":*"),), because=because
    )
    rights = [
        *granted(account, function.grants),
        *on_keys(account, keys, function.grants),
        Right(writes, (("its log", because),)),
        *sending(account, keys, Ref("aws_sqs_queue", name, ("arn",)), because, region),
        traces(),
    ]
    return access_of(account, Identity("function", function.name), rights, because)


def traces(*besides: str) -> Right:
    """Gives the right to write traces, which X-Ray has for all of the account's alone.

    Args:
        besides: actions that a service takes for that, besides those two.
    """
    statement = Statement("Traces", ("xray:PutTraceSegments", "xray:PutTelemetryRecords", *besides), ("*",))
    return Right(statement, (("the account's traces", ()),))


def _check(function: DeclaredFunction) -> None:
    version = python_of(function)
    if version not in _PYTHONS:
        raise UnsupportedError(
            f"AWS cannot run function `{function.name}` on Python {version}: Lambda has {listed(_PYTHONS)}",
            site=function.site,
            fix=f'write runtime="python{_PYTHONS[-2]}"',
        )
