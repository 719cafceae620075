"""Every text that a page asks for is in every catalogue, and nothing else is."""

from __future__ import annotations

import re
from importlib.resources import files
from importlib.resources.abc import Traversable

import pytest
from aiohttp.test_utils import make_mocked_request

from api.dashboard.login import WHY
from api.dashboard.texts import LANGUAGES, catalogue, language_of, translator
from api.page_table import PAGES
from schemas.http.problems import CODES

TRANSLATED = sorted(set(LANGUAGES) - {"en"})
#: As they are written: `t("…")`, and the second text of `many(n, "…", "…")`.
TEXT = re.compile(r'\bt\(\s*"([^"]+)"')
NUMBERED = re.compile(r'\bmany\(\s*[\w.]+,\s*"[^"]+",\s*"([^"]+)"')
#: Parts of the API's own sentences, which are English; and of the request that developers see.
OF_THE_API = {"The instant must", "the time up to which everything has been read"}
EXAMPLES = {"Home", "eyJ…  # what your app sends"}
PRODUCTS = {"Android", "Linux", "Web", "Windows", "Slack"}
#: Words of the code: classes, states, keys, nouns that `several` turns into texts.
CODE = {
    "Content-Type", "Enter", "Top", "dead letter", "no answer", "of-first worst",
    "ranked-name quiet", "sample block", "translate(px, px)", "use strict", "week counting",
}  # fmt: skip
NO_TEXTS = OF_THE_API | EXAMPLES | PRODUCTS | CODE
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
    titles = {page.title for page in PAGES} | {title for _, title in CODES.values()}
    return {*TEXT.findall(written), *NUMBERED.findall(written), *titles, *WHY.values()}


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
    text = re.sub(
        r"^\s*//[^\n]*|\s//[^\n]*|/\*.*?\*/|^import [^\n]*", "", text, flags=re.DOTALL | re.M
    )
    text = re.sub(r'\bt\(\s*"[^"]+"|\bmany\(\s*[\w.]+,\s*"[^"]+",\s*"[^"]+"', "", text)
    # Names of elements, classes, attributes and paths.
    text = re.sub(r'\bmake\(\s*"\w+", "[^"]*"|(?:className|font) = ["`][^"`]*["`]', "", text)
    text = re.sub(
        r"\b(?:querySelector(?:All)?|closest|matches|element|headers\.get|keep)\([^)]*\)", "", text
    )
    strings = re.findall(r'"([^"\n]*)"|`([^`\n]*)`', text)
    told = [re.sub(r"\$\{[^}]*\}", "", quoted or filled) for quoted, filled in strings]
    told = [one for one in told if one not in NO_TEXTS and not one.startswith((".", "--", "/api/"))]
    return [one for one in told if re.search(r"[A-Za-z]{2,},? [a-z]{2,}|^[A-Z][a-z]+\b(?!:)", one)]


def hard_wired_in_template(text: str) -> list[str]:
    shown = re.findall(r'(?:placeholder|title|aria-label)="([^"{]*[A-Za-z][^"]*)"', text)
    shown = [one for one in shown if not one.startswith("https://")]
    text = re.sub(r"<(pre|code|!doctype)\b.*?(</\1>|$)", "", text, flags=re.DOTALL)
    text = re.sub(r"\b(PNG|CSV|UTC|Rollcall|Ctrl K)\b", "", text)  # words of every language
    text = re.sub(r"\{% block script %\}.*?\{% endblock %\}", "", text)
    text = re.sub(r"\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\}", "", text, flags=re.DOTALL)
    return [*shown, *re.findall(r"[A-Za-z]{2,}[^<>]*", re.sub(r"<[^>]*>", "", text))]


def each(folder: Traversable, suffix: str, above: str = "") -> list[tuple[str, str]]:
    """Names and texts of the files in a folder and below it."""
    found: list[tuple[str, str]] = []
    for entry in folder.iterdir():
        if entry.is_dir():
            found += each(entry, suffix, f"{above}{entry.name}/")
        elif entry.name.endswith(suffix):
            found.append((above + entry.name, entry.read_text("utf-8")))
    return sorted(found)


def test_no_template_has_a_text_beside_the_catalogue() -> None:
    found = each(files("api.dashboard") / "templates", ".html")
    assert {name: wired for name, text in found if (wired := hard_wired_in_template(text))} == {}


def test_no_script_has_a_text_beside_the_catalogue() -> None:
    found = each(files("api.dashboard") / "static", ".js")
    assert {name: wired for name, text in found if (wired := hard_wired_in_script(text))} == {}


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
