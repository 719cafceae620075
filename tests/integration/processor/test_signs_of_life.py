"""Signs of life in PostgreSQL: apart or together, what is read of a user is the same."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from random import Random

import psycopg
import pytest
import pytest_asyncio
from msgspec.structs import replace

from processor.core.effects import Record
from processor.core.partition import Partition
from processor.store.claim import claim_deployment
from processor.store.store import Store
from processor.work import RawRecord, Work
from schemas.database.signs_of_life import SignsOfLifeError, keep_signs_of_life
from schemas.log.events import Connect, Erase, Event, Heartbeat, Logout, Tick, encode_batch
from schemas.service.user_hash import UserHash
from tests.conftest import fresh_database
from tests.rigs.rig import rows
from tests.unit.processor import fence_reference
from tests.unit.processor.fence_reference import START_MS

#: A second apart beats are soon on no grid of it.
POLICY = replace(fence_reference.POLICY, background_timer_ms=120_000)
USERS = [f"user-{n}" for n in range(12)]
SCREENS = ["Home", "Cart", "Unknown", None, None, None, "background"]
SHOWN = "SELECT * FROM {} ORDER BY user_id"
NEWER = (
    "SELECT count(*) FROM signs_of_life s JOIN presence p USING (user_id) "
    "WHERE s.log_offset > p.log_offset"
)


class Log:
    """One partition, whose records go straight into the store."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.store = Store(url, UserHash("k" * 32))
        self.state = Partition(0, 1, POLICY, next_offset=0)

    async def claim(self) -> None:
        await claim_deployment(self.store, "events", str(uuid.UUID(int=1)), {0: 0})

    async def load(self) -> None:
        """As whoever takes the partition over."""
        async with self.store.load(0) as stored:
            self.state = Partition(
                0,
                1,
                POLICY,
                next_offset=stored.next_offset,
                log_time_ms=stored.log_time_ms,
                silence=stored.silence,
                graces=stored.graces,
                privacy=stored.privacy,
                screen_names=stored.screen_names,
            )
            users = [each async for chunk in stored.online for each in chunk]
        self.state.load_online(users)
        self.state.tally.live.restore(stored.live_screens)

    async def write(self, *records: tuple[Event, ...]) -> None:
        """Store a batch of these, each a second after the one before."""
        work: Work | None = None
        named = {e.user for events in records for e in events if not isinstance(e, Tick)}
        for user, offset in await self.store.load_users(named - self.state.users.keys()):
            self.state.remember(user, offset)
        for events in records:
            at_ms = START_MS + 1000 * self.state.next_offset
            raw = RawRecord(0, self.state.next_offset, at_ms, encode_batch(list(events)))
            work = work or Work(self.state, self.state.next_offset, raw)
            work.last = raw
            record = raw.decoded({})
            assert isinstance(record, Record)
            self.state.apply(record, work.effects)
        assert work is not None
        await self.store.commit([work.batch()])
        self.state.forget_offline(named | work.effects.touched.keys())


@pytest_asyncio.fixture
async def log(database_url: str) -> AsyncIterator[Log]:
    opened = Log(database_url)
    await opened.claim()
    yield opened
    await opened.store.close()


def event(random: Random, user: str) -> Event:
    kind = random.random()
    if kind < 0.05:
        return Logout(user=user, token="t")
    if kind < 0.15:
        return Connect(user=user, token="t", device_id="phone", connection=f"{user}-c")
    device = "tablet" if kind < 0.2 else "phone"
    return Heartbeat(user=user, token="t", device_id=device, screen=random.choice(SCREENS))


async def play(log: Log) -> None:
    """The same chance each time; the partition changes hands in between."""
    random = Random(18)
    for n in range(60):
        quiet = 1 if n % 20 else 40  # some time out
        records: list[tuple[Event, ...]] = [(Tick(),) for _ in range(quiet)]
        records += [tuple(event(random, u) for u in random.sample(USERS, 3)) for _ in range(3)]
        await log.write(*records)
        if n % 7 == 0:
            await log.load()


async def test_apart_and_together_the_same_is_read_of_everybody(
    log: Log, postgres_url: str, template_database: str
) -> None:
    await play(log)
    apart = rows(log.url, SHOWN.format("current_presence"))
    assert rows(log.url, NEWER)[0][0] > 0
    assert len(apart) == len(USERS)
    with fresh_database(postgres_url, template_database) as url:
        with psycopg.connect(url) as db:
            db.execute("ALTER TABLE deployment ALTER signs_of_life SET DEFAULT 'together'")
        other = Log(url)
        await other.claim()
        await play(other)
        await other.store.close()
        assert rows(url, "SELECT count(*) FROM signs_of_life") == [(0,)]
        assert rows(url, SHOWN.format("presence")) == apart


