"""Opting out, opting in and being erased, with every service and a real log (promise 8)."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import aiohttp
import psycopg
import pytest

from api.privacy import store
from processor.kafka.consumer_group import count_members
from schemas.log.events import Heartbeat, decode_batch, partition_of
from schemas.log.privacy_flags import CLAIM_KEY
from schemas.log.settings import KafkaSettings
from schemas.log.topics import EVENTS, PRIVACY, REJECTS
from schemas.service.user_hash import UserHash
from tests.rigs.api_harness import token
from tests.rigs.copies import copy_database
from tests.rigs.harness import client_events, ingest_settings, running_ingest, wait_until
from tests.rigs.harness import token as phone_token
from tests.rigs.privacy_rig import (
    KEY,
    OPT_IN,
    OPT_OUT,
    SUPPORT,
    Person,
    as_described,
    online,
    opt_outs_of,
    private_api,
    private_ingest,
    processor_of,
    running_processor,
    traces,
    waiting_briefly,
)
from tests.rigs.rig import (
    DEADLINE_SECONDS,
    batch,
    processor_environment,
    produce,
    published_changes,
    read_all,
    rows,
    stored_through,
    wait_for,
)
from tests.suite.forks import run_python

#: Found nowhere by chance.
ADA, BOB, CAT = "ada-7f3e91c2", "bob-05d8aa47", "cat-91e05b3d"
PHONE = "phone-of-ada-66b1"
#: For a slow machine, over what is promised.
SLACK_SECONDS = 30.0


async def until(what: str, condition: object, seconds: float = 60.0) -> None:
    """:func:`wait_for`, while the services of this process go on."""
    await asyncio.to_thread(wait_for, what, condition, seconds)  # type: ignore[arg-type]


def about_to_be_sent(database_url: str, users: list[str]) -> None:
    """A page of an audience that nobody sends here."""
    with psycopg.connect(database_url) as db:
        db.execute(
            "INSERT INTO audience_exports (id, who, format, filter, destination) "
            "VALUES (gen_random_uuid(), 'staff', 'push', '{}', 'onesignal')"
        )
        db.execute(
            "INSERT INTO audience_deliveries "
            "(id, destination, name, calls_per_second, as_of, users, pages) "
            "SELECT id, destination, 'Sale', 5, now(), 3, 1 FROM audience_exports"
        )
        db.execute("INSERT INTO audience_pages SELECT id, 0, %s FROM audience_deliveries", (users,))


async def test_whoever_opts_out_is_gone_and_stays_out_until_they_opt_in(
    kafka_settings: KafkaSettings, database_url: str, tmp_path: Path
) -> None:
    kafka, log = kafka_settings, tmp_path / "processor.log"
    said = f'{{"screen": "Cart", "device_id": "{PHONE}"}}'.encode()
    straggler = Heartbeat(user=ADA, token="sid:late", screen="Home", device_id=PHONE)
    partition = partition_of(ADA, kafka.partitions)
    with running_processor(kafka, database_url, log) as processor:
        async with (
            private_ingest(kafka) as ingest,
            private_ingest(kafka) as second,
            private_api(kafka, database_url) as api,
            aiohttp.ClientSession() as http,
        ):
            ada = Person(api, ADA)
            assert (await ingest.heartbeat(said, ADA)).status == 200
            assert (await ingest.heartbeat(b'{"screen": "Home"}', BOB)).status == 200
            url = f"http://127.0.0.1:{ingest.port}/api/ws"
            header = {"Authorization": f"Bearer {phone_token(ADA)}"}
            socket = await http.ws_connect(url, headers=header)
            await socket.send_json({"screen": "Film", "device_id": PHONE, "id": 1})
            await until("both are online", lambda: online(database_url) == 2)
            opened = (
                "SELECT sockets IS NOT NULL FROM current_presence WHERE user_id = 'ada-7f3e91c2'"
            )
            await until("the socket is known", lambda: rows(database_url, opened) == [(True,)])
            assert any(part["rows"] for part in (await ada.data())["stored"])

            await asyncio.to_thread(about_to_be_sent, database_url, ["zoe", ADA, BOB])
            started = time.monotonic()
            assert await ada.set_tracking(OPT_OUT) == (200, {"enabled": False, "done": True})
            async with asyncio.timeout(DEADLINE_SECONDS):
                async for _ in socket:
                    pass
            assert socket.close_code == 4403
            # Two seconds by the design, on a slow machine.
            assert time.monotonic() - started < 2 + SLACK_SECONDS
            assert online(database_url) == 1
            await until(
                "every ingest knows",
                lambda: all(opt_outs_of(each).covers(ADA) for each in (ingest, second)),
            )
            assert time.monotonic() - started < 3 + SLACK_SECONDS
            before = len(await client_events(kafka))
            for each in (ingest, second):
                answer = await each.heartbeat(said, ADA)
                assert (answer.status, answer.body) == (200, b'{"success": true}')
                assert answer.headers["x-rollcall-tracking"] == "off"
                assert (await each.logout(user=ADA)).headers["x-rollcall-tracking"] == "off"
            # From the answer until both know; the machine may be slow, but not each time.
            seconds = []
            for number in range(5):
                other = Person(api, f"agreed-{number}")
                assert (await other.set_tracking(OPT_OUT))[0] == 200
                answered = time.monotonic()
                both = [opt_outs_of(each) for each in (ingest, second)]
                await wait_until(
                    lambda both=both, user=other.id: all(each.covers(user) for each in both)
                )
                seconds.append(time.monotonic() - answered)
            assert min(seconds) < 1, seconds
            again = await http.ws_connect(url, headers=header)
            assert (await again.receive()).type is aiohttp.WSMsgType.CLOSE
            assert again.close_code == 4403
            assert len(await client_events(kafka)) == before
            # What was sent before and comes after, before and after a restart.
            await produce(kafka, [(partition, batch(straggler))])
            await until("no trace is left", lambda: not traces(database_url, ADA, PHONE))
            page = "SELECT user_ids FROM audience_pages"
            assert rows(database_url, page) == [(["zoe", BOB],)]
            processor.kill()
            with running_processor(kafka, database_url, log):
                await produce(kafka, [(partition, batch(straggler))])
                end = rows(database_url, "SELECT sum(next_offset)::int FROM stream_offsets")
                await until(
                    "it goes on",
                    lambda: (
                        rows(database_url, "SELECT sum(next_offset)::int FROM stream_offsets") > end
                    ),
                )
                assert await ada.set_tracking(OPT_OUT) == (200, {"enabled": False, "done": True})
                assert traces(database_url, ADA, PHONE) == []
                assert not await ada.is_tracked()
                assert [part["rows"] for part in (await ada.data())["stored"]][:5] == [[]] * 5

                assert await ada.set_tracking(OPT_IN) == (200, {"enabled": True, "done": True})
                await until("ingest knows", lambda: not opt_outs_of(ingest).covers(ADA))
                answer = await ingest.heartbeat(b'{"screen": "Home"}', ADA)
                assert "x-rollcall-tracking" not in answer.headers
                await until("she is back", lambda: online(database_url) == 2)
                [(new,)] = rows(
                    database_url, f"SELECT is_new FROM user_days WHERE user_id = '{ADA}'"
                )
                assert new
    last = await last_changes(kafka)
    assert [(c["user_id"], c["reason"], c["state"]) for c in last] == [
        (ADA, "opted_out", "offline")
    ]
    assert last[0]["previous_screen"] is last[0]["screen"] is None
    # Of what does not go by itself within days, nothing names her.
    for topic in (PRIVACY, REJECTS):
        for record in await read_all(kafka, topic):
            assert ADA.encode() not in (record.key or b"") + record.value


async def last_changes(kafka: KafkaSettings) -> list[dict[str, Any]]:
    """Those of whole users on ``presence.changes``."""
    return [c for c in await asyncio.to_thread(published_changes, kafka) if c["device"] == ""]


@pytest.mark.parametrize("kind", ["erase", pytest.param("opt_out", marks=pytest.mark.long)])
async def test_a_processor_that_is_killed_in_the_middle_does_it_once_all_the_same(
    kafka_settings: KafkaSettings, database_url: str, tmp_path: Path, kind: str
) -> None:
    kafka, log = kafka_settings, tmp_path / "processor.log"
    async with private_ingest(kafka) as ingest, private_api(kafka, database_url) as api:
        ada = Person(api, ADA)
        with running_processor(kafka, database_url, log) as processor:
            for screen in ("A", "B", "C"):
                await ingest.heartbeat(f'{{"screen": "{screen}"}}'.encode(), ADA)
            await ingest.heartbeat(b'{"screen": "A"}', BOB)
            await until("both are online", lambda: online(database_url) == 2)
            with waiting_briefly(), psycopg.connect(database_url) as holder:
                # Its transaction is under way, and cannot end.
                holder.execute("LOCK TABLE user_days IN ACCESS EXCLUSIVE MODE")
                asked = ada.set_tracking(OPT_OUT) if kind == "opt_out" else ada.erase()
                request = asyncio.create_task(asked)
                waiting = (
                    "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' "
                    "AND application_name = 'rollcall-processor' AND datname = current_database()"
                )
                await until("it is in the middle", lambda: rows(database_url, waiting))
                assert (await request)[0] == 202
                processor.kill()
        assert traces(database_url, ADA) != []
        with running_processor(kafka, database_url, log):
            await until("no trace is left", lambda: not traces(database_url, ADA))
            await until("bob is there", lambda: online(database_url) == 1)
            await until(
                "it is published", lambda: [c for c in published_changes(kafka) if not c["device"]]
            )
    last = {c["id"]: c["reason"] for c in await last_changes(kafka)}
    assert list(last.values()) == ["opted_out" if kind == "opt_out" else "erased"]


async def test_an_erased_user_begins_from_nothing_after_the_fence(
    kafka_settings: KafkaSettings, database_url: str, tmp_path: Path
) -> None:
    kafka = kafka_settings
    processor = processor_of(
        kafka, database_url, tmp_path / "processor.log", LOGOUT_FENCE_SECONDS="6"
    )
    try:
        async with private_ingest(kafka) as ingest, private_api(kafka, database_url) as api:
            for screen in ("A", "B"):
                await ingest.heartbeat(f'{{"screen": "{screen}"}}'.encode(), ADA)
            await until("she is online", lambda: online(database_url) == 1)
            spans = "SELECT count(*)::int FROM spans"
            await until("A is over", lambda: rows(database_url, spans) == [(1,)])
            # As of a visit whose end no change tells: one that went on after 24 hours.
            quarter = "date_bin('15 minutes', ended_at, timestamptz 'epoch')"
            [ended] = rows(
                database_url,
                "UPDATE spans SET started_at = started_at - interval '5 hours',"
                f" ended_at = ended_at - interval '5 hours' RETURNING {quarter}",
            )
            sums = "SELECT screen, sum(views)::int FROM screen_minutes GROUP BY 1"
            counted = rows(database_url, sums)
            support = token("support", scope=SUPPORT)
            answer = await api.call(f"/api/v1/users/{ADA}", "DELETE", bearer=support)
            assert answer.status == 202
            path = f"/api/v1/erasures/{answer.json['erasure_id']}"

            async def erasure() -> dict[str, object]:
                found = await api.call(path, bearer=support)
                assert found.status == 200
                json: dict[str, object] = as_described("Erasure", found.json)
                return json

            async with asyncio.timeout(DEADLINE_SECONDS):
                while not (await erasure())["erased_at"]:
                    await asyncio.sleep(0.05)
            assert ended in rows(database_url, "SELECT quarter FROM erased_quarters")
            # A late one, and one after the fence.
            await ingest.heartbeat(b'{"screen": "Late"}', ADA)
            found = await erasure()
            assert found["kind"] == "erased"
            assert found["removed"] == {"presence": 1, "changes": 2, "spans": 1, "user_days": 1}
            assert str(found["events_gone_by"]) > str(found["erased_at"])
            await until("no trace is left", lambda: not traces(database_url, ADA))
            assert dict(rows(database_url, sums)).items() >= dict(counted).items()
            await asyncio.sleep(6.5)  # log time, which only passes
            assert traces(database_url, ADA) == []
            await ingest.heartbeat(b'{"screen": "New"}', ADA)
            await until("she is new", lambda: online(database_url) == 1)
            screens = f"SELECT screen FROM changes WHERE user_id = '{ADA}'"
            assert rows(database_url, screens) == [("New",)]
    finally:
        processor.kill()


async def test_a_processor_without_the_deployments_key_is_not_ready_and_says_what_to_do(
    kafka_settings: KafkaSettings, database_url: str, tmp_path: Path
) -> None:
    with running_processor(kafka_settings, database_url, tmp_path / "first.log"):
        claimed = "SELECT fingerprint FROM user_hash_key"
        await until("the key is claimed", lambda: rows(database_url, claimed))
    log = tmp_path / "second.log"
    other = "another key of the tests, of 32 characters"
    with running_processor(kafka_settings, database_url, log, USER_HASH_KEY=other) as second:
        await until("it says so", lambda: "never rotated" in log.read_text())
        assert second.exit_status is None
        second.send(signal.SIGTERM)


async def test_until_version_2_is_allowed_these_calls_say_why_they_cannot_be(
    kafka_settings: KafkaSettings, database_url: str
) -> None:
    async with private_api(kafka_settings, database_url, event_version=1) as api:
        ada = Person(api, ADA)
        status, problem = await ada.set_tracking(OPT_OUT)
        assert status == 503
        assert "ROLLCALL_EVENT_VERSION" in problem["detail"]
        assert (await ada.erase())[0] == 503
        assert await ada.is_tracked()
    async with private_api(kafka_settings, database_url, user_hash_key="") as api:
        status, problem = await Person(api, ADA).set_tracking(OPT_OUT)
        assert status == 503
        assert "ROLLCALL_USER_HASH_KEY" in problem["detail"]


@pytest.mark.parametrize("key", ["", "another key of the tests, of 32 characters"])
async def test_an_api_without_the_deployments_key_does_not_say_that_nobody_opted_out_or_looked(
    kafka_settings: KafkaSettings, database_url: str, key: str
) -> None:
    with psycopg.connect(database_url) as connection:
        connection.execute(
            "INSERT INTO user_hash_key (fingerprint) VALUES (%s)", (UserHash(KEY).fingerprint,)
        )
    auditor = token("auditor", scope="presence:audit")
    async with private_api(kafka_settings, database_url, user_hash_key=key) as api:
        for path, bearer in (
            ("/api/v1/me/tracking", token(ADA, scope=None)),
            ("/api/v1/me/data", token(ADA, scope=None)),
            (f"/api/v1/users/{ADA}/tracking", token("support", scope=SUPPORT)),
            (f"/api/v1/audit?user={ADA}", auditor),
        ):
            answer = await api.call(path, bearer=bearer)
            assert (answer.status, answer.json["code"]) == (503, "unavailable"), path
            assert "set ROLLCALL_USER_HASH_KEY to the deployment's" in answer.json["detail"], path
            assert "openssl" not in answer.json["detail"]
        assert (await api.call("/api/v1/audit", bearer=auditor)).status == 200


@contextmanager
def as_if_processed(database_url: str, kafka: KafkaSettings) -> Iterator[psycopg.Connection]:
    """A database in which a processor with the key has passed whatever is written."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO user_hash_key (fingerprint) VALUES (%s)", (UserHash(KEY).fingerprint,)
        )
        connection.execute(
            'INSERT INTO stream_offsets ("partition", next_offset, published_through) '
            "SELECT p, 1000000, 1000000 FROM generate_series(0, %s) AS p",
            (kafka.partitions - 1,),
        )
        yield connection


