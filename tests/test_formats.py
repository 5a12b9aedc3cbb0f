from __future__ import annotations

import subprocess
import sys

import pytest

from glacier.resources import formats, paths


@pytest.mark.parametrize(
    ("path", "ending", "kind"),
    [
        ("a.parquet", ".parquet", "parquet"),
        ("A.CSV.GZ", ".csv.gz", "csv"),
        ("v1.2.csv", ".csv", "csv"),
        ("a.parquet.gz", ".gz", None),
        ("a.jsonl.zst", ".jsonl.zst", "ndjson"),
        ("dir.csv/", "", None),
        (".hidden", "", None),
        ("2024-*.arrow", ".arrow", "ipc"),
    ],
)
def test_extension_and_format(path: str, ending: str, kind: formats.Format | None) -> None:
    assert (formats.extension(path), formats.format_of(path)) == (ending, kind)


def test_every_format_has_both_functions() -> None:
    names = {
        kind: (formats.scan_function(kind).__name__, formats.write_function(kind).__name__) for kind in formats.FORMATS
    }
    assert names == {
        "parquet": ("scan_parquet", "sink_parquet"),
        "csv": ("scan_csv", "sink_csv"),
        "ndjson": ("scan_ndjson", "sink_ndjson"),
        "json": ("read_json", "write_json"),
        "ipc": ("scan_ipc", "sink_ipc"),
        "avro": ("read_avro", "write_avro"),
    }


@pytest.mark.parametrize(
    ("pattern", "path", "matches"),
    [
        ("*.csv", "a.csv", True),
        ("*.csv", ".a.csv", False),
        ("*.csv", "x/a.csv", False),
        ("**/*.csv", "a.csv", True),
        ("**/*.csv", "x/y/a.csv", True),
        ("x/**", "x/y/a", True),
        ("x/**", "x/.y/a", False),
        ("a?.[!b]sv", "ab.csv", True),
        ("a?.[!b]sv", "ab.bsv", False),
        ("a[1.csv", "a[1.csv", True),
        ("a+(b).csv", "a+(b).csv", True),
        ("[]]x", "]x", True),
        (r"[\]", "\\", True),
    ],
)
def test_globs(pattern: str, path: str, matches: bool) -> None:
    assert bool(paths.matcher(pattern)(path)) is matches


def test_no_polars_on_import() -> None:
    code = "import sys, glacier.resources.bucket, glacier.providers; sys.exit('polars' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
