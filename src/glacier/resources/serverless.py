"""Serverless functions: code that a provider runs on its own, outside the tasks."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar, cast

from glacier.errors import ConfigError, FunctionError, Site
from glacier.graph import Resource
from glacier.resources.host import Host, Invocation
from glacier.storage import storage_node

NO_ENV: Mapping[str, str] = MappingProxyType({})
"""No environment variables."""

_HANDLER = re.compile(r"[A-Za-z_]\w*([./][A-Za-z_]\w*)*\.[A-Za-z_]\w*")
_RUNTIME = re.compile(r"python3\.\d+")


@dataclass(frozen=True)
class Serverless(Resource):
    """A function that its provider runs. Made by a provider; holds no connection.

    What it does is not known: after `invoke`, anything may have changed. So whatever touches a resource later in a
    pipeline's body waits for it, and it waits for whatever touches a resource before.

    Attributes:
        name: of the function on its provider.
        handler: its module and function: `process.handler` is `handler` in `process.py`.
        runtime: what it is to run on in a cloud; None is the Python that deploys it.
        host: where it runs.
        source: the folder that holds the module.
        requirements: packages it needs besides, as pip names them.
        env: its environment variables, as pairs; never shown.
        reads: what its code reads, as was stated.
        writes: what its code writes.
        site: where it was declared; like `env` and `group`, not part of its equality.
        group: the names of the composites it is a part of, outermost first.

    >>> from glacier.testing import MemoryProvider
    >>> provider = MemoryProvider(functions={"double": lambda event: {"n": event["n"] * 2}})
    >>> double = provider.serverless("double", handler="numbers.double")
    >>> double.invoke(payload={"n": 21})
    {'n': 42}
    """

    invocable: ClassVar[bool] = True

    name: str
    handler: str
    runtime: str | None
    host: Host
    source: str
    requirements: tuple[str, ...] = ()
    env: tuple[tuple[str, str], ...] = field(default=(), compare=False, repr=False)
    reads: tuple[Resource, ...] = field(default=(), compare=False, repr=False)
    writes: tuple[Resource, ...] = field(default=(), compare=False, repr=False)
    site: Site | None = field(default=None, compare=False, repr=False)
    group: tuple[str, ...] = field(default=(), compare=False, repr=False)

    @property
    def uri(self) -> str:
        """What people call it, and two functions share only if they are the same. Makes and asks nothing."""
        return self.host.uri(self.name)

    @property
    def label(self) -> str:
        """Its name."""
        return self.name

    @property
    def config(self) -> object:
        """How its cloud is to run it: what `config=` was given, or None."""
        return self.host.config

    @property
    def provider_name(self) -> str:
        """Its provider's name: `LocalProvider`."""
        return self.host.provider

    def at(self, path: str) -> Serverless:
        """Gives itself: a function has no paths."""
        del path
        return self

    def prepare(self) -> None:
        """Does nothing: a function has no URI to write to."""

    @storage_node(writes=True)
    def invoke(self, payload: object = None, *, wait: bool = True) -> Any:  # JSON of any shape
        """Calls the function and gives its result.

        Args:
            payload: what it is given as its event: None, numbers, text, lists and dicts of such.
            wait: with False it is called and not waited for; what it raises is then logged, by the cloud in the cloud.

        Returns:
            What it returned, as JSON holds it; None if it was not waited for.

        Raises:
            FunctionError: if the payload is no JSON or too long, if the function raises, is stopped at a limit, or
                cannot be reached.
        """
        caller = Site.of_caller(sys._getframe(1))
        try:
            answer = self.host.invoke(Invocation(self, self._encoded(payload, wait=wait), wait))
            return _decoded(self, answer) if wait else None
        except FunctionError as error:
            error.site = error.site or caller
            raise

    def _encoded(self, payload: object, *, wait: bool) -> bytes:
        import json

        wrong = _not_json(payload, "payload")
        if wrong is not None:
            place, kind, fix = wrong
            raise FunctionError(
                f"function `{self.name}` cannot be given `{place}`: JSON holds no {kind}", function=self.name, fix=fix
            )
        encoded = json.dumps(payload, separators=(",", ":")).encode()
        limit = self.host.limit(wait=wait)
        if limit is not None and len(encoded) > limit.size:
            raise FunctionError(
                f"the payload for function `{self.name}` has {len(encoded):,} bytes, and {self.host.provider} takes "
                f"{limit.size:,}{'' if wait else ' with wait=False'} ({limit.origin})",
                function=self.name,
                fix="write it to a bucket, and pass where: payload={'path': bucket.get_uri()}",
            )
        return encoded