async def kinds_in_the_log(kafka: KafkaSettings) -> list[str]:
    records = await read_all(kafka, EVENTS)
    return [type(event).__name__ for each in records for event in decode_batch(each.value)]


async def test_who_opted_a_user_out_or_erased_them_is_in_the_audit(
    kafka_settings: KafkaSettings, database_url: str
) -> None:
    kafka = kafka_settings
    support, auditor = token("sue", scope=SUPPORT), token("dpo", scope="presence:audit")
    by_id = f"/api/v1/users/{ADA}"
    with as_if_processed(database_url, kafka) as database:
        async with private_api(kafka, database_url) as api:
            ada, bob = Person(api, ADA), Person(api, BOB)
            for said in (OPT_OUT, OPT_IN):
                path = f"{by_id}/tracking"
                answer = await api.call(path, "PUT", bearer=support, json=said)
                assert answer.status == 200
            assert (await api.call(f"{by_id}/tracking", bearer=support)).status == 200
            assert (await api.call(by_id, "DELETE", bearer=support)).status == 202
            assert (await ada.set_tracking(OPT_OUT))[0] == 200
            assert (await ada.erase())[0] == 200
            assert (await bob.erase())[0] == 200
            found = await api.call(f"/api/v1/audit?user={ADA}", bearer=auditor)
            noted = {(r["who_kind"], r["who"], r["call"]): r["users"] for r in found.json["items"]}
            assert noted == {
                ("token", "sue", "opt_out"): 0,
                ("token", "sue", "opt_in"): 0,
                ("token", "sue", "tracking"): 1,
                ("token", "sue", "erase"): 0,
                ("own", "", "opt_out"): 0,
                ("own", "", "erase"): 0,
            }
            for row in found.json["items"]:
                as_described("Read", row)
            assert traces(database_url, ADA, BOB) == []

            # What cannot be noted support cannot do; a user's own right does not hang on it.
            before = await kinds_in_the_log(kafka)
            database.execute("ALTER TABLE reads_audit RENAME TO gone")
            for method, path, body in (
                ("PUT", f"{by_id}/tracking", {"json": OPT_OUT}),
                ("GET", f"{by_id}/tracking", {}),
                ("DELETE", by_id, {}),
            ):
                answer = await api.call(path, method, bearer=support, **body)
                assert (answer.status, answer.json["code"]) == (503, "unavailable"), path
            assert await kinds_in_the_log(kafka) == before
            assert (await bob.erase())[0] == 200
            assert await kinds_in_the_log(kafka) == [*before, "Erase"]


