"""What ``make bench-million`` says of what was held, and the calls that its phones make."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import replace

import jwt

from tests.bench.million.fleet import Heard
from tests.bench.million.phones import Beat, Phones, Plan
from tests.bench.million.watch import PARTS, Minute, shortfalls

HELD = Minute(
    seconds=60,
    heard=Heard(due=1000, answered=1000, waits_ms=Counter({9: 990, 200: 10})),
    max_lag_seconds=1.2,
    shown=500,
    truth=500,
    signs_of_life=1000,
    cpu_seconds=dict.fromkeys(PARTS, 0.1),
    memory_mb=dict.fromkeys(PARTS, 100.0),
)


def test_nothing_falls_short_where_all_is_held() -> None:
    assert shortfalls([HELD, HELD]) == []
    assert HELD.heard.wait_ms(0.99) == 10
    assert HELD.heard.wait_ms(0.995) == 201


def test_each_thing_that_falls_short_is_said_with_its_figure() -> None:
    short = replace(
        HELD,
        heard=Heard(
            due=1000, answered=890, failed=10, closed_sockets=3, waits_ms=Counter({400: 890})
        ),
        max_lag_seconds=2.5,
        shown=499,
        memory_mb=dict.fromkeys(PARTS, 120.0),
    )
    assert shortfalls([HELD, short]) == [
        "minute 2: 499 are shown, 500 are there",
        "lag 2.5 s, at most 2 is aimed at",
        "accept p99 401 ms, at most 250 is aimed at",
        "94.5% of the rate was held",
        "10 calls were not answered 200",
        "3 sockets were closed",
        "ingest's memory grew from 100 to 120 MB",
        "processor's memory grew from 100 to 120 MB",
    ]


def test_a_minute_without_an_answer_holds_nothing() -> None:
    silent = replace(HELD, heard=Heard(due=1000))
    assert "0.0% of the rate was held" in shortfalls([silent])
    assert any("accept p99" in line for line in shortfalls([silent]))


def test_phones_have_a_token_each_that_counts() -> None:
    secret, until = "s" * 64, int(time.time()) + 60
    phones = Phones(Plan(8080, secret, until, 40, 5, 90.0, 2, 90.0, keep=True))
    claims = jwt.decode(phones.token(2), secret, algorithms=["HS256"])
    assert claims == {"sub": "user-000042", "exp": until}
    head, _, body = phones.request(Beat(0.0, 2)).partition(b"\r\n\r\n")
    assert b"content-length: %d\r\n" % len(body) in head
    assert b'"screen": "Home"' in body
    assert phones.request(Beat(0.0, 2, logout=True)).endswith(b"\r\n\r\n")
