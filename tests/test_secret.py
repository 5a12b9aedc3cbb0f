"""Secrets: in no message, no record, nothing that a run prints; found wherever a failing task may have them from."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import pydantic
import pytest

from glacier import Pipeline, Secret, pipeline, task
from glacier.deployment.inputs import inputs_as_text
from glacier.errors import GraphError, InputError, TaskError
from glacier.execution.options import Executor
from glacier.execution.record import Recorder
from glacier.loading import parse_inputs
from glacier.report.outcome import as_json_text, told
from glacier.report.progress import progress_observer
from glacier.secret import Mask

VALUE = "s3cr3t/värd pass"
TOKEN = Secret(VALUE)


class SecretStr:
    """As pydantic's: known by its method, not by its type."""

    def __init__(self, value: str) -> None:
        self.value = value

    def get_secret_value(self) -> str:
        return self.value


@dataclass(frozen=True)
class Login:
    user: str
    password: Secret


class Slotted:
    __slots__ = ("missing", "token")

    def __init__(self, token: Secret) -> None:
        self.token = token


class Odd(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text")


class Asking:
    """A proxy that must not be asked anything."""

    def __getattribute__(self, name: str) -> Any:
        raise AssertionError(f"asked for {name}")


def leak(text: str) -> None:
    raise ValueError(f"cannot open https://u:{text}@host\nwith {text}")


@task
def given(token: Any) -> int:
    leak(VALUE)
    return 1


@task
def from_global() -> int:
    leak(TOKEN.get_secret_value())
    return 1


def helped() -> str:
    return TOKEN.get_secret_value()


@task
def from_helper() -> int:
    leak(helped())
    return 1


@task
def issued() -> Secret:
    return Secret(VALUE)


@task
def opened(token: Secret) -> SimpleNamespace:
    return SimpleNamespace(url=token.get_secret_value())


@task
def used(connection: SimpleNamespace) -> int:
    leak(connection.url)
    return 1


@pipeline
def by_input(token: Secret) -> int:
    return given(token)


@pipeline
def by_global() -> int:
    return from_global()


@pipeline
def by_helper() -> int:
    return from_helper()


@pipeline
def by_result_of_a_task() -> int:
    return used(opened(issued()))


@pipeline
def by_object_made_of_an_input(token: Secret) -> int:
    return used(opened(token))


WAYS: list[tuple[Pipeline[..., int], dict[str, object]]] = [
    (by_input, {"token": TOKEN}),
    (by_global, {}),
    (by_helper, {}),
    (by_result_of_a_task, {}),
    (by_object_made_of_an_input, {"token": TOKEN}),
]


@pytest.mark.parametrize("executor", ["threads", "sync", "processes"])
@pytest.mark.parametrize(("failing", "inputs"), WAYS, ids=lambda one: getattr(one, "name", ""))
def test_nothing_tells_a_secret(failing: Pipeline[..., int], inputs: dict[str, object], executor: Executor) -> None:
    shown = io.StringIO()
    recorder = Recorder(progress_observer(shown))
    with pytest.raises(TaskError) as error:
        failing.run(inputs=inputs, progress=recorder, executor=executor)
    assert recorder.record
    texts = [str(error.value), told(error.value), shown.getvalue(), repr(recorder.record), repr(vars(error.value))]
    texts.append(as_json_text(recorder.record, None))
    assert [text for text in texts if VALUE in text or "s3cr3t" in text] == []
    assert "cannot open https://u:**********@host" in str(error.value)
    assert "with **********" in told(error.value)


@pytest.mark.parametrize(
    "holding",
    [
        lambda: TOKEN,
        lambda: [TOKEN],
        lambda: {"a": ({"b": TOKEN},)},
        lambda: {TOKEN: 1},
        lambda: Login("u", TOKEN),
        lambda: Slotted(TOKEN),
        lambda: SimpleNamespace(inner=Login("u", TOKEN)),
        lambda: SecretStr(VALUE),
        lambda: SimpleNamespace(get_secret_value=None, x=SecretStr(VALUE)),
    ],
)
def test_secrets_are_found_in_what_holds_them(holding: Callable[[], object]) -> None:
    assert Mask.of(holding())(f"<{VALUE}>") == "<**********>"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (VALUE, "?p=s3cr3t/v%C3%A4rd%20pass"),
        (VALUE, "?p=s3cr3t%2Fv%C3%A4rd+pass"),
        ("a\\b'\tc", repr("a\\b'\tc")),
        ("-----BEGIN KEY-----\nabcdefgh\n-----END KEY-----", "line 2: abcdefgh"),
    ],
)
def test_a_secret_is_taken_out_in_the_forms_it_may_have(value: str, text: str) -> None:
    shown = Mask.of(Secret(value))(text)
    assert shown in ("?p=**********", '"**********"', "line 2: **********")


