"""Functions in the clouds: what is sent, what comes back, what is told of failures; on a server on loopback."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable, Generator
from errno import ETIMEDOUT
from importlib import import_module
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlparse

import pytest

from function_servers import Asked, Reply, Server, certificate, identity_token, serving
from glacier import Serverless
from glacier.config import AzureFunctionConfig, CloudFunctionConfig, LambdaConfig
from glacier.errors import ConfigError, FunctionError
from glacier.providers import AWSProvider, AzureProvider, GCPProvider

KEY, SECRET, FUNCTIONS_KEY = "AKIAGLACIERTESTS", "glacier-secret-of-aws", "glacier-key-of-azure"


@pytest.fixture(scope="module")
def pem(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def server(pem: Path, monkeypatch: pytest.MonkeyPatch) -> Generator[Server]:
    monkeypatch.setenv("SSL_CERT_FILE", str(pem))
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.setenv("AZURE_FUNCTIONS_KEY", FUNCTIONS_KEY)
    with serving(pem) as running:
        yield running


@pytest.fixture(scope="module")
def metadata() -> Generator[Server]:
    """Google's metadata service, which gives tokens to who asks from the machine. Its library looks for it once."""

    def reply(asked: Asked) -> Reply:
        flavor = {"Metadata-Flavor": "Google", "Content-Type": "text/plain"}
        if asked.path == "/" or asked.headers.get("metadata-flavor") != "Google":
            return 200, flavor, b""
        if "/identity" in asked.path:
            return 200, flavor, identity_token(parse_qs(urlparse(asked.path).query)["audience"][0]).encode()
        account = json.dumps({"email": "robot@acme", "scopes": []}).encode()
        return 200, {**flavor, "Content-Type": "application/json"}, account

    with serving() as running, pytest.MonkeyPatch.context() as environment:
        for name in "GCE_METADATA_HOST", "GCE_METADATA_ROOT", "GCE_METADATA_IP":
            environment.setenv(name, running.url.removeprefix("http://"))
        running.answer(reply)
        yield running


def on_aws(server: Server, **options: Any) -> Serverless:
    aws = AWSProvider(
        region="eu-central-1", name_prefix="acme-", environment="prod", functions_url=server.url, **options
    )
    return aws.serverless("sums", handler="job.sums", config=LambdaConfig(timeout=1))


def on_gcp(server: Server, **options: Any) -> Serverless:
    gcp = GCPProvider(project_id="my-project", name_prefix="acme-", functions_url=server.url, **options)
    return gcp.serverless("sums", handler="job.sums", config=CloudFunctionConfig(timeout=1))


def on_azure(server: Server, **options: Any) -> Serverless:
    azure = AzureProvider(storage_account="acmedata", functions_url=server.url + "/{name}", **options)
    return azure.serverless("sums", handler="job.sums", config=AzureFunctionConfig(timeout=1))


def told(run: Callable[[], object]) -> str:
    with pytest.raises(FunctionError) as caught:
        run()
    assert SECRET not in str(caught.value)
    assert FUNCTIONS_KEY not in str(caught.value)
    return str(caught.value).partition("\n  at ")[0]


def ok(value: object) -> Reply:
    return 200, {}, json.dumps(value).encode()


def test_lambda_is_asked_with_a_signature(server: Server) -> None:
    server.answer(ok({"rows": 7}))
    assert on_aws(server).invoke(payload={"path": "s3://raw/ü.csv"}) == {"rows": 7}
    (asked,) = server.asked
    assert asked.path == "/2015-03-31/functions/acme-sums-prod/invocations"
    assert json.loads(asked.body) == {"path": "s3://raw/ü.csv"}
    assert asked.headers["x-amz-invocation-type"] == "RequestResponse"
    requests: Any = import_module("botocore.awsrequest")  # which says nothing of its types
    again = requests.AWSRequest("POST", server.url + asked.path, data=asked.body)
    signed = asked.headers["authorization"].partition("SignedHeaders=")[2].partition(",")[0].split(";")
    for name in signed:
        again.headers[name] = asked.headers[name]
    again.context["timestamp"] = asked.headers["x-amz-date"]
    keys: Any = import_module("botocore.credentials").Credentials(KEY, SECRET)
    auth: Any = import_module("botocore.auth").SigV4Auth(keys, "lambda", "eu-central-1")
    expected = auth.signature(auth.string_to_sign(again, auth.canonical_request(again)), again)
    assert asked.headers["authorization"].endswith(f"Signature={expected}")
    server.answer((202, {}, b""))
    assert on_aws(server).invoke([1], wait=False) is None
    assert server.asked[0].headers["x-amz-invocation-type"] == "Event"


