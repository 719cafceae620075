"""The command `rollcall`: run everything here or one service, make tokens and keys, replay a file.

Errors are one line on standard error that names the remedy. Exit code 2: what you asked for
cannot be; 1: it went wrong on the way.
"""

from __future__ import annotations

import os
import sys
import time
from typing import Annotated

import typer

from deploy.cli import alerts as alert_commands
from deploy.cli import annotate as annotate_command
from deploy.cli import audit as audit_command
from deploy.cli import canary as canary_command
from deploy.cli import deliveries as delivery_commands
from deploy.cli import erase as erase_command
from deploy.cli import federate as federate_command
from deploy.cli import keys as key_commands
from deploy.cli import migrate as migrate_command
from deploy.cli import offsets as offsets_commands
from deploy.cli import psql as psql_command
from deploy.cli import replay as replay_command
from deploy.cli import screens as screens_commands
from deploy.cli import simulate as simulate_command
from deploy.cli import tokens as token_commands
from deploy.cli import topics as topics_command
from deploy.cli import webhooks as webhook_commands
from deploy.terminal import (
    DEFAULT_DATA_DIR,
    FAILURE,
    INTERRUPTED,
    USAGE,
    DataDir,
    check_positive,
    fail,
)

MAX_CANARIES = 100

app = typer.Typer(
    name="rollcall",
    help="Who is online in your mobile apps, on which screen, since when, and why we say so.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

app.add_typer(alert_commands.app)
app.add_typer(delivery_commands.app)
app.add_typer(erase_command.opt_outs)
app.add_typer(key_commands.app)
app.add_typer(offsets_commands.app)
app.add_typer(screens_commands.app)
app.add_typer(token_commands.app)
app.add_typer(webhook_commands.app)
# What is not ours is psql's.
app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})(
    psql_command.psql
)
app.command()(annotate_command.annotate)
app.command()(audit_command.audit)
app.command()(canary_command.canary)
app.command()(erase_command.erase)
app.command()(federate_command.federate)
app.command()(migrate_command.migrate)
app.command()(replay_command.replay)
app.command()(simulate_command.simulate)
app.command()(topics_command.topics)


def main() -> None:
    """Entry point of the command."""
    app()


@app.command()
def up(
    host: Annotated[
        str,
        typer.Option(
            envvar="ROLLCALL_HOST",
            help="Address to listen on; 0.0.0.0 lets phones in your network reach it.",
        ),
    ] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(envvar="ROLLCALL_PORT", help="TCP port of API and dashboard.")
    ] = 8080,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    offline_after: Annotated[
        float,
        typer.Option(
            envvar="ROLLCALL_OFFLINE_AFTER_SECONDS",
            help="Silence after which a device is offline, in seconds.",
        ),
    ] = 300.0,
    heartbeat_interval: Annotated[
        float,
        typer.Option(
            envvar="ROLLCALL_HEARTBEAT_INTERVAL_SECONDS",
            help="Heartbeat interval that phones are told, in seconds.",
        ),
    ] = 90.0,
    allow_short_timing: Annotated[
        bool,
        typer.Option(
            "--allow-short-timing",
            envvar="ROLLCALL_ALLOW_SHORT_TIMING",
            help="Accept durations that do not tolerate two lost heartbeats, for tests.",
        ),
    ] = False,
    simulate: Annotated[
        int,
        typer.Option(
            envvar="ROLLCALL_SIMULATE",
            min=0,
            max=simulate_command.MAX_USERS,
            help="Users of a synthetic fleet that uses the app meanwhile; 0: none.",
        ),
    ] = 0,
    canaries: Annotated[
        int,
        typer.Option(
            envvar="ROLLCALL_CANARIES",
            min=0,
            max=MAX_CANARIES,
            help="Canaries: devices in no count, which measure whether they are shown right.",
        ),
    ] = 0,
    webhooks: Annotated[
        bool,
        typer.Option(
            "--webhooks",
            envvar="ROLLCALL_WEBHOOKS",
            help="Run notify too, which delivers changes to webhooks.",
        ),
    ] = False,
) -> None:
    """Run Rollcall here: Kafka, PostgreSQL and all services, without Docker."""
    started = time.monotonic()
    _check_timing(offline_after, heartbeat_interval, allow_short_timing)
    if not 1 <= port <= 65_535:
        fail(f"--port {port}: choose a port from 1 to 65535", USAGE)
    if sys.platform == "win32":
        fail("rollcall up runs on Linux and macOS; on Windows use WSL", USAGE)

    from deploy.local import jars, up
    from deploy.local.lock import DataDirBusyError
    from deploy.local.stack import UpOptions
    from deploy.local.supervisor import StackFailedError

    options = UpOptions(
        *(host, port, data_dir, offline_after, heartbeat_interval, allow_short_timing),
        simulated_users=simulate,
        webhooks=webhooks,
        canaries=canaries,
    )
    try:
        up.run(options, started)
    except (up.CannotStartError, DataDirBusyError) as error:
        fail(str(error), USAGE)
    except (jars.DownloadError, StackFailedError, OSError) as error:
        fail(str(error), FAILURE)
    except KeyboardInterrupt:
        # During the download: its threads would hold up an orderly exit; nothing else runs yet.
        sys.stderr.write("rollcall: interrupted\n")
        sys.stderr.flush()
        os._exit(INTERRUPTED)


@app.command()
def ingest(
    workers: Annotated[
        int,
        typer.Option(
            envvar="ROLLCALL_INGEST_WORKERS",
            min=1,
            help="Processes that share the port; about one for each core.",
        ),
    ] = 1,
) -> None:
    """Run the ingest service.

    Its settings are ROLLCALL_… variables: docs/settings.md.
    """
    from ingest.__main__ import main as run

    run(ingest_workers=workers)


@app.command()
def processor() -> None:
    """Run the processor.

    Its settings are ROLLCALL_… variables: docs/settings.md.
    """
    from processor.__main__ import main as run

    run()


@app.command()
def notify() -> None:
    """Run notify, which tells webhooks of changes.

    Its settings are ROLLCALL_… variables: docs/settings.md.
    """
    from processor.notify.__main__ import main as run

    run()


@app.command()
def api() -> None:
    """Run the query API.

    Its settings are ROLLCALL_… variables: docs/settings.md.
    """
    from api.__main__ import main as run

    run()


def _check_timing(
    offline_after_seconds: float, heartbeat_interval_seconds: float, allow_short: bool
) -> None:
    from schemas.service.settings import timing_problem

    check_positive("--offline-after", offline_after_seconds)
    check_positive("--heartbeat-interval", heartbeat_interval_seconds)
    problem = timing_problem(heartbeat_interval_seconds, offline_after_seconds)
    if problem and not allow_short:
        fail(f"{problem} (a test may pass --allow-short-timing)", USAGE)
