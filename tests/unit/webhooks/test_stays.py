"""Who stays for long enough: the reducer against a count by hand over the whole log."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from processor.notify.clock import Clock, Reading
from processor.notify.messages import Record
from processor.notify.stays import Outages, Stays, rfc3339, unix_ms
from schemas.log.changes import Change
from schemas.measures.versions import Comparison
from schemas.webhooks.timer import Timer
from tests.unit.webhooks.changes import CHANGE

START_MS = 1_774_260_000_000
GRACE_MS = 4_000
OFFLINE = Timer("offline", 10)
ON_CART = Timer("on_screen", 10, "Cart")
OF_IOS = Timer("on_screen", 10, "Cart", platform="iOS")
OF_NEW = Timer("offline", 10, app_version=Comparison(">=", "1.10"))
#: State and screen that a user shows.
Shown = tuple[Any, str | None]
SHOWN: Sequence[Shown] = [
    ("offline", None),
    ("background", "Cart"),
    ("foreground", "Cart"),
    ("foreground", "Home"),
]


def record(
    offset: int, at_s: float, user: str, before: Shown, after: Shown, **fields: Any
) -> Record:
    change = msgspec.structs.replace(
        CHANGE,
        id=f"0:{fields.pop('log_offset', offset)}:0:0",
        at=rfc3339(START_MS + round(at_s * 1000)),
        user_id=user,
        user_state=after[0],
        user_screen=after[1],
        previous_user_state=before[0],
        previous_user_screen=before[1],
        **fields,
    )
    return Record(offset, 0, msgspec.json.encode(change), change)


def at(seconds: float) -> int:
    return START_MS + round(seconds * 1000)


def all_told(stays: Stays) -> list[str]:
    """Ids of what is decided, in order."""
    found = []
    while (stay := stays.decided()) is not None:
        if stays.is_meant(stay):
            found.append(stay.change_id if stay.told else stays.fired(stay).id)
        stays.pop()
    return found


ONLINE, AWAY = SHOWN[2], SHOWN[0]


def test_who_stays_offline_fires_once_at_the_very_instant_and_not_before() -> None:
    stays = Stays(OFFLINE)
    stays.take(record(1, 0, "ada", ONLINE, AWAY))
    stays.passed(at(9.999))
    assert all_told(stays) == []
    stays.passed(at(10))
    [stay] = [stays.decided()]
    assert stay is not None
    fired = stays.fired(stay)
    assert (fired.id, fired.user_id, fired.change) == ("0:1:0:0+10", "ada", "0:1:0:0")
    assert (unix_ms(fired.since), unix_ms(fired.at)) == (at(0), at(10))
    assert all_told(stays) == ["0:1:0:0+10"]
    # What another of their devices does changes nothing: it is the same stay.
    stays.take(record(2, 20, "ada", AWAY, AWAY))
    stays.passed(at(60))
    assert all_told(stays) == []


@pytest.mark.parametrize(("back_s", "told"), [(9.999, []), (10, ["0:1:0:0+10"])])
def test_who_comes_back_in_time_cancels_it_however_late_that_is_read(
    back_s: float, told: list[str]
) -> None:
    stays = Stays(OFFLINE)
    stays.take(record(1, 0, "ada", ONLINE, AWAY))
    stays.take(record(2, back_s, "ada", AWAY, ONLINE))
    stays.passed(at(100))
    assert all_told(stays) == told


def test_on_a_screen_is_in_the_foreground_there() -> None:
    stays = Stays(ON_CART)
    stays.take(record(1, 0, "ada", SHOWN[3], SHOWN[2]))
    stays.take(record(2, 0, "bob", SHOWN[3], SHOWN[2]))
    stays.take(record(3, 5, "bob", SHOWN[2], SHOWN[1]))
    stays.take(record(4, 6, "bob", SHOWN[1], SHOWN[2]))
    stays.passed(at(10))
    assert all_told(stays) == ["0:1:0:0+10"]
    stays.passed(at(16))
    assert all_told(stays) == ["0:4:0:0+10"]


def test_nothing_is_due_in_an_outage_or_in_the_grace_after_it() -> None:
    stays = Stays(OFFLINE)
    stays.take(record(1, 0, "ada", ONLINE, AWAY))
    stays.take(record(2, 1, "bob", ONLINE, AWAY))
    stays.outages = Outages([(at(8), None)])
    stays.passed(at(60))
    assert all_told(stays) == []
    stays.outages = Outages([(at(8), at(70))], GRACE_MS)
    stays.passed(at(73.999))
    stays.take(record(3, 73, "ada", AWAY, ONLINE))  # phones come back
    assert all_told(stays) == []
    stays.passed(at(74))
    bob = stays.decided()
    assert bob is not None
    assert stays.due_ms(bob) == at(74)
    assert all_told(stays) == ["0:2:0:0+10"]


@pytest.mark.parametrize("reason", ["erased", "opted_out"])
def test_of_who_is_to_be_forgotten_only_that_is_told(reason: Any) -> None:
    stays = Stays(OFFLINE)
    stays.take(record(1, 0, "ada", ONLINE, AWAY))
    stays.take(record(2, 10, "ada", AWAY, ONLINE))  # it was due: only told it was not yet
    stays.take(record(3, 11, "ada", ONLINE, AWAY))
    stays.take(record(4, 12, "bob", ONLINE, AWAY))
    stays.take(record(5, 13, "ada", AWAY, AWAY, reason=reason, device=""))
    stays.passed(at(100))
    assert all_told(stays) == ["0:4:0:0+10", "0:5:0:0"]


def test_what_there_is_no_room_for_is_read_again_and_nothing_later_goes_before_it() -> None:
    stays = Stays(OFFLINE, most=2)
    for n, user in enumerate("abc"):
        stays.take(record(n, n, user, ONLINE, AWAY))
    stays.passed(at(10))
    assert all_told(stays) == ["0:0:0:0+10"]
    stays.take(record(3, 10.5, "d", ONLINE, AWAY))  # there is room for it, and it waits its turn
    stays.passed(at(11))
    assert all_told(stays) == ["0:1:0:0+10"]
    assert (len(stays), stays.first_offset) == (0, 2)


def test_outages_that_overlap_are_one_whatever_their_order() -> None:
    overlapping = Outages([(10, None), (0, 8)], grace_ms=4)
    assert [overlapping.known_from(ms) for ms in (0, 1, 11, 12)] == [0, None, None, None]
    apart = Outages([(20, 24), (0, 8)], grace_ms=4)
    assert [apart.known_from(ms) for ms in (1, 12, 20, 21, 28)] == [12, 12, 20, 28, 28]


def test_a_change_of_before_says_by_its_device_what_was_before() -> None:
    stays = Stays(OFFLINE)
    old = {"previous_state": "foreground", "previous_screen": "Cart"}
    stays.take(record(1, 0, "ada", (None, None), AWAY, **old))
    evicted = {"previous_state": "offline", "previous_screen": None}
    stays.take(record(2, 1, "bob", (None, None), AWAY, **evicted))
    stays.passed(at(100))
    assert all_told(stays) == ["0:1:0:0+10"]


def test_log_time_that_steps_back_holds_nobody_up() -> None:
    stays = Stays(OFFLINE)
    stays.take(record(1, 3600, "ada", ONLINE, AWAY))
    stays.take(record(2, 5, "bob", ONLINE, ONLINE))
    stays.passed(at(15))
    assert all_told(stays) == ["0:1:0:0+10"]


def test_what_is_no_change_or_has_no_place_is_nobodys() -> None:
    stays = Stays(OFFLINE)
    stays.take(Record(1, 0, b"", None))
    for name in ("nonsense", "0:x:0:0"):
        [change] = [record(1, 0, "ada", ONLINE, AWAY).change]
        assert change is not None
        stays.take(Record(1, 0, b"", msgspec.structs.replace(change, id=name)))
    assert len(stays) == 0


def test_log_time_counts_once_every_change_of_before_is_on_the_topic() -> None:
    def reading(next_offset: int, published: int, log_ms: int) -> Reading:
        return Reading(0, next_offset, published, log_ms, GRACE_MS, [])

    clock = Clock()
    clock.read(reading(10, 5, at(1)), 3)
    assert clock.told is None
    clock.read(reading(10, 5, at(1)), 4)
    clock.read(reading(20, 9, at(2)), 4)
    assert clock.told is None
    clock.read(reading(30, 10, at(3)), 7)
    assert clock.told is not None
    assert (clock.told.log_ms, clock.told.next_offset, clock.told.end_offset) == (at(1), 10, 7)
    assert clock.told.known_offset == 30
    clock.read(reading(40, 30, at(4)), 9)
    assert (clock.told.log_ms, clock.told.end_offset) == (at(3), 9)


ON = {"state": "foreground", "screen": "Cart"}
OFF = {"state": "background", "screen": "Cart"}
IOS = {"device": "phone", "platform": "ios"}
ANDROID = {"device": "tablet", "platform": "android"}


@pytest.mark.parametrize(
    ("then", "told"),
    [
        ([], True),
        # Another device shows, before it is due, or at that instant: then the timer comes first.
        ([(9.999, {**ON, **ANDROID})], False),
        ([(10, {**ON, **ANDROID})], True),
        # It leaves again, or was never on the screen.
        ([(2, {**ON, **ANDROID}), (3, {**OFF, **ANDROID})], True),
        ([(2, {**OFF, **ANDROID})], True),
        # The phone leaves: another shows that nothing is known of, or what was known.
        ([(2, {**OFF, **IOS})], False),
        ([(2, {**ON, **ANDROID}), (3, {**ON, **IOS}), (4, {**OFF, **IOS})], False),
    ],
)
def test_with_which_app_somebody_stays_is_looked_at_when_it_is_due(
    then: list[tuple[float, Any]], told: bool
) -> None:
    stays = Stays(OF_IOS)
    stays.take(record(1, 0, "ada", AWAY, ONLINE, **ON, **IOS))
    for offset, (seconds, fields) in enumerate(then, 2):
        stays.take(record(offset, seconds, "ada", ONLINE, ONLINE, **fields))
    stays.passed(at(20))
    assert all_told(stays) == (["0:1:0:0+10"] if told else [])
    assert len(stays) == 0


@pytest.mark.parametrize(
    ("version", "told"), [("1.9", False), ("1.10+7", True), ("2.0", True), (None, False)]
)
def test_versions_compare_as_those_of_audiences_and_an_unknown_one_is_in_none(
    version: str | None, told: bool
) -> None:
    stays = Stays(OF_NEW)
    stays.take(record(1, 0, "ada", ONLINE, AWAY, state="offline", app_version=version))
    stays.take(record(2, 1, "bob", ONLINE, AWAY, reason="erased"))
    stays.passed(at(20))
    # That somebody is to be forgotten is told whatever they have.
    assert all_told(stays) == [*(["0:1:0:0+10"] if told else []), "0:2:0:0"]


# -- the oracle


@dataclass(frozen=True)
class Log:
    """Changes in order, outages, and the log time that has come."""

    records: list[Record]
    outages: list[tuple[int, int]]
    end_ms: int


@st.composite
def logs(draw: st.DrawFn) -> Log:
    now_s, records, outages = 0.0, [], []
    shown: dict[str, Shown] = {}
    for offset in range(1, draw(st.integers(1, 25))):
        now_s += draw(st.sampled_from([0, 0, 1, 3, 7, 10]))
        if draw(st.integers(0, 6)) == 0:
            length = draw(st.sampled_from([1, 5, 30]))
            outages.append((at(now_s), at(now_s + length)))
            now_s += length
        user, after = draw(st.sampled_from("abc")), draw(st.sampled_from(SHOWN))
        device = draw(st.sampled_from([IOS, ANDROID]))
        own = draw(st.sampled_from([after, *SHOWN]))
        version = draw(st.sampled_from(["1.9", "1.10", None]))
        fields = {"state": own[0], "screen": own[1], "app_version": version, **device}
        records.append(record(offset, now_s, user, shown.get(user, AWAY), after, **fields))
        shown[user] = after
        if draw(st.integers(0, 5)) == 0 and len(records) > 1:  # published once more
            old = records[draw(st.integers(0, len(records) - 1)) :]
            records.extend(old)
    renumbered = [Record(n, 0, r.value, r.change) for n, r in enumerate(records)]
    return Log(renumbered, outages, at(now_s + draw(st.sampled_from([0, 5, 10, 40]))))


def counted(log: Log, timer: Timer) -> list[str]:
    """Ids of the stays that fire, in the order in which they began, by looking at each user."""
    seen: dict[str, Change] = {}
    for each in log.records:
        if each.change is not None:
            seen.setdefault(each.change.id, each.change)
    changes, found = list(seen.values()), []
    for n, began in enumerate(changes):
        stays = timer.holds(began.user_state, began.user_screen)
        assert began.previous_user_state is not None
        if not stays or timer.holds(began.previous_user_state, began.previous_user_screen):
            continue
        ends = [
            unix_ms(later.at)
            for later in changes[n + 1 :]
            if later.user_id == began.user_id
            and not timer.holds(later.user_state, later.user_screen)
        ]
        due = unix_ms(began.at) + timer.seconds * 1000
        while inside := [e for s, e in log.outages if s < due < e + GRACE_MS]:
            due = max(inside) + GRACE_MS
        theirs = {
            c.device: (place, c)
            for place, c in enumerate(changes)
            if c.user_id == began.user_id and place >= n and (unix_ms(c.at) < due or place == n)
        }
        there = [each for each in theirs.values() if timer.holds(each[1].state, each[1].screen)]
        app = max(there, key=lambda each: each[0])[1] if there else None
        if timer.platform is not None and (app is None or app.platform != "ios"):
            continue
        if timer.app_version is not None and (app is None or app.app_version != "1.10"):
            continue
        if due <= min([*ends, log.end_ms]):
            found.append(f"{began.id}+{timer.seconds}")
    return found


@given(
    logs(),
    st.sampled_from([OFFLINE, ON_CART, OF_IOS, OF_NEW]),
    st.data(),
    st.sampled_from([1, 2, 100]),
)
def test_whoever_reads_when_and_is_killed_where_tells_the_same(
    log: Log, timer: Timer, data: st.DataObject, most: int
) -> None:
    told: list[str] = []
    cursor = taken = 0
    stays = Stays(timer, most)
    rounds = 0
    while True:
        rounds += 1
        last = rounds > 60
        # Killed: what was told since the cursor was stored may be told again.
        if not last and data.draw(st.integers(0, 4)) == 0:
            stays, taken = Stays(timer, most), cursor
        taken_to = len(log.records)
        if not last and rounds < 12:
            taken_to = data.draw(st.integers(taken, len(log.records)))
        stays.outages = Outages(log.outages, GRACE_MS)
        for each in log.records[taken:taken_to]:
            stays.take(each)
        taken = taken_to
        if taken == len(log.records):
            stays.passed(log.end_ms)
        elif log.records[taken].change is not None and taken:
            change = log.records[taken - 1].change
            assert change is not None
            stays.passed(unix_ms(change.at) if _is_new(log, taken) else START_MS)
        told.extend(all_told(stays))
        if len(stays) == 0 and stays.resume_at is not None:
            taken = stays.resume_at
            stays = Stays(timer, most)
        elif taken == len(log.records) and rounds > 12:
            break
        first = stays.first_offset
        cursor = taken if first is None else first
    assert list(dict.fromkeys(told)) == counted(log, timer)


def _is_new(log: Log, taken: int) -> bool:
    """Whether nothing that comes is a repeat of earlier log time."""
    change = log.records[taken - 1].change
    later = [each.change for each in log.records[taken:] if each.change is not None]
    return change is not None and all(each.at >= change.at for each in later)
