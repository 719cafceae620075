"""The life of a socket, by virtual time (design, section 4)."""

from __future__ import annotations

import json
import os
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.socket.actions import SessionPolicy
from schemas.http.problems import ProblemError
from schemas.log.events import Connect, Disconnect, Heartbeat, Logout, Renew
from tests.unit.ingest.socket_talk import Talk, identity

_HUNTED = int(os.environ.get("ROLLCALL_TEST_EXAMPLES") or 0)

# -- authentication


def test_a_header_authenticates_and_the_server_says_welcome() -> None:
    talk = Talk().header()
    assert talk.sent == [
        {
            "type": "welcome",
            "heartbeat_interval_seconds": 90,
            "offline_after_seconds": 300,
            "ping_interval_seconds": 30,
        }
    ]


def test_an_auth_frame_authenticates_and_is_acknowledged() -> None:
    talk = Talk().auth(id=1)
    assert [frame["type"] for frame in talk.sent] == ["ack", "welcome"]
    assert talk.session.user == "ann"


def test_who_does_not_authenticate_in_time_is_closed() -> None:
    talk = Talk().wait(4.9)
    assert talk.closed is None
    assert talk.wait(0.2).closed == (4401, "not authenticated in time")
    assert talk.events == []


def test_a_bad_token_is_answered_and_closed_with_its_cause() -> None:
    talk = Talk().auth("other", id="a")
    assert talk.answers() == [("error", "a", "not_authenticated")]
    assert talk.closed == (4401, "token_expired")


@pytest.mark.parametrize("code", ["unavailable", "rate_limited"])
def test_a_token_that_cannot_be_verified_now_may_be_sent_again(code: str) -> None:
    talk = Talk()
    talk.problem = ProblemError(code, "Not now.")
    talk.auth("other", id=1)
    assert talk.answers() == [("error", 1, code)]
    assert talk.closed is None
    talk.known["other"] = identity()
    assert talk.auth("other").session.user == "ann"


def test_frames_before_auth_are_answered_and_do_nothing() -> None:
    talk = Talk().says({"id": 1, "screen": "Home"}, {"type": "logout", "id": 2}, "nonsense")
    assert talk.answers() == [
        ("error", 1, "not_authenticated"),
        ("error", 2, "not_authenticated"),
        ("error", None, "bad_json"),
    ]
    assert talk.events == []
    assert talk.closed is None


def test_a_stranger_who_goes_on_sending_is_closed() -> None:
    talk = Talk().says(*[{"id": n} for n in range(20)])
    assert len(talk.sent) == 10
    assert talk.closed == (4401, "too many frames before auth")


def test_frames_behind_auth_in_one_array_wait_for_it() -> None:
    talk = Talk().says([{"type": "auth", "token": "token"}, {"id": 1, "screen": "Home"}])
    assert talk.event(Connect).screen == "Home"
    assert talk.answers() == [("ack", 1, None)]


def test_frames_behind_a_bad_token_are_not_taken() -> None:
    talk = Talk().says([{"type": "auth", "token": "other"}, {"id": 1, "screen": "Home"}])
    assert talk.closed == (4401, "token_expired")
    assert talk.events == []


def test_a_frame_that_cannot_be_taken_is_a_sign_of_life() -> None:
    talk = Talk().auth(device_id="phone").wait(10)
    talk.says("nonsense").wait(10).says({"id": 1, "device_id": "d" * 129})
    talk.wait(10).says({"type": "subscribe"})
    assert talk.answers() == [
        ("error", None, "bad_json"),
        ("error", 1, "bad_field"),
        ("error", None, "unknown_type"),
    ]
    assert talk.kinds() == ["connect", "renew", "renew", "renew"]


def test_a_frame_that_cannot_be_taken_is_a_sign_of_life_in_the_background_too() -> None:
    """Where renewals do not count: ``presence`` takes them for pongs."""
    talk = Talk().header().says({"device_id": "phone", "screen": "Home", "app_state": "paused"})
    talk.wait(1).says("not JSON")
    beat = talk.event(Heartbeat)
    assert (beat.device_id, beat.app_state, beat.screen) == ("phone", "background", None)
    talk.says({"app_state": "resumed"}).wait(1).says("not JSON")
    assert talk.event(Renew).device_id == "phone"


