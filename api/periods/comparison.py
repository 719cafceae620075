"""A range beside the equal one before it, bucket by bucket. PURE.

The policy:

- The range before is as long and ends where the range begins, or earlier by what is missing from
  its last bucket; so its buckets are cut like those of the range. In days it is as many days of the
  zone earlier and cut as far into them, whatever clocks did in between.
- Only buckets that are over are compared: one that is still counted would look like a fall.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from api.periods.ranges import DAY, LENGTHS, Range, day_start, local_date


def range_before(asked: Range) -> Range:
    """The range to compare with; ``asked`` has buckets."""
    assert asked.bucket is not None  # noqa: S101  (whoever compares names one)
    if asked.bucket != "1d":
        length = LENGTHS[asked.bucket]
        back = -((asked.start - asked.end) // length) * length
        return Range(asked.start - back, asked.end - back, asked.zone, asked.bucket)
    last = local_date(asked.end - timedelta.resolution, asked.zone)
    days = (last - local_date(asked.start, asked.zone)).days + 1
    start, end = (_days_earlier(moment, days, asked) for moment in (asked.start, asked.end))
    return Range(start, end, asked.zone, asked.bucket)


def over_by(asked: Range, as_of: datetime | None) -> int:
    """How many buckets, from the first, are over at ``as_of``."""
    return sum(as_of is not None and end <= as_of for end in asked.ends)


def change(now: Sequence[int], before: Sequence[int]) -> float | None:
    """0.25 is a quarter more; ``None`` where there was nothing before."""
    return round(sum(now) / sum(before) - 1, 4) if sum(before) else None


def _days_earlier(moment: datetime, days: int, asked: Range) -> datetime:
    day = local_date(moment, asked.zone)
    into_day = moment - day_start(day, asked.zone)
    earlier = day_start(day - days * DAY, asked.zone)
    # The last hour of a day of 25 has none to be compared with.
    return min(earlier + into_day, day_start(day - (days - 1) * DAY, asked.zone))
