"""Every pointer in code and docs leads somewhere: links, anchors, sections, promises, decisions."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import PurePosixPath
from posixpath import normpath

import pytest

from tests.repository_text import ROOT, anchors, links, one_line, pages, texts

DESIGN = "docs/design.md"
INDEX = "docs/README.md"

_NUMBERS = r"(\d+(?:(?:, | and | to )\d+)*)"
#: Of an RFC, or ours.
_SECTION = re.compile(rf"(\bRFC \d+,? |\bdesign[,:] |)\bsections? {_NUMBERS}", re.IGNORECASE)
_PROMISE = re.compile(rf"\bpromises? {_NUMBERS}", re.IGNORECASE)
_DECISION = re.compile(r"\b(?:adr/|decision )(\d+)((?:-[\w-]+)?)", re.IGNORECASE)
_PAGE = re.compile(r"(?<![\w./-])docs/[\w./-]*?\.md(?:#[\w-]+)?")


def pointers(pattern: re.Pattern[str], word: str) -> Iterator[tuple[str, re.Match[str]]]:
    """Each match in the texts of the repository, but for this one, with the path. ``word`` is in
    lower case what every match has: most texts have none and need no closer look."""
    for path, text in texts().items():
        if word in text.lower() and path != "tests/unit/project/test_docs_links.py":
            for match in pattern.finditer(one_line(text)):
                yield path, match


def problem(page: str, link: str) -> str | None:
    """Why ``link`` on ``page`` leads nowhere. Other hosts are not asked."""
    if re.match(r"[a-z]+:", link):
        return None
    path, _, anchor = link.partition("#")
    target = normpath(str(PurePosixPath(page).parent / path)) if path else page
    if not (ROOT / target).exists():
        return f"{page}: {link}: there is no {target}"
    if anchor and anchor not in anchors(texts()[target]):
        return f"{page}: {link}: {target} has no #{anchor}"
    return None


def test_every_link_of_every_page_leads_somewhere() -> None:
    found = [problem(page, link) for page, text in pages().items() for link in links(text)]
    assert len(found) > 50
    assert [text for text in found if text] == []


def test_every_page_that_a_text_names_exists() -> None:
    found = [(path, match[0]) for path, match in pointers(_PAGE, "docs/")]
    assert len(found) > 100
    wrong = [f"{path}: {why}" for path, page in found if (why := problem("README.md", page))]
    assert wrong == []


@pytest.mark.parametrize(
    ("link", "why"),
    [
        ("https://example.com/none", None),
        ("design.md#section-4", None),
        ("#3-promises", None),
        ("../README.md", None),
        ("nowhere.md", "there is no docs/nowhere.md"),
        ("design.md#section-10", "docs/design.md has no #section-10"),
        ("#nothing", "docs/design.md has no #nothing"),
    ],
)
def test_a_link_that_leads_nowhere_is_told(link: str, why: str | None) -> None:
    expected = f"{DESIGN}: {link}: {why}" if why else None
    assert problem(DESIGN, link) == expected


def test_headings_are_anchors_as_git_hosts_name_them() -> None:
    page = '# A `200` is durable\n```\n# no heading\n```\n## Why?\n## Why?\n<a id="own"></a>\n'
    assert anchors(page) == {"a-200-is-durable", "why", "why-1", "own"}


def test_code_links_to_nothing() -> None:
    page = '```\n[a](b.md)\n```\n`[c](d.md)` [e](f.md#g) <img src="h.png">\n'
    assert list(links(page)) == ["f.md#g", "h.png"]


# -- what code calls "design, section N" and "promise N"


def test_every_section_that_a_text_points_to_is_one_of_the_design() -> None:
    known = anchors(texts()[DESIGN])
    wrong = []
    ours = 0
    for path, match in pointers(_SECTION, "section"):
        before, numbers = match[1].lower(), re.findall(r"\d+", match[2])
        if before.startswith("rfc"):
            continue
        if not before and path != DESIGN:
            wrong.append(f'{path}: "{match[0]}" is written "design, {match[0]}"')
        ours += 1
        wrong += [
            f"{path}: {match[0]}: {DESIGN} has no section {number}"
            for number in numbers
            if f"section-{number}" not in known
        ]
    assert ours > 50
    assert wrong == []


def test_every_promise_that_a_text_points_to_is_one_of_the_design() -> None:
    found = [
        (path, number)
        for path, match in pointers(_PROMISE, "promise")
        for number in re.findall(r"\d+", match[1])
    ]
    assert len(found) > 30
    known = anchors(texts()[DESIGN])
    assert [pointer for pointer in found if f"promise-{pointer[1]}" not in known] == []


def test_the_anchors_of_the_design_stand_above_their_headings() -> None:
    named = re.findall(r'<a id="(section|promise)-(\d+)"></a>\n\n(.*)', texts()[DESIGN])
    titles = {"section": "## {}. ", "promise": "### Promise {}. "}
    assert Counter(kind for kind, _, _ in named) == {"section": 9, "promise": 8}
    for kind, number, title in named:
        assert title.startswith(titles[kind].format(number)), title


# -- decisions


def test_decisions_are_numbered_without_a_gap() -> None:
    files = sorted((ROOT / "deploy/adr").glob("*.md"))
    assert [file.name[:5] for file in files] == [f"{n:04d}-" for n in range(1, len(files) + 1)]
    for number, file in enumerate(files, 1):
        assert file.read_text("utf-8").startswith(f"# {number}. "), file.name


def test_every_decision_that_a_text_points_to_exists() -> None:
    names = [file.stem for file in (ROOT / "deploy/adr").glob("*.md")]
    found = [
        (path, f"{int(match[1]):04d}{match[2] or '-'}")
        for word in ("adr/", "decision ")
        for path, match in pointers(_DECISION, word)
    ]
    assert len(found) > 5
    missing = [
        f"{path}: no decision {start}"
        for path, start in found
        if not any(name.startswith(start) for name in names)
    ]
    assert missing == []


# -- the index


def test_the_index_has_a_line_for_every_page() -> None:
    listed = {
        normpath(f"docs/{link.partition('#')[0]}")
        for link in links(texts()[INDEX])
        if not link.startswith("#")
    }
    of_docs = {path for path in pages() if re.fullmatch(r"docs/[^/]+\.md", path)} - {INDEX}
    assert of_docs - listed == set()


def test_the_glossary_has_one_line_for_a_word_and_the_words_in_order() -> None:
    _, _, glossary = texts()[INDEX].partition("## Glossary")
    words = [word.strip("`") for word in re.findall(r"^\| (.+?) \| ", glossary, re.MULTILINE)[1:]]
    assert len(words) > 40
    assert words == sorted(set(words), key=lambda word: re.sub(r"\W|_", " ", word))
