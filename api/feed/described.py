"""The feed: server-sent events, as far as OpenAPI can say them."""

from __future__ import annotations

from typing import Final

from api.feed.answers import FeedDelta, FeedSnapshot, FeedTrouble
from api.http.answers import schemas_of
from api.http.call import Call
from api.http.parameters import Parameter
from api.presence.described.people import TAG
from schemas.openapi.answers import REQUEST_ID
from schemas.openapi.forms import ref, text

SCHEMAS: Final = schemas_of(FeedSnapshot, FeedDelta, FeedTrouble)

FOLLOW_FEED: Final = Call(
    "GET",
    "/api/v1/feed",
    "feed",
    TAG,
    operation="followFeed",
    summary="What changes, as it changes",
    about="Server-sent events: first a `snapshot`, then at most once a second a `delta`. A "
    "`trouble` says that there is no new state, and why. Comments show that the connection "
    "lives. Whoever comes back within a minute with `Last-Event-ID` gets what was missed. "
    "It does not end: try it with `curl -N`.",
    answers={
        "200": {
            "description": "Events, until the token ends or the server does.",
            "headers": REQUEST_ID,
            "content": {
                "text/event-stream": {
                    "schema": {
                        "type": "string",
                        "contentMediaType": "text/event-stream",
                        "contentSchema": {
                            "description": "The `data` of each event, as JSON.",
                            "anyOf": [
                                ref("FeedSnapshot"),
                                ref("FeedDelta"),
                                ref("FeedTrouble"),
                            ],
                        },
                    }
                }
            },
        }
    },
    parameters=(
        Parameter(
            "Last-Event-ID",
            text("The `id` of the last event that arrived.", "5f0c1d2e-41"),
            place="header",
        ),
    ),
)
CALLS: Final = (FOLLOW_FEED,)
