"""Cron expressions: what they select, and what is told of those that are none."""

import pytest

from glacier import pipeline
from glacier.errors import ConfigError
from glacier.schedules import schedule_of

REST = "`*`, lists, ranges and steps"


@pytest.mark.parametrize(
    ("written", "cron"),
    [
        ("0 6 * * *", "0 6 * * *"),
        ("*/15 8-18 * * MON-FRI", "0,15,30,45 8-18 * * 1-5"),
        ("5/20 * * * *", "5,25,45 * * * *"),
        ("@daily", "0 0 * * *"),
        ("@yearly", "0 0 1 1 *"),
        ("0 0 1 JAN,jul 7", "0 0 1 1,7 0"),
        ("0 0 * * fri-sun", "0 0 * * 0,5,6"),
        ("0-59 0-23 1-31 1-12 0-7", "* * * * *"),
        ("0 12 29 2 *", "0 12 29 2 *"),
    ],
)
def test_an_expression_is_normalized(written: str, cron: str) -> None:
    assert schedule_of(written).cron == cron


@pytest.mark.parametrize(
    ("written", "told"),
    [
        (
            "0 25 * * *",
            f"schedule '0 25 * * *' has `25` for the hour, which takes 0 to 23, {REST}",
        ),
        ("0 6 * *", "schedule '0 6 * *' is no cron expression: it has 4 fields, and takes 5"),
        ("", "schedule '' is no cron expression: it has 0 fields, and takes 5"),
        ("0 0 30 2 *", "schedule '0 0 30 2 *' never comes: no such month has that day"),
        (
            "0 9-5 * * *",
            "schedule '0 9-5 * * *' has `9-5` for the hour, which takes 0 to 23, `*`, lists, ranges and steps",
        ),
        (
            "*/0 * * * *",
            "schedule '*/0 * * * *' has `*/0` for the minute, which takes 0 to 59, `*`, lists, ranges and steps",
        ),
        (
            "0 0 * * L",
            f"schedule '0 0 * * L' has `L` for the weekday, which takes 0 to 7 or SUN to SAT, {REST}",
        ),
    ],
)
def test_what_is_no_expression_is_told(written: str, told: str) -> None:
    with pytest.raises(ConfigError) as caught:
        schedule_of(written)
    assert caught.value.message == told


def test_a_time_zone_that_is_none_is_told_with_the_nearest_and_its_line() -> None:
    with pytest.raises(ConfigError) as caught:

        @pipeline(schedule="0 6 * * *", timezone="Europe/Olso")
        def sales() -> None: ...

    assert str(caught.value).endswith(
        '     @pipeline(schedule="0 6 * * *", timezone="Europe/Olso")\n'
        '  Fix: write timezone="Europe/Oslo", a name of the IANA database'
    )


def test_a_pipeline_keeps_its_schedule() -> None:
    @pipeline(schedule="@hourly", timezone="Asia/Tokyo")
    def sales() -> None: ...

    assert sales.schedule is not None
    assert (sales.schedule.cron, sales.schedule.timezone, sales.schedule.text) == ("0 * * * *", "Asia/Tokyo", "@hourly")
