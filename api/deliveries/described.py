"""Audiences sent to a push provider: begun, followed, cancelled and resumed."""

from __future__ import annotations

from typing import Final

from api.deliveries.answers import Deliveries, Delivery
from api.deliveries.wish import AN_ID, WISH
from api.http.answers import schemas_of
from api.http.call import EXPORTERS, Call
from api.http.parameters import Parameter
from schemas.openapi.answers import accepted, ok
from schemas.openapi.forms import ref, text

TAG: Final = {
    "name": "Deliveries",
    "description": "An audience to OneSignal or to a webhook of yours, without a file in between. "
    "Notify sends it; who has opted out or was erased is left out right before each call.",
}
SCHEMAS: Final = schemas_of(Delivery, Deliveries)
_NAMED: Final = Parameter("delivery_id", text("Of the delivery.", AN_ID), place="path")

LIST_DELIVERIES: Final = Call(
    "GET",
    "/api/v1/audiences/deliveries",
    "audience_deliveries",
    TAG,
    operation="listDeliveries",
    summary="What is sent, and what was",
    about="With where an audience can go.",
    answers=ok(ref("Deliveries"), "Them."),
    may=EXPORTERS,
)
SEND_AUDIENCE: Final = Call(
    "POST",
    "/api/v1/audiences/deliveries",
    "audience_deliveries",
    TAG,
    operation="sendAudience",
    summary="Send an audience",
    about="Who is in it is settled now, and recorded in the audit with it; notify then makes its "
    "calls, each of them at least once, through restarts.",
    answers=accepted(ref("Delivery"), "It is on its way."),
    may=EXPORTERS,
    body=WISH,
)
READ_DELIVERY: Final = Call(
    "GET",
    "/api/v1/audiences/deliveries/{delivery_id}",
    "audience_delivery",
    TAG,
    operation="readDelivery",
    summary="How far one is",
    about="Counts of users, and what keeps it from going on.",
    answers=ok(ref("Delivery"), "It."),
    may=EXPORTERS,
    parameters=(_NAMED,),
    refuses=("NoSuchDelivery",),
)
CANCEL_DELIVERY: Final = Call(
    "POST",
    "/api/v1/audiences/deliveries/{delivery_id}/cancel",
    "audience_delivery_cancel",
    TAG,
    operation="cancelDelivery",
    summary="Send no more of one",
    about="Before its next call. One that has ended stays as it is.",
    answers=accepted(ref("Delivery"), "It ends."),
    may=EXPORTERS,
    parameters=(_NAMED,),
    refuses=("NoSuchDelivery",),
)
RESUME_DELIVERY: Final = Call(
    "POST",
    "/api/v1/audiences/deliveries/{delivery_id}/resume",
    "audience_delivery_resume",
    TAG,
    operation="resumeDelivery",
    summary="Go on with one that failed",
    about="Where it stood, for a day after it failed: with the users who were not sent, without "
    "those who opted out or were erased since. It has a row of its own in the audit.",
    answers=accepted(ref("Delivery"), "It goes on."),
    may=EXPORTERS,
    parameters=(_NAMED,),
    refuses=("NoSuchDelivery", "BadParameter"),
)
CALLS: Final = (LIST_DELIVERIES, SEND_AUDIENCE, READ_DELIVERY, CANCEL_DELIVERY, RESUME_DELIVERY)
