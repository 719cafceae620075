"""Of rules for screens' names: what they make of those that have arrived."""

from __future__ import annotations

from typing import Final

from api.analytics.answers.screen_rules import ScreenRules
from api.analytics.described.screens import TAG
from api.http.answers import schemas_of
from api.http.call import Call
from api.http.parameters import MAX_LIMIT, number_parameter
from schemas.openapi.answers import ok
from schemas.openapi.forms import ref

SCHEMAS: Final = schemas_of(ScreenRules)


READ_SCREEN_RULES: Final = Call(
    "GET",
    "/api/v1/screen-rules",
    "screen_rules",
    TAG,
    operation="readScreenRules",
    summary="What rules make of screens' names",
    about="What the rules of `ROLLCALL_SCREEN_RULES`, or without them the ready ones, make of "
    "the names that have arrived. It changes nothing.",
    answers=ok(ref("ScreenRules"), "The names."),
    parameters=(number_parameter("limit", "How many items.", 50, MAX_LIMIT, default=MAX_LIMIT),),
)
CALLS: Final = (READ_SCREEN_RULES,)
