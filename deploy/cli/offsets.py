"""`rollcall offsets`: where the processor goes on in the log."""

from __future__ import annotations

import asyncio
import logging
from typing import Annotated

import typer

from deploy.cli.new_topic import accept_new_topic
from deploy.terminal import (
    DEFAULT_DATA_DIR,
    FAILURE,
    USAGE,
    DataDir,
    fail,
    fail_without_kafka,
    note,
)

app = typer.Typer(
    name="offsets",
    help="Where the processor goes on in the log.",
    no_args_is_help=True,
)


@app.callback()
def offsets() -> None:
    """Without it typer would make the only command that of the group."""


@app.command("accept-loss")
def accept_loss(
    partition: Annotated[
        list[int] | None,
        typer.Option(
            help="Partition whose loss is accepted; may be given more than once. Without it the "
            "losses are only shown."
        ),
    ] = None,
    new_topic: Annotated[
        bool,
        typer.Option(
            "--new-topic",
            help="The topic is lost for good, and another one was made in its place: go on with "
            "that, and keep history and opt-outs. Only shows what is lost, without --yes.",
        ),
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Accept the new topic.")] = False,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Go on although Kafka has lost records before they were processed.

    The partition goes on where its log begins. What the records said is lost for good; presence
    takes the gap for an outage of ours: nobody goes offline by it, and whoever is online then gets
    until the end of the reconnect grace. Each loss stays in the table lost_ranges. Does nothing
    where nothing is lost. With --new-topic all services must be stopped; it may be repeated.
    Kafka and the database are those of ROLLCALL_… as for the processor.
    """
    if yes and not new_topic:
        fail("--yes is for --new-topic: losses of a topic are accepted with --partition", USAGE)
    if new_topic:
        if partition:
            fail("--new-topic is for all partitions: leave --partition out", USAGE)
        accept_new_topic(data_dir, yes=yes)
        return
    import psycopg
    from aiokafka.errors import KafkaError

    from deploy.database import NoDatabaseError, session_url
    from processor.accept_loss import accept, find_losses
    from processor.core.deployment import UnusableDeploymentError
    from processor.core.log.losses import COMMAND, options
    from processor.settings import ProcessorSettings
    from schemas.service.settings import load_or_exit

    settings = load_or_exit(ProcessorSettings)
    # What it says about each attempt is in the one line below.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    wanted = set(partition or ())
    if unknown := sorted(wanted - set(range(settings.partitions))):
        fail(
            f"--partition {unknown[0]}: the topic has the partitions 0 to "
            f"{settings.partitions - 1}",
            USAGE,
        )
    try:
        dsn = session_url(data_dir)
        lost = asyncio.run(find_losses(settings, dsn))
        if not wanted:
            for one in lost:
                typer.echo(f"lost in {one}")
            if lost:
                note(f"nothing was accepted; to accept: {COMMAND} {options(lost)}")
            else:
                typer.echo("nothing is lost")
            return
        accepted = asyncio.run(accept(dsn, [one for one in lost if one.partition in wanted]))
    except NoDatabaseError as error:
        fail(str(error), USAGE)
    except UnusableDeploymentError as error:
        fail(str(error), FAILURE)
    except psycopg.errors.UndefinedTable:
        fail("the database lacks tables of this release: run rollcall migrate", FAILURE)
    except psycopg.Error as error:
        fail(f"PostgreSQL (ROLLCALL_DATABASE_URL) did not do it: {error}", FAILURE)
    except (KafkaError, OSError) as error:
        fail_without_kafka(settings, error)
    for one in accepted:
        typer.echo(f"accepted as lost: {one}")
    for number in sorted(wanted - {one.partition for one in accepted}):
        typer.echo(f"partition {number}: nothing is lost")
