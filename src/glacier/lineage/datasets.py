"""Resources and paths by the names that OpenLineage gives datasets, which other tools give them too."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from glacier.graph import Resource
from glacier.permits import covers

_WILDCARDS = frozenset("*?[")


class Dataset(NamedTuple):
    """A dataset's name: a namespace, and what it is called there."""

    namespace: str
    name: str


def dataset_at(uri: str) -> Dataset:
    """Gives the dataset at a URI, or at a path of this machine. That of a glob is the folder that all matches lie in.

    >>> dataset_at("s3://acme-raw/2024/*.parquet")
    Dataset(namespace='s3://acme-raw', name='2024')
    >>> dataset_at("/data/raw/sales.csv")
    Dataset(namespace='file', name='/data/raw/sales.csv')
    """
    scheme, separator, rest = uri.partition("://")
    if not separator or scheme == "file":
        return Dataset("file", _without_wildcards(rest if separator else uri) or "/")
    authority, _, path = rest.partition("/")
    return Dataset(f"{scheme}://{authority}", _without_wildcards(path) or "/")


def dataset_of(paths: Iterable[str], resources: Iterable[Resource]) -> Dataset | None:
    """Gives the dataset that files belong to: that of the resource whose place they lie in, or else their own.

    Args:
        paths: of the files, all of one scan.
        resources: what the run reads and writes.
    """
    first = next(iter(paths), None)
    if first is None:
        return None
    holding = [resource for resource in resources if covers(resource.uri, first)]
    return dataset_at(max((resource.uri for resource in holding), key=len, default=first))


def _without_wildcards(path: str) -> str:
    parts = path.rstrip("/").split("/")
    plain = next((at for at, part in enumerate(parts) if _WILDCARDS.intersection(part)), len(parts))
    return "/".join(parts[:plain])
