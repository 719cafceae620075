"""`rollcall audit`: what it is told, and what it prints."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from deploy.terminal import (
    DEFAULT_DATA_DIR,
    FAILURE,
    USAGE,
    DataDir,
    fail,
    fail_without_kafka,
)

if TYPE_CHECKING:
    from deploy.audit.run import Result


def audit(
    state_dir: Annotated[
        Path | None,
        typer.Option(
            "--state",
            envvar="ROLLCALL_AUDIT_STATE",
            help="Directory in which a run leaves its state for the next one; by default "
            "`audit` in the data directory. It names users: keep it as you keep the database.",
            file_okay=False,
        ),
    ] = None,
    cpu_percent: Annotated[
        float,
        typer.Option(
            envvar="ROLLCALL_AUDIT_CPU_PERCENT",
            min=1,
            max=100,
            help="Most of a core that it takes, beside production.",
        ),
    ] = 100.0,
    show: Annotated[int, typer.Option(min=0, help="Differences that are printed.")] = 20,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead.")] = False,
    textfile: Annotated[
        Path | None,
        typer.Option(
            help="Write the metrics to this file (.prom) too, for node_exporter.", dir_okay=False
        ),
    ] = None,
    accept: Annotated[
        bool,
        typer.Option(
            "--accept",
            help="Go on from here although there are differences: those of rows that are written "
            "once are not found again.",
        ),
    ] = False,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Hold every row against the log, by an evaluator that is not the processor's.

    Reads presence.events from where the last run ended, and compares the tables as of one moment.
    Exit code 1: something differs; 0: nothing does; 2: it could not be
    compared. Kafka and the database are those of ROLLCALL_… as for the processor, else those of
    rollcall up in the data directory; docs/audit.md.
    """
    import psycopg
    from aiokafka.errors import KafkaError

    from deploy.audit.log import LogAwayError
    from deploy.audit.run import as_json as to_json
    from deploy.audit.run import audit_log as run
    from deploy.audit.snapshot import NothingToAuditError
    from deploy.database import NoDatabaseError, session_url
    from deploy.erase_settings import EraseSettings, settings_of_stack
    from schemas.log.events import NewerSchemaError
    from schemas.service.settings import load_or_exit
    from schemas.service.user_hash import UserHash

    settings = settings_of_stack(load_or_exit(EraseSettings), data_dir)
    key = settings.user_hash_key.get_secret_value()
    # What it says about each attempt is in the one line below.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    directory = state_dir if state_dir is not None else data_dir / "audit"
    try:
        directory.mkdir(parents=True, exist_ok=True)
        dsn = session_url(data_dir)
        hash_of = UserHash(key) if key else None
        result = asyncio.run(run(settings, dsn, directory, cpu_percent, hash_of, accept=accept))
        if textfile is not None:
            _write_textfile(textfile, result)
    except (NoDatabaseError, NothingToAuditError) as error:
        fail(str(error), USAGE)
    except (LogAwayError, NewerSchemaError) as error:
        fail(str(error), USAGE)
    except KafkaError as error:
        fail_without_kafka(settings, error, USAGE)
    except psycopg.Error as error:
        fail(f"cannot read the database (ROLLCALL_DATABASE_URL): {error}", USAGE)
    except OSError as error:
        fail(f"cannot keep the state in {directory} (--state), or Kafka is away: {error}", USAGE)
    if as_json:
        typer.echo(json.dumps(to_json(result)))
    else:
        _print(result, show)
    if result.difference_count:
        raise typer.Exit(FAILURE)


def _write_textfile(path: Path, result: Result) -> None:
    """Whoever reads it sees all of it or none."""
    from deploy.audit.run import as_textfile

    temporary = path.with_suffix(".tmp")
    temporary.write_text(as_textfile(result, time.time()))
    temporary.replace(path)


def _print(result: Result, show: int) -> None:
    from deploy.audit.differences import time_text

    for note in result.notes:
        typer.echo(note)
    for difference in result.differences[:show]:
        for line in difference.lines():
            typer.echo(line)
    if result.difference_count > show:
        typer.echo(f"… and {result.difference_count - show:,} more (--show, or --json)")
    if result.in_part:
        partitions = ", ".join(map(str, result.in_part))
        typer.echo(
            f"not compared: counts, samples and sums of partitions {partitions}, whose log does "
            "not go back to its first record"
        )
    as_of = time_text(result.as_of_ms) if result.as_of_ms is not None else "the log's beginning"
    typer.echo(
        f"checked {result.users:,} users ({result.percent_in_full:.1f} % in full), "
        f"{result.rows:,} rows, {result.records:,} records in {result.seconds:.1f} s: "
        f"{result.difference_count:,} differences, up to {as_of}"
    )
