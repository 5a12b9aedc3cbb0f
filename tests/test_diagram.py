from __future__ import annotations

import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glacier import Pipeline, composite_resource, pipeline, task
from glacier.errors import ConfigError, MissingExtra
from glacier.graph import Graph, Resource
from glacier.report.diagram import Diagram
from glacier.report.fitting import columns

SVG = "{http://www.w3.org/2000/svg}"


@dataclass(frozen=True)
class Box(Resource):
    name: str
    group: tuple[str, ...] = field(default=(), compare=False)

    @property
    def uri(self) -> str:
        return f"data/{self.name}.parquet"

    @property
    def label(self) -> str:
        return self.name

    @property
    def provider_name(self) -> str:
        return "local"

    def scan(self) -> list[int]:
        return [1]

    def write(self, values: list[int]) -> None: ...


@task
def load_sales(source: Box) -> list[int]:
    return source.scan()


@task
def load_inventory(source: Box) -> list[int]:
    return source.scan()


@task
def load_customers(source: Box) -> list[int]:
    return source.scan()


@task
def enrich_sales(sales: list[int], inventory: list[int], customers: list[int]) -> list[int]:
    return sales


@task
def compute_metrics(df: list[int]) -> int:
    return len(df)


@pipeline
def sales_analytics() -> int:
    sales = load_sales(Box("sales"))
    inventory = load_inventory(Box("inventory"))
    customers = load_customers(Box("customers"))
    return compute_metrics(enrich_sales(sales, inventory, customers))


@task
def check(source: Box) -> bool:
    return bool(source.scan())


@task
def audit() -> None: ...


@task(depends_on=[audit])
def clean(source: Box) -> list[int]:
    return source.scan()


@task
def left(rows: list[int], country: str) -> list[int]:
    return rows


@task
def right(rows: list[int]) -> list[int]:
    return rows


@task
def save(a: list[int], b: list[int], to: Box) -> None:
    to.write(a)


@task
def report(source: Box) -> None:
    source.scan()


@pipeline
def diamond(country: str) -> None:
    raw, out = Box("raw"), Box("out")
    check(raw)
    audit()
    rows = clean(raw)
    save(left(rows, country), right(rows), out)
    report(out)


@task
def step(n: int) -> int:
    return n


@task
def total(numbers: list[int]) -> int:
    return sum(numbers)


def fan(count: int) -> Graph:
    @pipeline
    def wide() -> int:
        return total([step(n) for n in range(count)])

    return wide.plan()


def chain(count: int) -> Graph:
    @pipeline
    def deep() -> int:
        n = step(0)
        for _ in range(count - 1):
            n = step(n)
        return n

    return deep.plan()


def test_text_of_the_document_s_scenario() -> None:
    assert (
        sales_analytics.graph().text(80)
        == """\
sales_analytics: 5 nodes in 3 levels

●      load_sales      ← sales
│ ●    load_inventory  ← inventory
│ │ ●  load_customers  ← customers
├─┴─╯
●      enrich_sales
│
●      compute_metrics"""
    )


def test_text_shows_each_kind_of_edge() -> None:
    assert (
        diamond.graph().text(80)
        == """\
diamond: 7 nodes in 5 levels

○      country
│ ◆    check   ← raw
│ ┃ ●  audit
│ ┃ ╎
│ ├╌╯
│ ●    clean   ← raw
├─┤
● │    left
│ │
│ ●    right
├─╯
●      save    → out
┊
●      report  ← out

╎ depends_on or .after   ┊ same resource   ┃ check: False skips what follows"""
    )


DOWN, UP = "│╎┊┃├┤┬┼╭╮", "│╎┊┃├┤┴┼╯╰"
ACROSS = "─╌┈━├┤┬┴┼╭╮╯╰"


