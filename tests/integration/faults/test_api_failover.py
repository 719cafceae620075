"""What PostgreSQL refuses that it may do soon, or once somebody has done something."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Iterator
from urllib.parse import quote

import psycopg
import pytest
from psycopg import sql

from tests.rigs.api_harness import (
    Answer,
    Api,
    Table,
    api_settings,
    running_api,
    token,
)

ONLINE = "/api/v1/online-users"
FAILURES = "rollcall_api_database_failures_total"


@pytest.fixture
async def api(database_url: str) -> AsyncIterator[Api]:
    async with running_api(api_settings(database_url)) as running:
        yield running


@pytest.fixture
def table(database_url: str) -> Iterator[Table]:
    opened = Table(database_url)
    yield opened
    opened.close()


def refuse_writes(table: Table, where: str) -> None:
    """As a standby refuses them; ``where`` tells in which sessions."""
    table.run(
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        f"IF {where} THEN RAISE EXCEPTION 'cannot execute INSERT in a read-only transaction' "
        "USING ERRCODE = '25006'; END IF; RETURN NEW; END $$"
    )
    table.run(
        "CREATE TRIGGER refuse BEFORE INSERT ON browser_sessions "
        "FOR EACH ROW EXECUTE FUNCTION refuse()"
    )


async def log_in(api: Api) -> Answer:
    return await api.call("/login", "POST", bearer=None, data={"token": token()})


async def test_a_read_only_session_after_a_failover_is_given_up_for_a_new_one(
    api: Api, table: Table
) -> None:
    assert (await api.call(ONLINE)).status == 200  # the connection that the standby has
    table.run(
        "CREATE TABLE standby AS SELECT pid FROM pg_stat_activity "
        "WHERE application_name = 'rollcall-api' AND datname = current_database()"
    )
    refuse_writes(table, "pg_backend_pid() IN (SELECT pid FROM standby)")
    assert (await log_in(api)).status == 303


async def test_a_database_that_takes_no_writes_is_a_503_that_says_so(
    api: Api, table: Table, caplog: pytest.LogCaptureFixture
) -> None:
    refuse_writes(table, "true")
    answer = await log_in(api)
    assert answer.status == 503
    assert "takes no writes" in answer.body.decode()
    assert api.metric(FAILURES, cause="read_only") == 1
    assert "takes no writes" in caplog.text
    assert (await api.call(ONLINE)).status == 200


async def test_a_right_that_the_apis_role_lacks_is_a_503_that_names_the_remedy(
    database_url: str,
) -> None:
    role = f"api_{uuid.uuid4().hex[:8]}"
    name = sql.Identifier(role)
    with psycopg.connect(database_url, autocommit=True) as owner:
        owner.execute(sql.SQL("CREATE ROLE {}").format(name))
        try:
            as_role = f"{database_url}?options={quote(f'-c role={role}')}"
            async with running_api(api_settings(as_role)) as api:
                for path in (ONLINE, "/api/online-users-count"):
                    answer = await api.call(path)
                    assert (answer.status, answer.json["code"]) == (503, "unavailable")
                    assert "--api-role" in answer.json["detail"]
                assert "--api-role" in (await api.store.not_ready() or "")
                assert api.metric(FAILURES, cause="not_granted") >= 2
        finally:
            owner.execute(sql.SQL("DROP ROLE {}").format(name))
