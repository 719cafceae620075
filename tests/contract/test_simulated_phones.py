"""Simulated phones against a real ingest: what they do is in the log as a real phone's would be."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest

from deploy.simulate.behaviour import Action, Kind
from deploy.simulate.doors import Doors
from deploy.simulate.network import Trouble
from deploy.simulate.people import Phone, phones
from deploy.simulate.phones import SimulatedPhone, simulated
from deploy.simulate.tally import Tally
from schemas.log.events import ClientEvent, Connect, Disconnect, Heartbeat, Logout, Renew
from schemas.log.settings import KafkaSettings
from tests.rigs.harness import (
    DEADLINE_SECONDS,
    SECRET,
    Ingest,
    ingest_settings,
    read_log,
    running_ingest,
)

#: A token is accepted for 30 s after its end, and said to end 60 s before that.
ENDS_SOON_SECONDS = 32.0


@pytest.fixture
async def ingest(kafka_settings: KafkaSettings) -> AsyncIterator[Ingest]:
    settings = ingest_settings(
        kafka_settings, websocket_drain_seconds=0, websocket_reconnect_seconds=0.5
    )
    async with running_ingest(settings) as running:
        await running.until_ready()
        yield running


class Hand:
    """Does with a phone what a test says."""

    def __init__(self, phone: Phone, doors: Doors) -> None:
        self._app: SimulatedPhone = simulated(phone, doors)

    async def do(self, kind: Kind, screen: str = "Home", login: int = 0) -> None:
        await self._app.do(Action(0, kind, login, screen))

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(DEADLINE_SECONDS):
            while not condition():
                await self._app.pass_time(0.02)


def doors_of(ingest: Ingest, *, key: str = SECRET, token_seconds: float = 600) -> Doors:
    url = f"http://127.0.0.1:{ingest.port}"
    return Doors(url, key, Tally(), socket_token_seconds=token_seconds)


def sample_phone() -> Phone:
    return phones(1, 0.0, seed=1)[0]


def socket_phone() -> Phone:
    return phones(1, 1.0, seed=1)[0]


async def log_of(settings: KafkaSettings, user: str) -> list[ClientEvent]:
    return [
        event
        for record in await read_log(settings)
        for event in record.events
        if isinstance(event, ClientEvent) and event.user == user
    ]


async def test_a_sample_phone_is_in_the_log_as_the_published_sample(
    ingest: Ingest, kafka_settings: KafkaSettings
) -> None:
    phone = sample_phone()
    async with doors_of(ingest) as doors:
        hand = Hand(phone, doors)
        await hand.do(Kind.START)
        await hand.do(Kind.SHOW, "Product")
        await hand.do(Kind.BEAT, "Product")
        await hand.do(Kind.BACKGROUND, "Product")
        await hand.do(Kind.RESUME, "Product")
        await hand.do(Kind.LOG_OUT, "Product")
        await hand.do(Kind.LATE_BACKGROUND, "Product")
        await hand.do(Kind.START, login=1)
        await hand.do(Kind.DIE)
        tally = doors.tally
    assert (tally.accepted, tally.logouts, tally.troubles.total()) == (8, 1, 0)
    events = await log_of(kafka_settings, phone.user)
    assert [event.screen if isinstance(event, Heartbeat) else "logout" for event in events] == [
        *("Home", "Product", "Unknown", "background", "Unknown", "logout", "background", "Home")
    ]
    tokens = [event.token for event in events if isinstance(event, Heartbeat | Logout)]
    assert len(set(tokens[:-1])) == 1
    assert tokens[-1] != tokens[0]
    [first, *_] = events
    assert isinstance(first, Heartbeat)
    assert (first.name, first.app_version, first.device_info, first.device_id) == (
        *(phone.name, phone.app.version, phone.device.text, None),
    )


async def test_a_socket_phone_connects_tells_its_state_drops_returns_and_logs_out(
    ingest: Ingest, kafka_settings: KafkaSettings
) -> None:
    phone = socket_phone()
    async with doors_of(ingest) as doors:
        hand, tally = Hand(phone, doors), doors.tally
        await hand.do(Kind.START)
        await hand.until(lambda: tally.accepted == 1)
        await hand.do(Kind.SHOW, "Product")
        await hand.do(Kind.BACKGROUND, "Product")
        await hand.until(lambda: tally.accepted == 3)
        assert tally.sockets == 1
        await hand.do(Kind.DROP, "Product")
        assert tally.sockets == 0
        await hand.do(Kind.RESUME, "Product")
        await hand.until(lambda: tally.accepted == 4)
        await hand.do(Kind.LOG_OUT, "Product")
        assert (tally.accepted, tally.logouts, tally.sockets) == (5, 1, 0)
        assert not tally.troubles
    events = await log_of(kafka_settings, phone.user)
    assert [type(event) for event in events] == [
        *(Connect, Heartbeat, Heartbeat, Disconnect, Connect, Logout, Disconnect),
    ]
    told = [event for event in events if isinstance(event, Heartbeat)]
    assert [(event.screen, event.app_state) for event in told] == [
        ("Home", "resumed"),
        ("Product", "resumed"),
        ("Product", "paused"),
        ("Product", "resumed"),
    ]
    assert {event.device_id for event in told} == {phone.device_id}


async def test_a_socket_phone_renews_its_token_in_place(
    ingest: Ingest, kafka_settings: KafkaSettings
) -> None:
    phone = socket_phone()
    async with doors_of(ingest, token_seconds=ENDS_SOON_SECONDS) as doors:
        hand, tally = Hand(phone, doors), doors.tally
        await hand.do(Kind.START)
        await hand.until(lambda: tally.accepted == 2)
        assert (tally.sockets, tally.troubles.total()) == (1, 0)
    connect, renew, *_ = await log_of(kafka_settings, phone.user)
    assert isinstance(connect, Connect)
    assert isinstance(renew, Renew)
    assert renew.token != connect.token


async def test_a_call_that_comes_twice_is_acknowledged_and_in_the_log_twice_and_a_lost_one_never(
    ingest: Ingest, kafka_settings: KafkaSettings
) -> None:
    phone, other = sample_phone(), phones(2, 0.0, seed=1)[-1]
    url = f"http://127.0.0.1:{ingest.port}"
    tally = Tally()
    async with Doors(url, SECRET, tally, trouble=Trouble(duplicates=1.0)) as doors:
        hand = Hand(phone, doors)
        await hand.do(Kind.START)
        await hand.until(lambda: tally.accepted == 2)
    async with Doors(url, SECRET, tally, trouble=Trouble(loss=1.0)) as doors:
        await Hand(other, doors).do(Kind.START)
    assert (tally.heartbeats_of, tally.lost) == ({phone.user: 2}, 1)
    assert len(await log_of(kafka_settings, phone.user)) == 2
    assert await log_of(kafka_settings, other.user) == []


async def test_phones_live_on_while_the_server_is_away(kafka_settings: KafkaSettings) -> None:
    settings = ingest_settings(
        kafka_settings, websocket_drain_seconds=0, websocket_reconnect_seconds=0
    )
    async with running_ingest(settings) as ingest:
        await ingest.until_ready()
        doors = doors_of(ingest)
        hand, tally = Hand(socket_phone(), doors), doors.tally
        await hand.do(Kind.START)
        await hand.until(lambda: tally.accepted == 1)
        closing = asyncio.create_task(hand.until(lambda: tally.sockets == 0))
    async with doors:
        await closing
        await hand.until(lambda: tally.troubles["no connection"] >= 2)
        await hand.do(Kind.SHOW, "Product")
        sample = Hand(sample_phone(), doors)
        await sample.do(Kind.START)
        assert tally.troubles["close 1012"] == 1
        assert tally.troubles["no connection"] >= 3


async def test_a_refused_token_is_counted_by_its_cause(ingest: Ingest) -> None:
    async with doors_of(ingest, key="another secret, of 32 bytes and more") as doors:
        await Hand(sample_phone(), doors).do(Kind.START)
        on_socket, tally = Hand(socket_phone(), doors), doors.tally
        await on_socket.do(Kind.START)
        await on_socket.until(lambda: tally.troubles["close 4401"] > 0)
        assert tally.troubles["401 bad_signature"] == 1
        assert tally.troubles["frame not_authenticated"] == 1
        assert tally.only_refusals