def reached(drawing: str) -> dict[str, set[str]]:
    """Follows the lines of a drawing: for each name, those above it that a line leads from."""
    lanes: dict[int, set[str]] = {}
    found: dict[str, set[str]] = {}
    for line in drawing.splitlines()[2:]:
        if "●" in line:
            at = line.index("●")
            name = line.split()[-1]
            found[name] = lanes.get(at, set())
            lanes[at] = {name}
            continue
        below: dict[int, set[str]] = {}
        joined: list[int] = []
        for at, sign in enumerate(line + "  "):
            if at < len(line) and sign in "│╎┊┃":
                below[at] = lanes.get(at, set())
            elif sign in ACROSS:
                joined.append(at)
        arriving = {name for at in joined if line[at] in UP for name in lanes.get(at, set())}
        arriving |= {name for at, names in below.items() if joined and min(joined) < at < max(joined) for name in names}
        for at in joined:
            if line[at] in DOWN:
                below[at] = set(arriving)
        lanes = below | {at: names for at, names in lanes.items() if at < len(line) and line[at] == "●"}
    return found


@given(st.lists(st.lists(st.integers(0, 6), max_size=3), min_size=1, max_size=14))
def test_text_loses_no_edge(wanted: list[list[int]]) -> None:
    tasks = [task(name=f"t{place}")(lambda *taken: 1) for place in range(len(wanted))]

    @pipeline
    def random() -> None:
        results: list[int] = []
        for place, back in enumerate(wanted):
            results.append(tasks[place](*(results[-1 - b] for b in back if b < place)))

    drawn = reached(random.graph().text(200))
    for place, back in enumerate(wanted):
        assert {f"t{place - 1 - b}" for b in back if b < place} <= drawn[f"t{place}"]


def test_text_without_resources() -> None:
    assert "sales\n" in sales_analytics.graph().text(80)
    assert "←" not in sales_analytics.graph().text(80, resources=False)


def test_text_of_large_graphs_is_a_summary() -> None:
    assert Diagram(fan(4_000)).text(80) == "wide: 4,001 nodes in 2 levels\n\nlevel 1  step × 4,000\nlevel 2  total"
    assert Diagram(chain(1_000)).text(80) == ("deep: 1,000 nodes in 1,000 levels\n\nlevels 1 to 1,000  step × 1,000")
    assert Diagram(fan(60)).text(80) == "wide: 61 nodes in 2 levels\n\nlevel 1  step × 60\nlevel 2  total"
    assert Diagram(Graph("none", [])).text() == "none: 0 nodes in 0 levels"


def test_mermaid_of_the_document_s_scenario() -> None:
    assert (
        sales_analytics.graph().mermaid()
        == """\
flowchart LR
    n0("load_sales"):::task
    n1("load_inventory"):::task
    n2("load_customers"):::task
    n3("enrich_sales"):::task
    n4("compute_metrics"):::task
    r0[("sales")]:::resource
    r1[("inventory")]:::resource
    r2[("customers")]:::resource
    n0 --> n3
    n1 --> n3
    n2 --> n3
    n3 --> n4
    r0 --> n0
    r1 --> n1
    r2 --> n2
    classDef task fill:#e8f0fe,stroke:#3367d6,color:#10254d
    classDef resource fill:#f4f5f7,stroke:#667085,color:#1d2433
    linkStyle 4,5,6 stroke:#8a94a6
"""
    )


def test_mermaid_shows_each_kind_of_edge() -> None:
    assert (
        diamond.graph().mermaid()
        == """\
flowchart LR
    n1{{"check"}}:::check
    n2("audit"):::task
    n3("clean"):::task
    n4("left"):::task
    n5("right"):::task
    n6("save"):::task
    n7("report"):::task
    i0(("country")):::input
    r0[("raw")]:::resource
    r1[("out")]:::resource
    n2 -.-> n3
    n1 ==>|if true| n3
    n3 --> n4
    n3 --> n5
    n4 --> n6
    n5 --> n6
    n6 -.-> n7
    i0 --> n4
    r0 --> n1
    r0 --> n3
    n6 --> r1
    r1 --> n7
    classDef task fill:#e8f0fe,stroke:#3367d6,color:#10254d
    classDef check fill:#fdecd2,stroke:#b86e00,color:#4a2c00
    classDef input fill:#f3e8fd,stroke:#7b3fb8,color:#2f1450
    classDef resource fill:#f4f5f7,stroke:#667085,color:#1d2433
    linkStyle 0 stroke-dasharray:7 4
    linkStyle 6 stroke-dasharray:2 4
    linkStyle 8,9,11 stroke:#8a94a6
    linkStyle 10 stroke:#8a94a6
"""
    )


