"""Names in paths: user ids and screens may hold any character. PURE."""

from __future__ import annotations

from urllib.parse import unquote


def named_in_path(raw_path: str, before: str, after: str = "") -> str:
    """The part of the path between ``before`` and ``after``, decoded once.

    From the raw path, because aiohttp decodes some of it before routes match. Bytes that are no
    UTF-8 become lone surrogates, which no name holds.
    """
    return unquote(raw_path.removeprefix(before).removesuffix(after), errors="surrogateescape")
