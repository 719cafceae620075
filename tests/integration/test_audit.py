"""The audit finds nothing in what a processor has stored, and names each row altered by hand."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path

import msgspec
import psycopg
import pytest
from typer.testing import CliRunner

from deploy.audit.columns import AUDITED
from deploy.audit.run import Result, StateFile
from deploy.audit.snapshot import From, take_snapshot
from deploy.cli.command import app
from tests.conftest import fresh_database
from tests.rigs.api_harness import api_settings, running_api
from tests.rigs.audit_rig import (
    Deployment,
    Writer,
    append,
    create_time_topics,
    delete_before,
    ends_of,
    process,
    story,
)
from tests.rigs.maintenance_rig import run as roll_up
from tests.rigs.privacy_rig import KEY
from tests.rigs.rig import rows, stored_through


@pytest.fixture(scope="module")
def deployment(
    kafka_bootstrap: str,
    postgres_url: str,
    template_database: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Deployment]:
    kafka = create_time_topics(kafka_bootstrap)
    log = tmp_path_factory.mktemp("audit") / "processor.log"
    records = story(Writer(7))
    asyncio.run(append(kafka, records))
    with fresh_database(postgres_url, template_database) as url:
        process(kafka, url, log, ends_of(records))
        roll_up(url)
        yield Deployment(kafka, url.rpartition("/")[2].partition("?")[0], postgres_url)


def altered(deployment: Deployment, tmp_path: Path, *statements: str) -> Result:
    with deployment.copy() as url:
        with psycopg.connect(url) as connection:
            for statement in statements:
                assert connection.execute(statement.encode()).rowcount == 1
        return deployment.audit(url, tmp_path / "state")


@pytest.mark.parametrize(
    "of", ["another log", pytest.param("more than is stored", marks=pytest.mark.long)]
)
def test_a_state_that_nothing_goes_on_from_is_begun_anew_with_all_rows(
    deployment: Deployment, tmp_path: Path, of: str
) -> None:
    """As after a database was begun anew, with another topic or the same one."""
    state = tmp_path / "state"
    with deployment.copy() as url:
        assert not deployment.audit(url, state).differences
        for path in state.glob("partition-*.msgpack"):
            kept = msgspec.msgpack.decode(path.read_bytes(), type=StateFile)
            if of == "another log":
                kept.topic_id = "0" * len(kept.topic_id)
            else:
                kept.partition.next_offset += 10_000
            path.write_bytes(msgspec.msgpack.encode(kept))
        result = deployment.audit(url, state)
        assert any("begun anew" in note for note in result.notes)
        assert not result.differences
        assert not result.in_part


def test_rows_are_copied_from_where_log_time_stepped_back_to_since_the_run_before(
    deployment: Deployment, tmp_path: Path
) -> None:
    """An instant that passes for the first time then has its sample there."""
    with deployment.copy() as url:
        steps = {
            partition: (offset, int(before.timestamp() * 1000), int(after.timestamp() * 1000))
            for partition, offset, before, after in rows(
                url, 'SELECT "partition", log_offset, from_time, to_time FROM clock_steps'
            )
        }

        def copied_from(read: int) -> dict[int, int]:
            """The first sample by partition, for a run that had read so far at the step."""
            wanted = {p: From(at + read, time=before) for p, (at, before, _) in steps.items()}
            snapshot = take_snapshot(url, lambda *_: wanted, tmp_path)
            return {
                p: min(row[0] for row in snapshot.rows("concurrency_samples", p)) for p in steps
            }

        first = copied_from(0)
        for partition, (_, before, after) in steps.items():
            assert after <= first[partition] < after + 10_000 < before
        first = copied_from(1)
        assert all(first[partition] >= before for partition, (_, before, _) in steps.items())


def test_nothing_differs_where_nobody_altered_anything(
    deployment: Deployment, tmp_path: Path
) -> None:
    with deployment.copy() as url:
        result = deployment.audit(url, tmp_path / "state")
        assert not result.differences, "\n".join(
            line for found in result.differences for line in found.lines()
        )
        assert result.percent_in_full == 100
        stored = sum(
            rows(url, f"SELECT count(*) FROM {table}")[0][0]
            for table in ("presence", "changes", "spans", "sessions", "user_days")
        )
        assert result.rows > stored > 1_000
        endings = {ending for (ending,) in rows(url, "SELECT ended_by::text FROM spans")}
        assert endings >= {"navigated", "backgrounded", "logged_out", "timed_out", "disconnected"}
        assert rows(url, "SELECT count(*) > 0 FROM outages") == [(True,)]
        assert rows(url, "SELECT count(*) FROM clock_steps") == [(2,)]


def one(table: str, where: str = "true") -> str:
    return f"(tableoid, ctid) = (SELECT tableoid, ctid FROM {table} WHERE {where} LIMIT 1)"


NEW_USER = """INSERT INTO presence (
    user_id, "partition", state, reason, changed_at, device_count, signed_out
) """
NEW_SIGN = """INSERT INTO signs_of_life
SELECT user_id, last_active + interval '1 s', expires_at, token, sockets, log_offset + 1
FROM presence WHERE user_id = 'user-05'"""
NEW_CHANGE = """INSERT INTO changes
SELECT at, "partition", {offset}, event_index, 100, {user}, device, reason, previous_state, state,
       previous_screen, screen, user_state, user_screen
