"""Timers: "offline for 10 minutes", "on Checkout for 5 minutes", of a user. PURE."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal, get_args

import msgspec

from schemas.log.changes import State
from schemas.log.events import MAX_TEXT
from schemas.untrusted.text import clean_text

While = Literal["offline", "on_screen"]

#: Who takes a partition over reads the changes of so long again.
MOST_SECONDS: Final = 86_400
_FIELDS: Final = ("while", "screen", "seconds")


class Timer(msgspec.Struct, frozen=True, omit_defaults=True):
    """Who stays so long in one state is told. ``on_screen``: in the foreground on ``screen``."""

    lasting: While = msgspec.field(name="while")
    seconds: int
    screen: str | None = None

    def holds(self, state: State, screen: str | None) -> bool:
        """Whether a user who shows this stays."""
        if self.lasting == "offline":
            return state == "offline"
        return state == "foreground" and screen == self.screen

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


class TimerProblemError(ValueError):
    """What is wrong with ``field``; the message is the rest of the sentence that begins with it."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field} {message}")
        self.field = field
        self.message = message


def parse_timer(said: object) -> Timer:
    """A timer as JSON says it. Raises :class:`TimerProblemError`."""
    if not isinstance(said, Mapping):
        raise TimerProblemError("timer", "must be an object")
    for name in said:
        if name not in _FIELDS:
            known = ", ".join(_FIELDS)
            raise TimerProblemError(f"timer.{name}", f"is not known: there are {known}")
    lasting: Any = said.get("while")
    if lasting not in get_args(While):
        raise TimerProblemError("timer.while", "must be offline or on_screen")
    return Timer(lasting, _seconds(said.get("seconds")), _screen(lasting, said.get("screen")))


def _seconds(said: object) -> int:
    # JSON has one kind of number: 600.0 is 600.
    is_whole = type(said) is int or (type(said) is float and said.is_integer())
    if not is_whole or not isinstance(said, int | float) or not 1 <= said <= MOST_SECONDS:
        raise TimerProblemError("timer.seconds", f"must be a whole number from 1 to {MOST_SECONDS}")
    return int(said)


def _screen(lasting: While, said: object) -> str | None:
    field = "timer.screen"
    if lasting == "offline":
        if said is not None:
            raise TimerProblemError(field, "is only for on_screen: leave it out")
        return None
    if not isinstance(said, str) or not 1 <= len(said) <= MAX_TEXT["screen"]:
        raise TimerProblemError(field, f"must be a text of 1 to {MAX_TEXT['screen']} characters")
    if clean_text(said) != said:  # nothing that is stored is like that
        raise TimerProblemError(field, "must have no control characters")
    return said
