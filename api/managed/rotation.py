"""Another secret for what signs: of webhooks and of alerts, one body and one answer."""

from __future__ import annotations

from typing import Annotated, Final

from api.http.answers import Answer, instant, told
from schemas.bodies.body import object_body
from schemas.bodies.fields import number_field
from schemas.webhooks.forms import MAX_OVERLAP_HOURS, OVERLAP_HOURS

ROTATION: Final = object_body(
    "SecretRotation",
    {
        "overlap_hours": number_field(
            "How long the secret of before signs too.",
            24,
            0,
            MAX_OVERLAP_HOURS,
            default=OVERLAP_HOURS,
        )
    },
    example='{"overlap_hours": 24}',
    max_bytes=65_536,
    required=False,
)


class SecretRotated(Answer):
    secret: Annotated[
        str, told("Signs; shown now and never again.", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    ]
    previous_until: Annotated[str, instant("Until then both sign.", "2026-03-31T12:00:00.000Z")]
