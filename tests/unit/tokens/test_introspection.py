"""Opaque tokens: what their authorization server says, how long it is believed, and what happens
while it says nothing. Against a real HTTP server."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from schemas.http.problems import ProblemError
from schemas.tokens.answers import MAX_BYTES
from schemas.tokens.api_keys import new_key
from schemas.tokens.asking import LOOK_UPS_PER_REQUEST, REFUSAL_SECONDS
from schemas.tokens.circuit_breaker import PAUSE_SECONDS, TRIP
from schemas.tokens.identity import LOGOUT_EXPIRY_TOLERANCE_SECONDS, MAX_TOKEN_CHARACTERS, Identity
from schemas.tokens.introspection import IntrospectionVerifier
from schemas.tokens.settings import TokenSettings
from tests.authorization_server import (
    AuthorizationServer,
    introspection,
    running_authorization_server,
)

CACHE_SECONDS = 60.0
LEEWAY_SECONDS = 30.0
DEADLINE_SECONDS = 60.0


@dataclass
class Clock:
    """Seconds that a test moves: of the day and monotonic alike."""

    now: float = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def server() -> AsyncIterator[AuthorizationServer]:
    async with running_authorization_server() as running:
        yield running


def verifier(
    server: AuthorizationServer, clock: Callable[[], float], **values: Any
) -> IntrospectionVerifier:
    chosen = TokenSettings(**introspection(server, **values)).authorization_server
    assert chosen is not None
    return IntrospectionVerifier(chosen, clock, clock)


@pytest.fixture
async def by(server: AuthorizationServer, clock: Clock) -> AsyncIterator[IntrospectionVerifier]:
    made = verifier(server, clock)
    yield made
    await made.close()


async def refused(by: IntrospectionVerifier, token: str, **options: Any) -> str:
    with pytest.raises(ProblemError) as caught:
        await by.verify(token, **options)
    return caught.value.code


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(DEADLINE_SECONDS):
        while not condition():
            await asyncio.sleep(0.001)


async def open_circuit(by: IntrospectionVerifier, server: AuthorizationServer) -> None:
    """Let the server be away until that is noticed."""
    server.status = 503
    for number in range(TRIP):
        assert await refused(by, f"opens-{number}") == "unavailable"


async def test_what_the_server_says_is_read_as_the_claims_of_a_jwt(
    server: AuthorizationServer, by: IntrospectionVerifier, clock: Clock
) -> None:
    server.issue(
        "t-1",
        sub=12,
        name=" Zoë\n",
        sid="s1",
        device_id="d1",
        scope="presence:read other",
        exp=clock.now + 600,
    )
    assert await by.verify("t-1") == Identity(
        user="12",
        token="sid:s1",
        name="Zoë",
        device="d1",
        scopes=frozenset({"presence:read", "other"}),
        accepted_until=clock.now + 600 + LEEWAY_SECONDS,
    )


async def test_without_a_session_claim_the_hash_of_the_token_is_its_identity(
    server: AuthorizationServer, by: IntrospectionVerifier
) -> None:
    first, second = [(await by.verify(server.issue(token))).token for token in ("t-1", "t-2")]
    assert first != second
    assert first.startswith("sha256:")


async def test_the_user_claim_can_be_another(server: AuthorizationServer, clock: Clock) -> None:
    by = verifier(server, clock, user_claim="username")
    assert (await by.verify(server.issue("t-1", username="ada"))).user == "ada"
    assert await refused(by, server.issue("t-2")) == "token_invalid"
    await by.close()


@pytest.mark.parametrize(
    ("claims", "code"),
    [
        ({"iss": "other", "aud": "rollcall"}, "wrong_issuer"),
        ({"aud": "rollcall"}, "wrong_issuer"),
        ({"iss": ["https://id.example"], "aud": "rollcall"}, "wrong_issuer"),
        ({"iss": "https://id.example"}, "wrong_audience"),
        ({"iss": "https://id.example", "aud": "other"}, "wrong_audience"),
        ({"iss": "https://id.example", "aud": ["other", {}]}, "wrong_audience"),
        ({"iss": "https://id.example", "aud": "rollcall", "sub": ""}, "token_invalid"),
        ({"iss": "https://id.example", "aud": "rollcall", "exp": "soon"}, "token_invalid"),
    ],
)
async def test_an_active_token_that_is_not_for_us_is_refused_and_asked_about_once(
    server: AuthorizationServer, clock: Clock, claims: dict[str, Any], code: str
) -> None:
    by = verifier(server, clock, jwt_issuer="https://id.example", jwt_audience="rollcall")
    server.issue("t-1", **claims)
    for _ in range(3):
        assert await refused(by, "t-1") == code
    assert server.requests == 1
    good = {"iss": "https://id.example", "aud": ["x", "rollcall"]}
    assert (await by.verify(server.issue("t-2", **good))).user == "u1"
    await by.close()


async def test_an_inactive_token_is_revoked_and_said_so(
    server: AuthorizationServer, by: IntrospectionVerifier
) -> None:
    with pytest.raises(ProblemError, match="not active") as caught:
        await by.verify("unknown")
    assert (caught.value.status, caught.value.code) == (401, "token_revoked")


async def test_an_answer_is_believed_for_a_while_and_no_longer(
    server: AuthorizationServer, by: IntrospectionVerifier, clock: Clock
) -> None:
    server.issue("t-1", exp=clock.now + 3600)
    await by.verify("t-1")
    server.revoke("t-1")
    clock.now += CACHE_SECONDS - 0.001
    assert by.cached("t-1") is not None
    assert (await by.verify("t-1")).user == "u1"
    assert server.requests == 1
    clock.now += 0.001
    assert by.cached("t-1") is None
    assert await refused(by, "t-1") == "token_revoked"


async def test_an_answer_is_not_believed_past_the_tokens_expiry(
    server: AuthorizationServer, by: IntrospectionVerifier, clock: Clock
) -> None:
    server.issue("t-1", exp=clock.now + 5)
    await by.verify("t-1")
    clock.now += 5 - 0.001
    assert by.cached("t-1") is not None
    clock.now += 0.001
    assert by.cached("t-1") is None
    # The server, whose clock may be behind, still calls it active: within the leeway that counts.
    assert (await by.verify("t-1")).user == "u1"
    clock.now += LEEWAY_SECONDS
    assert await refused(by, "t-1") == "token_expired"


async def test_an_end_at_the_beginning_of_time_is_past(
    server: AuthorizationServer, by: IntrospectionVerifier
) -> None:
    server.issue("t-1", exp=0)
    for _ in range(2):
        assert await refused(by, "t-1") == "token_expired"
        assert by.cached("t-1") is None


async def test_logout_takes_an_expired_token_only_while_the_server_calls_it_active(
    server: AuthorizationServer, by: IntrospectionVerifier, clock: Clock
) -> None:
    late: dict[str, Any] = {"expired_for_seconds": LOGOUT_EXPIRY_TOLERANCE_SECONDS}
    server.issue("t-1", exp=clock.now - 3600)
    assert (await by.verify("t-1", **late)).user == "u1"
    assert await refused(by, "t-1") == "token_expired"
    server.revoke("t-1")
    assert await refused(by, "t-1", **late) == "token_revoked"


async def test_a_refusal_is_remembered_briefly(
    server: AuthorizationServer, by: IntrospectionVerifier, clock: Clock
) -> None:
    for _ in range(100):
        assert await refused(by, "t-1") == "token_revoked"
    assert server.requests == 1
    clock.now += REFUSAL_SECONDS
    server.issue("t-1")
    assert (await by.verify("t-1")).user == "u1"


async def test_the_least_recently_used_token_is_forgotten_first(
    server: AuthorizationServer, clock: Clock
) -> None:
    by = verifier(server, clock, token_cache_size=2)
    for number in (1, 2):
        await by.verify(server.issue(f"t-{number}"))
    by.cached("t-1")
    await by.verify(server.issue("t-3"))
    known = [by.cached(f"t-{number}") is not None for number in (1, 2, 3)]
    assert known == [True, False, True]
    await by.close()


async def test_look_ups_of_one_token_share_a_request(
    server: AuthorizationServer, by: IntrospectionVerifier
) -> None:
    server.issue("t-1")
    server.gate.clear()
    calls = [asyncio.create_task(by.verify("t-1")) for _ in range(50)]
    await until(lambda: server.requests == 1)
    server.gate.set()
    assert {identity.user for identity in await asyncio.gather(*calls)} == {"u1"}
    assert server.requests == 1


async def test_a_call_that_gives_up_does_not_end_the_look_up_of_others(
    server: AuthorizationServer, by: IntrospectionVerifier
) -> None:
    server.issue("t-1")
    server.gate.clear()
    impatient, patient = (asyncio.create_task(by.verify("t-1")) for _ in range(2))
    await until(lambda: server.requests == 1)
    impatient.cancel()
    await asyncio.gather(impatient, return_exceptions=True)
    server.gate.set()
    assert (await patient).user == "u1"
    assert server.requests == 1


async def test_requests_in_flight_and_calls_that_wait_are_bounded(
    server: AuthorizationServer, clock: Clock
) -> None:
    by = verifier(server, clock, introspection_max_in_flight=2)
    server.gate.clear()
    room = 2 * LOOK_UPS_PER_REQUEST
    tokens = [server.issue(f"t-{number}") for number in range(room)]
    calls = [asyncio.create_task(by.verify(token)) for token in tokens]
    await until(lambda: server.requests == 2)
    assert await refused(by, "one-too-many") == "unavailable"
    server.gate.set()
    assert len(await asyncio.gather(*calls)) == room
    assert server.most_in_flight == 2
    assert (await by.verify(server.issue("one-more"))).user == "u1"
    await by.close()


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (400, b""),
        (401, b"{}"),
        (403, b""),
        (404, b""),
        (429, b""),
        (500, b'{"active": true, "sub": "u1"}'),
        (503, b""),
        (302, b""),
        (200, b""),
        (200, b"<html>"),
        (200, b"[]"),
        (200, b"{}"),
        (200, b'{"active": "true", "sub": "u1"}'),
        (200, b'{"active": 1, "sub": "u1"}'),
        (200, b'{"active": null}'),
        (200, b"\xff"),
        (200, b"[" * 50_000),
        (200, b'{"active": true, "sub": "u1", "x": ' + b"[" * 256 + b"]" * 256 + b"}"),
        (200, b'{"active": true, "sub": ' + b"9" * 5000 + b"}"),
        (200, b'{"active": true, "sub": "u1"}' + b" " * MAX_BYTES),
    ],
)
async def test_a_server_that_does_not_say_is_no_reason_to_refuse(
    server: AuthorizationServer, by: IntrospectionVerifier, status: int, body: bytes
) -> None:
    server.issue("t-1")
    server.status, server.body = status, body
    server.headers = {"Location": server.url}
    with pytest.raises(ProblemError) as caught:
        await by.verify("t-1")
    assert (caught.value.status, caught.value.code) == (503, "unavailable")
    assert 1 <= int(caught.value.all_headers()["Retry-After"]) <= 5
    assert server.requests == 1, "redirects are not followed"
    server.status, server.body = 200, None
    assert (await by.verify("t-1")).user == "u1"


async def test_credentials_that_the_server_does_not_know_are_no_tokens_fault(
    server: AuthorizationServer, clock: Clock
) -> None:
    by = verifier(server, clock, introspection_client_secret="wrong")
    with pytest.raises(ProblemError, match="HTTP status 401") as caught:
        await by.verify(server.issue("t-1"))
    assert caught.value.code == "unavailable"
    await by.close()


async def test_a_server_that_nobody_runs_is_unavailable(clock: Clock) -> None:
    nobody = AuthorizationServer()
    nobody.url = "http://127.0.0.1:9/"
    by = verifier(nobody, clock)
    assert await refused(by, "t-1") == "unavailable"
    await by.close()


async def test_while_the_server_is_away_it_gets_a_probe_a_pause_and_not_a_storm(
    server: AuthorizationServer,
    by: IntrospectionVerifier,
    clock: Clock,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    await open_circuit(by, server)
    asked = server.requests
    for number in range(100):
        assert await refused(by, f"t-{number}") == "unavailable"
    assert server.requests == asked
    for _ in range(3):
        clock.now += PAUSE_SECONDS
        for number in range(20):
            assert await refused(by, f"t-{number}") == "unavailable"
    assert server.requests == asked + 3
    server.status = 200
    clock.now += PAUSE_SECONDS
    assert (await by.verify(server.issue("t-1"))).user == "u1"
    assert (await by.verify(server.issue("t-2"))).user == "u1"
    words = [r.message for r in caplog.records if r.name == "schemas.tokens.introspection"]
    assert len(words) == 2, "said once, and once that it is over"
    assert "503" in words[0]
    assert "answers again" in words[1]
    assert "t-1" not in caplog.text


async def test_known_tokens_count_while_the_server_is_away(
    server: AuthorizationServer, by: IntrospectionVerifier, clock: Clock
) -> None:
    await by.verify(server.issue("known"))
    await open_circuit(by, server)
    assert (await by.verify("known")).user == "u1"
    clock.now += CACHE_SECONDS
    assert await refused(by, "known") == "unavailable"


async def test_calls_that_waited_for_their_turn_give_up_with_the_server(
    server: AuthorizationServer, clock: Clock
) -> None:
    by = verifier(server, clock, introspection_max_in_flight=1)
    server.gate.clear()
    server.status = 503
    calls = [asyncio.create_task(refused(by, f"t-{number}")) for number in range(30)]
    await until(lambda: server.requests == 1)
    server.gate.set()
    assert set(await asyncio.gather(*calls)) == {"unavailable"}
    assert server.requests == TRIP
    await by.close()


async def test_a_kept_connection_that_the_server_closed_costs_no_call(
    server: AuthorizationServer, by: IntrospectionVerifier
) -> None:
    await by.verify(server.issue("t-1"))
    server.lost = 1
    assert (await by.verify(server.issue("t-2"))).user == "u1"
    server.lost = 2
    assert await refused(by, server.issue("t-3")) == "unavailable"


@pytest.mark.parametrize(
    "token", ["", "a b", "é", "\udcff", "x" * (MAX_TOKEN_CHARACTERS + 1), "a\nb", "ä" * 9]
)
async def test_what_is_no_bearer_token_is_sent_nowhere(
    server: AuthorizationServer, by: IntrospectionVerifier, token: str
) -> None:
    assert await refused(by, token) == "token_invalid"
    assert server.requests == 0


async def test_a_services_key_is_not_shown_to_the_phones_issuer(
    server: AuthorizationServer, by: IntrospectionVerifier
) -> None:
    assert await refused(by, new_key()) == "token_invalid"
    assert server.requests == 0


@hypothesis_settings(
    max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
@given(
    st.dictionaries(
        st.sampled_from(["active", "sub", "exp", "sid", "scope", "aud", "iss", "name"]),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner),
            max_leaves=5,
        ),
    )
)
async def test_no_answer_at_all_is_an_unexpected_error(claims: dict[str, Any]) -> None:
    async with running_authorization_server() as server:
        server.tokens["t-1"] = claims
        by = verifier(server, Clock(), jwt_audience="rollcall")
        try:
            with suppress(ProblemError):
                await by.verify("t-1")
        finally:
            await by.close()


async def test_closing_ends_look_ups_in_flight(
    server: AuthorizationServer, by: IntrospectionVerifier
) -> None:
    server.gate.clear()
    call = asyncio.create_task(by.verify("t-1"))
    await until(lambda: server.requests == 1)
    async with asyncio.timeout(60):
        await by.close()
        with pytest.raises(asyncio.CancelledError):
            await call


def test_the_clients_secret_is_never_shown() -> None:
    server = AuthorizationServer()
    server.url = "https://x/"
    settings = TokenSettings(**introspection(server))
    assert "secret of the client" not in repr(settings) + repr(settings.authorization_server)
