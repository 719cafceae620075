"""The public count as a picture to embed. PURE.

The number stands on a tint, the label beside it; both are told to the browser's reader, and in the
page's colours by day and by night. A count that is stale says so, and is grey.
"""

from __future__ import annotations

import unicodedata
from typing import Final
from xml.sax.saxutils import escape

from api.presence.answers import Count
from schemas.bodies.fields import text_problem

LABEL: Final = "online"
MAX_LABEL: Final = 32
#: Of 11 pixels: wide enough for any font that browsers take, to which texts are fitted.
_CHARACTER: Final = 6.6
_PAD: Final = 7
_STYLE: Final = (
    "text{font:11px Verdana,DejaVu Sans,sans-serif}"
    ".l{fill:#e1e7e4}.lt{fill:#15201e}.v{fill:#0f766e}.vt{fill:#fff}"
    ".stale .v{fill:#56635f}"
    "@media(prefers-color-scheme:dark){.l{fill:#26302d}.lt{fill:#e8efec}"
    ".v{fill:#2dd4bf}.vt{fill:#0b1412}.stale .v{fill:#9aa8a3}}"
)


def parse_label(text: str) -> str:
    """Raises ``ValueError`` that says what would be right."""
    problem = text_problem(text, MAX_LABEL)
    # Marks that turn a line round, too, are none that one can see.
    if problem is None and not text.isprintable():
        problem = "must have no characters that cannot be seen"
    if problem is not None:
        raise ValueError(problem)
    return text


def badge(answer: Count, label: str) -> str:
    """SVG of what ``count_answer`` says."""
    number = f"{answer.count:,}"
    value = f"{number}, stale" if answer.stale else number
    left, right = _width(label), _width(value)
    as_of = answer.as_of or "no time yet"
    told = escape(f"{label}: {value}")
    kind = ' class="stale"' if answer.stale else ""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{left + right}" height="20" role="img" '
        f'aria-labelledby="t"{kind}><title id="t">{told} (as of {as_of})</title>'
        f"<style>{_STYLE}</style>"
        f'<clipPath id="c"><rect width="{left + right}" height="20" rx="4"/></clipPath>'
        f'<g clip-path="url(#c)"><rect class="l" width="{left}" height="20"/>'
        f'<rect class="v" x="{left}" width="{right}" height="20"/></g>'
        f"{_text('lt', label, 0, left)}{_text('vt', value, left, right)}</svg>"
    )


def _text(kind: str, text: str, begin: int, width: int) -> str:
    return (
        f'<text class="{kind}" x="{begin + _PAD}" y="14" textLength="{width - 2 * _PAD}" '
        f'lengthAdjust="spacingAndGlyphs">{escape(text)}</text>'
    )


def _width(text: str) -> int:
    wide = sum(unicodedata.east_asian_width(character) in "WF" for character in text)
    return round(_CHARACTER * (len(text) + wide)) + 2 * _PAD
