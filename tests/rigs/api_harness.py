"""A real API on a port of its own, and presence rows put into PostgreSQL as the processor would."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import jwt
import psycopg
from aiohttp import web
from prometheus_client import CollectorRegistry
from yarl import URL

from api.app import PRIVACY, STORE, create_app, create_runner
from api.presence.store import Store
from api.privacy.requests import PrivacyRequests
from api.settings import ApiSettings
from tests.rigs.patience import SECONDS, patient_api
from tests.rigs.samples import value_of
from tests.rigs.token_life import TOKENS_END_S
from tests.waiting import pause

SECRET = "the secret of the tests, of 32 bytes and more"
#: Generous: a deadline tells a hang from a slow machine, nothing else.
DEADLINE_SECONDS = 60.0
#: A moment with milliseconds; no row is younger unless a test says so.
NOON = datetime(2024, 5, 17, 12, 0, 0, 123_000, tzinfo=UTC)


def token(user: str = "staff", *, scope: str | None = "presence:read", **claims: Any) -> str:
    """A token valid for hours unless ``claims`` say otherwise; always the same."""
    return token_by(SECRET, user, scope=scope, **claims)


def token_by(secret: str, user: str = "staff", **claims: Any) -> str:
    """A token of another issuer. Claims that are ``None`` are left out."""
    every = {"sub": user, "exp": TOKENS_END_S, **claims}
    return jwt.encode({k: v for k, v in every.items() if v is not None}, secret, "HS256")


def at(seconds: float) -> datetime:
    """So many seconds after noon."""
    return NOON + timedelta(seconds=seconds)


def api_settings(database_url: str, **values: Any) -> ApiSettings:
    """Of an API that has time for its database, unless that is what a test is about."""
    if "introspection_url" not in values:
        values.setdefault("jwt_secret", SECRET)
    patient = {"api_pool_wait_seconds": SECONDS / 2, "api_statement_timeout_seconds": SECONDS}
    return ApiSettings(**{"database_url": database_url, **patient, **values})


@dataclass(frozen=True)
class Answer:
    """An HTTP answer."""

    status: int
    headers: Any
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def user_ids(self) -> list[str]:
        return [item["user_id"] for item in self.json["items"]]


@dataclass
class Api:
    """A running API, and who calls it."""

    port: int
    registry: CollectorRegistry
    http: aiohttp.ClientSession
    store: Store
    privacy: PrivacyRequests

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def call(
        self, path: str, method: str = "GET", *, bearer: str | None = "", **options: Any
    ) -> Answer:
        """Call a path exactly as it is written. ``bearer``: the default is a reader's token."""
        headers = {**options.pop("headers", {})}
        if bearer is not None:
            headers["Authorization"] = f"Bearer {bearer or token()}"
        url = URL(self.origin + path, encoded=True)
        async with self.http.request(
            method, url, headers=headers, allow_redirects=False, **options
        ) as answer:
            return Answer(answer.status, answer.headers, await answer.read())

    async def get(self, path: str, **parameters: str) -> Answer:
        query = str(URL.build(query=parameters)) if parameters else ""
        return await self.call(path + query)

    async def count(self) -> Answer:
        return await self.call("/api/online-users-count", bearer=None)

    def metric(self, name: str, **labels: str) -> float:
        """A sample's value; 0 before its first."""
        return value_of(self.registry, name, labels)


@asynccontextmanager
async def running_api(
    settings: ApiSettings, port: int = 0, *, is_patient: bool = True
) -> AsyncIterator[Api]:
    """The API in this process, as its own ``__main__`` runs it; without patience where a test is
    about its shortest deadlines."""
    with patient_api() if is_patient else nullcontext():
        registry = CollectorRegistry()
        app = create_app(settings, registry=registry)
        app[STORE].by_activity.max_age_seconds = 0.0  # what a test has written it reads
        runner = create_runner(app, settings)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", port, reuse_address=True)
        await site.start()
        try:
            async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as http:
                yield Api(site.port, registry, http, app[STORE], app[PRIVACY])
        finally:
            await runner.cleanup()


