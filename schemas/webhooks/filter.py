"""Which changes a webhook is told of. PURE.

1. A change with the reason ``erased`` or ``opted_out`` goes to every webhook, whatever its filter
   says: it is what tells a receiver to forget somebody.
2. Of the rest, those for which every condition holds that the filter has. None: all of them.
3. ``of: user`` leaves out what changes nothing of what the user shows, and its ``states`` and
   ``screens`` are the user's. Where a change does not say what the user showed before
   (``Change``), it counts if the user is where its device is, so an arrival may be told once a
   device.
4. A webhook with a ``timer`` is told of who stays for so long (``timer.py``), of no change but
   those of the first rule, and has no other condition.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, Literal, get_args

import msgspec

from schemas.log.changes import Change, Reason, State
from schemas.log.events import MAX_TEXT
from schemas.untrusted.text import clean_text
from schemas.webhooks.timer import Timer, TimerProblemError, parse_timer

Of = Literal["device", "user"]

ALWAYS: Final = ("erased", "opted_out")
MAX_CHOICES: Final = 100


class ChangeFilter(msgspec.Struct, frozen=True, omit_defaults=True):
    """An empty list is no condition. ``states`` and ``screens`` are those after the change."""

    of: Of = "device"
    reasons: frozenset[str] = frozenset()
    states: frozenset[str] = frozenset()
    screens: frozenset[str] = frozenset()
    app_versions: frozenset[str] = frozenset()
    timer: Timer | None = None

    def wants(self, change: Change) -> bool:
        """Whether the change is told."""
        if change.reason in ALWAYS:
            return True
        if self.timer is not None:
            return False
        state, screen = change.state, change.screen
        if self.of == "user":
            if not _shows(change):
                return False
            state, screen = change.user_state, change.user_screen
        return (
            (not self.reasons or change.reason in self.reasons)
            and (not self.states or state in self.states)
            and (not self.screens or screen in self.screens)
            and (not self.app_versions or change.app_version in self.app_versions)
        )

    @property
    def document(self) -> dict[str, Any]:
        """As it is stored and shown: sorted lists, and no conditions that are none."""
        if self.timer is not None:
            return {"timer": self.timer.document}
        lists = {name: sorted(getattr(self, name)) for name in _LISTS}
        return {"of": self.of, **{name: values for name, values in lists.items() if values}}


class FilterProblemError(ValueError):
    """What is wrong with ``field``; the message is the rest of the sentence that begins with it."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field} {message}")
        self.field = field
        self.message = message


#: The closed sets, and how long another text may be.
_LISTS: Final[dict[str, tuple[Sequence[str], int]]] = {
    "reasons": (get_args(Reason), 0),
    "states": (get_args(State), 0),
    "screens": ((), MAX_TEXT["screen"]),
    "app_versions": ((), MAX_TEXT["app_version"]),
}


def parse_filter(said: object) -> ChangeFilter:
    """A filter as JSON says it. Raises :class:`FilterProblemError`."""
    if not isinstance(said, dict):
        raise FilterProblemError("filter", "must be an object")
    for name in said:
        if name not in ("of", "timer") and name not in _LISTS:
            known = ", ".join(["of", *_LISTS, "timer"])
            raise FilterProblemError(f"filter.{name}", f"is not known: there are {known}")
    if "timer" in said:
        return _with_timer(said)
    of = said.get("of", "device")
    if of not in get_args(Of):
        raise FilterProblemError("filter.of", "must be device or user")
    lists: dict[str, Any] = {name: _choices(name, said[name]) for name in _LISTS if name in said}
    return ChangeFilter(of=of, **lists)


def _with_timer(said: dict[str, Any]) -> ChangeFilter:
    if len(said) > 1:
        raise FilterProblemError("filter.timer", "stands alone: make another webhook for changes")
    try:
        return ChangeFilter(timer=parse_timer(said["timer"]))
    except TimerProblemError as error:
        raise FilterProblemError(f"filter.{error.field}", error.message) from None


def _choices(name: str, said: object) -> frozenset[str]:
    field, (known, longest) = f"filter.{name}", _LISTS[name]
    if not isinstance(said, list) or not 1 <= len(said) <= MAX_CHOICES:
        raise FilterProblemError(field, f"must be a list of 1 to {MAX_CHOICES} texts")
    for each in said:
        if known and each not in known:
            raise FilterProblemError(field, f"must be among {', '.join(known)}")
        if not isinstance(each, str) or (not known and not 1 <= len(each) <= longest):
            raise FilterProblemError(field, f"must hold texts of 1 to {longest} characters")
        if clean_text(each) != each:  # nothing that is stored is like that
            raise FilterProblemError(field, "must hold texts without control characters")
    return frozenset(said)


def _shows(change: Change) -> bool:
    """Whether what the user shows is another than before."""
    if change.previous_user_state is not None:
        before = (change.previous_user_state, change.previous_user_screen)
        return before != (change.user_state, change.user_screen)
    return change.state == change.user_state and (
        change.state == "offline" or change.screen == change.user_screen
    )
