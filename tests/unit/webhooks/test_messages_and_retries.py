"""What is in a message, from where it is read, and when it is given up."""

from __future__ import annotations

import asyncio
import json
import random
from pathlib import Path

import jsonschema
import msgspec
import pytest

import schemas.webhooks
from processor.notify.messages import MAX_BYTES, Gathering, Record, record_of
from processor.notify.retries import RetryPolicy, pause_seconds, retry_after_seconds
from processor.notify.stays import Stays
from processor.notify.window import MAX_RECORDS, PAGE, Window
from schemas.webhooks.message import (
    TIMERS,
    TYPE,
    message_body,
    message_bytes,
    message_schema,
    message_schema_page,
)
from schemas.webhooks.timer import Timer
from tests.unit.webhooks.changes import CHANGE


def record(offset: int, screen: str = "Cart") -> Record:
    change = msgspec.structs.replace(CHANGE, id=f"0:{offset}:0:0", screen=screen)
    return record_of(offset, offset * 1000, msgspec.json.encode(change))


def test_a_message_is_its_published_schema_and_holds_the_topics_bytes() -> None:
    gathering = Gathering()
    records = [record(1), record(2)]
    assert all(gathering.add(each, 0.0) for each in records)
    body = gathering.body()
    jsonschema.Draft202012Validator.check_schema(message_schema())
    jsonschema.validate(json.loads(body), message_schema())
    assert all(each.value in body for each in records)
    assert json.loads(body)["type"] == "presence.changes"
    file = Path(schemas.webhooks.__file__).with_name("message.schema.json")
    assert file.read_text("utf-8") == message_schema_page()


def test_a_message_of_timers_is_the_schema_too() -> None:
    stays = Stays(Timer("offline", 600))
    away = msgspec.structs.replace(CHANGE, user_state="offline", previous_user_state="foreground")
    stays.take(Record(1, 0, b"", away))
    stays.passed(2_000_000_000_000)
    stay = stays.decided()
    assert stay is not None
    fired = stays.fired(stay)
    body = message_body([msgspec.json.encode(fired)], fired.at, TIMERS)
    jsonschema.validate(json.loads(body), message_schema())
    assert len(message_body([], fired.at, TIMERS)) <= message_bytes(())
    for wrong in (body.replace(TIMERS.encode(), TYPE.encode()), body.replace(b"+600", b"")):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(json.loads(wrong), message_schema())


def test_a_message_ends_at_100_changes_20_kb_or_a_second() -> None:
    many = Gathering()
    long_enough = [many.add(record(n, "x" * 100), 0.0) for n in range(100)]
    assert long_enough == sorted(long_enough, reverse=True)
    assert len(many.body()) <= MAX_BYTES < len(many.body()) + 500
    short = Gathering()
    tiny = Record(1, 0, b"{}", CHANGE)
    assert [short.add(tiny, 0.0) for _ in range(101)] == [True] * 100 + [False]
    small = Gathering()
    assert small.seconds_left(5.0) is None
    small.add(record(1), 5.0)
    assert small.seconds_left(5.25) == 0.75
    assert small.seconds_left(7.0) == 0.0
    large = Gathering()
    assert large.add(record(1, "x" * 30_000), 0.0)  # alone
    assert not large.add(record(2), 0.0)


def test_what_is_no_change_is_nobodys() -> None:
    assert record_of(1, 0, b"{}").change is None
    assert record_of(1, 0, None).change is None


def test_a_window_has_all_records_from_its_start_on() -> None:
    window = Window(10)
    assert window.page(10) == ([], 10)
    window.append([record(n) for n in range(10, 10 + PAGE + 5)], 10 + PAGE + 7)
    found, then = window.page(12)
    assert [each.offset for each in found] == list(range(12, 12 + PAGE))
    found, then = window.page(then)
    assert ([each.offset for each in found], then) == (list(range(512, 515)), 517)


def test_a_window_is_bounded() -> None:
    window = Window(0)
    for n in range(0, 3 * MAX_RECORDS, 100):
        window.append([record(m) for m in range(n, n + 100)], n + 100)
        kept = window.end - window.start
        assert kept <= MAX_RECORDS
        found, _ = window.page(window.start)
        assert found[0].offset == window.start
    window.append([record(window.end, "x" * 3_000_000)], window.end + 1)
    assert window.start == window.end


async def test_whoever_waits_for_more_is_woken() -> None:
    window = Window(3)
    waiting = asyncio.create_task(window.wait_beyond(3))
    await asyncio.sleep(0)
    window.append([], 3)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert not waiting.done()
    window.append([record(3)], 4)
    async with asyncio.timeout(60):
        await waiting


def test_pauses_double_up_to_five_minutes_and_are_spread() -> None:
    chance = random.Random(1)
    for attempts, whole in ((1, 1), (2, 2), (5, 16), (9, 256), (10, 300), (5000, 300)):
        assert whole / 2 <= pause_seconds(attempts, None, chance) <= whole
    assert pause_seconds(1, 40.0, chance) == 40.0
    assert pause_seconds(1, 1e9, chance) == 3600.0
    assert len({pause_seconds(3, None, chance) for _ in range(5)}) == 5


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("120", 120.0), (" 5 ", 5.0), (None, None), ("soon", None), ("-1", None), ("9" * 20, None)],
)
def test_a_retry_after_in_seconds_is_read(header: str | None, seconds: float | None) -> None:
    assert retry_after_seconds(header) == seconds


@pytest.mark.parametrize(
    ("due_since", "fixed_at", "away", "given_up"),
    [
        (0, 0, True, True),
        (50_000, 50_000, True, False),  # younger than a day
        (0, 86_399, False, False),  # old when it was fixed, and tried for a second
        (0, 86_399, True, True),  # but the receiver is known to be away
        (0, 86_300, False, True),
    ],
)
def test_a_message_is_given_up_after_a_day(
    due_since: float, fixed_at: float, away: bool, given_up: bool
) -> None:
    policy = RetryPolicy(give_up_seconds=86_400)
    decided = policy.is_given_up(due_since=due_since, fixed_at=fixed_at, away=away, now=86_400.0)
    assert decided is given_up