FROM changes WHERE """

ALTERED = {
    "presence: the state": (
        "presence",
        "UPDATE presence SET state = 'background', screen = NULL WHERE user_id = 'user-05'",
        "state",
    ),
    "presence: since when": (
        "presence",
        "UPDATE presence SET changed_at = changed_at + interval '1 s' WHERE user_id = 'user-06'",
        "changed_at",
    ),
    "presence: a device": (
        "presence",
        "UPDATE presence SET devices = jsonb_set(devices, '{1,screen}', '\"Elsewhere\"') WHERE "
        + one("presence", "jsonb_array_length(devices) > 1"),
        "devices",
    ),
    "presence: a user too many": (
        "presence",
        NEW_USER + "VALUES ('ghost', 0, 'offline', 'timed_out', now(), 0, false)",
        "ghost",
    ),
    "presence: a user too few": (
        "presence",
        "DELETE FROM presence WHERE user_id = 'user-07'",
        "user-07",
    ),
    "signs of life: a later one": (
        "presence",
        NEW_SIGN,
        "last_active",
    ),
    "counts": (
        "stream_offsets",
        'UPDATE stream_offsets SET foreground = foreground + 1 WHERE "partition" = 1',
        "foreground",
    ),
    "changes: a screen": (
        "changes",
        "UPDATE changes SET screen = 'Elsewhere' WHERE " + one("changes", "screen = 'Cart'"),
        "Elsewhere",
    ),
    "changes: one too few": ("changes", "DELETE FROM changes WHERE " + one("changes"), "no such"),
    "changes: one too many": (
        "changes",
        NEW_CHANGE.format(offset="log_offset", user="user_id") + one("changes"),
        "no such",
    ),
    "spans": (
        "spans",
        "UPDATE spans SET is_view = NOT is_view WHERE " + one("spans", "state = 'foreground'"),
        "is_view",
    ),
    "sessions": (
        "sessions",
        "UPDATE sessions SET views = views + 1 WHERE " + one("sessions"),
        "views",
    ),
    "user_days": (
        "user_days",
        "UPDATE user_days SET is_new = NOT is_new WHERE " + one("user_days"),
        "is_new",
    ),
    "screen_minutes": (
        "screen_minutes",
        "UPDATE screen_minutes SET dwell_ms = dwell_ms + 1 WHERE "
        + one("screen_minutes", "screen = 'Home' AND visits > 0"),
        "dwell_ms",
    ),
    "screen_transitions": (
        "screen_transitions",
        "UPDATE screen_transitions SET transitions = transitions + 1 WHERE "
        + one("screen_transitions"),
        "transitions",
    ),
    "concurrency_samples": (
        "concurrency_samples",
        "UPDATE concurrency_samples SET background = background + 1 WHERE "
        + one("concurrency_samples"),
        "background",
    ),
    "screen_samples": (
        "screen_samples",
        "DELETE FROM screen_samples WHERE " + one("screen_samples", "screen = 'Home'"),
        "Home",
    ),
    "live_screens": (
        "live_screens",
        "UPDATE live_screens SET foreground = foreground + 1 WHERE " + one("live_screens"),
        "foreground",
    ),
    "outages": (
        "outages",
        "UPDATE outages SET ended_at = ended_at + interval '1 s' WHERE " + one("outages"),
        "ended_at",
    ),
    "clock_steps": (
        "clock_steps",
        "UPDATE clock_steps SET to_time = to_time - interval '1 s' WHERE " + one("clock_steps"),
        "to_time",
    ),
    "erasures": ("erasures", "DELETE FROM erasures WHERE erasure_id = 'erase-3'", "erase-3"),
    "opt-outs": (
        "privacy_flags",
        "UPDATE privacy_flags SET opted_out = false WHERE " + one("privacy_flags", "opted_out"),
        "user-01",
    ),
    "when somebody opted in": (
        "privacy_flags",
        "UPDATE privacy_flags SET at = at + interval '1 s' WHERE NOT opted_out AND "
        + one("privacy_flags", "NOT opted_out"),
        "at:",
    ),
    "an opted-out user who came back": (
        "presence",
        NEW_USER + "SELECT 'user-01', \"partition\", 'offline', 'timed_out', now(), 0, false "
        "FROM privacy_flags WHERE opted_out LIMIT 1",
        "user-01",
    ),
}


#: The first ones lost rows by an erasure, and are not compared.
LAST_HOUR = "hour = (SELECT max(hour) FROM {})"
#: Each found in the same run. Days are made of quarter-hours that are
#: altered too.
ALTERED_ROLLUPS = {
    "screen_quarters": (
        "UPDATE screen_quarters SET dwell_ms = dwell_ms + 1 WHERE "
        + one("screen_quarters", "screen = 'Film' AND visits > 0"),
        "Film",
    ),
    "screen_hours": (
        "DELETE FROM screen_hours WHERE " + one("screen_hours", "screen = 'Cart'"),
        "Cart",
    ),
    "screen_days": (
        "UPDATE screen_days SET exits = exits + 1 WHERE " + one("screen_days", "exits > 0"),
        "exits",
    ),
    "screen_version_hours": (
        "UPDATE screen_version_hours SET users = users + 1 WHERE "
        + one("screen_version_hours", LAST_HOUR.format("screen_version_hours")),
        "users",
    ),
    "screen_hour_users": (
        "UPDATE screen_hour_users SET users = users + 10 WHERE "
        + one("screen_hour_users", LAST_HOUR.format("screen_hour_users")),
        "users",
    ),
    "transition_quarters": (
        "INSERT INTO transition_quarters SELECT quarter, 'Here', 'There', 1 "
        "FROM transition_quarters WHERE " + one("transition_quarters"),
        "Here, There",
    ),
    "transition_days": (
        "UPDATE transition_days SET transitions = transitions - 1 WHERE " + one("transition_days"),
        "transitions",
    ),
    "session_quarters": (
        "UPDATE session_quarters SET timed_out = timed_out + 1 WHERE "
        + one("session_quarters", "quarter = (SELECT max(quarter) FROM session_quarters)"),
        "timed_out",
    ),
    "concurrency_quarters": (
        "UPDATE concurrency_quarters SET peak_online_at = peak_online_at + interval '10 s' WHERE "
        + one("concurrency_quarters"),
        "peak_online_at",
    ),
    "active_user_days": (
        "UPDATE active_user_days SET weekly_active = weekly_active + 1 WHERE "
        + one("active_user_days"),
        "weekly_active",
    ),
}


def rounds() -> list[list[str]]:
    """Names of :data:`ALTERED`, of each table one a round: an audit takes half a second."""
    by_table: dict[str, list[str]] = {}
    for name, (table, _, _) in ALTERED.items():
        by_table.setdefault(table, []).append(name)
    every = zip_longest(*by_table.values())
    return [[name for name in together if name is not None] for together in every]


@pytest.mark.parametrize("names", rounds())
def test_a_row_that_was_altered_is_found_and_named(
    deployment: Deployment, tmp_path: Path, names: list[str]
) -> None:
    result = altered(deployment, tmp_path, *(ALTERED[name][1] for name in names))
    found = text_by_table(result)
    # What is rolled up of the row is unlike it then.
    assert found.keys() - ALTERED_ROLLUPS.keys() == {ALTERED[name][0] for name in names}
    for name in names:
        table, _, named = ALTERED[name]
        assert named in found[table], name


def text_by_table(result: Result) -> dict[str, str]:
    found: dict[str, str] = {}
    for each in result.differences:
        found[each.table] = found.get(each.table, "") + "\n".join(each.lines())
    return found


def test_a_row_of_each_rollup_that_was_altered_is_found_and_named(
    deployment: Deployment, tmp_path: Path
) -> None:
    statements = [statement for statement, _ in ALTERED_ROLLUPS.values()]
    # A day that an erasure took rows of is not compared; this one was rolled up after it.
    result = altered(deployment, tmp_path, "DELETE FROM erased_days", *statements)
    found = text_by_table(result)
    assert found.keys() == ALTERED_ROLLUPS.keys()
    for table, (_, named) in ALTERED_ROLLUPS.items():
        assert named in found[table], table
        assert "(all partitions)" in found[table]


def test_every_audited_table_has_a_row_altered_in_a_test() -> None:
    altered_tables = {table for table, _, _ in ALTERED.values()} | ALTERED_ROLLUPS.keys()
    # What was altered there is found in the row of presence that it is newer than.
    assert altered_tables | {"signs_of_life"} == AUDITED.keys()
    assert "INTO signs_of_life" in ALTERED["signs of life: a later one"][1]


def test_an_erased_user_of_whom_a_row_is_left_is_named(
    deployment: Deployment, tmp_path: Path
) -> None:
    result = altered(
        deployment,
        tmp_path,
        NEW_CHANGE.format(offset=1, user="'user-03'") + one("changes"),
    )
    assert any(found.user == "user-03" for found in result.differences)


def test_the_next_run_goes_on_where_the_last_one_ended(
    deployment: Deployment, tmp_path: Path
) -> None:
    further = Writer(11, Writer(7).now + 20_000_000)
    more = further.records(900, range(60))
    state = tmp_path / "state"
    with deployment.copy() as url:
        first = deployment.audit(url, state)
        asyncio.run(append(deployment.kafka, more))
        before = stored_through(url)
        ends = {number: before[number] + count for number, count in ends_of(more).items()}
        process(deployment.kafka, url, tmp_path / "log", ends)
        roll_up(url)
        second = deployment.audit(url, state)
        assert first.difference_count == second.difference_count == 0, second.differences
        assert (first.records, second.records) == (sum(before.values()), len(more))
        with psycopg.connect(url) as connection:
            connection.execute("UPDATE presence SET screen = 'Elsewhere' WHERE user_id = 'user-05'")
        found = deployment.audit(url, state)
        assert [one.user for one in found.differences] == ["user-05"]
        # It is found until it is put right.
        assert deployment.audit(url, state).difference_count == 1
    assert all(path.stat().st_mode & 0o077 == 0 for path in state.iterdir())


def test_the_command_ends_with_1_and_says_what_differs_and_the_api_tells_how_much(
    deployment: Deployment, tmp_path: Path
) -> None:
    with deployment.copy() as url:
        environment = {
            "ROLLCALL_KAFKA_BOOTSTRAP": deployment.kafka.kafka_bootstrap,
            "ROLLCALL_TOPIC_PREFIX": deployment.kafka.topic_prefix,
            "ROLLCALL_PARTITIONS": str(deployment.kafka.partitions),
            "ROLLCALL_DATABASE_URL": url,
            "ROLLCALL_AUDIT_STATE": str(tmp_path / "state"),
            "ROLLCALL_USER_HASH_KEY": KEY,
        }
        metrics = tmp_path / "audit.prom"

        def audit(*options: str) -> tuple[int, str]:
            done = CliRunner().invoke(app, ["audit", *options], env=environment)
            return done.exit_code, done.stdout

        with psycopg.connect(url) as connection:
            connection.execute("UPDATE presence SET name = 'Eve' WHERE user_id = 'user-05'")
        code, said = audit("--textfile", str(metrics))
        assert code == 1
        assert "presence: user user-05" in said
        assert '  name: the log says "Ann", the table "Eve"' in said or '"Bob"' in said
        assert ": 1 differences, up to 2026-06-01T03:" in said
        assert "rollcall_audit_differences 1\n" in metrics.read_text()
        with psycopg.connect(url) as connection:
            connection.execute("DELETE FROM presence WHERE user_id = 'user-05'")
        code, said = audit("--json")
        found = json.loads(said)
        assert (code, found["difference_count"]) == (1, 1)
        assert found["differences"][0]["user"] == "user-05"
        told = asyncio.run(metrics_of_api(url))
        assert told == {"differences": 1, "checked_ratio": 1}
        assert audit("--accept")[0] == 1
        assert audit()[0] == 1  # a row of presence differs until it is right


async def metrics_of_api(url: str) -> dict[str, float | None]:
    async with running_api(api_settings(url)) as api:
        assert (await api.call("/api/online-users-count")).status == 200
        age = api.registry.get_sample_value("rollcall_audit_age_seconds")
        assert age is not None
        assert 0 <= age < 600
        return {
            name: api.registry.get_sample_value(f"rollcall_audit_{name}")
            for name in ("differences", "checked_ratio")
        }


def test_where_the_log_begins_later_users_count_from_a_session_that_begins_in_it(
    deployment: Deployment, tmp_path: Path
) -> None:
    """The last one: the beginning of the log is gone after it."""
    asyncio.run(delete_before(deployment.kafka, 400))
    with deployment.copy() as url:
        result = deployment.audit(url, tmp_path / "state")
        assert not result.differences, "\n".join(
            line for found in result.differences for line in found.lines()
        )
        assert result.percent_in_full == 0
        assert 0 < result.rows < 3_000
        with psycopg.connect(url) as connection:
            connection.execute("UPDATE changes SET state = 'background' WHERE state = 'foreground'")
        found = deployment.audit(url, tmp_path / "again")
        assert found.difference_count > 0
        assert {each.table for each in found.differences} - ALTERED_ROLLUPS.keys() == {"changes"}
