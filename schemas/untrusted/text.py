"""Text as it may be stored: what PostgreSQL or UTF-8 cannot hold is removed."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

# C0 (NUL included), DEL, C1 and lone surrogates.
_UNSTORABLE: Final = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
#: Marks that nobody sees, at an end of a name: soft hyphen, zero-width space and joiners, marks of
#: direction, byte order mark.
_INVISIBLE: Final = "\u00ad\u061c\u200b\u200c\u200d\u200e\u200f\u2060\ufeff"
_BLANKS: Final = "".join(chr(code) for code in range(0x3001) if chr(code).isspace())


def clean_text(text: str) -> str:
    """``text`` without control characters and lone surrogates (design, section 1)."""
    if text.isprintable():  # the usual case, decided in C
        return text
    return _UNSTORABLE.sub("", text)


def same_name(text: str) -> str:
    """The one spelling of a name that people see as the same: composed (NFC), and without blanks
    and invisible marks at its ends."""
    if text.isascii():
        return text.strip()
    return unicodedata.normalize("NFC", text).strip(_BLANKS + _INVISIBLE)
