"""`rollcall replay`: what it is told, and whether that can be."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from deploy.terminal import USAGE, fail


def replay(
    file: Annotated[
        Path,
        typer.Argument(
            help="A CSV file with a line of column names, or the same as .gz.", show_default=False
        ),
    ],
    user: Annotated[
        str, typer.Option(envvar="ROLLCALL_REPLAY_USER", help="Column of the user ids.")
    ],
    screen: Annotated[
        str, typer.Option(envvar="ROLLCALL_REPLAY_SCREEN", help="Column of the screens' names.")
    ],
    time_column: Annotated[
        str,
        typer.Option(
            "--time",
            envvar="ROLLCALL_REPLAY_TIME",
            help="Column of the times: ISO 8601, or seconds or milliseconds since 1970.",
        ),
    ],
    app_version: Annotated[
        str | None,
        typer.Option(envvar="ROLLCALL_REPLAY_APP_VERSION", help="Column of the app's version."),
    ] = None,
    device: Annotated[
        str | None,
        typer.Option(
            envvar="ROLLCALL_REPLAY_DEVICE",
            help="Column of the devices' texts, which also tell the devices of a user apart.",
        ),
    ] = None,
    platform: Annotated[
        str | None,
        typer.Option(envvar="ROLLCALL_REPLAY_PLATFORM", help="Column of the platforms."),
    ] = None,
    time_zone: Annotated[
        str,
        typer.Option(
            envvar="ROLLCALL_REPLAY_TIME_ZONE",
            help="IANA time zone of times that do not say theirs.",
        ),
    ] = "UTC",
    session_gap: Annotated[
        float | None,
        typer.Option(
            envvar="ROLLCALL_REPLAY_SESSION_GAP_SECONDS",
            help="Silence that ends a session, in seconds: refuses to run where it is not "
            "ROLLCALL_OFFLINE_AFTER_SECONDS, which decides it.",
        ),
    ] = None,
    skip_silence: Annotated[
        bool,
        typer.Option(
            "--skip-silence",
            envvar="ROLLCALL_REPLAY_SKIP_SILENCE",
            help="Write nothing where nobody is online: quicker, and analytics then know nothing "
            "of that time instead of knowing that it was nobody.",
        ),
    ] = False,
) -> None:
    """Turn a file of events into presence and analytics, on the file's own time.

    Each line is a heartbeat in the foreground on its screen. It needs a deployment of its own, made
    with ROLLCALL_ALLOW_CREATE_TIME=1, and the settings of its processor: docs/replay.md.
    """
    from deploy.replay.command import run
    from deploy.replay.table import Columns
    from schemas.service.settings import time_zone as zone_of

    try:
        zone = zone_of(time_zone)
    except ValueError as error:
        fail(f"--time-zone {time_zone}: {error}", USAGE)
    columns = Columns(user, screen, time_column, app_version, device, platform)
    run(file, columns, zone, session_gap_seconds=session_gap, skip_silence=skip_silence)
