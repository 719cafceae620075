"""What a text becomes of which no more than "the same again" is to be known (promise 8).

The keyed hash by which a user who opted out or was erased is known:

The id itself goes; that it must not come back is remembered by this hash alone. It is BLAKE2b with
the key of ``ROLLCALL_USER_HASH_KEY``, which all services share and which is never rotated: nobody
could say any more who had opted out. Its fingerprint, which tells nothing of it, is stored with
the flags, so that a service with another key refuses to work instead of letting people back in.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import Final

HASH_BYTES: Final = 16
_FINGERPRINT_BYTES: Final = 8
_PERSON: Final = b"rollcall-user"
_FINGERPRINT_PERSON: Final = b"rollcall-key"
#: A user has at most 16 devices, which alone must stay apart.
_PSEUDONYM_BYTES: Final = 8
_PSEUDONYM_PERSON: Final = b"rollcall-device"


class UserHashKeyError(RuntimeError):
    """The key is missing or another one than that of the deployment; says what to do."""


class UserHash:
    """``UserHash(key)(user_id)``: 16 bytes, in under a microsecond."""

    __slots__ = ("_keyed", "fingerprint")

    def __init__(self, key: str) -> None:
        secret = blake2b(key.encode()).digest()
        self._keyed = blake2b(key=secret, digest_size=HASH_BYTES, person=_PERSON)
        self.fingerprint = blake2b(
            key=secret, digest_size=_FINGERPRINT_BYTES, person=_FINGERPRINT_PERSON
        ).hexdigest()

    def __call__(self, user_id: str) -> bytes:
        keyed = self._keyed.copy()
        keyed.update(user_id.encode())
        return keyed.digest()


class DevicePseudonym:
    """``DevicePseudonym(key)(device_info)``: what stands for the text where it is not to be stored
    (ADR 9). The same text always has the same; without the key nobody finds the text by trying."""

    __slots__ = ("_keyed",)

    def __init__(self, key: str) -> None:
        secret = blake2b(key.encode()).digest()
        self._keyed = blake2b(key=secret, digest_size=_PSEUDONYM_BYTES, person=_PSEUDONYM_PERSON)

    def __call__(self, device_info: str) -> str:
        keyed = self._keyed.copy()
        keyed.update(device_info.encode())
        return f"hidden-{keyed.hexdigest()}"


def check_fingerprint(ours: UserHash | None, stored: str, where: str) -> None:
    """Raises :class:`UserHashKeyError` unless ``stored``, which was found ``where``, is of our
    key."""
    if ours is None:
        raise UserHashKeyError(
            f"{where} knows users by a key (fingerprint {stored}), and this service has none: set "
            "ROLLCALL_USER_HASH_KEY to the deployment's"
        )
    if ours.fingerprint != stored:
        raise UserHashKeyError(
            f"{where} knows users by another key (fingerprint {stored}, ours has "
            f"{ours.fingerprint}): set ROLLCALL_USER_HASH_KEY to the deployment's first one; it is "
            "never rotated"
        )
