"""What answers say of their range and its buckets. PURE."""

from __future__ import annotations

from typing import Annotated, Final, TypeAlias

from msgspec import Meta

from api.http.answers import Answer, instant, one_of, told
from api.periods.ranges import Bucket

_BUCKET: Final = "Of the series."

#: The range as it was understood: ``since`` is ``from`` in JSON (``msgspec.field(name="from")``).
Since: TypeAlias = Annotated[str, instant("The first instant.", "2026-03-30T09:00:00.000Z")]
To: TypeAlias = Annotated[str, instant("The first instant after it.", "2026-03-30T11:00:00.000Z")]
OfSeries: TypeAlias = Annotated[Bucket, one_of(_BUCKET, Bucket)]
OfASeriesIfAny: TypeAlias = Annotated[Bucket | None, one_of("`null`: no series.", Bucket)]
#: Of an answer that has no series.
NoSeries: TypeAlias = Annotated[None, Meta(description="There is no series.")]
Zone: TypeAlias = Annotated[str, told("The time zone of its days.", "Europe/Berlin")]
ReportingZone: TypeAlias = Annotated[str, told("The reporting zone.", "Europe/Berlin")]


class Edges(Answer):
    """Of a bucket."""

    start: Annotated[str, instant("Where the bucket starts.", "2026-03-30T09:00:00.000Z")]
    end: Annotated[str, instant("Where it ends.", "2026-03-30T10:00:00.000Z")]
