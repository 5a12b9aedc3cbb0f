"""What the clouds answer when they refuse, in their own words, and what is said of it: the reason and the edit."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from fault_proxy import FaultProxy, Refusal, Request
from glacier.errors import AccessDenied, StorageError
from glacier.providers import AWSProvider, AzureProvider, GCPProvider
from glacier.providers.azure import AzureBlob
from glacier.providers.faults import Asked, fault
from glacier.providers.gcp import CloudStorage
from stores import HAS_AZURITE, SECRETS, Cloud, cloud, seaweedfs

FRAME = pl.DataFrame({"id": [1, 2]})
S3_BODY = (
    '<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{}</Code><Message>{}</Message>{}'
    "<RequestId>4442587FB7D0A2F9</RequestId><HostId>sgaF4=</HostId></Error>"
)
GOOGLE_BODY = (
    "<?xml version='1.0' encoding='UTF-8'?><Error><Code>{}</Code><Message>{}</Message><Details>{}</Details></Error>"
)
AZURE_BODY = (
    '\ufeff<?xml version="1.0" encoding="utf-8"?><Error><Code>{}</Code><Message>{}\nRequestId:2c25ad7c-a01e-0004-04a3'
    "-56c77b000000\nTime:2026-11-28T10:16:22.8096444Z</Message>{}</Error>"
)
UNSIGNED = "Server failed to authenticate the request. Make sure the value of Authorization header is formed correctly."
DETAIL = "<AuthenticationErrorDetail>{}</AuthenticationErrorDetail>"

NO_BUCKET = "there is no bucket `{bucket}`"
DENIED = "the credentials do not allow it to {verb} there"
EXPIRED = "the credentials have expired"
SKEWED = "this machine's clock is wrong"
UNKNOWN = "it does not know the credentials"
ELSEWHERE = "bucket `{bucket}` is in another region"
FIXES = {
    NO_BUCKET: "create it, or correct its name; a name with existing=True is taken as it is, without prefix",
    DENIED: "allow this process's identity to {verb} objects of `{bucket}`",
    EXPIRED: "sign in again, or let the environment renew them",
    SKEWED: "set the clock, by NTP say; signatures hold for 15 minutes",
    ELSEWHERE: 'pass region="eu-west-1" to the provider',
}


@dataclass(frozen=True)
class Said:
    """What a service answers, and what is made of it: a reason, with its fix above."""

    status: int
    body: str
    reason: str
    headers: dict[str, str] = field(default_factory=dict[str, str])

    def __str__(self) -> str:
        return f"{self.status}-{self.reason[:24]}"


AMAZON = [
    Said(404, S3_BODY.format("NoSuchBucket", "The specified bucket does not exist", ""), NO_BUCKET),
    Said(403, S3_BODY.format("AccessDenied", "User: arn:aws:iam::1:user/x is not authorized to perform", ""), DENIED),
    Said(400, S3_BODY.format("ExpiredToken", "The provided token has expired.", "<Token-0>FwoG</Token-0>"), EXPIRED),
    Said(
        403,
        S3_BODY.format(
            "RequestTimeTooSkewed",
            "The difference between the request time and the current time is too large.",
            "<RequestTime>20261128T091622Z</RequestTime><MaxAllowedSkewMilliseconds>900000"
            "</MaxAllowedSkewMilliseconds>",
        ),
        SKEWED,
    ),
    Said(403, S3_BODY.format("InvalidAccessKeyId", "The AWS Access Key Id you provided does not exist", ""), UNKNOWN),
    Said(403, S3_BODY.format("SignatureDoesNotMatch", "The request signature we calculated does not", ""), UNKNOWN),
    Said(
        301,
        S3_BODY.format(
            "PermanentRedirect",
            "The bucket you are attempting to access must be addressed using the specified endpoint.",
            "<Endpoint>raw.s3.eu-west-1.amazonaws.com</Endpoint>",
        ),
        ELSEWHERE,
        {"x-amz-bucket-region": "eu-west-1"},
    ),
    Said(
        400,
        S3_BODY.format(
            "AuthorizationHeaderMalformed",
            "The authorization header is malformed; the region 'us-east-1' is wrong; expecting 'eu-west-1'",
            "<Region>eu-west-1</Region>",
        ),
        ELSEWHERE,
    ),
    Said(
        400,
        S3_BODY.format(
            "IllegalLocationConstraintException",
            "The eu-west-1 location constraint is incompatible for the region specific endpoint this request was sent "
            "to.",
            "",
        ),
        ELSEWHERE,
        {"x-amz-bucket-region": "eu-west-1"},
    ),
]
GOOGLE = [
    Said(404, GOOGLE_BODY.format("NoSuchBucket", "The specified bucket does not exist.", ""), NO_BUCKET),
    Said(
        403,
        GOOGLE_BODY.format("AccessDenied", "Access denied.", "x@y.iam does not have storage.objects.list access"),
        DENIED,
    ),
    Said(400, GOOGLE_BODY.format("ExpiredToken", "The provided token has expired.", ""), EXPIRED),
    Said(403, GOOGLE_BODY.format("RequestTimeTooSkewed", "The difference between", ""), SKEWED),
    Said(401, GOOGLE_BODY.format("AuthenticationRequired", "Authentication required.", ""), UNKNOWN),
]
AZURE = [
    Said(404, AZURE_BODY.format("ContainerNotFound", "The specified container does not exist.", ""), NO_BUCKET),
    Said(
        403,
        AZURE_BODY.format("AuthorizationPermissionMismatch", "This request is not authorized to perform this", ""),
        DENIED,
    ),
    Said(
        403,
        AZURE_BODY.format("AuthorizationFailure", "This request is not authorized to perform this operation.", ""),
        DENIED,
    ),
    Said(
        403,
        AZURE_BODY.format(
            "AuthenticationFailed",
            UNSIGNED,
            DETAIL.format(
                "Signature not valid in the specified time frame: Start [Thu, 09 Jul 2026 10:11:03 GMT] - Expiry "
                "[Thu, 09 Jul 2026 18:11:03 GMT] - Current [Fri, 10 Jul 2026 10:16:22 GMT]"
            ),
        ),
        EXPIRED,
    ),
    Said(
        401,
        AZURE_BODY.format(
            "InvalidAuthenticationInfo", UNSIGNED, DETAIL.format("Lifetime validation failed. The token is expired.")
        ),
        EXPIRED,
    ),
    Said(
        403,
        AZURE_BODY.format(
            "AuthenticationFailed", UNSIGNED, DETAIL.format("Request date header too old: 'Fri, 10 Jul 2026 10:16:22'")
        ),
        SKEWED,
    ),
    Said(
        403,
        AZURE_BODY.format("AuthenticationFailed", UNSIGNED, DETAIL.format("The MAC signature found is not the same")),
        UNKNOWN,
    ),
]
CASES: list[tuple[Cloud, Said]] = [
    *(("s3", said) for said in AMAZON),
    *(("gcs", said) for said in GOOGLE),
    *(("azure", said) for said in AZURE if HAS_AZURITE),
]


@pytest.mark.parametrize(("kind", "said"), CASES, ids=str)
def test_a_refusal_has_its_reason_and_its_fix(kind: Cloud, said: Said) -> None:
    """Also where it comes to a HEAD request, which has no body: then the reason is asked for."""
    place = cloud(kind)
    place.declare("raw", path="a.parquet").write(FRAME)
    proxy = FaultProxy(place.provider.endpoint_url)

    def refuse(request: Request) -> Refusal:
        headers = said.headers if request.method == "HEAD" else {}  # the client library shows none of others
        return Refusal(said.status, said.body, headers)

    proxy.fault = refuse
    provider = replace(place.provider, endpoint_url=proxy.url)
    raw: Any = provider.bucket("raw", path="a.parquet")
    uses = {"list": raw.at("./").list, "write": lambda: raw.write(FRAME), "read": raw.read}
    if said.reason == NO_BUCKET:
        del uses[
            "read"
        ]  # a HEAD request cannot tell a missing bucket from a missing object; the list that follows does
        with pytest.raises(StorageError, match="there is no bucket"):
            raw.read()
    for verb, use in uses.items():
        with pytest.raises(StorageError) as caught:
            use()
        words = {"bucket": place.provider.name_prefix + "raw", "verb": verb}
        assert caught.value.message.endswith(f": {said.reason.format(**words)}"), verb
        assert f"refused to {verb} `" in caught.value.message
        assert caught.value.fix is not None
        assert caught.value.fix.startswith(FIXES.get(said.reason, "check them: they are looked for ").format(**words))
        assert caught.value.site is not None
        assert isinstance(caught.value, AccessDenied) == (said.reason == DENIED)
    proxy.stop()


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (
            '{"error": "invalid_grant", "error_description": "Invalid JWT: Token must be a short-lived token (60 '
            "minutes) and in a reasonable timeframe. Check your iat and exp values and use a clock with skew to "
            'account for clock differences between systems."}',
            SKEWED,
        ),
        ('{"error": "invalid_grant", "error_description": "Token has been expired or revoked."}', EXPIRED),
        ('{"error": "invalid_grant", "error_subtype": "invalid_rapt"}', EXPIRED),
        ('{"error": "unauthorized_client"}', "it does not know the credentials"),
    ],
)
def test_what_google_says_of_tokens(body: str, reason: str) -> None:
    """Tokens come from a server of Google's that no emulator stands for."""
    text = (
        "Generic GCS error: Error performing token request: Error performing POST https://oauth2.googleapis.com/token "
        f"in 12ms - Server returned non-2xx status code: 400 Bad Request: {body}"
    )
    asked = Asked("Cloud Storage", "raw", "gs://raw/a.csv", "read", 60, "in the environment")
    assert fault(asked, RuntimeError(text)).message.endswith(f": {reason}")


