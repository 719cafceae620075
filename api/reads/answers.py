"""Who looked at whom, as auditors are told. PURE."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from api.http.answers import Answer, AsOf, NextCursor, Stale, count, instant, one_of, told
from api.reads.audit import Call
from schemas.tokens.identity import PrincipalKind

WhoKind: TypeAlias = Literal[PrincipalKind, "own"]


class Read(Answer):
    """What one principal asked of one subject in one minute."""

    minute: Annotated[
        str,
        instant(
            "In which the calls were answered, by PostgreSQL's clock.", "2026-03-30T12:00:00.000Z"
        ),
    ]
    who_kind: Annotated[
        WhoKind,
        one_of(
            "Who vouches for `who`. `own`: the subject themselves, with their app's token.",
            WhoKind,
        ),
    ]
    who: Annotated[
        str,
        told(
            "The user of the token or sign-on, or the name of the API key; empty where it is the "
            "subject themselves.",
            "support",
        ),
    ]
    call: Annotated[Call, one_of("Which call. `…_file` is a list as CSV or NDJSON.", Call)]
    subject: Annotated[
        str,
        told(
            "Whom it was about: a keyed hash of the user, or of a list's filter. One filter has "
            "one hash; zeros: no ROLLCALL_USER_HASH_KEY was set.",
            "5f2b8c0e9d4a7b61c3e8f1029384756aa1b2c3d4e5f60718293a4b5c6d7e8f90",
            pattern="^[0-9a-f]{64}$",
        ),
    ]
    calls: Annotated[int, count("How many such calls.", 2)]
    users: Annotated[
        int,
        count("How many users they showed; 0: none, or it is a feed, an opt-out or an erasure.", 1),
    ]


class Reads(Answer):
    """The newest minute first."""

    items: list[Read]
    next_cursor: NextCursor
    as_of: AsOf
    stale: Stale
