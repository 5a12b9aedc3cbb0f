"""What a node finds in buckets, as a digest: the same as long as nobody has changed it."""

from __future__ import annotations

from typing import cast

from glacier.access import Touch
from glacier.execution.code import digest_of
from glacier.resources import paths
from glacier.resources.bucket import Bucket


def fingerprint(bucket: Bucket) -> str:
    """Gives a digest of which objects a bucket's path stands for, and of which version each is.

    Raises:
        StorageError: the store cannot be read.
    """
    path = paths.folder(bucket.path) or "./" if paths.is_glob(bucket.path) else bucket.path
    found = sorted((one.path, one.size, one.version) for one in bucket.store.entries(bucket.name, path))
    return digest_of(bucket.uri, bucket.format, [list(one) for one in found])


def of_touch(touch: Touch) -> str:
    """Gives the fingerprint of what a node touches."""
    return fingerprint(cast("Bucket", touch.resource))