def test_frames_of_one_message_that_cannot_be_taken_are_one_sign_of_life() -> None:
    talk = Talk().auth(device_id="phone").wait(10).says([7, 8, {"type": "x"}])
    assert len(talk.answers()) == 3
    assert talk.kinds() == ["connect", "renew"]


def test_a_frame_that_cannot_be_taken_names_no_device() -> None:
    talk = Talk().auth().says("nonsense")
    assert talk.kinds() == []
    talk.says({"device_id": "phone"})
    assert talk.event(Connect).device_id == "phone"


def test_frames_that_cannot_be_taken_are_as_few_as_others() -> None:
    talk = Talk().auth(device_id="phone").wait(10)
    talk.wait_seconds = 5.0
    talk.says("nonsense")
    assert talk.answers() == [("error", None, "rate_limited")]
    assert talk.kinds() == ["connect"]


# -- the device


def test_an_auth_frame_that_names_a_device_connects_it_at_once() -> None:
    talk = Talk().auth(device_id="phone", screen="Home", app_version="1.2")
    connect = talk.event(Connect)
    assert (connect.user, connect.token, connect.connection) == ("ann", "t1", "c1")
    assert (connect.device_id, connect.screen, connect.app_version) == ("phone", "Home", "1.2")


def test_a_device_text_in_the_auth_frame_names_it_too() -> None:
    assert Talk().auth(device_info="Pixel 8").event(Connect).device_info == "Pixel 8"


def test_else_the_first_heartbeat_names_the_device_and_is_the_connect() -> None:
    talk = Talk().auth().wait(1)
    assert talk.events == []
    talk.says({"id": 1, "device_id": "phone", "screen": "Home"})
    assert talk.kinds() == ["connect"]
    assert (talk.event(Connect).device_id, talk.event(Connect).screen) == ("phone", "Home")
    assert talk.answers() == [("ack", 1, None)]


def test_without_a_frame_the_token_names_it_after_two_seconds() -> None:
    talk = Talk()
    talk.known["token"] = identity(device="sid-1")
    talk.header().wait(1.9)
    assert talk.events == []
    talk.wait(0.2)
    assert (talk.event(Connect).device_id, talk.event(Connect).claimed_device) == (None, "sid-1")


def test_news_of_the_auth_frame_come_before_those_of_the_first_heartbeat() -> None:
    talk = Talk().auth(screen="Home", platform="ios").says({"device_id": "phone", "screen": "Cart"})
    assert talk.kinds() == ["connect", "heartbeat"]
    [connect, heartbeat] = talk.events
    assert isinstance(connect, Connect)
    assert isinstance(heartbeat, Heartbeat)
    assert (connect.screen, heartbeat.screen) == ("Home", "Cart")
    assert connect.device_id == heartbeat.device_id == "phone"


def test_what_the_auth_frame_said_of_the_app_goes_with_the_first_heartbeat() -> None:
    talk = Talk().auth(app_version="1.2", platform="ios").says({"screen": "background"})
    connect = talk.event(Connect)
    assert (connect.screen, connect.app_version, connect.platform) == ("background", "1.2", "ios")


def test_a_socket_has_one_device_for_its_life() -> None:
    talk = Talk().auth(device_id="phone").says({"id": 1, "device_id": "tablet", "screen": "Home"})
    assert talk.event(Heartbeat).device_id == "phone"
    assert talk.answers() == [
        ("ack", 1, "device_id: not the device of this socket, ignored"),
    ]


def test_a_text_that_names_the_device_stays_and_one_that_describes_it_may_change() -> None:
    named = Talk().auth(device_info="Pixel 8").says({"device_info": "Pixel 9"})
    assert named.event(Heartbeat).device_info == "Pixel 8"
    described = Talk().auth(device_id="phone", device_info="Pixel 8")
    assert described.says({"device_info": "Pixel 9"}).event(Heartbeat).device_info == "Pixel 9"


# -- heartbeats


def test_heartbeats_carry_the_connection_and_are_acknowledged_once_written() -> None:
    talk = Talk().auth(device_id="phone").says({"id": 7, "screen": "Cart", "type": "heartbeat"})
    assert (talk.event(Heartbeat).connection, talk.event(Heartbeat).screen) == ("c1", "Cart")
    assert talk.answers() == [("ack", 7, None)]


