"""What two lanes of a webhook do to its rows at once."""

from __future__ import annotations

import asyncio
import time

import psycopg
import pytest

from deploy.webhooks import WebhookTable
from processor.notify.store import Message, MovedError, NotifyStore, Place
from schemas.database.named_queries import load_queries
from schemas.service.settings import DatabaseSettings
from schemas.webhooks.filter import parse_filter
from schemas.webhooks.secret_box import SecretBox
from tests.rigs.api_harness import wait_until
from tests.rigs.rig import rows
from tests.rigs.webhook_receiver import BY

WAITS = """
SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()
"""


async def test_no_message_is_fixed_of_a_webhook_that_is_being_disabled(database_url: str) -> None:
    """It would stay for ever: nobody delivers it, and nobody makes it a dead letter."""
    table = WebhookTable(database_url, SecretBox("a key of which nobody knows"), BY)
    webhook = table.create("https://example.org/", parse_filter({})).id
    queries = load_queries("processor.notify", "queries.sql")
    store = NotifyStore(DatabaseSettings(database_url=database_url))
    await store.open()
    try:
        place, now = Place(webhook, 0, 0), time.time()
        await store.begin(place, 7)
        with psycopg.connect(database_url) as gone:
            gone.execute(queries["hold"], {"webhook": webhook})
            gone.execute(queries["disable"], {"webhook": webhook})
            fixing = asyncio.create_task(store.fix(place, 7, Message("m", b"{}", 1, 8, now, now)))

            async def is_waiting_or_done() -> bool:
                return fixing.done() or bool(rows(database_url, WAITS))

            await wait_until(is_waiting_or_done)
        with pytest.raises(MovedError):
            await fixing
    finally:
        await store.close()
    assert rows(database_url, "SELECT count(*), count(body) FROM webhook_cursors") == [(1, 0)]
