"""API keys in PostgreSQL: made, listed, revoked.

Errors of the database are ``psycopg.Error``, except those that the caller can mend.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

import psycopg
from psycopg.rows import class_row

from schemas.database.named_queries import load_queries
from schemas.tokens.api_keys import MAX_KEYS, key_digest, new_key

CONNECT_SECONDS: Final = 5


class KeyProblemError(RuntimeError):
    """What was asked for cannot be. The message names the remedy."""


@dataclass(frozen=True, slots=True)
class ListedKey:
    """A key as it is shown: everything but the key."""

    id: int
    name: str
    scopes: list[str]
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None
    revoked_at: datetime | None


class KeyTable:
    """The table `api_keys` of one database."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._queries = load_queries("deploy.roles", "api_keys.queries.sql")

    def create(self, name: str, scopes: list[str], expires_days: int | None) -> str:
        """A new key, which nobody can read again.

        Raises `KeyProblemError` if the name is taken or there are `MAX_KEYS` already.
        """
        key = new_key()
        values = {
            "name": name,
            "digest": key_digest(key),
            "scopes": scopes,
            "expires_days": expires_days,
            "max_keys": MAX_KEYS,
        }
        with self._connection() as connection:
            try:
                made = connection.execute(self._queries["create"], values).rowcount
            except psycopg.errors.UniqueViolation:
                raise KeyProblemError(
                    f"there is a key named {name} already: revoke it first "
                    "(rollcall key revoke), or choose another --name"
                ) from None
        if not made:
            raise KeyProblemError(f"there are {MAX_KEYS} keys already: revoke some first")
        return key

    def list(self) -> list[ListedKey]:
        """All keys there ever were, oldest first."""
        with (
            self._connection() as connection,
            connection.cursor(row_factory=class_row(ListedKey)) as cursor,
        ):
            return cursor.execute(self._queries["list"]).fetchall()

    def revoke(self, name: str) -> None:
        """End a key: running services refuse it a second later.

        Raises `KeyProblemError` if no unrevoked key has this name.
        """
        with self._connection() as connection:
            revoked = connection.execute(self._queries["revoke"], {"name": name}).rowcount
        if not revoked:
            raise KeyProblemError(
                f"no key named {name} that is not revoked yet: rollcall key list shows them"
            )

    def _connection(self) -> psycopg.Connection:
        return psycopg.connect(self._url, autocommit=True, connect_timeout=CONNECT_SECONDS)
