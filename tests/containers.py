"""Kafka and PostgreSQL in containers, from the images that docker-compose.yml runs.

The suite runs on the embedded servers. These are for ``ROLLCALL_TEST_SERVERS=containers``, which
``make test-engine`` sets: that what is true of the embedded ones is true of the images too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, TypeVar

from docker.errors import DockerException
from requests.exceptions import RequestException
from testcontainers.community.postgres import PostgresContainer
from testcontainers.core.config import testcontainers_config
from testcontainers.core.container import DockerContainer
from testcontainers.core.waiting_utils import wait_for_logs

from deploy.local.kafka import SERVER_PROPERTIES
from deploy.local.ports import free_port
from tests.unit.deploy.compose_file import base_images

START_SECONDS: Final = 120.0
#: Inside the container.
BROKER_PORT, CONTROLLER_PORT = 9092, 9093
# Properties come in a variable: nothing of this machine is mounted.
START_KAFKA: Final = """
echo "$PROPERTIES" > /tmp/server.properties
id=$(/opt/kafka/bin/kafka-storage.sh random-uuid)
/opt/kafka/bin/kafka-storage.sh format --cluster-id "$id" --config /tmp/server.properties
exec /opt/kafka/bin/kafka-server-start.sh /tmp/server.properties
"""

# It is an image of its own that would have to be pulled; containers end with the fixture that
# started them.
testcontainers_config.ryuk_disabled = True


class NoContainerError(RuntimeError):
    """No engine answers, or it cannot get the image. One line."""


Container = TypeVar("Container", bound=DockerContainer)


@contextmanager
def started(image: str, made: Callable[[str], Container]) -> Iterator[Container]:
    """The container, removed afterwards. Raises ``NoContainerError``."""
    try:
        container = made(image)
        container.start()
    except (DockerException, RequestException) as error:
        reason = " ".join(str(error).split())
        raise NoContainerError(f"no container of {image}: {reason}") from error
    try:
        yield container
    finally:
        container.stop()


@contextmanager
def kafka_container() -> Iterator[str]:
    """A Kafka of one node; gives its bootstrap servers. Raises ``NoContainerError``."""
    port = free_port()
    properties = SERVER_PROPERTIES.format(
        port=port, controller_port=CONTROLLER_PORT, storage="/tmp/storage"
    )
    # Of a key that is there twice the last counts.
    properties += f"listeners=PLAINTEXT://:{BROKER_PORT},CONTROLLER://127.0.0.1:{CONTROLLER_PORT}\n"
    with started(
        base_images()["kafka"],
        lambda image: (
            DockerContainer(image)
            .with_command(["bash", "-euc", START_KAFKA])
            .with_env("PROPERTIES", properties)
            .with_env("KAFKA_HEAP_OPTS", "-Xmx384m")
            .with_env("LOG_DIR", "/tmp/logs")
            .with_bind_ports(BROKER_PORT, port)
        ),
    ) as container:
        wait_for_logs(container, "Kafka Server started", timeout=START_SECONDS)
        yield f"127.0.0.1:{port}"


@contextmanager
def postgres_container() -> Iterator[str]:
    """A PostgreSQL; gives the URL of its maintenance database. Raises ``NoContainerError``."""
    # Nothing waits for the disk: it is gone with the run.
    quick = ["postgres", "-c", "fsync=off", "-c", "max_connections=100"]
    with started(
        base_images()["postgres"],
        lambda image: PostgresContainer(image, driver=None).with_command(quick),
    ) as container:
        yield container.get_connection_url()
