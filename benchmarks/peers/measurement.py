"""A measurement, as it passes from a peer's process to the tables; imports nothing, so that no tool is needed."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Measurement:
    """One timed case, or in `error` why there is none.

    Attributes:
        build: seconds to make the graph.
        run: seconds to run it.
        peak: MiB of this process at its peak, imports and warm-up included.
        children: MiB at the peak of the largest process it started.
        process: seconds of the whole process, from its start to its end.
        checksum: of the result, equal for equal frames.
    """

    build: float = 0.0
    run: float = 0.0
    peak: float = 0.0
    children: float = 0.0
    process: float = 0.0
    checksum: str = ""
    error: str = ""

    @property
    def total(self) -> float:
        return self.build + self.run
