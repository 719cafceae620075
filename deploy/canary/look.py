"""What is shown of canaries: one lookup and the count, as readers ask for them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import aiohttp

from deploy.canary.script import AWAY, Truth
from deploy.simulate.doors import json_object, word
from schemas.http.paths import COUNT_PATH

LOOKUP_PATH: Final = "/api/v1/users/lookup"
ASK_SECONDS: Final = 10.0


class NotSeenError(RuntimeError):
    """The message says what the API answered."""


@dataclass(frozen=True, slots=True)
class Seen:
    """``shown`` by user; ``counted`` are those online who are no canaries to Rollcall."""

    shown: dict[str, Truth]
    counted: int
    as_of: float | None
    is_stale: bool
    window_seconds: float


class Look:
    """At the API of ``url``."""

    def __init__(self, url: str, api_key: str) -> None:
        self._url = url
        self._http = aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(total=ASK_SECONDS),
            headers={"authorization": f"Bearer {api_key}"},
            cookie_jar=aiohttp.DummyCookieJar(),
        )

    async def close(self) -> None:
        await self._http.close()

    async def at(self, users: list[str]) -> Seen:
        """These users as they are shown. Raises :class:`NotSeenError`."""
        try:
            found = await self._ask("POST", LOOKUP_PATH, json={"user_ids": users})
            count = await self._ask("GET", COUNT_PATH)
            shown = dict.fromkeys(users, AWAY)
            counted = 0
            for item in found["items"]:
                if item["state"] != "offline":
                    shown[item["user_id"]] = Truth(item["state"], item["screen"])
                    counted += item.get("canary") is not True
            as_of = found["as_of"]
            return Seen(
                shown,
                counted,
                None if as_of is None else datetime.fromisoformat(as_of).timestamp(),
                bool(found["stale"]),
                float(count["window_seconds"]),
            )
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise NotSeenError(f"{self._url}: {error or type(error).__name__}") from None
        except (KeyError, TypeError, ValueError):
            raise NotSeenError(f"{self._url} does not answer as Rollcall's API does") from None

    async def _ask(self, method: str, path: str, **options: Any) -> dict[str, Any]:
        async with self._http.request(
            method, self._url + path, allow_redirects=False, **options
        ) as answer:
            found = json_object(await answer.read())
            if answer.status != 200:
                code = f" {word(found['code'])}" if "code" in found else ""
                raise NotSeenError(f"{method} {path} is answered {answer.status}{code}")
            return found
