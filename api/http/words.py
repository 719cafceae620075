"""What answers of several calls share: states and reasons, devices, screens, users, ranges."""

from __future__ import annotations

from typing import Final, get_args

from api.http.parameters import id_parameter
from schemas.log.changes import Reason, State
from schemas.log.events import MAX_USER_ID
from schemas.openapi.forms import STORED_TEXT, Json, instant, nullable, text, word
from schemas.tokens.identity import PrincipalKind

STATES: Final = get_args(State)
REASONS: Final = get_args(Reason)
#: Why a span or a session ended; `continued`: it was open for 24 h, and goes on in another. None
#: ends because one starts.
ENDINGS: Final = (*(reason for reason in REASONS if reason != "started"), "continued")
#: Silences that were ours.
OUTAGES: Final = ("jump", "ticks_only", "lost_range")
PRINCIPAL_KINDS: Final = get_args(PrincipalKind)
USER_ID: Final = text(
    "The token's user claim.", "ada", minLength=1, maxLength=MAX_USER_ID, pattern=STORED_TEXT
)
PAGED: Final = {
    "next_cursor": nullable(
        text("Give it as `cursor` for the next page; `null` on the last.", "kXy3b1")
    ),
}
#: Of calls about a user.
NAMED: Final = id_parameter(
    "user_id", {**USER_ID, "description": "Percent-encoded: `a/b` is `a%2Fb`."}, MAX_USER_ID
)


def about_device() -> dict[str, Json]:
    """What a phone says of itself."""
    return {
        "app_version": nullable(text("The app's version.", "1.10.0")),
        "device_info": nullable(text("What the app says of the device.", "Pixel 9")),
        "platform": nullable(text("What the app says.", "android")),
    }


def screen_shown(description: str) -> Json:
    return text(description, "Cart")


def range_shown(*, bucketed: bool = True) -> dict[str, Json]:
    """The range as it was understood."""
    shown = word("Of the series.", ("10s", "1m", "15m", "1h", "1d"))
    return {
        "from": instant("The first instant.", "2026-03-30T09:00:00.000Z"),
        "to": instant("The first instant after it.", "2026-03-30T11:00:00.000Z"),
        "bucket": shown if bucketed else nullable({**shown, "description": "`null`: no series."}),
        "tz": text("The time zone of its days.", "Europe/Berlin"),
    }


def range_in_one_piece() -> dict[str, Json]:
    """The range of an answer that has no series."""
    return {**range_shown(), "bucket": {"type": "null", "description": "There is no series."}}


EDGES: Final = {
    "start": instant("Where the bucket starts.", "2026-03-30T09:00:00.000Z"),
    "end": instant("Where it ends.", "2026-03-30T10:00:00.000Z"),
}