def classes(root: ET.Element, tag: str) -> list[str]:
    return [element.get("class", "") for element in root.iter(SVG + tag)]


def test_svg_has_every_shape_and_each_kind_of_edge() -> None:
    drawn = diamond.graph().svg()
    assert drawn == diamond.graph().svg()
    root = ET.fromstring(drawn)
    assert root.get("role") == "img"
    title, desc = root.find(SVG + "title"), root.find(SVG + "desc")
    assert title is not None
    assert title.text == "diamond"
    assert desc is not None
    assert desc.text == "Pipeline diamond: 7 nodes, 5 levels"
    shapes = [name for name in classes(root, "g") if name != "legend"]
    assert sorted(shapes) == ["check", "input", "resource", "resource", *["task"] * 6]
    legend = [path for g in root.iter(SVG + "g") if g.get("class") == "legend" for path in g.iter(SVG + "path")]
    edges = [p for p in root.iter(SVG + "path") if p.get("class", "").startswith("edge") and p not in legend]
    assert sorted(p.get("class", "").removeprefix("edge ") for p in edges) == [
        "data", "data", "data", "data", "data", "explicit", "gate", "read", "read", "read", "resource-order", "write",
    ]  # fmt: skip
    marked = [p.get("class") for p in edges if "glacier-check" in p.get("marker-start", "")]
    assert marked == ["edge gate"]
    assert len(legend) == 5
    titles = [element.text or "" for element in root.iter(SVG + "title")]
    assert "data/raw.parquet" in titles
    assert any(t.startswith("check, ") and "test_diagram.py:" in t for t in titles)
    assert "prefers-color-scheme: dark" in drawn


@pytest.mark.parametrize(
    ("graph", "shapes"), [(fan(0), 1), (fan(4), 5), (fan(50), 51), (fan(1_000), 2), (chain(5_000), 1)]
)
def test_svg_folds_what_is_too_much_to_look_at(graph: Graph, shapes: int) -> None:
    started = time.perf_counter()
    root = ET.fromstring(Diagram(graph).svg())
    assert time.perf_counter() - started < 3
    assert classes(root, "g").count("task") == shapes


def test_a_folded_shape_tells_its_count() -> None:
    assert "step × 1,000" in Diagram(fan(1_000)).svg()
    assert 'n0("step × 1,000"):::task' in Diagram(fan(1_000)).mermaid()


def test_many_resources_of_one_task_are_one_shape() -> None:
    @pipeline
    def copies() -> list[list[int]]:
        return [load_sales(Box(f"sales_{day}")) for day in range(1_000)]

    assert 'r0[("resources × 1,000")]' in copies.graph().mermaid()


ODD = ['say "hi" <b>&</b>', "売上データ", "x" * 300, "1. first", "- dash", "`tick` *star* #35; %%", "end", "a\nb",
       "back\\slash", "]]></svg>", "\x1b[31mred\x00"]  # fmt: skip


def odd() -> Pipeline[[], int]:
    @pipeline(name='odd "<&> \x01 names')
    def named() -> int:
        value = 0
        for name in ODD:

            @task(name=name)
            def one(n: int) -> int:
                return n

            value = one(value)
        return value

    return named


def test_odd_names_are_escaped_everywhere() -> None:
    diagram = odd().graph()
    root = ET.fromstring(diagram.svg())
    labels = ["".join(text.itertext()) for text in root.iter(SVG + "text")]
    assert 'say "hi" <b>&</b>' in labels
    assert f"{'x' * 16}…{'x' * 15}" in labels
    titles = [title.text or "" for title in root.iter(SVG + "title")]
    assert any(title.startswith("x" * 300) for title in titles)
    drawn = diagram.mermaid().splitlines()
    assert drawn[1:6] == [
        '    n0("say #quot;hi#quot; #lt;b#gt;#amp;#lt;/b#gt;"):::task',
        '    n1("売上データ"):::task',
        f'    n2("{"x" * 30}…{"x" * 29}"):::task',
        '    n3("1#46; first"):::task',
        '    n4("#45; dash"):::task',
    ]
    assert "\x1b" not in diagram.text(60)
    assert max(map(columns, diagram.text(60).splitlines())) <= 60


