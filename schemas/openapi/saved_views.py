"""Saved views of the dashboard."""

from __future__ import annotations

from typing import Final

from schemas.openapi.answers import OF_READERS, READERS, REQUEST_ID, created, ok, refusals
from schemas.openapi.forms import (
    VISIBLE_TEXT,
    Json,
    Part,
    closed,
    flag,
    in_path,
    instant,
    many,
    operation,
    record,
    ref,
    text,
    word,
)
from schemas.openapi.reads import PRINCIPAL_KINDS

TAG: Final = {
    "name": "Saved views",
    "description": "Addresses of the dashboard under a name, up to 100 of a reader. Any reader may "
    "open one by its id; only who keeps it sees it in the list and changes it. One that nobody "
    "used as long as rollups are kept (400 days) goes.",
}
MAX_NAME: Final = 100
MAX_ADDRESS: Final = 4_096

_ID: Final = text("Finds the view.", "6f1d0a9be2c44be08f0b8f6a1ac2f3d7", pattern="^[0-9a-f]{32}$")
_NAME: Final = text(
    "What it is called.",
    "Cart on old phones",
    minLength=1,
    maxLength=MAX_NAME,
    pattern=VISIBLE_TEXT,
)
_ADDRESS: Final = text(
    "Path and query of a page of the dashboard, percent-encoded; of the Audience page its filter "
    "after `#`. None that names a user: no page of a user, no `q`, no `exclude_user_ids`.",
    "/users?screen=Cart&app_version=1.9.0",
    minLength=1,
    maxLength=MAX_ADDRESS,
    pattern="^/",
)
_WANTED: Final = {"name": _NAME, "address": _ADDRESS}
_SCHEMAS: Final[dict[str, Json]] = {
    "ViewWanted": closed(_WANTED, required=("name", "address")),
    "ViewChange": closed(_WANTED, minProperties=1),
    "View": record(
        {
            "id": _ID,
            "name": _NAME,
            "address": _ADDRESS,
            "link": text(
                "To share: leads to the address.", "/views/6f1d0a9be2c44be08f0b8f6a1ac2f3d7"
            ),
            "who_kind": word("Who vouches for `who`.", PRINCIPAL_KINDS),
            "who": text("Who keeps it.", "support"),
            "is_mine": flag("Whether that is who asks.", True),
            "created_at": instant("When it was saved.", "2026-03-30T12:00:00.412Z"),
            "changed_at": instant("When it was changed last.", "2026-03-30T12:00:00.412Z"),
        },
        about="A saved view.",
    ),
    "Views": record({"items": many(ref("View"))}, about="By name."),
}


def _body(schema: str) -> Json:
    return {"required": True, "content": {"application/json": {"schema": ref(schema)}}}


_OF_BODY: Final = refusals("BadBody", "BodyTooLarge", "UnsupportedEncoding", "BadField")
_NAMED: Final = (in_path("id", _ID),)
_PATHS: Final[dict[str, Json]] = {
    "/api/v1/views": {
        "get": operation(
            "listViews",
            "My saved views",
            "Those of whoever asks.",
            {**ok(ref("Views"), "Them."), **refusals("BadParameter"), **OF_READERS},
            security=READERS,
        ),
        "post": operation(
            "addView",
            "Save a view",
            "A request that is sent again saves a second one.",
            {**created(ref("View"), "It is kept."), **_OF_BODY, **OF_READERS},
            security=READERS,
            body=_body("ViewWanted"),
        ),
    },
    "/api/v1/views/{id}": {
        "get": operation(
            "readView",
            "A saved view",
            "Of anybody: its id is what is shared.",
            {**ok(ref("View"), "It."), **refusals("BadParameter", "NotThere"), **OF_READERS},
            security=READERS,
            parameters=_NAMED,
        ),
        "patch": operation(
            "changeView",
            "Rename a saved view, or save it anew",
            "One's own only.",
            {
                **ok(ref("View"), "As it is now."),
                **_OF_BODY,
                **refusals("NotThere"),
                **OF_READERS,
            },
            security=READERS,
            parameters=_NAMED,
            body=_body("ViewChange"),
        ),
        "delete": operation(
            "deleteView",
            "Delete a saved view",
            "One's own only.",
            {
                "204": {"description": "It is gone.", "headers": REQUEST_ID},
                **refusals("BadParameter", "NotThere"),
                **OF_READERS,
            },
            security=READERS,
            parameters=_NAMED,
        ),
    },
}
PART: Final = Part(TAG, _PATHS, _SCHEMAS)
