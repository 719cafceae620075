"""The languages of the dashboard's texts: which one a browser wants, and its catalogue.

A text is its own key, in English. ``static/texts/<language>.json`` has what it is in a language;
scripts read the same file (``static/lib/texts.js``).
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from importlib.resources import files
from typing import Any, Final

from aiohttp import web

#: The first is that of the keys.
LANGUAGES: Final = {"en": "English", "de": "Deutsch"}
#: Chosen in the bar (``static/ui/display.js``); kept in a cookie, as pages are made here.
LANGUAGE_COOKIE: Final = "rollcall_language"


def language_of(request: web.Request) -> str:
    """English for whoever has chosen nothing, or what there is not."""
    wanted = request.cookies.get(LANGUAGE_COOKIE, "")
    return wanted if wanted in LANGUAGES else next(iter(LANGUAGES))


@cache
def catalogue(language: str) -> dict[str, Any]:
    """Texts by their English; forms by the name of a plural where a text is about a number of
    things."""
    file = files("api.dashboard") / "static" / "texts" / f"{language}.json"
    found: dict[str, Any] = json.loads(file.read_text("utf-8")) if file.is_file() else {}
    return found


def translator(language: str) -> Callable[[str], str]:
    """``t`` of templates. What has two meanings in English says after a bar which."""
    texts = catalogue(language)

    def t(text: str) -> str:
        return str(texts.get(text, text.partition("|")[0]))

    return t


async def texts_of(request: web.Request) -> dict[str, Any]:
    """What every template is given."""
    language = language_of(request)
    return {"language": language, "languages": LANGUAGES, "t": translator(language)}
