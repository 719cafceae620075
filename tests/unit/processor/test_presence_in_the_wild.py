"""What networks and systems do to phones, from a socket's session to what is shown."""

from __future__ import annotations

import json
from itertools import pairwise

from ingest.body.validate import BodyReader, DoorRules
from processor.core.analytics.spans_and_sessions import Span
from schemas.service.user_hash import DevicePseudonym
from tests.unit.ingest.socket_talk import Talk
from tests.unit.processor.presence_story import Story

FOREGROUND, BACKGROUND, OFFLINE = "foreground", "background", "offline"
PHONE = {"device_id": "phone", "screen": "Home"}


class Phone:
    """Sockets of one phone, whose events go into the log as they come."""

    def __init__(self, story: Story) -> None:
        self._story = story
        self._talks: dict[str, Talk] = {}
        self._logged: dict[str, int] = {}

    def opens(self, connection: str) -> Talk:
        talk = self._talks[connection] = Talk(connection=connection).auth(**PHONE)
        self._log()
        return talk

    def wait(self, seconds: float, *, dark: str = "") -> None:
        """Time passes; the socket ``dark`` answers no ping."""
        end = self._story.now + seconds
        while self._story.now < end:
            self._story.wait(10)
            for connection, talk in self._talks.items():
                if talk.closed is None:
                    talk.wait(10, answers=connection != dark)
            self._log()

    def _log(self) -> None:
        for connection, talk in self._talks.items():
            logged = self._logged.get(connection, 0)
            for event in talk.events[logged:]:
                self._story.record(event)
            self._logged[connection] = len(talk.events)


def beat(story: Story, body: bytes) -> Story:
    """A call with this body."""
    sent = BodyReader().heartbeat(body)
    return story.beat(sent.device_id, sent.screen, app_state=sent.app_state)


def views(story: Story) -> list[tuple[str | None, float]]:
    """Screen and dwell, in seconds, of each view that ended."""
    spans = [logged.finding for logged in story.processor.effects.spans]
    return [
        (span.screen, (span.ended_ms - span.started_ms) / 1000)
        for span in spans
        if isinstance(span, Span) and span.is_view
    ]


def test_W7_an_old_socket_that_goes_dark_changes_nothing_of_a_phone_that_has_a_new_one() -> None:
    story = Story()
    phone = Phone(story)
    old = phone.opens("c1")
    phone.wait(60)
    phone.opens("c2")
    phone.wait(600)
    phone.wait(300, dark="c1")
    assert old.closed == (4408, "no pong")
    assert story.shown() == (FOREGROUND, "Home")
    assert set(story.devices()) == {"phone"}
    assert story.connections("phone") == ["c2"]
    assert story.reasons() == [("phone", "started")]


def test_P1_a_socket_whose_connection_is_reset_is_offline_after_the_grace() -> None:
    story = Story().connect("c1", "phone", screen="Home").wait(40).hang_up("c1").wait(30)
    assert story.went("phone") == ("disconnected", 70)


def test_P1_a_phone_whose_packets_are_lost_is_offline_in_time_and_stayed_until_its_last_sign() -> (
    None
):
    story = Story()
    phone = Phone(story)
    socket = phone.opens("c1")
    phone.wait(120)
    phone.wait(300, dark="c1")
    assert socket.closed == (4408, "no pong")
    reason, at = story.went("phone")
    assert reason == "disconnected"
    # A ping, its time-out and the grace; each is looked at every 10 s here.
    assert at <= 120 + 30 + 30 + 30 + 10
    [(screen, dwell)] = views(story)
    assert screen == "Home"
    # Its last pong came at 120; the renewal that tells of it is written by 140, the last sign.
    assert 120 <= dwell <= 140


def test_P1_an_app_that_says_that_it_ends_is_in_the_background_and_then_timed_out() -> None:
    story = beat(Story(), b'{"screen":"Home","device_id":"a"}').wait(60)
    beat(story, b'{"app_state":"detached","device_id":"a"}')
    assert story.shown() == (BACKGROUND, "Home")
    assert story.wait(300).went() == ("timed_out", 360)


def test_P4_a_phones_state_is_what_its_system_calls_it() -> None:
    story = beat(Story(), b'{"screen":"Home"}').wait(10)
    beat(story, b'{"screen":"Home","app_state":"AppLifecycleState.paused"}').wait(10)
    assert story.shown() == (BACKGROUND, "Home")
    beat(story, b'{"app_state":"active"}').wait(10)
    assert story.shown() == (FOREGROUND, "Home")
    beat(story, b'{"app_state":"inactive"}').wait(0.2)
    assert story.shown() == (FOREGROUND, "Home")
    beat(story, b'{"app_state":"active"}')
    assert story.shown() == (FOREGROUND, "Home")
    assert [reason for _, reason in story.reasons()] == ["started", "backgrounded", "resumed"]


def test_A3_one_screen_is_one_view_however_often_and_however_it_is_written() -> None:
    names = ["Home", "Home", "Home ", "\u200bHome", "Café", "Cafe\u0301", "Café "]
    story = Story()
    for name in names:
        beat(story, f'{{"screen": "{name}", "device_id": "a"}}'.encode()).wait(0.3)
    story.logout("a")
    assert [screen for screen, _ in views(story)] == ["Home", "Café"]
    assert all(before != after for before, after in pairwise(screen for screen, _ in views(story)))


def test_W1_of_twenty_one_sockets_of_a_phone_there_is_one_device() -> None:
    story = Story()
    for number in range(21):
        story.connect(f"c{number}", "phone", screen="Home").wait(1)
    story.hang_up("c0", by_server=True).wait(600 - 21)
    for number in range(20):
        story.hang_up(f"c{number}", silent_ms=60_000)
    assert set(story.devices()) == {"phone"}


def test_devices_whose_texts_are_hidden_stay_apart_and_nobody_goes_offline_by_it() -> None:
    story = Story()
    as_sent = BodyReader()
    hidden = BodyReader(DoorRules(device_info=DevicePseudonym("a key of the tests")))

    def says(reader: BodyReader, token: str, info: str, screen: str) -> str:
        sent = reader.heartbeat(json.dumps({"device_info": info, "screen": screen}).encode())
        story.beat(None, sent.screen, token=token, device_info=sent.device_info)
        return sent.device_info or ""

    says(as_sent, "t1", "Pixel 8", "Home")
    story.wait(90)
    phone = says(hidden, "t1", "Pixel 8", "Cart")
    assert story.shown() == (FOREGROUND, "Cart")
    tablet = says(hidden, "t2", "iPad", "Film")
    says(hidden, "t1", "Pixel 8", "background")
    assert story.shown() == (FOREGROUND, "Film")
    assert story.device(phone) == (BACKGROUND, "Cart")
    for _ in range(4):
        says(hidden, "t1", "Pixel 8", "background")
        says(hidden, "t2", "iPad", "Unknown")
        story.wait(90)
    assert story.went("Pixel 8") == ("timed_out", 300)
    story.logout(token="t1")
    assert story.device(phone)[0] == OFFLINE
    assert story.shown() == (FOREGROUND, "Film")
    assert story.devices().keys() == {"Pixel 8", phone, tablet}
