"""Cron in UTC, which is all that Container Apps has, for a schedule in a time zone.

A time zone with daylight saving has two offsets, so no expression in UTC is it. Then the expression given is wider:
it comes at every moment that the schedule may mean, and what it starts looks at the clock before it does anything.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from glacier.schedules import Schedule

_DAY, _HOUR = 1440, 60
_YEARS = range(2025, 2038)
"""In which offsets are looked for: years of which the rules of today's time zones are known."""
_SAMPLES = tuple(
    datetime(year, month, day, 12, tzinfo=UTC) for year in _YEARS for month in range(1, 13) for day in (1, 15)
)
_MONTH_ENDS = (28, 29, 30, 31)

Shift = Callable[[int, int], tuple[int, ...]]
"""Gives what a field's value becomes on the day before (-1) or after (1)."""


def in_utc(schedule: Schedule) -> tuple[Schedule, bool]:
    """Gives a schedule in UTC, and whether it is the very same; if not, it comes more often.

    >>> from glacier.schedules import schedule_of
    >>> [(utc.cron, same) for utc, same in map(in_utc, (
    ...     schedule_of("0 6 * * MON", "Asia/Tokyo"), schedule_of("30 5 * * *", "Europe/Oslo")))]
    [('0 21 * * 0', True), ('30 3,4 * * *', False)]
    """
    offsets = offsets_of(schedule.timezone)
    if schedule.hour is None and not _on_days(schedule) and len({offset % _HOUR for offset in offsets}) == 1:
        minutes = None if schedule.minute is None else _sorted((m - offsets[0]) % _HOUR for m in schedule.minute)
        return replace(schedule, minute=minutes, timezone="UTC"), True
    same = len(offsets) == 1
    minutes_of_day: set[int] = set()
    shifts: set[int] = set()
    for offset in offsets:
        moments = {
            hour * _HOUR + minute - offset
            for hour in (range(24) if schedule.hour is None else schedule.hour)
            for minute in (range(_HOUR) if schedule.minute is None else schedule.minute)
        }
        minutes_of_day |= {moment % _DAY for moment in moments}
        shifts |= {moment // _DAY for moment in moments}
    minute = _sorted(moment % _HOUR for moment in minutes_of_day)
    hour = _sorted(moment // _HOUR for moment in minutes_of_day)
    same &= len(minutes_of_day) == len(minute) * len(hour)
    same &= shifts == {0} or not _on_days(schedule) or (len(shifts) == 1 and _on_weekdays_only(schedule))
    return (
        replace(
            schedule,
            minute=None if len(minute) == _HOUR else minute,
            hour=None if len(hour) == 24 else hour,
            day=_shifted(schedule.day, shifts, _next_days),
            month=_shifted(schedule.month, shifts, _next_months),
            weekday=_shifted(schedule.weekday, shifts, lambda day, shift: ((day + shift) % 7,)),
            timezone="UTC",
        ),
        same,
    )


def offsets_of(timezone: str) -> list[int]:
    """Gives how many minutes a time zone is ahead of UTC: each that it is in some season.

    >>> offsets_of("Europe/Oslo"), offsets_of("Asia/Kolkata")
    ([60, 120], [330])
    """
    zone = ZoneInfo(timezone)
    found = {sample.astimezone(zone).utcoffset() for sample in _SAMPLES}
    return sorted(int(offset.total_seconds()) // 60 for offset in found if offset is not None)


def _on_days(schedule: Schedule) -> bool:
    return not (schedule.day is None and schedule.month is None and schedule.weekday is None)


def _on_weekdays_only(schedule: Schedule) -> bool:
    return schedule.day is None and schedule.month is None


def _shifted(values: tuple[int, ...] | None, shifts: set[int], step: Shift) -> tuple[int, ...] | None:
    if values is None:
        return None
    return _sorted(moved for value in values for shift in shifts for moved in step(value, shift))


def _next_days(day: int, shift: int) -> tuple[int, ...]:
    """Gives the days of the month that the day before or after may be: a month has 28 to 31."""
    if shift < 0:
        return (day - 1,) if day > 1 else _MONTH_ENDS
    if shift > 0:
        return (*((day + 1,) if day < 31 else ()), *((1,) if day in _MONTH_ENDS else ()))
    return (day,)


def _next_months(month: int, shift: int) -> tuple[int, ...]:
    return (month, (month + shift - 1) % 12 + 1)


def _sorted(values: Iterable[int]) -> tuple[int, ...]:
    return tuple(sorted(set(values)))
