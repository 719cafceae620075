"""What answers of several calls share: states and reasons, devices, screens, users, ranges."""

from __future__ import annotations

from typing import Annotated, Final, Literal, TypeAlias, get_args

from api.http.answers import told
from api.http.parameters import id_parameter
from schemas.log.changes import Reason, State
from schemas.log.events import MAX_USER_ID
from schemas.openapi.forms import STORED_TEXT, Json, nullable, text
from schemas.tokens.identity import PrincipalKind

STATES: Final = get_args(State)
REASONS: Final = get_args(Reason)
#: Why a span or a session ended; `continued`: it was open for 24 h, and goes on in another. None
#: ends because one starts.
ENDINGS: Final = (*(reason for reason in REASONS if reason != "started"), "continued")
#: Silences that were ours.
OutageKind: TypeAlias = Literal["jump", "ticks_only", "lost_range"]
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


AppVersion: TypeAlias = Annotated[str | None, told("The app's version.", "1.10.0")]
DeviceInfo: TypeAlias = Annotated[str | None, told("What the app says of the device.", "Pixel 9")]
Platform: TypeAlias = Annotated[str | None, told("What the app says.", "android")]


def about_device() -> dict[str, Json]:
    """What a phone says of itself."""
    return {
        "app_version": nullable(text("The app's version.", "1.10.0")),
        "device_info": nullable(text("What the app says of the device.", "Pixel 9")),
        "platform": nullable(text("What the app says.", "android")),
    }


def screen_shown(description: str) -> Json:
    return text(description, "Cart")
