"""A partition told as a story: what phones do at which second, and what is shown then.

Virtual time only, in seconds from the first record on. Ticks come every 10 s while nothing
happens, so that no silence is taken for an outage unless the story wants one.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from processor.core.model import Policy
from schemas.log.events import BadEvent, Connect, Disconnect, Event, Heartbeat, Logout, Renew, Tick
from tests.unit.processor.presence_logs import Processor, Written

START_MS = 1_700_000_000_000
TICK_SECONDS = 10
#: The default settings: a heartbeat interval of 90 s.
POLICY = Policy(offline_after_ms=300_000, logout_fence_ms=30_000, reconnect_grace_ms=200_000)


class Story:
    """Every record is a batch of its own, so everything goes through the rows' form."""

    def __init__(self, policy: Policy = POLICY) -> None:
        self.processor = Processor(policy)
        self.now = 0.0

    # -- what happens

    def record(self, *events: Event | BadEvent, at: float | None = None) -> None:
        """One record at ``now``, or with another time of the broker."""
        timestamp = START_MS + round((self.now if at is None else at) * 1000)
        self.processor.batch([Written(timestamp, events)])

    def wait(self, seconds: float) -> Story:
        """Ticks until so many seconds later."""
        end = self.now + seconds
        while self.now < end:
            self.now = min(self.now + TICK_SECONDS, end)
            self.record(Tick())
        return self

    def outage(self, seconds: float) -> Story:
        """Nothing at all is logged for so many seconds."""
        self.now += seconds
        self.record(Tick())
        return self

    def beat(self, device: str | None = None, screen: str | None = None, **fields: Any) -> Story:
        """A heartbeat, of user ann with token t1 unless ``fields`` tell otherwise."""
        self.record(heartbeat(device, screen, **fields))
        return self

    def logout(self, device: str | None = None, **fields: Any) -> Story:
        self.record(logout(device, **fields))
        return self

    def connect(self, connection: str, device: str | None = "a", **fields: Any) -> Story:
        """A socket opens; beats of it have ``connection`` among their fields."""
        given = {"user": "ann", "token": "t1", **fields}
        self.record(Connect(connection=connection, device_id=device, **given))
        return self

    def renew(self, connection: str, device: str | None = "a", **fields: Any) -> Story:
        given = {"user": "ann", "token": "t1", **fields}
        self.record(Renew(connection=connection, device_id=device, **given))
        return self

    def hang_up(self, connection: str, **fields: Any) -> Story:
        """A socket is gone: ``by_server`` and ``silent_ms`` tell how."""
        self.record(Disconnect(**{"user": "ann", "connection": connection, **fields}))
        return self

    # -- what is shown

    def user(self, user: str = "ann") -> dict[str, Any]:
        return self.processor.stored()[user]

    def shown(self, user: str = "ann") -> tuple[str, str | None]:
        row = self.user(user)
        return row["state"], row["screen"]

    def devices(self, user: str = "ann") -> dict[str, dict[str, Any]]:
        row = self.user(user)
        remembered = (
            json.loads(row["devices"])
            if row["devices"] is not None
            else [{**row, "sockets": row["sockets"] and json.loads(row["sockets"])}]
        )
        return {device["device"]: device for device in remembered}

    def device(self, device: str = "a", user: str = "ann") -> tuple[str, str | None]:
        found = self.devices(user)[device]
        return found["state"], found["screen"]

    def connections(self, device: str = "a", user: str = "ann") -> list[str]:
        """Those that are open, the least recently seen first."""
        sockets = self.devices(user)[device]["sockets"] or {"connections": ()}
        now = self.processor.log_time_ms or 0
        return [name for name, forgotten in sockets["connections"] if now < forgotten]

    def went(self, device: str = "a", user: str = "ann") -> tuple[str, float]:
        """Why the device is offline, and since when."""
        found = self.devices(user)[device]
        assert found["state"] == "offline"
        return found["reason"], self.seconds(found["changed_ms"])

    def reasons(self) -> list[tuple[str, str]]:
        """Device and reason of every change so far."""
        return [(c.changed.device, c.changed.reason) for c in self.processor.changes]

    def signed_out(self) -> list[tuple[str, tuple[str, ...]]]:
        """Device and connections of every change that names some."""
        changes = [change.changed for change in self.processor.changes]
        return [(c.device, c.connections) for c in changes if c.connections]

    def verdicts(self) -> list[str]:
        return self.processor.verdicts

    def seconds(self, milliseconds: int) -> float:
        """A stored time in the story's seconds."""
        return (milliseconds - START_MS) / 1000


def heartbeat(device: str | None = None, screen: str | None = None, **fields: Any) -> Heartbeat:
    given = {"user": "ann", "token": "t1", **fields}
    return Heartbeat(device_id=device, screen=screen, **given)


def logout(device: str | None = None, **fields: Any) -> Logout:
    given = {"user": "ann", "token": "t1", **fields}
    return Logout(device_id=device, **given)


def beats(count: int, names: Sequence[str] | None = None) -> list[Heartbeat]:
    """Heartbeats of so many devices: d00, d01, …"""
    return [heartbeat(name) for name in names or [f"d{n:02}" for n in range(count)]]