def test_run_functions_are_asked_with_an_identity_token(server: Server, metadata: Server) -> None:
    server.answer(ok([1, 2]))
    assert on_gcp(server).invoke({"n": 1}) == [1, 2]
    (asked,) = server.asked
    assert (asked.path, json.loads(asked.body)) == ("/acme-sums", {"n": 1})
    assert asked.headers["authorization"].startswith("Bearer eyJ")
    claims = json.loads(base64.urlsafe_b64decode(asked.headers["authorization"].split(".")[1] + "=="))
    assert claims["aud"] == f"{server.url}/acme-sums"
    with serving() as plain:
        plain.answer(ok(None))
        assert on_gcp(plain).invoke() is None
        assert "authorization" not in plain.asked[0].headers


def test_azure_is_asked_with_a_key_or_a_token(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    server.answer(ok("done"))
    assert on_azure(server).invoke({"n": 1}) == "done"
    (asked,) = server.asked
    assert (asked.path, asked.headers["x-functions-key"]) == ("/sums/api/sums", FUNCTIONS_KEY)
    monkeypatch.delenv("AZURE_FUNCTIONS_KEY")
    assert told(on_azure(server).invoke) == ("function `sums` (job.sums) cannot be invoked: no credentials were found")
    with serving() as identity:
        identity.answer(ok({"access_token": "a-token"}))
        monkeypatch.setenv("IDENTITY_ENDPOINT", f"{identity.url}/msi/token")
        monkeypatch.setenv("IDENTITY_HEADER", "a-header")
        server.answer(ok(None))
        on_azure(server).invoke()
        assert identity.asked[0].headers["x-identity-header"] == "a-header"
        assert parse_qs(urlparse(identity.asked[0].path).query)["resource"] == [f"{server.url}/sums"]
        monkeypatch.setenv("AZURE_FUNCTIONS_AUDIENCES", json.dumps({"sums": "api://the-app", "other": "api://other"}))
        monkeypatch.setenv("AZURE_CLIENT_ID", "the-stage")
        on_azure(server).invoke()
        asked_for = parse_qs(urlparse(identity.asked[1].path).query)
        assert (asked_for["resource"], asked_for["client_id"]) == (["api://the-app"], ["the-stage"])
    assert server.asked[0].headers["authorization"] == "Bearer a-token"


FAILED = json.dumps(
    {"errorMessage": "'path'", "errorType": "KeyError", "stackTrace": ['  File "/var/task/job.py", line 3, in sums\n']}
).encode()
RAISED = "function `sums` (job.sums) raised KeyError: 'path'\n      File \"/var/task/job.py\", line 3, in sums"


@pytest.mark.parametrize("make", [on_aws, on_gcp, on_azure])
def test_the_functions_own_exception(make: Callable[[Server], Serverless], server: Server, metadata: Server) -> None:
    status, headers = (200, {"X-Amz-Function-Error": "Unhandled"}) if make is on_aws else (500, {})
    server.answer((status, headers, FAILED))
    assert told(make(server).invoke) == RAISED
    assert len(server.asked) == 1
    server.answer((status, headers, b"<html>"))
    assert told(make(server).invoke) == "function `sums` (job.sums) raised an exception"


def test_limits_of_lambda_are_told(server: Server) -> None:
    failed = {"X-Amz-Function-Error": "Unhandled"}
    for kind, message, expected in [
        ("Sandbox.Timedout", "RequestId: 1 Error: Task timed out after 1.00 seconds", "ran longer than its timeout"),
        ("Runtime.ExitError", "RequestId: 1 Error: Runtime exited with error: signal: killed", "ran out of memory"),
    ]:
        server.answer((200, failed, json.dumps({"errorType": kind, "errorMessage": message}).encode()))
        assert told(on_aws(server).invoke) == f"function `sums` (job.sums) {expected}"


REFUSED: list[tuple[Reply, str]] = [
        ((404, {"x-amzn-ErrorType": "ResourceNotFoundException:http"}, b"secret"),
         "(404 ResourceNotFoundException): there is no such function"),
        ((403, {"x-amzn-ErrorType": "AccessDeniedException"}, b""),
         "(403 AccessDeniedException): the credentials do not allow it"),
        ((403, {"x-amzn-ErrorType": "UnrecognizedClientException"}, b""),
         "(403 UnrecognizedClientException): it does not know the credentials"),
        ((403, {"x-amzn-ErrorType": "ExpiredTokenException"}, b""),
         "(403 ExpiredTokenException): the credentials have expired"),
        ((413, {}, b""), "(413): the payload is too long"),
        ((503, {}, b""), "(503): it could not do it"),
        ((302, {"Location": "https://127.0.0.1:1/"}, b""), "(302): it could not do it"),
]  # fmt: skip


@pytest.mark.parametrize(("reply", "expected"), REFUSED)
def test_what_the_service_refuses(server: Server, reply: Reply, expected: str) -> None:
    server.answer(reply)
    assert told(on_aws(server).invoke) == f"function `sums` (job.sums) was refused by Lambda {expected}"
    assert len(server.asked) == 1


def test_only_what_has_not_begun_is_tried_again(server: Server) -> None:
    throttled: Reply = (429, {"Retry-After": "0", "x-amzn-ErrorType": "TooManyRequestsException"}, b"")
    server.answer(throttled, throttled, ok(1))
    assert on_aws(server).invoke() == 1
    assert len(server.asked) == 3
    server.answer(throttled)
    assert told(on_aws(server).invoke).endswith("(429 TooManyRequestsException): it is asked too often")
    assert len(server.asked) == 4


def test_a_silent_server_is_not_waited_for_for_ever(server: Server) -> None:
    def silent(asked: Asked) -> Reply:
        time.sleep(4)
        return ok(None)

    server.answer(silent)
    start = time.monotonic()
    assert told(on_azure(server, timeout=0.5).invoke) == "function `sums` (job.sums) gave no answer within 1.5 seconds"
    assert time.monotonic() - start < 3.5


def test_a_server_that_is_not_there(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    nowhere = Server("https://127.0.0.1:9")
    assert told(on_azure(nowhere).invoke) == "function `sums` (job.sums) cannot be reached (ConnectionRefusedError)"


def test_a_network_that_gives_up_first(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    def give_up(*_: object) -> None:
        raise TimeoutError(ETIMEDOUT, "Connection timed out")  # as the kernel has it, after two minutes say

    monkeypatch.setattr("glacier.providers.functions.send", give_up)
    assert "cannot be reached (TimeoutError)" in told(on_aws(server).invoke)


def test_payloads_are_measured_before_they_are_sent(server: Server) -> None:
    aws, gcp = on_aws(server), on_gcp(server)
    long = "x" * (1024 * 1024 + 1)
    assert told(lambda: aws.invoke(long, wait=False)) == (
        "the payload for function `sums` has 1,048,579 bytes, and AWSProvider takes 1,048,576 with wait=False "
        "(AWS Lambda quotas: invocation payload)"
    )
    assert "and AWSProvider takes 6,291,456 (AWS Lambda quotas" in told(lambda: aws.invoke(long * 6))
    assert "and GCPProvider takes 33,554,432 (Cloud Run functions quotas" in told(lambda: gcp.invoke(long * 32))
    assert "AzureProvider takes 104,857,600 (Azure Functions HTTP" in told(lambda: on_azure(server).invoke(long * 100))
    assert server.asked == []


@pytest.mark.parametrize("make", [on_gcp, on_azure])
def test_clouds_without_invocations_that_nobody_waits_for(make: Callable[[Server], Serverless], server: Server) -> None:
    assert "is always waited for: " in told(lambda: make(server).invoke(wait=False))
    assert server.asked == []


def test_no_credentials(server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY":
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    assert told(on_aws(server).invoke) == "function `sums` (job.sums) cannot be invoked: no credentials were found"
    assert told(on_aws(server, profile="none").invoke) == (
        "function `sums` (job.sums) cannot be invoked: the credentials that are set give no keys (ProfileNotFound)"
    )
    assert server.asked == []


def test_one_variable_moves_all_of_aws(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://localhost:4566")
    sums = AWSProvider(region="us-east-1").serverless("sums", handler="job.sums")
    assert sums.uri == "http://localhost:4566/2015-03-31/functions/sums/invocations"


def test_addresses_and_names() -> None:
    aws, gcp = AWSProvider(region="eu-central-1"), GCPProvider(project_id="my-project", environment="dev")
    azure = AzureProvider(storage_account="acmedata", name_prefix="acme-")
    run = GCPProvider(project_id="my-project", functions_url="https://{name}-123.us-central1.run.app")
    assert [each.serverless("sums", handler="job.sums").uri for each in (aws, gcp, azure, run)] == [
        "https://lambda.eu-central-1.amazonaws.com/2015-03-31/functions/sums/invocations",
        "https://us-central1-my-project.cloudfunctions.net/sums-dev",
        "https://acme-sums.azurewebsites.net/api/sums",
        "https://sums-123.us-central1.run.app",
    ]
    with pytest.raises(ConfigError, match="function name `my sums` is none that Lambda takes"):
        aws.serverless("my sums", handler="job.sums")
    with pytest.raises(ConfigError, match="function name `Sums-dev` is none that Cloud Run functions takes"):
        gcp.serverless("Sums", handler="job.sums")
    wrong: Any = CloudFunctionConfig()
    with pytest.raises(ConfigError, match="got CloudFunctionConfig, and AWSProvider takes LambdaConfig"):
        aws.serverless("sums", handler="job.sums", config=wrong)
