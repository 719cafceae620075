"""Of rules for screens' names: what they make of those that have arrived."""

from __future__ import annotations

from typing import Final

from schemas.openapi.answers import OF_READERS, QUALITY, READERS, ok, refusals
from schemas.openapi.forms import (
    Json,
    Part,
    flag,
    instant,
    many,
    nullable,
    operation,
    query,
    record,
    ref,
    text,
    whole,
)
from schemas.openapi.screens import TAG
from schemas.openapi.words import MAX_LIMIT

_SCHEMAS: Final[dict[str, Json]] = {
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

_PATHS: Final[dict[str, Json]] = {
    "/api/v1/screen-rules": {
        "get": operation(
            "readScreenRules",
            "What rules make of screens' names",
            "What the rules of `ROLLCALL_SCREEN_RULES`, or without them the ready ones, make of "
            "the names that have arrived. It changes nothing.",
            {
                **ok(ref("ScreenRules"), "The names."),
                **refusals("BadParameter"),
                **OF_READERS,
            },
            security=READERS,
            parameters=(
                query(
                    "limit",
                    whole("How many items.", 50, minimum=1, maximum=MAX_LIMIT, default=MAX_LIMIT),
                ),
            ),
        )
    },
}

PART: Final = Part(TAG, _PATHS, _SCHEMAS)
