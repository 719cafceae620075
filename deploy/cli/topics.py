"""`rollcall topics`: Kafka's topics, and what the services' users may do with them."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Annotated

import typer

from deploy.terminal import FAILURE, fail, fail_without_kafka
from deploy.waiting import WaitSeconds, wait_for

if TYPE_CHECKING:
    from schemas.log.settings import KafkaSettings


def topics(
    ingest_user: Annotated[
        str | None,
        typer.Option(
            envvar="ROLLCALL_KAFKA_INGEST_USER",
            help="Kafka's user that may do what ingest does, and no more, from now on.",
        ),
    ] = None,
    processor_user: Annotated[
        str | None,
        typer.Option(
            envvar="ROLLCALL_KAFKA_PROCESSOR_USER",
            help="Kafka's user that may do what the processor does, and no more, from now on.",
        ),
    ] = None,
    api_user: Annotated[
        str | None,
        typer.Option(
            envvar="ROLLCALL_KAFKA_API_USER",
            help="Kafka's user that may do what the API does, and no more, from now on.",
        ),
    ] = None,
    notify_user: Annotated[
        str | None,
        typer.Option(
            envvar="ROLLCALL_KAFKA_NOTIFY_USER",
            help="Kafka's user that may do what notify does, and no more, from now on.",
        ),
    ] = None,
    wait: WaitSeconds = 0.0,
) -> None:
    """Create and check Kafka's topics, and have them kept for as long as settings say that are
    set. Does nothing where all are as they must be.

    With the settings of ROLLCALL_KAFKA_BOOTSTRAP, ROLLCALL_TOPIC_PREFIX, ROLLCALL_PARTITIONS and
    ROLLCALL_REPLICATION_FACTOR, and those of ROLLCALL_KAFKA_… where the brokers want TLS or a user;
    with ROLLCALL_ALLOW_CREATE_TIME=1 for rollcall replay. How long is that of
    ROLLCALL_LOG_RETENTION_HOURS, ROLLCALL_CHANGES_RETENTION_DAYS, ROLLCALL_REJECTS_RETENTION_DAYS
    and ROLLCALL_SIGN_OUTS_RETENTION_HOURS.
    """
    from aiokafka.errors import KafkaError

    from processor.settings import ProcessorSettings
    from schemas.log.topic_retention import apply_retentions
    from schemas.log.topics import TopicProblemError, create_topics
    from schemas.service.settings import load_or_exit

    # The processor's: how long the log must be kept depends on its durations.
    settings = load_or_exit(ProcessorSettings)
    # What it says about each attempt is in the one line below.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    try:
        created = wait_for(
            lambda: asyncio.run(create_topics(settings)),
            (KafkaError, OSError),
            f"Kafka at {settings.kafka_bootstrap} (ROLLCALL_KAFKA_BOOTSTRAP)",
            wait,
        )
        applied, left = asyncio.run(apply_retentions(settings))
    except TopicProblemError as error:
        fail(str(error), FAILURE)
    except (KafkaError, OSError) as error:
        fail_without_kafka(settings, error)
    for name in created:
        typer.echo(f"created {name}")
    for drift in applied:
        typer.echo(drift.applied())
    if not created and not applied:
        typer.echo("all there, as they must be")
    for drift in left:
        typer.echo(f"left alone: {drift}")
    _grant_rights(settings, ingest_user, processor_user, api_user, notify_user)


def _grant_rights(
    settings: KafkaSettings,
    ingest_user: str | None,
    processor_user: str | None,
    api_user: str | None,
    notify_user: str | None,
) -> None:
    from aiokafka.errors import KafkaError

    from deploy.roles.kafka_rights import (
        RightsRefusedError,
        grant,
        rights_of_api,
        rights_of_ingest,
        rights_of_notify,
        rights_of_processor,
    )
    from processor.notify.settings import NotifySettings
    from processor.settings import ProcessorSettings
    from schemas.service.settings import load_or_exit

    rights = {}
    if ingest_user:
        rights["ingest"] = [*rights_of_ingest(settings, ingest_user)]
    if processor_user:
        group = load_or_exit(ProcessorSettings).consumer_group
        rights["the processor"] = [*rights_of_processor(settings, processor_user, group)]
    if api_user:
        rights["the API"] = [*rights_of_api(settings, api_user)]
    if notify_user:
        group = load_or_exit(NotifySettings).notify_consumer_group
        rights["notify"] = [*rights_of_notify(settings, notify_user, group)]
    for service, wanted in rights.items():
        try:
            asyncio.run(grant(settings, wanted))
        except (RightsRefusedError, KafkaError, OSError) as error:
            fail(f"cannot grant what {service} needs of Kafka: {error}", FAILURE)
        typer.echo(f"{wanted[0].user} may do what {service} does")
