"""`rollcall offsets accept-loss --new-topic`: what it says, and what it asks first."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from deploy.terminal import FAILURE, USAGE, fail, fail_without_kafka, note

if TYPE_CHECKING:
    from deploy.new_topic import NewTopic, Plan


def accept_new_topic(data_dir: Path, *, yes: bool) -> None:
    """Show what is lost, and with ``yes`` let the database belong to the new topic."""
    import psycopg
    from aiokafka.errors import KafkaError, UnknownTopicOrPartitionError

    from deploy.database import NoDatabaseError, session_url
    from deploy.erase_settings import EraseSettings
    from deploy.erasing import Erasing, ProcessorsRunError
    from deploy.new_topic import NewTopic
    from processor.core.deployment import UnusableDeploymentError
    from processor.settings import ProcessorSettings
    from schemas.log.events import PRIVACY_VERSION
    from schemas.log.topics import TopicMissingError
    from schemas.service.settings import load_or_exit
    from schemas.service.user_hash import UserHashKeyError

    settings = load_or_exit(ProcessorSettings)
    erase_settings = load_or_exit(EraseSettings)
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    hashed = settings.user_hash

    async def run() -> None:
        erasing = None
        if hashed is not None and erase_settings.event_version >= PRIVACY_VERSION:
            erasing = Erasing(erase_settings, dsn, hashed)
            await erasing.check()
        await _run(NewTopic(settings, dsn, erasing), yes=yes)

    try:
        dsn = session_url(data_dir)
        asyncio.run(run())
    except NoDatabaseError as error:
        fail(str(error), USAGE)
    except (UnusableDeploymentError, ProcessorsRunError, UserHashKeyError) as error:
        fail(str(error), FAILURE)
    except (UnknownTopicOrPartitionError, TopicMissingError):
        fail("Kafka has no such topic: make it with rollcall topics first", FAILURE)
    except (psycopg.errors.UndefinedTable, psycopg.errors.UndefinedColumn):
        fail("the database lacks tables of this release: run rollcall migrate", FAILURE)
    except psycopg.Error as error:
        fail(f"PostgreSQL (ROLLCALL_DATABASE_URL) did not do it: {error}", FAILURE)
    except (KafkaError, OSError) as error:
        fail_without_kafka(settings, error)


async def _run(new_topic: NewTopic, *, yes: bool) -> None:
    from processor.core.deployment import NEW_TOPIC

    plan = await new_topic.plan()
    if plan is None:
        typer.echo("nothing is lost: the database belongs to the topic that there is")
        return
    for line in described(plan):
        typer.echo(line)
    if not yes:
        note(f"nothing was accepted; to accept: {NEW_TOPIC} --yes")
        return
    await new_topic.require_stopped_processors()
    again = await new_topic.accept(plan)
    typer.echo(f"accepted: the database belongs to the topic with id {plan.new_id}")
    if again:
        typer.echo(f"{again} opt-outs and erasures that were lost are asked for again")
    typer.echo("now start all services again")


def described(plan: Plan) -> list[str]:
    """What accepting does, a line each."""
    from deploy.audit.differences import time_text

    ids = f"the database belongs to the one with id {plan.old_id}, Kafka has {plan.new_id}"
    lines = [f"topic {plan.topic}: {ids}"]
    for number, position in sorted(plan.stored.items()):
        log_ms = plan.log_times_ms[number]
        up_to = f", {time_text(log_ms)}" if log_ms is not None else ""
        begins, ends = plan.begins[number], plan.ends[number]
        has = "empty" if begins == ends else f"offsets {begins} to {ends - 1}"
        lines.append(
            f"partition {number}: processed up to {position}{up_to}, what came after it is lost; "
            f"the new topic ({has}) is stored from {plan.base + begins} on"
        )
    if plan.changes:
        numbers = ", ".join(map(str, sorted(plan.changes)))
        lines.append(
            f"presence.changes is another topic, too (partitions {numbers}): webhooks begin anew "
            "in it, what they had not delivered is lost"
        )
    return lines
