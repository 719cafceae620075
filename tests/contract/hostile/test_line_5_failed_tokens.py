"""Issue 15, line 5: failed authentication at both doors, with keys of ours and where we ask."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable

from schemas.log.settings import KafkaSettings
from tests.authorization_server import (
    AuthorizationServer,
    introspection,
    running_authorization_server,
)
from tests.rigs.api_harness import Api, api_settings, running_api
from tests.rigs.api_harness import token as reader_token
from tests.rigs.harness import (
    DEADLINE_SECONDS,
    Ingest,
    ingest_settings,
    running_ingest,
    token,
    wait_until,
)

WRONG = "another secret, of 32 bytes and more"
CARRIER = "198.51.100.7"
ONLINE = "/api/v1/online-users"


def few_failures(burst: int) -> dict[str, float]:
    """So slow to come back that none does while a test runs."""
    return {"auth_failures_burst": burst, "auth_failures_per_second": 0.001}


async def statuses(calls: list[Awaitable[int]]) -> Counter[int]:
    return Counter(await asyncio.gather(*calls))


async def phone(ingest: Ingest, bearer: str, address: str = CARRIER) -> int:
    answer = await ingest.heartbeat(authorization=f"Bearer {bearer}", x_forwarded_for=address)
    return answer.status


async def reader(api: Api, bearer: str, address: str = CARRIER) -> int:
    answer = await api.call(ONLINE, bearer=bearer, headers={"X-Forwarded-For": address})
    return answer.status


async def log_in(api: Api, bearer: str) -> int:
    headers = {"X-Forwarded-For": CARRIER}
    answer = await api.call("/login", "POST", bearer=None, data={"token": bearer}, headers=headers)
    return answer.status


async def test_line_5_fresh_phones_pass_beside_an_old_app_of_their_carrier(
    kafka_settings: KafkaSettings,
) -> None:
    settings = ingest_settings(kafka_settings, trusted_proxies="127.0.0.1", **few_failures(200))
    async with running_ingest(settings) as ingest:
        await ingest.until_ready()
        old = [token(f"old{n}", WRONG) for n in range(600)]
        assert sum((await statuses([phone(ingest, each) for each in old])).values()) == 600
        fresh, again = await asyncio.gather(
            statuses([phone(ingest, token(f"u{n}")) for n in range(100)]),
            statuses([phone(ingest, each) for each in old]),
        )
        assert fresh == {200: 100}
        # What was refused once is refused alike, and costs nobody a verification.
        assert again.keys() <= {401, 429}
        assert ingest.metric("rollcall_ingest_rate_limited_total", limit="auth_failures") > 0


async def test_line_5_the_api_and_its_login_have_the_limit_too(database_url: str) -> None:
    settings = api_settings(database_url, trusted_proxies="127.0.0.1", **few_failures(20))
    async with running_api(settings) as api:
        new = [reader_token(f"junk{n}", sid=str(n))[:-3] + "abc" for n in range(40)]
        first = await statuses([reader(api, each) for each in new])
        assert 20 <= first[401] < 40
        assert first[401] + first[429] == 40
        assert await log_in(api, "rck_" + "a" * 43) == 429
        assert await log_in(api, "nonsense") == 429
        assert await reader(api, "another-nonsense", "203.0.113.1") == 401
        assert await reader(api, reader_token("somebody-new")) in (200, 503)
        assert await log_in(api, reader_token("somebody-else")) == 303
        assert api.metric("rollcall_api_auth_failures_limited_total") >= 2


async def test_line_5_junk_is_asked_about_by_its_share_and_never_a_401(
    kafka_settings: KafkaSettings, database_url: str
) -> None:
    async with running_authorization_server() as server:
        common = introspection(
            server,
            trusted_proxies="127.0.0.1",
            **few_failures(50),
            introspection_max_in_flight=8,
        )
        async with (
            running_ingest(ingest_settings(kafka_settings, **common)) as ingest,
            running_api(api_settings(database_url, **common)) as api,
        ):
            await ingest.until_ready()
            await junk_beside_honest(server, lambda each, a: phone(ingest, each, a))
            await junk_beside_honest(server, lambda each, a: reader(api, each, a))


async def junk_beside_honest(
    server: AuthorizationServer, call: Callable[[str, str], Awaitable[int]]
) -> None:
    door = len(server.asked)
    server.gate.clear()
    flood = asyncio.create_task(statuses([call(f"junk-{door}-{n}", CARRIER) for n in range(300)]))
    await wait_until(lambda: server.in_flight == 2)  # a quarter of eight
    honest = [server.issue(f"t{door}-{n}", sub=f"u{n}", scope="presence:read") for n in range(4)]
    others = asyncio.create_task(
        statuses([call(each, f"203.0.113.{n}") for n, each in enumerate(honest)])
    )
    await wait_until(lambda: server.in_flight == 6)
    server.gate.set()
    assert (await others).keys() <= {200, 503}  # 503 of the API: nothing is stored yet
    told = await flood
    assert told.keys() <= {401, 429, 503}
    assert told[503] >= 300 - 64
    junk = [each for each in server.asked[door:] if each.startswith("junk")]
    assert len(junk) <= 50 + 8


async def test_line_5_a_rotation_locks_nobody_out(ingest: Ingest) -> None:
    """What is not yet valid is not remembered: a moment later it counts."""
    import time

    early, status = "", 200
    while status == 200:  # one that counts a second later, unless the machine took longer
        early = token("early", nbf=time.time() + 31)
        status = await phone(ingest, early)
    assert status == 401
    async with asyncio.timeout(DEADLINE_SECONDS):
        while await phone(ingest, early) != 200:
            await asyncio.sleep(0.3)