def test_a_heartbeat_without_an_id_gets_no_ack() -> None:
    talk = Talk().auth(device_id="phone").says({"screen": "Cart"})
    assert talk.event(Heartbeat).screen == "Cart"
    assert talk.answers() == []


def test_an_array_is_taken_frame_by_frame() -> None:
    talk = Talk().auth(device_id="phone")
    talk.says([{"id": 1, "screen": "Cart"}, {"id": 2, "type": "x"}, 5, {"id": 3, "screen": "Home"}])
    assert [event.screen for event in talk.events if type(event) is Heartbeat] == ["Cart", "Home"]
    assert sorted(talk.answers(), key=str) == [
        ("ack", 1, None),
        ("ack", 3, None),
        ("error", 2, "unknown_type"),
        ("error", None, "bad_json"),
    ]


def test_a_heartbeat_that_cannot_be_written_is_answered_and_dropped() -> None:
    talk = Talk().auth(device_id="phone")
    talk.kafka = False
    talk.says({"id": 1, "screen": "Cart"})
    assert talk.answers() == [("error", 1, "unavailable")]
    talk.kafka = True
    assert talk.wait(300).kinds() == ["connect", *["renew"] * 3]


def test_too_many_frames_are_answered_and_dropped_but_never_a_logout() -> None:
    talk = Talk().auth(device_id="phone")
    talk.wait_seconds = 2.5
    talk.says({"id": 1, "screen": "Cart"})
    assert talk.answers() == [("error", 1, "rate_limited")]
    assert talk.sent[-1]["message"] == "Too many frames of this user; wait 2.5 s."
    assert talk.kinds() == ["connect"]
    talk.says({"type": "logout", "id": 2})
    assert "logout" in talk.kinds()


# -- connect


def test_a_connect_that_cannot_be_written_is_tried_again() -> None:
    talk = Talk()
    talk.kafka = False
    talk.auth(device_id="phone", screen="Home").wait(10)
    assert talk.events == []
    assert len(talk.lost) >= 2
    talk.kafka = True
    talk.wait(10)
    assert talk.event(Connect).screen == "Home"
    assert talk.kinds() == ["connect"]


def test_a_frame_that_comes_while_connect_waits_is_the_connect() -> None:
    talk = Talk()
    talk.kafka = False
    talk.auth(device_id="phone", screen="Home", platform="ios")
    talk.kafka = True
    talk.says({"id": 1, "screen": "Cart"})
    connect = talk.event(Connect)
    assert (connect.screen, connect.device_id, connect.platform) == ("Cart", "phone", "ios")
    assert talk.wait(20).kinds() == ["connect"]


def test_who_reconnects_too_often_waits() -> None:
    talk = Talk()
    talk.wait_seconds = 4.0
    talk.auth(device_id="phone").wait(3)
    assert talk.events == []
    talk.wait_seconds = 0.0
    assert talk.wait(2).kinds() == ["connect"]


# -- pings and renewals


def test_a_silent_client_is_pinged_and_lost_when_it_does_not_answer() -> None:
    talk = Talk().auth(device_id="phone")
    talk.wait(59.9, answers=False)
    assert len(talk.pings) == 1
    assert talk.closed is None
    talk.wait(0.2, answers=False)
    assert talk.closed == (4408, "no pong")
    assert talk.event(Disconnect) == Disconnect(
        user="ann", connection="c1", by_server=False, silent_ms=60_000
    )


def test_whatever_a_client_sends_shows_that_it_is_there() -> None:
    talk = Talk().auth(device_id="phone")
    for _ in range(10):
        talk.wait(29, answers=False).says({})
    assert talk.pings == []


def test_a_socket_that_answers_pings_is_renewed_every_interval() -> None:
    talk = Talk(fraction=0.5).auth(device_id="phone").wait(45 + 90 * 3)
    assert talk.kinds() == ["connect", *["renew"] * 4]
    renew = talk.event(Renew)
    assert (renew.user, renew.token, renew.connection, renew.device_id) == (
        "ann",
        "t1",
        "c1",
        "phone",
    )


def test_sockets_opened_together_do_not_renew_together() -> None:
    seconds = []
    for n in range(90):
        talk = Talk(fraction=n / 90).auth(device_id="phone")
        start = talk.now
        while talk.kinds() == ["connect"]:
            talk.wait(1)
        seconds.append(round(talk.now - start))
    assert max(seconds.count(second) for second in seconds) <= 2


