"""What generated statements allow is just what a pipeline needs: no less, no more, none of them for nothing."""

from pathlib import Path

import pytest
from benchmarks.permissions import table
from hypothesis import given, settings
from hypothesis import strategies as st

from glacier.generation.generate import Draft
from permissions import Asked, Needs, Statement, allowed
from permissions_clouds import CLOUDS, EXACT
from projects import PIPELINES, drafts_of


class Made:
    """One pipeline in one cloud: what it needs, and what is generated for that."""

    def __init__(self, cloud: str, draft: Draft) -> None:
        self.needs = Needs(CLOUDS[cloud], draft.deployment)
        self.statements: list[Statement] = CLOUDS[cloud].statements(draft.deployment, draft.blueprint)


@pytest.fixture(scope="module", params=CLOUDS)
def cloud(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture(scope="module")
def every(cloud: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Made]:
    return {name: Made(cloud, one) for name, one in drafts_of(tmp_path_factory.mktemp("project"), cloud).items()}


@pytest.fixture(params=PIPELINES)
def made(request: pytest.FixtureRequest, every: dict[str, Made]) -> Made:
    return every[request.param]


def test_all_that_is_needed_is_allowed(made: Made) -> None:
    needed = [*made.needs.examples()]
    assert len(needed) > 10
    assert [asked for asked in needed if not allowed(made.statements, asked)] == []


def test_nothing_beside_it_is_allowed(made: Made, cloud: str) -> None:
    beside = [*made.needs.neighbours()]
    assert len(beside) > 1000
    found = [asked for asked in beside if allowed(made.statements, asked)]
    assert found == [] or cloud not in EXACT, found


def test_without_any_one_statement_something_needed_is_refused(made: Made) -> None:
    needed = [*made.needs.examples()]
    for one in made.statements:
        rest = [other for other in made.statements if other is not one]
        assert not all(allowed(rest, asked) for asked in needed), f"nothing needs {one.name}"


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_objects_are_permitted_only_as_they_are_needed(every: dict[str, Made], cloud: str, data: st.DataObject) -> None:
    if cloud not in EXACT:
        pytest.skip("the cloud cannot do better; the table of permissions says where")
    made = every[data.draw(st.sampled_from(sorted(every)))]
    needed = [one for one in made.needs.examples() if one.action in made.needs.on_objects]
    one = data.draw(st.sampled_from(needed))
    words = {part for asked in needed for part in asked.key.replace(".", "/").split("/")} | {"x", ".glacier-", "é"}
    other = "".join(data.draw(st.lists(st.sampled_from([*sorted(words), "/", "."]), max_size=6)))
    asked = Asked(
        data.draw(st.sampled_from(sorted({each.identity for each in needed}))),
        data.draw(st.sampled_from([one.action, *sorted({each.action for each in needed})])),
        data.draw(st.sampled_from([one.place, *sorted({each.place for each in needed})])),
        data.draw(st.sampled_from([one.key, one.key + other, other, one.key[: len(other)] + other])),
    )
    assert allowed(made.statements, asked) == (asked in made.needs)


def test_the_table_of_the_docs_is_what_is_measured() -> None:
    assert table() in (Path(__file__).parent.parent / "docs" / "deploying.md").read_text()
