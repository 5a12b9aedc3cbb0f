"""Markdown tables of what was measured."""

from collections.abc import Mapping
from typing import Any

from benchmarks.peers.measurement import Measurement
from benchmarks.peers.rounds import Job

Measured = Mapping[Job, Measurement]

TITLES = {
    "chain": "Chain of empty tasks",
    "fan_out": "Fan-out of empty tasks, one source",
    "plan": "Planning only, node i needs i // 2 and i // 3",
    "linear": "Sales pipeline, one result",
    "outputs": "Sales pipeline, one cleaned frame feeding three Parquet files",
    "synth": "Infrastructure of buckets on AWS, written to files",
}
REFERENCE = {"linear": "one lazy query", "outputs": "collect_all over lazy sinks"}


def markdown(measured: Measured, descriptions: Mapping[str, Mapping[str, Any]], machine: str) -> str:
    """Every table, after the machine and what each peer ran on."""
    parts = [machine, _peers(descriptions)]
    for kind, title in TITLES.items():
        sizes = sorted({job.size for job in measured if job.kind == kind})
        for size in sizes:
            rows = {job: one for job, one in measured.items() if (job.kind, job.size) == (kind, size)}
            draw, unit = DRAWN.get(kind, (_tasks, "tasks"))
            table = draw(rows)
            absent = [
                f"{peer}: {each['missing'][kind]}" for peer, each in descriptions.items() if kind in each["missing"]
            ]
            parts += [f"## {title}, {size:,} {unit}", table, *absent]
    return "\n\n".join(parts) + "\n"


def _peers(descriptions: Mapping[str, Mapping[str, Any]]) -> str:
    rows = [
        [peer, ", ".join(f"{name} {version}" for name, version in each["versions"].items()), each["executor"]]
        for peer, each in descriptions.items()
    ]
    return _table(["peer", "versions", "executor and configuration"], rows)


def _tasks(rows: Measured) -> str:
    glacier = next((one for job, one in rows.items() if job.peer == "glacier" and not one.error), None)
    bare = next((one for job, one in rows.items() if job.peer == "bare" and not one.error), None)
    plan = any(job.kind == "plan" for job in rows)
    lines = []
    for job, one in rows.items():
        peer = ", ".join(filter(None, (job.peer, job.variant)))
        if one.error:
            lines.append([peer, one.error, "", "", "", "", ""])
            continue
        seconds = one.build if plan else one.total
        lines.append(
            [
                peer,
                f"{one.build:.4f}",
                "" if plan else f"{one.run:.4f}",
                f"{seconds / job.size * 1e6:,.1f}",
                _ratio(seconds, _seconds(glacier, plan=plan)),
                _ratio(seconds, _seconds(bare, plan=plan)),
                f"{one.peak:,.0f}",
            ]
        )
    return _table(["peer", "build s", "run s", "µs a task", "to Glacier", "to bare", "peak MiB"], lines)


def _sales(rows: Measured) -> str:
    reference = next((one for job, one in rows.items() if job.variant == REFERENCE[job.kind] and not one.error), None)
    lines = []
    for job, one in rows.items():
        if one.error:
            lines.append([job.peer, job.variant, one.error, "", "", "", ""])
            continue
        same = "" if reference is None else "yes" if one.checksum == reference.checksum else "NO"
        lines.append(
            [
                job.peer,
                job.variant,
                f"{one.total:.3f}",
                _ratio(one.total, _seconds(reference, plan=False)),
                f"{one.peak:,.0f}",
                _ratio(one.peak, reference.peak if reference else None),
                same,
            ]
        )
    return _table(["peer", "variant", "seconds", "to bare", "peak MiB", "to bare", "same result"], lines)


def _synth(rows: Measured) -> str:
    glacier = next((one for job, one in rows.items() if job.peer == "glacier" and not one.error), None)
    lines = [
        [job.peer, job.variant, one.error, "", "", "", "", ""]
        if one.error
        else [
            job.peer,
            job.variant,
            f"{one.build:.3f}",
            f"{one.run:.3f}",
            f"{one.process:.2f}",
            _ratio(one.process, glacier.process if glacier else None),
            f"{one.peak + one.children:,.0f}",
            one.checksum,
        ]
        for job, one in rows.items()
    ]
    head = [
        "peer",
        "variant",
        "declare s",
        "write s",
        "process s",
        "to Glacier",
        "peak MiB, with Node.js",
        "buckets",
    ]
    return _table(head, lines)


def _seconds(one: Measurement | None, *, plan: bool) -> float | None:
    if one is None:
        return None
    return one.build if plan else one.total


def _ratio(value: float, reference: float | None) -> str:
    return f"{value / reference:.2f}" if reference else ""


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


DRAWN = {"linear": (_sales, "rows"), "outputs": (_sales, "rows"), "synth": (_synth, "buckets")}
"""How the kinds are drawn that are not of tasks, and what their sizes count."""
