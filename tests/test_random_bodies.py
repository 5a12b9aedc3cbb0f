"""Random bodies of branches and loops, over results and plain values, give what the plain call gives."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

HEAD = """
from glacier import pipeline, task

@task
def tag(x: int, n: int) -> int:
    return (x * 3 + n) % 101

@task
def odd(x: int) -> bool:
    return x % 2 == 1

@task
def few(x: int) -> list[int]:
    return [x + k for k in range(x % 4)]

@task
def total(values: list[int]) -> int:
    return sum(values) % 101

@pipeline
def body(n: int):
    x, y, z = tag(n, 1), tag(n, 2), n
    made, more = [], [tag(n, 3)]
"""


@dataclass
class Writing:
    """A body as it is written: its lines, and what may stand at the place reached.

    Attributes:
        items: the variables of the loops around this place.
        turns: how many loops there are so far, for new names.
    """

    chooser: random.Random
    lines: list[str] = field(default_factory=list[str])
    items: list[str] = field(default_factory=list[str])
    turns: int = 0

    def value(self) -> str:
        return self.chooser.choice(["x", "y", "z", *self.items])

    def condition(self) -> str:
        one = self.chooser.choice([f"odd({self.value()})", f"{self.value()} > 40", f"not odd({self.value()})", "n > 1"])
        return one if self.chooser.random() < 0.7 else f"{one} {self.chooser.choice(['and', 'or'])} odd({self.value()})"

    def block(self, depth: int, indent: str, *, looping: bool) -> None:
        for _ in range(self.chooser.randint(1, 3)):
            kinds = ["assign", "assign", "add", "append", "extend", "choose"]
            kinds += ["if", "if", "for", "plain for", "comprehension"] if depth else []
            kinds += ["return"] if depth and not looping else []
            self.statement(self.chooser.choice(kinds), depth, indent, looping=looping)
        if looping and self.chooser.random() < 0.3:
            self.write(
                indent, f"if {self.condition()}:", f"    {self.target()} = tag({self.value()}, 8)", "    continue"
            )
            self.write(indent, f"{self.target()} = tag({self.value()}, 9)")

    def statement(self, kind: str, depth: int, indent: str, *, looping: bool) -> None:
        name, grown = self.target(), self.chooser.choice(["made", "more"])
        match kind:
            case "assign":
                self.write(indent, f"{name} = tag({self.value()}, {self.value()})")
            case "add":
                self.write(indent, f"{name} += {self.value()}")
            case "append":
                self.write(indent, f"{grown}.append(tag({self.value()}, {self.chooser.randint(0, 9)}))")
            case "extend":
                self.write(indent, f"{grown} += [{self.value()}, 5]")
            case "choose":
                self.write(indent, f"{name} = tag({self.value()}, 7) if {self.condition()} else {self.value()}")
            case "comprehension":
                test = self.chooser.choice(["", " if odd(k)", " if n", f" if k > {self.value()}"])
                self.write(indent, f"{name} = total([tag(k, {self.value()}) for k in few({self.value()}){test}])")
            case "return":
                self.write(indent, f"if {self.condition()}:", f"    return [{self.value()}, total(made), more]")
            case "if":
                self.write(indent, f"if {self.condition()}:")
                self.block(depth - 1, indent + "    ", looping=looping)
                if self.chooser.random() < 0.5:
                    self.write(indent, "else:")
                    self.block(depth - 1, indent + "    ", looping=looping)
            case _:
                self.loop(kind, depth, indent)

    def loop(self, kind: str, depth: int, indent: str) -> None:
        self.turns += 1
        item, rows = f"i{self.turns}", f"few({self.value()})"
        forms = [f"for {item} in {rows}:", f"for k{self.turns}, {item} in enumerate({rows}):"]
        forms.append(f"for {item}, _ in zip({rows}, few({self.value()})):")
        self.write(indent, f"for {item} in range(2):" if kind == "plain for" else self.chooser.choice(forms))
        self.items.append(item)
        self.block(depth - 1, indent + "    ", looping=True)
        self.items.pop()

    def target(self) -> str:
        return self.chooser.choice("xyz")

    def write(self, indent: str, *lines: str) -> None:
        self.lines += [indent + line for line in lines]


def written(seed: int) -> str:
    writing = Writing(random.Random(seed))
    writing.block(3, "    ", looping=False)
    writing.write("    ", "return [x, y, z, made, total(more), more]")
    return HEAD + "\n".join(writing.lines) + "\n"


@pytest.mark.parametrize("seed", range(150))
def test_the_run_gives_what_the_plain_call_gives(seed: int, tmp_path: Path) -> None:
    file = tmp_path / f"random_{seed}.py"
    file.write_text(written(seed))
    namespace: dict[str, Any] = {"__name__": file.stem}
    exec(compile(file.read_text(), str(file), "exec"), namespace)
    body = namespace["body"]
    for n in (0, 1, 2, 7):
        assert body.run(inputs={"n": n}, max_workers=3) == body(n), file.read_text()
