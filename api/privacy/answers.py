"""What is told of opt-outs, erasures, and what is stored of one user. PURE."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal, TypeAlias

from api.http.answers import Answer, described, instant, one_of, told
from api.http.words import USER_ID

ErasureKind: TypeAlias = Literal["erased", "opted_out"]

#: What it tells, and an example.
ERASURE_ID: Final = ("Finds the erasure.", "6f1d0a9be2c44be08f0b8f6a1ac2f3d7")
_Enabled: TypeAlias = Annotated[bool, told("Whether the user is counted and shown.", True)]
_Done: TypeAlias = Annotated[
    bool,
    told(
        "The processor has passed it: nothing of the user is stored or shown any more, or they "
        "count again. `false`: it is in the log, and will be.",
        True,
    ),
]
_ErasureId: TypeAlias = Annotated[str, told(*ERASURE_ID)]


class Tracking(Answer):
    enabled: _Enabled


class TrackingSet(Answer):
    enabled: _Enabled
    done: _Done


class Erasing(Answer):
    erasure_id: _ErasureId
    done: _Done


class Erasure(Answer):
    """An erasure. It holds a keyed hash of the user's id, never the id."""

    erasure_id: _ErasureId
    kind: Annotated[ErasureKind, one_of("What it was part of.", ErasureKind)]
    requested_at: Annotated[str, instant("When it was asked for.", "2026-03-30T12:00:00.412Z")]
    erased_at: Annotated[
        str | None, instant("Log time of its event; `null` until then.", "2026-03-30T12:00:00.530Z")
    ]
    removed: Annotated[
        dict[str, Annotated[int, told("Rows.", minimum=0)]] | None,
        told("Rows removed by table; `null` until then.", {"presence": 1, "changes": 42}),
    ]
    events_gone_by: Annotated[
        str | None,
        instant(
            "By then Kafka's retention has dropped what the app had sent, with "
            "`ROLLCALL_LOG_RETENTION_HOURS`. `null` until then, and where the log is kept for "
            "ever.",
            "2026-04-02T18:00:00.530Z",
        ),
    ]
    changes_gone_by: Annotated[
        str | None, instant("The same of `presence.changes`.", "2026-04-07T02:00:00.530Z")
    ]


class StoredTable(Answer):
    where: Annotated[str, told("The table.", "the table changes")]
    about: Annotated[str, told("What it tells.", "When your state or screen changed.")]
    until: Annotated[str, told("How long it is kept.", "7 days after each")]
    rows: Annotated[list[dict[str, Any]], told("As they are stored, the latest first.")]
    complete: Annotated[bool, told("Whether these are all.", True)]


class NotListed(Answer):
    where: Annotated[str, told("What is not searched.", "the topic presence.events")]
    about: Annotated[str, told("What it tells.", "What your app sent.")]
    until: Annotated[str, told("How long it is kept.", "72 hours after each")]


class Stored(Answer):
    """Everything that is stored of one user."""

    user_id: Annotated[str, described(USER_ID)]
    tracking: Tracking
    stored: list[StoredTable]
    not_listed: list[NotListed]
