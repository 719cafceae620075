"""Of rules for screens' names: what they make of those that have arrived."""

from __future__ import annotations

from typing import Final

from api.analytics.described.screens import TAG
from api.http.call import Call
from api.http.parameters import MAX_LIMIT, number_parameter
from schemas.openapi.answers import QUALITY, ok
from schemas.openapi.forms import Json, flag, instant, many, nullable, record, ref, text, whole

SCHEMAS: Final[dict[str, Json]] = {
    "FoldedScreen": record(
        {
            "screen": text("As it would be.", "/product/{id}"),
            "folded": flag("Whether another name becomes it; `false`: it stays.", True),
            "names": whole("How many names become it.", 412),
            "visits": whole("To all of them.", 9120),
            "users": whole("Whose they were.", 812),
            "examples": many(text("Its names with the most visits.", "/product/4711")),
        }
    ),
    "ScreenRules": record(
        {
            "in_force": flag("`false`: there are no rules, and the ready ones are shown.", True),
            "rules": many(text("As they are applied.", "digits"), "Ready rules, then patterns."),
            "since": nullable(
                instant(
                    "When the first of the visits was over; `null`: there are none.",
                    "2026-03-30T09:12:00.000Z",
                )
            ),
            "visits": whole("The latest that are over: 200,000 at most.", 48_210),
            "names": whole("That they went to.", 430),
            "folded_names": whole("Of those that were looked at, how many would change.", 412),
            "screens": whole("What they would become.", 19),
            "items": many(
                ref("FoldedScreen"),
                "Folded ones first, by how many names become them; then those that stay. Of more "
                "than 10,000 names the least visited are not looked at.",
            ),
            **QUALITY,
        }
    ),
}


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
