"""Nothing is left of who has gone (promise 8): every column of every table, and every byte that
Kafka has on its disk once the log's own retention has passed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pytest
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from deploy.local.child import RunningChild
from deploy.local.kafka import LocalKafka
from schemas.log.events import Heartbeat, partition_of
from schemas.log.settings import KafkaSettings
from schemas.log.topics import (
    CHANGES,
    EVENTS,
    PRIVACY,
    REJECTS,
    SIGN_OUTS,
    create_topics,
    kafka_admin,
    topic_specs,
)
from schemas.service.user_hash import UserHash
from tests.rigs.harness import token as phone_token
from tests.rigs.kept_bytes import files_with
from tests.rigs.privacy_rig import (
    KEY,
    OPT_OUT,
    Person,
    online,
    private_api,
    private_ingest,
    running_processor,
    traces,
)
from tests.rigs.rig import (
    DEADLINE_SECONDS,
    batch,
    produce,
    published_changes,
    rows,
    wait_for,
)

#: Found nowhere by chance.
ADA, EVE, BOB = "ada-7f3e91c2", "eve-c41b77d0", "bob-05d8aa47"
#: What Ada's phone and token say of her beside her id.
OF_ADA = ("Ada Byron-58cd1e", "sid-of-ada-90be", "phone-of-ada-66b1", "A phone of model 3fd2c8")
GONE = (ADA, EVE, *OF_ADA)
#: Records of these go by their age.
RETAINED = (EVENTS, CHANGES, SIGN_OUTS, REJECTS)


@pytest.fixture
def kafka(tmp_path: Path) -> Iterator[LocalKafka]:
    """A broker whose disk is this test's, and which looks for what is too old all the time."""
    often = {"log.retention.check.interval.ms": "200", "log.initial.task.delay.ms": "100"}
    broker = LocalKafka(tmp_path / "kafka", properties=often)
    broker.prepare()
    child = RunningChild(broker.child())
    try:
        asyncio.run(broker.wait_ready(DEADLINE_SECONDS, child))
        yield broker
    finally:
        child.stop()


async def until(what: str, condition: object) -> None:
    """:func:`wait_for`, while the services of this process go on."""
    await asyncio.to_thread(wait_for, what, condition)  # type: ignore[arg-type]


async def test_of_who_has_gone_no_table_holds_a_row_and_kafka_no_byte_after_retention(
    kafka: LocalKafka, database_url: str, tmp_path: Path
) -> None:
    settings = KafkaSettings(kafka_bootstrap=kafka.bootstrap, partitions=4, replication_factor=1)
    await create_topics(settings)
    log = tmp_path / "processor.log"
    name, session, device, model = OF_ADA
    hers = phone_token(ADA, name=name, sid=session)
    said = f'{{"screen": "Cart", "device_id": "{device}", "device_info": "{model}"}}'.encode()
    with running_processor(settings, database_url, log):
        async with (
            private_ingest(settings) as ingest,
            private_api(settings, database_url) as api,
            aiohttp.ClientSession() as http,
        ):
            assert (await ingest.heartbeat(said, authorization=f"Bearer {hers}")).status == 200
            socket = await http.ws_connect(
                f"http://127.0.0.1:{ingest.port}/api/ws",
                headers={"Authorization": f"Bearer {hers}"},
            )
            await socket.send_json({"screen": "Film", "device_id": device, "id": 1})
            for user in (EVE, BOB):
                assert (await ingest.heartbeat(b'{"screen": "Home"}', user)).status == 200
            partition = partition_of(ADA, settings.partitions)
            unreadable = b"no record, of " + ADA.encode()
            await produce(settings, [(partition, unreadable)])
            await until("all are online", lambda: online(database_url) == 3)
            await until(
                "Ada's socket is known",
                lambda: rows(
                    database_url,
                    "SELECT FROM current_presence WHERE user_id = %s AND sockets IS NOT NULL",
                    ADA,
                ),
            )
            assert "presence" in traces(database_url, *GONE)

            assert (await Person(api, ADA).set_tracking(OPT_OUT))[0] == 200
            assert (await Person(api, EVE).erase())[0] == 200
            # Sent before, delivered after.
            late = Heartbeat(user=ADA, token="sid:" + session, name=name, device_id=device)
            await produce(settings, [(partition, batch(late))])
            passed = await asyncio.to_thread(_end_of_log, database_url)
            await until("it goes on", lambda: _end_of_log(database_url) > passed)
            await until(
                "both last changes are published",
                lambda: len([c for c in published_changes(settings) if not c["device"]]) == 2,
            )
            await until("no trace is left", lambda: not traces(database_url, *GONE))
            assert online(database_url) == 1
            async with asyncio.timeout(DEADLINE_SECONDS):
                async for _ in socket:
                    pass

    texts = [text.encode() for text in GONE]
    before = files_with(kafka.data_dir, *texts)
    assert before[EVENTS] == {*texts}
    # A rejected record is known by its hash, and a user on the compacted topic by theirs.
    assert REJECTS in files_with(kafka.data_dir, b'"sha256"')
    assert before.keys() == {EVENTS, CHANGES, SIGN_OUTS}

    await forget_at_once(settings)
    await until("Kafka has dropped it", lambda: not files_with(kafka.data_dir, *texts))
    hashed = UserHash(KEY)
    # What is kept on purpose, and that the search sees what Kafka keeps.
    assert PRIVACY in files_with(kafka.data_dir, hashed(ADA))
    assert PRIVACY in files_with(kafka.data_dir, hashed(EVE))
    assert traces(database_url, BOB) != []
    assert not any(text in log.read_text() for text in GONE)


def _end_of_log(database_url: str) -> int:
    [(offset,)] = rows(database_url, "SELECT sum(next_offset)::int FROM stream_offsets")
    return int(offset)


async def forget_at_once(settings: KafkaSettings) -> None:
    """As if the retention of each topic had passed."""
    short = {"retention.ms": "1", "file.delete.delay.ms": "0"}
    resources = [
        ConfigResource(ConfigResourceType.TOPIC, spec.name, configs={**spec.settings, **short})
        for spec in topic_specs(settings)
        if spec.name.endswith(RETAINED)
    ]
    async with kafka_admin(settings) as admin:
        for answer in await admin.alter_configs(resources):
            assert {each[0] for each in answer.resources} == {0}, answer
