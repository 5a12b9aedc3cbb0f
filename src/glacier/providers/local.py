"""This machine: buckets are folders."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from glacier.config import (
    AzureBlobConfig,
    AzureFunctionConfig,
    CloudFunctionConfig,
    GCSConfig,
    LambdaConfig,
    S3Config,
)
from glacier.config.translation import BucketConfig, FunctionConfig, translated
from glacier.errors import ConfigError, Site, StorageError
from glacier.providers import durable, leftovers
from glacier.providers.local_functions import LocalFunctions
from glacier.providers.local_staged import LocalStaged, blocks_of, remove, restore
from glacier.rebinding import rebound
from glacier.resources.bucket import Bucket, check_config, declare
from glacier.resources.serverless import NO_ENV, Code, Serverless, declare_function
from glacier.resources.store import Before, End, Entry, Small
from glacier.schemas import SchemaLike

if TYPE_CHECKING:
    from glacier.resources.formats import Format

_NAME_BYTES = 255
"""Of one path component: NAME_MAX of Linux's, macOS's and (counted in UTF-16 units) Windows' file systems."""
_PATH_BYTES = 4095
"""Of a whole path: PATH_MAX of Linux, less its closing NUL."""


@dataclass(frozen=True, init=False)
class LocalProvider:
    """Keeps buckets as folders of this machine: a path of a bucket is the file `base_path / name / path`.

    Nothing is made before something is written.

    Attributes:
        base_path: absolute; a relative one is taken from the working directory when the provider is made.

    >>> LocalProvider("/srv/data").bucket("sales", path="2024/may.parquet").uri
    '/srv/data/sales/2024/may.parquet'
    """

    base_path: str

    def __init__(self, base_path: str | os.PathLike[str] = "./data") -> None:
        object.__setattr__(self, "base_path", os.path.normpath(Path(base_path).expanduser().absolute()))

    def bucket(
        self,
        name: str,
        *,
        path: str,
        format: Format | None = None,  # noqa: A002
        config: BucketConfig | None = None,
        existing: bool = False,
        schema: SchemaLike | None = None,
    ) -> Bucket:
        """Declares a bucket; nothing is made or read.

        Args:
            name: one folder below `base_path`.
            path: in it: a file, a directory (ends in "/" or has no extension), or a glob.
            format: of the data; told by the path's extension if left out, Parquet for a directory.
            config: of any cloud, so that a pipeline comes here from its cloud by the provider's line alone. A folder
                has no versions, keys, classes or lifecycle: the bucket keeps the config, and nothing is done with it.
            existing: says that the cloud's bucket is there already; makes no difference to a folder.
            schema: the columns and dtypes that the data has: a dict or `pl.Schema`, a dataframely `Schema`, or a
                `DataFrameModel` of pandera.polars. CSV and NDJSON are read with these dtypes. A scan of data without
                these columns, or with other dtypes, and a write of such a frame, is a `SchemaError`; more do no harm.

        Raises:
            ConfigError: if the path leaves the bucket, tells no known format, or is too long for a file system; if
                `config` is no bucket's config, or the schema is none.
        """
        if (other := _stand_in()) is not None:
            fitting = _fitting(config, other.bucket_config, sys._getframe(1))
            moved: Bucket = other.bucket(
                name, path=path, format=format, config=fitting, existing=existing, schema=schema
            )
            return moved
        site = Site.of_caller(sys._getframe(1))
        check_config(name, config, (S3Config, GCSConfig, AzureBlobConfig), self, site)
        store = LocalStore(self, config, existing)
        return declare(store, name, path, format=format, site=site, schema=schema)

    def serverless(
        self,
        name: str,
        *,
        handler: str,
        runtime: str | None = None,
        config: FunctionConfig | None = None,
        source: str | os.PathLike[str] | None = None,
        requirements: Sequence[str] = (),
        env: Mapping[str, str] = NO_ENV,
        reads: Sequence[Bucket] = (),
        writes: Sequence[Bucket] = (),
    ) -> Serverless:
        """Declares a function that runs in a process of its own; nothing is imported or run.

        Args:
            name: of the function: letters, digits, hyphens and underscores.
            handler: its module and function, `process.handler` say, which is called with the event and a context.
            runtime: what it runs on in a cloud, `python3.12` say. Here it is the Python that runs the pipeline.
            config: of any cloud; its `timeout` holds, on Linux its `memory` too. Without one, `LambdaConfig()` holds.
            source: the folder that holds the module; by default that of the file in which this call stands.
            requirements: packages that a cloud is to install. Here it has those of the pipeline.
            env: environment variables besides those of this process.
            reads: buckets that its code reads; of use when it is deployed to a cloud, which permits nothing else.
            writes: buckets that its code writes.

        Raises:
            ConfigError: if the name, the handler or another value is none, or `config` is no function's config.
        """
        if (other := _stand_in()) is not None:
            fitting = _fitting(config, other.function_config, sys._getframe(1))
            moved: Serverless = other.serverless(
                name, handler=handler, runtime=runtime, config=fitting, source=source, requirements=requirements,
                env=env, reads=reads, writes=writes,
            )  # fmt: skip
            return moved
        site = Site.of_caller(sys._getframe(1))
        takes = (LambdaConfig, CloudFunctionConfig, AzureFunctionConfig)
        check_config(name, config, takes, self, site, "function")
        code = Code(
            handler=handler,
            runtime=runtime,
            source=source,
            requirements=requirements,
            env=env,
            reads=reads,
            writes=writes,
        )
        return declare_function(self._host(config), name, code, site)

    def _host(self, config: FunctionConfig | None) -> LocalFunctions:
        return LocalFunctions(type(self).__name__, self.base_path, config, self)