@pytest.mark.parametrize("suffix", [".svg", ".mmd", ".md", ".txt"])
def test_save_goes_by_suffix(tmp_path: Path, suffix: str) -> None:
    diagram = sales_analytics.graph()
    path = diagram.save(tmp_path / f"sales{suffix}")
    content = path.read_text(encoding="utf-8")
    wanted = {
        ".svg": diagram.svg(),
        ".mmd": diagram.mermaid(),
        ".md": f"```mermaid\n{diagram.mermaid()}```\n",
        ".txt": diagram.text(100) + "\n",
    }
    assert content == wanted[suffix]


def test_save_refuses_other_suffixes() -> None:
    with pytest.raises(ConfigError) as caught:
        sales_analytics.graph().save("sales.png")
    assert str(caught.value).splitlines()[0] == "a diagram cannot be saved as `sales.png`, which ends in `.png`"
    assert str(caught.value).splitlines()[2:] == [
        '     sales_analytics.graph().save("sales.png")',
        "  Fix: use one of `.svg`, `.mmd`, `.md`, `.txt`",
    ]


def test_without_graphlay_a_notebook_gets_text(monkeypatch: pytest.MonkeyPatch) -> None:
    diagram = sales_analytics.graph()
    assert sorted(diagram._repr_mimebundle_()) == ["image/svg+xml", "text/plain"]
    monkeypatch.setitem(sys.modules, "graphlay", None)
    with pytest.raises(MissingExtra) as caught:
        diagram.svg()
    assert str(caught.value) == (
        "a diagram as SVG needs graphlay, which is not installed\n  Fix: pip install 'glacier-pipelines[svg]'"
    )
    bundle: dict[str, Any] = diagram._repr_mimebundle_(exclude=["text/plain"])
    assert list(bundle) == ["text/html"]
    assert bundle["text/html"].startswith('<pre style="line-height:1.25">sales_analytics: 5 nodes')


@task
def clean_rows(rows: list[int]) -> list[int]:
    return rows


@pipeline
def ingest(source: Box) -> list[int]:
    check(source)
    return clean_rows(load_sales(source))


@composite_resource
def lake(name: str) -> dict[str, Box]:
    return {stage: Box(f"{name}-{stage}") for stage in ("raw", "out")}


@pipeline
def region(name: str) -> list[int]:
    boxes = lake(name)
    sales = ingest(boxes["raw"])
    extra = ingest(Box("extra"))
    save(sales, extra, boxes["out"])
    return sales


@pipeline
def world() -> int:
    east = region("east")
    return total(clean_rows(east))


def test_text_shows_groups_above_their_nodes() -> None:
    assert (
        world.graph().text(80)
        == """\
world: 9 nodes in 5 levels

     region:
       ingest[sales]:
◆        check       ← east-raw
┃
●        load_sales  ← east-raw
│
●        clean_rows
│      ingest[extra]:
│ ◆      check       ← extra
│ ┃
│ ●      load_sales  ← extra
│ │
│ ●      clean_rows
├─┤
│ ●    save          → east-out
│
●    clean_rows
│
●    total

┃ check: False skips what follows"""
    )


