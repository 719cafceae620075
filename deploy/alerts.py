"""Product alerts in PostgreSQL: made, tried, listed, ended by `rollcall alerts`.

Errors of the database are ``psycopg.Error``, except those that the caller can mend.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

import psycopg
from psycopg.rows import class_row

from schemas.alerts.forms import MAX_ALERTS, NO_KEY, NOT_YET, Listed, Made, new_alert, queries
from schemas.alerts.message import Target
from schemas.alerts.reading import Asked, Known, Tried, instant, points_tried, tried
from schemas.alerts.rule import AlertRule
from schemas.managed.manager import Manager
from schemas.webhooks.forms import rotated
from schemas.webhooks.secret_box import SecretBox

CONNECT_SECONDS: Final = 5


class AlertProblemError(RuntimeError):
    """What was asked for cannot be. The message names the remedy."""


class AlertTable:
    """The alerts of one database."""

    def __init__(self, url: str, box: SecretBox | None, by: Manager) -> None:
        self._url = url
        self._box = box
        self._by = by
        self._queries = queries()

    def create(self, rule: AlertRule, target: Target, to: str) -> Made:
        """Raises :class:`AlertProblemError` without a key, or if there are as many as may be."""
        made = new_alert(rule, target, to, self._by, self._key())
        with self._connection() as connection:
            created = connection.execute(self._queries["create"], made.row).fetchone()
        if created is None:
            raise AlertProblemError(f"there are {MAX_ALERTS} alerts already: delete some")
        return made

    def all(self) -> list[Listed]:
        """Oldest first."""
        with (
            self._connection() as connection,
            connection.cursor(row_factory=class_row(Listed)) as cursor,
        ):
            return cursor.execute(self._queries["list"]).fetchall()

    def delete(self, alert_id: str) -> None:
        values = {"id": alert_id, **self._by._asdict()}
        with self._connection() as connection:
            deleted = connection.execute(self._queries["delete"], values).rowcount
        if not deleted:
            raise AlertProblemError(
                f"there is no alert {alert_id}: rollcall alerts list has all of them"
            )

    def rotate(self, alert_id: str, overlap_hours: int) -> tuple[str, datetime]:
        """The new secret, and until when the one of before signs too."""
        made = rotated(alert_id, overlap_hours, self._by, self._key())
        with self._connection() as connection:
            row = connection.execute(self._queries["rotate"], made.row).fetchone()
        if row is None:
            raise AlertProblemError(
                f"there is no alert {alert_id} that tells a signed webhook: rollcall alerts list "
                "has all of them"
            )
        return made.secret, row[0]

    def try_rule(self, rule: AlertRule) -> Tried:
        """On the last week. Raises :class:`AlertProblemError` if nothing is stored yet."""
        with self._connection() as connection:
            row = connection.execute(self._queries["now"]).fetchone()
            if row is None or row[0] is None:
                raise AlertProblemError(NOT_YET)
            points = points_tried(rule, row[0])
            asked = Asked()
            asked.add(rule, points)
            outages = connection.execute(self._queries["outages"], asked.range).fetchall()
            rows = connection.execute(self._queries["points"], asked.values).fetchall()
            peak: Any = (None, None)
            if rule.than == "peak":
                before = {"before": instant(points[0] - rule.step)}
                peak = connection.execute(self._queries["peak"], before).fetchone() or peak
        return tried(rule, points, Known(rows, outages), peak)

    def _key(self) -> SecretBox:
        if self._box is None:
            raise AlertProblemError(NO_KEY)
        return self._box

    def _connection(self) -> psycopg.Connection:
        return psycopg.connect(self._url, autocommit=True, connect_timeout=CONNECT_SECONDS)
