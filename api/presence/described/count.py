"""The public count."""

from __future__ import annotations

from typing import Final

from api.http.answers import schemas_of
from api.http.call import ANYBODY, Call
from api.http.parameters import Parameter
from api.presence.answers import Count
from api.presence.badge import LABEL, MAX_LABEL
from api.presence.described.people import TAG
from schemas.openapi.answers import REQUEST_ID
from schemas.openapi.forms import ref, text

SCHEMAS: Final = schemas_of(Count)

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
SHOW_COUNT_AS_BADGE: Final = Call(
    "GET",
    "/api/v1/count/badge.svg",
    "count_badge",
    TAG,
    operation="showCountAsBadge",
    summary="How many users are online, as a picture",
    about="SVG for an `<img>` of any page, under the limits of the count. A count that is stale "
    "says so. Other parameters than `label` are ignored.",
    answers={
        "200": {
            "description": "The picture, in light or dark colours as the viewer has them.",
            "headers": REQUEST_ID,
            "content": {"image/svg+xml": {"schema": {"type": "string"}}},
        }
    },
    may=ANYBODY,
    parameters=(
        Parameter(
            "label", text("What the number is called.", LABEL, minLength=1, maxLength=MAX_LABEL)
        ),
    ),
    ignores_parameters=True,
    # Any page may embed it; opened by itself it is a document, which may do nothing.
    headers={
        "Access-Control-Allow-Origin": "*",
        "Cross-Origin-Resource-Policy": "cross-origin",
        "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'",
    },
    refuses=("BadParameter", "Failed", "HeadersTooLarge", "RateLimited", "Unavailable"),
)
CALLS: Final = (COUNT_ONLINE_USERS, SHOW_COUNT_AS_BADGE)
