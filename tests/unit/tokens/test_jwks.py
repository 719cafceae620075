"""Keys by URL: rotation, outages, one fetch at a time. Against a real HTTP server."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import jwt
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from schemas.http.problems import ProblemError
from schemas.tokens.identity import TokenVerifier
from schemas.tokens.jwks import MAX_BYTES, JwksClient, KeysUnavailableError, UnknownKeyError
from schemas.tokens.jwt import JwtVerifier
from schemas.tokens.settings import TokenSettings
from tests.rigs.rsa_keys import RSA, RSA_NEXT

REFRESH_SECONDS = 300.0
COOLDOWN_SECONDS = 10.0
KEYS: dict[str, Any] = {
    "rsa": RSA,
    "rsa-next": RSA_NEXT,
    "p256": ec.generate_private_key(ec.SECP256R1()),
    "ed25519": ed25519.Ed25519PrivateKey.generate(),
}
ALGORITHMS = {"rsa": "RS256", "rsa-next": "RS256", "p256": "ES256", "ed25519": "EdDSA"}


def listed(kid: str, **extra: object) -> dict[str, object]:
    algorithm = jwt.get_algorithm_by_name(ALGORITHMS[kid])
    key: dict[str, object] = json.loads(algorithm.to_jwk(KEYS[kid].public_key()))
    return {**key, "kid": kid, "use": "sig", **extra}


P256 = json.dumps(listed("p256")).encode()


def signed(kid: str, /, **headers: Any) -> str:
    return jwt.encode({"sub": "u1"}, KEYS[kid], ALGORITHMS[kid], headers={"kid": kid, **headers})


class Issuer:
    """A key server that counts its requests, and the clock that the client sees."""

    def __init__(self) -> None:
        self.keys = [listed("rsa")]
        self.body: bytes | None = None
        self.status = 200
        self.requests = 0
        self.gate = asyncio.Event()
        self.gate.set()
        self.url = ""
        self.now = 1000.0

    async def answer(self, _request: web.Request) -> web.Response:
        self.requests += 1
        await self.gate.wait()
        body = self.body if self.body is not None else json.dumps({"keys": self.keys}).encode()
        return web.Response(status=self.status, body=body, content_type="application/json")


@pytest.fixture
async def issuer() -> AsyncIterator[Issuer]:
    issuer = Issuer()
    app = web.Application()
    app.router.add_get("/jwks.json", issuer.answer)
    async with TestServer(app) as server:
        issuer.url = str(server.make_url("/jwks.json"))
        yield issuer
        issuer.gate.set()


@pytest.fixture
async def client(issuer: Issuer) -> AsyncIterator[JwksClient]:
    client = JwksClient(
        issuer.url,
        refresh_seconds=REFRESH_SECONDS,
        cooldown_seconds=COOLDOWN_SECONDS,
        clock=lambda: issuer.now,
    )
    yield client
    await client.close()


@pytest.fixture
def by(issuer: Issuer, client: JwksClient) -> TokenVerifier:
    return JwtVerifier(TokenSettings(jwks_url=issuer.url).phone_issuer, client)


async def refused(by: TokenVerifier, token: str) -> str:
    with pytest.raises(ProblemError) as caught:
        await by.verify(token)
    return caught.value.code


async def wait_for_requests(issuer: Issuer, count: int) -> None:
    async with asyncio.timeout(60):
        while issuer.requests < count:
            await asyncio.sleep(0.001)


@pytest.mark.parametrize("kid", ["rsa", "p256", "ed25519"])
async def test_keys_of_every_kind_verify(issuer: Issuer, by: TokenVerifier, kid: str) -> None:
    issuer.keys = [listed(name) for name in KEYS]
    assert (await by.verify(signed(kid))).user == "u1"


async def test_keys_are_fetched_once(issuer: Issuer, by: TokenVerifier) -> None:
    for number in range(5):
        await by.verify(signed("rsa", n=str(number)))
    assert issuer.requests == 1


async def test_a_rotated_key_is_found_by_its_unknown_id(issuer: Issuer, by: TokenVerifier) -> None:
    await by.verify(signed("rsa"))
    issuer.keys = [listed("rsa"), listed("rsa-next")]
    issuer.now += COOLDOWN_SECONDS
    assert (await by.verify(signed("rsa-next"))).user == "u1"
    assert issuer.requests == 2


async def test_unknown_ids_cost_one_fetch_per_cooldown(issuer: Issuer, by: TokenVerifier) -> None:
    await by.verify(signed("rsa"))
    issuer.now += COOLDOWN_SECONDS
    for number in range(20):
        assert await refused(by, signed("p256", kid=f"forged-{number}")) == "unknown_key"
    assert issuer.requests == 2


async def test_many_calls_share_one_fetch(issuer: Issuer, by: TokenVerifier) -> None:
    issuer.gate.clear()
    calls = [asyncio.create_task(by.verify(signed("rsa", n=str(n)))) for n in range(50)]
    await wait_for_requests(issuer, 1)
    issuer.gate.set()
    assert {identity.user for identity in await asyncio.gather(*calls)} == {"u1"}
    assert issuer.requests == 1


async def test_a_call_that_gives_up_does_not_end_the_fetch_of_others(
    issuer: Issuer, by: TokenVerifier
) -> None:
    issuer.gate.clear()
    impatient = asyncio.create_task(by.verify(signed("rsa", n="1")))
    patient = asyncio.create_task(by.verify(signed("rsa", n="2")))
    await wait_for_requests(issuer, 1)
    impatient.cancel()
    await asyncio.gather(impatient, return_exceptions=True)
    issuer.gate.set()
    assert (await patient).user == "u1"
    assert issuer.requests == 1


async def test_a_due_refresh_is_not_waited_for(issuer: Issuer, by: TokenVerifier) -> None:
    await by.verify(signed("rsa"))
    issuer.gate.clear()
    issuer.now += REFRESH_SECONDS
    async with asyncio.timeout(60):
        await by.verify(signed("rsa", n="2"))
        await wait_for_requests(issuer, 2)


async def test_a_key_that_was_withdrawn_stops_verifying(
    issuer: Issuer, client: JwksClient, by: TokenVerifier
) -> None:
    await by.verify(signed("rsa"))
    issuer.keys = [listed("rsa-next")]
    issuer.now += REFRESH_SECONDS
    await by.verify(signed("rsa", n="2"))  # starts the refresh
    await by.verify(signed("rsa-next"))  # has waited for it
    assert await refused(by, signed("rsa", n="3")) == "unknown_key"


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (500, None),
        (404, None),
        (200, b""),
        (200, b"<html>"),
        (200, b"[]"),
        (200, b'{"keys": []}'),
        (200, b'{"keys": 5}'),
        (200, b'{"keys": [5]}'),
        (200, b'{"keys": [{"kty": "oct"}]}'),
        (200, b"\xff"),
        (200, b"[" * 100_000),
        (200, b'{"x": ' + b"[" * 256 + b"]" * 256 + b', "keys": [%s]}' % P256),
        (200, b" " * (MAX_BYTES + 1)),
    ],
)
async def test_keys_stay_in_use_while_their_server_is_broken(
    issuer: Issuer, by: TokenVerifier, status: int, body: bytes | None
) -> None:
    await by.verify(signed("rsa"))
    issuer.status, issuer.body = status, body
    issuer.now += REFRESH_SECONDS
    assert (await by.verify(signed("rsa", n="2"))).user == "u1"
    assert await refused(by, signed("p256")) == "unknown_key"
    assert issuer.requests == 2
    assert (await by.verify(signed("rsa", n="3"))).user == "u1"


async def test_line_10_a_redirect_gives_no_keys(issuer: Issuer) -> None:
    """Else another server would say whose signatures count."""

    async def elsewhere(_request: web.Request) -> web.Response:
        raise web.HTTPFound(issuer.url)

    app = web.Application()
    app.router.add_get("/moved", elsewhere)
    async with TestServer(app) as server:
        url = str(server.make_url("/moved"))
        client = JwksClient(url, refresh_seconds=REFRESH_SECONDS, cooldown_seconds=COOLDOWN_SECONDS)
        by = JwtVerifier(TokenSettings(jwks_url=url).phone_issuer, client)
        assert await refused(by, signed("rsa")) == "unavailable"
        await client.close()
    assert issuer.requests == 0


async def test_without_any_keys_calls_are_unavailable_until_there_are_some(
    issuer: Issuer, by: TokenVerifier
) -> None:
    issuer.status = 503
    assert await refused(by, signed("rsa")) == "unavailable"
    assert await refused(by, signed("rsa")) == "unavailable"
    assert issuer.requests == 1, "the cooldown holds for failures too"
    issuer.status = 200
    issuer.now += COOLDOWN_SECONDS
    assert (await by.verify(signed("rsa"))).user == "u1"


async def test_a_server_that_nobody_runs_is_unavailable() -> None:
    client = JwksClient("http://127.0.0.1:9/", refresh_seconds=1, cooldown_seconds=1)
    with pytest.raises(KeysUnavailableError, match="cannot be fetched"):
        await client.keys_for("rsa", "RS256")
    await client.close()


async def test_a_token_without_an_id_may_be_signed_with_any_key_of_its_kind(
    issuer: Issuer, client: JwksClient, by: TokenVerifier
) -> None:
    issuer.keys = [listed("rsa"), listed("rsa-next"), listed("p256")]
    assert len(await client.keys_for(None, "RS256")) == 2
    assert len(await client.keys_for(None, "ES256")) == 1
    with pytest.raises(UnknownKeyError):
        await client.keys_for(None, "EdDSA")
    for kid in ("rsa", "rsa-next"):
        nameless = jwt.encode({"sub": "u1"}, KEYS[kid], "RS256")
        assert (await by.verify(nameless)).user == "u1"


async def test_a_symmetric_key_in_the_set_is_never_used(issuer: Issuer, by: TokenVerifier) -> None:
    secret = "a secret of thirty-two bytes, or more"
    issuer.keys = [
        listed("rsa"),
        {"kty": "oct", "kid": "oct", "k": "YSBzZWNyZXQgb2YgdGhpcnR5LXR3byBieXRlcywgb3IgbW9yZQ"},
    ]
    token = jwt.encode({"sub": "u1"}, secret, "HS256", headers={"kid": "oct"})
    assert await refused(by, token) == "token_invalid"


async def test_a_key_is_not_used_with_another_algorithm(issuer: Issuer, by: TokenVerifier) -> None:
    issuer.keys = [listed("rsa"), listed("p256")]
    assert await refused(by, signed("p256", kid="rsa")) == "unknown_key"


async def test_keys_that_we_do_not_know_are_passed_over(issuer: Issuer, by: TokenVerifier) -> None:
    issuer.keys = [{"kty": "XYZ", "kid": "x"}, {"kty": "RSA", "kid": "broken"}, listed("rsa")]
    assert (await by.verify(signed("rsa"))).user == "u1"


async def test_closing_ends_a_fetch_in_flight(issuer: Issuer, client: JwksClient) -> None:
    issuer.gate.clear()
    call = asyncio.create_task(client.keys_for("rsa", "RS256"))
    await wait_for_requests(issuer, 1)
    async with asyncio.timeout(60):
        await client.close()
        with pytest.raises((asyncio.CancelledError, KeysUnavailableError)):
            await call


async def test_a_key_that_is_known_verifies_at_once(issuer: Issuer, by: TokenVerifier) -> None:
    assert by.at_once(signed("rsa")) is None
    assert (await by.verify(signed("rsa"))).user == "u1"
    assert issuer.requests == 1  # the fetch that was begun at once goes on

    another = by.at_once(signed("rsa", n="another"))
    assert another is not None
    assert another.user == "u1"
    with pytest.raises(ProblemError, match="does not list"):
        by.at_once(signed("p256"))
    assert issuer.requests == 1