async def wait_until(condition: Callable[[], Awaitable[Any]]) -> None:
    """Wait for a condition that nothing announces."""
    started = time.monotonic()
    async with asyncio.timeout(DEADLINE_SECONDS):
        while not await condition():
            await asyncio.sleep(pause(started))


def clear(run: Callable[[str], list[tuple[Any, ...]]]) -> None:
    """Delete what is in a database, but not how the schema was made and who is logged in."""
    # Of tables and partitions those that were ever written: the others are most of them.
    written = run(
        "SELECT oid::regclass::text FROM pg_class WHERE relkind = 'r' "
        "AND relnamespace = 'public'::regnamespace AND pg_relation_size(oid) > 0 "
        "AND relname NOT IN ('schema_migrations', 'api_secret', 'browser_sessions')"
    )
    # Far cheaper than TRUNCATE, which gives every table and index a file of its own.
    deletes = (f"of_{number} AS (DELETE FROM {name})" for number, (name,) in enumerate(written))
    if written:
        run(f"WITH {', '.join(deletes)} SELECT 1")


class Table:
    """Writes what the processor would have written."""

    def __init__(self, database_url: str) -> None:
        self._connection = psycopg.connect(database_url, autocommit=True)

    def close(self) -> None:
        self._connection.close()

    def run(self, statement: str, *parameters: Any) -> list[tuple[Any, ...]]:
        cursor = self._connection.execute(statement.encode(), parameters)
        return cursor.fetchall() if cursor.description else []

    def clear(self) -> None:
        """Forget everything, but not how the schema was made and who is logged in."""
        clear(self.run)

    def user(self, user_id: str, state: str = "foreground", **columns: Any) -> None:
        """A user of one device; online for a minute at noon unless ``columns`` say otherwise."""
        online = state != "offline"
        row = {
            "user_id": user_id,
            "partition": 0,
            "name": None,
            "state": state,
            "reason": "started" if online else "timed_out",
            "screen": None,
            "changed_at": NOON,
            "online_since": at(-60) if online else None,
            "last_active": NOON,
            "device_count": int(online),
            "device": "default",
            "signed_out": False,
            **columns,
        }
        names = ", ".join(f'"{name}"' for name in row)
        places = ", ".join(["%s"] * len(row))
        updates = ", ".join(f'"{name}" = EXCLUDED."{name}"' for name in row)
        self.run(
            f"INSERT INTO presence ({names}) VALUES ({places}) "
            f"ON CONFLICT (user_id) DO UPDATE SET {updates}",
            *row.values(),
        )

    def deployment(self, partitions: int) -> None:
        self.run(
            "INSERT INTO deployment (topic, topic_id, partitions) "
            "VALUES ('presence.events', gen_random_uuid(), %s)",
            partitions,
        )

    def offsets(
        self,
        partition: int,
        *,
        age_seconds: float | None = 0.0,
        foreground: int = 0,
        background: int = 0,
        policy: dict[str, int] | None = None,
    ) -> None:
        """A partition whose log time is so old by PostgreSQL's clock; ``None``: has none yet."""
        self.run(
            'INSERT INTO stream_offsets ("partition", next_offset, published_through, log_time, '
            "foreground, background, policy) "
            "VALUES (%s, 7, 7, clock_timestamp() - %s * interval '1 second', %s, %s, %s::jsonb) "
            'ON CONFLICT ("partition") DO UPDATE SET log_time = EXCLUDED.log_time, '
            "foreground = EXCLUDED.foreground, background = EXCLUDED.background, "
            "policy = EXCLUDED.policy",
            partition,
            age_seconds,
            foreground,
            background,
            json.dumps(policy) if policy else None,
        )