def test_what_is_read_of_users_has_all_columns_of_presence(database_url: str) -> None:
    """If this fails: the migration that adds a column to presence makes current_presence anew, with
    the column at its end."""
    columns = (
        "SELECT attname::text, atttypid::regtype::text FROM pg_attribute "
        "WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped ORDER BY 1"
    )
    stored = rows(database_url, columns, "presence")
    assert rows(database_url, columns, "current_presence") == stored


async def test_the_operator_switches_there_and_back_without_a_deadline_lost(log: Log) -> None:
    beat = Heartbeat(user="ada", token="t", device_id="phone")
    await log.write((beat,))
    with psycopg.connect(log.url) as db:
        db.execute("UPDATE deployment SET signs_of_life = 'together'")
        # As a release before leaves it.
        db.execute("UPDATE stream_offsets SET signs_of_life_offset = NULL")
    with pytest.raises(SignsOfLifeError, match="latest batch of partitions 0: end all"):
        keep_signs_of_life(log.url, "apart")
    await log.write((beat,))
    assert "from now on" in keep_signs_of_life(log.url, "apart")
    assert "already" in keep_signs_of_life(log.url, "apart")
    # Each batch goes by what holds, whoever has the partition.
    users = [Heartbeat(user=name, token="t", device_id="phone") for name in USERS]
    for _ in range(5):
        await log.write(tuple(users))
    assert rows(log.url, NEWER) == [(len(USERS),)]
    assert rows(
        log.url,
        "SELECT count(*) FROM current_presence p JOIN signs_of_life USING (user_id) "
        "WHERE p.timer = signs_of_life.timer",
    ) == [(len(USERS),)]
    shown = rows(log.url, SHOWN.format("current_presence"))
    advanced = "UPDATE stream_offsets SET next_offset = next_offset + 1"
    name = "rollcall-processor"
    with (
        psycopg.connect(log.url, application_name=name) as earlier,
        pytest.raises(psycopg.DatabaseError, match="of an earlier release"),
    ):
        earlier.execute(advanced)
    assert f"of {len(USERS)} users were joined" in keep_signs_of_life(log.url, "together", step=5)
    assert rows(log.url, SHOWN.format("presence")) == shown
    with psycopg.connect(log.url, application_name=name) as earlier:
        earlier.execute(advanced)
        earlier.rollback()
    await log.write(tuple(users))
    assert rows(log.url, NEWER) == [(0,)]


async def test_where_the_empty_table_was_analyzed_nothing_is_read_but_by_its_key(log: Log) -> None:
    with psycopg.connect(log.url) as db:
        db.execute("ANALYZE signs_of_life")
    beats = [Heartbeat(user=f"user-{n}", token="t", device_id="phone") for n in range(60)]
    await log.write(tuple(beats))
    for begin in range(0, len(beats), 10):
        await log.write(tuple(beats[begin : begin + 10]))
    assert rows(log.url, "SELECT count(*) FROM signs_of_life") == [(len(beats),)]
    await (await log.store.connected()).execute("SELECT pg_stat_force_next_flush()")
    await log.write((Tick(),))
    read = "SELECT idx_tup_read FROM pg_stat_user_indexes WHERE indexrelname = 'signs_of_life_pkey'"
    assert rows(log.url, read)[0][0] <= len(beats)


async def test_nothing_of_who_is_erased_is_left(log: Log) -> None:
    beats = tuple(
        Heartbeat(user=name, token="t", device_id="phone") for name in ("ada", "bob", "cyd")
    )
    for _ in range(2):
        await log.write(beats)
    heard = "SELECT user_id FROM signs_of_life ORDER BY 1"
    assert rows(log.url, heard) == [("ada",), ("bob",), ("cyd",)]
    await log.write((Erase(user="ada", request="r"),))
    assert rows(log.url, heard) == [("bob",), ("cyd",)]
    assert rows(log.url, "SELECT removed ->> 'signs_of_life' FROM erasures") == [("1",)]
    # What is older than the bound goes too.
    before_ms = START_MS + 2_000
    await log.write((Erase(user="bob", request="s", before_ms=before_ms),))
    assert rows(log.url, heard) == [("cyd",)]
