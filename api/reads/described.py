"""Who looked at whom."""

from __future__ import annotations

from typing import Final, get_args

from api.http.call import AUDITORS, Call
from api.http.parameters import CURSOR, TABLE_LIMIT, Parameter, exact
from api.http.words import PAGED, PRINCIPAL_KINDS, USER_ID
from api.reads.audit import Call as AuditedCall
from schemas.log.events import MAX_USER_ID
from schemas.openapi.answers import QUALITY, table
from schemas.openapi.forms import Json, instant, many, record, ref, text, whole, word

TAG: Final = {
    "name": "Who looked",
    "description": "Every call that shows users leaves a row before it is answered; so does every "
    "opt-out and erasure, before it is done.",
}
SCHEMAS: Final[dict[str, Json]] = {
    "Read": record(
        {
            "minute": instant(
                "In which the calls were answered, by PostgreSQL's clock.",
                "2026-03-30T12:00:00.000Z",
            ),
            "who_kind": word(
                "Who vouches for `who`. `own`: the subject themselves, with their app's token.",
                (*PRINCIPAL_KINDS, "own"),
            ),
            "who": text(
                "The user of the token or sign-on, or the name of the API key; empty where it is "
                "the subject themselves.",
                "support",
            ),
            "call": word("Which call. `…_file` is a list as CSV or NDJSON.", get_args(AuditedCall)),
            "subject": text(
                "Whom it was about: a keyed hash of the user, or of a list's filter. One filter "
                "has one hash; zeros: no ROLLCALL_USER_HASH_KEY was set.",
                "5f2b8c0e9d4a7b61c3e8f1029384756aa1b2c3d4e5f60718293a4b5c6d7e8f90",
                pattern="^[0-9a-f]{64}$",
            ),
            "calls": whole("How many such calls.", 2),
            "users": whole(
                "How many users they showed; 0: none, or it is a feed, an opt-out or an erasure.", 1
            ),
        },
        about="What one principal asked of one subject in one minute.",
    ),
    "Reads": record(
        {"items": many(ref("Read")), **PAGED, **QUALITY}, about="The newest minute first."
    ),
}

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
