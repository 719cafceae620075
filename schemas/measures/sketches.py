"""How many different users, from sketches that can be merged: Apache DataSketches' HyperLogLog.

A sketch of many users has 2 KB however many they are; merged sketches of hours tell the users of
the day, which sums of hours cannot. It holds HMACs of user ids under a key: who has the sketch, but
not the key, cannot ask it for anybody. The same users in the same order under the same key give the
same bytes.

A user has another HMAC under each key. So sketches under one key merge into a number, and across
keys there are bounds: at least as many users as under the key with the most, at most as many as
under all keys together.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable
from datetime import date
from math import sqrt
from typing import Final, NamedTuple, TypeAlias

from datasketches import hll_sketch, hll_union, tgt_hll_type

LG_K: Final = 12
#: Relative standard error of an estimate: two in three are within it, 19 in 20 within twice as
#: much. Up to a few hundred users it is all but exact.
RELATIVE_ERROR: Final = 1.04 / sqrt(2**LG_K)

# The most compact form; what it costs is time to merge.
_FORM: Final = tgt_hll_type.HLL_4
#: As many as are all but sure to differ, which is what an id in the sketch has to do.
_HASH_BYTES: Final = 8

#: The first day of the UTC month whose key it is; ``None``: ids without a key, as before 0.2.
Key: TypeAlias = date | None


class Users(NamedTuple):
    """How many there are: one number if the two are equal."""

    at_least: int
    at_most: int


def sketch_of(user_ids: Iterable[str], key: bytes) -> bytes:
    """A sketch of these users under a key."""
    sketch = hll_sketch(LG_K, _FORM)
    for user_id in user_ids:
        hashed = hmac.digest(key, user_id.encode(), "sha256")
        sketch.update(int.from_bytes(hashed[:_HASH_BYTES], "big", signed=True))
    return bytes(sketch.serialize_compact())


def estimate(sketch: bytes) -> int:
    """How many users there are in a sketch."""
    return _users_in(hll_sketch.deserialize(sketch))


#: The sketch of nobody. Beside a number of users it stands for a sketch that was dropped.
NOBODY: Final = bytes(hll_sketch(LG_K, _FORM).serialize_compact())


class UserSets:
    """Everyone who is in any of several sets of users."""

    __slots__ = ("_at_least", "_at_most", "_by_key")

    def __init__(self) -> None:
        self._by_key: dict[Key, hll_sketch | hll_union] = {}
        # Of the sets without a sketch: whom they share with others is not known.
        self._at_least = 0
        self._at_most = 0

    def add(self, key: Key, sketch: bytes | None, users: Users) -> None:
        """Add a set: ``users`` count where it has no sketch, or that of nobody."""
        held = None if sketch is None else hll_sketch.deserialize(sketch)
        if held is None or held.is_empty():
            self._at_least = max(self._at_least, users.at_least)
            self._at_most += users.at_most
            return
        before = self._by_key.get(key)
        if before is None:
            # Most sets are alone: a union costs ten times as much.
            self._by_key[key] = held
            return
        if not isinstance(before, hll_union):
            union = hll_union(LG_K)
            union.update(before)
            self._by_key[key] = before = union
        before.update(held)

    def users(self) -> Users:
        """How many there are in all of them together."""
        estimates = [_users_in(held) for held in self._by_key.values()]
        return Users(max([self._at_least, *estimates]), self._at_most + sum(estimates))

    def sketch(self) -> tuple[Key, bytes] | None:
        """The one that holds them all, and its key; ``None`` if there is none."""
        if self._at_most or len(self._by_key) != 1:
            return None
        [(key, held)] = self._by_key.items()
        merged = held.get_result(_FORM) if isinstance(held, hll_union) else held
        return key, bytes(merged.serialize_compact())


def _users_in(held: hll_sketch | hll_union) -> int:
    users: float = held.get_estimate()
    return round(users)