def test_mermaid_nests_groups_and_composites() -> None:
    assert (
        world.graph().mermaid()
        == """\
flowchart LR
    subgraph g0["region"]
        subgraph g1["ingest[sales]"]
            n0{{"check"}}:::check
            n1("load_sales"):::task
            n2("clean_rows"):::task
        end
        subgraph g2["ingest[extra]"]
            n3{{"check"}}:::check
            n4("load_sales"):::task
            n5("clean_rows"):::task
        end
        n6("save"):::task
    end
    n7("clean_rows"):::task
    n8("total"):::task
    subgraph c3["lake[east]"]
        r0[("east-raw")]:::resource
        r2[("east-out")]:::resource
    end
    r1[("extra")]:::resource
    n0 ==>|if true| n1
    n1 --> n2
    n3 ==>|if true| n4
    n4 --> n5
    n2 --> n6
    n5 --> n6
    n2 --> n7
    n7 --> n8
    r0 --> n0
    r0 --> n1
    r1 --> n3
    r1 --> n4
    n6 --> r2
    classDef task fill:#e8f0fe,stroke:#3367d6,color:#10254d
    classDef check fill:#fdecd2,stroke:#b86e00,color:#4a2c00
    classDef resource fill:#f4f5f7,stroke:#667085,color:#1d2433
    classDef pipeline fill:#f7f9fe,stroke:#9db7ec,color:#10254d
    class g0,g1,g2 pipeline
    classDef composite fill:#fafbfc,stroke:#b8c0cc,color:#1d2433
    class c3 composite
    linkStyle 8,9,10,11 stroke:#8a94a6
    linkStyle 12 stroke:#8a94a6
"""
    )


def corners(element: ET.Element) -> tuple[float, float, float, float]:
    left, top, width, height = (float(element.get(name, "")) for name in ("x", "y", "width", "height"))
    return left, top, left + width, top + height


def test_svg_boxes_hold_what_belongs_to_them_and_nothing_else() -> None:
    drawn = world.graph().svg()
    assert drawn == world.graph().svg()
    boxes: dict[str, tuple[float, float, float, float]] = {}
    shapes: dict[str, tuple[float, float, float, float]] = {}
    for g in ET.fromstring(drawn).iter(SVG + "g"):
        title, rect, label = g.find(SVG + "title"), g.find(SVG + "rect"), g.find(SVG + "text")
        if title is None or rect is None or label is None:
            continue
        found = boxes if g.get("class", "").startswith("box") else shapes
        found[(title.text or "").partition(",")[0]] = corners(rect)
    inside = {
        name: {shape for shape, (a, b, c, d) in shapes.items() if left <= a and top <= b and c <= right and d <= bottom}
        for name, (left, top, right, bottom) in boxes.items()
    }
    touched = {
        name: {shape for shape, (a, b, c, d) in shapes.items() if a < right and left < c and b < bottom and top < d}
        for name, (left, top, right, bottom) in boxes.items()
    }
    sales, extra = "ingest[sales]", "ingest[extra]"
    assert inside == touched
    assert inside == {
        "pipeline region": {f"{group}/{name}" for group in (sales, extra) for name in ("load_sales", "clean_rows")}
        | {"save"},
        f"pipeline {sales}": {f"{sales}/load_sales", f"{sales}/clean_rows"},
        f"pipeline {extra}": {f"{extra}/load_sales", f"{extra}/clean_rows"},
        "composite resource lake[east]": set(),  # cylinders, which are no rectangles
    }


def test_repeated_groups_fold_to_one_box() -> None:
    @pipeline
    def many() -> list[list[int]]:
        return [ingest(Box(f"b{n}")) for n in range(1_000)]

    drawn = many.graph().mermaid().splitlines()
    assert drawn[1:6] == [
        '    subgraph g0["ingest × 1,000"]',
        '        n0{{"check × 1,000"}}:::check',
        '        n1("load_sales × 1,000"):::task',
        '        n2("clean_rows × 1,000"):::task',
        "    end",
    ]
    assert "ingest × 1,000</text>" in many.graph().svg()
    assert many.graph().text(80).splitlines()[2] == "level 1  ingest/check × 1,000"


def test_groups_of_many_tasks_fold_to_one_shape_each() -> None:
    tasks = [task(name=f"t{n}")(clean_rows.function) for n in range(400)]

    @pipeline
    def long(rows: list[int]) -> list[int]:
        for one in tasks:
            rows = one(rows)
        return rows

    @pipeline
    def both() -> int:
        return total(long(long(load_sales(Box("sales")))))

    drawn = both.graph().mermaid(resources=False).splitlines()
    assert drawn[1:6] == [
        '    n0("load_sales"):::task',
        '    n1[["long × 2"]]:::group',
        '    n801("total"):::task',
        "    n0 --> n1",
        "    n1 --> n801",
    ]
    assert "long × 2</text>" in both.graph().svg()
