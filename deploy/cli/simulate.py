"""`rollcall simulate`: what it is told, and whether that can be."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Final
from urllib.parse import urlsplit

import typer

from deploy.terminal import (
    DEFAULT_DATA_DIR,
    FAILURE,
    USAGE,
    DataDir,
    fail,
    fail_without_kafka,
)

MAX_USERS: Final = 10_000
DEFAULT_SEED: Final = 1


def simulate(
    users: Annotated[
        int,
        typer.Option(
            envvar="ROLLCALL_SIMULATE_USERS",
            min=1,
            max=MAX_USERS,
            help="How many people use the app, now and then.",
        ),
    ] = 500,
    url: Annotated[
        str,
        typer.Option(
            envvar="ROLLCALL_SIMULATE_URL", help="Address of Rollcall, as phones reach it."
        ),
    ] = "http://127.0.0.1:8080",
    seed: Annotated[
        int,
        typer.Option(
            envvar="ROLLCALL_SIMULATE_SEED",
            help="The same number means the same people with the same habits.",
        ),
    ] = DEFAULT_SEED,
    sockets: Annotated[
        float,
        typer.Option(
            envvar="ROLLCALL_SIMULATE_SOCKETS",
            min=0,
            max=1,
            help="Share of phones that keep a WebSocket, from 0 to 1; the others use HTTP.",
        ),
    ] = 0.3,
    duration: Annotated[
        float | None,
        typer.Option(
            envvar="ROLLCALL_SIMULATE_DURATION_SECONDS",
            help="Seconds until it ends by itself. Without it: until Ctrl-C.",
        ),
    ] = None,
    report: Annotated[
        Path | None,
        typer.Option(
            envvar="ROLLCALL_SIMULATE_REPORT",
            file_okay=False,
            help="Watch what is shown of the fleet, and write report.json and report.html to this "
            "directory at the end: docs/accuracy.md.",
        ),
    ] = None,
    poll: Annotated[
        float,
        typer.Option(
            envvar="ROLLCALL_SIMULATE_POLL_SECONDS",
            help="With --report: seconds between two looks at the list and the count.",
        ),
    ] = 1.0,
    recount: Annotated[
        bool,
        typer.Option(
            "--recount",
            envvar="ROLLCALL_SIMULATE_RECOUNT",
            help="With --report: count what was acknowledged again in the log; Kafka is that of "
            "ROLLCALL_KAFKA_…, as for the processor.",
        ),
    ] = False,
    loss: Annotated[
        float,
        typer.Option(
            envvar="ROLLCALL_SIMULATE_LOSS",
            min=0,
            max=0.9,
            help="Share of calls that do not arrive, and of packets that sockets send again.",
        ),
    ] = 0.0,
    burst: Annotated[
        float,
        typer.Option(
            envvar="ROLLCALL_SIMULATE_BURST_SECONDS",
            help="With --loss: it comes in bad stretches of so many seconds on average.",
        ),
    ] = 0.0,
    latency: Annotated[
        float,
        typer.Option(
            envvar="ROLLCALL_SIMULATE_LATENCY_SECONDS",
            help="Mean delay of a call or frame, in seconds.",
        ),
    ] = 0.0,
    duplicates: Annotated[
        float,
        typer.Option(
            envvar="ROLLCALL_SIMULATE_DUPLICATES",
            min=0,
            max=1,
            help="Share of calls that come a second time, within 10 s.",
        ),
    ] = 0.0,
    reordering: Annotated[
        float,
        typer.Option(
            envvar="ROLLCALL_SIMULATE_REORDERING",
            min=0,
            max=1,
            help="Share of calls that are held back for up to 10 s while the phone goes on.",
        ),
    ] = 0.0,
    silent_deaths: Annotated[
        float,
        typer.Option(
            envvar="ROLLCALL_SIMULATE_SILENT_DEATHS",
            min=0,
            max=1,
            help="Share of departures without a word, beside those that are so anyway.",
        ),
    ] = 0.0,
    network_changes: Annotated[
        float,
        typer.Option(
            envvar="ROLLCALL_SIMULATE_NETWORK_CHANGE_SECONDS",
            help="Each phone changes its network every so many seconds on average.",
        ),
    ] = 0.0,
    storms: Annotated[
        float,
        typer.Option(
            envvar="ROLLCALL_SIMULATE_STORM_SECONDS",
            help="Every so many seconds all sockets break at once, and come back.",
        ),
    ] = 0.0,
    clock_error: Annotated[
        float,
        typer.Option(
            envvar="ROLLCALL_SIMULATE_CLOCK_ERROR_SECONDS",
            help="How wrong phones' clocks may be, either way, where they tell a time.",
        ),
    ] = 0.0,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Let a synthetic fleet of phones use a running Rollcall, and measure how true it is of them.

    Its tokens are signed with ROLLCALL_JWT_SECRET where that is set, else with the key of the data
    directory: docs/simulation.md. The same --seed gives the same phones over the same network.
    """
    if duration is not None and not 0 < duration < float("inf"):
        fail(f"--duration {duration:g}: give a number of seconds above 0", USAGE)
    address = urlsplit(url)
    if address.scheme not in ("http", "https") or not address.netloc or address.query:
        fail(f"--url {url}: give an address such as http://127.0.0.1:8080", USAGE)

    if not 0.1 <= poll <= 60:
        fail(f"--poll {poll:g}: give a number of seconds from 0.1 to 60", USAGE)
    for option, seconds in (
        ("--burst", burst),
        ("--latency", latency),
        ("--network-changes", network_changes),
        ("--storms", storms),
        ("--clock-error", clock_error),
    ):
        if not 0 <= seconds < float("inf"):
            fail(f"{option} {seconds:g}: give a number of seconds, or 0 for none", USAGE)
    if burst and not loss:
        fail(f"--burst {burst:g}: give --loss too, the share that is lost", USAGE)
    if recount and report is None:
        fail("--recount: give --report too, the directory of the report", USAGE)

    import uvloop
    from aiokafka.errors import KafkaError
    from rich.console import Console

    from deploy.audit.log import LogAwayError
    from deploy.simulate.fleet import CannotSimulateError, Simulation
    from deploy.simulate.fleet import simulate as run
    from deploy.simulate.network import Trouble
    from deploy.simulate.report.run import Reporting, simulate_and_report
    from deploy.simulate.report.terminal import show
    from deploy.tokens import NoKeyError, signing_key
    from schemas.log.settings import KafkaSettings
    from schemas.log.topics import TopicProblemError
    from schemas.service.settings import load_or_exit

    kafka = load_or_exit(KafkaSettings) if recount else None
    try:
        simulation = Simulation(
            url=url.rstrip("/"),
            key=signing_key(data_dir),
            users=users,
            seed=seed,
            socket_share=sockets,
            duration_seconds=duration,
            trouble=Trouble(
                loss=loss,
                burst_seconds=burst,
                latency_seconds=latency,
                duplicates=duplicates,
                reordering=reordering,
                change_seconds=network_changes,
                storm_seconds=storms,
                silent_deaths=silent_deaths,
                clock_error_seconds=clock_error,
            ),
        )
        if report is None:
            uvloop.run(run(simulation, _say))
            return
        reporting = Reporting(report, poll, kafka)
        made = uvloop.run(simulate_and_report(simulation, reporting, _say))
        show(made, Console())
        _say(f"written: {report / 'report.html'} and {report / 'report.json'}")
        if made.acknowledged.missing:
            fail(f"{made.acknowledged.missing:,} acknowledged events are not in the log", FAILURE)
    except NoKeyError as error:
        fail(str(error), USAGE)
    except (CannotSimulateError, TopicProblemError) as error:
        fail(str(error), FAILURE)
    except (KafkaError, LogAwayError) as error:
        assert kafka is not None  # noqa: S101  (nothing else asks it)
        fail_without_kafka(kafka, error)
    except OSError as error:
        fail(f"--report {report}: cannot write there: {error}", FAILURE)


def _say(line: str) -> None:
    typer.echo(f"{time.strftime('%H:%M:%S')}  {line}")
