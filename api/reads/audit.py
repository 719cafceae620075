"""The audit of reads: no call shows a user before its row is committed. Nor does support opt a user
out or in, or erase one, without a row; a user who does so themselves leaves one as well, which
names nobody.

Rows of calls that come close together are written by one transaction: the first waits
``GROUP_SECONDS`` for company, and what comes while that is being written is the next group. A call
whose row cannot be written is a 503, and shows nothing. A principal has one row for each call,
subject and minute; a group that was written twice, because a connection died, counts twice and is
never missing.

A subject is a user, or a list's filter, as a hash under ``ROLLCALL_USER_HASH_KEY``: who has the
table alone learns of no user that they were looked at. Without that key rows have no subject: who
looked is noted, at whom is not.
"""

from __future__ import annotations

import asyncio
import contextvars
import hmac
import logging
from collections.abc import Mapping
from typing import Final, Literal, NamedTuple, TypeAlias

import psycopg

from api.postgres.database import Connection, Database
from schemas.database.named_queries import load_queries
from schemas.http.problems import ProblemError
from schemas.tokens.identity import Identity

Call: TypeAlias = Literal[
    "user",
    "timeline",
    "lookup",
    "stored_data",
    "tracking",
    "opt_out",
    "opt_in",
    "erase",
    "users",
    "online_users",
    "users_file",
    "online_users_file",
    "feed_start",
    "feed_end",
    "audience_preview",
    "audience_export",
    "audience_delivery",
]

#: How long a row may wait for company.
GROUP_SECONDS: Final = 0.01
#: Rows that wait at most: beyond them 503.
MOST_WAITING: Final = 20_000
NO_SUBJECT: Final = bytes(32)
#: Whose row is of a user's call about themselves: the subject says who, and no user id is stored.
OWN_KIND, NOBODY_BY_NAME = "own", ""
#: No user id begins so: they hold no NUL.
_FILTER: Final = b"\0filter\0"

logger = logging.getLogger(__name__)


class Row(NamedTuple):
    """What a row stands for, its minute aside."""

    who_kind: str
    who: str
    call: Call
    subject: bytes


class _Group:
    """Rows that are committed together: of each how many calls, and users shown. ``done`` is why
    they are not there, or ``None``."""

    def __init__(self) -> None:
        self.rows: dict[Row, tuple[int, int]] = {}
        self.done: asyncio.Future[ProblemError | None] = asyncio.get_running_loop().create_future()
        # The call that waited may have ended.
        self.done.add_done_callback(lambda done: done.cancelled() or done.exception())


