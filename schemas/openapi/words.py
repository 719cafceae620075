"""What several calls share: states and reasons, texts of devices, screens, times, pages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, get_args

from schemas.log.changes import Reason, State
from schemas.log.events import MAX_TEXT
from schemas.openapi.forms import STORED_TEXT, Json, instant, nullable, query, text, whole, word

STATES: Final = get_args(State)
REASONS: Final = get_args(Reason)
#: Why a span or a session ended; `continued`: it was open for 24 h, and goes on in another. None
#: ends because one starts.
ENDINGS: Final = (*(reason for reason in REASONS if reason != "started"), "continued")
#: Silences that were ours.
OUTAGES: Final = ("jump", "ticks_only", "lost_range")
MAX_LIMIT: Final = 500
MAX_EXPORT_ROWS: Final = 100_000
#: Of users: made in memory.
MAX_FILE_ROWS: Final = 10_000
DEFAULT_LIMIT: Final = 50


def about_device() -> dict[str, Json]:
    """What a phone says of itself."""
    return {
        "app_version": nullable(text("The app's version.", "1.10.0")),
        "device_info": nullable(text("What the app says of the device.", "Pixel 9")),
        "platform": nullable(text("What the app says.", "android")),
    }


def screen_shown(description: str) -> Json:
    return text(description, "Cart")


def a_screen(description: str, example: str = "Cart") -> Json:
    """A screen that is asked for."""
    return text(
        description, example, minLength=1, maxLength=MAX_TEXT["screen"], pattern=STORED_TEXT
    )


# -- pages and tables

LIMIT: Final = query(
    "limit",
    whole("How many on a page.", 50, minimum=1, maximum=MAX_LIMIT, default=DEFAULT_LIMIT),
)
CURSOR: Final = query(
    "cursor",
    text(
        "The `next_cursor` of the page before, with the same filters and sort.",
        minLength=1,
        maxLength=4_096,
    ),
)
TABLE_LIMIT: Final = query(
    "limit",
    whole(
        f"How many. In JSON {MAX_LIMIT} at most, {DEFAULT_LIMIT} by default; in CSV and NDJSON "
        f"{MAX_EXPORT_ROWS:,}, which is the default there too where there is no series.",
        50,
        minimum=1,
        maximum=MAX_EXPORT_ROWS,
    ),
)

FILE_LIMIT: Final = query(
    "limit",
    whole(
        f"How many. In JSON {MAX_LIMIT} at most, {DEFAULT_LIMIT} by default; in CSV and NDJSON "
        f"{MAX_FILE_ROWS:,}, which is the default there.",
        50,
        minimum=1,
        maximum=MAX_FILE_ROWS,
    ),
)

# -- one version or platform

#: Of engagement that is kept by the hour.
BY_VERSION: Final = (
    query(
        "app_version",
        text(
            "Of this version only. Kept by the hour, for 62 days: `from` and `to` are whole hours "
            "(UTC), and views count where the visit ends. `(none)`: the app told none; `(other)`: "
            "beyond the ten of the hour with the most visits.",
            "1.10.0",
            minLength=1,
            maxLength=MAX_TEXT["app_version"],
            pattern=STORED_TEXT,
        ),
    ),
    query(
        "platform",
        text(
            "Of this platform only, whatever its case; as `app_version`.",
            "android",
            minLength=1,
            maxLength=MAX_TEXT["platform"],
            pattern=STORED_TEXT,
        ),
    ),
)
#: What answers say of it.
BY_VERSION_SHOWN: Final[dict[str, Json]] = {
    "app_version": nullable(text("As asked.", "1.10.0")),
    "platform": nullable(text("As asked, in lower case.", "android")),
    "kept_from": nullable(
        instant(
            "From when on versions and platforms are kept; `null`: from the first hour on.",
            "2026-01-29T00:00:00.000Z",
        )
    ),
}

# -- times

_MOMENT: Final[Json] = {"anyOf": [{"format": "date-time"}, {"format": "date"}]}
AT: Final = query(
    "at",
    text(
        "An instant (RFC 3339): the answer of then. Not later than `as_of`, nor earlier than what "
        "is kept (14 days by default).",
        "2026-03-30T11:50:00Z",
        format="date-time",
    ),
)
TZ: Final = query(
    "tz",
    text(
        "IANA time zone of dates and days. Default: the deployment's reporting zone.",
        "Europe/Berlin",
    ),
)
RANGE: Final = (
    query(
        "from",
        text(
            "The first instant that counts (RFC 3339; encode a `+` as `%2B`), or a date: the start "
            "of that day in `tz`. A multiple of 15 minutes in UTC, unless the bucket is finer. "
            "Without it the range is 24 hours long, or 30 days with `bucket=1d`.",
            "2026-03-30T09:00:00Z",
            **_MOMENT,
        ),
    ),
    query(
        "to",
        text(
            "As `from`: the first instant that does not count. Without it the range ends with the "
            "quarter-hour in which `as_of` is.",
            "2026-03-30T11:00:00Z",
            **_MOMENT,
        ),
    ),
    TZ,
)
#: Where only days are kept.
DAYS: Final = (
    query(
        "from",
        text(
            "The first day: a date of the reporting zone, or the instant at which it starts. "
            "Without it: 30 days.",
            "2026-03-29",
            **_MOMENT,
        ),
    ),
    query(
        "to",
        text("The day after the last. Without it the last is today.", "2026-03-30", **_MOMENT),
    ),
    query(
        "tz",
        text("The reporting zone. Any other is refused: only its days are kept.", "Europe/Berlin"),
    ),
)
WINDOW_BUCKETS: Final = ("15m", "1h", "1d")
#: Where windows of a minute, which are kept for 3 days, tell too.
MINUTE_BUCKETS: Final = ("1m", *WINDOW_BUCKETS)


def bucket(allowed: Sequence[str] = WINDOW_BUCKETS, otherwise: str = "") -> Json:
    return query(
        "bucket",
        word(
            "Multiples in UTC, or days of `tz` (23 or 25 hours long where clocks change); one at "
            "an end of the range is cut by it. At most 10,000 points. "
            + (otherwise or "Without it: `15m` up to two days, `1h` up to two weeks, else `1d`."),
            allowed,
        ),
    )


def range_shown(*, bucketed: bool = True) -> dict[str, Json]:
    """The range as it was understood."""
    shown = word("Of the series.", ("10s", "1m", *WINDOW_BUCKETS))
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
