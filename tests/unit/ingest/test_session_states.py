"""Issue 15, line 8: no event leaves a socket that is closed, whatever it was waiting for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.body.validate import BodyReader
from ingest.socket import liveness
from ingest.socket.actions import (
    LOGGED_OUT,
    NOT_AUTHENTICATED,
    Action,
    Close,
    Ping,
    Pong,
    Send,
    Verify,
    Write,
)
from ingest.socket.session import MAX_FRAMES_BEFORE_AUTH, Session, State
from schemas.http.problems import ProblemError
from schemas.log.events import Connect, Disconnect, Renew
from tests.unit.ingest.socket_talk import POLICY, Talk, identity

FOREVER = float("inf")
#: A client that says nothing is taken for hidden after a while.
HIDES = replace(POLICY, max_silent_foreground_seconds=500)


def new_session() -> Session:
    return Session(POLICY, "c1", 0.0, lambda _user, _now: 0.0, lambda: 0.5, BodyReader())


def kinds(actions: list[Action]) -> list[type]:
    return [type(each.event) if isinstance(each, Write) else type(each) for each in actions]


@pytest.mark.parametrize("end", ["close", "restart", "gone", "cut"])
def test_a_token_that_is_verified_after_the_close_connects_nobody(end: str) -> None:
    session = new_session()
    asked = session.message('{"type": "auth", "token": "t", "device_id": "phone"}', 0.0)
    assert kinds(asked) == [Verify]
    ends: dict[str, Callable[[], list[Action]]] = {
        "close": lambda: session.close(LOGGED_OUT, "logged out"),
        "restart": lambda: session.restart(10),
        "gone": session.gone,
        "cut": lambda: session.cut(0.5),
    }
    ended = ends[end]()
    assert not any(isinstance(each, Write) for each in ended)
    assert session.verified(identity(), FOREVER, 1.0) == []
    assert session.wake(1_000.0) == []
    assert session.state is State.CLOSED


def test_a_newer_token_that_is_verified_after_the_close_renews_nothing() -> None:
    session = new_session()
    session.admitted(identity(), FOREVER, 0.0)
    session.message('{"device_id": "phone"}', 0.0)
    session.message('{"type": "auth", "token": "t2"}', 1.0)
    assert kinds(session.close(LOGGED_OUT, "logged out"))[0] is Disconnect
    assert session.verified(identity(token="t2"), FOREVER, 2.0) == []


def test_frames_behind_a_token_that_is_refused_after_the_close_are_not_taken() -> None:
    session = new_session()
    session.admitted(identity(), FOREVER, 0.0)
    session.message('[{"type": "auth", "token": "t2"}, {"device_id": "phone"}]', 0.0)
    session.close(LOGGED_OUT, "logged out")
    assert session.refused(ProblemError("unavailable", "Not now."), 1.0) == []
    assert session.admitted(identity(), FOREVER, 1.0) == []


def test_what_was_decided_before_the_close_and_is_handed_over_after_it_stays_out() -> None:
    session = new_session()
    session.admitted(identity(), FOREVER, 0.0)
    connect, *_ = session.message('{"device_id": "phone"}', 0.0)
    renew = session._events.renew(identity(), 1.0)[0]
    disconnect = next(a for a in session.close(LOGGED_OUT, "logged out") if isinstance(a, Write))
    assert isinstance(connect, Write)
    assert isinstance(connect.event, Connect)
    assert isinstance(renew.event, Renew)
    assert [session.leaves(each) for each in (connect, disconnect, renew)] == [True, True, False]


def test_the_states_come_in_their_order() -> None:
    talk = Talk()
    states = [talk.session.state]
    states.append(talk.auth(device_id="phone").session.state)
    states.append(talk.goes().session.state)
    assert states == [State.STRANGER, State.OPEN, State.CLOSED]
    assert talk.kinds() == ["connect", "disconnect"]


def lost(talk: Talk) -> Talk:
    return talk.wait(100, answers=False)


@pytest.mark.parametrize(
    ("end", "code"),
    [
        (Talk.goes, 1000),
        (lost, 4408),
        (lambda talk: talk.do(talk.session.restart(0)), 1012),
        (lambda talk: talk.says({"type": "logout"}), 4409),
    ],
)
def test_an_end_has_its_code(end: Callable[[Talk], Talk], code: int) -> None:
    talk = Talk().auth(device_id="phone")
    assert talk.session.close_code is None
    assert end(talk).session.close_code == code


def test_who_is_woken_before_the_time_does_nothing() -> None:
    talk = Talk().auth(device_id="phone")
    assert talk.session.wake(talk.session.deadline - 0.001) == []
    assert talk.session.state is State.OPEN


def test_an_event_that_is_refused_at_once_is_answered_with_why() -> None:
    session = new_session()
    session.admitted(identity(), FOREVER, 0.0)
    session.message('{"device_id": "phone"}', 0.0)
    [write] = session.message('{"id": 7, "screen": "Cart"}', 1.0)
    assert isinstance(write, Write)
    problem = ProblemError("rate_limited", "Wait a minute.")
    [answer] = session.not_written(write, 2.0, problem)
    assert isinstance(answer, Send)
    assert answer.error == "rate_limited"
    assert '"Wait a minute."' in answer.text


def test_frames_behind_a_newer_token_that_is_refused_are_taken_at_that_time() -> None:
    asked: list[float] = []

    def take(_user: str, now: float) -> float:
        asked.append(now)
        return 0.0

    session = Session(POLICY, "c1", 0.0, take, lambda: 0.5, BodyReader())
    session.admitted(identity(), FOREVER, 0.0)
    session.message('{"device_id": "phone"}', 0.0)
    session.message('[{"type": "auth", "token": "t"}, {"screen": "Cart"}]', 1.0)
    asked.clear()
    session.refused(ProblemError("token_expired", "The token has expired."), 2.0)
    assert asked == [2.0]


def test_who_is_woken_after_the_close_does_nothing() -> None:
    session = Talk().auth(device_id="phone").goes().session
    assert session.wake(10_000.0) == []


def test_a_frame_that_cannot_be_taken_is_answered_with_its_id_and_what_is_wrong() -> None:
    stranger = Talk().says({"id": 3, "type": "wave"}, {"id": 4, "screen": "Home"})
    assert stranger.answers() == [("error", 3, "unknown_type"), ("error", 4, "not_authenticated")]
    wrong, early = (frame["message"] for frame in stranger.sent)
    assert wrong == "type: must be auth, heartbeat (the default) or logout"
    assert early == "Send an auth frame with the user's token first."
    known = Talk().auth(device_id="phone").says({"id": 3, "type": "wave"})
    assert known.sent[-1]["message"] == wrong


def test_pings_of_a_client_are_answered_and_counted() -> None:
    asked: list[tuple[str, float]] = []
    waits = [0.0, 1.5]

    def take(user: str, now: float) -> float:
        asked.append((user, now))
        return waits.pop(0)

    session = Session(POLICY, "c1", 0.0, take, lambda: 0.5, BodyReader())
    early = [session.pinged(b"x", float(n)) for n in range(1, MAX_FRAMES_BEFORE_AUTH)]
    assert early == [[Pong(b"x")]] * (MAX_FRAMES_BEFORE_AUTH - 1)
    assert session.heard_at == MAX_FRAMES_BEFORE_AUTH - 1
    session.admitted(identity(), FOREVER, 20.0)
    assert session.pinged(b"y", 21.0) == [Pong(b"y")]
    assert session.pinged(b"z", 22.0) == []
    assert asked == [("ann", 21.0), ("ann", 22.0)]
    assert session.heard_at == 22.0
    session.gone()
    assert session.pinged(b"x", 23.0) == []


def test_a_stranger_who_only_pings_is_closed() -> None:
    session = new_session()
    for _ in range(MAX_FRAMES_BEFORE_AUTH - 1):
        session.pinged(b"", 1.0)
    pong, close = session.pinged(b"", 1.0)
    assert pong == Pong(b"")
    assert close == Close(NOT_AUTHENTICATED, "too many frames before auth")


def test_the_device_of_a_token_is_told_while_it_is_being_verified() -> None:
    session = new_session()
    assert session.device_of(identity()) is None
    assert session.device_of(identity(device="watch")) == "watch"
    session.message('{"type": "auth", "token": "t", "device_id": "phone"}', 0.0)
    assert session.device_of(identity()) == "phone"


def test_each_event_asks_the_allowance_of_its_user() -> None:
    asked: list[str] = []

    def take(user: str, _now: float) -> float:
        asked.append(user)
        return 0.0

    session = Session(POLICY, "c9", 0.0, take, lambda: 0.5, BodyReader())
    assert session.connection == "c9"
    session.admitted(identity("bob"), FOREVER, 0.0)
    session.message('{"device_id": "phone"}', 0.0)
    assert set(asked) == {"bob"}


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["wait", "wait", "wait", "beat", "hide", "silence"]),
            st.floats(0.01, 400),
        ),
        max_size=12,
    ),
    st.floats(0, 0.99),
    # Above the interval of renewals, one comes of whom nothing was heard since the last.
    st.sampled_from([30, 200]),
)
def test_the_short_way_of_an_idle_socket_does_what_the_long_one_does(
    steps: list[tuple[str, float]], fraction: float, ping_interval_seconds: float
) -> None:
    policy = replace(HIDES, ping_interval_seconds=ping_interval_seconds)
    short = Talk(fraction=fraction, policy=policy).auth(device_id="phone")
    long = Talk(fraction=fraction, policy=policy).auth(device_id="phone")

    def wake(now: float) -> list[Action]:
        idle = short.session.idle(now)
        if idle is None:
            return short.session.wake(now)
        renewal = [] if idle.renewal is None else [Write(idle.renewal)]
        return [*renewal, *([Ping()] if idle.ping else [])]

    short.wake = wake
    with patch.object(liveness, "_EARLY", 0.0):
        for what, seconds in steps:
            for talk in (short, long):
                if talk.closed is not None:
                    continue
                if what == "beat":
                    talk.says({"screen": "Cart"})
                elif what == "hide":
                    talk.says({"screen": "background"})
                talk.wait(seconds, answers=what != "silence")
    assert short.events == long.events
    assert short.pings == long.pings
    assert short.closed == long.closed
