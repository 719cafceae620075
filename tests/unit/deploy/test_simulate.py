"""The synthetic fleet's pure core: its people, what they do, and the bytes that this becomes."""

from __future__ import annotations

import itertools
import json
from collections import Counter
from collections.abc import Iterator
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.simulate.behaviour import STATES, Action, Kind, State, activity, life
from deploy.simulate.people import PHONES, SAMPLE_APPS, SOCKET_APPS, Phone, phones
from deploy.simulate.screens import FIRST_SCREEN, SHOP, next_screen, stay_seconds
from deploy.simulate.tally import Tally
from deploy.simulate.wire import frame, logout_body, sample_call, state_fields
from ingest.body.validate import BodyReader, parse_logout
from ingest.socket.frames import Frame, read_frames

NOON = 1_760_011_200.0
ACTIONS = 300
SEEDS = st.integers(min_value=0, max_value=2**32)
#: Any phone of any seed, on a socket or not.
SOME_PHONES = st.builds(
    lambda seed, share, which: phones(3, share, seed)[which],
    SEEDS,
    st.sampled_from((0.0, 1.0)),
    st.integers(min_value=0, max_value=2),
)


def first(phone: Phone, count: int = ACTIONS, begins_at: float = NOON) -> list[Action]:
    return list(itertools.islice(life(phone, begins_at), count))


def one(*, on_socket: bool) -> Phone:
    return phones(1, float(on_socket), seed=1)[0]


# -- what one phone does

#: What may follow what. ``ended``: the app does not run; ``logged out``: it runs on without a user.
MAY_FOLLOW: dict[str, set[Kind]] = {
    "ended": {Kind.START},
    "foreground": {
        *(Kind.SHOW, Kind.BEAT, Kind.BACKGROUND, Kind.DROP, Kind.LOG_OUT, Kind.DIE),
    },
    "background": {Kind.RESUME, Kind.DROP, Kind.DIE},
    "logged out": {Kind.LATE_BACKGROUND, Kind.START},
    "put away": {Kind.LATE_RESUME, Kind.START},
    "come back": {Kind.START},
}
LEADS_TO = {
    Kind.START: "foreground",
    Kind.RESUME: "foreground",
    Kind.BACKGROUND: "background",
    Kind.LOG_OUT: "logged out",
    Kind.LATE_BACKGROUND: "put away",
    Kind.LATE_RESUME: "come back",
    Kind.DIE: "ended",
}


@given(SOME_PHONES, st.floats(min_value=0, max_value=4e9))
def test_every_phone_does_only_what_an_app_can_do(phone: Phone, begins_at: float) -> None:
    now = "ended"
    for action in first(phone, begins_at=begins_at):
        assert action.kind in MAY_FOLLOW[now], f"{action.kind} while {now}"
        now = LEADS_TO.get(action.kind, now)
        assert action.after_seconds >= 0


@given(SOME_PHONES)
def test_every_screen_is_reached_from_the_one_before(phone: Phone) -> None:
    screen = None
    for action in first(phone):
        if action.kind is Kind.START:
            assert action.screen == FIRST_SCREEN
        elif action.kind is Kind.SHOW:
            assert screen is not None
            assert action.screen in SHOP[screen].to
        else:
            assert action.screen == screen
        screen = action.screen


@given(SOME_PHONES)
def test_a_logout_is_followed_by_another_login_and_nothing_else_is(phone: Phone) -> None:
    login, logged_out = 0, False
    for action in first(phone):
        if action.kind is Kind.START:
            login, logged_out = login + logged_out, False
        logged_out |= action.kind is Kind.LOG_OUT
        assert action.login == login


@given(SOME_PHONES)
def test_beats_are_the_timer_of_the_sample_and_late_ones_the_habit_of_its_observer(
    phone: Phone,
) -> None:
    now, last_start = 0.0, 0.0
    for action in first(phone):
        now += action.after_seconds
        if action.kind in (Kind.START, Kind.RESUME):
            last_start = now
        elif action.kind is Kind.BEAT:
            assert phone.app.timer_seconds is not None
            assert now - last_start == pytest.approx(phone.app.timer_seconds)
            last_start = now
        elif action.kind in (Kind.LATE_BACKGROUND, Kind.LATE_RESUME):
            assert not phone.on_socket
        elif action.kind is Kind.DROP:
            assert phone.on_socket


