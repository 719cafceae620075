"""What an opt-out and an erasure leave of a user in one partition (promise 8)."""

from __future__ import annotations

from processor.core.analytics.screen_names import DAY_MS
from processor.core.effects import Effects, Record, UserDay
from processor.core.log.clock_steps import ClockStep
from processor.core.model import Device, Policy
from processor.core.outcome import APPLIED, FENCED, OPTED_OUT
from processor.core.partition import Partition
from processor.core.privacy import Privacy, StoredFlag
from processor.store.presence_row import presence_row, user_of_row
from schemas.log.events import Connect, Erase, Event, Heartbeat, Logout, OptIn, OptOut

POLICY = Policy(300_000, 30_000, 200_000)
START = 1_800_000_000_000
OUT, IN = OptOut(user="ada", request="r"), OptIn(user="ada", request="s")
ERASE = Erase(user="ada", request="t")
PHONE = Device("a", "foreground", "started", START, START, START + 300_000)


def beat(screen: str = "Home") -> Heartbeat:
    return Heartbeat(user="ada", token="t", screen=screen)


class Log:
    """One partition, and everything that a single batch does to it."""

    def __init__(self) -> None:
        self.partition = Partition(0, 1, POLICY, next_offset=0)
        self.effects = Effects()

    def record(self, seconds: float, *events: Event) -> None:
        at = START + round(seconds * 1000)
        self.partition.apply(Record(self.partition.next_offset, at, events), self.effects)


def test_nothing_of_a_user_who_left_is_stored_but_one_last_change() -> None:
    log = Log()
    connect = Connect(user="ada", token="t", screen="Home", connection="c")
    log.record(0, connect, beat("Cart"))
    log.record(5, OUT)
    effects = log.effects
    assert log.partition.users == {}
    assert effects.written({}) == []
    assert (effects.changes, effects.spans, effects.sessions, effects.user_days) == ([], [], [], [])
    [last] = effects.published()
    assert (last.changed.device, last.changed.reason) == ("", "opted_out")
    assert (last.changed.previous_state, last.changed.user_state) == ("foreground", "offline")
    assert last.changed.connections == ("c",)
    assert (log.partition.tally.foreground, log.partition.tally.background) == (0, 0)
    assert [(e.user_id, e.reason) for e in effects.erasures] == [("ada", "opted_out")]


def test_sums_that_they_were_counted_in_stay_and_visits_that_end_by_it_end_in_them() -> None:
    log = Log()
    log.record(0, beat("Home"))
    log.record(5, beat("Cart"))
    log.record(7, ERASE)
    counts = {window[1]: each for window, each in log.effects.windows.minutes.items()}
    assert (counts["Home"].views, counts["Home"].dwell_ms) == (1, 5_000)
    assert (counts["Cart"].views, counts["Cart"].dwell_ms, counts["Cart"].exits) == (1, 2_000, 1)


def test_what_arrives_of_an_opted_out_user_is_dropped_and_their_flag_published_again() -> None:
    log = Log()
    log.record(0, OUT)
    log.record(100, beat())
    assert log.partition.users == {}
    assert log.effects.verdicts == {APPLIED: 1, OPTED_OUT: 1}
    assert log.effects.stragglers == {b"ada"}
    log.record(101, IN, beat())
    assert list(log.partition.users) == ["ada"]
    assert not log.effects.flags[b"ada"].opted_out


def test_an_erased_user_begins_from_nothing_after_the_fence() -> None:
    log = Log()
    log.record(0, Heartbeat(user="ada", token="t", name="Ada", screen="Home"))
    log.record(1, ERASE)
    log.record(30.9, beat())
    assert log.partition.users == {}
    assert log.effects.verdicts[FENCED] == 1
    log.record(31, beat("Cart"))
    ada = log.partition.users["ada"]
    assert (ada.name, ada.screen) == (None, "Cart")
    assert [day.is_new for day in log.effects.user_days] == [True]


def test_an_erasure_of_what_is_older_leaves_a_user_who_was_heard_of_since() -> None:
    log = Log()
    log.record(0, beat("Old"))
    log.record(10, beat("New"))
    older = Erase(user="ada", request="r", before_ms=START + 10_000)
    log.record(20, older)
    assert list(log.partition.users) == ["ada"]
    assert [change.changed.screen for change in log.effects.changes] == ["New"]
    assert log.effects.last_changes == []
    assert [each.before_ms for each in log.effects.erasures] == [START + 10_000]


