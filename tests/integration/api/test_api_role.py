"""The API under a role of its own: it can do all that it does, and nothing else."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest
from psycopg import sql
from typer.testing import CliRunner, Result

from deploy.cli.command import app
from deploy.roles.api_keys import KeyTable
from tests.rigs.api_harness import Table, api_settings, running_api, token, wait_until
from tests.rigs.database_role import as_role

RANGE = "from=2024-05-17T00:00:00Z&to=2024-05-17T12:00:00Z"
READS = (
    "/api/online-users-count",
    "/api/v1/online-users",
    "/api/v1/users?q=a",
    "/api/v1/users/ada",
    "/api/v1/users/ada/timeline",
    "/api/v1/screens",
    f"/api/v1/screens/engagement?{RANGE}",
    f"/api/v1/flows?{RANGE}",
    f"/api/v1/funnel?{RANGE}&step1=Cart&step2=Pay",
    "/api/v1/retention",
    "/api/v1/screen-rules",
    f"/api/v1/concurrency?{RANGE}",
    f"/api/v1/sessions/summary?{RANGE}",
    f"/api/v1/trends?{RANGE}",
    f"/api/v1/dwell?{RANGE}",
    "/api/v1/active-users?from=2024-05-16&to=2024-05-17",
    "/api/v1/breakdown?by=platform",
    "/api/v1/annotations",
    "/api/v1/views",
    "/api/v1/health",
    f"/api/v1/outages?{RANGE}",
)
FORBIDDEN = (
    "DELETE FROM presence",
    "UPDATE stream_offsets SET next_offset = 0",
    "UPDATE api_keys SET revoked_at = NULL",
    "INSERT INTO api_keys (name, digest, scopes) VALUES ('x', decode('', 'hex'), '{}')",
    "DELETE FROM audience_exports",
    "DELETE FROM audience_pages",
    "UPDATE audience_deliveries SET sent = 0",
    "DELETE FROM reads_audit",
    "UPDATE annotations SET who = 'nobody'",
    "UPDATE saved_views SET who = 'nobody'",
    "UPDATE reads_audit SET who = 'nobody'",
    "SELECT key FROM sketch_keys",
    "CREATE TABLE mine ()",
    "DROP TABLE changes",
)


async def test_the_role_can_do_what_the_api_does_and_nothing_else(
    database_url: str, role: str
) -> None:
    done = CliRunner().invoke(
        app, ["migrate", "--api-role", role], env={"ROLLCALL_DATABASE_URL": database_url}
    )
    assert done.exit_code == 0, done.output
    table = Table(database_url)
    table.deployment(1)
    table.offsets(0, foreground=1)
    table.user("ada")
    key = KeyTable(database_url).create("CRM", ["presence:read"], None)
    url = as_role(database_url, role)
    async with running_api(api_settings(url)) as api:
        statuses = {path: (await api.call(path)).status for path in READS}
        assert statuses == dict.fromkeys(READS, 200)
        assert (await api.call("/api/v1/online-users", bearer=key)).status == 200

        async def noted_as_used() -> bool:
            return table.run("SELECT last_used_at FROM api_keys") != [(None,)]

        await wait_until(noted_as_used)
        manager = token("lead", scope="presence:read presence:manage")
        for path, body in (
            ("/api/v1/annotations", b'{"text": "Release"}'),
            ("/api/v1/views", b'{"name": "All", "address": "/users"}'),
            ("/api/v1/share-links", b'{"name": "Lobby"}'),
        ):
            added = await api.call(path, "POST", bearer=manager, data=body)
            assert added.status == 201, added.body
            one = f"{path}/{added.json['id']}"
            if path.endswith("views"):
                named = b'{"name": "Everybody"}'
                changed = await api.call(one, "PATCH", bearer=manager, data=named)
                assert changed.status == 200
            assert (await api.call(one, "DELETE", bearer=manager)).status == 204
        exporter = token("marketing", scope="presence:export")
        answer = await api.call("/api/v1/audiences/export", "POST", bearer=exporter, data=b"{}")
        assert answer.status == 200, answer.body
        assert b"ada" in answer.body

        receiver = (
            "INSERT INTO webhooks (id, url, filter, created_by, secret) VALUES (%s, %s, %s, %s, '')"
        )
        webhook = "wh_" + "0" * 16
        table.run(receiver, webhook, "https://crm.example.com", '{"of": "audience"}', "tests")
        wish = json.dumps({"filter": {}, "to": webhook, "name": "Sale"}).encode()
        sent = await api.call("/api/v1/audiences/deliveries", "POST", bearer=exporter, data=wish)
        assert (sent.status, sent.json["users"]) == (202, 1), sent.body
        cancel = f"/api/v1/audiences/deliveries/{sent.json['id']}/cancel"
        assert (await api.call(cancel, "POST", bearer=exporter)).status == 202
        table.run(
            "UPDATE audience_exports SET outcome = 'failed', ended_at = now() WHERE format = 'push'"
        )
        table.run("UPDATE audience_deliveries SET ended_at = now()")
        resume = cancel.replace("/cancel", "/resume")
        resumed = await api.call(resume, "POST", bearer=exporter)
        assert (resumed.status, resumed.json["state"]) == (202, "running"), resumed.body

        async def audited() -> bool:
            files = "SELECT outcome, rows FROM audience_exports WHERE format <> 'push'"
            return table.run(files) == [("completed", 1)]

        await wait_until(audited)
    table.close()
    with psycopg.connect(url, autocommit=True) as db:
        for statement in FORBIDDEN:
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                db.execute(statement.encode())


def test_a_role_that_is_not_there_is_refused_by_its_option(database_url: str) -> None:
    done = CliRunner().invoke(
        app, ["migrate", "--api-role", "no one"], env={"ROLLCALL_DATABASE_URL": database_url}
    )
    assert done.exit_code == 2
    assert done.stderr.startswith('rollcall: --api-role: there is no role "no one"')


@pytest.fixture
def api_url(database_url: str) -> Iterator[str]:
    """The API's own, of a role that is not there yet."""
    with psycopg.connect(database_url, autocommit=True) as db:
        where = f"{db.info.host}:{db.info.port}/{db.info.dbname}"
    name = f"api_{uuid.uuid4().hex[:8]}"
    yield f"postgresql://{name}:of%2Fmy%20choice@{where}"
    with psycopg.connect(database_url, autocommit=True) as db:
        if db.execute("SELECT FROM pg_roles WHERE rolname = %s", (name,)).fetchone():
            for statement in ("DROP OWNED BY {}", "DROP ROLE {}"):
                db.execute(sql.SQL(statement).format(sql.Identifier(name)))


