"""Buckets in S3: each as its config says, closed to the public, with what was overwritten still there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from glacier.blueprint import Block, Declaration, Ref, Value, Waiver, text
from glacier.config.aws import S3Config, S3LifecycleRule
from glacier.deployment.needs import DeclaredBucket, identifier, slug
from glacier.infrastructure.aws.account import ID, Account
from glacier.infrastructure.aws.keys import KmsKeys
from glacier.infrastructure.aws.policies import policy

ABORT_DAYS = 7
"""After which what is left of an upload that was never completed goes."""
NONCURRENT_DAYS = 30
"""After which an overwritten or deleted object goes, where the config does not ask for versions to be kept."""
ACCESS_LOG_DAYS = 400
"""After which access logs go."""
RECORDS_DAYS = 90
"""After which records of runs, and what stages handed on, go."""

_NAME = 63
_ACCESS_LOGS = "access-logs"
_ARCHIVES = "glacier-archives"
_EVENTS = Waiver("CKV2_AWS_62", "nothing waits for events of this bucket")
_COPIES = Waiver("CKV_AWS_144", "a copy in another region is for its owner to decide; versions are kept")
_NO_LOGS = Waiver("CKV_AWS_18", 'access logs are kept with hardening="strict"')
_KEY_RULES = ("CKV_AWS_19", "CKV_AWS_145")
_NO_KEY = Waiver("CKV_AWS_145", 'a key of your own comes with encryption="aws:kms" or hardening="strict"')


def bucket_declarations(account: Account, keys: KmsKeys) -> list[Declaration]:
    """Gives the pipeline's buckets with their settings, the one for records last; existing ones are looked up."""
    deployment = account.deployment
    found = [one for bucket in deployment.buckets for one in _declarations(account, bucket, keys)]
    if deployment.records in deployment.buckets:
        return found
    config: S3Config = deployment.records.config or S3Config()
    expiry = () if config.rules else (S3LifecycleRule(days=RECORDS_DAYS, expiration=True),)
    return [*found, *_declarations(account, deployment.records, keys, expiry)]


def access_logs(account: Account, of_archives: Iterable[str]) -> list[Declaration]:
    """Gives a bucket in each region for who read and wrote what, which S3 fills; only where hardening is strict.

    Args:
        account: where.
        of_archives: regions in which there is a bucket for archives of functions.
    """
    if not account.strict:
        return []
    deployment = account.deployment
    made = [one for one in (*deployment.buckets, deployment.records) if not one.existing]
    regions = sorted({*of_archives, *(account.region_of(one) for one in made)})
    return [one for region in regions for one in _logs_in(account, region)]


def archives_ref(account: Account, region: str, *path: str) -> Ref:
    """Gives a reference to an attribute of a region's bucket for archives of functions."""
    return Ref("aws_s3_bucket", identifier(_part(account, _ARCHIVES, region)), path)


def archives_versioned(account: Account, region: str) -> Ref:
    """Gives a reference to what keeps the versions of a region's archives: before it, an object has none to go by."""
    return Ref("aws_s3_bucket_versioning", archives_ref(account, region).name, ())


def archives(account: Account, keys: KmsKeys, region: str) -> list[Declaration]:
    """Gives a region's bucket for archives of functions. It holds no data, and goes with all that is in it."""
    place = account.elsewhere(region)
    part = _part(account, _ARCHIVES, region)
    key = keys.of(region)
    declaration = Declaration(
        "aws_s3_bucket",
        identifier(part),
        "storage",
        {"bucket": account.called(part, longest=_NAME, what="a bucket").lower(), **place, "force_destroy": True},
        waivers=_waivers(account, S3Config()),
    )
    encryption = _encryption("aws:kms" if key else "AES256", key)
    return [
        declaration,
        *_settings(declaration, place, S3Config(), (), encryption),
        *_logging(account, declaration, part, region),
    ]


