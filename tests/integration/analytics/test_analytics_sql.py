"""What ``apply_analytics`` makes of batches: sums of windows, whatever the batches were."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec
import psycopg

from processor.core.analytics.windows import MinuteCounts
from processor.core.effects import Effects
from processor.store.analytics_rows import window_rows_of
from schemas.database.named_queries import load_queries
from schemas.log.events import Event, Heartbeat, Logout, partition_of
from schemas.log.settings import KafkaSettings
from schemas.log.topics import REJECTS
from tests.rigs.rig import (
    ProcessorProcess,
    batch,
    processor_environment,
    produce,
    read_all,
    rows,
    stored_through,
    wait_for,
)

START_MS = 1_774_746_000_000
SCREENS = ("home", "cart", "(none)", "(other)", "a \u00e4 \u2028 \U0001f3ac \\ \"' %s")
COUNTS = ("views", "visits", "dwell_ms", "silent_dwell_ms", "exits", "bounces")


def random_effects(source: random.Random) -> Effects:
    """Windows of a few minutes and screens, so that batches meet each other's."""
    effects = Effects()
    for _ in range(source.randrange(8)):
        window = (START_MS + 60_000 * source.randrange(4), source.choice(SCREENS))
        counts = {name: source.choice((0, 1, 2, 5)) for name in COUNTS}
        counts["dwell_ms"] = source.choice((0, 1, 2**40))
        buckets = Counter(source.choices((0, 1, 7, 40, 76), k=source.randrange(4)))
        effects.windows.minutes[window] = MinuteCounts(**counts, dwell_buckets=buckets)
    for _ in range(source.randrange(5)):
        quarter_ms = START_MS + 900_000 * source.randrange(2)
        move = (quarter_ms, source.choice(SCREENS), source.choice(SCREENS))
        effects.windows.transitions[move] += source.randrange(1, 4)
    return effects


def test_windows_are_added_up_however_they_are_cut_into_batches(database_url: str) -> None:
    source = random.Random(20261125)
    minutes: dict[tuple[Any, ...], Counter[str]] = {}
    histograms: dict[tuple[Any, ...], Counter[int]] = {}
    transitions: Counter[tuple[Any, ...]] = Counter()
    queries = load_queries("processor.store", "analytics.sql")
    with psycopg.connect(database_url) as connection:
        connection.execute(queries["create_analytics_tables"])
        connection.execute(queries["create_apply_analytics"])
        # Windows come as an argument: nothing of a batch is in a table here.
        connection.execute("CREATE FUNCTION pg_temp.empty_batch() RETURNS void LANGUAGE sql AS ''")
        connection.commit()
        for _ in range(60):
            found = [(p, random_effects(source)) for p in source.sample(range(3), k=2)]
            for partition, effects in found:
                for window, counts in effects.windows.minutes.items():
                    key = (partition, *window)
                    sums = minutes.setdefault(key, Counter(dict.fromkeys(COUNTS, 0)))
                    sums.update({name: getattr(counts, name) for name in COUNTS})
                    histograms.setdefault(key, Counter()).update(counts.dwell_buckets)
                for move, times in effects.windows.transitions.items():
                    transitions[(partition, *move)] += times
            windows = msgspec.json.encode(window_rows_of(found, [])).decode()
            connection.execute(queries["apply_analytics"], (windows,))
            connection.commit()
    stored = rows(
        database_url,
        'SELECT "partition", to_ms(minute), screen, dwell_histogram, views, visits, dwell_ms, '
        "silent_dwell_ms, exits, bounces FROM screen_minutes",
    )
    assert {row[:3]: dict(zip(COUNTS, row[4:], strict=True)) for row in stored} == minutes
    assert {
        row[:3]: {bucket: n for bucket, n in enumerate(row[3]) if n} for row in stored
    } == histograms
    moves = rows(
        database_url,
        'SELECT "partition", to_ms(quarter), from_screen, to_screen, transitions '
        "FROM screen_transitions",
    )
    assert {row[:4]: row[4] for row in moves} == transitions


def test_an_event_that_postgresql_refuses_leaves_nothing_in_analytics(
    kafka_settings: KafkaSettings, database_url: str, tmp_path: Path
) -> None:
    with psycopg.connect(database_url) as db:
        db.execute("ALTER TABLE changes ADD CHECK (screen <> 'refused')")
        db.execute("ALTER TABLE presence ADD CHECK (app_version <> 'refused')")
    where = partition_of("ada", kafka_settings.partitions)

    def beat(screen: str, **fields: Any) -> Heartbeat:
        return Heartbeat(user="ada", token="t", device_id="phone", screen=screen, **fields)

    events: list[Event] = [
        beat("Home"),
        beat("refused"),
        beat("Cart"),
        beat("Cart", app_version="refused"),
        beat("Last", device_info="Pixel"),
        Logout(user="ada", token="t", device_id="phone"),
    ]
    processor = ProcessorProcess(
        processor_environment(kafka_settings, database_url), tmp_path / "processor.log"
    )
    try:
        asyncio.run(produce(kafka_settings, [(where, batch(*events))]))
        wait_for("the record is stored", lambda: stored_through(database_url).get(where) == 1)
        assert processor.stop() == 0
    finally:
        if processor.exit_status is None:
            processor.kill()
    assert rows(
        database_url,
        "SELECT event_index, screen, device_info, ended_by::text FROM spans ORDER BY event_index",
    ) == [
        (2, "Home", None, "navigated"),
        (4, "Cart", None, "navigated"),
        (5, "Last", "Pixel", "logged_out"),
    ]
    assert rows(
        database_url,
        "SELECT screen, sum(views)::int, sum(visits)::int, sum(exits)::int FROM screen_minutes "
        "GROUP BY screen ORDER BY screen",
    ) == [("Cart", 1, 1, 0), ("Home", 1, 1, 0), ("Last", 1, 1, 1)]
    assert rows(
        database_url,
        "SELECT from_screen, to_screen, transitions FROM screen_transitions ORDER BY from_screen",
    ) == [
        ("(start)", "Home", 1),
        ("Cart", "Last", 1),
        ("Home", "Cart", 1),
        ("Last", "(end)", 1),
    ]
    assert rows(database_url, "SELECT screen FROM screen_names ORDER BY screen") == [
        ("Cart",),
        ("Home",),
        ("Last",),
    ]
    rejects = asyncio.run(read_all(kafka_settings, REJECTS))
    # Published before the commit that it takes: again if that fails.
    assert {msgspec.json.decode(record.value)["index"] for record in rejects} == {1, 3}
