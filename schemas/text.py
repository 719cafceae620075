"""Text as it may be stored: what PostgreSQL or UTF-8 cannot hold is removed."""

from __future__ import annotations

import re
from typing import Final

# C0 (NUL included), DEL, C1 and lone surrogates.
_UNSTORABLE: Final = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


def clean_text(text: str) -> str:
    """``text`` without control characters and lone surrogates (design, section 1)."""
    if text.isprintable():  # the usual case, decided in C
        return text
    return _UNSTORABLE.sub("", text)
