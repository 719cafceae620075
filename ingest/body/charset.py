"""From bytes to text where they are not simply UTF-8. PURE.

In this order: a byte order mark; UTF-16 without one, which shows by its zeros; UTF-8; the charset
that the sender names; UTF-8 whose surrogates were encoded one by one (old Java); UTF-8 with bytes
that are none, which become lone surrogates and are removed like those; else Windows-1252, which
holds Latin-1.
"""

from __future__ import annotations

import codecs
import re
from typing import Final

_MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
#: Charsets that may be named: text ones, each in linear time.
_NAMED: Final = re.compile(
    r"utf-?(?:16|32)(?:-?[lb]e)?|iso-8859-\d{1,2}|latin-?\d|(?:windows-|cp)125\d|koi8-[ru]"
    r"|gb2312|gbk|gb18030|big5|shift[_-]jis|euc-(?:jp|kr)",
    re.IGNORECASE,
)
_SEQUENCE: Final = re.compile(
    rb"[\xc3-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}"
)


def text_of(body: bytes, charset: str | None = None) -> tuple[str, bool]:
    """The text, and whether it was UTF-8. Lone surrogates stand for bytes that are no text."""
    for mark, encoding in _MARKS:
        if body.startswith(mark):
            return body[len(mark) :].decode(encoding, "replace"), encoding == "utf-8"
    wide = _wide(body)
    if wide is not None:
        return body.decode(wide, "replace"), False
    try:
        return body.decode(), True
    except UnicodeDecodeError:
        return _other(body, charset), False


def _wide(body: bytes) -> str | None:
    """UTF-16 whose first character is ASCII, as that of JSON is."""
    if len(body) < 2 or len(body) % 2:
        return None
    if body[1] == 0 != body[0]:
        return "utf-16-le"
    return "utf-16-be" if body[0] == 0 != body[1] else None


def _other(body: bytes, charset: str | None) -> str:
    if charset is not None and _NAMED.fullmatch(charset):
        try:
            return body.decode(charset)
        except (UnicodeDecodeError, LookupError):
            pass
    try:
        halves = body.decode("utf-8", "surrogatepass")
        return halves.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")
    except UnicodeDecodeError:
        pass
    if _SEQUENCE.search(body):
        return body.decode("utf-8", "surrogateescape")
    try:
        return body.decode("cp1252")
    except UnicodeDecodeError:  # five bytes stand for nothing there
        return body.decode("latin-1")