class ReadAudit:
    """The table ``reads_audit``, to write."""

    def __init__(self, database: Database, key: bytes) -> None:
        self._database = database
        self._key = key
        if not key:
            logger.warning(
                "Who looks is noted, at whom is not: set ROLLCALL_USER_HASH_KEY "
                "(openssl rand -base64 33 makes one), the same for all services"
            )
        self._query = load_queries("api.reads", "queries.sql")["note"]
        self._group: _Group | None = None
        self._writing: asyncio.Task[None] | None = None
        self._later: set[asyncio.Task[None]] = set()

    def noted_of(self, user_id: str) -> bytes:
        """The subject that a user is, to look for. Raises ``ProblemError`` without a key."""
        if not self._key:
            raise ProblemError(
                "unavailable",
                "At whom readers look is noted under a key: set ROLLCALL_USER_HASH_KEY "
                "(`openssl rand -base64 33` makes one), the same for all services.",
            )
        return self.of_user(user_id)

    def of_user(self, user_id: str) -> bytes:
        """The subject that a user is."""
        return self._hash(user_id.encode())

    def of_filter(self, document: bytes) -> bytes:
        """The subject that a list's filter is."""
        return self._hash(_FILTER + document)

    def _hash(self, what: bytes) -> bytes:
        if not self._key:
            return NO_SUBJECT
        return hmac.digest(self._key, what, "sha256")

    async def users(self, reader: Identity, call: Call, shown: Mapping[str, int]) -> None:
        """``reader`` asked for these users; of each whether they were shown (1) or are unknown (0).
        Returns when that is durable. Raises ``ProblemError`` with code ``unavailable``."""
        who = (reader.kind, reader.user)
        await self._note(who, call, {self.of_user(user): n for user, n in shown.items()})

    async def own(self, user: str, call: Call) -> None:
        """This user asked for it themselves. Theirs is the right to: a row that cannot be written
        is a line of the log."""
        try:
            await self._note((OWN_KIND, NOBODY_BY_NAME), call, {self.of_user(user): 0})
        except (ProblemError, psycopg.Error) as error:
            logger.warning("The audit of reads lacks a row of a user's own %s: %r", call, error)

    async def filter(
        self, reader: Identity, call: Call, document: bytes, users: int, *, calls: int = 1
    ) -> None:
        """``reader`` was shown so many users by a filter; as :meth:`users`."""
        who = (reader.kind, reader.user)
        await self._note(who, call, {self.of_filter(document): users}, calls)

    def filter_later(
        self, reader: Identity, call: Call, document: bytes, users: int = 0, *, calls: int = 1
    ) -> None:
        """As :meth:`filter`, of something that is over: nobody waits, and a row that cannot be
        written is a line of the log."""

        async def note() -> None:
            try:
                await self.filter(reader, call, document, users, calls=calls)
            except (ProblemError, psycopg.Error) as error:
                logger.warning("The audit of reads lacks a row of %s: %r", call, error)

        task = asyncio.create_task(note(), name="read-audit-later", context=contextvars.Context())
        self._later.add(task)
        task.add_done_callback(self._later.discard)

    async def close(self) -> None:
        """Wait for what is being written: as long as a query at most."""
        await asyncio.gather(*self._later, return_exceptions=True)
        if self._writing is not None:
            await asyncio.gather(self._writing, return_exceptions=True)

    async def _note(
        self, who: tuple[str, str], call: Call, shown: Mapping[bytes, int], calls: int = 1
    ) -> None:
        group = self._group = self._group or _Group()
        if len(group.rows) + len(shown) > MOST_WAITING:
            raise ProblemError("unavailable", "The audit of reads is behind.")
        for subject, users in shown.items():
            row = Row(*who, call, subject)
            before = group.rows.get(row, (0, 0))
            group.rows[row] = (before[0] + calls, before[1] + users)
        if self._writing is None or self._writing.done():
            # In no request's context: it writes for all.
            self._writing = asyncio.create_task(
                self._write_groups(), name="read-audit", context=contextvars.Context()
            )
        problem = await asyncio.shield(group.done)
        if problem is not None:
            raise ProblemError(problem.code, problem.detail)

    async def _write_groups(self) -> None:
        while self._group is not None:
            await asyncio.sleep(GROUP_SECONDS)
            group, self._group = self._group, None
            try:
                await self._write(group.rows)
            except ProblemError as problem:
                group.done.set_result(problem)
            except BaseException as error:
                if isinstance(error, asyncio.CancelledError):
                    group.done.cancel()
                    raise
                group.done.set_exception(error)
            else:
                group.done.set_result(None)

    async def _write(self, rows: Mapping[Row, tuple[int, int]]) -> None:
        # Two processes that meet take locks in one order.
        ordered = sorted(rows.items())
        values = {
            "who_kinds": [row.who_kind for row, _ in ordered],
            "whos": [row.who for row, _ in ordered],
            "calls": [row.call for row, _ in ordered],
            "subjects": [row.subject for row, _ in ordered],
            "times": [calls for _, (calls, _) in ordered],
            "users": [users for _, (_, users) in ordered],
        }

        async def write(connection: Connection) -> None:
            await connection.execute(self._query, values)

        await self._database.write("reads_noted", write)
