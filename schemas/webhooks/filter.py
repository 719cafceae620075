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
5. ``of: audience`` is told of no change but those of the first rule: audiences are sent to it
   (``processor/targeting``).
"""

from __future__ import annotations

from typing import Any, Final, Literal, get_args

import msgspec

from schemas.bodies.fields import Field, read_list, read_object, text_field, word_field
from schemas.http.problems import FieldProblem
from schemas.log.changes import Change, Reason, State
from schemas.log.events import MAX_TEXT
from schemas.openapi.forms import many
from schemas.webhooks.timer import Timer, parse_timer

Of = Literal["device", "user", "audience"]

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
        if self.timer is not None or self.of == "audience":
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


def parse_filter(said: object) -> ChangeFilter:
    """A filter as JSON says it. Raises ``ValueError``: of wrong fields ``BadFieldsError``."""
    return ChangeFilter(**read_object(said, FILTER_FIELDS, _alone))


def _alone(values: dict[str, Any], _: set[str]) -> list[FieldProblem]:
    if "timer" in values and len(values) > 1:
        return [FieldProblem("timer", "stands alone: make another webhook for changes")]
    if values.get("of") == "audience" and len(values) > 1:
        return [FieldProblem("of", "audience stands alone: it is told of no changes")]
    return []


def _shows(change: Change) -> bool:
    """Whether what the user shows is another than before."""
    if change.previous_user_state is not None:
        before = (change.previous_user_state, change.previous_user_screen)
        return before != (change.user_state, change.user_screen)
    return change.state == change.user_state and (
        change.state == "offline" or change.screen == change.user_screen
    )


def _choices(about: str, of: Field) -> Field:
    """A list of a few texts."""
    schema = many(of.schema, about, minItems=1, maxItems=MAX_CHOICES)
    return Field(schema, lambda said: frozenset(read_list(said, of, 1, MAX_CHOICES)))


#: Beside a timer, or of audiences, there are none.
CONDITIONS: Final[dict[str, Field]] = {
    "of": word_field("`user`: only what shows in the user's own state.", ("device", "user")),
    "reasons": _choices("Why it changed.", word_field("One of them.", get_args(Reason))),
    "states": _choices(
        "After the change, of the device or, `of` the `user`, theirs.",
        word_field("One of them.", get_args(State)),
    ),
    "screens": _choices(
        "After the change, likewise.", text_field("One of them.", "Cart", MAX_TEXT["screen"])
    ),
    "app_versions": _choices(
        "Of the device.", text_field("One of them.", "1.2.0", MAX_TEXT["app_version"])
    ),
}
_LISTS: Final = tuple(name for name in CONDITIONS if name != "of")
#: Instead of changes.
OF_AUDIENCES: Final = {"of": word_field("Of audiences.", ("audience",), "is missing")}
FILTER_FIELDS: Final[dict[str, Field]] = {
    **CONDITIONS,
    "of": word_field("Of what.", get_args(Of)),
    "timer": Field({}, parse_timer),
}
