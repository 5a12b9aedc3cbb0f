from __future__ import annotations

import pickle
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from glacier.errors import ConfigError, ObjectNotFound, StorageError
from glacier.providers import LocalProvider

SALES = pl.DataFrame({"id": [1, 2, 3]})


def test_the_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    provider = LocalProvider()
    monkeypatch.chdir("/")
    sales = provider.bucket("sales", path="transactions.parquet")
    sales.write(SALES)
    assert sales.get_uri() == sales.uri == f"{tmp_path}/data/sales/transactions.parquet"
    assert [str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()] == [
        "data/sales/transactions.parquet"
    ]
    assert pickle.loads(pickle.dumps(provider)) == provider == LocalProvider(base_path=tmp_path / "x" / ".." / "data")


def test_very_long_names(tmp_path: Path) -> None:
    provider = LocalProvider(tmp_path)
    for stem in "n" * 247, "ü" * 123:
        longest = provider.bucket("raw", path=stem + ".parquet")
        longest.write(SALES)
        assert_frame_equal(longest.read(), SALES)
    with pytest.raises(ConfigError) as caught:
        provider.bucket("raw", path="n" * 248 + ".parquet")
    assert (
        str(caught.value)
        == f"""\
`{"n" * 40}...` in bucket `raw` has 256 bytes, and a file system holds 255 in a name
  at {caught.value.site}
     provider.bucket("raw", path="n" * 248 + ".parquet")
  Fix: shorten it, or split it into folders"""
    )
    with pytest.raises(ConfigError, match=r"makes 5\d+ bytes, and a system holds 4095 in a path"):
        provider.bucket("raw", path="deep/" * 1000 + "a.csv")


@pytest.mark.parametrize("path", ["out.parquet", "out/a.parquet", "out/", "**/*.parquet", "sub/"])
def test_links_that_lead_out_are_refused(tmp_path: Path, path: str) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    SALES.write_parquet(outside / "a.parquet")
    raw = tmp_path / "data" / "raw"
    (raw / "sub").mkdir(parents=True)
    (raw / "out").symlink_to(outside)
    (raw / "out.parquet").symlink_to(outside / "a.parquet")
    (raw / "sub" / "link.parquet").symlink_to(outside / "a.parquet")
    source = LocalProvider(tmp_path / "data").bucket("raw", path=path)
    with pytest.raises(StorageError) as caught:
        source.scan()
    assert "leads out of the base path, to `" in caught.value.message
    assert caught.value.site == source.site
    for use in source.exists, source.list:
        with pytest.raises(StorageError):
            use()
    if path.startswith("out"):
        for change in source.get_uri, source.delete, lambda: source.write(SALES):
            with pytest.raises(StorageError):
                change()
    assert_frame_equal(pl.read_parquet(outside / "a.parquet"), SALES)


def test_links_that_stay_inside_are_followed(tmp_path: Path) -> None:
    provider = LocalProvider(tmp_path)
    provider.bucket("raw", path="2024/a.parquet").write(SALES)
    (tmp_path / "raw" / "latest").symlink_to("2024")
    (tmp_path / "raw" / "2024" / "up").symlink_to("..")
    latest = provider.bucket("raw", path="latest/")
    assert_frame_equal(latest.read(), SALES)
    assert latest.list() == ["latest/a.parquet"]
    provider.bucket("raw", path="latest/a.parquet").write(SALES.head(1))
    assert_frame_equal(provider.bucket("raw", path="2024/a.parquet").read(), SALES.head(1))
    latest.delete()
    assert provider.bucket("raw", path="2024/a.parquet").exists()


def test_a_swap_that_fails_brings_the_old_tree_back(tmp_path: Path) -> None:
    tree = LocalProvider(tmp_path).bucket("out", path="tree/")
    tree.write(SALES)
    pending = tree.stage_write(SALES.head(1))
    hidden = next((tmp_path / "out").glob(".glacier-*"))
    (hidden / "new").rmdir()  # the plan was not collected either: there is nothing to rename
    with pytest.raises(FileNotFoundError):
        pending.publish()
    pending.discard()
    assert_frame_equal(tree.read(), SALES)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["tree"]


def test_a_sweep_puts_a_half_swapped_tree_back(tmp_path: Path) -> None:
    tree = LocalProvider(tmp_path).bucket("out", path="tree/")
    tree.write(SALES)
    tree.stage_write(SALES.head(1))
    hidden = next((tmp_path / "out").glob(".glacier-*"))
    (tmp_path / "out" / "tree").rename(hidden / "old")
    host = hidden.name.split("-")[1]
    hidden.rename(hidden.with_name(f".glacier-{host}-{2**22 + 1}-0.tmp"))  # above Linux's largest process id
    assert not tree.exists()
    tree.cleanup()
    assert_frame_equal(tree.read(), SALES)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["tree"]


def test_a_file_does_not_replace_a_directory(tmp_path: Path) -> None:
    provider = LocalProvider(tmp_path)
    (tmp_path / "out" / "a.parquet").mkdir(parents=True)
    with pytest.raises(StorageError, match="is a directory, and a file is to be written there"):
        provider.bucket("out", path="a.parquet").write(SALES)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["a.parquet"]


def test_the_nearest_bucket_is_named(tmp_path: Path) -> None:
    provider = LocalProvider(tmp_path)
    provider.bucket("raw", path="transactions.parquet").write(SALES)
    missing = provider.bucket("rav", path="transactions.parquet")
    with pytest.raises(ObjectNotFound) as caught:
        missing.scan()
    assert (caught.value.message, caught.value.fix) == (
        f"nothing at `{tmp_path}/rav/transactions.parquet`: `{tmp_path}` has no `rav`, it holds `raw`",
        "write `raw` for `rav`",
    )