def test_what_is_no_text_is_secret_too() -> None:
    class Several:
        def get_secret_value(self) -> object:
            return {"user": "u-1234", "codes": [98765, None, True]}

    class Bytes:
        def get_secret_value(self) -> bytes:
            return b"\xffraw"

    assert Mask.of(Several())("u-1234 98765 None True") == "********** ********** None True"
    assert Mask.of(Bytes())(repr(b"\xffraw")) == "b'**********'"


def test_objects_are_not_asked() -> None:
    circle: list[object] = [Asking(), TOKEN]
    circle.append(circle)
    assert Mask.of(circle)(VALUE) == "**********"


def test_a_secret_that_cannot_be_had_is_no_failure() -> None:
    class Broken:
        def get_secret_value(self) -> str:
            raise OSError("vault is sealed")

    assert Mask.of(Broken(), TOKEN)(VALUE) == "**********"


def test_a_secret_is_equal_to_its_like_and_shows_nothing() -> None:
    assert Secret("a") == Secret("a") != Secret("b")
    assert len({Secret("a"), Secret("a")}) == 1
    assert f"{TOKEN} {TOKEN!r} {TOKEN:>20}".count("s3") == 0


def test_a_body_that_raises_tells_no_secret() -> None:
    @pipeline
    def raising(token: Secret) -> int:
        leak(token.get_secret_value())
        return 1

    with pytest.raises(GraphError) as error:
        raising.run(inputs={"token": TOKEN})
    assert VALUE not in str(error.value)


def test_the_command_line_makes_secrets_and_generated_inputs_refuse_them() -> None:
    assert parse_inputs(by_input, ["token=abc"]) == {"token": Secret("abc")}
    with pytest.raises(InputError, match="input `token` of pipeline `by_input` is secret"):
        inputs_as_text("by_input", {"token": TOKEN})


@pytest.mark.parametrize("executor", ["threads", "processes"])
def test_an_exception_without_text_is_told(executor: Executor) -> None:
    recorder = Recorder()
    with pytest.raises(TaskError, match="task `odd` of pipeline `failing` failed: Odd: ") as error:
        failing.run(progress=recorder, executor=executor)
    assert "its text cannot be had" in str(error.value)
    assert recorder.record
    assert "its text cannot be had" in str(recorder.record.nodes[0].reason)
    assert json.loads(as_json_text(recorder.record, None))["state"] == "failed"
    assert "Odd" in told(error.value)


@task
def odd() -> int:
    raise Odd


@pipeline
def failing() -> int:
    return odd()


def test_a_long_line_of_an_exception_is_cut() -> None:
    @task
    def long() -> int:
        raise ValueError("x" * 1_000_000)

    @pipeline
    def wordy() -> int:
        return long()

    recorder = Recorder()
    with pytest.raises(TaskError):
        wordy.run(progress=recorder)
    assert recorder.record
    assert len(str(recorder.record.nodes[0].reason)) < 600


def test_pydantic_s_are_found() -> None:
    assert Mask.of(pydantic.SecretStr(VALUE))(VALUE) == "**********"
