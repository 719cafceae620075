"""Tokens of real apps at a running ingest: in headers and in sockets' auth frames."""

from __future__ import annotations

import base64
import time

import jwt
from websockets.asyncio.client import connect

from schemas.log.events import Connect, Heartbeat, Logout
from schemas.log.settings import KafkaSettings
from tests.authorization_server import introspection, running_authorization_server
from tests.back_end import running_back_end
from tests.rigs.harness import client_events, ingest_settings, running_ingest, token

SANCTUM = "12|Zq8cVtX0JkfQm3r1b7yHn2LwPs9uEdGaOiTzKj4Mf3a91c7d"
PREFIXED = "12|myapp_Zq8cVtX0JkfQm3r1b7yHn2LwPs9uEdGaOiTzKj4M"


async def test_T1a_a_sanctum_token_counts_in_headers_and_in_auth_frames(
    kafka_settings: KafkaSettings,
) -> None:
    async with running_authorization_server() as server:
        settings = ingest_settings(kafka_settings, **introspection(server))
        async with running_ingest(settings) as ingest:
            await ingest.until_ready()
            for opaque in (SANCTUM, PREFIXED):
                server.issue(opaque, sub="42")
                for _ in range(2):
                    answer = await ingest.heartbeat(authorization=f"Bearer {opaque}")
                    assert (answer.status, answer.body) == (200, b'{"success": true}')
            url = f"ws://127.0.0.1:{ingest.port}/api/ws"
            async with connect(url) as client:
                await client.send(f'{{"type": "auth", "token": "{SANCTUM}", "device_id": "d"}}')
                assert "welcome" in str(await client.recv())
            assert server.asked == [SANCTUM, PREFIXED]
    events = await client_events(kafka_settings)
    assert {event.user for event in events} == {"42"}
    assert any(isinstance(event, Connect) for event in events)


async def test_T1b_a_phone_of_an_app_with_its_own_back_end_signs_in_and_out(
    kafka_settings: KafkaSettings,
) -> None:
    async with running_back_end() as back_end:
        back_end.sign_in(SANCTUM)
        settings = ingest_settings(
            kafka_settings, userinfo_url=back_end.url, userinfo_cache_seconds=0.001
        )
        async with running_ingest(settings) as ingest:
            bearer = f"Bearer {SANCTUM}"
            assert (await ingest.heartbeat(authorization=bearer)).status == 200
            back_end.revoke(SANCTUM)
            revoked = await ingest.heartbeat(authorization=bearer)
            assert (revoked.status, revoked.json["code"]) == (401, "token_revoked")
            assert (await ingest.logout(authorization=bearer)).status == 200
            never = await ingest.logout(authorization="Bearer 13|another")
            assert never.json["code"] == "token_revoked"
            back_end.status = 500
            away = await ingest.heartbeat(authorization="Bearer 14|another")
            assert (away.status, away.json["code"]) == (503, "unavailable")
            assert 1 <= int(away.headers["retry-after"]) <= 5
            assert any("ROLLCALL_USERINFO_URL" in warning for warning in ingest.warnings)
    heartbeat, logout = await client_events(kafka_settings)
    assert isinstance(heartbeat, Heartbeat)
    assert isinstance(logout, Logout)
    assert (heartbeat.user, heartbeat.name, heartbeat.token) == ("42", "Ada", logout.token)


async def test_T3_a_secret_without_its_prefix_is_named_in_readiness_and_a_metric(
    kafka_settings: KafkaSettings,
) -> None:
    raw = bytes(range(100, 132))
    written = base64.b64encode(raw).decode()
    signed = jwt.encode({"sub": "u1", "exp": int(time.time()) + 60}, raw, "HS256")
    async with running_ingest(ingest_settings(kafka_settings, jwt_secret=written)) as ingest:
        answer = await ingest.heartbeat(authorization=f"Bearer {signed}")
        assert (answer.status, answer.json["code"]) == (401, "bad_signature")
        assert ingest.metric("rollcall_ingest_token_causes_total", cause="base64_secret") == 1
        assert "ROLLCALL_JWT_SECRET=base64:" in ingest.warnings[0]
        assert written not in " ".join(ingest.warnings)
    settings = ingest_settings(kafka_settings, jwt_secret="base64:" + written)
    async with running_ingest(settings) as ingest:
        assert (await ingest.heartbeat(authorization=f"Bearer {signed}")).status == 200
        assert ingest.warnings == []


async def test_readiness_names_the_causes_of_refusals_and_no_token(
    kafka_settings: KafkaSettings,
) -> None:
    async with running_ingest(ingest_settings(kafka_settings)) as ingest:
        good = token()
        for bad in (SANCTUM, f'"{good}"', f"Bearer {good}", f"Bearer {good}"):
            assert (await ingest.heartbeat(authorization=f"Bearer {bad}")).status == 401
        assert (await ingest.call("/api/update-online-status")).status == 401
        told = ingest.warnings
        assert told[0] == "no token was accepted since the start"
        assert told[1].startswith("2 refused, double_bearer")
        assert {line.split(", ")[1].split(":")[0] for line in told[2:]} == {
            "sanctum",
            "quoted",
            "token_missing",
        }
        assert good not in " ".join(told)
        assert SANCTUM not in " ".join(told)
        assert (await ingest.heartbeat()).status == 200
        assert "no token" not in ingest.warnings[0]
        assert ingest.metric("rollcall_ingest_token_causes_total", cause="sanctum") == 1
        assert ingest.metric("rollcall_ingest_token_refusals_total", code="token_invalid") == 4


async def test_a_token_above_8_kb_is_told_the_limit_and_the_way_out(
    kafka_settings: KafkaSettings,
) -> None:
    long = token(groups="g" * 8_000)
    async with running_ingest(ingest_settings(kafka_settings)) as ingest:
        await ingest.until_ready()
        answer = await ingest.heartbeat(authorization=f"Bearer {long}")
        assert (answer.status, answer.json["code"]) == (431, "headers_too_large")
        assert answer.json["success"] is False
        assert "8190 bytes" in answer.json["detail"]
        assert "auth frame" in answer.json["detail"]
        assert long[:40] not in answer.body.decode()
        async with connect(f"ws://127.0.0.1:{ingest.port}/api/ws") as client:
            await client.send(f'{{"type": "auth", "token": "{long}"}}')
            assert "welcome" in str(await client.recv())
    settings = ingest_settings(kafka_settings, max_header_bytes=16_384)
    async with running_ingest(settings) as ingest:
        await ingest.until_ready()
        assert (await ingest.heartbeat(authorization=f"Bearer {long}")).status == 200
