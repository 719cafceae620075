"""Issue 15, line 8: no event leaves a socket that is closed, whatever it was waiting for."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from ingest.body.validate import BodyReader
from ingest.socket.actions import LOGGED_OUT, Action, Verify, Write
from ingest.socket.session import Session, State
from schemas.http.problems import ProblemError
from schemas.log.events import Connect, Disconnect, Renew
from tests.unit.ingest.socket_talk import POLICY, Talk, identity

FOREVER = float("inf")


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
