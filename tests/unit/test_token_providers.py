"""docs/tokens.md by name: what is to be pasted takes a token of that provider's shape.

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

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from schemas.token_causes import CAUSES
from schemas.token_forms import jwt_header
from schemas.token_settings import TokenSettings
from schemas.tokens import TokenRefusedError
from schemas.verifiers import phone_verifier
from tests.back_end import running_back_end

ROOT = Path(__file__).parents[2]
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


def test_every_section_has_its_token_and_every_token_its_section() -> None:
    assert sections().keys() == FIXTURES.keys() | ASKED.keys()
    assert len(sections()) == 13


@pytest.mark.parametrize("provider", sorted(FIXTURES))
async def test_the_settings_to_paste_take_the_providers_token(provider: str) -> None:
    found = FIXTURES[provider]
    pasted = sections()[provider]
    assert pasted.keys() == found["settings"].keys()
    for variable, value in pasted.items():
        if variable.endswith("_CLAIM"):
            assert found["settings"][variable] == value
    settings: dict[str, Any] = {field(name): value for name, value in found["settings"].items()}
    async with key_set(found.get("jwks")) as url:
        if "jwks_url" in settings:
            settings["jwks_url"] = url
        by = phone_verifier(TokenSettings(**settings))
        identity = await by.verify(found["token"])
        assert (identity.user, identity.name) == (found["user"], found.get("name"))
        head, payload, signature = found["token"].split(".")
        forged = signature[:-10] + ("A" * 10 if signature[-10:] != "A" * 10 else "B" * 10)
        with pytest.raises(TokenRefusedError) as caught:
            await by.verify(f"{head}.{payload}.{forged}")
        assert caught.value.code == "bad_signature"
        await by.close()


@pytest.mark.parametrize("provider", sorted(FIXTURES))
async def test_another_providers_token_is_refused_with_a_cause(provider: str) -> None:
    found = FIXTURES[provider]
    settings: dict[str, Any] = {field(name): value for name, value in found["settings"].items()}
    async with key_set(found.get("jwks")) as url:
        if "jwks_url" in settings:
            settings["jwks_url"] = url
        by = phone_verifier(TokenSettings(**settings))
        others = {name: other["token"] for name, other in {**FIXTURES, **ASKED}.items()}
        del others[provider]
        for token in others.values():
            with pytest.raises(TokenRefusedError) as caught:
                await by.verify(token)
            assert caught.value.cause in CAUSES
        await by.close()


@pytest.mark.parametrize("provider", sorted(ASKED))
async def test_the_settings_to_paste_take_the_back_ends_answer(provider: str) -> None:
    found = ASKED[provider]
    pasted: dict[str, Any] = {field(name): value for name, value in sections()[provider].items()}
    async with running_back_end() as back_end:
        by = phone_verifier(TokenSettings(**{**pasted, "userinfo_url": back_end.url}))
        identity = await by.verify(back_end.sign_in(found["token"], found["answer"]))
        assert (identity.user, identity.name) == (found["user"], found.get("name"))
        await by.close()


def test_the_tokens_are_not_all_by_one_library() -> None:
    makers = {found["made_by"].split()[0] for found in FIXTURES.values()}
    assert makers == {"authlib", "djangorestframework-simplejwt", "jjwt", "jose", "jsonwebtoken"}
    algorithms = {(jwt_header(found["token"]) or {})["alg"] for found in FIXTURES.values()}
    assert algorithms == {"HS256", "HS512", "RS256", "ES256"}
