"""The picture of a pipeline, in the form its reader's place can show."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Collection
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from glacier.errors import ConfigError, MissingExtra, Site, listed
from glacier.report.mermaid import mermaid
from glacier.report.picture import picture
from glacier.report.svg import svg
from glacier.report.text import lanes, levels

if TYPE_CHECKING:
    from glacier.graph import Graph

_SUFFIXES = (".svg", ".mmd", ".md", ".txt")
_MOST_LINES = 200


class Diagram:
    """The picture of a graph: text when printed, SVG in a notebook, Mermaid for documents.

    Where there are too many nodes to look at, repeated calls of one task become one shape with a count.

    >>> from glacier import pipeline, task
    >>> @task
    ... def load() -> int:
    ...     return 1
    >>> @task
    ... def double(n: int) -> int:
    ...     return 2 * n
    >>> @pipeline
    ... def doubled() -> int:
    ...     return double(load())
    >>> print(doubled.graph())
    doubled: 2 nodes in 2 levels
    <BLANKLINE>
    ●  load
    │
    ●  double
    """

    def __init__(self, graph: Graph) -> None:
        self._graph = graph

    def text(self, width: int | None = None, *, resources: bool = True) -> str:
        """Gives a drawing with one line per node; a summary by levels for more than 200 nodes or too many lanes.

        Args:
            width: in columns; that of the terminal by default, 100 where there is none.
            resources: whether to show beside each node what it reads (←) and writes (→).
        """
        width = width or shutil.get_terminal_size((100, 24)).columns
        shown = sum(not node.hidden for node in self._graph.nodes)
        if shown <= _MOST_LINES:
            whole = picture(self._graph, resources=resources, most_shapes=10_000, most_arrows=100_000)
            drawn = lanes(whole, width)
            if drawn is not None:
                return drawn
        return levels(picture(self._graph, resources=False, most_shapes=200, most_arrows=100_000, fold=True), width)

    def mermaid(self, *, resources: bool = True) -> str:
        """Gives a Mermaid flowchart, within Mermaid's default limit of 500 edges.

        Args:
            resources: whether to draw what the nodes read and write.
        """
        return mermaid(picture(self._graph, resources=resources, most_shapes=300, most_arrows=450))

    def svg(self, *, resources: bool = True) -> str:
        """Gives a self-contained SVG document, the same bytes for the same pipeline.

        Args:
            resources: whether to draw what the nodes read and write.

        Raises:
            MissingExtra: the extra `svg` is not installed.
        """
        return svg(picture(self._graph, resources=resources, most_shapes=150, most_arrows=400))

    def save(self, path: str | Path, *, resources: bool = True) -> Path:
        """Writes the picture to a file and gives its path.

        Args:
            path: ends in `.svg`, `.mmd` (Mermaid), `.md` (Mermaid in a fence) or `.txt`.
            resources: whether to draw what the nodes read and write.

        Raises:
            ConfigError: the path ends in something else, or cannot be written.
            MissingExtra: for `.svg`, the extra `svg` is not installed.
        """
        path = Path(path)
        match path.suffix.lower():
            case ".svg":
                content = self.svg(resources=resources)
            case ".mmd":
                content = self.mermaid(resources=resources)
            case ".md":
                content = f"```mermaid\n{self.mermaid(resources=resources)}```\n"
            case ".txt":
                content = self.text(100, resources=resources) + "\n"
            case suffix:
                ending = f"ends in `{suffix}`" if suffix else "has no suffix"
                raise ConfigError(
                    f"a diagram cannot be saved as `{path}`, which {ending}",
                    site=Site.of_caller(sys._getframe(1)),
                    fix=f"use one of {listed(_SUFFIXES)}",
                )
        try:
            path.write_bytes(content.encode())  # the same bytes on every system
        except OSError as error:
            raise ConfigError(
                f"the picture cannot be written to `{path}`: {error.strerror}",
                site=Site.of_caller(sys._getframe(1)),
                fix="name a file in a folder that is there",
            ) from None
        return path

    def __str__(self) -> str:
        return self.text()

    def __repr__(self) -> str:
        return self.text()

    def _repr_mimebundle_(
        self, include: Collection[str] | None = None, exclude: Collection[str] | None = None
    ) -> dict[str, str]:
        shown = {"text/plain": self.text()}
        try:
            shown["image/svg+xml"] = self.svg()
        except MissingExtra:
            shown["text/html"] = f'<pre style="line-height:1.25">{escape(self.text(), quote=True)}</pre>'
        return {
            kind: value for kind, value in shown.items() if kind in (include or shown) and kind not in (exclude or ())
        }
