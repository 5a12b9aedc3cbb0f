"""A config of one cloud as one of another: what a pipeline that was written against `LocalProvider` says goes with it.

What the other cloud has too is kept. A key of a cloud cannot be, so it is refused; the rest is left to the other
cloud's defaults, and told.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any, Generic, TypeVar

from glacier.config.aws import LambdaConfig, S3Config, S3LifecycleRule
from glacier.config.azure import FUNCTION_MEMORY, AzureBlobConfig, AzureFunctionConfig, AzureLifecycleRule
from glacier.config.gcp import CloudFunctionConfig, GCSConfig, GCSLifecycleRule
from glacier.errors import ConfigError, listed

BucketConfig = S3Config | GCSConfig | AzureBlobConfig
FunctionConfig = LambdaConfig | CloudFunctionConfig | AzureFunctionConfig
C = TypeVar("C", bound=BucketConfig | FunctionConfig)

_CLASSES: Mapping[type, tuple[str, ...]] = {
    S3Config: ("STANDARD", "STANDARD_IA", "GLACIER_IR", "GLACIER"),
    GCSConfig: ("STANDARD", "NEARLINE", "COLDLINE", "ARCHIVE"),
    AzureBlobConfig: ("Hot", "Cool", "Cold", "Archive"),
}
"""From warm to cold, the classes that stand for each other: read often, each month, each quarter, hardly ever."""
_SAME_AS = {"INTELLIGENT_TIERING": "STANDARD_IA", "ONEZONE_IA": "STANDARD_IA", "DEEP_ARCHIVE": "GLACIER"}
_RULES: Mapping[type, type[Any]] = {
    S3Config: S3LifecycleRule, GCSConfig: GCSLifecycleRule, AzureBlobConfig: AzureLifecycleRule,
}  # fmt: skip
_CLASS_FIELD: Mapping[type, str] = {
    S3Config: "storage_class",
    GCSConfig: "storage_class",
    AzureBlobConfig: "access_tier",
}
_KEYS = ("kms_key", "key_vault_key")


@dataclass(frozen=True)
class Translation(Generic[C]):
    """A config of the cloud that was asked for.

    Attributes:
        config: or None, where none was given.
        lost: the fields that the other cloud's config does not have, or not so; its defaults hold.
    """

    config: C | None
    lost: tuple[str, ...] = ()


def translated(config: object, kind: type[C]) -> Translation[C]:
    """Gives a config as one of another cloud; one that is of that cloud, or none, as it is.

    Raises:
        ConfigError: it names a key, or what it says is outside of the other cloud's limits.

    >>> translated(LambdaConfig(memory=3008, timeout=900), AzureFunctionConfig).config
    AzureFunctionConfig(plan='flex', memory=4096, timeout=900, max_instances=100)
    >>> rules = [{"days": 30, "transition": "GLACIER"}, {"days": 90, "expiration": True}]
    >>> [rule.transition for rule in translated(S3Config(lifecycle_rules=rules), GCSConfig).config.rules]
    ['ARCHIVE', None]
    """
    if config is None or isinstance(config, kind):
        return Translation(config)
    given: dict[str, Any]
    if isinstance(config, BucketConfig) and kind in _CLASSES:
        given = _bucket(config, kind)
    elif isinstance(config, FunctionConfig) and kind not in _CLASSES:
        given = {"memory": _memory(config, kind), "timeout": config.timeout}
    else:
        raise ConfigError(f"{type(config).__name__} says nothing that {kind.__name__} could")
    return Translation(kind(**given), tuple(_lost(config, given)))


def told(what: str, config: object, found: Translation[Any]) -> Iterator[str]:
    """Gives what people are to know of a translation.

    >>> arm = LambdaConfig(architecture="arm64")
    >>> print(*told("function `sums`", arm, translated(arm, CloudFunctionConfig)))
    function `sums` has a LambdaConfig, read as CloudFunctionConfig(memory=512, timeout=60): `architecture` is left out
    """
    if found.config is None or found.config is config:
        return
    said = ", ".join(
        f"{name}={value!r}" for name, value in _stated(found.config, besides=("memory", "timeout")).items()
    )
    name = f"{type(found.config).__name__}({said})"
    left = f": {listed(found.lost)} {'is' if len(found.lost) == 1 else 'are'} left out" if found.lost else ""
    yield f"{what} has a {type(config).__name__}, read as {name}{left}"


def _bucket(config: BucketConfig, kind: type) -> dict[str, Any]:
    for name in _KEYS:
        if getattr(config, name, None) is not None:
            raise ConfigError(
                f"{type(config).__name__} names a key of its cloud in {name}=, which {kind.__name__} cannot",
                fix=f"drop {name}=, or give a {kind.__name__}",
            )
    given: dict[str, Any] = {"versioning": config.versioning}
    days = getattr(config, "soft_delete_days", None)
    if days is not None and kind is not S3Config:
        given["soft_delete_days"] = days
    own = _CLASSES[type(config)]
    theirs = _CLASSES[kind]
    start = _level(getattr(config, _CLASS_FIELD[type(config)]), own)
    given[_CLASS_FIELD[kind]] = theirs[min(start, 2) if kind is AzureBlobConfig else start]
    rules: list[Any] = []
    reached: set[tuple[str, int]] = {("", start)}
    for rule in config.rules:
        level = None if rule.transition is None else _level(rule.transition, own)
        if level is not None and (rule.prefix, level) in reached:
            continue  # two classes that are one in the other cloud: objects are there already
        goal = {} if level is None else {"transition": theirs[level]}
        reached |= set() if level is None else {(rule.prefix, level)}
        rules.append(_RULES[kind](days=rule.days, expiration=rule.expiration, prefix=rule.prefix, **goal))
    if kind is AzureBlobConfig and any(rule.transition == "Archive" for rule in rules):
        given["redundancy"] = "LRS"  # the tier is in no account that is spread over zones
    return {**given, "lifecycle_rules": tuple(rules)}


def _level(name: str, classes: tuple[str, ...]) -> int:
    return classes.index(_SAME_AS.get(name, name))


def _memory(config: FunctionConfig, kind: type) -> int | None:
    if kind is not AzureFunctionConfig or config.memory is None:
        return config.memory if config.memory is not None else 2048
    fitting = [size for size in FUNCTION_MEMORY["flex"] if size >= config.memory]
    if not fitting:
        raise ConfigError(
            f"{type(config).__name__} asks for {config.memory:,} MiB of memory; Azure Functions has 4,096 at most on "
            "Flex Consumption",
            fix='ask for less, or give an AzureFunctionConfig(plan="premium", ...)',
        )
    return fitting[0]


def _lost(config: Any, given: Mapping[str, Any]) -> Iterator[str]:
    carried = {*given, *_CLASS_FIELD.values()}
    yield from (name for name in _stated(config) if name not in carried)


def _stated(config: Any, besides: tuple[str, ...] = ()) -> dict[str, Any]:
    """Gives the fields that are not as the config's defaults have them, and those named besides."""
    every = {one.name: (getattr(config, one.name), one.default) for one in fields(config)}
    return {name: value for name, (value, default) in every.items() if name in besides or value != default}
