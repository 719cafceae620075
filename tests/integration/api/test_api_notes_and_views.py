"""What readers write: notes on the time axis, and views that they keep."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import pytest
from typer.testing import CliRunner, Result

from api.annotations import note
from api.annotations.note import MOST_OF_A_DAY
from api.views import store as views
from deploy.cli import command
from tests.integration.processor.rollup_oracle import Source
from tests.openapi_schemas import hold_value
from tests.rigs.api_harness import Answer, Api, Table, api_settings, running_api, token
from tests.rigs.maintenance_rig import fill, run

NOTES, VIEWS = "/api/v1/annotations", "/api/v1/views"
MANAGER = token("ci", scope="presence:manage")
BOTH = token("lead", scope="presence:read presence:manage")
CART = {"name": "Cart", "address": "/users?screen=Cart"}
NOW = datetime.now(UTC).replace(microsecond=0)


@pytest.fixture
def table(shared_database_url: str) -> Iterator[Table]:
    table = Table(shared_database_url)
    yield table
    table.clear()
    table.close()


@pytest.fixture
async def api(table: Table, shared_database_url: str) -> AsyncIterator[Api]:
    async with running_api(api_settings(shared_database_url)) as api:
        yield api


async def send(
    api: Api, method: str, path: str, body: Any = None, bearer: str = "", **headers: str
) -> Answer:
    data = None if body is None else json.dumps(body).encode()
    return await api.call(path, method, bearer=bearer, data=data, headers=headers)


def errors(answer: Answer) -> dict[str, str]:
    return {error["field"]: error["message"] for error in answer.json["errors"]}


async def test_a_note_is_written_read_and_deleted(api: Api) -> None:
    told = {"text": "Release 4.2", "at": "2026-03-30T12:00:00Z", "kind": "release"}
    added = await send(api, "POST", NOTES, told, MANAGER)
    assert added.status == 201, added.body
    hold_value(added.json, "Note")
    assert added.json == {
        **added.json,
        **told,
        "at": "2026-03-30T12:00:00.000Z",
        "who_kind": "token",
        "who": "ci",
    }
    now = await send(api, "POST", NOTES, {"text": "\u202eevil <b>"}, MANAGER)
    assert (now.status, now.json["kind"]) == (201, "note")
    assert abs(datetime.fromisoformat(now.json["at"]) - datetime.now(UTC)) < timedelta(minutes=1)

    everything = await api.get(NOTES)
    assert everything.json == {"items": [now.json, added.json], "complete": True}
    for given, found in (
        ({"from": "2026-03-30T12:00:00Z", "to": "2026-03-30T12:00:01Z"}, [added.json]),
        ({"to": "2026-03-30T12:00:00Z"}, []),
        ({"from": "2026-03-30T12:00:01Z"}, [now.json]),
    ):
        assert (await api.get(NOTES, **given)).json["items"] == found
    short = await api.get(NOTES, limit="1")
    assert short.json == {"items": [now.json], "complete": False}

    one = f"{NOTES}/{added.json['id']}"
    assert (await send(api, "DELETE", one, bearer=MANAGER)).status == 204
    gone = await send(api, "DELETE", one, bearer=MANAGER)
    assert (gone.status, gone.json["code"]) == (404, "not_found")
    assert (await api.get(NOTES)).json["items"] == [now.json]


async def test_a_release_script_writes_a_note(api: Api) -> None:
    async def annotate(*arguments: str, key: str = MANAGER) -> Result:
        given = {"ROLLCALL_URL": api.origin, "ROLLCALL_API_KEY": key}
        return await asyncio.to_thread(
            CliRunner().invoke, command.app, ["annotate", *arguments], env=given
        )

    done = await annotate("Release 4.2", "--at", "2026-03-30T12:00:00Z")
    assert done.exit_code == 0, done.output
    [kept] = (await api.get(NOTES)).json["items"]
    assert (kept["text"], kept["kind"], kept["who"]) == ("Release 4.2", "release", "ci")
    assert done.stdout == f"{kept['id']} 2026-03-30T12:00:00.000Z release: Release 4.2\n"
    late = await annotate("x", "--at", "tomorrow")
    assert late.exit_code == 1
    assert "at must be an instant" in late.stderr
    assert (await annotate("x", key=token())).stderr == (
        "rollcall: the API refused the note: The token needs the scope presence:manage.\n"
    )
    assert (await annotate("x", key="")).exit_code == 2
    assert (await annotate("x", "--url", "file:///etc/passwd")).exit_code == 2


async def test_writing_notes_wants_the_scope_and_reading_them_that_of_readers(api: Api) -> None:
    for method, path in (("POST", NOTES), ("DELETE", f"{NOTES}/{'0' * 32}")):
        refused = await send(api, method, path, {"text": "x"})
        assert (refused.status, refused.json["code"]) == (403, "scope_missing")
        assert "presence:manage" in refused.json["detail"]
        assert (await api.call(path, method, bearer=None)).status == 401
    assert (await api.call(NOTES, bearer=MANAGER)).status == 403
    wrong = await send(api, "PUT", NOTES, bearer=MANAGER)
    assert (wrong.status, wrong.headers["Allow"]) == (405, "GET, HEAD, POST")
    backwards = {"from": "2026-03-30T12:00:00Z", "to": "2026-03-30T12:00:00Z"}
    assert errors(await api.get(NOTES, **backwards)) == {"from": "must be before to"}


async def test_notes_are_few(api: Api, table: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    table.run(
        "INSERT INTO annotations (id, at, kind, text, who_kind, who) SELECT md5(n::text),"
        " '2026-03-30T23:59Z', 'note', 'x', 'token', 'ci' FROM generate_series(1, %s) AS n",
        MOST_OF_A_DAY - 1,
    )
    day = {"text": "x", "at": "2026-03-30T00:00:00Z"}
    assert (await send(api, "POST", NOTES, day, MANAGER)).status == 201
    full = await send(api, "POST", NOTES, day, MANAGER)
    assert full.status == 422
    assert "has 50 notes already" in errors(full)["at"]
    assert (
        await send(api, "POST", NOTES, {**day, "at": "2026-03-31T00:00:00Z"}, MANAGER)
    ).status == 201
    ahead = (datetime.now(UTC) + timedelta(days=1, minutes=1)).isoformat()
    late = await send(api, "POST", NOTES, {"text": "x", "at": ahead}, MANAGER)
    assert errors(late) == {"at": "must be at most a day ahead of now"}
    table.run("INSERT INTO retention_progress VALUES ('annotations', '2026-01-01T00:00Z')")
    early = await send(api, "POST", NOTES, {"text": "x", "at": "2025-12-31T00:00:00Z"}, MANAGER)
    assert errors(early) == {
        "at": "is before what is kept: notes begin at 2026-01-01T00:00:00.000Z"
    }
    monkeypatch.setattr("api.annotations.calls.MOST", MOST_OF_A_DAY + 1)
    all_full = await send(api, "POST", NOTES, {"text": "x"}, MANAGER)
    assert (all_full.status, all_full.json["code"]) == (422, "bad_field")
    assert f"{note.MOST:,} notes" in all_full.json["detail"]


async def test_a_view_is_kept_shared_changed_and_deleted(api: Api) -> None:
    ada, bob = token("ada"), token("bob")
    added = await send(api, "POST", VIEWS, CART, ada)
    assert added.status == 201, added.body
    hold_value(added.json, "View")
    assert added.json == {**added.json, **CART, "who": "ada", "is_mine": True}
    one = f"{VIEWS}/{added.json['id']}"
    assert added.json["link"] == f"/views/{added.json['id']}"

    assert (await api.call(VIEWS, bearer=ada)).json == {"items": [added.json]}
    assert (await api.call(VIEWS, bearer=bob)).json == {"items": []}
    shared = await api.call(one, bearer=bob)
    assert shared.json == {**added.json, "is_mine": False}
    for method, body in (("PATCH", {"name": "Mine"}), ("DELETE", None)):
        others = await send(api, method, one, body, bob)
        assert (others.status, others.json["detail"]) == (
            404,
            "None of your saved views has this id.",
        )

    renamed = await send(api, "PATCH", one, {"name": "Cart now"}, ada)
    assert renamed.json == {
        **added.json,
        "name": "Cart now",
        "changed_at": renamed.json["changed_at"],
    }
    moved = await send(api, "PATCH", one, {"address": "/screens?range=7d"}, ada)
    assert (moved.json["name"], moved.json["address"]) == ("Cart now", "/screens?range=7d")
    assert (await send(api, "DELETE", one, bearer=ada)).status == 204
    assert (await api.call(one, bearer=ada)).status == 404
    wrong = await send(api, "PUT", one, bearer=ada)
    assert (wrong.status, wrong.headers["Allow"]) == (405, "DELETE, GET, HEAD, PATCH")


async def test_a_reader_keeps_a_hundred_views(
    api: Api, table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    table.run(
        "INSERT INTO saved_views (id, who_kind, who, name, address) SELECT md5(n::text),"
        " 'token', 'ada', 'x', '/' FROM generate_series(1, 100) AS n"
    )
    full = await send(api, "POST", VIEWS, CART, token("ada"))
    assert (full.status, full.json["detail"]) == (
        422,
        "name is one too many: you keep 100 views already, delete one of them.",
    )
    assert (await send(api, "POST", VIEWS, CART, token("bob"))).status == 201
    monkeypatch.setattr(views, "MOST", 101)
    full = await send(api, "POST", VIEWS, CART, token("bob"))
    assert (full.status, full.json["code"]) == (422, "bad_field")


async def session(api: Api, bearer: str) -> str:
    """A cookie of the dashboard."""
    form = urlencode({"token": bearer})
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = await api.call("/login", "POST", bearer=None, data=form, headers=headers)
    return str(answer.headers["Set-Cookie"]).partition(";")[0]


async def test_a_cookie_writes_from_our_own_pages_only(api: Api) -> None:
    cookie = await session(api, BOTH)

    async def write(path: str, body: Any, **headers: str) -> Answer:
        data = json.dumps(body).encode()
        return await api.call(
            path, "POST", bearer=None, data=data, headers={"Cookie": cookie, **headers}
        )

    for path, body in ((NOTES, {"text": "x"}), (VIEWS, CART)):
        for foreign in (
            {"Sec-Fetch-Site": "cross-site"},
            {"Sec-Fetch-Site": "same-site"},
            {"Origin": "https://evil.example"},
        ):
            assert (await write(path, body, **foreign)).status in (400, 401)
        assert (await api.get(path)).json["items"] == []
        ours = await write(path, body, **{"Sec-Fetch-Site": "same-origin", "Origin": api.origin})
        assert ours.status == 201, ours.body
        assert ours.json["who"] == "lead"


async def test_the_link_leads_to_the_page_by_way_of_the_login(api: Api) -> None:
    added = await send(api, "POST", VIEWS, CART, token("ada"))
    link = added.json["link"]
    stranger = await api.call(link, bearer=None, headers={"Accept": "text/html"})
    assert (stranger.status, stranger.headers["Location"]) == (
        303,
        "/login?" + urlencode({"next": link}),
    )
    cookie = await session(api, token("bob"))
    opened = await api.call(link, bearer=None, headers={"Cookie": cookie})
    assert (opened.status, opened.headers["Location"]) == (303, CART["address"])
    nowhere = {"Cookie": cookie, "Accept": "text/html"}
    gone = await api.call(f"/views/{'0' * 32}", bearer=None, headers=nowhere)
    assert gone.status == 404
    assert b"No saved view has this id" in gone.body


async def test_what_nobody_uses_goes_with_the_rollups(
    api: Api, table: Table, shared_database_url: str
) -> None:
    fill(shared_database_url, Source(1, "UTC"), NOW)
    run(shared_database_url)
    for number, days in enumerate((402, 399)):
        table.run(
            "INSERT INTO annotations (id, at, kind, text, who_kind, who)"
            " VALUES (md5(%s), now() - %s * interval '1 day', 'note', 'x', 'token', 'ci')",
            str(number),
            days,
        )
        table.run(
            "INSERT INTO saved_views (id, who_kind, who, name, address, used_at) VALUES"
            " (md5(%s), 'token', 'ada', 'x', '/', now() - %s * interval '1 day')",
            str(number),
            days,
        )
    opened = table.run("SELECT id FROM saved_views WHERE used_at > now() - interval '400 days'")
    assert (await api.get(f"{VIEWS}/{opened[0][0]}")).status == 200
    run(shared_database_url)
    assert len((await api.get(NOTES)).json["items"]) == 1
    [(left, is_fresh)] = table.run(
        "SELECT id, used_at > now() - interval '1 minute' FROM saved_views"
    )
    assert ((left,), is_fresh) == (opened[0], True)