def test_an_erasure_of_what_is_older_takes_devices_that_were_not_heard_of_since() -> None:
    log = Log()
    old, new = "phone of then", "phone of now"
    log.record(0, Heartbeat(user="ada", token="t", device_id=old, screen="Old"))
    log.record(1, Logout(user="ada", token="t", device_id=old))
    log.record(2, Connect(user="ada", token="u", device_id="tablet", connection="c"))
    log.record(9, Heartbeat(user="ada", token="v", device_id=new, app_state="background"))
    log.record(20, Erase(user="ada", request="r", before_ms=START + 5_000))
    ada = log.partition.users["ada"]
    assert [device.device for device in ada.devices] == [new]
    assert (ada.state, ada.screen, ada.sign_outs) == ("background", None, ())
    assert "then" not in str(log.effects.written(log.partition.users))
    assert (log.partition.tally.foreground, log.partition.tally.background) == (0, 1)
    assert {change.changed.device for change in log.effects.changes} == {new}
    # Its columns are not those of the one device that is left.
    assert user_of_row(presence_row(ada, 0, 7)) == (ada, 7)


def test_an_erasure_of_what_is_older_leaves_a_logout_of_the_devices_that_stay() -> None:
    log = Log()
    for second, device in enumerate(("old", "new")):
        log.record(second, Heartbeat(user="ada", token="t", device_id=device))
    log.record(5, Logout(user="ada", token="t"))
    log.record(50, Heartbeat(user="ada", token="u", device_id="new"))
    log.record(60, Erase(user="ada", request="r", before_ms=START + 10_000))
    [sign_out] = log.partition.users["ada"].sign_outs
    assert (sign_out.token, sign_out.devices) == ("t", ("new",))


def test_a_day_goes_if_it_was_over_before_and_stays_if_its_last_instant_was_not() -> None:
    for before_ms, left in ((2 * DAY_MS - 1, 1), (2 * DAY_MS, 0)):
        effects = Effects(user_days=[UserDay(1, "ada", True, PHONE)])
        effects.forget("ada", before_ms)
        assert len(effects.user_days) == left


def test_the_fence_of_an_erasure_holds_after_a_restart() -> None:
    fenced = StoredFlag(b"ada", opted_out=False, offset=5, fence_until_ms=START + 30_000)
    privacy = Privacy(
        flags=[fenced, StoredFlag(b"bob", opted_out=True, offset=6, fence_until_ms=None)]
    )
    assert privacy.kept_out("ada", START + 29_999) == ("erased", b"ada")
    assert privacy.kept_out("ada", START + 30_000) is None
    assert privacy.kept_out("bob", START + 30_000) == ("opted_out", b"bob")
    privacy.step_back(ClockStep(offset=7, from_ms=START + 20_000, to_ms=START))
    assert privacy.kept_out("ada", START + 9_999) == ("erased", b"ada")
    assert privacy.kept_out("ada", START + 10_000) is None


def test_repeating_is_safe() -> None:
    log = Log()
    log.record(0, beat())
    log.record(1, OUT)
    log.record(2, OUT)
    assert len(log.effects.published()) == 1
    assert log.effects.flags[b"ada"].opted_out


def test_who_comes_back_in_the_batch_of_their_opt_out_was_erased_nevertheless() -> None:
    log = Log()
    log.record(0, OUT)
    log.record(5, IN)
    flag = log.effects.flags[b"ada"]
    assert (flag.opted_out, flag.erased_ms) == (False, START)


def test_an_erasure_of_what_is_older_takes_nothing_back() -> None:
    log = Log()
    log.record(0, ERASE)
    log.record(5, Erase(user="ada", request="u", before_ms=START - 60_000))
    assert log.effects.flags[b"ada"].erased_ms == START


def test_an_opt_in_erases_nothing_and_leaves_the_fence_of_an_erasure() -> None:
    log = Log()
    log.record(0, ERASE)
    log.effects.flags.clear()
    log.record(5, IN)
    flag = log.effects.flags[b"ada"]
    assert (flag.erased_ms, flag.fence_until_ms) == (None, START + 30_000)
