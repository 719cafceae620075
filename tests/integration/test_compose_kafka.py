"""docker-compose.yml's Kafka: its properties and its users, each of whom may do what it does."""

from __future__ import annotations

import asyncio
import re
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import GroupAuthorizationFailedError, TopicAuthorizationFailedError
from typer.testing import CliRunner, Result

from deploy.cli.command import app
from deploy.local.child import RunningChild
from deploy.local.kafka import LocalKafka
from deploy.local.ports import free_port
from deploy.roles.compose_secrets import KAFKA_PASSWORD_FILE, make_secrets
from schemas.log.client import client_options
from schemas.log.settings import KafkaSettings
from tests.rigs.ingest_process import Process
from tests.rigs.rig import ProcessorProcess, processor_environment, rows, wait_for
from tests.unit.deploy.compose_file import ROOT, load_compose

READY_SECONDS = 120.0
COMPOSE = ROOT / "deploy/compose"


class ComposeKafka:
    """A node that is configured as kafka.sh does it, on ports of this machine."""

    def __init__(self, directory: Path) -> None:
        self.secrets = directory / "secrets"
        make_secrets(self.secrets)
        ports: list[int] = []
        while len(ports) < 3:
            ports.append(free_port(not_in=frozenset(ports)))
        self.port, inside, controller = ports
        text = (COMPOSE / "kafka.properties").read_text("utf-8")
        text += (self.secrets / "kafka/users.properties").read_text("utf-8")
        for former, port in (("9092", self.port), ("9094", inside), ("9093", controller)):
            text = re.sub(rf":{former}\b", f":{port}", text)
        text = text.replace("CLIENTS://kafka:", "CLIENTS://127.0.0.1:")
        lines = (line.partition("=") for line in text.splitlines() if line[:1] not in ("#", ""))
        properties = {key: value for key, _, value in lines}
        data = properties.pop("log.dirs")
        assert f"kafka-data:{data}" in load_compose()["services"]["kafka"]["volumes"]
        self.node = LocalKafka(
            directory / "kafka", ports=(inside, controller), properties=properties
        )

    def environment(self, service: str) -> dict[str, str]:
        """As docker-compose.yml has it, less what leads to other containers."""
        found: dict[str, str] = load_compose()["services"][service]["environment"]
        return {
            **{name: value for name, value in found.items() if "KAFKA" in name},
            "ROLLCALL_SECRETS_DIR": str(self.secrets / service),
            "ROLLCALL_KAFKA_BOOTSTRAP": f"127.0.0.1:{self.port}",
            "ROLLCALL_PARTITIONS": "2",
            "ROLLCALL_REPLICATION_FACTOR": "1",
        }

    def settings(self, user: str) -> KafkaSettings:
        return KafkaSettings(
            kafka_bootstrap=f"127.0.0.1:{self.port}",
            kafka_security_protocol="SASL_PLAINTEXT",
            kafka_sasl_mechanism="PLAIN",
            kafka_sasl_username=user,
            kafka_sasl_password_file=self.secrets / user / KAFKA_PASSWORD_FILE,
            partitions=2,
            replication_factor=1,
        )

    def make_topics(self) -> Result:
        command = load_compose()["services"]["topics"]["command"]
        return CliRunner().invoke(app, command[1:2], env=self.environment("topics"))


@pytest.fixture(scope="module")
def kafka() -> Iterator[ComposeKafka]:
    with ExitStack() as stack:
        directory = stack.enter_context(TemporaryDirectory(prefix="rollcall-test-"))
        kafka = ComposeKafka(Path(directory))
        kafka.node.prepare()
        child = RunningChild(kafka.node.child())
        stack.callback(child.stop)
        asyncio.run(kafka.node.wait_ready(READY_SECONDS, child))
        for said in ("ingest may do what ingest does", "processor may do what the processor does"):
            made = kafka.make_topics()
            assert made.exit_code == 0, made.output
            assert said in made.output
        yield kafka


