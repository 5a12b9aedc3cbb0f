"""The cache of one run: which nodes have their results kept, under which keys, and which of them are found."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from contextvars import copy_context
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Literal, TypeVar

from glacier.access import Touch, touches
from glacier.caching import CachePolicy
from glacier.errors import ConfigError, Site, StorageError, text_of
from glacier.execution.cache.entries import Damaged, Entries, Entry
from glacier.execution.cache.eviction import make_room, remove_superseded
from glacier.execution.cache.fingerprints import of_touch
from glacier.execution.cache.secrets import digest_at, in_no_key
from glacier.execution.checkpoints import Recalled
from glacier.execution.code import digest_of
from glacier.execution.codec import NotPlain, NotReadable, decoded, encoded
from glacier.execution.frames import scanned
from glacier.execution.home import home_of, make_home
from glacier.execution.keeping import waited_for
from glacier.execution.keys import Replaced, key_parts, node_keys
from glacier.graph import Graph
from glacier.lease import counting
from glacier.nesting import Loop
from glacier.permits import act
from glacier.task import Task

CacheUse = Literal["use", "refresh"]
"""Whether results that are kept are used, or all computed anew and kept in their place."""

CacheOption = bool | Literal["refresh"]
VARIABLE = "GLACIER_CACHE"
FOLDER = "cache"
_ELSEWHERE = "make room, let GLACIER_HOME name another folder, or turn the cache off: GLACIER_CACHE=0"


@dataclass(frozen=True)
class Cache:
    """Where a run looks for results, and whether it uses them.

    Attributes:
        home: the folder `.glacier`.
    """

    home: Path
    use: CacheUse = "use"


T = TypeVar("T")
_log = logging.getLogger("glacier.cache")


def cache_of(file: str, option: CacheOption, site: Site | None) -> Cache | None:
    """Gives the cache of a run; None where there is to be none.

    Args:
        file: where the pipeline is written.
        option: as `run` was given it.
        site: for the error.

    Raises:
        ConfigError: it is none of the three.
    """
    if option not in (True, False, "refresh"):
        raise ConfigError(
            f"cache takes True, False or 'refresh', but got {option!r}", site=site, fix="use one of these"
        )
    if not option or os.environ.get(VARIABLE, "").strip().lower() in ("0", "off", "no", "false"):
        return None
    return Cache(home_of(file), "refresh" if option == "refresh" else "use")


def local_entries(home: Path) -> Entries:
    """Gives the results that are kept in a project.

    Args:
        home: the folder `.glacier`.
    """
    from glacier.providers.local import LocalProvider

    return Entries(LocalProvider(base_path=home).bucket(FOLDER, path="./"))


def caches(graph: Graph) -> bool:
    """Says whether any task of a graph has its results kept."""
    return any(isinstance(node.work, Task) and node.work.options.cache is not None for node in graph.nodes)


class Caching:
    """The cache of one run, seen from its graph.

    A result is known by its task's code and arguments and those of all that it comes from (`keys`), and by what these
    have read in buckets: that is looked at as each of them starts.

    Args:
        graph: that is run.
        replace: functions that are called in place of tasks.
        home: the folder `.glacier`.
        use: whether what is there is used.
    """

    def __init__(self, graph: Graph, replace: Replaced, home: Path, use: CacheUse = "use") -> None:
        self.graph = graph
        self.replace = replace
        self.use = use
        self._home = home
        self._policies = {
            node.index: policy
            for node in graph.nodes
            if isinstance(node.work, Task) and (policy := node.work.options.cache) is not None
        }
        self._digest = digest_at(home)
        self._keys = self._shared = node_keys(graph, replace, secret=self._digest)
        if any(policy.bucket is not None for policy in self._policies.values()):
            self._shared = node_keys(graph, replace, secret=in_no_key)
        self._above = {index: _above(graph, index) for index in self._policies}
        self._noted: dict[int, dict[tuple[int, ...], dict[str, str]]] = {}
        self._lock = threading.Lock()
        self._refused: set[int] = set()
        self._used: set[str] = set()
        self._stored = False
        self._touches: dict[int, list[Touch]] = {}
        for index in {one for above in self._above.values() for one in above}:
            self._touches[index] = touches(graph.nodes[index])
        for index in self._policies:
            reason = self._unknown(index)
            if reason is not None:
                self._refuse(index, *reason)

    def applies(self, index: int) -> bool:
        """Says whether the results of a node are kept at all."""
        return self._policy(index) is not None

    def begun(self, index: int, path: tuple[int, ...]) -> None:
        """Notes what a node is about to find in buckets.

        Args:
            index: the node.
            path: for each loop around it the number of the item.
        """
        read = [touch for touch in self._touches.get(index, ()) if touch.access.reads and not touch.resource.invocable]
        if not read:
            return
        try:
            noted = _freely(lambda: {touch.resource.uri: of_touch(touch) for touch in read})
        except (StorageError, OSError) as error:  # the task will tell of it; what comes from it has no key
            told, fix = (error.message, error.fix) if isinstance(error, StorageError) else (text_of(error), None)
            for below in [one for one, above in self._above.items() if index in above]:
                self._refuse(below, told, fix or "let it be read")
            return
        with self._lock:
            self._noted.setdefault(index, {})[path] = noted

    def recalled(self, index: int, path: tuple[int, ...]) -> Recalled | None:
        """Gives the result that is kept of a call; None if it is to be done."""
        policy = self._policy(index)
        if policy is None or self.use == "refresh":
            return None
        key = self._key(index, path, policy)
        try:
            return _freely(lambda: self._found(self._entries(policy), index, key, policy))
        except (StorageError, OSError) as error:
            self._refuse(index, f"the cache cannot be read: {text_of(error)}", _ELSEWHERE)
            return None

    def kept(self, index: int, path: tuple[int, ...], value: object, rows: int | None, seconds: float) -> object:
        """Keeps the result of a call, and gives what is handed on: for a LazyFrame a scan of its file.

        Raises:
            GivenUp: its run has given it up.
            Exception: whatever computing a LazyFrame raises.
        """
        policy = self._policy(index)
        if policy is None:
            return value
        key = self._key(index, path, policy)
        try:
            return _freely(lambda: self._keep(policy, index, path, key, value, rows, seconds))
        except NotPlain as error:
            self._refuse(index, str(error), "return frames, or plain values")
        except (Damaged, StorageError, OSError) as error:
            self._refuse(index, text_of(error), _ELSEWHERE)
        return value

    def close(self) -> None:
        """Makes room if results were added, of what was not used for longest."""
        if self._stored:
            try:
                make_room(self._home / FOLDER, keep=self._used)
            except OSError as error:
                _log.warning("the cache could not be thinned out: %s", text_of(error))

    def _found(self, entries: Entries, index: int, key: str, policy: CachePolicy) -> Recalled | None:
        try:
            entry = entries.found(key)
            if entry is None or not entry.is_good_for(policy.ttl) or self._written(index) != entry.wrote:
                return None
            value = decoded(entry.document, entries.values(key))
        except (Damaged, NotReadable) as error:
            _log.warning(
                "what is kept of `%s` is damaged, and computed anew: %s", self.graph.names[index], text_of(error)
            )
            entries.remove(key)
            return None
        if policy.bucket is None:
            self._touch(key)
        return Recalled(value, entry.rows, "cached")

    def _keep(
        self,
        policy: CachePolicy,
        index: int,
        path: tuple[int, ...],
        key: str,
        value: object,
        rows: int | None,
        seconds: float,
    ) -> object:
        entries = self._entries(policy)
        values = entries.values(key)
        before = entries.files_of(key)
        again = self.use == "refresh" or before is not None
        try:
            document = encoded(value, values)
            node = self.graph.nodes[index]
            entry = Entry(
                key,
                self.graph.name,
                self.graph.names[index],
                node.work.name,
                datetime.now(UTC).isoformat(),
                seconds,
                rows,
                document,
                dict.fromkeys(values.names, (0, "")),
                self._written(index),
                self._parts(index, path, policy),
                path,
            )
            with counting():  # not while a plan is computed, which the time limit of its task ends
                is_put = entries.put(entry, again=again)
            if not is_put and not values.scans:  # another was first
                values.discard()
        except BaseException:
            values.discard()
            raise
        if policy.bucket is None:
            self._stored = True
            if before is not None:
                remove_superseded(self._home / FOLDER / key, before)
        with self._lock:
            self._used.add(key)
        return scanned(value, values.scans, values.frame) if values.scans else value

    def _policy(self, index: int) -> CachePolicy | None:
        return None if index in self._refused else self._policies.get(index)

    def _entries(self, policy: CachePolicy) -> Entries:
        return self._local if policy.bucket is None else Entries(policy.bucket)  # type: ignore[arg-type]  # checked there

    @cached_property
    def _local(self) -> Entries:
        make_home(self._home)
        return local_entries(self._home)

    def _touch(self, key: str) -> None:
        """Notes that an entry was used."""
        with self._lock:
            self._used.add(key)
        try:
            (self._home / FOLDER / key / "entry.json").touch()
        except OSError:  # a disk that is only read keeps no such note
            return

    def _key(self, index: int, path: tuple[int, ...], policy: CachePolicy) -> str:
        keys = self._keys if policy.bucket is None else self._shared
        return digest_of(keys[index], list(path), policy.version, sorted(self._read(index, path)))

    def _read(self, index: int, path: tuple[int, ...]) -> Iterator[tuple[str, str]]:
        """Gives what a call and all that it comes from have found in buckets, each URI with its digest."""
        own = self.graph.loop_of.get(index)
        with self._lock:
            for one in sorted(self._above[index] & self._noted.keys()):
                shared = _shared(own, self.graph.loop_of.get(one))
                carried = _carries(own, shared)
                for turn, found in sorted(self._noted[one].items()):
                    ours = path[:shared]
                    if turn[:shared] == ours or (carried and turn[:shared] < ours):
                        yield from found.items()

    def _written(self, index: int) -> dict[str, str]:
        """Gives what lies where a task writes."""
        wrote = [touch for touch in self._touches[index] if touch.access.writes]
        return {touch.resource.uri: of_touch(touch) for touch in wrote}

    def _parts(self, index: int, path: tuple[int, ...], policy: CachePolicy) -> dict[str, str]:
        import polars as pl

        parts = key_parts(self.graph, sorted(self._above[index]), self.replace, self._digest)
        parts |= {f"object {uri}": digest for uri, digest in self._read(index, path)}
        return {**parts, "version= of the policy": policy.version, "Polars": pl.__version__}

    def _unknown(self, index: int) -> tuple[str, str] | None:
        """Says why a task cannot be told from others by a key, if so, and the fix."""
        for one in sorted(self._above[index]):
            name = self.graph.names[one]
            for touch in self._touches[one]:
                if touch.resource.invocable:
                    return f"`{name}` invokes `{touch.resource.label}`, whose result no key can tell", "drop cache="
                if not touch.access.certain:
                    told = f"what `{name}` does with `{touch.resource.label}` cannot be told from its code"
                    return told, f"state it: @task(reads=[...], writes=[...]) of `{name}`"
        if self._keys[index] is None:
            return "an argument of it, or of what it comes from, has no form as data", "pass plain values"
        if self._policies[index].bucket is not None and self._shared[index] is None:
            told = "an argument of it, or of what it comes from, is a secret, which no key in a bucket may tell"
            return told, "drop bucket= of its CachePolicy"
        return None

    def _refuse(self, index: int, reason: str, fix: str) -> None:
        with self._lock:
            if index in self._refused:
                return
            self._refused.add(index)
        node = self.graph.nodes[index]
        _log.warning(
            "results of `%s` are not kept: %s (%s); fix: %s",
            self.graph.names[index],
            reason,
            node.work.site if isinstance(node.work, Task) else node.site,
            fix,
        )


def _above(graph: Graph, index: int) -> frozenset[int]:
    """Gives a node and all that it comes from."""
    pending, found = [index], set[int]()
    while pending:
        now = pending.pop()
        if now not in found:
            found.add(now)
            pending += waited_for(graph, graph.nodes[now])
            loop = graph.loop_of.get(now)
            pending += (one.items for one in _loops(loop))
    return frozenset(found)


def _loops(loop: Loop | None) -> Iterable[Loop]:
    return () if loop is None else loop.around()


def _shared(one: Loop | None, other: Loop | None) -> int:
    """Gives how many loops two nodes have around them together, so that they are in one turn of each."""
    ours = {loop.index for loop in _loops(one)}
    return sum(loop.index in ours for loop in _loops(other))


def _carries(own: Loop | None, shared: int) -> bool:
    """Whether a turn of the loops that are shared takes anything from the turns before it."""
    around = list(_loops(own))[::-1][:shared]
    return any(loop.carried for loop in around)


def _freely(work: Callable[[], T]) -> T:
    """Does work of the cache's own, which what a task may touch does not limit."""

    def run() -> T:
        act(None)
        return work()

    return copy_context().run(run)