def test_a_heartbeat_puts_the_renewal_off() -> None:
    talk = Talk(fraction=0.9).auth(device_id="phone").wait(80).says({"screen": "Cart"}).wait(89)
    assert talk.kinds() == ["connect", "heartbeat"]
    assert talk.wait(2).kinds() == ["connect", "heartbeat", "renew"]


# -- tokens


def test_a_token_is_replaced_in_place() -> None:
    talk = Talk()
    talk.known["newer"] = identity(token="t2")
    talk.auth(device_id="phone").auth("newer", id=5)
    assert (talk.event(Renew).token, talk.event(Renew).device_id) == ("t2", "phone")
    assert talk.answers() == [("ack", 5, None)]
    assert talk.says({"screen": "Cart"}).event(Heartbeat).token == "t2"


def test_a_newer_token_with_news_is_a_heartbeat() -> None:
    talk = Talk()
    talk.known["newer"] = identity(token="t2", device="other")
    talk.auth(device_id="phone").auth("newer", screen="Cart", id=5)
    beat = talk.event(Heartbeat)
    assert (beat.token, beat.screen, beat.device_id) == ("t2", "Cart", "phone")
    assert talk.answers() == [("ack", 5, None)]


def test_a_newer_token_before_connect_is_the_one_that_connects() -> None:
    talk = Talk()
    talk.known["newer"] = identity(token="t2")
    talk.auth().auth("newer").wait(3)
    assert talk.event(Connect).token == "t2"


def test_another_users_token_is_refused() -> None:
    talk = Talk()
    talk.known["bob"] = identity("bob")
    talk.auth(device_id="phone").auth("bob", id=5)
    assert talk.answers() == [("error", 5, "bad_field")]
    assert talk.sent[-1]["message"] == "token: is another user's; open another socket for them"
    assert talk.session.user == "ann"


def test_a_bad_newer_token_leaves_the_old_one() -> None:
    talk = Talk().auth(device_id="phone").auth("other", id=5)
    assert talk.answers() == [("error", 5, "not_authenticated")]
    assert talk.closed is None
    assert talk.says({"screen": "Cart"}).event(Heartbeat).token == "t1"


def test_a_token_is_announced_to_end_and_then_ends_the_socket() -> None:
    talk = Talk()
    talk.valid_for["token"] = 100.0
    talk.auth(device_id="phone").wait(39.9)
    assert talk.answers() == []
    talk.wait(0.2)
    assert talk.sent[-1] == {"type": "token_expiring", "seconds": 60}
    talk.wait(60)
    assert talk.closed == (4402, "token expired")
    assert talk.event(Disconnect).by_server


def test_a_token_that_ends_soon_is_announced_at_once() -> None:
    talk = Talk()
    talk.valid_for["token"] = 20.0
    talk.auth(device_id="phone").wait(0)
    assert talk.sent[-1] == {"type": "token_expiring", "seconds": 20}


def test_a_newer_token_in_time_keeps_the_socket() -> None:
    talk = Talk()
    talk.valid_for["token"] = 100.0
    talk.known["newer"] = identity(token="t2")
    talk.auth(device_id="phone").wait(90).auth("newer").wait(600)
    assert talk.closed is None


# -- ends


def test_a_client_that_leaves_is_a_disconnect() -> None:
    talk = Talk().auth(device_id="phone").wait(10).goes()
    assert talk.event(Disconnect) == Disconnect(user="ann", connection="c1")


def test_who_leaves_before_connect_leaves_nothing() -> None:
    assert Talk().goes().events == []
    assert Talk().auth().goes().events == []


def test_a_client_that_leaves_while_connect_was_in_doubt_is_a_disconnect() -> None:
    talk = Talk()
    talk.kafka = False
    talk.auth(device_id="phone")
    talk.kafka = True
    assert talk.goes().kinds() == ["disconnect"]


def test_an_end_of_our_own_says_so() -> None:
    talk = Talk().auth(device_id="phone")
    talk.do(talk.session.close(4408, "slow reader"))
    assert talk.event(Disconnect).by_server
    assert talk.closed == (4408, "slow reader")
    assert talk.goes().kinds() == ["connect", "disconnect"]


