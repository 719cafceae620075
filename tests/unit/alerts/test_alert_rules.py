"""What a rule may say, and its quiet hours."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from schemas.alerts.evaluate import instants_of, is_quiet, points_due
from schemas.alerts.reading import points_tried
from schemas.alerts.rule import PEAK_RULE, parse_rule
from schemas.bodies.fields import BadFieldsError

NUMBER = {"name": "Few people", "of": "online", "is": "below", "value": 100}


@pytest.mark.parametrize(
    "said",
    [
        NUMBER,
        PEAK_RULE,
        {**NUMBER, "of": "screen", "screen": "Cart", "than": "last_week", "for_minutes": 10.0},
        {**NUMBER, "of": "exits", "screen": "Cart", "than": "band", "value": 3, "days": 5},
        {**NUMBER, "of": "version_share", "app_version": "2.0", "is": "above", "value": 50},
        {**NUMBER, "repeat_minutes": 60, "recovery": False},
        {**NUMBER, "quiet_hours": {"from": "22:00", "to": "07:30", "time_zone": "Europe/Berlin"}},
    ],
)
def test_a_rule_is_read_as_it_is_shown(said: dict[str, Any]) -> None:
    rule = parse_rule(dict(said))
    assert parse_rule(rule.document) == rule
    assert said.items() <= rule.document.items()


@pytest.mark.parametrize(
    ("said", "field"),
    [
        ({**NUMBER, "colour": "red"}, "colour"),
        ({**NUMBER, "of": "users"}, "of"),
        ({**NUMBER, "is": None}, "is"),
        ({**NUMBER, "than": "tomorrow"}, "than"),
        ({**NUMBER, "than": ["number"]}, "than"),
        ({**NUMBER, "name": ""}, "name"),
        ({**NUMBER, "name": "a\nb"}, "name"),
        ({**NUMBER, "value": True}, "value"),
        ({**NUMBER, "value": -1}, "value"),
        ({**NUMBER, "value": float("nan")}, "value"),
        ({**NUMBER, "than": "band", "value": 0}, "value"),
        ({**NUMBER, "of": "screen"}, "screen"),
        ({**NUMBER, "screen": "Cart"}, "screen"),
        ({**NUMBER, "of": "version_share"}, "app_version"),
        ({**NUMBER, "app_version": "2.0"}, "app_version"),
        ({**NUMBER, "days": 5}, "days"),
        ({**NUMBER, "than": "band", "days": 14}, "days"),
        ({**NUMBER, "for_minutes": 0}, "for_minutes"),
        ({**NUMBER, "for_minutes": 1.5}, "for_minutes"),
        ({**NUMBER, "repeat_minutes": 1}, "repeat_minutes"),
        ({**NUMBER, "recovery": "yes"}, "recovery"),
        ({**NUMBER, "than": "peak"}, "than"),
        ({**PEAK_RULE, "value": 5}, "value"),
        ({**NUMBER, "quiet_hours": {"from": "22:00"}}, "quiet_hours.to"),
        ({**NUMBER, "quiet_hours": {"from": "22:00", "to": "24:00"}}, "quiet_hours.to"),
        ({**NUMBER, "quiet_hours": {"from": "22:00", "to": "22:00"}}, "quiet_hours.to"),
        (
            {**NUMBER, "quiet_hours": {"from": "22:00", "to": "07:00", "time_zone": "Mars/A"}},
            "quiet_hours.time_zone",
        ),
        (
            {**NUMBER, "quiet_hours": {"from": "22:00", "to": "07:00", "time_zone": "../etc"}},
            "quiet_hours.time_zone",
        ),
    ],
)
def test_what_cannot_be_names_its_field(said: Any, field: str) -> None:
    with pytest.raises(BadFieldsError) as problem:
        parse_rule(said)
    assert problem.value.problems[0].field == field


def test_every_mistake_is_named_at_once() -> None:
    with pytest.raises(BadFieldsError) as problem:
        parse_rule({"of": "screen", "value": -1, "days": 4, "quiet_hours": {"from": "25:00"}})
    assert {each.field for each in problem.value.problems} == {
        *("name", "is", "value", "screen", "days", "quiet_hours.from", "quiet_hours.to"),
    }
    with pytest.raises(ValueError, match="must be an object"):
        parse_rule([])


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())


@pytest.mark.parametrize(
    ("instant", "quiet"),
    [
        ("2026-03-01T20:59", False),
        ("2026-03-01T21:00", True),  # 22:00 in Berlin
        ("2026-03-02T05:59", True),
        ("2026-03-02T06:00", False),
        ("2026-03-29T04:59", True),  # clocks were put forward: 06:59
        ("2026-03-29T05:00", False),
    ],
)
def test_quiet_hours_are_of_their_time_zone(instant: str, quiet: bool) -> None:
    hours = {"from": "22:00", "to": "07:00", "time_zone": "Europe/Berlin"}
    assert is_quiet(parse_rule({**NUMBER, "quiet_hours": hours}), at(instant)) is quiet


def test_a_point_is_due_once_log_time_is_there() -> None:
    minute = parse_rule(NUMBER)
    assert points_due(minute, 0, 179, 10) == [60, 120]
    assert points_due(minute, 60, 180, 10) == [120, 180]
    assert points_due(minute, 0, 10_000, 3) == [60, 120, 180]
    quarter = parse_rule({**NUMBER, "of": "arrivals"})
    assert points_due(quarter, 0, 2_699, 10) == []
    assert points_due(quarter, 0, 2_700, 10) == [900]


def test_an_instant_is_looked_at_once_log_time_has_passed_it() -> None:
    noon = datetime(2026, 3, 30, 12, tzinfo=UTC)
    rule = parse_rule(NUMBER)
    for passed_ms, last in ((0, -60), (1, 0), (59_999, 0), (60_000, 0), (60_001, 60)):
        points = points_tried(rule, noon + timedelta(milliseconds=passed_ms))
        assert points[-1] == int(noon.timestamp()) + last
        assert len(points) == 7 * 1_440


def test_a_band_is_of_the_same_hour_on_earlier_days() -> None:
    rule = parse_rule({**NUMBER, "than": "band", "value": 3, "days": 3})
    day, now = 86_400, 10 * 86_400 + 3_600 + 1_140
    wanted = [n * day + 3_600 + m * 900 for n in (9, 8, 7) for m in range(4)]
    assert instants_of(rule, now) == [now, *wanted]


def test_the_rule_of_the_page_can_be_made() -> None:
    page = Path(__file__).parents[3].joinpath("docs/alerts.md").read_text("utf-8")
    first = re.search(r"```json\n(.*?)```", page, re.DOTALL)
    assert first is not None
    rule = parse_rule(json.loads(first[1])["rule"])
    assert (rule.screen, rule.than, rule.points_held) == ("Checkout", "last_week", 10)
