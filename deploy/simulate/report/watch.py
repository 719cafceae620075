"""Looks at a running Rollcall as its clients do: the count, the list of all online, the feed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, Final, NoReturn

import aiohttp

from deploy.simulate.doors import json_object
from deploy.simulate.report.counts import Counted, Counts
from deploy.simulate.report.durations import Durations
from deploy.simulate.report.ledger import Ledger, Shown
from deploy.simulate.report.result import Looks
from schemas.http.paths import COUNT_PATH

USERS_PATH: Final = "/api/v1/online-users"
FEED_PATH: Final = "/api/v1/feed"
PAGE: Final = 500
ASK_SECONDS: Final = 10.0
#: A snapshot names every screen and 50 changes: far below this.
_MAX_LINE_BYTES: Final = 4_194_304
_FEED_AGAIN_SECONDS: Final = 2.0


class NotSeenError(RuntimeError):
    """The message says what the API answered."""


class Watch:
    """``ledger`` gets what the list shows, ``counts`` what the count says. ``token`` may read
    presence; only users whose ids begin with ``prefix`` are ours."""

    def __init__(self, url: str, token: str, prefix: str, ledger: Ledger, counts: Counts) -> None:
        self._url, self._token, self._prefix = url, token, prefix
        self._ledger, self._counts = ledger, counts
        self._began_at = time.monotonic()
        self._ages, self._delays = Durations(), Durations()
        self._lists = self._failed = self._stale = 0
        self._feed_events = self._feed_changes = self._feed_opened = 0
        self.most_others = 0

    async def first_look(self) -> None:
        """Raises :class:`NotSeenError` where the list is not to be had, and sets the window."""
        async with self._session() as session:
            try:
                count = await self._ask(session, COUNT_PATH)
                await self._ask(session, f"{USERS_PATH}?limit=1")
            except (aiohttp.ClientError, OSError, TimeoutError) as error:
                raise NotSeenError(str(error) or type(error).__name__) from None
        self._ledger.window_seconds = float(count["window_seconds"])

    async def look(self, poll_seconds: float) -> NoReturn:
        """The list and the count, each ``poll_seconds`` or as often as they can be had."""
        async with self._session() as session:
            while True:
                began = time.monotonic()
                try:
                    await self._look_once(session)
                except (aiohttp.ClientError, OSError, TimeoutError, NotSeenError):
                    self._failed += 1
                await asyncio.sleep(max(0.0, poll_seconds - (time.monotonic() - began)))

    async def follow(self) -> NoReturn:
        """The feed, opened again where it ends."""
        headers: dict[str, str] = {}
        while True:
            try:
                async with (
                    self._session(total=None) as session,
                    session.get(self._url + FEED_PATH, headers=headers) as answer,
                ):
                    self._feed_opened += answer.status == 200
                    async for line in answer.content:
                        if line.startswith(b"id: "):
                            headers = {"Last-Event-ID": line[4:].decode().strip()}
                        elif line.startswith(b"data: "):
                            self._take(json_object(line[6:]))
            except (aiohttp.ClientError, OSError, TimeoutError, ValueError):
                pass
            await asyncio.sleep(_FEED_AGAIN_SECONDS)

    def looks(self) -> Looks:
        """What was seen so far."""
        return Looks(
            lists=self._lists,
            failed=self._failed,
            stale=self._stale,
            age_p50=self._ages.percentile(0.5),
            age_p95=self._ages.percentile(0.95),
            feed_events=self._feed_events,
            feed_changes=self._feed_changes,
            feed_delay_p50=self._delays.percentile(0.5),
            feed_delay_p95=self._delays.percentile(0.95),
            feed_opened=self._feed_opened,
        )

    @asynccontextmanager
    async def _session(
        self, total: float | None = ASK_SECONDS
    ) -> AsyncIterator[aiohttp.ClientSession]:
        async with aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(total=total, sock_connect=ASK_SECONDS),
            headers={"authorization": f"Bearer {self._token}"},
            cookie_jar=aiohttp.DummyCookieJar(),
            read_bufsize=_MAX_LINE_BYTES,
        ) as session:
            yield session

    async def _look_once(self, session: aiohttp.ClientSession) -> None:
        online: dict[str, Shown] = {}
        others, after = 0, ""
        while True:
            page = await self._ask(session, f"{USERS_PATH}?sort=user_id&limit={PAGE}{after}")
            for item in page["items"]:
                if item["user_id"] in self._ledger:
                    online[item["user_id"]] = Shown(item["state"], item["screen"])
                else:
                    others += 1
            if page["next_cursor"] is None:
                break
            after = f"&cursor={page['next_cursor']}"
        self._ledger.shows(time.monotonic(), online)
        self._lists += 1
        self._stale += page["stale"]
        self._ages.add(_age_seconds(page["as_of"]))
        self.most_others = max(self.most_others, others)
        count = await self._ask(session, COUNT_PATH)
        at = time.monotonic() - self._began_at
        self._counts.add(Counted(at, self._ledger.online, count["count"] - others))

    async def _ask(self, session: aiohttp.ClientSession, path: str) -> dict[str, Any]:
        async with session.get(self._url + path, allow_redirects=False) as answer:
            found = json_object(await answer.read())
            if answer.status != 200:
                raise NotSeenError(f"GET {path} is answered {answer.status} {found.get('code')}")
            return found

    def _take(self, told: dict[str, Any]) -> None:
        self._feed_events += 1
        if self._feed_events == 1:
            # The snapshot's changes are old.
            return
        for change in told.get("changes", {}).get("items", ()):
            if change["user_id"].startswith(self._prefix):
                self._feed_changes += 1
                self._delays.add(_age_seconds(change["at"]))


def _age_seconds(at: str | None) -> float:
    return 0.0 if at is None else time.time() - datetime.fromisoformat(at).timestamp()