def test_a_restart_is_announced() -> None:
    talk = Talk().auth(device_id="phone")
    talk.do(talk.session.restart(12_345))
    assert talk.sent[-1] == {"type": "restart", "reconnect_after_ms": 12_345}
    assert talk.closed == (1012, "restart")
    assert talk.event(Disconnect).by_server


def test_a_logout_is_written_acknowledged_and_closes() -> None:
    talk = Talk().auth(device_id="phone").says({"type": "logout", "id": 3})
    assert talk.kinds() == ["connect", "logout", "disconnect"]
    logout = talk.events[1]
    assert isinstance(logout, Logout)
    assert (logout.device_id, logout.connection, logout.token) == ("phone", "c1", "t1")
    assert talk.answers() == [("ack", 3, None)]
    assert talk.closed == (4409, "logged out")


def test_a_logout_before_the_device_is_known_names_what_the_frame_names() -> None:
    talk = Talk().auth().says({"type": "logout", "device_id": "phone"})
    logout = talk.event(Logout)
    assert (logout.device_id, logout.connection) == ("phone", None)


def test_frames_behind_a_logout_in_one_array_are_not_taken() -> None:
    talk = Talk().auth(device_id="phone").says([{"type": "logout"}, {"id": 1, "screen": "Home"}])
    assert talk.kinds() == ["connect", "logout", "disconnect"]
    assert talk.closed == (4409, "logged out")


def test_frames_behind_a_logout_that_failed_are_taken() -> None:
    talk = Talk().auth(device_id="phone")
    talk.kafka = False
    talk.says([{"type": "logout", "id": 1}, {"id": 2, "screen": "Home"}])
    assert talk.answers() == [("error", 1, "unavailable"), ("error", 2, "unavailable")]


def test_a_logout_that_cannot_be_written_may_be_sent_again() -> None:
    talk = Talk().auth(device_id="phone")
    talk.kafka = False
    talk.says({"type": "logout", "id": 3})
    assert talk.answers() == [("error", 3, "unavailable")]
    assert talk.closed is None
    talk.kafka = True
    assert talk.says({"type": "logout", "id": 4}).closed == (4409, "logged out")


# -- anything at all

_values: st.SearchStrategy[Any] = st.sampled_from(
    [None, True, 0, 7, -1, 2**53, 2**80, 1.5, 1e300, "", "x", "x" * 65, "\u00e9", "\ud800", [], {}]
)
_fields = st.fixed_dictionaries(
    {},
    optional={
        "type": st.sampled_from(["auth", "heartbeat", "logout", "Auth", ""]) | _values,
        "id": _values,
        "token": st.sampled_from(["token", "other"]) | _values,
        "screen": _values,
        "device_id": _values,
        "app_state": _values,
        "sent_at": _values,
        "else": _values,
    },
)
_messages = st.one_of(
    _fields.map(json.dumps), st.lists(_fields, max_size=4).map(json.dumps), st.text(max_size=20)
)
_steps = st.lists(
    st.one_of(
        _messages,
        st.floats(0, 120),
        st.sampled_from(["kafka", "goes", "limit"]).map(lambda name: (name,)),
    ),
    max_size=12,
)


@settings(max_examples=_HUNTED or 50, derandomize=not _HUNTED, deadline=None, database=None)
@given(_steps, st.booleans())
def test_every_frame_with_an_id_is_answered_once_and_nothing_goes_wrong(
    steps: list[Any], header: bool
) -> None:
    talk = Talk(policy=SessionPolicy(90, 300))
    if header:
        talk.header()
    for step in steps:
        if talk.closed is not None:
            break
        if isinstance(step, str):
            before = len(talk.sent)
            talk.says(step)
            answered = [frame.get("id") for frame in talk.sent[before:] if "id" in frame]
            asked = _ids(step)
            assert len(answered) <= max(len(asked), 1)
            if talk.closed is None:
                assert all(answered.count(each) >= 1 for each in asked if _answerable(each))
        elif isinstance(step, float):
            talk.wait(step, answers=step < 60)
        elif step == ("kafka",):
            talk.kafka = not talk.kafka
        elif step == ("limit",):
            talk.wait_seconds = 0.0 if talk.wait_seconds else 1.5
        else:
            talk.goes()
            break
    connects = [event for event in (*talk.events, *talk.lost) if isinstance(event, Connect)]
    disconnects = [e for e in (*talk.events, *talk.lost) if isinstance(e, Disconnect)]
    if talk.closed is not None:
        assert len(disconnects) == bool(connects)


