"""Ranges of whole days: usual ones, and what is refused with which remedy."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from api.analytics.days import check_zone, whole_days
from schemas.http.problems import ProblemError

BERLIN = ZoneInfo("Europe/Berlin")
NOW = datetime(2026, 3, 29, 22, 30, tzinfo=UTC)  # the 30th in Berlin


def days(**values: Any) -> tuple[date, date]:
    return whole_days({name.rstrip("_"): value for name, value in values.items()}, NOW, BERLIN, 31)


def refused(**values: Any) -> tuple[str, str]:
    with pytest.raises(ProblemError) as caught:
        days(**values)
    [error] = caught.value.errors
    return error.field, error.message


def test_the_usual_days_end_with_today() -> None:
    assert days() == (date(2026, 3, 1), date(2026, 3, 31))
    assert days(to=date(2026, 3, 10)) == (date(2026, 2, 8), date(2026, 3, 10))
    assert days(from_=date(2026, 3, 10)) == (date(2026, 3, 10), date(2026, 3, 31))


def test_an_instant_that_starts_a_day_is_that_day() -> None:
    assert days(
        from_=datetime(2026, 3, 28, 23, tzinfo=UTC), to=datetime(2026, 3, 29, 22, tzinfo=UTC)
    ) == (date(2026, 3, 29), date(2026, 3, 30))


def test_any_other_instant_is_refused_naming_the_nearest_day() -> None:
    assert refused(from_=datetime(2026, 3, 29, 3, tzinfo=UTC))[1].endswith("2026-03-29")
    assert refused(to=datetime(2026, 3, 29, 21, tzinfo=UTC)) == (
        "to",
        "must be the start of a day in Europe/Berlin, such as 2026-03-30",
    )


def test_too_many_days_and_none_are_refused() -> None:
    assert "31 days" in refused(from_=date(2026, 1, 1))[1]
    assert refused(from_=date(2026, 3, 31))[0] == "from"


def test_only_the_reporting_zone_is_taken() -> None:
    check_zone(None, BERLIN)
    check_zone(ZoneInfo("Europe/Berlin"), BERLIN)
    with pytest.raises(ProblemError, match="bad_parameter") as caught:
        check_zone(ZoneInfo("UTC"), BERLIN)
    assert "Europe/Berlin" in caught.value.detail
