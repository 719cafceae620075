"""A Kafka that wants TLS and a user: everything works over it, and what is wrong is said."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aiokafka.errors import KafkaError
from typer.testing import CliRunner

from deploy.cli.command import app as rollcall
from deploy.local.child import RunningChild
from deploy.local.kafka import LocalKafka
from deploy.local.ports import free_port
from schemas.log.diagnosis import why_away
from schemas.log.settings import KafkaSettings
from schemas.log.topics import check_topics
from tests.certificates import Authority, Signed
from tests.rigs.ingest_process import Process
from tests.rigs.rig import (
    ProcessorProcess,
    processor_environment,
    published_changes,
    rows,
    wait_for,
)

READY_SECONDS = 120.0
PASSWORD = "only for this test"
WRONG = "not the password"
#: The broker's certificate names this host alone.
HOST = "localhost"


class SecureKafka:
    """A node with listeners for TLS with a user, TLS with certificates, and a user alone."""

    def __init__(self, directory: Path) -> None:
        self.authority = Authority(directory)
        self.server, self.client = self.authority.sign(HOST), self.authority.sign("client")
        ports: list[int] = []
        while len(ports) < 5:
            ports.append(free_port(not_in=frozenset(ports)))
        plain, controller, self.tls_user, self.tls_only, self.user_only = ports
        scram = "org.apache.kafka.common.security.scram.ScramLoginModule required;"
        ours = {"USERS": self.tls_user, "CERTIFICATES": self.tls_only, "CLEAR": self.user_only}
        listeners = {"PLAINTEXT": plain, "CONTROLLER": controller, **ours}
        advertised = {"PLAINTEXT": f"127.0.0.1:{plain}"}
        advertised |= {name: f"{HOST}:{port}" for name, port in ours.items()}
        self.node = LocalKafka(
            directory / "kafka",
            ports=(plain, controller),
            properties={
                "listeners": ",".join(f"{n}://127.0.0.1:{port}" for n, port in listeners.items()),
                "advertised.listeners": ",".join(f"{n}://{at}" for n, at in advertised.items()),
                "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,"
                "USERS:SASL_SSL,CERTIFICATES:SSL,CLEAR:SASL_PLAINTEXT",
                "ssl.keystore.type": "PEM",
                "ssl.keystore.location": str(self.server.both),
                "ssl.truststore.type": "PEM",
                "ssl.truststore.location": str(self.authority.file),
                "listener.name.certificates.ssl.client.auth": "required",
                "listener.name.users.sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512",
                "listener.name.clear.sasl.enabled.mechanisms": "SCRAM-SHA-256",
                "listener.name.users.plain.sasl.jaas.config": "org.apache.kafka.common.security."
                f'plain.PlainLoginModule required user_rollcall="{PASSWORD}";',
                "listener.name.users.scram-sha-256.sasl.jaas.config": scram,
                "listener.name.users.scram-sha-512.sasl.jaas.config": scram,
                "listener.name.clear.scram-sha-256.sasl.jaas.config": scram,
            },
            format_options=[
                option
                for mechanism in ("SCRAM-SHA-256", "SCRAM-SHA-512")
                for option in ("-S", f"{mechanism}=[name=rollcall,password={PASSWORD}]")
            ],
        )

    def variables(self, **values: Any) -> dict[str, str]:
        """Settings of the deployment over TLS with a user; ``values`` are other ones, and
        ``None`` leaves one out."""
        chosen = {
            "kafka_bootstrap": f"{HOST}:{self.tls_user}",
            "topic_prefix": "secure.",
            "partitions": 2,
            "replication_factor": 1,
            "kafka_security_protocol": "SASL_SSL",
            "kafka_sasl_mechanism": "SCRAM-SHA-512",
            "kafka_sasl_username": "rollcall",
            "kafka_sasl_password": PASSWORD,
            "kafka_ssl_ca_file": self.authority.file,
            **values,
        }
        return {name: str(value) for name, value in chosen.items() if value is not None}

    def environment(self, **values: Any) -> dict[str, str]:
        return {
            f"ROLLCALL_{name.upper()}": value for name, value in self.variables(**values).items()
        }

    def settings(self, **values: Any) -> KafkaSettings:
        return KafkaSettings.model_validate(self.variables(**values))

    @property
    def without_tls(self) -> dict[str, Any]:
        return {"kafka_security_protocol": "SASL_PLAINTEXT", "kafka_ssl_ca_file": None}

    @property
    def without_user(self) -> dict[str, Any]:
        names = ("mechanism", "username", "password")
        return {
            "kafka_security_protocol": "SSL",
            "kafka_bootstrap": f"{HOST}:{self.tls_only}",
            **{f"kafka_sasl_{name}": None for name in names},
        }

    def own_certificate(self, signed: Signed) -> dict[str, Any]:
        return {
            "kafka_ssl_certificate_file": signed.certificate,
            "kafka_ssl_key_file": signed.key,
        }


@pytest.fixture(scope="module")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecureKafka]:
    kafka = SecureKafka(tmp_path_factory.mktemp("secure-kafka"))
    kafka.node.prepare()
    child = RunningChild(kafka.node.child())
    try:
        asyncio.run(kafka.node.wait_ready(READY_SECONDS, child))
        yield kafka
    finally:
        child.stop()


def ingest_of(kafka: SecureKafka, log: Path, **values: Any) -> Process:
    return Process(kafka.settings(**values), log, **kafka.environment(**values))


def run_topics(kafka: SecureKafka, **values: Any) -> Any:
    return CliRunner().invoke(rollcall, ["topics"], env=kafka.environment(**values))


async def test_a_heartbeat_becomes_presence_over_tls_with_scram(
    kafka: SecureKafka,
    database_url: str,
    tmp_path: Path,
    processes: list[Process],
) -> None:
    made = await asyncio.to_thread(run_topics, kafka)
    assert made.exit_code == 0, made.output
    assert "created secure.presence.events" in made.output

    password = tmp_path / "password"
    password.write_text(PASSWORD + "\n")
    from_file = {"kafka_sasl_password": None, "kafka_sasl_password_file": password}
    ingest = ingest_of(kafka, tmp_path / "ingest.log", **from_file)
    processes.append(ingest)
    environment = processor_environment(kafka.settings(), database_url)
    processor = ProcessorProcess(
        {**environment, **kafka.environment(**from_file)}, tmp_path / "processor.log"
    )
    try:
        await ingest.until_status("/readyz", 200)
        assert (await ingest.heartbeat("Home", "ada")).status == 200
        query = "SELECT user_id, state::text, screen FROM presence"
        stored = await asyncio.to_thread(
            wait_for, "ada is stored", lambda: rows(database_url, query)
        )
        assert stored == [("ada", "foreground", "Home")]
        plain = KafkaSettings(
            kafka_bootstrap=kafka.node.bootstrap, topic_prefix="secure.", partitions=2
        )
        [change] = await asyncio.to_thread(
            wait_for, "the change is published", lambda: published_changes(plain)
        )
        assert (change["user_id"], change["state"]) == ("ada", "foreground")
        assert await asyncio.to_thread(processor.stop) == 0
    finally:
        if processor.exit_status is None:
            processor.kill()
    assert "Cannot follow sign-outs" not in ingest.output
    for output in (ingest.output, processor.log.read_text()):
        assert PASSWORD not in output


async def test_ingest_with_a_wrong_password_says_so_in_readiness_and_log(
    kafka: SecureKafka, tmp_path: Path, processes: list[Process]
) -> None:
    ingest = ingest_of(kafka, tmp_path / "ingest.log", kafka_sasl_password=WRONG)
    processes.append(ingest)
    while "refuses user" not in (
        reason := (await ingest.until_status("/readyz", 503)).json["reason"]
    ):
        await asyncio.sleep(0.05)
    assert reason == (
        f"{HOST}:{kafka.tls_user}: the broker refuses user 'rollcall' with SCRAM-SHA-512: check "
        "ROLLCALL_KAFKA_SASL_USERNAME and ROLLCALL_KAFKA_SASL_PASSWORD"
    )
    assert f"Kafka cannot be used, calls get a 503: {reason}" in ingest.output
    assert WRONG not in ingest.output
    assert (await ingest.heartbeat("Home")).status == 503


def test_a_processor_that_does_not_trust_the_broker_says_so(
    kafka: SecureKafka, database_url: str, tmp_path: Path
) -> None:
    other = Authority(tmp_path, "another-authority")
    environment = processor_environment(kafka.settings(), database_url)
    processor = ProcessorProcess(
        {**environment, **kafka.environment(kafka_ssl_ca_file=other.file)},
        tmp_path / "processor.log",
    )
    try:
        wait_for(
            "the cause is logged",
            lambda: "check ROLLCALL_KAFKA_SSL_CA_FILE" in processor.log.read_text(),
        )
        assert processor.stop() == 0
    finally:
        if processor.exit_status is None:
            processor.kill()
    assert "certificate is not trusted" in processor.log.read_text()


def test_topics_with_a_wrong_password_fail_in_one_line_without_it(kafka: SecureKafka) -> None:
    done = run_topics(kafka, kafka_sasl_password=WRONG)
    assert done.exit_code == 1
    assert "check ROLLCALL_KAFKA_SASL_USERNAME and ROLLCALL_KAFKA_SASL_PASSWORD" in done.output
    assert WRONG not in done.output


def test_every_way_in_that_the_settings_offer_works(kafka: SecureKafka) -> None:
    two_servers = f"127.0.0.1:1, {HOST}:{kafka.tls_user}"
    ways: list[dict[str, Any]] = [
        {"kafka_sasl_mechanism": "PLAIN"},
        {"kafka_sasl_mechanism": "SCRAM-SHA-256", "kafka_bootstrap": two_servers},
        {**kafka.without_user, **kafka.own_certificate(kafka.client)},
        {**kafka.without_user, "kafka_ssl_certificate_file": kafka.client.both},
        {
            **kafka.without_tls,
            "kafka_bootstrap": f"{HOST}:{kafka.user_only}",
            "kafka_sasl_mechanism": "SCRAM-SHA-256",
        },
    ]

    async def try_all() -> None:
        for way in ways:
            await check_topics(kafka.settings(**way))
        # An address that the certificate does not name: only where that is not asked for.
        async with asyncio.timeout(60):
            await check_topics(kafka.settings(kafka_ssl_check_hostname=False, **by_address))

    by_address = {"kafka_bootstrap": f"127.0.0.1:{kafka.tls_user}"}
    asyncio.run(try_all())


def test_what_is_wrong_is_named_with_the_variable_that_mends_it(kafka: SecureKafka) -> None:
    protocol = "check ROLLCALL_KAFKA_SECURITY_PROTOCOL"
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"kafka_bootstrap": f"127.0.0.1:{kafka.tls_user}"}, "is for another host"),
        ({**kafka.without_tls}, f"closed the connection: {protocol}"),
        (
            {"kafka_bootstrap": f"{HOST}:{kafka.user_only}"},
            protocol,
        ),
        ({**kafka.without_user}, protocol),
        (
            {**kafka.without_tls, "kafka_bootstrap": f"{HOST}:{kafka.user_only}"},
            "does not take SCRAM-SHA-512: check ROLLCALL_KAFKA_SASL_MECHANISM",
        ),
        ({"kafka_bootstrap": "127.0.0.1:1"}, "127.0.0.1:1: "),
    ]

    async def tell(values: dict[str, Any]) -> str:
        settings = kafka.settings(**values)
        with pytest.raises((KafkaError, OSError)) as caught:
            await check_topics(settings)
        return await why_away(settings, caught.value)

    for values, said in wrong:
        assert said in asyncio.run(tell(values))
