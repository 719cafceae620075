"""``make bench-notify``: CPU µs that notify takes for a change delivered to one webhook, with 1,000
changes a second to ten webhooks of which each wants all of them; real Kafka and PostgreSQL, and a
receiver in a process of its own, whose CPU does not count.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import sys
import tempfile
import time
from contextlib import ExitStack
from multiprocessing.sharedctypes import Synchronized
from pathlib import Path
from typing import Any

import msgspec
import typer
from aiohttp import web
from aiokafka import AIOKafkaProducer
from rich.console import Console

from deploy.webhooks import WebhookTable
from processor.core.changes import rfc3339
from schemas.log.changes import Change
from schemas.log.events import partition_of
from schemas.log.settings import KafkaSettings
from schemas.log.topics import CHANGES, topic_name
from schemas.managed.manager import Manager
from schemas.webhooks.filter import parse_filter
from schemas.webhooks.secret_box import SecretBox
from tests.bench.cpu import cpu_seconds
from tests.bench.servers import PARTITIONS, answers, kafka_environment, servers
from tests.bench.smoke import Smoke, check_measured
from tests.rigs.rig import free_port, wait_for
from tests.suite.forks import start_python

KEY = "the key under which the bench encrypts secrets"
SCRIPT = "from processor.notify.__main__ import main; main()"
console = Console()


def receive(port: int, received: Synchronized[int]) -> None:
    """Count the changes of all messages, and answer 204."""

    async def hook(request: web.Request) -> web.Response:
        many = (await request.read()).count(b'"reason":')
        with received.get_lock():
            received.value += many
        return web.Response(status=204)

    app = web.Application(client_max_size=1 << 20)
    app.router.add_post("/{path}", hook)
    web.run_app(app, host="127.0.0.1", port=port, print=lambda *_: None, access_log=None)


def change(number: int) -> Change:
    """Users come and move on, in turns."""
    user = f"user-{number % 10_000}"
    return Change(
        id=f"{partition_of(user, PARTITIONS)}:{number}:0:0",
        at=rfc3339(1_774_260_000_000 + number),
        user_id=user,
        device="Pixel 9 / Android 16",
        reason="navigated",
        previous_state="foreground",
        state="foreground",
        previous_screen="Home",
        screen="Cart",
        user_state="foreground",
        user_screen="Cart",
        app_version="1.0.0",
        platform="android",
        connections=[],
        previous_user_state="foreground",
        previous_user_screen="Home",
    )


async def publish(settings: KafkaSettings, a_second: int, seconds: int) -> None:
    """So many a second, as evenly as a loop does it."""
    topic = topic_name(settings, CHANGES)
    producer = AIOKafkaProducer(
        bootstrap_servers=settings.kafka_bootstrap, acks="all", linger_ms=20
    )
    await producer.start()
    try:
        began, each = time.monotonic(), max(1, a_second // 20)
        for first in range(0, a_second * seconds, each):
            for number in range(first, first + each):
                told = change(number)
                await producer.send(
                    topic,
                    msgspec.json.encode(told),
                    key=told.user_id.encode(),
                    partition=partition_of(told.user_id, PARTITIONS),
                )
            await asyncio.sleep(max(0.0, began + (first + each) / a_second - time.monotonic()))
        await producer.flush()
    finally:
        await producer.stop()


def measure(a_second: int, webhooks: int, seconds: int) -> dict[str, float]:
    """CPU µs a change and webhook, part of a core, and seconds until the last one was there."""
    received: Any = multiprocessing.get_context("spawn").Value("q", 0)
    port, admin = free_port(), free_port()
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="rollcall-bench-")))
        # PostgreSQL may run as another user, who must get in.
        directory.chmod(0o755)
        run = stack.enter_context(servers(directory, quick_start=seconds < 10))
        table = WebhookTable(run.database_url, SecretBox(KEY), Manager("command", "bench"))
        for number in range(webhooks):
            table.create(f"http://127.0.0.1:{port}/{number}", parse_filter({}))
        receiver = multiprocessing.get_context("spawn").Process(
            target=receive, args=(port, received), daemon=True
        )
        receiver.start()
        stack.callback(receiver.join)
        stack.callback(receiver.terminate)
        environment = {
            **kafka_environment(run.kafka_settings),
            "ROLLCALL_DATABASE_URL": run.database_url,
            "ROLLCALL_ENCRYPTION_KEY": KEY,
            "ROLLCALL_WEBHOOK_PRIVATE_HOSTS": "127.0.0.0/8",
            "ROLLCALL_NOTIFY_ADMIN_PORT": str(admin),
        }
        notify = start_python(
            ["-P", "-c", SCRIPT],
            cwd=directory,
            env={"PYTHONPATH": sys.path[0] or str(Path.cwd()), **environment},
        )
        stack.callback(notify.wait)
        stack.callback(notify.terminate)
        wait_for("notify", lambda: answers(f"http://127.0.0.1:{admin}/readyz"))
        wanted = a_second * seconds * webhooks
        before, began = cpu_seconds(notify.pid), time.monotonic()
        asyncio.run(publish(run.kafka_settings, a_second, seconds))
        published = time.monotonic()
        wait_for("every change is delivered", lambda: received.value >= wanted)
        ended = time.monotonic()
        spent = cpu_seconds(notify.pid) - before
    return {
        "CPU µs a delivery": 1e6 * spent / wanted,
        "of a core": spent / (ended - began),
        "seconds behind at the end": ended - published,
    }


def main(changes: int = 1_000, webhooks: int = 10, seconds: int = 30, smoke: Smoke = False) -> None:
    """Print what a change costs for each webhook that it goes to."""
    if smoke:
        changes, webhooks, seconds = 50, 2, 1
    figures = measure(changes, webhooks, seconds)
    for name, figure in figures.items():
        console.print(f"{name}: {figure:.2f}")
    check_measured(figures)


if __name__ == "__main__":
    typer.run(main)
