"""What the API says to a wish that cannot be, and to one that can."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any, Final
from uuid import uuid4

import psycopg
import pytest

from deploy.webhooks import WebhookTable
from schemas.webhooks.filter import parse_filter
from schemas.webhooks.secret_box import SecretBox
from tests.integration.notify.test_deliveries import KEY
from tests.rigs.api_harness import Api, Table, api_settings, running_api, token
from tests.rigs.webhook_receiver import BY

PATH = "/api/v1/audiences/deliveries"
EXPORTER = token("marketing", scope="presence:export")
APP = "b1c7f5a0-6f7e-4c57-9a3e-0f6d1b1f2a11"
PUSH = {"text": "Hi"}


@pytest.fixture
async def api(shared_database_url: str) -> AsyncIterator[Api]:
    table = Table(shared_database_url)
    table.clear()
    table.deployment(1)
    table.offsets(0)
    for number in range(5):
        table.user(f"user-{number}")
    table.close()
    settings = api_settings(shared_database_url, encryption_key=KEY, onesignal_app_id=APP)
    async with running_api(settings) as running:
        yield running


def wish(**fields: Any) -> dict[str, Any]:
    return {"filter": {}, "to": "onesignal", "name": "Sale", "push": PUSH, **fields}


BAD: Final[list[tuple[Any, str, str]]] = [
    ({"to": "onesignal", "name": "Sale"}, "filter", "is missing"),
    (wish(filter={"onlin": True}), "filter.onlin", "is no field here"),
    (wish(filter=7), "filter", "must be an object"),
    (wish(to="wh_0123456789abcdef"), "to", "is no destination: there is onesignal"),
    (wish(to=["onesignal"]), "to", "must be a text"),
    (wish(name="  "), "name", ""),
    (wish(push={"text": ""}), "push.text", "1 to 1000"),
    (wish(push={}), "push.text", "is missing: say what they read"),
    (wish(push=None), "push", ""),
    (wish(users_per_call=20_001), "users_per_call", "1 to 20000"),
    (wish(calls_per_second=0), "calls_per_second", "0.1 to 100"),
    (wish(calls_per_second=True), "calls_per_second", "0.1 to 100"),
    (wish(id="7"), "id", ""),
    (wish(when="now"), "when", "is no field here"),
]


async def test_a_wish_that_cannot_be_names_its_field(api: Api) -> None:
    for said, field, message in BAD:
        answer = await api.call(PATH, "POST", bearer=EXPORTER, data=json.dumps(said).encode())
        assert answer.status == 422, (said, answer.body)
        [error] = answer.json["errors"]
        assert error["field"] == field
        assert message in error["message"]


async def test_a_wish_is_written_once_with_its_pages_and_its_row_of_the_audit(
    api: Api, shared_database_url: str
) -> None:
    table = WebhookTable(shared_database_url, SecretBox(KEY), BY)
    made = table.create("https://crm.example.com/a?b=c", parse_filter({"of": "audience"}))
    table.create("https://crm.example.com/changes", parse_filter({}))
    said = json.dumps(wish(to=made.id, users_per_call=2, id=str(uuid4()))).encode()
    first = await api.call(PATH, "POST", bearer=EXPORTER, data=said)
    again = await api.call(PATH, "POST", bearer=EXPORTER, data=said)
    assert (first.status, again.status) == (202, 202), first.body
    assert first.json == again.json
    assert (first.json["users"], first.json["state"]) == (5, "running")
    listed = (await api.call(PATH, bearer=EXPORTER)).json
    assert listed["items"] == [first.json]
    assert listed["destinations"] == [
        {"id": "onesignal", "address": "OneSignal"},
        {"id": made.id, "address": "https://crm.example.com"},
    ]
    audit = (await api.call("/api/v1/audiences/exports", bearer=EXPORTER)).json["items"]
    assert [(row["id"], row["format"], row["destination"]) for row in audit] == [
        (first.json["id"], "push", made.id)
    ]
    with psycopg.connect(shared_database_url) as db:
        pages = db.execute("SELECT page, user_ids FROM audience_pages ORDER BY page").fetchall()
    assert [len(user_ids) for _, user_ids in pages] == [2, 2, 1]
    assert sorted(user for _, user_ids in pages for user in user_ids) == [
        f"user-{number}" for number in range(5)
    ]
    assert (await api.call(f"{PATH}/7", bearer=EXPORTER)).status == 404
