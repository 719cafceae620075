"""A body becomes an audience's filter, or an error that names every field that cannot be used."""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.audiences.filter import (
    MAX_EXCLUDED,
    AudienceFilter,
    Period,
    Sight,
    parse_filter,
)
from schemas.bodies.fields import MAX_PROBLEMS
from schemas.http.problems import ProblemError
from schemas.measures.versions import Comparison

NOW = datetime(2026, 3, 30, 12, tzinfo=UTC)
BERLIN = ZoneInfo("Europe/Berlin")


def parsed(document: Any) -> AudienceFilter:
    return parse_filter(json.dumps(document).encode())


def refused(body: bytes | dict[str, Any], code: str = "bad_field") -> list[tuple[str, str]]:
    with pytest.raises(ProblemError) as caught:
        parse_filter(body if isinstance(body, bytes) else json.dumps(body).encode())
    assert caught.value.code == code
    return [(error.field, error.message) for error in caught.value.errors]


def test_an_empty_object_is_everybody() -> None:
    assert parsed({}) == AudienceFilter({})


def test_A3_a_name_is_asked_for_as_phones_send_it() -> None:
    names = {"screen": "Cafe\u0301 ", "platform": " iOS"}
    asked = {**names, "saw": {"screen": " Cafe\u0301", "within_seconds": 60}}
    found = parsed(asked)
    assert (found.screen, found.platform) == ("Café", "iOS")
    assert found.saw is not None
    assert found.saw.screen == "Café"


def test_every_field_is_taken() -> None:
    document = {
        "last_active": {"within_seconds": 86400, "to": "2026-03-29"},
        "online": True,
        "state": "background",
        "screen": "Cart",
        "saw": {"screen": "Home", "from": "2026-03-29T10:15:00+02:00"},
        "did_not_see": {"screen": "Paid", "within_seconds": 60, "not_within_seconds": 5},
        "app_version": {"op": "<=", "version": "1.10.0"},
        "platform": "iOS",
        "exclude_user_ids": ["=1+1", "a/b", "a/b"],
        "cap": 5,
        "seed": "spring",
        "tz": "Europe/Berlin",
    }
    found = parsed(document)
    assert found == AudienceFilter(
        {**document, "exclude_user_ids": {"count": 2}},
        last_active=Period(within_seconds=86400, end=date(2026, 3, 29)),
        online=True,
        state="background",
        screen="Cart",
        saw=Sight("Home", Period(start=datetime(2026, 3, 29, 8, 15, tzinfo=UTC))),
        did_not_see=Sight("Paid", Period(within_seconds=60, not_within_seconds=5)),
        app_version=Comparison("<=", "1.10.0"),
        platform="iOS",
        exclude_user_ids=("=1+1", "a/b"),
        cap=5,
        seed="spring",
        tz=BERLIN,
    )


def test_a_whole_number_may_be_written_with_a_point() -> None:
    assert parse_filter(b'{"cap": 5.0}').cap == parse_filter(b'{"cap": 0.5e1}').cap == 5
    assert refused(b'{"cap": 1e999}')[0][0] == "cap"


def test_what_is_kept_of_a_filter_names_no_excluded_user() -> None:
    kept = parsed({"exclude_user_ids": ["ada", "ben"], "online": False}).document
    assert kept == {"exclude_user_ids": {"count": 2}, "online": False}


