"""What a function asks of the place that runs it: what each provider does in its own way."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from glacier.resources.serverless import Serverless


class Limit(NamedTuple):
    """How long a payload may be.

    Attributes:
        size: in bytes.
        origin: the service's document that says so.
    """

    size: int
    origin: str


@dataclass(frozen=True, slots=True)
class Invocation:
    """One call of a function.

    Attributes:
        payload: JSON.
        wait: whether the result is waited for.
    """

    function: Serverless
    payload: bytes
    wait: bool


class Host(Protocol):
    """Where functions run: what a provider does for those it declares."""

    @property
    def provider(self) -> str:
        """The provider's name as the user wrote it, `LocalProvider` say."""
        ...

    @property
    def config(self) -> object:
        """How the cloud is to run the function: a config of `glacier.config`, or None."""
        ...

    @property
    def declarer(self) -> object:
        """The provider itself, which knows its region, project or account."""
        ...

    def physical(self, name: str) -> str:
        """What the function is called where it runs, with the provider's prefix and environment."""
        ...

    def uri(self, name: str) -> str:
        """What people and messages call the function; touches nothing."""
        ...

    def refusal(self, name: str) -> tuple[str, str] | None:
        """Why the cloud cannot have a function of this name, and the fix; None if it can."""
        ...

    def limit(self, *, wait: bool) -> Limit | None:
        """How long a payload may be; None if nothing but memory limits it."""
        ...

    def invoke(self, invocation: Invocation) -> bytes:
        """Gives the function's result as JSON; nothing where it is not waited for.

        Raises:
            FunctionError: the function failed, or could not be invoked. A site is added by the caller.
        """
        ...
