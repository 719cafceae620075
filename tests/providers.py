"""The providers of docs/tokens.md: what is to be pasted, a token or an answer of each one's shape.

The tokens are in ``tests/fixtures/providers``, made by libraries that such back ends use. Sanctum's
and Django REST's are no JWTs: their back end's answer is what counts.
"""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer

from tests.back_end import running_back_end

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs/tokens.md").read_text("utf-8")
FIXTURES: dict[str, Any] = json.loads(
    (ROOT / "tests/fixtures/providers/providers.json").read_text("utf-8")
)
#: The answers of their back ends, by the token that is asked about.
ASKED: dict[str, dict[str, Any]] = {
    "Laravel Sanctum": {
        "token": "12|Zq8cVtX0JkfQm3r1b7yHn2LwPs9uEdGaOiTzKj4Mf3a91c7d",
        "answer": {
            "id": 42,
            "name": "Ada",
            "email": "ada@example.com",
            "email_verified_at": None,
            "created_at": "2026-01-05T10:00:00.000000Z",
            "updated_at": "2026-01-05T10:00:00.000000Z",
        },
        "user": "42",
        "name": "Ada",
    },
    "Django REST framework": {
        "token": "9944b09199c62bcf9418ad846dd0e4bbdfc6ee4b",
        "answer": {"pk": 7, "username": "ada", "email": "", "first_name": "", "last_name": ""},
        "user": "7",
    },
}


def sections() -> dict[str, dict[str, str]]:
    """The settings to paste, by the heading that they are under."""
    by_name = PAGE.split("## By name", 1)[1].split("\n## ", 1)[0]
    found = re.findall(r"^### (.+?)\n.*?```env\n(.*?)```", by_name, re.S | re.M)
    return {
        heading: dict(line.split("=", 1) for line in block.strip().splitlines())
        for heading, block in found
    }


def advice() -> dict[str, dict[str, str]]:
    """What follows the settings: who is the user, and what to do at logout."""
    by_name = PAGE.split("## By name", 1)[1].split("\n## ", 1)[0]
    return {
        section.split("\n", 1)[0]: dict(re.findall(r"^- (.+?): (.+)", section, re.M))
        for section in by_name.split("\n### ")[1:]
    }


def field(variable: str) -> str:
    return variable.removeprefix("ROLLCALL_").lower()


@asynccontextmanager
async def key_set(document: Any) -> AsyncIterator[str]:
    async def answer(_request: web.Request) -> web.Response:
        return web.json_response(document)

    app = web.Application()
    app.router.add_get("/keys", answer)
    async with TestServer(app) as server:
        yield str(server.make_url("/keys"))


@asynccontextmanager
async def paired(provider: str) -> AsyncIterator[tuple[dict[str, Any], str, str]]:
    """Settings by field that take the provider's token, the token, and whose it is; with whoever
    is asked running."""
    if provider in ASKED:
        asked = ASKED[provider]
        pasted = {field(name): value for name, value in sections()[provider].items()}
        async with running_back_end() as back_end:
            token = back_end.sign_in(asked["token"], asked["answer"])
            yield {**pasted, "userinfo_url": back_end.url}, token, asked["user"]
        return
    found = FIXTURES[provider]
    settings: dict[str, Any] = {field(name): value for name, value in found["settings"].items()}
    async with key_set(found.get("jwks")) as url:
        if "jwks_url" in settings:
            settings["jwks_url"] = url
        yield settings, found["token"], found["user"]
