"""Webhooks in PostgreSQL: made, listed, ended, rotated, replayed by `rollcall webhooks`.

Errors of the database are ``psycopg.Error``, except those that the caller can mend.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any, Final

import psycopg
from psycopg.rows import class_row, dict_row
from pydantic import SecretStr

from deploy.tokens import ENCRYPTION_KEY_FILE
from schemas.managed.manager import Manager
from schemas.webhooks.filter import ChangeFilter
from schemas.webhooks.forms import (
    MAX_DEAD_LETTERS,
    MAX_WEBHOOKS,
    NO_KEY,
    Listed,
    Made,
    new_webhook,
    queries,
    rotated,
)
from schemas.webhooks.secret_box import SecretBox
from schemas.webhooks.settings import WebhookSettings

CONNECT_SECONDS: Final = 5
#: Where `rollcall up` may send messages, unless the environment says otherwise.
LOCAL_HOSTS: Final = "127.0.0.1,localhost,::1"


class WebhookProblemError(RuntimeError):
    """What was asked for cannot be. The message names the remedy."""


def settings_of_stack(settings: WebhookSettings, data_dir: Path) -> WebhookSettings:
    """Those of `rollcall up` in the data directory, where the environment has no key."""
    key = data_dir / ENCRYPTION_KEY_FILE
    if settings.secret_box is not None or not key.exists():
        return settings
    return settings.model_copy(
        update={
            "encryption_key": SecretStr(key.read_text("utf-8").strip()),
            "webhook_private_hosts": settings.webhook_private_hosts or LOCAL_HOSTS,
        }
    )


class WebhookTable:
    """The webhooks of one database."""

    def __init__(self, url: str, box: SecretBox | None, by: Manager) -> None:
        self._url = url
        self._box = box
        self._by = by
        self._queries = queries()

    def create(self, url: str, wanted: ChangeFilter) -> Made:
        """Raises :class:`WebhookProblemError` without a key, or if there are as many as may be."""
        made = new_webhook(url, wanted, self._by, self._key())
        if self._one("create", made.row) is None:
            raise WebhookProblemError(f"there are {MAX_WEBHOOKS} webhooks already: delete some")
        return made

    def rotate(self, webhook_id: str, overlap_hours: int) -> tuple[str, datetime]:
        """The new secret, and until when the one of before signs too."""
        made = rotated(webhook_id, overlap_hours, self._by, self._key())
        row = self._one("rotate", made.row)
        if row is None:
            raise _no_webhook(webhook_id)
        return made.secret, row[0]

    def all(self) -> list[Listed]:
        """Oldest first."""
        with (
            self._connection() as connection,
            connection.cursor(row_factory=class_row(Listed)) as cursor,
        ):
            return cursor.execute(self._queries["list"]).fetchall()

    def dead_letters(self, webhook_id: str) -> list[dict[str, Any]]:
        """The latest of a webhook."""
        values = {"id": webhook_id, "limit": MAX_DEAD_LETTERS}
        with (
            self._connection() as connection,
            connection.cursor(row_factory=dict_row) as cursor,
        ):
            return cursor.execute(self._queries["dead_letters"], values).fetchall()

    def delete(self, webhook_id: str) -> None:
        self._changed("delete", webhook_id)

    def enable(self, webhook_id: str) -> None:
        self._changed("enable", webhook_id)

    def replay(self, webhook_id: str) -> int:
        """How many dead letters are delivered again from now on."""
        row = self._one("replay", {"id": webhook_id, **self._by._asdict()})
        begun = row[0] if row is not None else 0
        if not begun and self._one("exists", {"id": webhook_id}) != (True,):
            raise _no_webhook(webhook_id)
        return int(begun)

    def _changed(self, query: str, webhook_id: str) -> None:
        values = {"id": webhook_id, **self._by._asdict()}
        with self._connection() as connection:
            changed = connection.execute(self._queries[query], values).rowcount
        if not changed:
            raise _no_webhook(webhook_id)

    def _one(self, query: str, values: Any) -> tuple[Any, ...] | None:
        with self._connection() as connection:
            return connection.execute(self._queries[query], values).fetchone()

    def _key(self) -> SecretBox:
        if self._box is None:
            raise WebhookProblemError(NO_KEY)
        return self._box

    def _connection(self) -> psycopg.Connection:
        return psycopg.connect(self._url, autocommit=True, connect_timeout=CONNECT_SECONDS)


def _no_webhook(webhook_id: str) -> WebhookProblemError:
    return WebhookProblemError(f"there is no webhook {webhook_id}: rollcall webhooks list has all")
