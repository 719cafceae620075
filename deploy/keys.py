"""API keys in PostgreSQL: made, listed, revoked.

Errors of the database are ``psycopg.Error``, except those that the caller can mend.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

import psycopg
from psycopg.rows import class_row
from pydantic import SecretStr, ValidationError

from schemas.api_keys import MAX_KEYS, key_digest, new_key
from schemas.settings import SECRETS_DIR_VARIABLE, DatabaseSettings, load_or_exit
from schemas.sql_files import load_queries

DATABASE_VARIABLE: Final = "ROLLCALL_DATABASE_URL"
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


def database_url(data_dir: Path, environment: Mapping[str, str] = os.environ) -> str:
    """`ROLLCALL_DATABASE_URL` if set, else what the folder of secrets says, else the database of
    the stack in the data directory.

    Raises `KeyProblemError`.
    """
    given = environment.get(DATABASE_VARIABLE)
    if given:
        try:
            return DatabaseSettings(database_url=SecretStr(given)).dsn
        except ValidationError:  # whose text may show the password
            raise KeyProblemError(f"{DATABASE_VARIABLE} is no PostgreSQL URL") from None
    if environment.get(SECRETS_DIR_VARIABLE):
        settings = load_or_exit(DatabaseSettings)
        if "database_url" in settings.model_fields_set:
            return settings.dsn
    try:
        port = json.loads((data_dir / "ports.json").read_text())["postgres"]
        # Where there is such a directory, what `rollcall up` needs is installed.
        from deploy.local.postgres import url_of_cluster

        return url_of_cluster(data_dir / "postgres", port)
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise KeyProblemError(
            f"no database in {data_dir}: start `rollcall up` with this --data-dir first, "
            f"or set {DATABASE_VARIABLE}"
        ) from error


class KeyTable:
    """The table `api_keys` of one database."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._queries = load_queries("deploy", "keys.queries.sql")

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
