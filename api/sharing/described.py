"""Share links: made, shown, ended, and what whoever has one reads."""

from __future__ import annotations

from typing import Final

from api.http.answers import schemas_of
from api.http.call import ANYBODY, MANAGERS, Call
from api.http.parameters import Parameter
from api.sharing.answers import SharedLive, ShareLinkMade, ShareLinks
from api.sharing.link import HOURS, MAX_HOURS, MAX_LINKS, MAX_NAME
from api.sharing.visitors import HEADERS
from schemas.bodies.body import object_body
from schemas.bodies.fields import line_field, number_field
from schemas.openapi.answers import REQUEST_ID, created, ok
from schemas.openapi.forms import Json, ref, text

TAG: Final = {
    "name": "Share links",
    "description": "The numbers of the Live page for whoever has a link, without a login and "
    f"without names, until it ends. Up to {MAX_LINKS} at a time.",
}
SCHEMAS: Final[dict[str, Json]] = schemas_of(ShareLinkMade, ShareLinks, SharedLive)
_WANTED: Final = object_body(
    "ShareLinkWanted",
    {
        "name": line_field(
            "Whoever has the link sees it.", "The screen in the lobby", MAX_NAME, "is missing"
        ),
        "expires_in_hours": number_field(
            "It ends by itself then.", 24, 1, MAX_HOURS, default=HOURS
        ),
    },
    example='{"name": "The screen in the lobby", "expires_in_hours": 24}',
    max_bytes=4_096,
)
LIST_SHARE_LINKS: Final = Call(
    "GET",
    "/api/v1/share-links",
    "share_links",
    TAG,
    operation="listShareLinks",
    summary="All share links",
    about="Those that have not ended; their tokens are told when they are made alone.",
    answers=ok(ref("ShareLinks"), "All."),
    may=MANAGERS,
)
CREATE_SHARE_LINK: Final = Call(
    "POST",
    "/api/v1/share-links",
    "share_links",
    TAG,
    operation="createShareLink",
    summary="Make a share link",
    about="The answer has its token, once: whoever gets it sees the numbers until the link ends.",
    answers=created(ref("ShareLinkMade"), "It is made."),
    may=MANAGERS,
    body=_WANTED,
)
DELETE_SHARE_LINK: Final = Call(
    "DELETE",
    "/api/v1/share-links/{id}",
    "share_link",
    TAG,
    operation="deleteShareLink",
    summary="End a share link",
    about="Nobody sees anything by it from then on: every process of the API knows within a "
    "second, and pages that are open say so.",
    answers={"204": {"description": "It has ended.", "headers": REQUEST_ID}},
    may=MANAGERS,
    parameters=(Parameter("id", text("Of the link.", "sl_5b0c9a2f7d31e846"), place="path"),),
    refuses=("NotThere",),
)
READ_SHARED: Final = Call(
    "GET",
    "/api/v1/shared/{token}",
    "shared",
    TAG,
    operation="readShared",
    summary="What a share link shows",
    about="Public, to whoever has the token, which opens nothing else: how many are online, on "
    "which screens and with which versions and platforms, all of one moment, a second ago or ten "
    "times as long as reading takes. Never a user, a name or a "
    "device. Limited by address as the public count is. A token that is unknown, ended or expired "
    "is one and the same `404`.",
    answers=ok(ref("SharedLive"), "The numbers."),
    may=ANYBODY,
    parameters=(
        Parameter(
            "token",
            text("Of the link.", "Wq3xqGJv0mZ5b1cYH6pWb8m2r4nTn0h2u3oY7kq1xZc"),
            place="path",
        ),
    ),
    headers=HEADERS,
    refuses=("BadParameter", "Failed", "HeadersTooLarge", "NotThere", "RateLimited", "Unavailable"),
)
CALLS: Final = (LIST_SHARE_LINKS, CREATE_SHARE_LINK, DELETE_SHARE_LINK, READ_SHARED)
