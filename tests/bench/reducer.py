"""``make bench-reducer``: CPU µs that the reducer takes for a usual heartbeat, for the renewal of a
user's only socket and for a navigation, in one run by the short way (``processor/core/usual.py``),
by the long one, and by the long one without what tells phones of one name apart
(``processor/core/twins.py``).

The usual heartbeat changes nothing: a phone with one device says that it is still there. Without
means that a device is found by its name alone, as if no two phones could share one. Rounds of all
take turns, and the medians of their ratios count: other programs disturb all alike.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import chain, cycle, product
from statistics import median
from unittest.mock import patch

import typer
from rich.console import Console
from rich.table import Table

from processor.core import partition, presence
from processor.core.devices import find
from processor.core.effects import Effects, Record
from processor.core.model import Device, Replaced, User
from processor.core.partition import Partition
from processor.core.sockets import device_of_connection
from processor.settings import ProcessorSettings
from schemas.log.events import ClientEvent, Connect, Heartbeat, Renew
from tests.bench.smoke import Smoke, check_measured

EVENTS_PER_RECORD = 100
#: What a phone calls itself: ``device_id`` and ``device_info``.
NAMINGS: dict[str, tuple[str | None, str | None]] = {
    "the guide's app": (None, "Flutter App"),
    "an id and a text": ("8f2c41d09b7e", "Pixel 9 / Android 16"),
    "an id alone": ("8f2c41d09b7e", None),
}
console = Console()


OPENED, RENEWED = "opened", "renewed"
#: What is reported of the screen, or of a socket, in turns; what is reported first.
SAYING = {
    "a heartbeat": ("Unknown", ("Unknown",)),
    "a renewal": (OPENED, (RENEWED,)),
    "a navigation": ("Cart", ("Home", "Cart")),
}


def beats(
    naming: tuple[str | None, str | None], users: int, said: str
) -> list[tuple[ClientEvent, ...]]:
    """One of every user, by record."""
    every: list[ClientEvent] = []
    for n in range(users):
        user, token, connection = f"user-{n:08d}", f"sha256:{n:022d}", f"connection-{n}"
        device_id, info = naming
        if said == RENEWED:
            every.append(Renew(user, token, connection))
        elif said == OPENED:
            opened = Connect(
                user,
                token,
                device_id=device_id,
                device_info=info,
                connection=connection,
            )
            every.append(opened)
        else:
            beat = Heartbeat(
                user,
                token,
                device_id=device_id,
                device_info=info,
                app_version="1.0.0",
                screen=said,
            )
            every.append(beat)
    return [tuple(every[n : n + EVENTS_PER_RECORD]) for n in range(0, users, EVENTS_PER_RECORD)]


class Rounds:
    """A partition in which everybody is heard once a round, and was ``first`` before."""

    def __init__(
        self,
        first: list[tuple[ClientEvent, ...]],
        rounds: list[list[tuple[ClientEvent, ...]]],
    ) -> None:
        self._records = chain([first], cycle(rounds))
        self._partition = Partition(0, 1, ProcessorSettings().policy, next_offset=0)
        self._now_ms = 1_700_000_000_000
        self.seconds: list[float] = []

    def run(self) -> None:
        offset = self._partition.next_offset
        self._now_ms += 90_000
        effects = Effects()
        records = [
            Record(offset + n, self._now_ms, events) for n, events in enumerate(next(self._records))
        ]
        began = time.process_time()
        for record in records:
            self._partition.apply(record, effects)
        self.seconds.append(time.process_time() - began)


def without_twins() -> Callable[[Rounds], None]:
    """A round's reducer by names alone."""

    def device_of(user: User, event: Heartbeat | Renew, now_ms: int) -> tuple[str, Device | None]:
        if event.connection is not None:
            device = device_of_connection(user, event.connection, now_ms)
            if device is not None:
                return device.device, device
        named = event.device_id or event.claimed_device or event.device_info or "default"
        return named, find(user, named)

    def replaced_after(_device: Device, _event: Heartbeat | Renew) -> tuple[Replaced, ...]:
        return ()

    def run(rounds: Rounds) -> None:
        with (
            patch.object(partition, "still_there", lambda *_: None),
            patch.object(partition, "moved_on", lambda *_: None),
            patch.object(partition, "still_connected", lambda *_: None),
            patch.object(presence, "device_of", device_of),
            patch.object(presence, "replaced_after", replaced_after),
        ):
            rounds.run()

    return run


def long_way(rounds: Rounds) -> None:
    """A round as if no event were usual."""
    with (
        patch.object(partition, "still_there", lambda *_: None),
        patch.object(partition, "moved_on", lambda *_: None),
        patch.object(partition, "still_connected", lambda *_: None),
    ):
        rounds.run()


def main(users: int = 1_000, rounds: int = 200, *, smoke: Smoke = False) -> None:
    if smoke:
        users, rounds = 200, 2
    columns = ("short", "long", "without twins")
    ratios = ("short ÷ long", "long ÷ without")
    table = Table("of", "what", *(f"µs {name}" for name in columns), *ratios)
    figures: dict[str, float] = {}
    plain = without_twins()
    for (what, (first_said, said)), (name, naming) in product(SAYING.items(), NAMINGS.items()):
        began = beats(naming, users, first_said)
        records = [beats(naming, users, each) for each in said]
        short, told_apart, by_name = (Rounds(began, records) for _ in range(3))
        for _ in range(rounds + 1):  # the first begins the sessions
            short.run()
            long_way(told_apart)
            plain(by_name)
        first, second = (
            median(one / other for one, other in zip(a.seconds, b.seconds, strict=True))
            for a, b in ((short, told_apart), (told_apart, by_name))
        )
        figures[f"{what} {name}"] = first
        micros = [f"{1e6 * median(r.seconds) / users:.2f}" for r in (short, told_apart, by_name)]
        table.add_row(name, what, *micros, f"{first:.3f}", f"{second:.3f}")
    check_measured(figures)
    console.print(table)


if __name__ == "__main__":
    typer.run(main)
