"""Small objects that several processes change: whole, and by one of them at a time, in every store."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from gcs_server import GoogleStorage
from glacier.errors import StorageError
from glacier.providers import GCPProvider, LocalProvider
from glacier.resources.store import Before, Store
from stores import CLOUDS, Place, dead_name, place_of


@pytest.fixture(params=["local", "memory", *CLOUDS])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    return place_of(request.param, tmp_path)


@pytest.fixture
def store(place: Place) -> Store:
    store: Store = place.declare("raw", path="./").store
    return store


def content(store: Store) -> bytes | None:
    found = store.small("raw", "a/lease")
    return None if found is None else found.content


def test_it_is_put_and_read(store: Store) -> None:
    assert content(store) is None
    assert store.put("raw", "a/lease", b"one")
    assert content(store) == b"one"
    assert store.put("raw", "a/lease", b"two")
    assert content(store) == b"two"


def test_it_is_made_once(store: Store) -> None:
    assert store.put("raw", "a/lease", b"one", "nothing")
    assert not store.put("raw", "a/lease", b"two", "nothing")
    assert content(store) == b"one"


def test_it_is_changed_by_those_who_have_seen_what_is_there(store: Store) -> None:
    store.put("raw", "a/lease", b"one")
    seen = store.small("raw", "a/lease")
    assert seen is not None
    assert store.put("raw", "a/lease", b"two", seen)
    assert not store.put("raw", "a/lease", b"three", seen)
    assert content(store) == b"two"


def test_of_many_who_change_it_at_once_each_change_counts(store: Store) -> None:
    def add_one(_: int) -> None:
        while True:
            seen = store.small("raw", "a/count")
            before: Before = "nothing" if seen is None else seen
            number = 0 if seen is None else int(seen.content)
            if store.put("raw", "a/count", str(number + 1).encode(), before):
                return

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(add_one, range(24)))
    found = store.small("raw", "a/count")
    assert found is not None
    assert found.content == b"24"


def test_its_bytes_and_nothing_else_lie_in_the_bucket(place: Place) -> None:
    bucket = place.declare("raw", path="./")
    bucket.store.put("raw", "a/lease", b"one", "nothing")
    assert [key for key in place.keys(bucket) if not key.endswith((".lock", "a"))] == ["a/lease"]
    assert bucket.list() == ["a/lease"]


def test_a_store_that_does_not_say_what_is_missing(google: GoogleStorage) -> None:
    store = GCPProvider(endpoint_url=google.url).bucket("raw", path="./").store
    google.state.refuse = lambda method, key: (403, "AccessDenied") if key == "lease" and method == "GET" else None
    assert store.small("raw", "lease") is None
    google.state.refuse = lambda _method, _key: (403, "AccessDenied")
    with pytest.raises(StorageError, match="the credentials do not allow it to read there"):
        store.small("raw", "lease")


def test_what_an_interrupted_put_left_is_swept(tmp_path: Path) -> None:
    bucket = LocalProvider(tmp_path).bucket("raw", path="./")
    bucket.store.put("raw", "lease", b"one")
    left = tmp_path / "raw" / dead_name()
    left.write_bytes(b"tw")
    bucket.cleanup()
    assert not left.exists()
    assert bucket.list() == ["lease"]