def bucket_ref(bucket: DeclaredBucket, *path: str) -> Ref:
    """Gives a reference to an attribute of a bucket."""
    return Ref("aws_s3_bucket", identifier(bucket.name), path, bucket.existing)


def _declarations(
    account: Account, bucket: DeclaredBucket, keys: KmsKeys, expiry: tuple[S3LifecycleRule, ...] = ()
) -> list[Declaration]:
    region = account.region_of(bucket)
    ref = bucket_ref(bucket)
    place = account.elsewhere(region)
    if bucket.existing:
        looked_up: dict[str, Value] = {"bucket": bucket.physical, **place}
        return [Declaration(ref.kind, ref.name, "storage", looked_up, looked_up=True, because=bucket.because)]
    config: S3Config = bucket.config or S3Config()
    tags = {key: value for key, value in bucket.provider.tags.items() if account.deployment.tags.get(key) != value}
    declaration = Declaration(
        ref.kind,
        ref.name,
        "storage",
        {"bucket": bucket.physical, **place, "force_destroy": False, "tags": tags or None},
        keeps_data=True,
        because=bucket.because,
        waivers=_waivers(account, config),
    )
    key = keys.of_bucket(bucket)
    algorithm = config.encryption or ("aws:kms" if key else "AES256")
    settings = _settings(declaration, place, config, (*config.rules, *expiry), _encryption(algorithm, key))
    return [declaration, *settings, *_logging(account, declaration, bucket.name, region)]


def _logging(account: Account, bucket: Declaration, name: str, region: str) -> list[Declaration]:
    """Has it noted who read and wrote what, where hardening is strict."""
    if not account.strict:
        return []
    logging: dict[str, Value] = {
        "bucket": bucket.ref("id"),
        **account.elsewhere(region),
        "target_bucket": Ref("aws_s3_bucket", identifier(_part(account, _ACCESS_LOGS, region)), ("id",)),
        "target_prefix": f"{name}/",
    }
    return [Declaration("aws_s3_bucket_logging", bucket.name, "storage", logging)]


def _settings(
    bucket: Declaration,
    place: Mapping[str, Value],
    config: S3Config,
    rules: Sequence[S3LifecycleRule],
    encryption: Block,
    *statements: Value,
) -> list[Declaration]:
    """Gives what is said of a bucket in declarations of its own, as S3 has it."""
    own: dict[str, Value] = {"bucket": bucket.ref("id"), **place}
    versioned = Declaration(
        "aws_s3_bucket_versioning",
        bucket.name,
        "storage",
        {**own, "versioning_configuration": Block({"status": "Enabled"})},
    )
    closed = Declaration(
        "aws_s3_bucket_public_access_block",
        bucket.name,
        "storage",
        {
            **own,
            "block_public_acls": True,
            "block_public_policy": True,
            "ignore_public_acls": True,
            "restrict_public_buckets": True,
        },
    )
    owned: dict[str, Value] = {**own, "rule": Block({"object_ownership": "BucketOwnerEnforced"})}
    policed: dict[str, Value] = {**own, "policy": policy([*_only_tls(bucket), *statements])}
    lifecycle: dict[str, Value] = {**own, "rule": tuple(_rules(config, rules))}
    return [
        versioned,
        Declaration(
            "aws_s3_bucket_server_side_encryption_configuration", bucket.name, "storage", {**own, "rule": encryption}
        ),
        closed,
        Declaration("aws_s3_bucket_ownership_controls", bucket.name, "storage", owned),
        Declaration("aws_s3_bucket_policy", bucket.name, "storage", policed, after=(closed.ref(),)),
        Declaration(
            "aws_s3_bucket_lifecycle_configuration", bucket.name, "storage", lifecycle, after=(versioned.ref(),)
        ),
    ]


def _encryption(algorithm: str, key: Value) -> Block:
    default = Block({"sse_algorithm": algorithm, "kms_master_key_id": key})
    cached = True if algorithm == "aws:kms" else None  # keys of buckets are there for this one only
    return Block({"bucket_key_enabled": cached, "apply_server_side_encryption_by_default": default})


