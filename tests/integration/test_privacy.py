"""Opting out, opting in and being erased, with every service and a real log (promise 8)."""

from __future__ import annotations

import asyncio
import signal
import time
from pathlib import Path
from typing import Any

import aiohttp
import psycopg
import pytest

from deploy.erasing import EraseSettings, Erasing
from schemas.log.events import Heartbeat, partition_of
from schemas.log.settings import KafkaSettings
from schemas.log.topics import PRIVACY, REJECTS
from schemas.service.user_hash import UserHash
from tests.rigs.api_harness import token
from tests.rigs.harness import client_events
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
)
from tests.rigs.rig import (
    batch,
    produce,
    published_changes,
    read_all,
    rows,
    wait_for,
)

#: Found nowhere by chance.
ADA, BOB = "ada-7f3e91c2", "bob-05d8aa47"
PHONE = "phone-of-ada-66b1"


async def until(what: str, condition: object, seconds: float = 60.0) -> None:
    """:func:`wait_for`, while the services of this process go on."""
    await asyncio.to_thread(wait_for, what, condition, seconds)  # type: ignore[arg-type]


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
            opened = "SELECT sockets IS NOT NULL FROM presence WHERE user_id = 'ada-7f3e91c2'"
            await until("the socket is known", lambda: rows(database_url, opened) == [(True,)])
            assert any(part["rows"] for part in (await ada.data())["stored"])

            started = time.monotonic()
            assert await ada.set_tracking(OPT_OUT) == (200, {"enabled": False, "done": True})
            async with asyncio.timeout(20):
                async for _ in socket:
                    pass
            assert socket.close_code == 4403
            assert time.monotonic() - started < 10
            assert online(database_url) == 1
            await until(
                "ingest knows", lambda: opt_outs_of(second).covers(ADA) and opt_outs_of(ingest)
            )
            before = len(await client_events(kafka))
            for each in (ingest, second):
                answer = await each.heartbeat(said, ADA)
                assert (answer.status, answer.body) == (200, b'{"success": true}')
                assert answer.headers["x-rollcall-tracking"] == "off"
                assert (await each.logout(user=ADA)).headers["x-rollcall-tracking"] == "off"
            again = await http.ws_connect(url, headers=header)
            assert (await again.receive()).type is aiohttp.WSMsgType.CLOSE
            assert again.close_code == 4403
            assert len(await client_events(kafka)) == before
            # What was sent before and comes after, before and after a restart.
            await produce(kafka, [(partition, batch(straggler))])
            await until(
                "no trace is left", lambda: not traces(database_url, ADA, PHONE), seconds=20
            )
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


@pytest.mark.parametrize("kind", ["opt_out", "erase"])
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
            with psycopg.connect(database_url) as holder:
                # Its transaction is under way, and cannot end.
                holder.execute("LOCK TABLE user_days IN ACCESS EXCLUSIVE MODE")
                asked = ada.set_tracking(OPT_OUT) if kind == "opt_out" else ada.erase()
                request = asyncio.create_task(asked)
                waiting = (
                    "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' "
                    "AND application_name = 'rollcall-processor'"
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
        kafka, database_url, tmp_path / "processor.log", LOGOUT_FENCE_SECONDS="2"
    )
    try:
        async with private_ingest(kafka) as ingest, private_api(kafka, database_url) as api:
            for screen in ("A", "B"):
                await ingest.heartbeat(f'{{"screen": "{screen}"}}'.encode(), ADA)
            await until("she is online", lambda: online(database_url) == 1)
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

            async with asyncio.timeout(20):
                while not (await erasure())["erased_at"]:
                    await asyncio.sleep(0.05)
            # A late one, and one after the fence.
            await ingest.heartbeat(b'{"screen": "Late"}', ADA)
            found = await erasure()
            assert found["kind"] == "erased"
            assert found["removed"] == {"presence": 1, "changes": 2, "spans": 1, "user_days": 1}
            assert str(found["events_gone_by"]) > str(found["erased_at"])
            await until("no trace is left", lambda: not traces(database_url, ADA))
            assert dict(rows(database_url, sums)).items() >= dict(counted).items()
            await asyncio.sleep(2.5)  # log time, which only passes
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