async def test_what_is_asked_for_again_is_done_again_and_adds_no_further_record(
    kafka_settings: KafkaSettings, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "MOST_A_DAY", 3)
    support = token("sue", scope=SUPPORT)
    with as_if_processed(database_url, kafka_settings) as database:
        async with private_api(kafka_settings, database_url) as api:

            async def erase(user: str) -> str:
                answer = await api.call(f"/api/v1/users/{user}", "DELETE", bearer=support)
                return str(answer.json["erasure_id"])

            first = await erase(ADA)
            assert await erase(ADA) == first
            assert (await Person(api, ADA).erase())[1]["erasure_id"] == first
            assert await erase(BOB) != first
            # A processor has done it: what is asked for now is another one, up to three a day.
            done = "UPDATE erasures SET erased_at = now()"
            ids = [first]
            for _ in range(4):
                database.execute(done)
                ids.append(await erase(ADA))
            assert len(set(ids)) == 3
            assert ids[2:] == [ids[2]] * 3
            for _ in range(5):
                database.execute(done)
                assert (await Person(api, ADA).set_tracking(OPT_OUT))[0] == 200
            kinds = "SELECT kind, count(*)::int FROM erasures GROUP BY 1 ORDER BY 1"
            assert rows(database_url, kinds) == [("erased", 4), ("opted_out", 3)]
    # Each is in the log: what came since the one before goes, too.
    found = await kinds_in_the_log(kafka_settings)
    assert (found.count("Erase"), found.count("OptOut")) == (8, 5)


