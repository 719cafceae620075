"""Timers: "offline for 10 minutes", "on Checkout for 5 minutes", of a user. PURE.

``app_version`` and ``platform`` are those of an audience, of what the user shows when it is due:
who shows another one, or nobody knows which, is not told.
"""

from __future__ import annotations

from typing import Any, Final, Literal, get_args

import msgspec

from schemas.bodies.fields import (
    Field,
    number_field,
    read_object,
    text_field,
    without_nulls,
    word_field,
)
from schemas.bodies.version_field import PLATFORM, VERSION
from schemas.http.problems import FieldProblem
from schemas.log.changes import State
from schemas.log.events import MAX_TEXT
from schemas.measures.versions import Comparison
from schemas.openapi.forms import ref
from schemas.webhooks.push import Push, parse_push

While = Literal["offline", "on_screen"]

#: Who takes a partition over reads the changes of so long again.
MOST_SECONDS: Final = 86_400
#: For as long it is remembered who was told.
MOST_ONCE_SECONDS: Final = 30 * 86_400


class Timer(msgspec.Struct, frozen=True, omit_defaults=True):
    """Who stays so long in one state is told. ``on_screen``: in the foreground on ``screen``.
    ``once_in_seconds``: a user is told of once in so much log time. ``push``: to OneSignal."""

    lasting: While = msgspec.field(name="while")
    seconds: int
    screen: str | None = None
    once_in_seconds: int | None = None
    push: Push | None = None
    app_version: Comparison | None = None
    platform: str | None = None

    def holds(self, state: State, screen: str | None) -> bool:
        """Whether a user who shows this stays."""
        if self.lasting == "offline":
            return state == "offline"
        return state == "foreground" and screen == self.screen

    @property
    def asks_for_app(self) -> bool:
        """Whether it matters with which app a user stays."""
        return self.app_version is not None or self.platform is not None

    def wants(self, app_version: str | None, platform: str | None) -> bool:
        """Whether who stays with this app is told. What is not known meets no condition."""
        if self.platform is not None and (platform or "").lower() != self.platform.lower():
            return False
        return self.app_version is None or bool(app_version and self.app_version.holds(app_version))

    @property
    def is_live(self) -> bool:
        """Whether it is a live audience: nobody leaves who has opted out since."""
        return self.once_in_seconds is not None or self.push is not None

    @property
    def document(self) -> dict[str, Any]:
        """As it is stored and shown."""
        found: dict[str, Any] = msgspec.to_builtins(self)
        return found


class Fired(msgspec.Struct, frozen=True, kw_only=True):
    """One of ``data.timers``. ``id`` is the same for the same stay of a user, however often it is
    told; ``change`` is the id of the change that began it. Times are log time, as of changes."""

    id: str
    at: str
    user_id: str
    lasting: While = msgspec.field(name="while")
    screen: str | None
    seconds: int
    since: str
    change: str


def parse_timer(said: object) -> Timer:
    """A timer as JSON says it. Raises ``ValueError``, where fields are wrong ``BadFieldsError``."""
    values = read_object(without_nulls(said, ("screen",)), TIMER_FIELDS, _together)
    return Timer(
        values["while"],
        values["seconds"],
        values.get("screen"),
        values.get("once_in_seconds"),
        values.get("push"),
        values.get("app_version"),
        values.get("platform"),
    )


def _together(values: dict[str, Any], wrong: set[str]) -> list[FieldProblem]:
    if "while" in wrong:
        return []
    on_screen = values["while"] == "on_screen"
    if on_screen and "screen" not in values:
        return [FieldProblem("screen", "is missing: name the screen")]
    if not on_screen and "screen" in values:
        return [FieldProblem("screen", "is only for on_screen: leave it out")]
    return []


TIMER_FIELDS: Final[dict[str, Field]] = {
    "while": word_field(
        "What lasts.", get_args(While), f"is missing: it must be {' or '.join(get_args(While))}"
    ),
    "screen": text_field("Of the screen.", "Checkout", MAX_TEXT["screen"]),
    "seconds": number_field(
        "How long.", 600, 1, MOST_SECONDS, f"is missing: a whole number from 1 to {MOST_SECONDS}"
    ),
    "once_in_seconds": number_field(
        "A live audience: each user is told of at most once in so long.",
        86_400,
        1,
        MOST_ONCE_SECONDS,
    ),
    "push": Field(
        {**ref("Push"), "description": "A live audience that goes to OneSignal, and to no `url`."},
        parse_push,
    ),
    "app_version": VERSION,
    "platform": PLATFORM,
}