def test_what_is_asked_besides_goes_where_the_store_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", "http://127.0.0.1:1")
    monkeypatch.setenv("AZURE_STORAGE_ENDPOINT", "http://127.0.0.1:2/acme")
    client: Any = None
    assert CloudStorage(GCPProvider()).probe(client, "raw", "a b.csv") == "http://127.0.0.1:1/raw/a%20b.csv"
    azure = AzureBlob(AzureProvider(storage_account="acme"))
    assert azure.probe(client, "raw", "a.csv") == "http://127.0.0.1:2/acme/raw/a.csv"


def test_a_server_that_checks_signatures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = cloud("seaweedfs")
    name = place.provider.name_prefix + "raw"
    place.declare("raw", path="a.parquet").write(FRAME)
    keys = {
        "wrong": (SECRETS["AWS_ACCESS_KEY_ID"], "not-the-secret"),
        "nobody": ("AKIANOBODY", "any"),
        "reader": ("AKIAREADER", "glacier-secret-of-reader"),
    }
    lines = [
        f"[{profile}]\naws_access_key_id = {key}\naws_secret_access_key = {secret}\n"
        for profile, (key, secret) in keys.items()
    ]
    (tmp_path / "credentials").write_text("".join(lines))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))

    def raw(profile: str) -> Any:
        provider = AWSProvider(region="us-east-1", endpoint_url=seaweedfs().url, profile=profile)
        return provider.bucket(name, path="a.parquet", existing=True)

    for profile, code in (("wrong", "SignatureDoesNotMatch"), ("nobody", "InvalidAccessKeyId")):
        for use in raw(profile).at("./").list, raw(profile).read:
            with pytest.raises(StorageError, match=rf"\({code}\): it does not know the credentials"):
                use()
    assert raw("reader").read().equals(FRAME)
    with pytest.raises(AccessDenied, match=r"refused to write .*\(AccessDenied\): the credentials do not allow it"):
        raw("reader").write(FRAME.head(1))
    with pytest.raises(AccessDenied, match=r"refused to delete .*\(AccessDenied\): the credentials do not allow it"):
        raw("reader").delete()
    assert raw("reader").read().equals(FRAME)
