"""What Azure's role assignments allow: roles, and conditions in the part of their language that is generated."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

from glacier.blueprint import Block, Blueprint, Declaration, Ref, Value
from glacier.deployment.needs import Deployment, Grant
from glacier.infrastructure.azure.access import ACTIONS, BATCH
from glacier.infrastructure.azure.conditions import BLOBS, DELETE, READ, WRITE
from glacier.infrastructure.azure.jobs import job_name
from glacier.infrastructure.azure.place import Place, place_of
from permissions import Cloud, Need, Statement

LIST = f"{READ} (Blob.List)"
"""Azure has one action for both, and tells them apart by a suboperation."""
INVOKE = "invoke"
PULL, OWN, PUBLISH = "AcrPull", "Storage Blob Data Owner", "Monitoring Metrics Publisher"
"""Of Azure's own roles, what stands for all they hold."""


@dataclass(frozen=True)
class Request:
    """What a condition looks at; a path or prefix that a request does not have makes its comparisons false."""

    action: str
    suboperation: str | None = None
    path: str | None = None
    prefix: str | None = None


Test = Callable[[Request], bool]

_TOKENS = re.compile(
    r"\s*(?:(?P<sign>[()!])|(?P<word>AND|OR|NOT)\b"
    r"|ActionMatches\{'(?P<action>[^']*)'\}|SubOperationMatches\{'(?P<suboperation>[^']*)'\}"
    r"|@(?P<source>Resource|Request)\[(?P<attribute>[^\]]*)\] (?P<operator>[A-Za-z:]+) "
    r"(?:'(?P<value>[^']*)'|\{(?P<values>[^}]*)\}))"
)
_ATTRIBUTES = {("Resource", f"{BLOBS}:path"): "path", ("Request", f"{BLOBS}:prefix"): "prefix"}


def condition_of(text: str) -> Test:
    """Reads a condition. What Glacier does not write is refused, and so is AND beside OR without brackets."""
    tokens: list[re.Match[str]] = []
    place = 0
    while place < len(text.rstrip()):
        found = _TOKENS.match(text, place)
        assert found, f"not understood: {text[place:]}"
        tokens.append(found)
        place = found.end()
    test = _either(tokens)
    assert not tokens, f"left over: {tokens[0][0]}"
    return test


def _either(tokens: list[re.Match[str]]) -> Test:
    tests, joint = [_one(tokens)], ""
    while tokens and tokens[0]["word"] in ("AND", "OR"):
        word = tokens.pop(0)["word"]
        assert joint in ("", word), "AND beside OR"
        joint = word
        tests.append(_one(tokens))
    together = all if joint == "AND" else any
    return lambda request: together(test(request) for test in tests)


def _one(tokens: list[re.Match[str]]) -> Test:
    token = tokens.pop(0)
    if token["sign"] == "!" or token["word"] == "NOT":
        inner = _one(tokens)
        return lambda request: not inner(request)
    if token["sign"] == "(":
        inner = _either(tokens)
        assert tokens.pop(0)["sign"] == ")"
        return inner
    if (action := token["action"]) is not None:
        return lambda request: request.action == action
    if (suboperation := token["suboperation"]) is not None:
        return lambda request: request.suboperation == suboperation
    attribute = _ATTRIBUTES[token["source"], token["attribute"]]
    values = [token["value"]] if token["value"] is not None else re.findall(r"'([^']*)'", token["values"])
    compare = _comparison(token["operator"], several=token["value"] is None)

    def holds(request: Request) -> bool:
        given: str | None = getattr(request, attribute)
        return given is not None and any(compare(given, value) for value in values)

    return holds


def _comparison(operator: str, *, several: bool) -> Callable[[str, str], bool]:
    assert several == operator.startswith("ForAnyOfAnyValues:"), operator
    match operator.removeprefix("ForAnyOfAnyValues:"):
        case "StringEquals":
            return lambda given, value: given == value
        case "StringStartsWith" if not several:
            return lambda given, value: given.startswith(value)
        case "StringLike":
            return lambda given, value: re.fullmatch(_like(value), given, re.DOTALL) is not None
        case _:
            raise AssertionError(f"not understood: {operator}")


def _like(pattern: str) -> str:
    """Gives a pattern with `*` and `?`, which a backslash takes for themselves, as a regular expression."""
    parts: list[str] = re.findall(r"\\.|[*?]|[^\\*?]+", pattern)
    signs = {"*": ".*", "?": "."}
    return "".join(signs.get(part) or re.escape(part.removeprefix("\\")) for part in parts)


def _statements(deployment: Deployment, blueprint: Blueprint) -> list[Statement]:
    declared = {one.address: one for one in blueprint.declarations}
    holders = dict(_holders(deployment, blueprint))
    found = [
        _assigned(one, holders[cast("Ref", one.arguments["principal_id"]).name], declared)
        for one in blueprint.declarations
        if one.kind == "azurerm_role_assignment"
    ]
    for app in blueprint.declarations:
        if app.kind == "azurerm_resource_group_template_deployment":
            found += _let_in(app, holders)
    return found


