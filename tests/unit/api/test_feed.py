"""The feed's pure parts: events and who gets which, the last minute, and how often to read."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from msgspec import to_builtins

from api.feed.events import CHANGES_KEPT, EVENTS_KEPT, EventLog, trouble
from api.feed.minute import Minute, Movement
from api.feed.pace import Pace

NOON = datetime(2024, 5, 17, 12, tzinfo=UTC)


def parsed(event: bytes) -> tuple[str | None, str, Any]:
    """Id, name and data of one event."""
    assert event.endswith(b"\n\n")
    fields = dict(line.split(": ", 1) for line in event.decode().strip().split("\n"))
    return fields.get("id"), fields["event"], json.loads(fields["data"])


def events(joined: bytes) -> list[bytes]:
    return [part + b"\n\n" for part in joined.split(b"\n\n")[:-1]]


def change(number: int) -> dict[str, Any]:
    return {"user_id": f"u{number}"}


def test_a_delta_has_what_is_other_than_before_and_a_snapshot_everything() -> None:
    log = EventLog("run")
    log.advance({"online": 1, "screens": ["Home"]}, [change(1)], 1)
    _, name, delta = parsed(log.advance({"online": 2, "screens": ["Home"]}, [change(2)], 1))
    assert name == "delta"
    changes = {"items": [change(2)], "total": 1, "sampled": False}
    assert delta == {"online": 2, "changes": changes}
    _, name, snapshot = parsed(log.snapshot())
    assert name == "snapshot"
    assert snapshot["online"] == 2
    assert snapshot["screens"] == ["Home"]
    assert snapshot["changes"]["items"] == [change(1), change(2)]


def test_a_section_that_becomes_unknown_is_told() -> None:
    log = EventLog("run")
    log.advance({"outage": {"phase": "grace"}}, [], 0)
    assert parsed(log.advance({"outage": None}, [], 0))[2]["outage"] is None


def test_changes_that_were_left_out_are_counted() -> None:
    _, _, delta = parsed(EventLog("run").advance({}, [change(1)], 1_000))
    assert delta["changes"] == {"items": [change(1)], "total": 1_000, "sampled": True}


def test_a_snapshot_has_the_latest_changes_only() -> None:
    log = EventLog("run")
    for number in range(CHANGES_KEPT + 3):
        log.advance({}, [change(number)], 1)
    items = parsed(log.snapshot())[2]["changes"]["items"]
    assert items == [change(number) for number in range(3, CHANGES_KEPT + 3)]


def test_who_comes_back_gets_what_was_missed_and_nothing_twice() -> None:
    log = EventLog("run")
    ids = [parsed(log.advance({"online": n}, [change(n)], 1))[0] for n in range(5)]
    missed = [parsed(event)[2]["online"] for event in events(log.greeting(ids[2]))]
    assert missed == [3, 4]
    assert log.greeting(ids[4]) == b""


def test_who_was_away_for_too_long_or_comes_from_elsewhere_gets_a_snapshot() -> None:
    log = EventLog("run")
    first = parsed(log.advance({"online": 0}, [], 0))[0]
    for number in range(EVENTS_KEPT):
        log.advance({"online": number + 1}, [], 0)
    for last_event_id in (first, None, "", "another-1", f"run-{EVENTS_KEPT + 9}"):
        [event] = events(log.greeting(last_event_id))
        assert parsed(event)[1] == "snapshot"
        assert parsed(event)[0] == f"run-{EVENTS_KEPT + 1}"


def test_a_text_cannot_end_an_event() -> None:
    event = EventLog("run").advance({"name": "a\n\nid: x\r\nevent: y\u2028"}, [], 0)
    assert event.count(b"\n") == 4
    assert b"\r" not in event
    assert parsed(event)[2]["name"] == "a\n\nid: x\r\nevent: y\u2028"


def test_trouble_is_no_state_to_come_back_to() -> None:
    event_id, name, data = parsed(trouble("The database cannot be reached."))
    assert (event_id, name) == (None, "trouble")
    assert data == {"detail": "The database cannot be reached."}


# The last minute.


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def test_the_minute_is_the_sum_of_its_reads_and_forgets_older_ones() -> None:
    minute = Minute()
    assert minute.told() is None
    for second in range(100):
        minute.add(Movement(at(second), at(second + 1), arrivals=2, departures=1))
    told = {"seconds": 60, "arrivals": 120, "departures": 60, "estimated": False}
    assert to_builtins(minute.told()) == told


def test_a_minute_that_is_not_over_says_how_long_it_is() -> None:
    minute = Minute()
    for second in range(5):
        minute.add(Movement(at(second), at(second + 1), arrivals=1, departures=0))
    told = to_builtins(minute.told())
    assert told is not None
    assert (told["seconds"], told["arrivals"]) == (5, 5)


def test_a_read_that_counted_a_part_of_its_time_is_scaled_to_all_of_it() -> None:
    minute = Minute()
    minute.add(Movement(at(0), at(10), arrivals=30, departures=10, counted_from=at(5)))
    told = to_builtins(minute.told())
    assert told == {"seconds": 10, "arrivals": 60, "departures": 20, "estimated": True}


def test_changes_that_all_have_the_time_of_the_read_are_not_scaled() -> None:
    minute = Minute()
    minute.add(Movement(at(0), at(10), arrivals=30, departures=10, counted_from=at(10)))
    told = to_builtins(minute.told())
    assert told is not None
    assert told["arrivals"] == 30


# How often.


def test_a_cheap_read_is_due_every_time() -> None:
    pace = Pace(least_seconds=1.0)
    assert pace.is_due(0)
    pace.took(0, 0.01)
    assert not pace.is_due(0.9)
    assert pace.is_due(1.0)


def test_a_dear_read_takes_a_tenth_of_the_time() -> None:
    pace = Pace(least_seconds=1.0)
    pace.took(10, 12)
    assert not pace.is_due(29)
    assert pace.is_due(30)
    pace.at_once()
    assert pace.is_due(12)