async def test_a_misspelt_opt_out_is_refused_by_name_and_nothing_happens(
    kafka_settings: KafkaSettings, database_url: str
) -> None:
    with as_if_processed(database_url, kafka_settings):
        async with private_api(kafka_settings, database_url) as api:
            for path, bearer in (
                ("/api/v1/me/tracking", token(ADA, scope=None)),
                (f"/api/v1/users/{ADA}/tracking", token("sue", scope=SUPPORT)),
            ):
                for body, field in (
                    (b'{"enable": false}', "enable"),
                    (b'{"enabled": true, "enable": false}', "enable"),
                    (b'{"enabled": true, "enabled": false}', "enabled"),
                    (b'{"enabled": "false"}', "enabled"),
                    (b"{}", "enabled"),
                ):
                    answer = await api.call(path, "PUT", bearer=bearer, data=body)
                    assert (answer.status, answer.json["code"]) == (422, "bad_field"), body
                    assert answer.json["errors"][0]["field"] == field
                    assert "enabled" in answer.json["detail"]
            assert rows(database_url, "SELECT FROM reads_audit") == []
    assert await read_all(kafka_settings, EVENTS) == []


async def test_an_api_without_the_deployments_key_is_not_ready_but_while_the_others_get_theirs(
    kafka_settings: KafkaSettings, database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with private_api(kafka_settings, database_url, user_hash_key="") as api:
        assert await api.privacy.not_ready() is None  # nobody has one
        claim = "INSERT INTO user_hash_key (fingerprint) VALUES (%s)"
        older = "UPDATE user_hash_key SET claimed_at = claimed_at - interval '15 minutes'"
        with psycopg.connect(database_url, autocommit=True) as connection:
            connection.execute(claim, (UserHash(KEY).fingerprint,))
            assert await api.privacy.not_ready() is None
            connection.execute(older)
        told = await api.privacy.not_ready() or ""
        assert "has none: set ROLLCALL_USER_HASH_KEY to the deployment's" in told
        assert f"Not ready: {told}" in caplog.text
    async with private_api(kafka_settings, database_url) as api:
        assert await api.privacy.not_ready() is None


async def test_an_ingest_without_the_deployments_key_learns_it_before_anybody_opts_out(
    kafka_settings: KafkaSettings, database_url: str, tmp_path: Path
) -> None:
    kafka, body = kafka_settings, b'{"screen": "Home"}'
    without = ingest_settings(kafka, user_hash_key="")
    async with running_ingest(without) as before:
        await before.until_ready()
        with running_processor(kafka, database_url, tmp_path / "processor.log"):
            async with asyncio.timeout(DEADLINE_SECONDS):
                while not [r for r in await read_all(kafka, PRIVACY) if r.key == CLAIM_KEY]:
                    await asyncio.sleep(0.1)
            assert opt_outs_of(before).not_ready is None
            async with (
                running_ingest(without, at_once=True) as keyless,
                private_api(kafka, database_url) as api,
            ):
                reason = "has none: set ROLLCALL_USER_HASH_KEY to the deployment's"
                await wait_until(
                    lambda: reason in (opt_outs_of(keyless).not_ready or ""), DEADLINE_SECONDS
                )
                for each in (before, keyless):
                    assert (await each.heartbeat(body, BOB)).status == 200
                assert (await Person(api, ADA).set_tracking(OPT_OUT))[0] == 200
                for each in (before, keyless):
                    await wait_until(
                        lambda each=each: opt_outs_of(each)._trouble is not None, DEADLINE_SECONDS
                    )
                    assert (await each.heartbeat(body, BOB)).status == 503


#: What a user by id is asked and told; which scopes each wants is in api/test_api_scopes.py.
OF_ADA = [
    ("GET", f"/api/v1/users/{ADA}/tracking"),
    ("PUT", f"/api/v1/users/{ADA}/tracking"),
    ("GET", f"/api/v1/users/{ADA}/data"),
    ("DELETE", f"/api/v1/users/{ADA}"),
]


async def test_nobody_reads_or_erases_another_and_no_phone_itself_by_id(
    kafka_settings: KafkaSettings, database_url: str
) -> None:
    async with private_api(kafka_settings, database_url) as api:
        every_other = "presence:read presence:export presence:audit"
        for bearer in (token(BOB, scope=None), token(ADA, scope=None), token(scope=every_other)):
            for method, path in OF_ADA:
                body = {"json": OPT_OUT} if method == "PUT" else {}
                answer = await api.call(path, method, bearer=bearer, **body)
                assert (answer.status, answer.json["code"]) == (403, "scope_missing"), path
        bobs = await Person(api, BOB).data()
        assert bobs["user_id"] == BOB
        names = await api.call("/api/v1/users/a%2Ftracking", bearer=token(scope="presence:read"))
        assert names.json["code"] == "unknown_user"
    for topic in (EVENTS, PRIVACY):
        assert await read_all(kafka_settings, topic) == []


async def test_after_a_restore_erasures_are_applied_again_and_later_deeds_stay(
    kafka_settings: KafkaSettings, database_url: str, tmp_path: Path
) -> None:
    """The database forgets; presence.privacy does not. A user opts out, one is erased, and one opts
    out and in again; then a backup of before is restored, when the log has their events no more."""
    kafka, log = kafka_settings, tmp_path / "processor.log"
    quick = {"LOGOUT_FENCE_SECONDS": "0"}
    async with private_ingest(kafka) as ingest:

        async def beat(user: str, which: str) -> None:
            said = f'{{"screen": "{which}", "device_id": "{user} {which}"}}'
            assert (await ingest.heartbeat(said.encode(), user)).status == 200

        with running_processor(kafka, database_url, log, **quick) as processor:
            for user in (ADA, BOB, CAT):
                await beat(user, "Old")
            await until("all are online", lambda: online(database_url) == 3)
            assert await asyncio.to_thread(processor.stop) == 0
        group = f"{kafka.topic_prefix}rollcall-processor"
        with copied(database_url) as restored:
            with running_processor(kafka, database_url, log, **quick) as processor:
                await until_members(kafka, group, 1)
                async with private_api(kafka, database_url) as api:
                    assert (await Person(api, ADA).set_tracking(OPT_OUT))[0] == 200
                    assert (await Person(api, CAT).set_tracking(OPT_OUT))[0] == 200
                    assert (await Person(api, CAT).set_tracking(OPT_IN))[0] == 200
                    erased = await rollcall(kafka, database_url, "erase", "--user", BOB)
                    assert re.fullmatch(rf"erased {BOB}: \w{{32}} \(\d+ rows\)\n", erased)
                    erased = await rollcall(kafka, database_url, "erase", "--user", "nobody-5e")
                    assert erased.endswith("(nothing was stored of this user)\n")
                    await until("all are gone", lambda: not traces(database_url, ADA, BOB, CAT))
                assert await asyncio.to_thread(processor.stop) == 0
            go_on_from(restored, database_url)
            # Ingest goes on through a restore.
            await until("ingest knows", lambda: not opt_outs_of(ingest).covers(CAT))
            for user in (BOB, CAT):
                await beat(user, "New")
            assert {*traces(restored, ADA)} >= {"presence", "changes"}
            with running_processor(kafka, database_url, log) as processor:
                await until_members(kafka, group, 1)
                for command in (("erase", "--since-restore"), ("opt-outs", "restore-table")):
                    said = await refusal_of(kafka, restored, *command)
                    assert said.startswith("rollcall: there is a processor in Kafka's consumer gr")
                    assert "stop the processors first" in said
                assert rows(restored, "SELECT count(*) FROM privacy_flags") == [(0,)]
                assert await asyncio.to_thread(processor.stop) == 0
                await until_members(kafka, group, 0)
            for flags in (4, 0):  # twice is harmless
                said = await rollcall(kafka, restored, "erase", "--since-restore")
                assert said == (
                    f"{flags} opt-outs and erasures restored to the database\n"
                    "3 users are erased again, once the processors run\n"
                )
            with running_processor(kafka, restored, log, **quick):
                await until_passed(kafka, restored)
                old = (ADA, f"{BOB} Old", f"{CAT} Old")
                await until("no trace is left", lambda: not traces(restored, *old))
                changes = "SELECT user_id, device, screen FROM changes ORDER BY 1"
                new = [(user, f"{user} New", "New") for user in (BOB, CAT)]
                assert rows(restored, changes) == new
                assert online(restored) == 2
                # Once more, of what is only new by now.
                anyway = ("erase", "--since-restore", "--despite-processors")
                said = await rollcall(kafka, restored, *anyway)
                assert "2 users are erased again, once the processors run\n" in said
                assert said.endswith(
                    "start the processors again: those that run know nothing of it\n"
                )
                await until_passed(kafka, restored)
                assert rows(restored, changes) == new
                assert online(restored) == 2
                async with private_api(kafka, restored) as api:
                    tracked = [await Person(api, user).is_tracked() for user in (ADA, BOB, CAT)]
                assert tracked == [False, True, True]
            published = await rollcall(kafka, restored, "opt-outs", "restore-topic")
            assert published == "4 flags published\n"


@contextmanager
def copied(database_url: str) -> Iterator[str]:
    """The URL of a copy of a database that nobody is connected to: its backup, restored."""
    name = database_url.partition("?")[0].rpartition("/")[2]
    copy = f"{name}_restored"
    with psycopg.connect(database_url.replace(name, "postgres"), autocommit=True) as connection:
        copy_database(connection, name, copy)
        yield database_url.replace(name, copy)
        connection.execute(f"DROP DATABASE {copy} WITH (FORCE)".encode())


def go_on_from(restored: str, database_url: str) -> None:
    """The log has nothing that the database lacks: its next records are those of the other one."""
    offsets = 'SELECT next_offset, published_through, log_time, "partition" FROM stream_offsets'
    with psycopg.connect(restored) as connection:
        for values in rows(database_url, offsets):
            connection.execute(
                "UPDATE stream_offsets SET next_offset = %s, published_through = %s, log_time = %s "
                'WHERE "partition" = %s',
                values,
            )


async def until_passed(kafka: KafkaSettings, database_url: str) -> None:
    """Until the processor has stored what is in the log now."""
    ends = {record.partition: record.offset for record in await read_all(kafka, EVENTS)}
    await until(
        "the log is stored",
        lambda: all(
            offset < stored_through(database_url)[partition] for partition, offset in ends.items()
        ),
    )


async def until_members(kafka: KafkaSettings, group: str, members: int) -> None:
    """Until so many processors are in the group."""
    async with asyncio.timeout(DEADLINE_SECONDS):
        while await count_members(kafka, group) != members:
            await asyncio.sleep(0.1)


async def rollcall(kafka: KafkaSettings, database_url: str, *arguments: str) -> str:
    """What `rollcall` printed."""
    done = await ended_rollcall(kafka, database_url, *arguments)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


async def refusal_of(kafka: KafkaSettings, database_url: str, *arguments: str) -> str:
    """What it said on standard error, and did not do."""
    done = await ended_rollcall(kafka, database_url, *arguments)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.count("\n") == 1
    return done.stderr


async def ended_rollcall(
    kafka: KafkaSettings, database_url: str, *arguments: str
) -> subprocess.CompletedProcess[str]:
    settings = {"USER_HASH_KEY": KEY, "EVENT_VERSION": "2"}
    environment = processor_environment(kafka, database_url, **settings)
    return await asyncio.to_thread(
        run_python, ["-m", "deploy.cli", *arguments], env={**os.environ, **environment}
    )
