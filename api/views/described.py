"""Saved views of the dashboard."""

from __future__ import annotations

from typing import Final

from api.http.answers import schemas_of
from api.http.call import Call
from api.http.parameters import id_parameter
from api.views.answers import Views
from api.views.view import CHANGE, NEW_VIEW
from schemas.openapi.answers import REQUEST_ID, created, ok
from schemas.openapi.forms import (
    ref,
    text,
)

TAG: Final = {
    "name": "Saved views",
    "description": "Addresses of the dashboard under a name, up to 100 of a reader. Any reader may "
    "open one by its id; only who keeps it sees it in the list and changes it. One that nobody "
    "used as long as rollups are kept (400 days) goes.",
}

_ID: Final = text("Finds the view.", "6f1d0a9be2c44be08f0b8f6a1ac2f3d7", pattern="^[0-9a-f]{32}$")
SCHEMAS: Final = schemas_of(Views)
VIEW_ID: Final = id_parameter("id", _ID, 64)

LIST_VIEWS: Final = Call(
    "GET",
    "/api/v1/views",
    "views",
    TAG,
    operation="listViews",
    summary="My saved views",
    about="Those of whoever asks.",
    answers=ok(ref("Views"), "Them."),
)
ADD_VIEW: Final = Call(
    "POST",
    "/api/v1/views",
    "views",
    TAG,
    operation="addView",
    summary="Save a view",
    about="A request that is sent again saves a second one.",
    answers=created(ref("View"), "It is kept."),
    body=NEW_VIEW,
)
READ_VIEW: Final = Call(
    "GET",
    "/api/v1/views/{id}",
    "view",
    TAG,
    operation="readView",
    summary="A saved view",
    about="Of anybody: its id is what is shared.",
    answers=ok(ref("View"), "It."),
    parameters=(VIEW_ID,),
    refuses=("NotThere",),
)
CHANGE_VIEW: Final = Call(
    "PATCH",
    "/api/v1/views/{id}",
    "view",
    TAG,
    operation="changeView",
    summary="Rename a saved view, or save it anew",
    about="One's own only.",
    answers=ok(ref("View"), "As it is now."),
    parameters=(VIEW_ID,),
    body=CHANGE,
    refuses=("NotThere",),
)
DELETE_VIEW: Final = Call(
    "DELETE",
    "/api/v1/views/{id}",
    "view",
    TAG,
    operation="deleteView",
    summary="Delete a saved view",
    about="One's own only.",
    answers={"204": {"description": "It is gone.", "headers": REQUEST_ID}},
    parameters=(VIEW_ID,),
    refuses=("NotThere",),
)
CALLS: Final = (
    LIST_VIEWS,
    ADD_VIEW,
    READ_VIEW,
    CHANGE_VIEW,
    DELETE_VIEW,
)
