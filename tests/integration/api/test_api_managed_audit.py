"""What managers did: each change of what they keep leaves its row, and no row a secret."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import psycopg
import pytest
from typer.testing import CliRunner

from deploy.cli.command import app
from tests.rigs.api_harness import Api, api_settings, running_api, token
from tests.rigs.database_role import as_role

KEY = "the key under which the tests encrypt secrets"
MANAGER = token("lead", scope="presence:manage")
AUDITOR = token("auditor", scope="presence:audit")
AUDIT = "/api/v1/audit/managed"
SECRET_URL = "https://crm.example.com/hooks/s3cr3t?key=t0ken"
RULE = {"name": "Few", "of": "online", "is": "below", "value": 9}


async def do(api: Api, path: str, method: str = "POST", body: Any = None) -> Any:
    data = b"" if body is None else json.dumps(body).encode()
    answer = await api.call(f"/api/v1{path}", method, bearer=MANAGER, data=data)
    assert answer.status < 300, answer.body
    return answer.json if answer.body else None


async def audited(api: Api, query: str = "") -> list[Any]:
    """Oldest first: who, what of what, and the id."""
    answer = await api.call(AUDIT + query, bearer=AUDITOR)
    assert answer.status == 200, answer.body
    return list(reversed(answer.json["items"]))


async def test_each_change_leaves_a_row_that_holds_no_secret(
    database_url: str,
    role: str,
) -> None:
    environment = {"ROLLCALL_DATABASE_URL": database_url}
    done = await asyncio.to_thread(
        CliRunner().invoke, app, ["migrate", "--api-role", role], env=environment
    )
    assert done.exit_code == 0, done.output
    secrets = ["s3cr3t", "t0ken"]
    async with running_api(api_settings(as_role(database_url, role), encryption_key=KEY)) as api:
        wanted = {"url": SECRET_URL, "filter": {"of": "user", "states": ["offline"]}}
        webhook = await do(api, "/webhooks", body=wanted)
        one = f"/webhooks/{webhook['id']}"
        with psycopg.connect(database_url) as db:
            db.execute(
                'INSERT INTO webhook_dead_letters (webhook, "partition", from_offset, next_offset, '
                "changes, why) VALUES (%s, 0, 5, 9, 2, 'retries')",
                (webhook["id"],),
            )
        await do(api, f"{one}/replay")
        await do(api, f"{one}/replay")  # there is none left: nothing is done
        rotated = await do(api, f"{one}/rotate", body={"overlap_hours": 2})
        await do(api, f"{one}/enable")
        await do(api, one, "DELETE")
        alert = await do(api, "/alerts", body={"rule": RULE, "target": "slack", "url": SECRET_URL})
        await do(api, f"/alerts/{alert['id']}", "DELETE")
        link = await do(api, "/share-links", body={"name": "Lobby", "expires_in_hours": 3})
        await do(api, f"/share-links/{link['id']}", "DELETE")
        gone = await api.call(f"/api/v1{one}", "DELETE", bearer=MANAGER)
        assert gone.status == 404
        rows = await audited(api)
        secrets += [webhook["secret"], rotated["secret"], link["token"]]
        assert [(row["action"], row["id"]) for row in rows] == [
            *((each, webhook["id"]) for each in ("made", "replayed", "rotated")),
            *((each, webhook["id"]) for each in ("enabled", "ended")),
            *((each, alert["id"]) for each in ("made", "ended")),
            *((each, link["id"]) for each in ("made", "ended")),
        ]
        assert {(row["who_kind"], row["who"]) for row in rows} == {("token", "lead")}
        assert rows[0]["details"] == {"to": "https://crm.example.com", "filter": wanted["filter"]}
        assert rows[1]["details"] == {"dead_letters": 1}
        assert rows[2]["details"] == {"overlap_seconds": 7200}
        assert rows[5]["details"]["to"] == "https://crm.example.com"
        assert rows[7]["details"] == {"name": "Lobby", "hours": 3}
        assert not [each for each in secrets if each in json.dumps(rows)]
        assert await audited(api, f"?id={alert['id']}") == rows[5:7]
        # Page by page, each row once.
        found, cursor = [], ""
        while True:
            page = (await api.call(f"{AUDIT}?limit=4{cursor}", bearer=AUDITOR)).json
            found += page["items"]
            if page["next_cursor"] is None:
                break
            cursor = f"&cursor={page['next_cursor']}"
        assert found == list(reversed(rows))
        assert (await api.call(AUDIT, bearer=MANAGER)).status == 403
        with psycopg.connect(as_role(database_url, role), autocommit=True) as db:
            for forbidden in ("DELETE FROM managed_audit", "UPDATE managed_audit SET who = 'x'"):
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    db.execute(forbidden)
    with (
        psycopg.connect(database_url) as db,
        pytest.raises(psycopg.errors.RaiseException, match="no row of it can be changed"),
    ):
        db.execute("UPDATE managed_audit SET who = 'nobody'")


def test_commands_leave_rows_too(database_url: str) -> None:
    environment = {"ROLLCALL_DATABASE_URL": database_url, "ROLLCALL_ENCRYPTION_KEY": KEY}

    def run(*arguments: str) -> str:
        done = CliRunner().invoke(app, arguments, env=environment)
        assert done.exit_code == 0, done.output
        return str(done.stdout)

    webhook, secret = run("webhooks", "create", "--url", SECRET_URL).split()
    run("webhooks", "rotate", webhook)
    run("webhooks", "delete", webhook)
    alert = run("alerts", "create", "--below", "9", "--url", SECRET_URL).split()[0]
    run("alerts", "rotate", alert)
    run("alerts", "delete", alert)
    with psycopg.connect(database_url) as db:
        rows = db.execute("SELECT action, managed FROM managed_audit ORDER BY id").fetchall()
        kinds = db.execute("SELECT DISTINCT who_kind FROM managed_audit").fetchall()
        [(whole,)] = db.execute("SELECT string_agg(m::text, ' ') FROM managed_audit m").fetchall()
    actions = ("made", "rotated", "ended")
    assert rows == [(each, webhook) for each in actions] + [(each, alert) for each in actions]
    assert kinds == [("command",)]
    assert not [each for each in (secret, "s3cr3t", "t0ken") if each in whole]