def _ids(text: str) -> list[Any]:
    try:
        found = json.loads(text)
    except ValueError:
        return []
    frames = found if isinstance(found, list) else [found]
    return [frame.get("id") if isinstance(frame, dict) else None for frame in frames]


def _answerable(frame_id: Any) -> bool:
    if isinstance(frame_id, str):
        return frame_id.isascii() and len(frame_id) <= 64
    return isinstance(frame_id, int) and not isinstance(frame_id, bool) and abs(frame_id) <= 2**53


# -- gateways that end what is silent


def test_a_socket_that_is_cut_before_it_answered_a_ping_says_after_which_silence() -> None:
    talk = Talk().auth(device_id="phone").wait(5).says({"screen": "Home"}).wait(20)
    talk.do(talk.session.cut(talk.now))
    assert talk.session.lost_after_seconds == 20
    assert talk.event(Disconnect).by_server is False


def test_a_ping_that_gets_no_answer_says_so_too() -> None:
    talk = Talk().auth(device_id="phone").wait(100, answers=False)
    assert talk.closed == (4408, "no pong")
    assert talk.session.lost_after_seconds == 30


def test_a_socket_that_answered_pings_or_was_closed_says_nothing_of_gateways() -> None:
    answered = Talk().auth(device_id="phone").wait(50)
    answered.do(answered.session.cut(answered.now))
    assert answered.session.lost_after_seconds is None
    assert Talk().auth(device_id="phone").wait(20).goes().session.lost_after_seconds is None


def test_a_user_may_have_a_ping_interval_of_their_own() -> None:
    talk = Talk(ping_interval=lambda user: {"ann": 12.0}[user]).auth(device_id="phone").wait(13)
    assert talk.sent[-1]["ping_interval_seconds"] == 12
    assert len(talk.pings) == 1


# -- a foreground that says nothing

BOUNDED = SessionPolicy(
    heartbeat_interval_seconds=90, offline_after_seconds=300, max_silent_foreground_seconds=600
)


def test_a_tab_that_only_answers_pings_is_hidden_after_the_bound() -> None:
    talk = Talk(policy=BOUNDED).auth(device_id="tab", screen="Home").wait(599)
    assert not [event for event in talk.events if type(event) is Heartbeat]
    talk.wait(2)
    hidden = talk.event(Heartbeat)
    assert (hidden.app_state, hidden.screen, hidden.device_id) == ("hidden", None, "tab")
    talk.wait(3000)
    assert [type(event) for event in talk.events].count(Heartbeat) == 1


def test_the_welcome_tells_the_bound_where_there_is_one() -> None:
    told = Talk(policy=BOUNDED).auth(device_id="tab").sent
    assert [f["max_silent_foreground_seconds"] for f in told if f["type"] == "welcome"] == [600]
    assert all("max_silent_foreground_seconds" not in f for f in Talk().auth(device_id="t").sent)


def test_a_frame_begins_the_bound_anew_and_brings_it_back() -> None:
    talk = Talk(policy=BOUNDED).auth(device_id="tab").wait(500).says({"screen": "Cart"}).wait(599)
    assert [event.app_state for event in talk.events if type(event) is Heartbeat] == [None]
    talk.wait(2).says({"screen": "Home"}).wait(601)
    states = [event.app_state for event in talk.events if type(event) is Heartbeat]
    assert states == [None, "hidden", None, "hidden"]


def test_who_said_that_it_is_in_the_background_is_not_hidden_again() -> None:
    talk = Talk(policy=BOUNDED).auth(device_id="tab").says({"app_state": "hidden"}).wait(3000)
    assert [type(event) for event in talk.events].count(Heartbeat) == 1
    quiet = Talk(policy=BOUNDED).auth(device_id="tab").says({"screen": "Background"}).wait(3000)
    assert [type(event) for event in quiet.events].count(Heartbeat) == 1


def test_without_the_bound_a_foreground_may_be_silent_for_ever() -> None:
    talk = Talk().auth(device_id="tab").wait(36_000)
    assert set(talk.kinds()) == {"connect", "renew"}
