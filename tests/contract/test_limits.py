"""Who asks too often: 429 with the time to wait, and nothing is written."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable

import pytest

from schemas.log.events import Heartbeat, Logout
from schemas.log.settings import KafkaSettings
from tests.rigs.harness import (
    Answer,
    Ingest,
    client_events,
    ingest_settings,
    running_ingest,
    token,
)

BURST = 5
FAILURES = 3

pytestmark = pytest.mark.usefixtures("both_lanes")


@pytest.fixture
async def ingest(kafka_settings: KafkaSettings) -> AsyncIterator[Ingest]:
    settings = ingest_settings(
        kafka_settings,
        # So slow that nothing comes back while a test runs.
        user_events_per_second=0.01,
        user_events_burst=BURST,
        auth_failures_per_second=0.02,
        auth_failures_burst=FAILURES,
        trusted_proxies="127.0.0.0/8",
        cors_origins="http://localhost:*",
    )
    async with running_ingest(settings) as running:
        yield running


def assert_rate_limited(answer: Answer, *, at_most_seconds: int) -> None:
    assert answer.status == 429
    problem = answer.json
    assert problem["code"] == "rate_limited"
    assert problem["status"] == 429
    assert problem["success"] is False
    assert problem["detail"]
    assert problem["request_id"] == answer.headers["x-request-id"]
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["cache-control"] == "no-store"
    assert at_most_seconds - 20 < int(answer.headers["retry-after"]) <= at_most_seconds


def limited(ingest: Ingest, limit: str) -> float:
    return ingest.metric("rollcall_ingest_rate_limited_total", limit=limit)


async def test_a_user_above_the_burst_is_told_when_to_come_back(
    ingest: Ingest, kafka_settings: KafkaSettings
) -> None:
    answers = [await ingest.heartbeat(b'{"screen": "Home"}') for _ in range(BURST + 2)]
    assert [answer.status for answer in answers] == [200] * BURST + [429] * 2
    for answer in answers[BURST:]:
        assert_rate_limited(answer, at_most_seconds=100)
    assert limited(ingest, "user_events") == 2
    refused = ingest.metric(
        "rollcall_ingest_requests_total", call="heartbeat", outcome="rate_limited"
    )
    assert refused == 2
    assert len(await client_events(kafka_settings)) == BURST


async def test_every_token_of_a_user_counts_and_nobody_elses(ingest: Ingest) -> None:
    for number in range(BURST):
        sent = await ingest.heartbeat(authorization=f"Bearer {token('u1', sid=str(number))}")
        assert sent.status == 200
    fresh = await ingest.heartbeat(authorization=f"Bearer {token('u1', sid='fresh')}")
    assert_rate_limited(fresh, at_most_seconds=100)
    assert (await ingest.heartbeat(user="u2")).status == 200


async def test_a_logout_is_not_limited_by_heartbeats(
    ingest: Ingest, kafka_settings: KafkaSettings
) -> None:
    answers = [await ingest.heartbeat() for _ in range(BURST + 1)]
    assert answers[-1].status == 429
    for _ in range(BURST + 1):
        assert (await ingest.logout()).status == 200
    events = await client_events(kafka_settings)
    assert [type(event) for event in events] == [Heartbeat] * BURST + [Logout]


async def test_a_page_can_read_how_long_it_must_wait(ingest: Ingest) -> None:
    origin = "http://localhost:5173"
    answers = [await ingest.heartbeat(origin=origin) for _ in range(BURST + 1)]
    assert_rate_limited(answers[-1], at_most_seconds=100)
    assert answers[-1].headers["access-control-allow-origin"] == origin
    assert "Retry-After" in answers[-1].headers["access-control-expose-headers"]


_numbers = itertools.count()


async def fail(
    ingest: Ingest, client: str = "198.51.100.1", authorization: str | None = None
) -> Answer:
    """A call whose token is not accepted, and new unless ``authorization`` says which."""
    if authorization is None:
        authorization = f"Bearer nonsense-{next(_numbers)}"
    return await ingest.heartbeat(x_forwarded_for=client, authorization=authorization)


def badly_signed() -> str:
    key = "another secret of 32 bytes or more"
    return f"Bearer {token('u', key, 'HS256', jti=next(_numbers))}"


@pytest.mark.parametrize(
    "authorization",
    [lambda: f"Bearer nonsense-{next(_numbers)}", lambda: "", badly_signed],
)
async def test_an_address_that_keeps_failing_is_told_when_to_come_back(
    ingest: Ingest, authorization: Callable[[], str]
) -> None:
    for _ in range(FAILURES):
        assert (await fail(ingest, authorization=authorization())).status == 401
    assert_rate_limited(await fail(ingest, authorization=authorization()), at_most_seconds=50)
    logout = await ingest.logout(x_forwarded_for="198.51.100.1", authorization=authorization())
    assert_rate_limited(logout, at_most_seconds=50)
    assert limited(ingest, "auth_failures") == 2
    # A good one passes, though nobody has looked at it yet: many phones share an address.
    unseen = await ingest.heartbeat(x_forwarded_for="198.51.100.1", user="unseen")
    assert unseen.status == 200


async def test_a_refused_token_that_is_repeated_is_refused_again_and_counts_once(
    ingest: Ingest,
) -> None:
    for _ in range(5 * FAILURES):
        assert (await fail(ingest, authorization="Bearer nonsense")).status == 401
    assert limited(ingest, "auth_failures") == 0
    assert (await fail(ingest)).status == 401


async def test_another_address_is_not_meant(ingest: Ingest) -> None:
    for _ in range(FAILURES + 1):
        last = await fail(ingest)
    assert last.status == 429
    assert (await fail(ingest, "198.51.100.2")).status == 401
    # What stands left of the client's address was written by the client.
    assert (await fail(ingest, "203.0.113.9, 198.51.100.1")).status == 429


async def test_successes_never_count(ingest: Ingest) -> None:
    answers = await asyncio.gather(
        *(
            ingest.heartbeat(x_forwarded_for="198.51.100.1", user=f"u{number}")
            for number in range(5 * FAILURES)
        )
    )
    assert {answer.status for answer in answers} == {200}
    assert (await fail(ingest)).status == 401
