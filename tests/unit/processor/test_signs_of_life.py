"""Which events leave a narrow row of ``signs_of_life``, and which a whole row of ``presence``.

That the rest of what is stored is what the whole row would say is held by every log that
``tests/unit/processor/presence_logs.py`` plays.
"""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from msgspec.structs import replace

from processor.core.analytics.screen_names import DAY_MS
from processor.core.effects import Effects, Record
from processor.core.partition import Partition
from processor.settings import ProcessorSettings
from schemas.log.events import Connect, Disconnect, Erase, Event, Heartbeat, Logout, Renew

BEGAN_MS = 1_700_000_000_000
BEAT = Heartbeat(user="ada", token="t1", name="Ada", device_id="phone", screen="Home")
OPENED = Connect(user="ada", token="t1", device_id="phone", connection="c1")
TABLET = replace(BEAT, device_id="tablet")
HEARD: dict[str, Sequence[Event]] = {
    "the same": (BEAT, BEAT),
    "Unknown": (BEAT, replace(BEAT, screen="Unknown")),
    "a timer that is not on its grid": (BEAT, *3 * (replace(BEAT, screen="Unknown"),)),
    "another token": (BEAT, replace(BEAT, token="t2")),
    "in the background": (replace(BEAT, screen="background"), replace(BEAT, screen="background")),
    "a socket that opens": (BEAT, OPENED),
    "a frame": (OPENED, replace(BEAT, name=None, screen=None, connection="c1")),
    "a renewal": (OPENED, Renew(user="ada", token="t1", connection="c1")),
    "a socket that is lost": (OPENED, Disconnect(user="ada", connection="c1")),
}
TOUCHED: dict[str, Sequence[Event]] = {
    "a first sign of life": (BEAT,),
    "a navigation": (BEAT, replace(BEAT, screen="Cart")),
    "background": (BEAT, replace(BEAT, screen="background")),
    "another name": (BEAT, replace(BEAT, name="Ada L.")),
    "another version": (BEAT, replace(BEAT, app_version="2")),
    "a second device": (BEAT, TABLET),
    "one of two devices": (BEAT, TABLET, TABLET),
    "a logout": (BEAT, Logout(user="ada", token="t1")),
    "a mark that gave way": (
        replace(BEAT, device_id=None, device_info="Flutter App"),
        replace(BEAT, device_id=None, device_info="Flutter App", token="t2"),
        replace(BEAT, device_id=None, device_info="Flutter App", token="t2"),
    ),
    "what is left after an erasure": (
        BEAT,
        replace(BEAT, screen="Cart"),
        Erase(user="ada", request="r", before_ms=BEGAN_MS + 1_000),
    ),
}


def effects_of(events: Sequence[Event], *, together: int = 1) -> Effects:
    """Of the batch of the last so many events, each a record of its own, a second apart."""
    partition = Partition(0, 1, ProcessorSettings().policy, next_offset=0)
    for offset, event in enumerate(events):
        if offset in (0, len(events) - together):
            effects = Effects()
        partition.apply(Record(offset, BEGAN_MS + 1_000 * offset, (event,)), effects)
    return effects


@pytest.mark.parametrize("kind", HEARD)
def test_what_nobody_sees_leaves_a_sign_of_life(kind: str) -> None:
    effects = effects_of(HEARD[kind])
    assert (effects.heard, effects.touched) == ({"ada": len(HEARD[kind]) - 1}, {})


@pytest.mark.parametrize("kind", TOUCHED)
def test_what_changes_anything_else_leaves_a_whole_row(kind: str) -> None:
    effects = effects_of(TOUCHED[kind])
    assert effects.touched == {"ada": len(TOUCHED[kind]) - 1}
    assert effects.only_heard({}) == []


def test_the_first_one_of_a_day_leaves_a_whole_row() -> None:
    """The days on which a user was active are there."""
    partition = Partition(0, 1, ProcessorSettings().policy, next_offset=0)
    left = []
    for offset in range(4):
        effects = Effects()
        midnight_ms = 20_000 * DAY_MS
        partition.apply(Record(offset, midnight_ms + 1_000 * (offset - 2), (BEAT,)), effects)
        left.append(bool(effects.touched))
    assert left == [True, False, True, False]


def test_a_batch_with_both_leaves_a_whole_row_of_the_later_one() -> None:
    cart = replace(BEAT, screen="Cart")
    for events in ((BEAT, BEAT, cart, cart), (BEAT, cart, cart, cart)):
        effects = effects_of(events, together=3)
        assert (effects.touched, effects.only_heard({})) == ({"ada": 3}, [])


def test_a_session_that_is_marked_or_no_longer_leaves_a_whole_row() -> None:
    """That it runs on in the background is shown (``processor/core/timers.py``)."""
    policy = replace(ProcessorSettings().policy, background_timer_ms=0)
    partition = Partition(0, 1, policy, next_offset=0)
    screens = ("Home", "background", "Unknown", "Unknown", "Unknown", "Unknown", "Home")
    left = []
    for offset, screen in enumerate(screens):
        effects = Effects()
        event = replace(BEAT, screen=screen)
        partition.apply(Record(offset, BEGAN_MS + 120_000 * offset, (event,)), effects)
        timer = partition.users["ada"].devices[0].timer
        left.append((bool(effects.touched), timer is not None and timer.runs_on))
    # The first two may be a timer, the third one is.
    assert left[3:] == [(False, False), (True, True), (False, True), (True, False)]
