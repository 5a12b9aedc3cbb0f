"""What every config asks of its values, and the one sentence in which it refuses them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from glacier.errors import ConfigError, Site, did_you_mean


@dataclass(frozen=True, slots=True)
class Checks:
    """Looks at the values of one config.

    Attributes:
        config: the object whose values are checked, by its fields' names.
        site: where the user wrote it.
    """

    config: object
    site: Site | None

    def choice(self, field: str, allowed: Sequence[object], *, limit: str, optional: bool = False) -> None:
        """Refuses a value that is none of `allowed`.

        Raises:
            ConfigError: naming the value, what is allowed and where that is laid down (`limit`).
        """
        value = getattr(self.config, field)
        if (optional and value is None) or any(value == one and type(value) is type(one) for one in allowed):
            return
        near = did_you_mean(value, [one for one in allowed if isinstance(one, str)]) if isinstance(value, str) else []
        instead = near[0] if near else allowed[0]
        takes = ", ".join(_typed(one) for one in allowed)
        raise self.refusal(field, f"takes {takes}", limit=limit, fix=f"write {field}={_typed(instead)}")

    def whole(self, field: str, low: int, high: int | None, *, unit: str, limit: str, optional: bool = False) -> None:
        """Refuses a value that is no whole number from `low` to `high`, both included.

        Raises:
            ConfigError: naming the value, the range with its unit and where it is laid down (`limit`).
        """
        value = getattr(self.config, field)
        if optional and value is None:
            return
        fits = isinstance(value, int) and not isinstance(value, bool) and low <= value
        if fits and (high is None or value <= high):
            return
        takes = f"takes a whole number of {unit}, at least {low:,}"
        if high is not None:
            takes = f"takes a whole number of {unit}, {low:,} to {high:,}"
        nearest = low
        if isinstance(value, int) and not isinstance(value, bool) and high is not None and value > high:
            nearest = high
        raise self.refusal(field, takes, limit=limit, fix=f"write {field}={nearest}")

    def flag(self, field: str) -> None:
        """Refuses what is neither True nor False."""
        if not isinstance(getattr(self.config, field), bool):
            raise self.refusal(field, "takes True or False", limit="", fix=f"write {field}=True, or leave it out")

    def text(self, field: str) -> None:
        """Refuses what is neither None nor text."""
        value = getattr(self.config, field)
        if value is not None and (not isinstance(value, str) or not value):
            raise self.refusal(field, "takes text", limit="", fix=f'write {field}="...", or leave it out')

    def refusal(self, field: str, allowed: str, *, limit: str, fix: str) -> ConfigError:
        """Gives the error for a value that one field may not have."""
        title = type(self.config).__name__
        source = f" ({limit})" if limit else ""
        return ConfigError(
            f"{title} got {field}={_typed(getattr(self.config, field))}, and {allowed}{source}",
            site=self.site,
            fix=fix,
        )

    def conflict(self, what: str, *, limit: str, fix: str) -> ConfigError:
        """Gives the error for values that cannot stand together."""
        return ConfigError(f"{type(self.config).__name__} {what} ({limit})", site=self.site, fix=fix)


def _typed(value: object) -> str:
    """Gives a value as it would be typed."""
    return f'"{value}"' if isinstance(value, str) else repr(value)
