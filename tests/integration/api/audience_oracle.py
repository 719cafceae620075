"""A small fleet whose every device is known, filters at random, and who is in their audiences.

By brute force, in plain Python, from devices and their spans; nothing here has seen the SQL.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from psycopg.types.json import Jsonb

from tests.integration.analytics.analytics_rows import AnalyticsTable

AS_OF = datetime(2026, 3, 30, 12, tzinfo=UTC)
#: Few instants, so that ends of spans and of periods often meet.
STEP = timedelta(minutes=30)
STEPS = 24
SCREENS = ["Home", "Cart", "=Paid", "Café 😀"]
#: Place in the order of versions, and build.
VERSIONS = {
    "nightly": (0, 0),
    "0.9": (1, 0),
    "1.0.0-rc.1": (2, 0),
    "1.0": (3, 0),
    "v1.0.0": (3, 0),
    "1.0.0+5": (3, 5),
    "1.0.0 (57)": (3, 57),
    "1.9": (4, 0),
    "1.10.0": (5, 0),
}
DEVICES = {"iPhone 13": "ios", "Pixel 9": "android", "Toaster": None, None: None}
IDS = ["=1+1", "+49151", "a,b", 'c"d', "é😀", "a/b|c@d", "x" * 256]


@dataclass
class Span:
    """In the foreground on a screen; ``end`` is ``None`` while it is open."""

    screen: str | None
    start: datetime
    end: datetime | None


@dataclass
class Device:
    name: str
    state: str
    screen: str | None
    changed_at: datetime
    last_active: datetime
    app_version: str | None
    device_info: str | None
    platform: str | None
    spans: list[Span] = field(default_factory=list)

    @property
    def online(self) -> bool:
        return self.state != "offline"


@dataclass
class User:
    user_id: str
    devices: list[Device]

    @property
    def shown(self) -> Device:
        """The device that gives state and screen (design, section 2)."""
        rank = {"foreground": 0, "background": 1, "offline": 2}
        return min(self.devices, key=lambda d: (rank[d.state], AS_OF - d.changed_at, d.name))

    @property
    def last_active(self) -> datetime:
        return max(device.last_active for device in self.devices)


def random_fleet(rng: random.Random, size: int) -> list[User]:
    ids = [*IDS, *(f"user-{number}" for number in range(size - len(IDS)))]
    return [User(user_id, _devices(rng)) for user_id in ids]


def _devices(rng: random.Random) -> list[Device]:
    return [_device(rng, f"d{number}") for number in range(rng.choice([1, 1, 2, 3]))]


def _device(rng: random.Random, name: str) -> Device:
    state = rng.choice(["foreground", "background", "offline", "offline"])
    changed = AS_OF - rng.randrange(STEPS) * STEP
    device = Device(
        name,
        state,
        rng.choice([None, *SCREENS]) if state != "offline" else None,
        changed,
        changed + rng.randrange(1 + (AS_OF - changed) // STEP) * STEP,
        rng.choice([None, *VERSIONS]),
        rng.choice(list(DEVICES)),
        rng.choice([None, "", "iOS", "android", "Web"]),
    )
    at = AS_OF - STEPS * STEP
    while rng.random() < 0.7:
        start = at + rng.randrange(6) * STEP
        at = start + rng.randrange(4) * STEP  # some of no length
        if at > changed:
            break
        device.spans.append(Span(rng.choice([None, *SCREENS]), start, at))
    if state == "foreground":
        device.spans.append(Span(device.screen, changed, None))
    return device


def write(table: AnalyticsTable, fleet: list[User]) -> None:
    """As the processor would."""
    table.log_time(AS_OF)
    offset = 0
    spans = []
    for user in fleet:
        shown = user.shown
        table.user(
            user.user_id,
            shown.state,
            screen=shown.screen,
            changed_at=shown.changed_at,
            last_active=user.last_active,
            device=shown.name,
            device_count=sum(device.online for device in user.devices),
            app_version=shown.app_version,
            device_info=shown.device_info,
            platform=shown.platform,
            stay=_stay(shown),
            devices=Jsonb([_stored(d) for d in user.devices]) if len(user.devices) > 1 else None,
        )
        for device in user.devices:
            for span in device.spans:
                if span.end is None:
                    continue
                offset += 1
                spans.append(
                    {
                        "shown_until": span.end + timedelta(minutes=5),
                        "partition": 0,
                        "log_offset": offset,
                        "event_index": 0,
                        "ordinal": 0,
                        "user_id": user.user_id,
                        "device": device.name,
                        "state": "foreground",
                        "screen": span.screen,
                        "started_at": span.start,
                        "changed_at": span.start,
                        "ended_at": span.end,
                        "ended_by": "timed_out",
                        "is_view": True,
                        "session_start": span.start,
                        "online_since": span.start,
                    }
                )
    # In the background on a screen: nobody sees it.
    hidden = [
        {**each, "state": "background", "log_offset": 10_000 + n, "user_id": fleet[0].user_id}
        for n, each in enumerate(spans)
    ]
    table.insert("spans", [*spans, *hidden])
    table.run("ANALYZE")


def _stay(device: Device) -> Jsonb | None:
    if device.state != "foreground":
        return None
    return Jsonb({"since_ms": _ms(device.changed_at), "views": 1, "visits": 1})


def _stored(device: Device) -> dict[str, Any]:
    stay = {"stay": {"since_ms": _ms(device.changed_at)}} if device.state == "foreground" else {}
    return {
        "device": device.name,
        "state": device.state,
        "reason": "navigated",
        "screen": device.screen,
        "app_version": device.app_version,
        "device_info": device.device_info,
        "platform": device.platform,
        "changed_ms": _ms(device.changed_at),
        "last_active_ms": _ms(device.last_active),
        **stay,
    }


def _ms(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)


def random_filters(rng: random.Random, fleet: list[User]) -> Iterator[dict[str, Any]]:
    """Without end; each has few conditions, or nobody would be left."""
    while True:
        conditions: dict[str, Any] = {
            "last_active": _period(rng),
            "online": rng.random() < 0.6,
            "state": rng.choice(["foreground", "background"]),
            "screen": rng.choice(SCREENS),
            "saw": {"screen": rng.choice(SCREENS), **_period(rng, started=True)},
            "did_not_see": {"screen": rng.choice(SCREENS), **_period(rng, started=True)},
            "app_version": {
                "op": rng.choice(["<", "<=", "=", ">=", ">"]),
                "version": rng.choice(list(VERSIONS)),
            },
            "platform": rng.choice(["ios", "Android", "WEB", "amiga"]),
            "exclude_user_ids": [*rng.sample([u.user_id for u in fleet], 5), "nobody"],
        }
        wanted = dict(rng.sample(sorted(conditions.items()), rng.choice([0, 1, 1, 2, 2, 3])))
        if wanted.get("online") is False:
            wanted = {k: v for k, v in wanted.items() if k not in ("state", "screen")}
        if rng.random() < 0.4:
            wanted["cap"] = rng.choice([1, 3, 10, 1_000])
            if rng.random() < 0.5:
                wanted["seed"] = rng.choice(["spring", "é", "a\\b"])
        yield wanted


def _period(rng: random.Random, *, started: bool = False) -> dict[str, Any]:
    """Of instants on the grid; at least one bound."""
    first, last = sorted(rng.sample(range(STEPS + 1), 2))
    start, end = AS_OF - last * STEP, AS_OF - first * STEP
    bounds: dict[str, Any] = {}
    if started or rng.random() < 0.8:
        if rng.random() < 0.5:
            bounds["from"] = start.isoformat()
        else:
            bounds["within_seconds"] = last * int(STEP.total_seconds())
    if not bounds or rng.random() < 0.6:
        if rng.random() < 0.5 or first == 0:
            bounds["to"] = end.isoformat()
        else:
            bounds["not_within_seconds"] = first * int(STEP.total_seconds())
    return bounds


def matching(fleet: list[User], wanted: dict[str, Any]) -> set[str]:
    """Without regard to the cap."""
    return {user.user_id for user in fleet if _matches(user, wanted)}


def drawn(user_ids: set[str], wanted: dict[str, Any]) -> set[str]:
    """Those whom the cap leaves."""
    seed = wanted.get("seed", "")
    order = sorted(user_ids, key=lambda each: hashlib.sha256(f"{seed}\n{each}".encode()).digest())
    return set(order[: wanted.get("cap")])


def _matches(user: User, wanted: dict[str, Any]) -> bool:
    shown = user.shown
    if "last_active" in wanted:
        start, end = _instants(wanted["last_active"])
        if not start <= user.last_active < end:
            return False
    if "online" in wanted and wanted["online"] != shown.online:
        return False
    if "state" in wanted and wanted["state"] != shown.state:
        return False
    if "screen" in wanted and wanted["screen"] != shown.screen:
        return False
    if "saw" in wanted and not _saw(user, wanted["saw"]):
        return False
    if "did_not_see" in wanted and _saw(user, wanted["did_not_see"]):
        return False
    if "app_version" in wanted and not _compares(shown.app_version, **wanted["app_version"]):
        return False
    if "platform" in wanted:
        platform = (shown.platform or "").lower() or DEVICES[shown.device_info]
        if platform != wanted["platform"].lower():
            return False
    return user.user_id not in wanted.get("exclude_user_ids", [])


def _saw(user: User, sight: dict[str, Any]) -> bool:
    start, end = _instants(sight)
    for device in user.devices:
        for span in device.spans:
            if span.screen != sight["screen"]:
                continue
            if span.start < end and (span.end is None or span.end > start or span.start >= start):
                return True
    return False


def _compares(text: str | None, op: str, version: str) -> bool:
    if text is None:
        return False
    place, build = VERSIONS[text]
    wanted, wanted_build = VERSIONS[version]
    one = (place, build if wanted_build else 0)
    other = (wanted, wanted_build)
    comparisons = {"<": one < other, "=": one == other, ">": one > other}
    return any(comparisons[each] for each in ("<", "=", ">") if each in op)


def _instants(period: dict[str, Any]) -> tuple[datetime, datetime]:
    start = datetime.min.replace(tzinfo=UTC)
    end = datetime.max.replace(tzinfo=UTC)
    if "from" in period:
        start = datetime.fromisoformat(period["from"])
    if "within_seconds" in period:
        start = AS_OF - timedelta(seconds=period["within_seconds"])
    if "to" in period:
        end = datetime.fromisoformat(period["to"])
    if "not_within_seconds" in period:
        end = AS_OF - timedelta(seconds=period["not_within_seconds"])
    return start, end
