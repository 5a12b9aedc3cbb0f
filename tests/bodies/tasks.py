"""The tasks that the bodies call: small, and of any type, because the bodies are about Python and not about them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from glacier import task


@task
def same(value: Any) -> Any:
    return value


@task
def double(value: Any) -> Any:
    return value * 2


@task
def add(left: Any, right: Any = 1) -> Any:
    return left + right


@task
def odd(value: int) -> bool:
    return value % 2 == 1


@task
def text(value: Any) -> str:
    return f"<{value}>"


@task
def record(n: int) -> dict[str, Any]:
    return {"n": n, "odd": n % 2 == 1, "names": ["x", "y", "z"][:n], "inner": {"n": n + 1}}


@task
def items(n: int) -> list[int]:
    return list(range(n))


@task
def pair(n: int) -> tuple[int, int]:
    return n, n + 1


@task
def total(values: Any) -> int:
    return sum(values)


@task
def merge(values: Any, more: Any) -> list[Any]:
    return [*values, *more]


@task
def nothing(value: Any) -> None:
    return None


@task
def gathered(*values: Any, **named: Any) -> list[Any]:
    return [*values, *sorted(named.items())]


@task
def halved(n: int) -> int:
    if n % 2:
        raise ValueError("an odd number has no half")
    return n // 2


@task
async def fetched(n: int) -> int:
    return n + 100


@task
def described(setting: Setting) -> str:
    return f"{setting.name}={setting.value} {setting.more}"


@dataclass(frozen=True)
class Setting:
    name: str
    value: Any
    more: list[Any] = field(default_factory=list[Any])


class Scale:
    """A class whose methods are tasks."""

    def __init__(self, factor: Any) -> None:
        self.factor = factor

    @task
    def apply(self, n: Any) -> Any:
        return n * self.factor

    def times(self, n: Any) -> Any:
        return n * self.factor

    @task(name="scaled")
    def __call__(self, n: Any) -> Any:
        return n * self.factor + 1


@task
def filled(x: int, found: list[int], more: dict[str, list[int]]) -> list[object]:
    found.append(x)
    more["seen"].append(x)
    return [found, more]
