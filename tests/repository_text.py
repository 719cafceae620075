"""The repository's own texts: its files, and what a Markdown page links to and can be linked at."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[1]

_KINDS: Final = frozenset(
    (".cfg", ".css", ".html", ".js", ".json", ".md", ".py", ".sh", ".sql", ".toml", ".yaml", ".yml")
)
_NAMES: Final = frozenset(("Dockerfile", "Makefile"))
#: Of the folders with a dot only this one is ours.
_DOT_FOLDERS: Final = frozenset((".github",))
_OTHERS: Final = frozenset(("__pycache__", "build", "dist", "node_modules", "screenshots"))
_FENCED: Final = re.compile(r"^( *)(```|~~~).*?^ *\2", re.MULTILINE | re.DOTALL)
_IN_LINE: Final = re.compile(r"`[^`\n]*`")
_LINK: Final = re.compile(r"\]\(\s*<?([^)\s>]+)>?[^)]*\)")
_HTML_LINK: Final = re.compile(r"<(?:a|img)\s[^>]*?(?:href|src)=\"([^\"]+)\"")
_HEADING: Final = re.compile(r"^#{1,6} +(.+?) *#*$", re.MULTILINE)
_ANCHOR: Final = re.compile(r"<a (?:id|name)=\"([^\"]+)\">")
_MARGIN: Final = re.compile(r"\s*\n[ \t]*(?:#+:?|--|//|\*|>)?[ \t]*")


def _is_ours(folder: str) -> bool:
    return folder not in _OTHERS and (not folder.startswith(".") or folder in _DOT_FOLDERS)


@cache
def texts() -> dict[str, str]:
    """Every text of the repository by its path from the root."""
    found: dict[str, str] = {}
    for folder, folders, names in os.walk(ROOT):
        folders[:] = sorted(name for name in folders if _is_ours(name))
        for name in names:
            path = Path(folder, name)
            if path.suffix in _KINDS or name in _NAMES:
                name = path.relative_to(ROOT).as_posix()
                found[name] = path.read_text("utf-8", errors="replace")
    return found


def pages() -> dict[str, str]:
    """Every Markdown page by its path from the root."""
    return {path: text for path, text in texts().items() if path.endswith(".md")}


def one_line(text: str) -> str:
    """``text`` without line breaks, and without what comments begin their lines with."""
    return _MARGIN.sub(" ", text)


def links(page: str) -> Iterator[str]:
    """Where a page links to, outside of code."""
    prose = _FENCED.sub("", page)
    for match in _LINK.finditer(_IN_LINE.sub("", prose)):
        yield match[1]
    for match in _HTML_LINK.finditer(prose):
        yield match[1]


def anchors(page: str) -> set[str]:
    """What a link to the page may name after ``#``: its headings as GitHub names them, and those
    that it names itself."""
    prose = _FENCED.sub("", page)
    found = set(_ANCHOR.findall(prose))
    times: Counter[str] = Counter()
    for match in _HEADING.finditer(prose):
        title = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", match[1])
        slug = re.sub(r"[^\w\- ]", "", title.strip().lower()).replace(" ", "-")
        found.add(f"{slug}-{times[slug]}" if times[slug] else slug)
        times[slug] += 1
    return found