@pytest.mark.parametrize(
    ("document", "field", "remedy"),
    [
        ({"onlin": True}, "onlin", "they are: last_active, online, state"),
        ({"online": "yes"}, "online", "true or false"),
        ({"online": None}, "online", "true or false"),
        ({"online": 1}, "online", "true or false"),
        ({"state": "offline"}, "state", "online: false"),
        ({"state": ["foreground"]}, "state", "foreground or background"),
        ({"screen": ""}, "screen", "is empty"),
        ({"screen": 5}, "screen", "must be a text"),
        ({"screen": "x" * 129}, "screen", "longer than 128"),
        ({"screen": "a\x00"}, "screen", "characters"),
        ({"screen": "\ud800"}, "screen", "characters"),
        ({"last_active": 5}, "last_active", "must be an object with within_seconds"),
        ({"last_active": {}}, "last_active", "give at least one"),
        ({"last_active": {"within_seconds": 0}}, "last_active.within_seconds", "from 1 to"),
        ({"last_active": {"within_seconds": 1.5}}, "last_active.within_seconds", "whole number"),
        ({"last_active": {"within_seconds": True}}, "last_active.within_seconds", "whole number"),
        ({"last_active": {"within": 5}}, "last_active.within", "they are: within_seconds"),
        ({"last_active": {"from": "yesterday"}}, "last_active.from", "such as 2026-03-29"),
        ({"last_active": {"from": 1774857600}}, "last_active.from", "must be a text"),
        (
            {"last_active": {"from": "2026-03-29", "within_seconds": 5}},
            "last_active.within_seconds",
            "together with from",
        ),
        (
            {"last_active": {"to": "2026-03-29", "not_within_seconds": 5}},
            "last_active.not_within_seconds",
            "together with to",
        ),
        ({"saw": {"within_seconds": 60}}, "saw.screen", "is missing"),
        ({"saw": {"screen": "Home"}}, "saw.from", "within_seconds"),
        ({"did_not_see": {"screen": "Home", "to": "2026-03-29"}}, "did_not_see.from", "since when"),
        ({"saw": "Home"}, "saw", "must be an object with screen"),
        ({"app_version": "1.0"}, "app_version", "must be an object with op, version"),
        ({"app_version": {"op": "=="}}, "app_version.op", "must be < or <= or = or >= or >"),
        ({"app_version": {"op": "<"}}, "app_version.version", "is missing"),
        ({"platform": "x" * 33}, "platform", "longer than 32"),
        ({"exclude_user_ids": "ada"}, "exclude_user_ids", "a list"),
        ({"exclude_user_ids": ["ada", ""]}, "exclude_user_ids[1]", "is empty"),
        ({"exclude_user_ids": [5]}, "exclude_user_ids[0]", "must be a text"),
        ({"exclude_user_ids": ["a"] * (MAX_EXCLUDED + 1)}, "exclude_user_ids", "not of 10001"),
        ({"cap": 0}, "cap", "from 1 to"),
        ({"cap": 10**400}, "cap", "from 1 to"),
        ({"cap": 5, "seed": "x" * 65}, "seed", "longer than 64"),
        ({"seed": "x"}, "seed", "give cap too"),
        ({"tz": "Mars"}, "tz", "IANA"),
        ({"tz": 5}, "tz", "must be a text"),
        ({"online": False, "state": "foreground"}, "state", "leave out online"),
        ({"online": False, "screen": "Cart"}, "screen", "leave out online"),
    ],
)
def test_a_field_that_cannot_be_used_is_named_with_its_remedy(
    document: dict[str, Any], field: str, remedy: str
) -> None:
    (named, message), *_ = refused(document)
    assert named == field
    assert remedy in message


def test_every_mistake_is_named_at_once_up_to_twenty() -> None:
    assert [field for field, _ in refused({"online": 1, "cap": 0, "x": 1})] == [
        "online",
        "cap",
        "x",
    ]
    assert len(refused({f"x{number}": 1 for number in range(1_000)})) == MAX_PROBLEMS
    assert len(refused({"exclude_user_ids": [1] * 1_000})) == MAX_PROBLEMS


def test_a_field_that_is_given_twice_is_refused() -> None:
    assert refused(b'{"online": true, "online": false}') == [("online", "is given more than once")]
    assert refused(b'{"saw": {"screen": "a", "screen": "b"}}')[0][0] == "screen"


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"null", b"[]", b'"online"', b"{", b"\xff", b'{"cap": NaN}', b"\xef\xbb\xbf{}"),
        *(b"[" * 100_000, b'{"cap": ' + b"9" * 5_000 + b"}"),
        # Not deeper than Python could go: how deep a body may nest is ours to say.
        b'{"cap": ' + b"[" * 256 + b"]" * 256 + b"}",
    ],
)
def test_what_is_no_object_of_json_is_refused(body: bytes) -> None:
    assert refused(body, "bad_json") == []


@given(st.recursive(st.none() | st.booleans() | st.text() | st.floats() | st.integers(), st.lists))
def test_no_value_of_any_field_breaks_it(value: Any) -> None:
    for field in (*("last_active", "online", "state", "screen", "saw", "app_version"), "tz", "cap"):
        with suppress(ProblemError):
            parsed({field: value, **({"exclude_user_ids": value} if field == "cap" else {})})


def test_seconds_are_counted_back_from_now_and_dates_begin_in_their_zone() -> None:
    period = Period(within_seconds=3600, not_within_seconds=60)
    assert period.resolve("saw", NOW, BERLIN) == (
        datetime(2026, 3, 30, 11, tzinfo=UTC),
        datetime(2026, 3, 30, 11, 59, tzinfo=UTC),
    )
    days = Period(start=date(2026, 3, 29), end=date(2026, 3, 30))
    assert days.resolve("saw", NOW, BERLIN) == (
        datetime(2026, 3, 28, 23, tzinfo=UTC),
        datetime(2026, 3, 29, 22, tzinfo=UTC),  # an hour less: clocks went forward
    )
    assert Period(end=NOW).resolve("saw", NOW, BERLIN) == (None, NOW)


@pytest.mark.parametrize(
    "period",
    [
        Period(start=NOW, end=NOW),
        Period(within_seconds=60, not_within_seconds=60),
        Period(start=NOW, not_within_seconds=60),
    ],
)
def test_a_period_without_an_instant_is_refused(period: Period) -> None:
    with pytest.raises(ProblemError) as caught:
        period.resolve("last_active", NOW, BERLIN)
    assert caught.value.code == "bad_field"
    assert caught.value.errors[0].field == "last_active"
