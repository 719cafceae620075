"""Whom tokens spoke for until a while ago, by the tokens' hashes. PURE: times are seconds of one
monotonic clock.

Each entry has three ends. Until the first an answer of the token's issuer was *believed*. Until the
second the token *counted*: longer, if it was let pass while the issuer was away. At the third the
token *ends* by itself.
"""

from __future__ import annotations

from dataclasses import dataclass

from cachetools import LRUCache

from schemas.tokens.identity import Identity


@dataclass(slots=True)
class _Known:
    identity: Identity
    believed_until: float
    counted_until: float
    ends: float


class KnownTokens:
    """At most ``size`` of them, the least recently used out first."""

    def __init__(self, size: int) -> None:
        self._kept: LRUCache[bytes, _Known] = LRUCache(size)

    def believe(self, digest: bytes, identity: Identity, until: float, ends: float) -> None:
        """The issuer said whom it speaks for."""
        self._kept[digest] = _Known(identity, until, until, ends)

    def used(self, digest: bytes, until: float) -> None:
        """It counts until then, though the issuer did not say so again."""
        known = self._kept.get(digest)
        if known is not None:
            known.counted_until = max(known.counted_until, until)

    def no_more(self, digest: bytes, now: float) -> None:
        """The issuer said that it does not count from now on."""
        known = self._kept.get(digest)
        if known is not None:
            known.believed_until = -1.0
            known.counted_until = min(known.counted_until, now)

    def find_believed(
        self, digest: bytes, since: float, now: float
    ) -> tuple[Identity, float] | None:
        """Whom it speaks for and when it ends, if an answer was believed after ``since``."""
        known = self._kept.get(digest)
        if known is None or known.believed_until <= since or known.ends <= now:
            return None
        return known.identity, known.ends

    def find(self, digest: bytes, since: float) -> Identity | None:
        """Whom it speaks for, if it counted after ``since``."""
        known = self._kept.get(digest)
        return known.identity if known is not None and known.counted_until > since else None
