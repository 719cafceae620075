"""A small fleet as the processor would have left it in PostgreSQL, for pages to show."""

from __future__ import annotations

import math
import random
import threading
from datetime import datetime, timedelta
from typing import Any

from tests.rigs.api_harness import Table

SCREENS = (
    *("Home", "Home", "Home", "Product", "Product", "Cart", "Search", "Search"),
    *("Checkout", "Film", "Film", "Profile", None),
)
PHONES = (
    ("Pixel 9", "android", "2.4.1"),
    ("iPhone 16", "ios", "2.4.1"),
    ("Galaxy S24", "android", "2.4.0"),
    ("iPhone 15", "ios", "2.3.9"),
    ("iPad Air", None, "2.4.1"),
    ("Redmi Note 13", None, None),
)
NAMES = ("Ada Lovelace", "Grace Hopper", "Alan Turing", "Edsger Dijkstra", "Barbara Liskov", None)


class LogTime:
    """Lets log time go on once a second, as a processor that keeps up does."""

    def __init__(self, database_url: str) -> None:
        self._table = Table(database_url)
        self._online = (0, 0)
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def count(self, *, foreground: int = 0, background: int = 0) -> None:
        """From now on so many users are online."""
        self._online = (foreground, background)

    def stop(self) -> None:
        """As a processor that is killed."""
        self._stopped.set()
        self._thread.join()
        self._table.close()  # does nothing the second time

    def _run(self) -> None:
        while not self._stopped.wait(0.5):
            foreground, background = self._online
            self._table.offsets(0, foreground=foreground, background=background)


class Fleet:
    """Writes it."""

    def __init__(self, table: Table, seed: int = 7) -> None:
        self._table = table
        self._random = random.Random(seed)
        self._offset = 0

    def online(self, users: int) -> dict[str, int]:
        """So many users online; how many are in the foreground and in the background."""
        counts = {"foreground": 0, "background": 0}
        for number in range(users):
            state = "background" if number % 5 == 4 else "foreground"
            counts[state] += 1
            device, platform, version = self._random.choice(PHONES)
            self._table.user(
                f"user-{number}",
                state,
                name=NAMES[number % len(NAMES)],
                screen=self._random.choice(SCREENS),
                device_info=device,
                platform=platform,
                app_version=version,
                changed_at=self.now(),
                online_since=self.now() - timedelta(minutes=5),
            )
        return counts

    def change(self, user_id: str, reason: str, state: str = "foreground", **columns: Any) -> None:
        """A change of the user's only device, a moment ago."""
        self._offset += 1
        row = {
            "at": self.now(),
            "partition": 0,
            "log_offset": self._offset,
            "event_index": 0,
            "ordinal": 0,
            "user_id": user_id,
            "device": "phone",
            "reason": reason,
            "previous_state": "offline" if reason == "started" else "foreground",
            "state": state,
            "user_state": state,
            "user_screen": columns.get("screen"),
            **columns,
        }
        self._insert("changes", row)

    def come(self, user_id: str, *, name: str, screen: str) -> None:
        """A user comes online."""
        at = self.now()
        self._table.user(user_id, name=name, screen=screen, online_since=at, changed_at=at)
        self.change(user_id, "started", screen=screen, at=at)

    def story(self) -> None:
        """A change of every kind."""
        self.come("user-0", name="Ada Lovelace", screen="Home")
        self.change("user-1", "navigated", screen="Product", previous_screen="Home")
        self.change("user-2", "backgrounded", "background", screen="Cart")
        self.change("user-3", "resumed", screen="Checkout", previous_state="background")
        self.change("user-4", "logged_out", "offline")
        self.change("user-5", "timed_out", "offline")
        self.change("user-11", "disconnected", "offline")
        self.change("user-7", "navigated", screen="Search", previous_screen="Home")

    def hours(self, online: int) -> None:
        """Samples of the last hour, and of the same hour yesterday and last week."""
        now = self.now()
        last = now.replace(second=now.second // 10 * 10, microsecond=0)
        samples: list[tuple[datetime, int]] = []
        for days, share in ((0, 1.0), (1, 0.8), (7, 0.65)):
            for step in range(0, 3600, 10):
                at = last - timedelta(days=days, seconds=step)
                wave = 0.85 + 0.15 * math.cos(step / 700 + days) + self._random.uniform(-0.01, 0.01)
                samples.append((at, round(online * share * wave)))
        self._table.run(
            'INSERT INTO concurrency_samples (at, "partition", foreground, background)'
            " SELECT at, 0, users * 4 / 5, users - users * 4 / 5"
            " FROM unnest(%s::timestamptz[], %s::int[]) AS samples (at, users)",
            *map(list, zip(*samples, strict=True)),
        )

    def quarter(self, at: datetime, peak: int) -> None:
        """A quarter-hour that is rolled up, with its peak."""
        self._insert(
            "concurrency_quarters",
            {
                "quarter": at,
                "samples": 90,
                "foreground_sum": peak * 70,
                "background_sum": peak * 10,
                "peak_online": peak,
                "peak_online_at": at,
                "peak_foreground": peak,
                "peak_foreground_at": at,
            },
        )
        self._table.run(
            "INSERT INTO rollup_progress VALUES ('quarters', %s)", at + timedelta(minutes=15)
        )

    def now(self) -> datetime:
        [(now,)] = self._table.run("SELECT date_trunc('milliseconds', clock_timestamp())")
        assert isinstance(now, datetime)
        return now

    def _insert(self, table: str, row: dict[str, Any]) -> None:
        names = ", ".join(f'"{name}"' for name in row)
        places = ", ".join(["%s"] * len(row))
        self._table.run(f"INSERT INTO {table} ({names}) VALUES ({places})", *row.values())
