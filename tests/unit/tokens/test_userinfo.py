"""Tokens whose own back end is asked: what its answers mean, how long they count, and that one
token's trouble is nobody else's. Against a real HTTP server."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

import jwt
import pytest

from schemas.http.problems import ProblemError
from schemas.tokens import asking as asked_tokens
from schemas.tokens.circuit_breaker import PAUSE_SECONDS, TRIP
from schemas.tokens.identity import LOGOUT_EXPIRY_TOLERANCE_SECONDS
from schemas.tokens.settings import TokenSettings
from schemas.tokens.userinfo import STALE_SECONDS, UserinfoVerifier
from tests.back_end import BackEnd, running_back_end

CACHE_SECONDS = 900.0
OFFLINE_AFTER_SECONDS = 300.0
SANCTUM = "12|Zq8cVtX0JkfQm3r1b7yHn2LwPs9uEdGaOiTzKj4Mf3a91c7d"
LOGOUT: dict[str, Any] = {"expired_for_seconds": LOGOUT_EXPIRY_TOLERANCE_SECONDS}


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
async def back_end() -> AsyncIterator[BackEnd]:
    async with running_back_end() as running:
        yield running


def verifier(
    back_end: BackEnd, clock: Callable[[], float] = time.time, **values: Any
) -> UserinfoVerifier:
    chosen = TokenSettings(userinfo_url=back_end.url, **values).back_end
    assert chosen is not None
    return UserinfoVerifier(chosen, clock, clock, logout_seconds=OFFLINE_AFTER_SECONDS)


@pytest.fixture
async def by(back_end: BackEnd, clock: Clock) -> AsyncIterator[UserinfoVerifier]:
    made = verifier(back_end, clock)
    yield made
    await made.close()


async def refused(by: UserinfoVerifier, token: str, **options: Any) -> str:
    with pytest.raises(ProblemError) as caught:
        await by.verify(token, **options)
    return caught.value.code


async def test_T1b_the_back_end_is_asked_with_the_phones_own_header(
    back_end: BackEnd, by: UserinfoVerifier
) -> None:
    back_end.sign_in(SANCTUM)
    identity = await by.verify(SANCTUM)
    assert (identity.user, identity.name, identity.accepted_until) == ("42", "Ada", None)
    assert identity.token.startswith("sha256:")
    assert back_end.asked == [SANCTUM]
    assert back_end.headers[0]["Accept"] == "application/json"
    assert (await by.verify(SANCTUM)).user == "42"
    assert back_end.requests == 1


async def test_T1b_the_user_is_found_by_a_claim_path(back_end: BackEnd) -> None:
    by = verifier(back_end, user_claim="data.id", name_claim="data.name")
    back_end.sign_in(SANCTUM, {"data": {"id": 42, "name": "Ada"}})
    identity = await by.verify(SANCTUM)
    assert (identity.user, identity.name) == ("42", "Ada")
    await by.close()


@pytest.mark.parametrize("status", [401, 403])
async def test_T1b_a_token_that_the_back_end_does_not_accept_is_revoked(
    back_end: BackEnd, by: UserinfoVerifier, clock: Clock, status: int
) -> None:
    back_end.status = status
    for _ in range(3):
        assert await refused(by, SANCTUM) == "token_revoked"
    assert back_end.requests == 1
    clock.now += asked_tokens.REFUSAL_SECONDS
    back_end.status = 200
    back_end.sign_in(SANCTUM)
    assert (await by.verify(SANCTUM)).user == "42"


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (302, b""),
        (404, b"{}"),
        (429, b"{}"),
        (500, b'{"id": 42}'),
        (503, b"{}"),
        (204, b""),
        (200, b"<html>Log in</html>"),
        (200, b""),
        (200, b"[]"),
        (200, b"42"),
        (200, b"{}"),
        (200, b'{"message": "Unauthenticated."}'),
        (200, b'{"id": null}'),
        (200, b'{"id": {"a": 1}}'),
        (200, b'{"id": true}'),
        (200, b"\xff"),
        (200, b"[" * 50_000),
        (200, b'{"id": 42, "x": ' + b"[" * 256 + b"]" * 256 + b"}"),
        (200, b'{"id": 42, "x": "' + b"x" * 2_000_000 + b'"}'),
    ],
)
async def test_T1b_what_says_nothing_about_a_token_is_no_reason_to_refuse_it(
    back_end: BackEnd, by: UserinfoVerifier, clock: Clock, status: int, body: bytes
) -> None:
    back_end.sign_in(SANCTUM)
    back_end.status, back_end.body = status, body
    with pytest.raises(ProblemError) as caught:
        await by.verify(SANCTUM)
    assert (caught.value.status, caught.value.code) == (503, "unavailable")
    assert 1 <= int(caught.value.all_headers()["Retry-After"]) <= 5
    assert back_end.asked == [SANCTUM], "a redirect is not followed"
    assert by.hints or status in (429, 503), "readiness says so"
    clock.now += asked_tokens.REFUSAL_SECONDS
    back_end.status, back_end.body = 200, None
    assert (await by.verify(SANCTUM)).user == "42"
    assert by.hints == []


async def test_T1b_silence_ends_after_a_while(
    back_end: BackEnd, by: UserinfoVerifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert asked_tokens.LOOK_UP_SECONDS <= 5
    monkeypatch.setattr(asked_tokens, "LOOK_UP_SECONDS", 0.05)
    back_end.gate.clear()
    assert await refused(by, SANCTUM) == "unavailable"


@pytest.mark.parametrize("status", [302, 404, 500, 503])
async def test_one_tokens_trouble_never_keeps_others_from_being_asked(
    back_end: BackEnd, by: UserinfoVerifier, clock: Clock, status: int
) -> None:
    back_end.odd["odd"] = status
    for _ in range(3 * TRIP):
        assert await refused(by, "odd") == "unavailable"
        clock.now += asked_tokens.REFUSAL_SECONDS
    assert (await by.verify(back_end.sign_in("good"))).user == "42"


async def test_forged_tokens_that_a_back_end_redirects_keep_nobody_out(
    back_end: BackEnd, by: UserinfoVerifier
) -> None:
    for number in range(3 * TRIP):
        back_end.odd[f"forged-{number}"] = 302
        assert await refused(by, f"forged-{number}") == "unavailable"
    assert (await by.verify(back_end.sign_in("good"))).user == "42"


async def test_a_back_end_that_is_away_gets_a_probe_a_pause(
    back_end: BackEnd, by: UserinfoVerifier, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    back_end.status = 503
    for number in range(TRIP + 20):
        assert await refused(by, f"t-{number}") == "unavailable"
    assert back_end.requests == TRIP
    assert "ROLLCALL_USERINFO_URL does not answer" in by.hints[0]
    clock.now += PAUSE_SECONDS
    back_end.status = 200
    assert (await by.verify(back_end.sign_in("t-1"))).user == "42"
    assert by.hints == []
    words = [r.message for r in caplog.records if r.name == "schemas.tokens.userinfo"]
    assert len(words) == 2
    assert "t-1" not in caplog.text


async def test_an_answer_is_believed_for_a_quarter_of_an_hour_give_or_take(
    back_end: BackEnd, clock: Clock
) -> None:
    by = verifier(back_end, clock)
    tokens = [back_end.sign_in(f"t-{number}") for number in range(40)]
    for token in tokens:
        await by.verify(token)
    clock.now += CACHE_SECONDS * 0.8 - 1
    assert all(by.cached(token) for token in tokens)
    clock.now += CACHE_SECONDS * 0.2
    left = sum(by.cached(token) is not None for token in tokens)
    assert 0 < left < len(tokens), "they do not end together"
    clock.now += CACHE_SECONDS * 0.2 + 1
    assert not any(by.cached(token) for token in tokens)
    await by.close()


async def test_a_known_token_counts_for_an_hour_more_while_the_back_end_is_away(
    back_end: BackEnd, by: UserinfoVerifier, clock: Clock
) -> None:
    await by.verify(back_end.sign_in(SANCTUM))
    back_end.status = 500
    clock.now += CACHE_SECONDS * 1.2
    assert (await by.verify(SANCTUM)).user == "42"
    asked = back_end.requests
    assert by.cached(SANCTUM) is not None, "the next heartbeat does not wait for the back end"
    clock.now += asked_tokens.STALE_SECONDS
    assert (await by.verify(SANCTUM)).user == "42"
    assert back_end.requests == asked + 1, "it is asked again before long"
    assert await refused(by, "unknown") == "unavailable"
    clock.now += STALE_SECONDS
    assert await refused(by, SANCTUM) == "unavailable"


async def test_a_token_that_is_revoked_meanwhile_counts_no_longer(
    back_end: BackEnd, by: UserinfoVerifier, clock: Clock
) -> None:
    await by.verify(back_end.sign_in(SANCTUM))
    back_end.revoke(SANCTUM)
    clock.now += CACHE_SECONDS * 1.2
    assert await refused(by, SANCTUM) == "token_revoked"
    back_end.status = 500
    clock.now += asked_tokens.REFUSAL_SECONDS
    assert await refused(by, SANCTUM) == "unavailable", "what was revoked does not come back"


async def test_a_logout_with_a_token_that_was_just_revoked_still_names_its_user(
    back_end: BackEnd, by: UserinfoVerifier, clock: Clock
) -> None:
    random.seed(0)  # the cache time is drawn: this one is over, and not for long
    await by.verify(back_end.sign_in(SANCTUM))
    back_end.revoke(SANCTUM)
    clock.now += CACHE_SECONDS * 1.2
    assert await refused(by, SANCTUM) == "token_revoked"
    assert (await by.verify(SANCTUM, **LOGOUT)).user == "42"
    assert await refused(by, SANCTUM) == "token_revoked", "it counts for nothing else"
    assert await refused(by, "never-known", **LOGOUT) == "token_revoked"
    clock.now += OFFLINE_AFTER_SECONDS
    assert await refused(by, SANCTUM, **LOGOUT) == "token_revoked", "its device is offline by now"


async def test_a_jwt_is_not_believed_past_its_own_end(
    back_end: BackEnd, by: UserinfoVerifier, clock: Clock
) -> None:
    token = jwt.encode({"sub": "1", "exp": clock.now + 60}, "a" * 32, "HS256")
    back_end.sign_in(token)
    await by.verify(token)
    clock.now += 59
    assert by.cached(token) is not None
    clock.now += 1
    assert by.cached(token) is None
    back_end.status = 500
    assert await refused(by, token) == "unavailable", "nor while the back end is away"


async def test_what_describes_a_person_says_nothing_about_the_token(
    back_end: BackEnd, by: UserinfoVerifier
) -> None:
    user = {"id": 7, "exp": 12, "sid": "s", "device_id": "d", "permissions": ["presence:read"]}
    identity = await by.verify(back_end.sign_in("t-1", user))
    assert (identity.user, identity.device, identity.scopes) == ("7", None, frozenset())
    assert identity.token.startswith("sha256:")


@pytest.mark.parametrize("user", [{"sub": "ada"}, {"id": "ada", "sub": "other"}])
async def test_without_a_setting_the_user_is_its_id_or_else_its_subject(
    back_end: BackEnd, by: UserinfoVerifier, user: dict[str, Any]
) -> None:
    assert (await by.verify(back_end.sign_in("t-1", user))).user == "ada"


async def test_a_header_names_us_to_the_back_end(back_end: BackEnd) -> None:
    by = verifier(back_end, userinfo_header="X-Rollcall-Key: let me in")
    await by.verify(back_end.sign_in("t-1"))
    assert back_end.headers[0]["X-Rollcall-Key"] == "let me in"
    assert back_end.headers[0]["User-Agent"] == "Rollcall"
    await by.close()


async def test_look_ups_of_one_token_share_a_request(
    back_end: BackEnd, by: UserinfoVerifier
) -> None:
    back_end.sign_in(SANCTUM)
    back_end.gate.clear()
    calls = [asyncio.create_task(by.verify(SANCTUM)) for _ in range(20)]
    while not back_end.requests:
        await asyncio.sleep(0.001)
    back_end.gate.set()
    assert {identity.user for identity in await asyncio.gather(*calls)} == {"42"}
    assert back_end.requests == 1
