"""AWS Lambda: requests signed with the keys that AWS's own library finds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any, ClassVar

from glacier.errors import FunctionError, MissingExtra
from glacier.providers.plain_http import Answer
from glacier.providers.settings import address_in, misnamed
from glacier.resources.host import Invocation, Limit

_NAME = r"[A-Za-z0-9_-]{1,64}"
_QUOTAS = "AWS Lambda quotas: invocation payload"


@dataclass(frozen=True)
class Lambda:
    """Lambda in one region.

    Attributes:
        prefix: before a function's name, and `suffix` after it.
        url: where the service is, if not at AWS's own address.
        profile: of the shared files.
    """

    provider: str
    region: str
    prefix: str
    suffix: str
    url: str | None
    profile: str | None
    timeout: float
    title: ClassVar[str] = "Lambda"
    credentials: ClassVar[str] = "in AWS_ACCESS_KEY_ID, a web identity or container role, ~/.aws, the metadata service"

    def refusal(self, name: str) -> tuple[str, str] | None:
        """Refuses names against Lambda's rules."""
        rules = "1 to 64 letters, digits, hyphens and underscores"
        return misnamed(f"{self.prefix}{name}{self.suffix}", name, _NAME, rules, "Lambda", what="function")

    def address(self, name: str) -> str:
        """Gives the address of the function's invocations."""
        given = self.url or address_in("AWS_ENDPOINT_URL_LAMBDA", "AWS_ENDPOINT_URL")
        base = given or f"https://lambda.{self.region}.amazonaws.com{'.cn' if self.region.startswith('cn-') else ''}"
        return f"{base.rstrip('/')}/2015-03-31/functions/{self.prefix}{name}{self.suffix}/invocations"

    def limit(self, *, wait: bool) -> Limit:
        """Gives 6 MB, or 1 MB where the result is not waited for."""
        return Limit((6 if wait else 1) * 1024 * 1024, _QUOTAS)

    def headers(self, invocation: Invocation, address: str) -> Mapping[str, str]:
        """Gives the kind of invocation, and the signature of the whole request."""
        try:
            auth: Any = import_module("botocore.auth")  # which says nothing of its types
            requests: Any = import_module("botocore.awsrequest")
            sessions: Any = import_module("botocore.session")
            refused: type[Exception] = import_module("botocore.exceptions").BotoCoreError
        except ImportError:
            raise MissingExtra(
                "to sign requests to Lambda takes AWS's own library, which is not installed",
                fix='pip install "glacier-pipelines[aws]"',
            ) from None
        function = invocation.function
        why = "no credentials were found"
        try:
            found = sessions.Session(profile=self.profile).get_credentials()
            keys = found and found.get_frozen_credentials()
        except refused as error:
            keys, why = None, f"the credentials that are set give no keys ({type(error).__name__})"
        if keys is None:
            raise FunctionError(
                f"function `{function.name}` ({function.handler}) cannot be invoked: {why}",
                function=function.name,
                fix=f"set them: they are looked for {self.credentials}",
            )
        given = {
            "Content-Type": "application/json",
            "X-Amz-Invocation-Type": "RequestResponse" if invocation.wait else "Event",
        }
        request = requests.AWSRequest("POST", address, headers=given, data=invocation.payload)
        auth.SigV4Auth(keys, "lambda", self.region).add_auth(request)
        return dict(request.headers.items())

    def failed(self, answer: Answer) -> bool:
        """Tells it by the header that Lambda adds."""
        return "x-amz-function-error" in answer.headers