@dataclass(frozen=True, kw_only=True)
class Code:
    """What a function runs, as a user declares it."""

    handler: str
    runtime: str | None = None
    source: str | os.PathLike[str] | None = None
    requirements: Sequence[str] = ()
    env: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    reads: Sequence[Resource] = ()
    writes: Sequence[Resource] = ()


def declare_function(host: Host, name: str, code: Code, site: Site | None) -> Serverless:
    """Gives a function on a host, its name and code checked: what a provider's `serverless` calls.

    Raises:
        ConfigError: if the host cannot have such a name, or a part of the code is not as it must be.
    """
    wrong = host.refusal(name) or _refusal(name, code)
    if wrong is not None:
        raise ConfigError(wrong[0], site=site, fix=wrong[1])
    beside = os.path.dirname(site.file) if site is not None and os.path.isfile(site.file) else ""  # noqa: PTH113, PTH120
    source = Path(beside, code.source or "").expanduser().absolute()
    return Serverless(
        name,
        code.handler,
        code.runtime,
        host,
        str(source),
        tuple(code.requirements),
        env=tuple(code.env.items()),
        reads=tuple(code.reads),
        writes=tuple(code.writes),
        site=site,
    )


def _refusal(name: str, code: Code) -> tuple[str, str] | None:
    given = cast("Mapping[str, object]", vars(code))  # a user may pass anything
    requirements, env = given["requirements"], given["env"]
    if not (isinstance(given["handler"], str) and _HANDLER.fullmatch(code.handler)):
        return (
            f"function `{name}` got handler={code.handler!r}, and takes a module and its function",
            'write handler="process.handler" for `def handler(event, context)` in process.py',
        )
    if code.runtime is not None and not (isinstance(given["runtime"], str) and _RUNTIME.fullmatch(code.runtime)):
        return (
            f"function `{name}` got runtime={code.runtime!r}, and takes a version of Python",
            'write runtime="python3.12", or leave it out',
        )
    if isinstance(requirements, str) or not _all_text(requirements, Sequence):
        return (
            f"function `{name}` takes requirements as a list of text",
            'write requirements=["polars>=1.30"], or leave it out',
        )
    for option in ("reads", "writes"):
        given_buckets = given[option]
        if not _all_of(given_buckets, Resource) or any(
            one.invocable for one in cast("Sequence[Resource]", given_buckets)
        ):
            return f"function `{name}` takes {option} as a list of buckets", f"write {option}=[bucket], or leave it out"
    if not isinstance(env, Mapping) or not _all_text([*code.env, *code.env.values()], list):
        return f"function `{name}` takes env as text by name", 'write env={"STAGE": "prod"}, or leave it out'
    return None


def _all_text(values: object, kind: type) -> bool:
    return isinstance(values, kind) and _all_of(values, str)


def _all_of(values: object, kind: type) -> bool:
    return isinstance(values, Sequence) and all(isinstance(value, kind) for value in cast("Sequence[object]", values))


def _not_json(value: object, place: str, depth: int = 0) -> tuple[str, str, str] | None:
    """Gives where in a payload something is that JSON cannot hold, its type, and the fix; None if nothing is."""
    if value is None or isinstance(value, str | bool | int):
        return None
    if isinstance(value, float):
        finite = value - value == 0
        return None if finite else (place, "number that is infinite or no number", "pass None in its place")
    if depth > 100:  # deeper than any payload, so it holds itself
        return place, "value that holds itself", "pass something flatter"
    if isinstance(value, list | tuple):
        items = enumerate(cast("Sequence[object]", value))
        return next((w for at, one in items if (w := _not_json(one, f"{place}[{at}]", depth + 1))), None)
    if isinstance(value, dict):
        members = cast("dict[object, object]", value).items()
        odd = next((key for key, _ in members if not isinstance(key, str)), None)
        if odd is not None:
            return place, f"key that is a {type(odd).__name__}", "make the keys text"
        return next((w for key, one in members if (w := _not_json(one, f'{place}["{key}"]', depth + 1))), None)
    kind = type(value).__name__
    if kind in ("DataFrame", "LazyFrame", "Series"):
        return place, kind, "write it to a bucket, and pass where: bucket.get_uri()"
    if isinstance(value, Resource):
        return place, kind, "pass its URI: bucket.get_uri()"
    return place, kind, "pass text, numbers, lists and dicts"


def _decoded(function: Serverless, answer: bytes) -> object:
    import json

    try:
        return json.loads(answer) if answer else None
    except ValueError:
        raise FunctionError(
            f"function `{function.name}` ({function.handler}) answered {len(answer):,} bytes that are no JSON",
            function=function.name,
            fix="return None, numbers, text, lists and dicts of such from the handler",
        ) from None
