"""Buckets in Cloud Storage: each as its config says, closed to the public, with what was overwritten still there."""

from __future__ import annotations

from dataclasses import replace

from glacier.blueprint import Block, Declaration, Ref, Value, Waiver, text
from glacier.config.gcp import GCSConfig, GCSLifecycleRule
from glacier.deployment.needs import DeclaredBucket, identifier
from glacier.errors import UnsupportedError
from glacier.infrastructure.gcp.keys import Keys, place_of_key
from glacier.infrastructure.gcp.project import Project, labels

ABORT_DAYS = 7
"""After which what is left of an upload that was never completed goes."""
NONCURRENT_DAYS = 30
"""After which an overwritten or deleted object goes, where the config does not ask for versions to be kept."""
ACCESS_LOG_DAYS = 400
"""After which access logs go."""
RECORDS_DAYS = 90
"""After which records of runs, and what stages handed on, go."""

_DAY = 86_400
_ACCESS_LOGS = "access-logs"
_LOGS = Waiver("CKV_GCP_62", 'access logs are kept with hardening="strict"')


def bucket_declarations(project: Project, keys: Keys) -> list[Declaration]:
    """Gives the pipeline's buckets, the one for records last; existing ones are looked up."""
    deployment = project.deployment
    found = [_declaration(project, bucket, keys, ()) for bucket in deployment.buckets]
    if deployment.records in deployment.buckets:
        return found
    config = deployment.records.config or GCSConfig()
    expiry = () if config.rules else (GCSLifecycleRule(days=RECORDS_DAYS, expiration=True),)
    return [*found, _declaration(project, deployment.records, keys, expiry)]


def access_logs(project: Project, keys: Keys) -> list[Declaration]:
    """Gives a bucket for who read and wrote what, which Cloud Storage fills; only where hardening is strict."""
    if not project.strict:
        return []
    expiry = GCSLifecycleRule(days=ACCESS_LOG_DAYS, expiration=True)
    waiver = Waiver("CKV_GCP_62", "access logs go there; it does not log into itself")
    logs = replace(own_bucket(project, _ACCESS_LOGS, keys, waiver, expiry), keeps_data=True)
    member: dict[str, Value] = {
        "bucket": logs.ref("name"),
        "role": "roles/storage.objectCreator",
        "member": "group:cloud-storage-analytics@google.com",
    }
    return [logs, Declaration("google_storage_bucket_iam_member", logs.name, "access", member)]


def bucket_ref(bucket: DeclaredBucket, *path: str) -> Ref:
    """Gives a reference to an attribute of a bucket."""
    return Ref("google_storage_bucket", identifier(bucket.name), path, bucket.existing)


def own_bucket(project: Project, part: str, keys: Keys, waiver: Waiver | None, *rules: GCSLifecycleRule) -> Declaration:
    """Gives a bucket for what Glacier makes itself: archives of functions, access logs."""
    location = project.region
    return Declaration(
        "google_storage_bucket",
        identifier(f"glacier-{part}"),
        "storage",
        {
            "name": text(*project.unique(part)),
            **_arguments(project, location, GCSConfig(), keys.of(location), rules),
        },
        after=keys.granted(location, project.id),
        waivers=(waiver,) if waiver else (),
    )


def _declaration(
    project: Project, bucket: DeclaredBucket, keys: Keys, expiry: tuple[GCSLifecycleRule, ...]
) -> Declaration:
    ref = bucket_ref(bucket)
    owner = project.project_of(bucket)
    if bucket.existing:
        return Declaration(
            ref.kind, ref.name, "storage", {"name": bucket.physical}, looked_up=True, because=bucket.because
        )
    config: GCSConfig = bucket.config or GCSConfig()
    location: str = bucket.provider.region
    _check_key(bucket, config, location)
    arguments = _arguments(project, location, config, config.kms_key or keys.of(location), (*config.rules, *expiry))
    arguments["labels"] = {**labels(bucket.provider.tags), **project.labels}
    logs: dict[str, Value] = {}
    if project.strict:
        target = Ref("google_storage_bucket", identifier(f"glacier-{_ACCESS_LOGS}"), ("name",))
        logs["logging"] = Block({"log_bucket": target, "log_object_prefix": bucket.name})
    return Declaration(
        ref.kind,
        ref.name,
        "storage",
        {"name": bucket.physical, "project": None if owner == project.id else owner, **arguments, **logs},
        keeps_data=True,
        after=keys.granted(config.kms_key or location, owner),
        because=bucket.because,
        waivers=() if project.strict else (_LOGS,),
    )


def _arguments(
    project: Project, location: str, config: GCSConfig, key: str | Ref | None, rules: tuple[GCSLifecycleRule, ...]
) -> dict[str, Value]:
    blocks = [_rule(rule) for rule in rules]
    if not config.versioning:
        state: dict[str, Value] = {"days_since_noncurrent_time": NONCURRENT_DAYS, "with_state": "ARCHIVED"}
        blocks.append(_lifecycle("Delete", state))
    blocks.append(_lifecycle("AbortIncompleteMultipartUpload", {"age": ABORT_DAYS}))
    return {
        "location": location,
        "storage_class": config.storage_class,
        "uniform_bucket_level_access": True,
        "public_access_prevention": "enforced",
        "force_destroy": False,
        "labels": project.labels,
        "versioning": Block({"enabled": True}),
        "soft_delete_policy": Block({"retention_duration_seconds": config.soft_delete_days * _DAY}),
        "encryption": Block({"default_kms_key_name": key}) if key else None,
        "lifecycle_rule": tuple(blocks),
    }


def _rule(rule: GCSLifecycleRule) -> Block:
    condition: dict[str, Value] = {
        "age": rule.days,
        "send_age_if_zero": True if rule.days == 0 else None,
        "matches_prefix": (rule.prefix,) if rule.prefix else None,
    }
    return _lifecycle("Delete" if rule.expiration else "SetStorageClass", condition, rule.transition)


def _lifecycle(action: str, condition: dict[str, Value], storage_class: str | None = None) -> Block:
    return Block({"action": Block({"type": action, "storage_class": storage_class}), "condition": Block(condition)})


def _check_key(bucket: DeclaredBucket, config: GCSConfig, location: str) -> None:
    if config.kms_key is None:
        return
    place, wanted = config.kms_key.split("/")[3].lower(), place_of_key(location)
    if place != wanted:
        region = "EU" if place == place_of_key("EU") else place
        raise UnsupportedError(
            f'Google Cloud cannot encrypt bucket `{bucket.name}` in "{location}" with a key in "{place}": both are in '
            "one location",
            site=bucket.site,
            fix=f'give a kms_key of location "{wanted}", or declare the bucket with GCPProvider(region="{region}")',
        )
