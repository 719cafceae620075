"""The command `rollcall replay`: reads the file, checks the deployment, shows how far it is."""

from __future__ import annotations

import asyncio
import gzip
import io
import logging
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, BinaryIO
from zoneinfo import ZoneInfo

import typer
from aiokafka.errors import KafkaError
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from deploy.replay.log import LogIsLaterError, append
from deploy.replay.records import ReplayPolicy, records, shortest_client_interval_seconds
from deploy.replay.table import Columns, FileProblemError, View, read_views
from deploy.terminal import FAILURE, INTERRUPTED, USAGE, fail
from ingest.body.validate import BodyReader, DoorRules
from processor.settings import ProcessorSettings
from schemas.log.diagnosis import why_away
from schemas.log.settings import ScreenRulesSettings
from schemas.log.topics import TopicProblemError
from schemas.service.settings import load_or_exit

_ANOTHER = "start again with another ROLLCALL_TOPIC_PREFIX and an empty database"


def run(
    file: Path,
    columns: Columns,
    zone: ZoneInfo,
    *,
    session_gap_seconds: float | None,
    skip_silence: bool,
) -> None:
    """Replay ``file`` into the deployment of the environment; ends the process when it cannot."""
    settings = load_or_exit(ProcessorSettings)
    screens = load_or_exit(ScreenRulesSettings).screens
    reader = BodyReader(DoorRules(None if screens is None else screens.folder()))
    _check_settings(settings, session_gap_seconds)
    with _progress() as bars:
        views = _read(file, columns, zone, reader, bars)
        policy = ReplayPolicy(
            settings.partitions,
            settings.policy.offline_after_ms,
            settings.policy.outage_gap_ms,
            settings.reporting_time_zone,
            skip_silence,
        )
        _check_client_interval(settings, views, policy)
        count = _append(settings, views, policy, bars)
    users = len({view.user for view in views})
    typer.echo(
        f"{len(views):,} events of {users:,} users, from {_time(views[0])} to {_time(views[-1])}: "
        f"{count:,} records"
    )


def _check_settings(settings: ProcessorSettings, session_gap_seconds: float | None) -> None:
    if not settings.allow_create_time:
        fail(
            "a replay writes times of its own: make a deployment for it, with "
            "ROLLCALL_ALLOW_CREATE_TIME=1, a ROLLCALL_TOPIC_PREFIX and an empty database "
            "(docs/replay.md)",
            USAGE,
        )
    offline_after = settings.offline_after_seconds
    if session_gap_seconds is not None and session_gap_seconds != offline_after:
        fail(
            f"--session-gap {session_gap_seconds:g}: a session ends when the processor times a "
            f"device out, and that is after {offline_after:g} s: set "
            f"ROLLCALL_OFFLINE_AFTER_SECONDS={session_gap_seconds:g} for both",
            USAGE,
        )


def _check_client_interval(
    settings: ProcessorSettings, views: list[View], policy: ReplayPolicy
) -> None:
    shortest = shortest_client_interval_seconds(views, policy)
    if settings.client_interval_seconds < shortest:
        fail(
            "nobody in a file sends heartbeats while nothing changes, and the processor would take "
            "that for an outage: set ROLLCALL_CLIENT_INTERVAL_SECONDS to "
            f"{shortest} or more, for both",
            USAGE,
        )


def _read(
    file: Path, columns: Columns, zone: ZoneInfo, reader: BodyReader, bars: Progress
) -> list[View]:
    try:
        with (
            bars.open(file, "rb", description=f"reading {file.name}") as raw,
            _text(raw, is_compressed=file.suffix == ".gz") as lines,
        ):
            return read_views(lines, columns, zone, reader)
    except FileProblemError as error:
        fail(f"{file}: {error}", USAGE)
    except (OSError, EOFError, zlib.error) as error:
        fail(f"cannot read {file}: {error}", USAGE)


def _text(raw: BinaryIO, *, is_compressed: bool) -> IO[str]:
    # A byte order mark is no part of the first column's name.
    if is_compressed:
        return gzip.open(raw, "rt", encoding="utf-8-sig", newline="")
    return io.TextIOWrapper(raw, encoding="utf-8-sig", newline="")


def _append(
    settings: ProcessorSettings, views: list[View], policy: ReplayPolicy, bars: Progress
) -> int:
    # What it says about each attempt is in the one line below.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    first_ms, last_ms = views[0].at_ms, views[-1].at_ms
    task = bars.add_task("replaying", total=max(1, last_ms - first_ms))

    def appended(at_ms: int) -> None:
        bars.update(task, completed=at_ms - first_ms)

    try:
        return asyncio.run(append(settings, first_ms, records(views, policy), appended))
    except TopicProblemError as error:
        fail(str(error), FAILURE)
    except LogIsLaterError as error:
        fail(f"{error}, and log time does not go back: {_ANOTHER}", FAILURE)
    except (KafkaError, OSError) as error:
        fail(
            f"Kafka at {settings.kafka_bootstrap} (ROLLCALL_KAFKA_BOOTSTRAP) did not take it all: "
            f"{asyncio.run(why_away(settings, error))}; {_ANOTHER}",
            FAILURE,
        )
    except KeyboardInterrupt:
        fail(f"interrupted: a part of the file is in the log; {_ANOTHER}", INTERRUPTED)


@contextmanager
def _progress() -> Iterator[Progress]:
    """Bars on a terminal; nothing elsewhere."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn())
    with Progress(
        *columns, TimeRemainingColumn(), console=console, disable=not console.is_terminal
    ) as bars:
        yield bars


def _time(view: View) -> str:
    return f"{datetime.fromtimestamp(view.at_ms / 1000, UTC):%Y-%m-%dT%H:%M:%SZ}"