@given(SOME_PHONES)
def test_a_phone_stays_below_what_a_user_may_send(phone: Phone) -> None:
    """An event a second and 60 at once (docs/integration.md): no 429 for anybody's habits."""
    times = list(itertools.accumulate(action.after_seconds for action in first(phone)))
    for earlier, later in zip(times, times[60:], strict=False):
        assert later - earlier > 30


def test_the_same_seed_gives_the_same_lives_and_another_one_others() -> None:
    def lives(seed: int) -> list[list[Action]]:
        return [first(phone, 40) for phone in phones(5, 0.5, seed)]

    assert lives(7) == lives(7)
    assert lives(7) != lives(8)


def test_more_users_do_not_change_those_who_were_there() -> None:
    few, many = phones(20, 0.3, seed=4), phones(50, 0.3, seed=4)
    assert many[: len(few)] == few


# -- the fleet

FLEET = phones(2_000, 0.3, seed=11)


def test_shares_of_sockets_versions_and_devices_are_about_those_of_the_field() -> None:
    on_socket = sum(phone.on_socket for phone in FLEET)
    assert 0.26 < on_socket / len(FLEET) < 0.34
    versions = Counter(phone.app.version for phone in FLEET)
    for apps, count in ((SAMPLE_APPS, len(FLEET) - on_socket), (SOCKET_APPS, on_socket)):
        assert sum(app.share for app in apps) == pytest.approx(1)
        for app in apps:
            assert versions[app.version] / count == pytest.approx(app.share, abs=0.06)
    texts = Counter(phone.device.text for phone in FLEET)
    assert sum(device.share for device in PHONES) == pytest.approx(1)
    for device in PHONES:
        assert texts[device.text] / 2_000 == pytest.approx(device.share, abs=0.04)


def test_all_or_none_may_be_on_sockets() -> None:
    assert all(phone.on_socket for phone in phones(100, 1.0, seed=2))
    assert not any(phone.on_socket for phone in phones(100, 0.0, seed=2))


def test_a_few_people_have_a_second_device_that_can_be_told_from_the_first() -> None:
    devices = Counter(phone.user for phone in FLEET)
    assert len(devices) == 2_000
    two = [user for user, count in devices.items() if count == 2]
    assert 0.03 < len(two) / 2_000 < 0.10
    assert len({(phone.user, phone.device.text) for phone in FLEET}) == len(FLEET)
    assert len({phone.device_id for phone in FLEET}) == len(FLEET)


def test_people_of_two_seeds_are_different_people() -> None:
    assert not {p.user for p in phones(50, 0, seed=1)} & {p.user for p in phones(50, 0, seed=2)}


def after(seconds: float, begins_at: float = NOON) -> Iterator[tuple[Phone, State]]:
    """Each phone, and what it does so long after the beginning."""
    for phone in FLEET:
        now, state = 0.0, State.AWAY
        for action in life(phone, begins_at):
            now += action.after_seconds
            if now > seconds:
                break
            state = STATES.get(action.kind, state)
        yield phone, state


def test_the_first_minute_is_alive() -> None:
    states = Counter(state for _, state in after(30))
    assert states[State.FOREGROUND] > 0.15 * len(FLEET)
    assert states[State.BACKGROUND] > 0.01 * len(FLEET)
    assert states[State.AWAY] > 0.25 * len(FLEET)


def test_numbers_go_up_and_down_within_a_quarter_of_an_hour() -> None:
    online = [
        sum(state is State.FOREGROUND for _, state in after(seconds))
        for seconds in range(1_200, 2_100, 150)
    ]
    assert max(online) > 1.1 * min(online)


@given(st.floats(min_value=0, max_value=4e9))
def test_activity_is_a_share(at_seconds: float) -> None:
    assert 0.25 < activity(at_seconds) <= 1


def test_evenings_are_busier_than_nights() -> None:
    midnight = NOON - 12 * 3_600
    night, evening = (
        sum(activity(midnight + hour * 3_600 + second) for second in range(0, 3_600, 60))
        for hour in (7, 19)
    )
    assert evening > 1.5 * night


# -- the app


