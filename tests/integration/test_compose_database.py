"""The roles of docker-compose.yml's PostgreSQL, made in a cluster that was just made itself."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg
import pytest
import typer
from psycopg import sql
from typer.testing import CliRunner, Result

from deploy.cli.command import app
from deploy.local.child import RunningChild
from deploy.local.postgres import LocalPostgres
from deploy.roles import compose_roles
from deploy.roles.compose_secrets import make_secrets
from tests.unit.deploy.compose_file import load_compose

READY_SECONDS = 60.0
SUPERUSER = "postgres"


@pytest.fixture
def cluster() -> Iterator[str]:
    """`host:port` of a cluster with the superuser `postgres` and nothing of ours."""
    with ExitStack() as stack:
        directory = stack.enter_context(TemporaryDirectory(prefix="rollcall-test-"))
        postgres = LocalPostgres(Path(directory), durable=False)
        postgres.prepare()
        child = RunningChild(postgres.child())
        stack.callback(child.stop)
        asyncio.run(postgres.wait_ready(READY_SECONDS, child))
        with psycopg.connect(postgres.dsn, autocommit=True) as connection:
            connection.execute("CREATE ROLE postgres SUPERUSER LOGIN PASSWORD 'p'")
            address = f"{connection.info.host}:{connection.info.port}"
        with psycopg.connect(url(address, SUPERUSER, "p", "postgres"), autocommit=True) as made:
            made.execute("ALTER ROLE rollcall RENAME TO former")
            made.execute("ALTER DATABASE rollcall RENAME TO former")
        yield address


def url(address: str, user: str, password: str, database: str = "rollcall") -> str:
    return f"postgresql://{user}:{password}@{address}/{database}"


def set_superuser_password(address: str, secrets: Path) -> None:
    """What the image does with POSTGRES_PASSWORD_FILE on its first start."""
    password = (secrets / "postgres" / SUPERUSER).read_text()
    with psycopg.connect(url(address, SUPERUSER, "p", "postgres"), autocommit=True) as connection:
        connection.execute(sql.SQL("ALTER ROLE postgres PASSWORD {}").format(sql.Literal(password)))


def refused(connection: psycopg.Connection, statement: str) -> bool:
    try:
        connection.execute(statement.encode())
    except (psycopg.errors.InsufficientPrivilege, psycopg.errors.ReadOnlySqlTransaction):
        return True
    return False


def make_roles(address: str, secrets: Path) -> Result:
    """As the service `roles` does it."""
    roles = load_compose()["services"]["roles"]
    assert roles["command"][:3] == ["python", "-m", "deploy.roles.compose_roles"]
    command = typer.Typer(add_completion=False)
    command.command()(compose_roles.main)
    return CliRunner().invoke(command, [str(secrets / "postgres"), "--address", address])


def test_each_role_can_do_what_its_service_does(cluster: str, tmp_path: Path) -> None:
    make_secrets(tmp_path)
    set_superuser_password(cluster, tmp_path)
    made = make_roles(cluster, tmp_path)
    assert made.exit_code == 0, made.output
    owner = (tmp_path / "owner/rollcall_database_url").read_text()
    assert "@postgres:5432/" in owner
    migrate = load_compose()["services"]["migrate"]
    environment = {
        **migrate["environment"],
        "ROLLCALL_SECRETS_DIR": str(tmp_path / "owner"),
        "ROLLCALL_DATABASE_URL": owner.replace("postgres:5432", cluster),
    }
    assert migrate["command"][0] == "rollcall"
    for _ in range(2):
        done = CliRunner().invoke(app, migrate["command"][1:], env=environment)
        assert done.exit_code == 0, done.output
    assert "rollcall_api may do what the API does" in done.stdout

    with psycopg.connect(environment["ROLLCALL_DATABASE_URL"], autocommit=True) as processor:
        processor.execute("SELECT make_daily_partitions('changes')")
        assert refused(processor, "CREATE ROLE mine")
    passwords = {path.name: path.read_text() for path in (tmp_path / "postgres").iterdir()}
    role = "rollcall_api"
    with psycopg.connect(url(cluster, role, passwords[role]), autocommit=True) as api:
        assert not refused(api, "SELECT * FROM presence")
        assert refused(api, "DELETE FROM presence")
    role = "rollcall_grafana"
    with psycopg.connect(url(cluster, role, passwords[role]), autocommit=True) as grafana:
        assert not refused(grafana, "SELECT * FROM analytics.screen_engagement_daily")
        assert refused(grafana, "SELECT * FROM analytics.visits")
        assert refused(grafana, "SELECT * FROM presence")
        assert refused(grafana, "CREATE TEMPORARY TABLE mine ()")


def test_a_start_that_failed_half_way_is_mended_by_the_next(cluster: str, tmp_path: Path) -> None:
    make_secrets(tmp_path)
    refused_to = make_roles(cluster, tmp_path)
    assert refused_to.exit_code == 1
    assert "postgres-secrets and postgres-data are not of one installation" in refused_to.output

    set_superuser_password(cluster, tmp_path)
    superuser = url(cluster, SUPERUSER, (tmp_path / "postgres" / SUPERUSER).read_text(), "postgres")
    with psycopg.connect(superuser, autocommit=True) as connection:
        # It came as far as this, with a password that nobody has any more.
        connection.execute("CREATE ROLE rollcall LOGIN PASSWORD 'lost' CONNECTION LIMIT 1")
    for _ in range(2):
        made = make_roles(cluster, tmp_path)
        assert made.exit_code == 0, made.output
        owner = (tmp_path / "postgres/rollcall").read_text()
        with psycopg.connect(url(cluster, "rollcall", owner)) as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)
