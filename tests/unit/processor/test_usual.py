"""The short ways for the usual heartbeat and navigation say what the long one says."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import fields
from typing import Any

import pytest
from msgspec.structs import replace

from processor.core import partition as partition_module
from processor.core.effects import Effects, Record
from processor.core.partition import Partition
from processor.core.usual import moved_on, still_connected, still_there
from processor.settings import ProcessorSettings
from schemas.log.events import Connect, Disconnect, Event, Heartbeat, Logout, Renew

FIRST = Heartbeat(
    user="u1",
    token="t1",
    name="Ada",
    device_info="Pixel 8",
    app_version="1.0",
    platform="android",
    screen="Home",
)
RENEWAL = Renew(user="u1", token="t1", connection="c1")
POLICY = ProcessorSettings().policy
BEGAN_MS = 1_700_000_000_000
HOUR_MS = 3_600_000
VARIANTS: dict[str, dict[str, Any]] = {
    "the same": {},
    "Unknown": {"screen": "Unknown"},
    "unknown": {"screen": " unknown "},
    "no screen": {"screen": None},
    "a blank screen": {"screen": " "},
    "another screen": {"screen": "Cart"},
    "background": {"screen": "background"},
    "Background": {"screen": "Background"},
    "paused": {"app_state": "paused"},
    "PAUSED": {"app_state": "PAUSED"},
    "resumed": {"app_state": "resumed"},
    "another token": {"token": "t2"},
    "another name": {"name": "Ada L."},
    "no name": {"name": None},
    "a name to be forgotten": {"name": ""},
    "another version": {"app_version": "1.1"},
    "no version": {"app_version": None},
    "a blank version": {"app_version": ""},
    "another platform": {"platform": "ios"},
    "another text": {"device_info": "Pixel 9"},
    "no text": {"device_info": None},
    "an id": {"device_id": "d1"},
    "a claim": {"claimed_device": "Pixel 8"},
    "an id that is the text": {"device_id": "Pixel 8"},
    "a socket": {"connection": "c1"},
    "a socket says Unknown": {"connection": "c1", "screen": "Unknown"},
    "a socket says resumed": {"connection": "c1", "app_state": "resumed"},
    "another socket": {"connection": "c2"},
    "a socket without a name": {"connection": "c1", "device_info": None},
    "a socket of another name": {"connection": "c1", "device_info": "Pixel 9"},
}
RENEWALS: dict[str, dict[str, Any]] = {
    "the same": {},
    "another socket": {"connection": "c2"},
    "another token": {"token": "t2"},
    "a name of the device": {"device_info": "Pixel 8"},
    "a canary": {"canary": True},
}
BEFORE: dict[str, Sequence[Event]] = {
    "nothing": (),
    "a second device": (replace(FIRST, device_info="Tablet", token="t9"),),
    "a socket": (Connect(user="u1", token="t1", device_info="Pixel 8", connection="c1"),),
    "two sockets": (
        Connect(user="u1", token="t1", device_info="Pixel 8", connection="c1"),
        Connect(user="u1", token="t1", device_info="Pixel 8", connection="c2"),
    ),
    "a socket and calls": (
        Connect(user="u1", token="t1", device_info="Pixel 8", connection="c1"),
        FIRST,
    ),
    "a socket in the background": (
        Connect(user="u1", token="t1", device_info="Pixel 8", connection="c1"),
        replace(FIRST, connection="c1", screen="background"),
    ),
    "a lost socket": (
        Connect(user="u1", token="t1", device_info="Pixel 8", connection="c1"),
        Disconnect(user="u1", connection="c1"),
    ),
    "the background": (replace(FIRST, screen="background"),),
    "another phone of the name": (replace(FIRST, token="t7"), FIRST),
    "a forgotten name": (replace(FIRST, name=""),),
    "a logout": (Logout(user="u1", token="t1"),),
    "a screen named Unknown": (replace(FIRST, screen="Unknown"),),
    "another screen": (replace(FIRST, screen="Cart"),),
    "a phone that came back": (replace(FIRST, screen="background"), replace(FIRST, screen="Film")),
    "a canary": (
        Logout(user="u1", token="t9"),
        replace(FIRST, token="t3", canary=True),
        replace(FIRST, token="t3", canary=True),
    ),
}


def states(events: Sequence[Event], after_ms: int) -> list[Any]:
    """Everything that a partition holds and tells after each event."""
    partition = Partition(0, 1, POLICY, next_offset=0)
    found: list[Any] = []
    for offset, event in enumerate(events):
        now_ms = BEGAN_MS + offset * 60_000
        if offset == len(events) - 1:
            now_ms += after_ms
        effects = Effects()
        partition.apply(Record(offset, now_ms, (event,)), effects)
        found.append(
            (dict(partition.users), {f.name: getattr(effects, f.name) for f in fields(effects)})
        )
    return found


@pytest.mark.parametrize("variant", VARIANTS)
def test_it_is_as_the_long_way_has_it(monkeypatch: pytest.MonkeyPatch, variant: str) -> None:
    logs = [
        ([FIRST, *before, event, replace(event, screen="Film")], after_ms)
        for before in BEFORE.values()
        for screen in ("Home", "Film")
        for event in (replace(FIRST, **{"screen": screen, **VARIANTS[variant]}),)
        for after_ms in (0, 30_000, 200_000, 25 * HOUR_MS)
    ]
    assert_as_the_long_way(monkeypatch, logs)


@pytest.mark.parametrize("variant", RENEWALS)
def test_a_renewal_is_as_the_long_way_has_it(monkeypatch: pytest.MonkeyPatch, variant: str) -> None:
    renewal = replace(RENEWAL, **RENEWALS[variant])
    assert_as_the_long_way(
        monkeypatch,
        [
            ([FIRST, *before, renewal, replace(FIRST, screen="Film"), renewal], after_ms)
            for before in BEFORE.values()
            for after_ms in (0, 30_000, 200_000, 25 * HOUR_MS)
        ],
    )


def assert_as_the_long_way(
    monkeypatch: pytest.MonkeyPatch, logs: Sequence[tuple[Sequence[Event], int]]
) -> None:
    short = [repr(states(*log)) for log in logs]
    for way in ("still_there", "still_connected", "moved_on"):
        monkeypatch.setattr(partition_module, way, lambda *_: None)
    assert short == [repr(states(*log)) for log in logs]


def test_the_usual_heartbeat_goes_the_short_way(monkeypatch: pytest.MonkeyPatch) -> None:
    taken = watched(monkeypatch, "still_there", still_there)
    states([FIRST, FIRST, replace(FIRST, screen="Unknown"), replace(FIRST, screen="Cart")], 0)
    assert taken == [True, True, False]
    taken.clear()
    # Neither grid is that of the policy's period.
    states([FIRST, replace(FIRST, screen="Unknown"), replace(FIRST, screen="Unknown")], 30_000)
    assert taken == [True, True]
    taken.clear()
    states([replace(FIRST, name=""), replace(FIRST, name="")], 0)
    assert taken == [True]


def test_the_usual_navigation_goes_the_short_way(monkeypatch: pytest.MonkeyPatch) -> None:
    taken = watched(monkeypatch, "moved_on", moved_on)
    states([FIRST, FIRST, replace(FIRST, screen="Cart"), replace(FIRST, screen="Film")], 0)
    assert taken == [True, True]
    taken.clear()
    states([FIRST, replace(FIRST, screen="Cart", app_version="2.0")], 0)
    assert taken == [False]


def test_what_the_only_socket_says_goes_the_short_way(monkeypatch: pytest.MonkeyPatch) -> None:
    opened = Connect(user="u1", token="t1", device_info="Pixel 8", connection="c1")
    frame = replace(FIRST, connection="c1")
    taken = watched(monkeypatch, "still_connected", still_connected)
    states([FIRST, opened, RENEWAL, RENEWAL, replace(RENEWAL, connection="c2")], 0)
    assert taken == [True, True, False]
    taken = watched(monkeypatch, "still_there", still_there)
    states([FIRST, opened, frame, replace(frame, screen="Unknown")], 0)
    assert taken == [True, True]
    taken = watched(monkeypatch, "moved_on", moved_on)
    states([FIRST, opened, replace(frame, screen="Cart"), replace(frame, screen="Film")], 0)
    assert taken == [True, True]


def watched(monkeypatch: pytest.MonkeyPatch, name: str, way: Callable[..., object]) -> list[bool]:
    """Whether an event that was looked at went ``way``."""
    taken: list[bool] = []

    def asked(*arguments: Any) -> object:
        found = way(*arguments)
        taken.append(found is not None)
        return found

    monkeypatch.setattr(partition_module, name, asked)
    return taken
