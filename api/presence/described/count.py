"""The public count."""

from __future__ import annotations

from typing import Final

from api.http.answers import schemas_of
from api.http.call import ANYBODY, Call
from api.presence.answers import Count
from api.presence.described.people import TAG
from schemas.openapi.answers import REQUEST_ID
from schemas.openapi.forms import Json, ref

SCHEMAS: Final = schemas_of(Count)
WINDOW_SECONDS: Final[Json] = SCHEMAS["Count"]["properties"]["window_seconds"]

COUNT_ONLINE_USERS: Final = Call(
    "GET",
    "/api/online-users-count",
    "count",
    TAG,
    operation="countOnlineUsers",
    summary="How many users are online",
    about="Public; any page may read it. Parameters are ignored, so that people can get past "
    "caches. Without a deployment behind it the count is 0 and stale.",
    answers={
        "200": {
            "description": "The count, and how good it is.",
            "headers": {
                **REQUEST_ID,
                "Access-Control-Allow-Origin": {
                    "required": True,
                    "schema": {"const": "*"},
                },
            },
            "content": {"application/json": {"schema": ref("Count")}},
        }
    },
    may=ANYBODY,
    ignores_parameters=True,
    headers={"Access-Control-Allow-Origin": "*"},
    refuses=(
        "BadRequest",
        "Failed",
        "HeadersTooLarge",
        "RateLimited",
        "Unavailable",
    ),
)
CALLS: Final = (COUNT_ONLINE_USERS,)
