"""Every text that a page asks for is in every catalogue, and nothing else is."""

from __future__ import annotations

import re
from importlib.resources import files
from importlib.resources.abc import Traversable

import pytest
from aiohttp.test_utils import make_mocked_request

from api.dashboard.texts import LANGUAGES, catalogue, language_of, translator
from api.page_table import PAGES

TRANSLATED = sorted(set(LANGUAGES) - {"en"})
#: As they are written: `t("…")`, and the second text of `many(n, "…", "…")`.
TEXT = re.compile(r'\bt\(\s*"([^"]+)"')
NUMBERED = re.compile(r'\bmany\(\s*\w+,\s*"[^"]+",\s*"([^"]+)"')
HOLE = re.compile(r"\{\w+\}")


def sources(folder: Traversable) -> str:
    found = ""
    for entry in folder.iterdir():
        if entry.is_dir():
            found += sources(entry)
        elif entry.name.endswith((".js", ".html")) and entry.name != "texts.js":
            found += entry.read_text("utf-8")
    return found


def asked_for() -> set[str]:
    dashboard = files("api.dashboard")
    written = sources(dashboard / "static") + sources(dashboard / "templates")
    titles = {page.title for page in PAGES}
    return {*TEXT.findall(written), *NUMBERED.findall(written), *titles}


@pytest.mark.parametrize("language", TRANSLATED)
def test_a_catalogue_has_all_texts_and_no_other(language: str) -> None:
    assert set(catalogue(language)) == asked_for()


@pytest.mark.parametrize("language", TRANSLATED)
def test_what_a_text_is_filled_with_is_the_same_in_every_language(language: str) -> None:
    for text, translation in catalogue(language).items():
        forms = translation.values() if isinstance(translation, dict) else [translation]
        for form in forms:
            assert form, text
            assert sorted(HOLE.findall(form)) == sorted(HOLE.findall(text)), text


def test_a_language_that_is_not_there_is_english() -> None:
    for cookie, language in (("de", "de"), ("xx", "en"), ("../de", "en"), ("", "en")):
        headers = {"Cookie": f"rollcall_language={cookie}"}
        assert language_of(make_mocked_request("GET", "/", headers=headers)) == language
    assert language_of(make_mocked_request("GET", "/")) == "en"


def test_a_text_without_a_translation_is_shown_in_english() -> None:
    assert translator("de")("Log out") == "Abmelden"
    assert translator("de")("Nobody has written this") == "Nobody has written this"
