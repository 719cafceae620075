"""The public count."""

from __future__ import annotations

from typing import Final

from schemas.openapi.answers import ANYBODY, QUALITY, REQUEST_ID, refusals
from schemas.openapi.forms import Json, Part, operation, record, ref, whole
from schemas.openapi.people import TAG

WINDOW_SECONDS: Final = {
    "type": "number",
    "exclusiveMinimum": 0,
    "description": "The silence after which a device is offline, in seconds.",
    "examples": [300],
}
_SCHEMAS: Final[dict[str, Json]] = {
    "Count": record(
        {
            "count": whole("Users who are online: the sum of `by_state`.", 1283),
            "by_state": record(
                {
                    "foreground": whole("With the app in front.", 1031),
                    "background": whole("With the app in the background.", 252),
                }
            ),
            "as_of": QUALITY["as_of"],
            "window_seconds": WINDOW_SECONDS,
            "stale": QUALITY["stale"],
        }
    ),
}
_PATHS: Final[dict[str, Json]] = {
    "/api/online-users-count": {
        "get": operation(
            "countOnlineUsers",
            "How many users are online",
            "Public; any page may read it. Parameters are ignored, so that people can get past "
            "caches. Without a deployment behind it the count is 0 and stale.",
            {
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
                },
                **refusals("BadRequest", "RateLimited", "HeadersTooLarge", "Failed", "Unavailable"),
            },
            security=ANYBODY,
        )
    },
}

PART: Final = Part(TAG, _PATHS, _SCHEMAS)
