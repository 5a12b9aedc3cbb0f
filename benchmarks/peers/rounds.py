"""Runs every case of every peer in a fresh process, round by round, so that a drift of the machine hits all alike."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.peers import environments
from benchmarks.peers.measurement import Measurement

COLD = frozenset({"synth"})
"""The kinds whose start counts, as a command that writes files starts anew each time."""


@dataclass(frozen=True)
class Job:
    """One row of a table: a peer's case at a size. `limit` in seconds is for the whole process."""

    peer: str
    case: str
    size: int
    limit: int

    @property
    def kind(self) -> str:
        return self.case.partition(":")[0]

    @property
    def variant(self) -> str:
        return self.case.partition(":")[2]


@dataclass(frozen=True)
class Folders:
    """Where the sales of each number of rows are, and the small ones of the warm-up."""

    data: Mapping[int, Path]
    warm_up: Path


def describe(peer: str) -> dict[str, Any]:
    """The runner's versions, executor, cases and missing cases; or an `error`."""
    return _answer(peer, ["--describe"], 120)


def measure(jobs: Iterable[Job], folders: Folders, repeat: int) -> dict[Job, Measurement]:
    """The medians over `repeat` rounds; a case that failed or ran out of time is not tried again."""
    open_jobs = list(jobs)
    measured: dict[Job, list[Measurement]] = {job: [] for job in open_jobs}
    for turn in range(repeat):
        for job in list(open_jobs):
            one = _once(job, folders)
            measured[job].append(one)
            outcome = one.error or f"{one.total:.3f} s"
            print(f"[{turn + 1}/{repeat}] {job.peer} {job.case} {job.size:,}: {outcome}", file=sys.stderr, flush=True)
            if one.error:
                open_jobs.remove(job)
    return {job: _median(ones) for job, ones in measured.items()}


def _once(job: Job, folders: Folders) -> Measurement:
    arguments = [
        job.case,
        f"--size={job.size}",
        f"--data={folders.data.get(job.size, folders.warm_up)}",
        f"--warm-up-data={folders.warm_up}",
        f"--out={environments.WORK / 'out' / job.peer}",
    ]
    if job.kind in COLD:
        arguments.append("--cold")
    started = time.perf_counter()
    answer = _answer(job.peer, arguments, job.limit)
    return Measurement(**{**answer, "process": time.perf_counter() - started})


def _answer(peer: str, arguments: list[str], limit: int) -> dict[str, Any]:
    """The JSON line a runner ends with. A process out of time is killed with those it started."""
    home = environments.WORK / "homes" / peer
    shutil.rmtree(home, ignore_errors=True)
    command = [str(environments.python(peer)), "-m", environments.module(peer), *arguments]
    with subprocess.Popen(
        command,
        cwd=environments.ROOT,
        env=environments.variables(home),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            out, err = process.communicate(timeout=limit)
        except subprocess.TimeoutExpired:
            return {"error": f">{limit} s"}
        finally:  # also when this command is interrupted: the session is the peer's own, Ctrl-C does not reach it
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
    lines = [line for line in out.splitlines() if line.startswith("{")]
    if lines:
        answer: dict[str, Any] = json.loads(lines[-1])
        return answer
    reason = err.strip().splitlines()[-1:] or [f"exit code {process.returncode}"]
    return {"error": reason[0]}


def _median(ones: list[Measurement]) -> Measurement:
    failed = [one for one in ones if one.error]
    if failed:
        return failed[0]
    checksums = {one.checksum for one in ones}
    if len(checksums) > 1:
        return Measurement(error=f"its results differ between rounds: {', '.join(sorted(checksums))}")
    return Measurement(
        build=median(one.build for one in ones),
        run=median(one.run for one in ones),
        peak=median(one.peak for one in ones),
        children=median(one.children for one in ones),
        process=median(one.process for one in ones),
        checksum=ones[0].checksum,
    )