#: Each call, and whether a phone's own token, a reader, an exporter and support may make it.
MATRIX = [
    ("GET", "/api/v1/me/tracking", (True, True, True, True)),
    ("GET", "/api/v1/me/data", (True, True, True, True)),
    ("GET", f"/api/v1/users/{ADA}/tracking", (False, False, False, True)),
    ("PUT", f"/api/v1/users/{ADA}/tracking", (False, False, False, True)),
    ("GET", f"/api/v1/users/{ADA}/data", (False, False, False, True)),
    ("DELETE", f"/api/v1/users/{ADA}", (False, False, False, True)),
    ("GET", "/api/v1/erasures/none", (False, False, False, True)),
]


async def test_nobody_reads_or_erases_another_without_the_scope(
    kafka_settings: KafkaSettings, database_url: str
) -> None:
    scopes = (None, "presence:read", "presence:export", SUPPORT)
    async with private_api(kafka_settings, database_url, event_version=1) as api:
        for method, path, allowed in MATRIX:
            for scope, is_allowed in zip(scopes, allowed, strict=True):
                body = {"json": OPT_IN} if method == "PUT" else {}
                answer = await api.call(path, method, bearer=token(ADA, scope=scope), **body)
                assert (answer.status != 403) == is_allowed, (method, path, scope, answer.body)
            nobody = await api.call(path, method, bearer=None)
            assert nobody.status == 401
        bobs = await Person(api, BOB).data()
        assert bobs["user_id"] == BOB
        names = await api.call("/api/v1/users/a%2Ftracking", bearer=token(scope="presence:read"))
        assert names.json["code"] == "unknown_user"


async def test_after_a_restore_erasures_are_applied_again_and_later_deeds_stay(
    kafka_settings: KafkaSettings, database_url: str, tmp_path: Path
) -> None:
    """The database forgets; presence.privacy does not."""
    kafka = kafka_settings
    settings = EraseSettings.model_validate(
        {**kafka.model_dump(), "user_hash_key": KEY, "event_version": 2}
    )
    erasing = Erasing(settings, database_url, UserHash(KEY))
    async with private_ingest(kafka) as ingest, private_api(kafka, database_url) as api:
        with running_processor(
            kafka, database_url, tmp_path / "first.log", LOGOUT_FENCE_SECONDS="0"
        ):
            for user in (ADA, BOB):
                await ingest.heartbeat(b'{"screen": "Old"}', user)
            await until("both are online", lambda: online(database_url) == 2)
            kept = "CREATE TABLE kept AS SELECT * FROM changes"
            with psycopg.connect(database_url) as connection:
                connection.execute(kept.encode())
            ids = await erasing.erase({BOB: None})
            assert list(ids) == [BOB]
            assert (await Person(api, ADA).set_tracking(OPT_OUT))[0] == 200
            await ingest.heartbeat(b'{"screen": "New"}', BOB)
            await until("bob is back", lambda: online(database_url) == 1)
        with psycopg.connect(database_url) as connection:
            # What a backup of before brings back.
            connection.execute("INSERT INTO changes SELECT * FROM kept")
            connection.execute("DROP TABLE kept")
            connection.execute("DELETE FROM privacy_flags")
        flags = await erasing.flags_of_topic()
        assert await erasing.restore_table(flags) == 2
        known = await erasing.known_again(flags)
        assert known.keys() == {ADA, BOB}
        await erasing.erase(known, wait=False)
        with running_processor(kafka, database_url, tmp_path / "second.log"):
            await until("ada is gone", lambda: traces(database_url, ADA) == [])
            screens = "SELECT screen FROM changes ORDER BY 1"
            await until("of bob the new is left", lambda: rows(database_url, screens) == [("New",)])
            assert not await Person(api, ADA).is_tracked()
        assert await erasing.restore_topic() == 2