def _stand_in() -> Any:
    """Gives the provider that this machine's buckets and functions go to instead; None where they stay."""
    other = rebound()
    return None if isinstance(other, LocalProvider) else other


def _fitting(config: Any, kind: type[Any], frame: FrameType) -> Any:
    """Gives a config as the provider takes it that stands in.

    Raises:
        ConfigError: that provider's cloud cannot have what it says.
    """
    try:
        return translated(config, kind).config
    except ConfigError as error:
        error.site = Site.of_caller(frame)
        raise


@dataclass(frozen=True)
class LocalStore:
    """The folders of a `LocalProvider`, as `Bucket` uses them. Links are followed as long as they stay in `base_path`.

    >>> LocalStore(LocalProvider("/srv/data")).uri("sales", "./")
    '/srv/data/sales/'
    """

    local: LocalProvider
    config: BucketConfig | None = field(default=None, compare=False)
    existing: bool = False

    @property
    def provider(self) -> str:
        """The provider's name."""
        return type(self.local).__name__

    @property
    def declarer(self) -> object:
        """The provider itself."""
        return self.local

    def physical(self, bucket: str) -> str:
        """Gives the folder's name: that of the bucket."""
        return bucket

    def uri(self, bucket: str, path: str) -> str:
        """Gives the absolute path; a directory's ends in "/"."""
        return str(self._place(bucket, path)) + ("/" if path.endswith("/") else "")

    def reach(self) -> Mapping[str, Any]:
        """Files need no options."""
        return {}

    def refusal(self, bucket: str, path: str) -> tuple[str, str] | None:
        """Refuses what no file system can hold."""
        for part in (bucket, *path.split("/")):
            if len(os.fsencode(part)) > _NAME_BYTES:
                return (
                    f"`{part[:40]}...` in bucket `{bucket[:40]}` has {len(os.fsencode(part))} bytes, "
                    f"and a file system holds {_NAME_BYTES} in a name",
                    "shorten it, or split it into folders",
                )
        size = len(os.fsencode(self.uri(bucket, path)))
        if size > _PATH_BYTES:
            return (
                f"path `{path[:40]}...` of bucket `{bucket}` makes {size} bytes, "
                f"and a system holds {_PATH_BYTES} in a path",
                "shorten it",
            )
        return None

    def entries(self, bucket: str, path: str) -> Iterator[Entry]:
        """Gives the file, or all files below the folder."""
        top = self._place(bucket, "./")
        place = self._inside(self._place(bucket, path))
        if place.is_dir():
            shown = self._place(bucket, path)
            yield from self._below(place, shown.relative_to(top).as_posix(), (place,))
        elif place.exists():
            yield _entry(path.rstrip("/"), place.stat())

    def neighbours(self, bucket: str, path: str) -> tuple[str, str, list[str]]:
        """Gives the first missing component, the folder before it, and the names in that folder."""
        place = self._place(bucket, path)
        missing = ""
        while not place.is_dir():
            missing, place = place.name, place.parent
        names = sorted(name for name in os.listdir(place) if not name.startswith("."))  # noqa: PTH208  # names only
        return missing, str(place), names

    def ends(self, bucket: str, entries: Sequence[Entry], end: End) -> list[bytes]:
        """Reads the first 64 or the last 8 bytes."""
        return [_end(self._place(bucket, entry.path), end) for entry in entries]

    def blocks(self, bucket: str, entry: Entry) -> Iterator[memoryview]:
        """Reads the file in blocks of 8 MiB."""
        return blocks_of(self._place(bucket, entry.path))

    def small(self, bucket: str, path: str) -> Small | None:
        """Reads the file; its content is its version."""
        try:
            content = self._inside(self._place(bucket, path)).read_bytes()
        except FileNotFoundError:
            return None
        return Small(content, content)

    def put(self, bucket: str, path: str, content: bytes, before: Before = "anything") -> bool:
        """Writes it beside, and renames it into place; under a lock where something must be there before."""
        place = self._inside(self._place(bucket, path))
        place.parent.mkdir(parents=True, exist_ok=True)
        if before == "anything":
            durable.replace(place, content)
            return True
        with durable.locked(place):
            if self.small(bucket, path) != (None if before == "nothing" else before):
                return False
            durable.replace(place, content)
        return True

    def prepare(self, bucket: str, path: str) -> None:
        """Makes the folder, or the folder of the file."""
        place = self._inside(self._place(bucket, path))
        (place if path.endswith("/") else place.parent).mkdir(parents=True, exist_ok=True)

    @property
    def copies_beside(self) -> bool:
        """Everything is written beside its place."""
        return True

    @property
    def copies_later(self) -> bool:
        """What is renamed is there at once."""
        return False

    def stage(self, bucket: str, path: str, *, for_copy: bool = False) -> LocalStaged:
        """Makes a hidden neighbour, so that publishing it is a rename."""
        del for_copy  # names are kept and files can be read anyway
        shown = self._place(bucket, path)
        place = self._inside(shown)
        place.parent.mkdir(parents=True, exist_ok=True)
        hidden = place.parent / leftovers.new_name()
        inner = shown.relative_to(self._place(bucket, "./")).as_posix()
        return LocalStaged(hidden, place, inner, is_tree=path.endswith("/"))

    def delete(self, bucket: str, paths: Sequence[str], *, below: bool = True) -> None:
        """Removes files, and folders with all they hold, for a file has nothing below it; of a link, the link."""
        del below
        for path in paths:
            shown = self._place(bucket, path)
            place = self._inside(shown)
            if place.is_dir() and not shown.is_symlink():
                shutil.rmtree(place)
            else:
                shown.unlink(missing_ok=True)

    def sweep(self, bucket: str, path: str) -> None:
        """Removes staged files and folders whose process is gone (or, on another machine, silent for a day)."""
        place = self._inside(self._place(bucket, path))
        for folder in (place.parent, *_folders(place)):
            for left in folder.glob(f"{leftovers.PREFIX}*.tmp"):
                if _is_stale(left):
                    restore(left)
                    remove(left)

    def _place(self, bucket: str, path: str) -> Path:
        return Path(self.local.base_path, bucket, path)

    def _inside(self, place: Path) -> Path:
        """Gives the place with links followed, which must stay in `base_path`."""
        base = Path(self.local.base_path).resolve()
        try:
            real = place.resolve()
        except RuntimeError as error:  # Python 3.11 and 3.12 tell a loop so
            raise StorageError(f"`{place}` goes through a link that leads to itself", fix="remove that link") from error
        if real.is_relative_to(base):
            return real
        raise StorageError(
            f"`{place}` is or goes through a link that leads out of the base path, to `{real}`",
            fix=f"keep the data in `{self.local.base_path}`, or make a LocalProvider(base_path=...) that holds both",
        )

    def _below(self, folder: Path, shown: str, seen: tuple[Path, ...]) -> Iterator[Entry]:
        with os.scandir(folder) as items:
            found = sorted(items, key=lambda item: item.name)
        for item in found:
            if leftovers.is_staged(item.name):
                continue
            path = item.name if shown == "." else f"{shown}/{item.name}"
            place = self._inside(Path(item.path)) if item.is_symlink() else Path(item.path)
            if item.is_dir():
                if place not in seen:  # a link to a folder above would never end
                    yield from self._below(place, path, (*seen, place))
            elif item.is_file():
                yield _entry(path, item.stat())


def _entry(path: str, found: os.stat_result) -> Entry:
    """Gives a file; nobody can set when it was last changed, so that tells contents apart."""
    return Entry(path, found.st_size, f"{found.st_ino:x}-{found.st_mtime_ns:x}-{found.st_ctime_ns:x}")


def _end(place: Path, end: End) -> bytes:
    with place.open("rb") as file:
        if end == "last":
            file.seek(max(0, file.seek(0, os.SEEK_END) - 8))
        return file.read(64)


def _folders(top: Path) -> Iterator[Path]:
    for folder, inner, _ in os.walk(top):
        inner[:] = [name for name in inner if not leftovers.is_staged(name)]
        yield Path(folder)


def _is_stale(staged: Path) -> bool:
    newest = max((path.lstat().st_mtime for path in (staged, *staged.rglob("*"))), default=0.0)
    return leftovers.is_stale(staged.name, newest)