async def test_a_heartbeat_becomes_presence_with_a_user_for_each_service(
    kafka: ComposeKafka, database_url: str, tmp_path: Path, processes: list[Process]
) -> None:
    log = tmp_path / "ingest.log"
    ingest = Process(kafka.settings("ingest"), log, **kafka.environment("ingest"))
    processes.append(ingest)
    environment = processor_environment(kafka.settings("processor"), database_url)
    processor = ProcessorProcess(
        {**environment, **kafka.environment("processor"), "ROLLCALL_DATABASE_URL": database_url},
        tmp_path / "processor.log",
    )
    try:
        await ingest.until_status("/readyz", 200)
        assert (await ingest.heartbeat("Home", "ada")).status == 200
        query = "SELECT user_id, state::text, screen FROM presence"
        stored = await asyncio.to_thread(
            wait_for, "ada is stored", lambda: rows(database_url, query)
        )
        assert stored == [("ada", "foreground", "Home")]
        assert await asyncio.to_thread(processor.stop) == 0
    finally:
        if processor.exit_status is None:
            processor.kill()
    assert "Cannot follow sign-outs" not in ingest.output
    assert "uthorization" not in processor.log.read_text()


@pytest.mark.parametrize(
    ("user", "topic"), [("ingest", "presence.events"), ("processor", "presence.changes")]
)
async def test_a_service_reads_nothing_else(kafka: ComposeKafka, user: str, topic: str) -> None:
    consumer = AIOKafkaConsumer(
        topic, **client_options(kafka.settings(user)), auto_offset_reset="earliest"
    )
    await consumer.start()
    try:
        with pytest.raises(TopicAuthorizationFailedError):
            await asyncio.wait_for(consumer.getone(), 60)
    finally:
        await consumer.stop()


async def test_ingest_joins_no_group(kafka: ComposeKafka) -> None:
    consumer = AIOKafkaConsumer(
        "presence.sign_outs", **client_options(kafka.settings("ingest")), group_id="mine"
    )
    with pytest.raises(GroupAuthorizationFailedError):
        await asyncio.wait_for(consumer.start(), 60)
    await consumer.stop()


@pytest.mark.parametrize(
    ("user", "topic"), [("ingest", "presence.changes"), ("processor", "presence.events")]
)
async def test_a_service_writes_nothing_else(kafka: ComposeKafka, user: str, topic: str) -> None:
    producer = AIOKafkaProducer(**client_options(kafka.settings(user)))
    await producer.start()
    try:
        with pytest.raises(TopicAuthorizationFailedError):
            await asyncio.wait_for(producer.send_and_wait(topic, b"forged"), 60)
    finally:
        await producer.stop()


async def test_no_service_makes_or_removes_a_topic(kafka: ComposeKafka) -> None:
    for user in ("ingest", "processor"):
        admin = AIOKafkaAdminClient(**client_options(kafka.settings(user)))
        await admin.start()
        try:
            made = await admin.create_topics([NewTopic("mine", 1, 1)])
            assert [error[1] for error in made.topic_errors] == [29]  # TOPIC_AUTHORIZATION_FAILED
            gone = await admin.delete_topics(["presence.events"])
            assert [code for _, code in gone.topic_error_codes] == [29]
        finally:
            await admin.close()


def test_rights_where_nobody_checks_them_are_refused_with_what_to_do(
    kafka_settings: KafkaSettings,
) -> None:
    environment = {
        "ROLLCALL_KAFKA_BOOTSTRAP": kafka_settings.kafka_bootstrap,
        "ROLLCALL_TOPIC_PREFIX": kafka_settings.topic_prefix,
        "ROLLCALL_PARTITIONS": str(kafka_settings.partitions),
        "ROLLCALL_REPLICATION_FACTOR": "1",
    }
    done = CliRunner().invoke(app, ["topics", "--ingest-user", "ingest"], env=environment)
    assert done.exit_code == 1
    assert "the brokers have no authorizer" in done.output


def test_the_script_joins_the_properties_with_the_users() -> None:
    script = (COMPOSE / "kafka.sh").read_text("utf-8")
    assert "cat /etc/rollcall/kafka.properties /secrets/kafka/users.properties" in script
    assert "umask 077" in script
    checked = subprocess.run(["bash", "-n", COMPOSE / "kafka.sh"], capture_output=True, check=False)
    assert checked.returncode == 0, checked.stderr
