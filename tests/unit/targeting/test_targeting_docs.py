"""What docs/targeting.md tells receivers to do, done; and a page's bytes, as they are described."""

from __future__ import annotations

import asyncio
import json
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import jsonschema
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from processor.notify.sender import Attempt
from processor.targeting.page import Page, what_next
from schemas.bodies.fields import BadFieldsError
from schemas.webhooks.message import message_schema
from schemas.webhooks.push import parse_push

DOCS = Path(__file__).parents[3].joinpath("docs/targeting.md").read_text("utf-8")
MADE_AT = datetime(2026, 3, 30, 12, 0, 0, 412_000, UTC)
PAGE = Page(
    delivery=UUID(int=7),
    destination="wh_0123456789abcdef",
    name="Spring",
    push={"title": "Cart", "text": "It waits"},
    as_of=MADE_AT,
    created_at=MADE_AT,
    pages=3,
    number=1,
    attempts=0,
    user_ids=["ada", "zoë", "nobody"],
    cancel_wanted=False,
)


async def test_the_receiver_for_fcm_sends_to_the_tokens_of_the_users_of_a_page() -> None:
    [snippet] = re.findall(r"^```python\n(.*?)^```", DOCS, re.MULTILINE | re.DOTALL)
    names: dict[str, Any] = {}
    exec(snippet, names)  # noqa: S102 - our own page's
    asked: list[tuple[str | None, Any]] = []

    async def send(request: web.Request) -> web.Response:
        said = await request.json()
        asked.append((request.headers.get("Authorization"), said))
        return web.Response(status=404 if said["message"]["token"] == "old" else 200)

    app = web.Application()
    app.router.add_post("/v1/projects/my-project/messages:send", send)
    async with TestServer(app) as server:
        url = str(server.make_url("/v1/projects/my-project/messages:send"))
        tokens = {"ada": ["phone", "old"], "zoë": ["tablet"], "somebody": ["x"]}
        gone = await asyncio.to_thread(
            names["push_page"], json.loads(PAGE.message()), tokens, "t0ken", url
        )
    assert gone == ["old"]
    notification = {"title": "Cart", "body": "It waits"}
    assert asked == [
        ("Bearer t0ken", {"message": {"token": token, "notification": notification}})
        for token in ("phone", "old", "tablet")
    ]


def test_a_page_has_the_same_bytes_each_time_and_is_what_its_schema_says() -> None:
    assert PAGE.message() == replace(PAGE, attempts=4, cancel_wanted=True).message()
    said = json.loads(PAGE.message())
    jsonschema.validate(said, message_schema())
    assert (said["timestamp"], said["data"]["page"]) == ("2026-03-30T12:00:00.412Z", 2)
    assert PAGE.for_onesignal("app") == PAGE.for_onesignal("app")
    following = replace(PAGE, number=2)
    assert following.message_id != PAGE.message_id
    keys = [json.loads(each.for_onesignal("app"))["idempotency_key"] for each in (PAGE, following)]
    assert len(set(keys)) == 2


@pytest.mark.parametrize(
    ("attempt", "age_hours", "what"),
    [
        (Attempt("delivered"), 30, "go_on"),
        (Attempt("refused", "status 503"), 1, "again"),
        (Attempt("refused", "status 503"), 24, "end"),
        (Attempt("gone", "status 410"), 0, "end"),
        (Attempt("timed_out"), 23, "again"),
    ],
)
def test_what_an_attempt_means_for_a_delivery(attempt: Attempt, age_hours: int, what: str) -> None:
    assert what_next(attempt, PAGE, MADE_AT + timedelta(hours=age_hours), 86_400) == what


@pytest.mark.parametrize(
    ("said", "field"),
    [
        ({}, "text"),
        ({"text": "a", "template_id": "b"}, "text"),
        ({"title": "a"}, "text"),
        ({"title": "a", "template_id": "b"}, "title"),
        ({"text": ""}, "text"),
        ({"text": "a\x00"}, "text"),
        ({"text": "a" * 1_001}, "text"),
        ({"body": "a", "text": "a"}, "body"),
    ],
)
def test_a_push_that_cannot_be_used_names_the_field(said: object, field: str) -> None:
    with pytest.raises(BadFieldsError) as error:
        parse_push(said)
    assert [each.field for each in error.value.problems] == [field]
