"""A real data set, replayed through Kafka and a processor, equals what pandas says of the file."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from schemas.log.settings import KafkaSettings
from schemas.log.topics import EVENTS, create_topics, topic_name
from tests.integration.ecom import ecom_file
from tests.rigs.rig import ProcessorProcess, rows, stored_through, wait_for
from tests.suite.forks import run_python

if TYPE_CHECKING:
    import pandas as pd

PAGE = Path(__file__).parents[2] / "docs/replay.md"
PARTITIONS = 2
GAP = timedelta(seconds=1800)
#: Of the file's six months: as many samples of concurrency as a test has time for.
FIVE_DAYS = "2024-05-0[1-5]"
REPLAYED_WITHIN_SECONDS = STORED_WITHIN_SECONDS = 240.0


@dataclass(frozen=True)
class Replayed:
    """A file that was replayed and processed: as pandas reads it, and where the tables are."""

    events: pd.DataFrame
    database_url: str

    def is_rolled_up(self) -> bool:
        """Is every day of the log, which ends half an hour after one?"""
        return self.table(
            "SELECT through = (SELECT max(log_time) FROM stream_offsets) - interval '30 minutes' "
            "FROM rollup_progress WHERE rollup = 'days'"
        ) == [(True,)]

    def table(self, query: str) -> list[tuple[Any, ...]]:
        return rows(self.database_url, query)


@pytest.fixture
def ecom(tmp_path: Path) -> Path:
    """A part of the real file, its lines in no order."""
    import pandas as pd  # only in the process that runs this: it takes half a second

    events = pd.read_csv(ecom_file(tmp_path))
    file = tmp_path / "ecom-part.csv.gz"
    part = events[events["timestamp"].str.match(FIVE_DAYS)]
    part.sample(frac=1, random_state=5).to_csv(file, index=False)
    return file


@pytest.fixture
def deployment(kafka_bootstrap: str, database_url: str) -> dict[str, str]:
    """The environment that the documentation has, for a deployment here whose topics exist."""
    documented = dict(re.findall(r"^export (ROLLCALL_\w+)=(\S+)", PAGE.read_text("utf-8"), re.M))
    environment = {
        **documented,
        "ROLLCALL_TOPIC_PREFIX": f"t{uuid.uuid4().hex[:12]}.",
        "ROLLCALL_PARTITIONS": str(PARTITIONS),
        "ROLLCALL_REPLICATION_FACTOR": "1",
        "ROLLCALL_KAFKA_BOOTSTRAP": kafka_bootstrap,
        "ROLLCALL_DATABASE_URL": database_url,
    }
    asyncio.run(create_topics(kafka_of(environment)))
    return environment


def kafka_of(environment: dict[str, str]) -> KafkaSettings:
    names = KafkaSettings.model_fields
    given = {name: environment.get(f"ROLLCALL_{name.upper()}") for name in names}
    return KafkaSettings.model_validate({k: v for k, v in given.items() if v is not None})


def replay(
    environment: dict[str, str], file: Path, *options: str
) -> subprocess.CompletedProcess[str]:
    columns = ["--user", "user_id", "--screen", "event", "--time", "timestamp"]
    return run_python(
        ["-m", "deploy.cli", "replay", str(file), *columns, *options],
        env={**os.environ, **environment},
        timeout=REPLAYED_WITHIN_SECONDS,
    )


def log_ends(kafka: KafkaSettings) -> dict[int, int]:
    async def ends() -> dict[int, int]:
        consumer = AIOKafkaConsumer(bootstrap_servers=kafka.kafka_bootstrap)
        await consumer.start()
        try:
            topic = topic_name(kafka, EVENTS)
            found = await consumer.end_offsets(
                [TopicPartition(topic, p) for p in range(kafka.partitions)]
            )
            return {tp.partition: end for tp, end in found.items()}
        finally:
            await consumer.stop()

    return asyncio.run(ends())


def read(file: Path) -> pd.DataFrame:
    """The events by user and time, with what pandas makes of them."""
    import pandas as pd

    events = pd.read_csv(file, parse_dates=["timestamp"]).sort_values(
        ["user_id", "timestamp"], kind="stable", ignore_index=True
    )
    before = events.groupby("user_id")["timestamp"].shift()
    is_start = before.isna() | (events["timestamp"] - before >= GAP)
    events["session"] = is_start.cumsum()
    # The same page again is no view of another one.
    events["is_view"] = is_start | (events["event"] != events["event"].shift())
    return events


def views_of(events: pd.DataFrame) -> pd.DataFrame:
    """Each view with its dwell, and the pages before and after it in the session."""
    views = events[events["is_view"]].copy()
    sessions = views.groupby("session")
    ends = views["session"].map(events.groupby("session")["timestamp"].max())
    left = sessions["timestamp"].shift(-1).fillna(ends)
    views["dwell_ms"] = in_ms(left - views["timestamp"])
    views["from"] = sessions["event"].shift().fillna("(start)")
    views["is_last"] = sessions["event"].shift(-1).isna()
    return views


def sessions_of(events: pd.DataFrame) -> pd.DataFrame:
    """The sessions, by user and start."""
    return events.groupby("session").agg(
        user=("user_id", "first"),
        start=("timestamp", "min"),
        end=("timestamp", "max"),
        views=("is_view", "sum"),
        entry=("event", "first"),
        exit=("event", "last"),
    )


def in_ms(durations: pd.Series[pd.Timedelta]) -> pd.Series[int]:
    return durations.dt.total_seconds().mul(1000).round().astype(int)


def as_rows(table: pd.DataFrame) -> list[tuple[Any, ...]]:
    """In order, as rows of a query."""
    return sorted(table.itertuples(index=False, name=None))


@pytest.fixture
def replayed(deployment: dict[str, str], ecom: Path, tmp_path: Path) -> Iterator[Replayed]:
    done = replay(
        deployment, ecom, "--platform", "platform", "--session-gap", "1800", "--skip-silence"
    )
    assert done.returncode == 0, done.stderr
    kafka = kafka_of(deployment)
    ends = log_ends(kafka)
    processor = ProcessorProcess(deployment, tmp_path / "processor.log")

    def has_stored() -> bool:
        assert processor.exit_status is None, processor.log.read_text()
        return stored_through(deployment["ROLLCALL_DATABASE_URL"]) == ends

    try:
        wait_for("the processor has stored the log", has_stored, STORED_WITHIN_SECONDS)
        yield Replayed(read(ecom), deployment["ROLLCALL_DATABASE_URL"])
    finally:
        processor.kill()


def test_a_replayed_file_gives_the_analytics_that_pandas_gives(replayed: Replayed) -> None:
    import pandas as pd

    views = views_of(replayed.events)
    sessions = sessions_of(replayed.events)
    assert len(views) > 1_000
    assert len(sessions) == replayed.events["session_id"].nunique()

    tops = views.groupby("event", as_index=False).agg(
        views=("dwell_ms", "size"), visits=("dwell_ms", "size"), dwell_ms=("dwell_ms", "sum")
    )
    stored = replayed.table(
        "SELECT screen, sum(views)::int, sum(visits)::int, sum(dwell_ms)::bigint "
        "FROM screen_minutes GROUP BY screen"
    )
    assert sorted(stored) == as_rows(tops)

    steps = pd.concat(
        [
            views[["from", "event"]],
            views.loc[views["is_last"], ["event"]].set_axis(["from"], axis=1).assign(event="(end)"),
        ]
    )
    flows = steps.groupby(["from", "event"], as_index=False).size()
    stored = replayed.table(
        "SELECT from_screen, to_screen, sum(transitions)::int FROM screen_transitions GROUP BY 1, 2"
    )
    assert sorted(stored) == as_rows(flows)

    stored = replayed.table(
        "SELECT user_id, started_at AT TIME ZONE 'UTC', ended_at AT TIME ZONE 'UTC', "
        "views, entry_screen, exit_screen, foreground_ms FROM sessions"
    )
    engaged_ms = in_ms(sessions["end"] - sessions["start"])
    assert sorted(stored) == as_rows(sessions.assign(foreground_ms=engaged_ms))

    days = replayed.events.groupby(["user_id", replayed.events["timestamp"].dt.date])
    stored = replayed.table("SELECT user_id, day, platform FROM user_days")
    assert {(user, day): platform for user, day, platform in stored} == dict(
        days["platform"].first().items()
    )

    stored = replayed.table(
        "SELECT at AT TIME ZONE 'UTC', sum(foreground)::int FROM concurrency_samples GROUP BY at"
    )
    samples = pd.DataFrame(stored, columns=["at", "online"])
    begun = sessions["start"].sort_values().searchsorted(samples["at"], side="right")
    over = (sessions["end"] + GAP).sort_values().searchsorted(samples["at"], side="right")
    assert len(samples) > 20_000
    assert (samples["online"] == begun - over).all()

    wait_for("all is rolled up", replayed.is_rolled_up, STORED_WITHIN_SECONDS)
    stored = replayed.table(
        "SELECT screen, sum(views)::int, sum(visits)::int, sum(dwell_ms)::bigint "
        "FROM analytics.screen_engagement_daily GROUP BY screen"
    )
    assert sorted(stored) == as_rows(tops)
    stored = replayed.table(
        "SELECT from_screen, to_screen, sum(transitions)::int FROM analytics.screen_flows_daily "
        "GROUP BY 1, 2"
    )
    assert sorted(stored) == as_rows(flows)
    active = replayed.events.groupby(replayed.events["timestamp"].dt.date)["user_id"].nunique()
    stored = replayed.table(
        "SELECT day, active_users FROM analytics.daily_active_users WHERE active_users > 0"
    )
    assert dict(stored) == dict(active.items())


def test_a_file_is_replayed_once(deployment: dict[str, str], tmp_path: Path) -> None:
    file = tmp_path / "two.csv"
    file.write_text("user_id,event,timestamp\nada,Home,2024-03-01\nada,Cart,2024-03-01 00:01\n")
    first = replay(deployment, file)
    assert first.returncode == 0, first.stderr
    assert "2 events of 1 users, from 2024-03-01T00:00:00Z to 2024-03-01T00:01:00Z" in first.stdout
    ends = log_ends(kafka_of(deployment))

    again = replay(deployment, file)
    assert again.returncode == 1
    assert "log time does not go back" in again.stderr
    assert again.stderr.count("\n") == 1
    assert log_ends(kafka_of(deployment)) == ends


def test_a_live_deployment_takes_no_replay(kafka_settings: KafkaSettings, tmp_path: Path) -> None:
    file = tmp_path / "one.csv"
    file.write_text("user_id,event,timestamp\nada,Home,2024-03-01\n")
    environment = {
        "ROLLCALL_KAFKA_BOOTSTRAP": kafka_settings.kafka_bootstrap,
        "ROLLCALL_TOPIC_PREFIX": kafka_settings.topic_prefix,
        "ROLLCALL_PARTITIONS": str(kafka_settings.partitions),
        "ROLLCALL_CLIENT_INTERVAL_SECONDS": "1e12",
        "ROLLCALL_ALLOW_CREATE_TIME": "1",
    }
    refused = replay(environment, file)
    assert refused.returncode == 1
    assert "LogAppendTime, not CreateTime" in refused.stderr
    assert set(log_ends(kafka_settings).values()) == {0}
