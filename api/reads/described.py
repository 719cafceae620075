"""Who looked at whom."""

from __future__ import annotations

from typing import Final

from api.http.answers import schemas_of
from api.http.call import AUDITORS, Call
from api.http.parameters import CURSOR, TABLE_LIMIT, Parameter, exact
from api.http.words import USER_ID
from api.reads.answers import Reads
from schemas.log.events import MAX_USER_ID
from schemas.openapi.answers import table
from schemas.openapi.forms import ref

TAG: Final = {
    "name": "Who looked",
    "description": "Every call that shows users leaves a row before it is answered; so does every "
    "opt-out and erasure, before it is done.",
}
SCHEMAS: Final = schemas_of(Reads)

LIST_READS: Final = Call(
    "GET",
    "/api/v1/audit",
    "audit",
    TAG,
    operation="listReads",
    summary="Who looked",
    about="The newest first. With `user`: who looked at this user by name, on their page, their "
    "timeline or in a lookup; lists and the feed are about filters.",
    answers=table(ref("Reads"), "Read", "A page."),
    may=AUDITORS,
    parameters=(Parameter("user", USER_ID, exact(MAX_USER_ID)), TABLE_LIMIT, CURSOR),
)
CALLS: Final = (LIST_READS,)
