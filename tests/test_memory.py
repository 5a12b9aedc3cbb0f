"""The rise of memory while something runs: long peaks and short ones, what was there before, several at once."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable

import pytest

from glacier import observe, pipeline, task
from glacier.execution import memory
from glacier.execution.memory import Memory
from glacier.execution.options import Executor

MIB = 2**20


def held(size: int, seconds: float) -> None:
    block = bytearray(size)
    block[::4096] = b"x" * len(block[::4096])
    time.sleep(seconds)


def until(seen: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not seen():
        assert time.monotonic() < deadline, "nothing looked at the memory"
        time.sleep(0.001)


@task
@observe(metrics=["memory"])
def holding(size: int) -> None:
    held(size, 0.3)


@pipeline
def measuring(size: int) -> None:
    holding(size)


@pytest.mark.parametrize("executor", ["threads", "processes"])
@pytest.mark.parametrize("size", [64, 256])
def test_a_task_that_holds_memory_is_told_as_much_within_a_tenth(executor: Executor, size: int) -> None:
    measuring.run(inputs={"size": size * MIB}, executor=executor)
    assert measuring.get_metrics()["holding"]["memory_mb"] == pytest.approx(size, rel=0.1)


def test_a_peak_too_short_to_be_looked_at_is_known_if_it_is_the_highest_so_far(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "_EVERY", 60)
    before = bytearray(b"x") * (64 * MIB)  # what the process has held before is no part of it
    looked_at = Memory()
    rise = looked_at.begin()
    assert rise is not None
    held(memory._highest(), 0.0)
    risen = looked_at.end(rise)
    looked_at.close()
    assert risen >= 0.9 * (memory._highest() - rise.start) > 64 * MIB
    assert len(before) == 64 * MIB


def test_memory_that_is_given_back_meanwhile_hides_no_rise() -> None:
    looked_at = Memory()
    block = bytearray(b"x") * (128 * MIB)
    rise = looked_at.begin()
    assert rise is not None
    before = rise.low
    del block
    until(lambda: rise.low < before - 100 * MIB)
    block = bytearray(b"x") * (64 * MIB)
    until(lambda: rise.most > 60 * MIB)
    assert looked_at.end(rise) == pytest.approx(64 * MIB, rel=0.15)
    looked_at.close()


def test_what_is_looked_at_meanwhile_costs_no_thread_afterwards() -> None:
    measuring.run(inputs={"size": 1})
    assert "glacier-memory" not in [thread.name for thread in threading.enumerate()]


def test_where_the_system_does_not_tell_psutil_does(monkeypatch: pytest.MonkeyPatch) -> None:
    psutil = pytest.importorskip("psutil")
    monkeypatch.setattr(sys, "platform", "freebsd")
    reader = memory.resident_reader()
    assert reader is not None
    assert reader() == pytest.approx(psutil.Process().memory_info().rss, rel=0.05)


def test_where_nothing_tells_memory_is_not_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "freebsd")
    monkeypatch.setitem(sys.modules, "psutil", None)
    measuring.run(inputs={"size": 1})
    assert measuring.get_metrics() == {"holding": {"memory_mb": None}}
