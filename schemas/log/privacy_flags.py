"""One record of ``presence.privacy``: whether a user has opted out, and since when what was stored
of them is gone (design, section 5).

The topic is compacted, and two write it: the API as soon as an opt-out is in the log, so that the
door closes at once, and the processor once the event is applied. Each has a key of its own for a
user, so that neither's last word covers the other's; of the two the one with the higher offset of
the event holds.

One record more says by which key the deployment knows users, before there is any flag: each
processor that has the key writes it at its start. Services of before pass it over.
"""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

import msgspec

from schemas.service.user_hash import HASH_BYTES

Writer: TypeAlias = Literal["api", "log"]
_WRITERS: Final[dict[Writer, bytes]] = {"api": b"a", "log": b"l"}
#: The key of the record that says by which key users are known, and its partition.
CLAIM_KEY: Final = b"user-hash-key"
CLAIM_PARTITION: Final = 0


class Flag(msgspec.Struct, frozen=True, gc=False):
    """Of the user's last privacy event: its ``offset`` in ``partition`` and whether the user has
    opted out since. What is of log time ``erased_ms`` (Unix milliseconds) and before is gone.
    ``fingerprint`` is of the key by which the user is known."""

    opted_out: bool
    partition: int
    offset: int
    fingerprint: str
    erased_ms: int | None = None


class Claim(msgspec.Struct, frozen=True):
    """The deployment knows users by the key of this fingerprint."""

    fingerprint: str


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Flag)
_claim_decoder = msgspec.json.Decoder(Claim)


def flag_key(user_hash: bytes, writer: Writer) -> bytes:
    """The key of a record."""
    return user_hash + _WRITERS[writer]


def user_of_key(key: bytes | None) -> bytes | None:
    """The user's hash; ``None`` for a key that is none of ours."""
    if key is None or len(key) != HASH_BYTES + 1 or key[HASH_BYTES:] not in _WRITERS.values():
        return None
    return key[:HASH_BYTES]


def encode_flag(flag: Flag) -> bytes:
    return _encoder.encode(flag)


def encode_claim(claim: Claim) -> bytes:
    return _encoder.encode(claim)


def decode_claim(value: bytes) -> Claim:
    """Raises ``msgspec.DecodeError``."""
    return _claim_decoder.decode(value)


def decode_flag(value: bytes) -> Flag:
    """Raises ``msgspec.DecodeError``."""
    return _decoder.decode(value)