def migrated(owner: str, api_url: str) -> Result:
    return CliRunner().invoke(
        app,
        ["migrate"],
        env={"ROLLCALL_DATABASE_URL": owner, "ROLLCALL_API_DATABASE_URL": api_url},
    )


def test_the_migration_makes_the_role_of_the_apis_url_and_keeps_it(
    database_url: str, api_url: str, tmp_path: Path
) -> None:
    role = urlsplit(api_url).username
    done = migrated(database_url, api_url)
    assert done.exit_code == 0, done.output
    assert f"{role} was made, and may do what the API does" in done.stdout
    assert "choice" not in done.output
    with psycopg.connect(api_url, autocommit=True) as db:
        db.execute("SELECT FROM presence")
        for statement in FORBIDDEN:
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                db.execute(statement.encode())
    # Again, as Kubernetes hands it over, in a folder of secrets: the password is what it was.
    (tmp_path / "ROLLCALL_DATABASE_URL").write_text(database_url)
    (tmp_path / "ROLLCALL_API_DATABASE_URL").write_text(api_url.replace("choice", "other"))
    done = CliRunner().invoke(app, ["migrate"], env={"ROLLCALL_SECRETS_DIR": str(tmp_path)})
    assert done.exit_code == 0, done.output
    assert f"{role} may do what the API does" in done.stdout
    psycopg.connect(api_url).close()


def test_an_api_url_that_makes_no_role_of_its_own_is_refused_without_its_password(
    database_url: str, api_url: str
) -> None:
    role = str(urlsplit(api_url).username)
    wrong = {
        "postgresql://%zz": "is no PostgreSQL URL",
        "postgresql://localhost/x": "names no user",
        database_url: "names the owner",
        api_url.replace(":of%2Fmy%20choice", ""): "has no password",
    }
    for url, said in wrong.items():
        done = migrated(database_url, url)
        assert done.exit_code == 1, url
        assert said in done.output
        assert done.output.count("\n") == 1
    # An owner who may not make roles is told what to run.
    owner = f"owner_{uuid.uuid4().hex[:8]}"
    with psycopg.connect(database_url, autocommit=True) as db:
        db.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD 'p'").format(sql.Identifier(owner)))
    try:
        done = migrated(api_url.replace(f"{role}:of%2Fmy%20choice", f"{owner}:p"), api_url)
        assert done.exit_code == 1
        assert f"""CREATE ROLE "{role}" LOGIN PASSWORD '…'""" in done.output
        assert "choice" not in done.output
    finally:
        with psycopg.connect(database_url, autocommit=True) as db:
            db.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(owner)))
