"""Days of the deployment's reporting time zone. PURE."""

from __future__ import annotations

from datetime import UTC, date, datetime
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

QUARTER_MS: Final = 900_000
_EPOCH_ORDINAL: Final = date(1970, 1, 1).toordinal()


def day_of(at_ms: int, time_zone: str) -> int:
    """The day that the instant is in, as days since 1970-01-01. ``time_zone`` is an IANA name."""
    return _day_of_quarter(at_ms // QUARTER_MS, time_zone)


# Every zone's days begin at a quarter-hour of UTC (design, section 7).
@lru_cache(maxsize=4096)
def _day_of_quarter(quarter: int, time_zone: str) -> int:
    at = datetime.fromtimestamp(quarter * QUARTER_MS / 1000, UTC)
    return at.astimezone(ZoneInfo(time_zone)).toordinal() - _EPOCH_ORDINAL
