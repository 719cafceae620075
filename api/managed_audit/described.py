"""What managers made, changed and ended."""

from __future__ import annotations

from typing import Final

from api.http.answers import schemas_of
from api.http.call import AUDITORS, Call
from api.http.parameters import CURSOR, LIMIT, Parameter, exact
from api.managed_audit.answers import AN_ID, ManagedChanges
from schemas.openapi.answers import ok
from schemas.openapi.forms import Json, ref, text

TAG: Final = {
    "name": "What managers did",
    "description": "Webhooks, alerts, share links and deliveries of audiences: who made, changed "
    "and ended each. A row is written by the statement that does it.",
}
SCHEMAS: Final[dict[str, Json]] = schemas_of(ManagedChanges)
_MOST: Final = 64

LIST_MANAGED: Final = Call(
    "GET",
    "/api/v1/audit/managed",
    "audit_managed",
    TAG,
    operation="listManaged",
    summary="What managers did",
    about="The newest first, by the API and by commands. With `id`: what was done to one, also "
    "after its end.",
    answers=ok(ref("ManagedChanges"), "A page."),
    may=AUDITORS,
    parameters=(
        Parameter("id", text("Of one.", AN_ID, minLength=1, maxLength=_MOST), exact(_MOST)),
        LIMIT,
        CURSOR,
    ),
)
CALLS: Final = (LIST_MANAGED,)
