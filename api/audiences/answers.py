"""What is told of audiences: how many a filter finds, and the audit of exports. PURE."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from api.http.answers import Answer, AsOf, NextCursor, Stale, count, instant, one_of, told
from api.presence.answers import User
from schemas.tokens.identity import PrincipalKind

ExportOutcome: TypeAlias = Literal["running", "completed", "cancelled", "failed", "unknown"]
ExportFormat: TypeAlias = Literal["csv", "ndjson", "push"]


class AudiencePreview(Answer):
    count: Annotated[int, count("Users that an export would have.", 1_000)]
    matching: Annotated[int, count("Before the cap.", 18_211)]
    is_exact: Annotated[bool, told("Counted, not estimated.", True)]
    estimated_from: Annotated[
        int | None, count("How many users the estimate looked at; `null`: it is exact.", 20_112)
    ]
    sample: Annotated[list[User], told("Up to 20 of them; with a cap the first that it leaves.")]
    as_of: AsOf
    stale: Stale


class AudienceExport(Answer):
    """A row of the audit."""

    id: Annotated[
        str, told("As in `X-Rollcall-Export-ID`.", "0d9c7a2e-52f4-4d0f-9d2e-6a1c6f0e9b1d")
    ]
    started_at: Annotated[str, instant("By PostgreSQL's clock.", "2026-03-30T12:00:01.201Z")]
    ended_at: Annotated[str | None, instant("`null` while it runs.", "2026-03-30T12:00:02.377Z")]
    who: Annotated[
        str,
        told("The user of the token, or `key:` and the name of the API key.", "marketing"),
    ]
    who_kind: Annotated[
        PrincipalKind | None,
        one_of(
            "Who vouches for `who`: a token's issuer may name a user `key:CRM`. `null`: exported "
            "before this was kept.",
            PrincipalKind,
        ),
    ]
    format: Annotated[
        ExportFormat,
        one_of("Of the file; `push`: none, it was sent to a provider.", ExportFormat),
    ]
    filter: Annotated[
        dict[str, Any],
        told(
            "As it was sent, with the number of `exclude_user_ids` instead of them.",
            {"online": True, "exclude_user_ids": {"count": 3}},
            additionalProperties=True,
        ),
    ]
    outcome: Annotated[
        ExportOutcome,
        one_of("`cancelled`: the client left. `unknown`: nobody could write it.", ExportOutcome),
    ]
    rows: Annotated[
        int, count("Users handed to the connection, or in calls that were accepted.", 1283)
    ]
    as_of: AsOf
    problem: Annotated[
        str | None, told("Why it failed.", "The database took too long for this answer.")
    ]
    destination: Annotated[str | None, told("Where it was sent; `null`: a file.", "onesignal")]
    resumes: Annotated[
        str | None,
        told(
            "The delivery that went on with this row, of the users who were not sent before.",
            "5b0c9a2e-52f4-4d0f-9d2e-6a1c6f0e9b1d",
        ),
    ]


class AudienceExports(Answer):
    """Newest first."""

    items: list[AudienceExport]
    next_cursor: NextCursor
    as_of: AsOf
    stale: Stale
