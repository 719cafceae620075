"""Topics and migrations against real servers."""

from __future__ import annotations

import asyncio

import psycopg
import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from typer.testing import CliRunner

from deploy.cli.command import app as rollcall
from processor.settings import ProcessorSettings
from processor.startup import open_deployment
from processor.store.store import Store
from schemas.database.migrate import migrate
from schemas.log.settings import KafkaSettings
from schemas.log.topic_ids import topic_id
from schemas.log.topic_retention import apply_retentions, retention_drift
from schemas.log.topics import (
    CHANGES,
    EVENTS,
    HOUR_MS,
    REJECTS,
    SIGN_OUTS,
    TopicProblemError,
    check_topics,
    create_topics,
    kafka_admin,
    topic_name,
    topic_settings,
)
from tests.rigs.rig import processor_environment


def test_migrating_twice_changes_nothing_the_second_time(database_url: str) -> None:
    assert migrate(database_url) == []


def test_a_migration_that_comes_late_is_applied_after_those_with_higher_numbers(
    database_url: str,
) -> None:
    """As when two branches land one after the other."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("DELETE FROM schema_migrations WHERE name = '0002_daily_partitions'")
    assert migrate(database_url) == ["0002_daily_partitions"]
    assert migrate(database_url) == []


def test_an_instant_survives_the_way_to_postgres_and_back(database_url: str) -> None:
    with psycopg.connect(database_url) as connection:
        for ms in (0, 1, 999, 1_795_500_000_001, 1_795_500_000_999):
            row = connection.execute("SELECT to_ms(from_ms(%s))", (ms,)).fetchone()
            assert row == (ms,)
        # Until 2242, to the microsecond.
        wrong = connection.execute(
            "SELECT count(*) FROM generate_series(1, 20000) AS n CROSS JOIN LATERAL "
            "(SELECT n * 428571429::bigint AS ms) AS at "
            "WHERE from_ms(ms) <> timestamptz 'epoch' + ms * interval '1 millisecond'"
        ).fetchone()
        assert wrong == (0,)


def test_an_instant_costs_no_call_of_a_function_in_sql(database_url: str) -> None:
    """A fifth of what PostgreSQL took for a navigation went into such calls."""
    with psycopg.connect(database_url) as connection:
        plan = connection.execute("EXPLAIN (VERBOSE) SELECT from_ms(n) FROM unnest('{1}'::int[]) n")
        assert "from_ms" not in str(plan.fetchall())


def test_topics_are_created_once_and_then_accepted(kafka_settings: KafkaSettings) -> None:
    assert asyncio.run(create_topics(kafka_settings)) == []
    asyncio.run(check_topics(kafka_settings))


async def kept_as(settings: KafkaSettings, topic: str, **wanted: str) -> dict[str, str | None]:
    """The settings of a topic, once these are among them: brokers learn of a change a moment
    later."""
    async with asyncio.timeout(60), kafka_admin(settings) as admin:
        while True:
            found = await topic_settings(admin, topic_name(settings, topic))
            if wanted.items() <= found.items():
                return found
            await asyncio.sleep(0.05)


async def alter(settings: KafkaSettings, topic: str, **own: str) -> None:
    async with kafka_admin(settings) as admin:
        name = topic_name(settings, topic)
        await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, name, configs=own)])
    await kept_as(settings, topic, **own)


def test_topics_that_exist_are_kept_as_long_as_a_setting_says_that_is_set(
    kafka_settings: KafkaSettings,
) -> None:
    hundred_hours, month = str(100 * HOUR_MS), 30 * 24 * HOUR_MS
    # What a topic has of its own besides stays.
    own = {"max.message.bytes": "2000000", "message.timestamp.type": "LogAppendTime"}

    async def check() -> None:
        assert await retention_drift(kafka_settings) == []
        await alter(kafka_settings, EVENTS, **own, **{"retention.ms": hundred_hours})

        # By hand, and no setting says another thing: it stays, and is told.
        applied, [left] = await apply_retentions(kafka_settings)
        assert applied == []
        assert str(left) == (
            f"topic {topic_name(kafka_settings, EVENTS)} is kept 100 hours, not 72 hours, the "
            "default: rollcall topics with ROLLCALL_LOG_RETENTION_HOURS set applies that; or set "
            "ROLLCALL_LOG_RETENTION_HOURS to what it is"
        )
        said = {"log_retention_hours": 100, "changes_retention_days": 30}
        settings = kafka_settings.model_copy(update=said)
        [changes] = await retention_drift(settings)
        assert "7 days, not 30 days: rollcall topics applies that" in str(changes)
        assert await apply_retentions(settings) == ([changes], [])
        assert changes.applied().endswith(
            "is kept 30 days from now on, it was 7 days (ROLLCALL_CHANGES_RETENTION_DAYS)"
        )
        wanted = {"retention.ms": str(month), "segment.ms": str(month // 12)}
        await kept_as(settings, CHANGES, **wanted)
        assert await retention_drift(settings) == []

        shorter = kafka_settings.model_copy(update={**said, "log_retention_hours": 48})
        assert len((await apply_retentions(shorter))[0]) == 1
        found = await kept_as(shorter, EVENTS, **{"retention.ms": str(48 * HOUR_MS)})
        assert own.items() <= found.items()
        await check_topics(shorter)

    asyncio.run(check())


def test_the_command_applies_what_is_set_and_the_processor_says_what_differs(
    kafka_settings: KafkaSettings, database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    environment = processor_environment(kafka_settings, database_url)
    name = topic_name(kafka_settings, REJECTS)

    def topics(**settings: str) -> str:
        done = CliRunner().invoke(rollcall, ["topics"], env={**environment, **settings})
        assert done.exit_code == 0, done.output
        return done.stdout

    assert topics() == "all there, as they must be\n"
    assert topics(ROLLCALL_REJECTS_RETENTION_DAYS="3") == (
        f"{name} is kept 72 hours from now on, it was 7 days (ROLLCALL_REJECTS_RETENTION_DAYS)\n"
    )
    asyncio.run(kept_as(kafka_settings, REJECTS, **{"retention.ms": str(72 * HOUR_MS)}))
    said = f"topic {name} is kept 72 hours, not 7 days, the default: rollcall topics with"
    assert f"all there, as they must be\nleft alone: {said}" in topics()

    async def start() -> None:
        settings = ProcessorSettings(**kafka_settings.model_dump(exclude_unset=True))
        store = Store(database_url)
        try:
            await open_deployment(settings, store)
        finally:
            await store.close()

    asyncio.run(start())
    assert said in caplog.text


def test_topics_are_made_with_the_retentions_that_are_set(kafka_bootstrap: str) -> None:
    settings = KafkaSettings(
        kafka_bootstrap=kafka_bootstrap,
        topic_prefix="kept.",
        partitions=1,
        replication_factor=1,
        log_retention_hours=24,
        rejects_retention_days=2,
        sign_outs_retention_hours=2,
    )

    async def check() -> None:
        await create_topics(settings)
        for topic, hours in ((EVENTS, 24), (CHANGES, 168), (REJECTS, 48), (SIGN_OUTS, 2)):
            await kept_as(settings, topic, **{"retention.ms": str(hours * HOUR_MS)})
        assert await retention_drift(settings) == []

    asyncio.run(check())


def test_a_missing_topic_is_refused_naming_the_command(kafka_bootstrap: str) -> None:
    settings = KafkaSettings(kafka_bootstrap=kafka_bootstrap, topic_prefix="absent.")
    with pytest.raises(TopicProblemError, match="rollcall topics"):
        asyncio.run(check_topics(settings))


def test_another_partition_count_is_refused_naming_the_setting(
    kafka_settings: KafkaSettings,
) -> None:
    other = kafka_settings.model_copy(update={"partitions": 7})
    with pytest.raises(TopicProblemError, match="ROLLCALL_PARTITIONS=4"):
        asyncio.run(check_topics(other))


def test_a_topic_on_the_producers_clock_is_refused_naming_the_fix(kafka_bootstrap: str) -> None:
    settings = KafkaSettings(
        kafka_bootstrap=kafka_bootstrap,
        topic_prefix="createtime.",
        partitions=2,
        replication_factor=1,
    )

    async def create() -> None:
        admin = AIOKafkaAdminClient(bootstrap_servers=kafka_bootstrap)
        await admin.start()
        await admin.create_topics([NewTopic(topic_name(settings, EVENTS), 2, 1)])
        await admin.close()

    asyncio.run(create())
    with pytest.raises(TopicProblemError, match=r"message\.timestamp\.type=LogAppendTime"):
        asyncio.run(create_topics(settings))


def test_a_topic_for_replay_is_accepted_only_where_the_setting_asks_for_one(
    kafka_bootstrap: str,
) -> None:
    replay = KafkaSettings(
        kafka_bootstrap=kafka_bootstrap,
        topic_prefix="replayed.",
        partitions=2,
        replication_factor=1,
        allow_create_time=True,
    )
    assert "replayed.presence.events" in asyncio.run(create_topics(replay))
    asyncio.run(check_topics(replay))
    live = replay.model_copy(update={"allow_create_time": False})
    with pytest.raises(TopicProblemError, match=r"CreateTime, not LogAppendTime.*clock"):
        asyncio.run(check_topics(live))


def test_a_live_topic_is_refused_where_the_setting_asks_for_one_of_replay(
    kafka_settings: KafkaSettings,
) -> None:
    replay = kafka_settings.model_copy(update={"allow_create_time": True})
    with pytest.raises(TopicProblemError, match="another ROLLCALL_TOPIC_PREFIX") as caught:
        asyncio.run(check_topics(replay))
    assert "kafka-configs" not in str(caught.value)


def test_a_topic_made_again_has_another_id(kafka_settings: KafkaSettings) -> None:
    name = topic_name(kafka_settings, EVENTS)
    first = asyncio.run(topic_id(kafka_settings, name))
    assert asyncio.run(topic_id(kafka_settings, name)) == first

    async def make_again() -> None:
        admin = AIOKafkaAdminClient(bootstrap_servers=kafka_settings.kafka_bootstrap)
        await admin.start()
        await admin.delete_topics([name])
        while name in await admin.list_topics():
            await asyncio.sleep(0.05)
        await admin.close()
        await create_topics(kafka_settings)

    asyncio.run(asyncio.wait_for(make_again(), 30))
    assert asyncio.run(topic_id(kafka_settings, name)) != first
