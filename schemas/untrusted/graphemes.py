"""Where text may be cut so that no character, as people count them, is cut in two. PURE.

A small part of UAX 29 (extended grapheme clusters): flags, families, skin tones, accents, Indic
conjuncts, Hangul. Where it cannot tell cheaply it keeps too much together, which cuts a little
earlier.
"""

from __future__ import annotations

import unicodedata
from typing import Final

_JOIN: Final = "\u200d"
#: What belongs to the character before it though it is no mark: Thai and Lao vowels, Katakana
#: voicing in half width.
_TRAILERS: Final = frozenset("\u200c\u200d\u0e33\u0eb3\uff9e\uff9f")
#: What stands before the character that it belongs to, besides the Arabic number signs.
_LEADERS: Final = frozenset("\u0d4e\u070f\U000110bd\U000110cd")
_VIRAMA: Final = 9  # its canonical combining class
_VIRAMA_LIKE: Final = frozenset("\u0d3b\u0d3c\u1a60\u1bab\U00011133")
_REGIONAL: Final = range(0x1F1E6, 0x1F200)
_SKIN_TONES: Final = range(0x1F3FB, 0x1F400)
_TAGS: Final = range(0xE0020, 0xE0080)
_JAMO: Final = range(0x1100, 0x1200)
_MORE_JAMO: Final = (range(0xA960, 0xA980), range(0xD7B0, 0xD800))
_HANGUL: Final = range(0xAC00, 0xD7A4)
_TRAILING_JAMO: Final = (range(0x1160, 0x1200), range(0xD7B0, 0xD800))


def cut_text(text: str, max_characters: int) -> str:
    """At most ``max_characters`` code points of ``text``. A cluster that is longer than that is cut
    in the middle."""
    if len(text) <= max_characters:
        return text
    for end in range(max_characters, 0, -1):
        if _ends_before(text, end):
            return text[:end]
    return text[:max_characters]


def _ends_before(text: str, at: int) -> bool:
    """Whether a cluster ends between ``text[at - 1]`` and ``text[at]``."""
    left, right = text[at - 1], text[at]
    if left.isascii() and right.isascii():
        return True
    before, after = ord(left), ord(right)
    if (
        right in _TRAILERS
        or after in _SKIN_TONES
        or after in _TAGS
        or unicodedata.category(right)[0] == "M"
    ):
        return False
    if (
        left == _JOIN
        or left in _LEADERS
        or unicodedata.combining(left) == _VIRAMA
        or left in _VIRAMA_LIKE
    ):
        return False
    if unicodedata.category(left) == "Cf" and unicodedata.bidirectional(left) == "AN":
        return False  # a sign that stands before its number
    if before in _REGIONAL and after in _REGIONAL:
        flags = 0
        while flags < at and ord(text[at - 1 - flags]) in _REGIONAL:
            flags += 1
        return flags % 2 == 0
    return not _in_one_syllable(before, after)


def _in_one_syllable(before: int, after: int) -> bool:
    """Hangul, also where its letters were sent one by one."""
    letter_before = before in _JAMO or before in _HANGUL or any(before in r for r in _MORE_JAMO)
    if any(after in letters for letters in _TRAILING_JAMO):
        return letter_before
    leading = before in range(0x1100, 0x1160) or before in _MORE_JAMO[0]
    return leading and (after in _JAMO or after in _HANGUL or after in _MORE_JAMO[0])