def _only_tls(bucket: Declaration) -> list[Value]:
    """Gives the statements that refuse requests without TLS, or with one of before 1.2."""
    everything: tuple[Value, ...] = (bucket.ref("arn"), text(bucket.ref("arn"), "/*"))
    denied: dict[str, Value] = {"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": everything}
    return [
        {"Sid": "OnlyTls", **denied, "Condition": {"Bool": {"aws:SecureTransport": "false"}}},
        {"Sid": "OnlyTls12", **denied, "Condition": {"NumericLessThan": {"s3:TlsVersion": "1.2"}}},
    ]


def _rules(config: S3Config, rules: Sequence[S3LifecycleRule]) -> list[Block]:
    found = [_rule(rule) for rule in dict.fromkeys(rules)]
    kept: dict[str, Value] = {} if config.versioning else {
        "noncurrent_version_expiration": Block({"noncurrent_days": NONCURRENT_DAYS}),
        "expiration": Block({"expired_object_delete_marker": True}),
    }  # fmt: skip
    aborted = Block({"days_after_initiation": ABORT_DAYS})
    tidy = Block(
        {
            "id": "tidy",
            "status": "Enabled",
            "filter": Block({}),
            **kept,
            "abort_incomplete_multipart_upload": aborted,
        }
    )
    return [*found, tidy]


def _rule(rule: S3LifecycleRule) -> Block:
    where = f"-of-{slug(rule.prefix)}" if rule.prefix else ""
    done = "delete" if rule.expiration else f"to-{slug(rule.transition or '')}"
    return Block(
        {
            "id": f"{done}-after-{rule.days}-days{where}"[:255],
            "status": "Enabled",
            "filter": Block({"prefix": rule.prefix} if rule.prefix else {}),
            "expiration": Block({"days": rule.days}) if rule.expiration else None,
            "transition": Block({"days": rule.days, "storage_class": rule.transition}) if rule.transition else None,
        }
    )


def _waivers(account: Account, config: S3Config) -> tuple[Waiver, ...]:
    own = [_EVENTS, _COPIES]
    if not account.strict:
        own.append(_NO_LOGS)
    if config.encryption == "aws:kms:dsse":
        own += [
            Waiver(rule, "it is encrypted twice with a key, which the scanner does not know") for rule in _KEY_RULES
        ]
    if config.encryption == "AES256" or (config.encryption is None and not account.strict):
        own.append(_NO_KEY)
    return tuple(own)


def _part(account: Account, what: str, region: str) -> str:
    return what if region == account.region else f"{what}-{region}"


def _logs_in(account: Account, region: str) -> list[Declaration]:
    place = account.elsewhere(region)
    part = _part(account, _ACCESS_LOGS, region)
    name = account.called(part, longest=_NAME, what="a bucket").lower()
    waivers = (
        _EVENTS,
        _COPIES,
        Waiver("CKV_AWS_18", "access logs go there; it does not log into itself"),
        Waiver("CKV_AWS_145", "S3 delivers access logs only where its own keys encrypt"),
    )
    declaration = Declaration(
        "aws_s3_bucket",
        identifier(part),
        "storage",
        {"bucket": name, **place, "force_destroy": False},
        keeps_data=True,
        waivers=waivers,
    )
    delivered: dict[str, Value] = {
        "Sid": "AccessLogs",
        "Effect": "Allow",
        "Principal": {"Service": "logging.s3.amazonaws.com"},
        "Action": "s3:PutObject",
        "Resource": text(declaration.ref("arn"), "/*"),
        "Condition": {"StringEquals": {"aws:SourceAccount": ID}},
    }
    expiry = S3LifecycleRule(days=ACCESS_LOG_DAYS, expiration=True)
    settings = _settings(declaration, place, S3Config(), (expiry,), _encryption("AES256", None), delivered)
    return [declaration, *settings]
