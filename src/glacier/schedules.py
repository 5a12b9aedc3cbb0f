"""When a pipeline runs by itself: a cron expression in a time zone, checked where it is written."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, NamedTuple

from glacier.errors import ConfigError, Site

FieldName = Literal["minute", "hour", "day", "month", "weekday"]


class _Limits(NamedTuple):
    low: int
    high: int
    names: tuple[str, ...] = ()


_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_WEEKDAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
_FIELDS: dict[FieldName, _Limits] = {
    "minute": _Limits(0, 59),
    "hour": _Limits(0, 23),
    "day": _Limits(1, 31),
    "month": _Limits(1, 12, _MONTHS),
    "weekday": _Limits(0, 7, _WEEKDAYS),
}
_ALIASES = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}


@dataclass(frozen=True)
class Schedule:
    """A cron expression of five fields in a time zone. Made by `schedule_of`.

    Attributes:
        minute: what the field selects, in order; None where it is `*`, which selects all.
        hour: likewise, 0 to 23.
        day: of the month, 1 to 31.
        month: 1 to 12.
        weekday: 0 (Sunday) to 6. Where `day` is given too, either is enough, as cron has it.
        timezone: of the IANA database: "UTC", "Europe/Oslo".
        text: the expression as the user wrote it.
        site: the line; not part of its equality.
    """

    minute: tuple[int, ...] | None
    hour: tuple[int, ...] | None
    day: tuple[int, ...] | None
    month: tuple[int, ...] | None
    weekday: tuple[int, ...] | None
    timezone: str
    text: str
    site: Site | None = None

    @property
    def cron(self) -> str:
        """The expression as every cron reads it: numbers, no names, no aliases.

        >>> schedule_of("0 6 * * MON-FRI").cron
        '0 6 * * 1-5'
        """
        fields = (self.minute, self.hour, self.day, self.month, self.weekday)
        return " ".join(spelled(values) for values in fields)

    def has(self, moment: datetime) -> bool:
        """Tells whether it comes at a moment, which has a time zone of its own.

        An hour that the clock skips in spring has no moment, so a schedule in it does not come on that day. In one that
        it shows twice in autumn, a schedule of certain hours comes the first time, one of every hour both times.

        >>> from datetime import UTC
        >>> oslo = schedule_of("30 5 * * MON-FRI", "Europe/Oslo")
        >>> [oslo.has(datetime(2024, 7, 1, hour, 30, tzinfo=UTC)) for hour in (3, 4)]
        [True, False]
        """
        from zoneinfo import ZoneInfo

        here = moment.astimezone(ZoneInfo(self.timezone))
        if here.fold and self.hour is not None:
            return False
        days = [
            value in values
            for value, values in ((here.day, self.day), (here.isoweekday() % 7, self.weekday))
            if values is not None
        ]
        return (
            (self.minute is None or here.minute in self.minute)
            and (self.hour is None or here.hour in self.hour)
            and (self.month is None or here.month in self.month)
            and (not days or any(days))
        )


def schedule_of(cron: str, timezone: str = "UTC", site: Site | None = None) -> Schedule:
    """Gives the schedule that a cron expression says.

    Args:
        cron: minute, hour, day of the month, month, day of the week; numbers, names (`MON`), `*`, lists, ranges, steps;
            or `@daily` and the like.
        timezone: of the IANA database.
        site: where it was written.

    Raises:
        ConfigError: it is no such expression, no moment ever fits it, or there is no such time zone.
    """
    expression = _ALIASES.get(str(cron).strip().lower(), str(cron))
    parts = expression.split()
    if len(parts) != len(_FIELDS):
        raise ConfigError(
            f"schedule {cron!r} is no cron expression: it has {len(parts)} fields, and takes 5",
            site=site,
            fix='write schedule="0 6 * * *" for every day at 6: minute, hour, day, month, weekday',
        )
    minute, hour, day, month, weekday = (
        _values(name, part, cron, site) for name, part in zip(_FIELDS, parts, strict=True)
    )
    if weekday is not None:
        weekday = tuple(sorted({number % 7 for number in weekday}))
    if day is not None and weekday is None and not _happens(day, month):
        raise ConfigError(f"schedule {cron!r} never comes: no such month has that day", site=site, fix="choose a day")
    return Schedule(minute, hour, day, month, weekday, _zone(timezone, site), cron, site)


def spelled(values: tuple[int, ...] | None) -> str:
    """Gives a field's values as cron writes them, runs as ranges.

    >>> spelled(None), spelled((1, 2, 3, 7)), spelled((0, 15, 30, 45))
    ('*', '1-3,7', '0,15,30,45')
    """
    if values is None:
        return "*"
    runs: list[list[int]] = []
    for value in values:
        if runs and runs[-1][-1] == value - 1:
            runs[-1].append(value)
        else:
            runs.append([value])
    shown = [f"{run[0]}-{run[-1]}" if len(run) > 2 else ",".join(map(str, run)) for run in runs]
    return ",".join(shown)


def _values(name: FieldName, part: str, cron: str, site: Site | None) -> tuple[int, ...] | None:
    if part == "*":
        return None
    low, high, names = _FIELDS[name]
    found: set[int] = set()
    for item in part.split(","):
        matched = re.fullmatch(r"(\*|\w+)(?:-(\w+))?(?:/(\d+))?", item)
        first, last, step = matched.groups() if matched else ("", None, None)
        start = low if first == "*" else _number(first, low, names)
        stop = high if first == "*" or (last is None and step) else start if last is None else _number(last, low, names)
        if first == "*" and last is not None:
            start = None
        if name == "weekday" and stop == 0 and start:
            stop = 7  # a range that ends on Sunday: FRI-SUN
        if start is None or stop is None or not low <= start <= stop <= high or step == "0":
            spans = f"{low} to {high}" + (f" or {names[0]} to {names[-1]}" if names else "")
            raise ConfigError(
                f"schedule {cron!r} has `{item}` for the {name}, which takes {spans}, `*`, lists, ranges and steps",
                site=site,
                fix=f"write a number from {low} to {high}, or `*`",
            )
        found.update(range(start, stop + 1, int(step or 1)))
    everything = set(range(low, 7 if name == "weekday" else high + 1))
    return None if found >= everything else tuple(sorted(found))


def _number(text: str, low: int, names: tuple[str, ...]) -> int | None:
    if text.isdecimal() and text.isascii():
        return int(text)
    return names.index(text.upper()) + (low if names is _MONTHS else 0) if text.upper() in names else None


def _happens(days: tuple[int, ...], months: tuple[int, ...] | None) -> bool:
    longest = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
    return any(days[0] <= longest[month - 1] for month in months or range(1, 13))


def _zone(timezone: str, site: Site | None) -> str:
    from zoneinfo import ZoneInfo, available_timezones

    try:
        return ZoneInfo(timezone).key
    except (ValueError, OSError, TypeError, LookupError):
        from glacier.errors import did_you_mean

        near = did_you_mean(str(timezone), available_timezones())
        raise ConfigError(
            f"there is no time zone {timezone!r}",
            site=site,
            fix=f'write timezone="{near[0] if near else "Europe/Oslo"}", a name of the IANA database',
        ) from None