def _holders(deployment: Deployment, blueprint: Blueprint) -> Iterator[tuple[str, str]]:
    """Gives each identity with what runs under it, as the jobs and apps say, which have one each."""
    for one in blueprint.declarations:
        if one.kind == "azurerm_container_app_job":
            (identity,) = cast("tuple[Ref, ...]", _at(one.arguments, "identity", "identity_ids"))
            args = cast("tuple[Any, ...]", _at(one.arguments, "template", "container", "args"))
            stage = f"stage {args[args.index('--stage') + 1]}" if "--stage" in args else one.name
            yield identity.name, stage
        elif one.kind == "azurerm_resource_group_template_deployment":
            template, given = _template(one)
            (name,) = [each.name for each in deployment.functions if each.physical == template["resources"][0]["name"]]
            yield given["identity"]["value"].name, f"function {name}"


def _assigned(one: Declaration, holder: str, declared: Mapping[str, Declaration]) -> Statement:
    role = one.arguments["role_definition_id"]
    if isinstance(role, Ref):
        permissions = declared[role.address].arguments["permissions"]
        held = tuple(
            action
            for kind in ("actions", "data_actions")
            for action in cast("tuple[str, ...]", _at({"it": permissions}, "it", kind) or ())
        )
    else:
        held = (cast("str", one.arguments["role_definition_name"]),)
    scope = declared[cast("Ref", one.arguments["scope"]).address]
    on = scope.arguments["name"]
    text = cast("str | None", one.arguments["condition"])
    assert (text is None) is (one.arguments["condition_version"] is None)
    test = condition_of(text) if text else None

    def allows(action: str, place: str, key: str) -> bool:
        asked = Request(action, path=key if action.startswith(BLOBS) else None)
        if action == LIST:  # a list of all is asked without a prefix
            asked = Request(READ, "Blob.List", prefix=key or None)
        return asked.action in held and place == on and (test is None or test(asked))

    return Statement(one.address, holder, allows)


def _let_in(app: Declaration, holders: Mapping[str, str]) -> Iterator[Statement]:
    """Gives whom an app lets in: the identities that it names, and no one where it does not ask."""
    template, given = _template(app)
    site, settings = template["resources"][:2]
    assert settings["type"] == "Microsoft.Web/sites/config"
    asks = settings["properties"]
    assert asks["platform"] == {"enabled": True}
    assert asks["globalValidation"]["requireAuthentication"] is True
    directory = asks["identityProviders"]["azureActiveDirectory"]
    for caller in directory["validation"]["defaultAuthorizationPolicy"]["allowedPrincipals"]["identities"]:
        parameter = re.fullmatch(r"\[parameters\('(\w+)'\)\]", caller)
        assert parameter
        principal: Ref = given[parameter[1]]["value"]
        assert principal.path == ("principal_id",)

        def allows(action: str, place: str, key: str, name: str = site["name"]) -> bool:
            return (action, place, key) == (INVOKE, name, "")

        yield Statement(f"{app.address} {parameter[1]}", holders[principal.name], allows)


def _besides(deployment: Deployment) -> Iterator[Need]:
    place = place_of(deployment)
    registry = place.unique(deployment.slug, 50)
    jobs = {stage.name: job_name(place, stage.name) for stage in deployment.stages}
    for stage in deployment.stages:
        yield Need(f"stage {stage.name}", PULL, registry)
        yield from _batches(f"stage {stage.name}", stage.grants)
    for function in deployment.functions:
        yield Need(f"function {function.name}", OWN, place.unique(f"fn{function.name}", 24))
        yield Need(f"function {function.name}", PUBLISH, place.called(longest=260, what=""))
        yield from _batches(f"function {function.name}", function.grants)
    if len(jobs) > 1:
        yield Need("coordinator", PULL, registry)
        yield from (Need("coordinator", action, job) for job in jobs.values() for action in ACTIONS["orchestrator"])
    yield from _scheduled(place, next(iter(jobs.values())))


def _scheduled(place: Place, only: str) -> Iterator[Need]:
    schedule = place.deployment.schedule
    if schedule is not None and schedule.timezone == "Europe/Oslo":
        target = job_name(place, "coordinator") if len(place.deployment.stages) > 1 else only
        yield Need("scheduler", PULL, place.unique(place.deployment.slug, 50))
        yield from (Need("scheduler", action, target) for action in ACTIONS["starter"])


def _batches(identity: str, grants: tuple[Grant, ...]) -> Iterator[Need]:
    yield from (Need(identity, BATCH, grant.target.physical) for grant in grants if "delete" in grant.verbs)


def _template(app: Declaration) -> tuple[Any, Any]:
    template, given = (cast("Any", app.arguments[name]) for name in ("template_content", "parameters_content"))
    return template.document, given.document


def _at(arguments: Mapping[str, Value], *path: str) -> Value:
    found: Value = Block(arguments)
    for step in path:
        assert isinstance(found, Block)
        found = found.arguments[step]
    return found


AZURE = Cloud(
    actions={"read": (READ,), "list": (LIST,), "write": (WRITE,), "delete": (DELETE,), "invoke": (INVOKE,)},
    listings=frozenset((LIST,)),
    wide=frozenset(),
    statements=_statements,
    besides=_besides,
)
"""Azure Storage: permissions for blob service operations; Azure RBAC: role assignment condition format."""
