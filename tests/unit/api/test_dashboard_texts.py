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
#: By page the modules that are its own.
TRANSLATED_MODULES = {
    "live": ("live", "hour", "changes"),
    "shared": ("shared",),
    "users": tuple(
        f"users/{name}"
        for name in ("users", "user_filters", "user_list", "user_rows", "user_export")
    ),
}
#: Parts of the API's own sentences, which are English; and of the request that developers see.
OF_THE_API = {"The instant must", "the time up to which everything has been read"}
EXAMPLES = {"Home", "eyJ…  # what your app sends"}
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


def hard_wired_in_script(text: str) -> list[str]:
    """Strings with a space between words, or that begin a sentence, beside ``t`` and ``many``."""
    text = re.sub(r"//[^\n]*|/\*.*?\*/", "", text, flags=re.DOTALL)
    text = re.sub(r'\bt\(\s*"[^"]+"|\bmany\(\s*\w+,\s*"[^"]+",\s*"[^"]+"', "", text)
    strings = re.findall(r'"([^"\n]*)"|`([^`\n]*)`', text)
    told = [re.sub(r"\$\{[^}]*\}", "", quoted or filled) for quoted, filled in strings]
    told = [one for one in told if one not in OF_THE_API | EXAMPLES and not one.startswith(".")]
    return [one for one in told if re.search(r"[A-Za-z]{2,},? [a-z]{2,}|^[A-Z][a-z]+\b(?!:)", one)]


def hard_wired_in_template(text: str) -> list[str]:
    shown = re.findall(r'(?:placeholder|title|aria-label)="([^"{]*[A-Za-z][^"]*)"', text)
    text = text.replace("PNG", "").replace("Rollcall", "")  # of every language
    text = re.sub(r"\{% block script %\}.*?\{% endblock %\}", "", text)
    text = re.sub(r"\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\}", "", text, flags=re.DOTALL)
    return [*shown, *re.findall(r"[A-Za-z]{2,}[^<>]*", re.sub(r"<[^>]*>", "", text))]


@pytest.mark.parametrize("page", ["live", "shared", "users"])
def test_a_page_that_claims_a_language_has_no_text_beside_the_catalogue(page: str) -> None:
    dashboard = files("api.dashboard")
    template = (dashboard / "templates" / f"{page}.html").read_text("utf-8")
    assert "{% block main_language %}{% endblock %}" in template
    assert hard_wired_in_template(template) == []
    for module in TRANSLATED_MODULES[page]:
        text = (dashboard / "static" / "pages" / f"{module}.js").read_text("utf-8")
        assert (module, hard_wired_in_script(text)) == (module, [])


def test_only_pages_that_are_tried_claim_a_language() -> None:
    folder = files("api.dashboard") / "templates"
    claim = {
        entry.name.removesuffix(".html")
        for entry in folder.iterdir()
        if "{% block main_language %}{% endblock %}" in entry.read_text("utf-8")
    }
    assert claim == set(TRANSLATED_MODULES)


def test_what_finds_texts_finds_them() -> None:
    assert hard_wired_in_script('say("Nobody is here", `${n} more users`)') == [
        "Nobody is here",
        " more users",
    ]
    assert hard_wired_in_template('<p title="A tip">Users {{ t("now") }}</p>') == [
        "A tip",
        "Users ",
    ]


def test_a_language_that_is_not_there_is_english() -> None:
    for cookie, language in (("de", "de"), ("xx", "en"), ("../de", "en"), ("", "en")):
        headers = {"Cookie": f"rollcall_language={cookie}"}
        assert language_of(make_mocked_request("GET", "/", headers=headers)) == language
    assert language_of(make_mocked_request("GET", "/")) == "en"


def test_a_text_without_a_translation_is_shown_in_english() -> None:
    assert translator("de")("Log out") == "Abmelden"
    assert translator("de")("Nobody has written this") == "Nobody has written this"
