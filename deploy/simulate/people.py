"""Who the simulated people are and what they hold in their hands. PURE.

A person is a number and a seed: both together always give the same name, app and phone, however
many others there are. Most have one phone, a few a tablet beside it.

The app is in the field in several versions. Those before 2.0 are the published sample: HTTP, a
timer of two minutes (three in the oldest), no ``device_id``. From 2.0 on it keeps a WebSocket.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Final

TABLET_SHARE: Final = 0.06

_GIVEN_NAMES: Final = (
    *("Ada", "Amara", "Anouk", "Bilal", "Björn", "Carlos", "Chiara", "Dalia", "Diego", "Elif"),
    *("Emeka", "Fatima", "Freya", "Giulia", "Hana", "Ines", "Ivan", "Jonas", "Kenji", "Łukasz"),
    *("Leila", "Mateo", "Mei", "Nadia", "Noah", "Olga", "Priya", "Ravi", "Sofía", "Tomás"),
    *("Uma", "Vera", "Wanjiru", "Yara", "Zoë"),
)
_FAMILY_NAMES: Final = (
    *("Abe", "Adeyemi", "Bauer", "Costa", "Dubois", "Eriksen", "Fischer", "García", "Haddad"),
    *("Ivanova", "Jansen", "Kaya", "Kowalska", "Lee", "Lovelace", "Martin", "Mbeki", "Müller"),
    *("Nakamura", "Nguyen", "O'Brien", "Okafor", "Patel", "Quispe", "Rossi", "Sato", "Silva"),
    *("Tanaka", "Vargas", "Wang", "Yılmaz", "Zhang"),
)


@dataclass(frozen=True, slots=True)
class App:
    """A version in the field. ``timer_seconds``: between the sample's beats; ``None`` where a
    socket makes them needless."""

    version: str
    share: float
    timer_seconds: float | None


@dataclass(frozen=True, slots=True)
class Device:
    """A model with its system. ``keeps_sockets``: in the background, until the app is ended."""

    text: str
    share: float
    platform: str
    keeps_sockets: bool


SAMPLE_APPS: Final = (
    App("1.2.0", 0.08, 180.0),
    App("1.3.1", 0.17, 120.0),
    App("1.4.2", 0.55, 120.0),
    App("1.5.0", 0.20, 120.0),
)
SOCKET_APPS: Final = (App("2.0.0", 0.35, None), App("2.0.1", 0.65, None))
PHONES: Final = (
    Device("Galaxy A54, Android 14", 0.17, "android", keeps_sockets=True),
    Device("Galaxy S23, Android 14", 0.12, "android", keeps_sockets=True),
    Device("Pixel 8, Android 15", 0.11, "android", keeps_sockets=True),
    Device("Redmi Note 12, Android 13", 0.14, "android", keeps_sockets=True),
    Device("Moto G54, Android 14", 0.06, "android", keeps_sockets=True),
    Device("iPhone 13, iOS 17.6", 0.15, "ios", keeps_sockets=False),
    Device("iPhone 15, iOS 18.1", 0.19, "ios", keeps_sockets=False),
    Device("iPhone SE (3rd generation), iOS 17.5", 0.06, "ios", keeps_sockets=False),
)
TABLETS: Final = (
    Device("iPad Air (5th generation), iPadOS 17.6", 0.6, "ios", keeps_sockets=False),
    Device("Galaxy Tab S9, Android 14", 0.4, "android", keeps_sockets=True),
)


@dataclass(frozen=True, slots=True)
class Phone:
    """One installation of the app. ``key`` names it among all phones of all seeds."""

    key: str
    user: str
    name: str
    app: App
    device: Device
    device_id: str

    @property
    def on_socket(self) -> bool:
        return self.app.timer_seconds is None


def phones(users: int, socket_share: float, seed: int) -> list[Phone]:
    """The phones of so many people, a few more than people; about ``socket_share`` of them keep a
    socket."""
    return [phone for number in range(users) for phone in _phones_of(number, socket_share, seed)]


def _phones_of(number: int, socket_share: float, seed: int) -> list[Phone]:
    key = f"{seed}/{number}"
    random = Random(key)  # noqa: S311 - nothing secret
    name = f"{random.choice(_GIVEN_NAMES)} {random.choice(_FAMILY_NAMES)}"
    models: list[tuple[Device, ...]] = [PHONES]
    if random.random() < TABLET_SHARE:
        models.append(TABLETS)
    found = []
    for which, kinds in enumerate(models):
        apps = SOCKET_APPS if random.random() < socket_share else SAMPLE_APPS
        [app] = random.choices(apps, [each.share for each in apps])
        [device] = random.choices(kinds, [each.share for each in kinds])
        found.append(
            Phone(
                key=f"{key}/{which}",
                user=f"sim-{seed}-{number:05d}",
                name=name,
                app=app,
                device=device,
                device_id=random.randbytes(16).hex(),
            )
        )
    return found
