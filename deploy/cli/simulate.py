"""`rollcall simulate`: what it is told, and whether that can be."""

from __future__ import annotations

import time
from typing import Annotated, Final
from urllib.parse import urlsplit

import typer

from deploy.terminal import DEFAULT_DATA_DIR, FAILURE, USAGE, DataDir, fail

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
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Let a synthetic fleet of phones use a running Rollcall.

    Its tokens are signed with ROLLCALL_JWT_SECRET where that is set, else with the key of the data
    directory: docs/simulation.md.
    """
    if duration is not None and not 0 < duration < float("inf"):
        fail(f"--duration {duration:g}: give a number of seconds above 0", USAGE)
    address = urlsplit(url)
    if address.scheme not in ("http", "https") or not address.netloc or address.query:
        fail(f"--url {url}: give an address such as http://127.0.0.1:8080", USAGE)

    import uvloop

    from deploy.simulate.fleet import CannotSimulateError, Simulation
    from deploy.simulate.fleet import simulate as run
    from deploy.tokens import NoKeyError, signing_key

    try:
        simulation = Simulation(
            url=url.rstrip("/"),
            key=signing_key(data_dir),
            users=users,
            seed=seed,
            socket_share=sockets,
            duration_seconds=duration,
        )
        uvloop.run(run(simulation, _say))
    except NoKeyError as error:
        fail(str(error), USAGE)
    except CannotSimulateError as error:
        fail(str(error), FAILURE)


def _say(line: str) -> None:
    typer.echo(f"{time.strftime('%H:%M:%S')}  {line}")