def test_every_screen_of_the_shop_is_reached_and_leads_somewhere() -> None:
    reached, news = set(), {FIRST_SCREEN}
    while news:
        reached |= news
        news = {target for screen in news for target in SHOP[screen].to} - reached
    assert reached == SHOP.keys()
    assert all(screen.leave > 0 for screen in SHOP.values())


def test_stays_are_about_as_long_as_their_screens_say() -> None:
    random = Random(1)
    for name, screen in SHOP.items():
        stays = sorted(stay_seconds(name, random) for _ in range(2_000))
        assert stays[1_000] == pytest.approx(screen.median_seconds, rel=0.15)
    assert {next_screen("Category filter", random) for _ in range(500)} == {"Category", None}


# -- the bytes

SAMPLE = one(on_socket=False)


@pytest.mark.parametrize(
    ("kind", "screen"),
    [
        (Kind.START, "Cart"),
        (Kind.SHOW, "Cart"),
        (Kind.BEAT, "Unknown"),
        (Kind.RESUME, "Unknown"),
        (Kind.LATE_RESUME, "Unknown"),
        (Kind.BACKGROUND, "background"),
        (Kind.LATE_BACKGROUND, "background"),
    ],
)
def test_a_heartbeat_has_the_bytes_of_the_published_sample(kind: Kind, screen: str) -> None:
    call = sample_call(SAMPLE, Action(0, kind, 0, "Cart"))
    version, device = SAMPLE.app.version, SAMPLE.device.text
    body = f'{{"app_version":"{version}","device_info":"{device}","screen":"{screen}"}}'
    assert call == ("/api/update-online-status", body.encode())
    assert not BodyReader().heartbeat(body.encode()).warnings


def test_a_logout_has_no_body_and_a_lost_phone_says_nothing() -> None:
    assert sample_call(SAMPLE, Action(0, Kind.LOG_OUT, 0, "Cart")) == ("/api/logout-status", b"")
    assert sample_call(SAMPLE, Action(0, Kind.DIE, 0, "Cart")) is None


def test_ingest_understands_every_frame_of_a_socket_phone() -> None:
    phone = one(on_socket=True)
    for in_background in (False, True):
        fields = state_fields(phone, "Cart", in_background=in_background)
        [auth, beat] = (
            read_frames(frame(1, type="auth", token="t", **fields), BodyReader())[0],
            read_frames(frame(2, **fields), BodyReader())[0],
        )
        assert isinstance(auth, Frame)
        assert isinstance(beat, Frame)
        assert (auth.type, beat.type) == ("auth", "heartbeat")
        assert not auth.sent.warnings
        assert auth.sent == beat.sent
        assert auth.sent.screen == "Cart"
        assert auth.sent.device_id == phone.device_id
    assert parse_logout(logout_body(phone)).device_id == phone.device_id
    assert json.loads(frame(3, type="logout")) == {"id": 3, "type": "logout"}


# -- the line


def test_the_line_tells_what_is_now_and_what_was_since_the_last_one() -> None:
    tally = Tally()
    tally.phones[State.FOREGROUND] = 12
    tally.accept()
    tally.logouts += 1
    told = "12 phones in the foreground, 0 in the background, 0 sockets; in {} s {}"
    assert tally.line(60) == told.format(60, "1 messages accepted, 1 logouts")
    assert tally.line(10) == told.format(10, "0 messages accepted, 0 logouts")


def test_the_line_names_the_most_frequent_troubles_and_counts_the_others() -> None:
    tally = Tally()
    for count, what in enumerate(("a", "b", "c", "d", "e", "f", "g"), start=1):
        for _ in range(count):
            tally.trouble(what)
    assert tally.line(10).endswith("; not accepted: 7 × g, 6 × f, 5 × e, 4 × d, 3 × c, 3 others")
    assert "not accepted" not in tally.line(10)


@pytest.mark.parametrize("refusal", ["401 bad_signature", "frame not_authenticated"])
def test_a_key_that_no_token_was_ever_accepted_with_is_told_from_other_trouble(
    refusal: str,
) -> None:
    tally = Tally()
    tally.trouble("no connection")
    assert not tally.only_refusals
    tally.trouble(refusal)
    assert tally.only_refusals
    tally.accept()
    assert not tally.only_refusals
