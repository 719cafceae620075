"""The tokens that real apps and back ends have, and what each of them gets: a test by row of the
table of inputs."""

from __future__ import annotations

import asyncio
import base64
import json
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import jwt
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa

from schemas.http.problems import ProblemError
from schemas.tokens.causes import CAUSES
from schemas.tokens.claims import exp_looks_like, find_claim
from schemas.tokens.identity import Identity, TokenRefusedError, TokenVerifier
from schemas.tokens.jwk_set import NoKeysError, read_key_set
from schemas.tokens.settings import TokenSettings
from schemas.tokens.verifiers import phone_verifier
from tests.authorization_server import introspection, running_authorization_server
from tests.back_end import running_back_end
from tests.rigs.rsa_keys import RSA, RSA_NEXT

SECRET = "a secret of sixty-four bytes or more, which is what HS512 wants!!"
SANCTUM = "12|Zq8cVtX0JkfQm3r1b7yHn2LwPs9uEdGaOiTzKj4Mf3a91c7d"
P256 = ec.generate_private_key(ec.SECP256R1())
KEYS: dict[str, Any] = {
    **dict.fromkeys(("HS256", "HS384", "HS512"), SECRET),
    **dict.fromkeys(("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"), RSA),
    "ES256": P256,
    "ES384": ec.generate_private_key(ec.SECP384R1()),
    "ES512": ec.generate_private_key(ec.SECP521R1()),
    "EdDSA": ed25519.Ed25519PrivateKey.generate(),
}


def pem(private_key: Any) -> str:
    public: bytes = private_key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return public.decode()


def key_settings(key: Any) -> dict[str, str]:
    return {"jwt_secret": key} if isinstance(key, str) else {"jwt_public_key": pem(key)}


def verifier(**values: Any) -> TokenVerifier:
    if not {"jwt_public_key", "jwks_url", "introspection_url", "userinfo_url"} & values.keys():
        values.setdefault("jwt_secret", SECRET)
    return phone_verifier(TokenSettings(**values))


def signed(claims: dict[str, Any], key: Any = SECRET, algorithm: str = "HS256", **more: Any) -> str:
    return jwt.api_jws.encode(json.dumps(claims).encode(), key, algorithm, **more)


async def refusal(by: TokenVerifier, token: str) -> TokenRefusedError:
    with pytest.raises(TokenRefusedError) as caught:
        await by.verify(token)
    assert caught.value.cause in CAUSES
    return caught.value


async def user(by: TokenVerifier, token: str) -> str:
    identity: Identity = await by.verify(token)
    return identity.user


def listed(key: Any, kid: str | None, **more: object) -> dict[str, object]:
    reader = "RS256" if isinstance(key, rsa.RSAPrivateKey) else "ES256"
    members = json.loads(jwt.get_algorithm_by_name(reader).to_jwk(key.public_key()))
    members.pop("key_ops", None)
    return {**members, **({"kid": kid} if kid else {}), **more}


class KeyServer:
    """A key set that a test changes, and how often it was fetched."""

    def __init__(self) -> None:
        self.document: Any = {"keys": []}
        self.requests = 0
        self.url = ""

    async def answer(self, _request: web.Request) -> web.Response:
        self.requests += 1
        return web.json_response(self.document)


@asynccontextmanager
async def key_server(*keys: dict[str, object]) -> AsyncIterator[KeyServer]:
    server = KeyServer()
    server.document = {"keys": list(keys)}
    app = web.Application()
    app.router.add_get("/keys", server.answer)
    async with TestServer(app) as running:
        server.url = str(running.make_url("/keys"))
        yield server


# -- T1: opaque tokens


@pytest.mark.parametrize(
    "token",
    [SANCTUM, "12|myapp_Zq8cVtX0JkfQm3r1b7yHn2LwPs9uEdGaOiTzKj4M", "a=b", "=", "{x}:\\\"<>~`^'!"],
)
async def test_T1a_a_token_of_any_visible_ascii_is_asked_about_once(token: str) -> None:
    async with running_authorization_server() as server:
        by = verifier(**introspection(server))
        server.issue(token, sub="42")
        for _ in range(3):
            assert await user(by, token) == "42"
        assert server.asked == [token]
        await by.close()


# -- T2: families of algorithms


@pytest.mark.parametrize("algorithm", KEYS)
async def test_T2_a_key_serves_its_whole_family(algorithm: str) -> None:
    key = KEYS[algorithm]
    by = verifier(**key_settings(key))
    token = signed({"sub": "u1"}, key, algorithm)
    assert await user(by, token) == "u1"
    forged = token[:-8] + ("AAAAAAAA" if token[-8:] != "AAAAAAAA" else "BBBBBBBB")
    assert (await refusal(by, forged)).code == "bad_signature"


@pytest.mark.parametrize("algorithm", ["HS256", "HS384", "HS512"])
async def test_T2_a_public_key_is_never_taken_for_a_secret(algorithm: str) -> None:
    for key in (RSA, P256, KEYS["EdDSA"]):
        by = verifier(jwt_public_key=pem(key))
        refused = await refusal(by, signed({"sub": "u1"}, SECRET, algorithm))
        assert (refused.status, refused.cause) == (401, "algorithm")


async def test_T2_a_curve_serves_its_own_hash_alone() -> None:
    by = verifier(jwt_public_key=pem(P256))
    for algorithm in ("ES384", "ES512", "EdDSA", "RS256"):
        assert (await refusal(by, signed({"sub": "u1"}, KEYS[algorithm], algorithm))).status == 401


async def test_T2_a_key_set_serves_whole_families_and_never_a_secret() -> None:
    async with key_server(listed(RSA, "r"), listed(P256, "p")) as server:
        by = verifier(jwks_url=server.url)
        for algorithm in ("RS256", "RS512", "PS384"):
            token = signed({"sub": "u1"}, RSA, algorithm, headers={"kid": "r"})
            assert await user(by, token) == "u1"
        assert await user(by, signed({"sub": "u1"}, P256, "ES256", headers={"kid": "p"})) == "u1"
        server.document = {"keys": [{"kty": "oct", "kid": "o", "k": "YWJj" * 20}]}
        forged = signed({"sub": "u1"}, base64.b64decode("YWJj" * 20), headers={"kid": "o"})
        assert (await refusal(by, forged)).cause == "algorithm"
        await by.close()


async def test_T2_a_key_that_names_its_algorithm_serves_no_other() -> None:
    async with key_server(listed(RSA, "r", alg="RS256")) as server:
        by = verifier(jwks_url=server.url)
        token = signed({"sub": "u1"}, RSA, "PS256", headers={"kid": "r"})
        assert (await refusal(by, token)).code == "unknown_key"
        await by.close()


async def test_T2_an_ed448_key_serves_eddsa() -> None:
    key = ed448.Ed448PrivateKey.generate()
    by = verifier(jwt_public_key=pem(key))
    assert await user(by, signed({"sub": "u1"}, key, "EdDSA")) == "u1"


# -- T3: secrets in base64

RAW = bytes(range(100, 132))


@pytest.mark.parametrize(
    "written", [base64.b64encode(RAW), base64.urlsafe_b64encode(RAW), base64.b64encode(RAW)[:-1]]
)
async def test_T3_a_secret_is_the_bytes_that_base64_says(written: bytes) -> None:
    by = verifier(jwt_secret="base64:" + written.decode())
    assert await user(by, signed({"sub": "u1"}, RAW)) == "u1"


async def test_T3_a_secret_whose_prefix_is_missing_is_said_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.WARNING)
    by = verifier(jwt_secret=base64.b64encode(RAW).decode())
    for number in range(3):
        refused = await refusal(by, signed({"sub": "u1", "n": number}, RAW))
        assert (refused.code, refused.cause) == ("bad_signature", "base64_secret")
    assert len(by.hints) == 1
    assert "ROLLCALL_JWT_SECRET=base64:" in by.hints[0]
    assert [r.message for r in caplog.records] == by.hints
    assert base64.b64encode(RAW).decode() not in caplog.text


async def test_T3_a_wrong_signature_alone_is_no_hint() -> None:
    by = verifier(jwt_secret=base64.b64encode(RAW).decode())
    assert (await refusal(by, signed({"sub": "u1"}, "x" * 40))).cause == "bad_signature"
    assert by.hints == []
    assert await user(by, signed({"sub": "u1"}, base64.b64encode(RAW).decode())) == "u1"


# -- T4: rotation


async def test_T4_phones_of_two_sources_count_while_both_are_set() -> None:
    async with key_server(listed(P256, "k1")) as server:
        by = verifier(jwks_url=server.url, previous_jwt_secret=SECRET)
        for number in range(4):
            claims = {"sub": f"u{number}"}
            old = signed(claims)
            new = signed(claims, P256, "ES256", headers={"kid": "k1"})
            for token in (old, new):
                assert await user(by, token) == f"u{number}"
                assert by.cached(token) is not None
        assert server.requests == 1
        forged = await refusal(by, signed({"sub": "u1"}, "x" * 64))
        assert forged.code == "bad_signature"
        assert server.requests == 1, "a token by secret is no key set's business"
        await by.close()


@pytest.mark.parametrize(
    ("now", "before", "key", "old_key", "algorithm"),
    [
        ("jwt_secret", "previous_jwt_secret", SECRET, "an old secret, of 32 bytes too", "HS256"),
        ("jwt_public_key", "previous_jwt_public_key", RSA, RSA_NEXT, "RS256"),
    ],
)
async def test_T4_a_move_from_one_key_to_the_next_loses_nobody(
    now: str, before: str, key: Any, old_key: Any, algorithm: str
) -> None:
    if isinstance(old_key, str):
        old_key = old_key.ljust(32, ".")
    written = {now: key, before: old_key}
    by = verifier(**{n: k if isinstance(k, str) else pem(k) for n, k in written.items()})
    assert await user(by, signed({"sub": "new"}, key, algorithm)) == "new"
    assert await user(by, signed({"sub": "old"}, old_key, algorithm)) == "old"
    other = "x" * 64 if isinstance(key, str) else rsa.generate_private_key(65537, 2048)
    assert (await refusal(by, signed({"sub": "x"}, other, algorithm))).code == "bad_signature"
    expired = await refusal(by, signed({"sub": "x", "exp": 1}, old_key, algorithm))
    assert expired.code == "token_expired", "who signed it is known"


async def test_T4_what_both_keys_are_at_hand_for_is_decided_at_once() -> None:
    by = verifier(jwt_secret=SECRET, previous_jwt_secret="an old secret".ljust(32, "."))
    for key in (SECRET, "an old secret".ljust(32, ".")):
        identity = by.at_once(signed({"sub": "u1"}, key))
        assert identity is not None
        assert identity.user == "u1"
    for token, code in (
        (signed({"sub": "u1"}, "x" * 64), "bad_signature"),
        (signed({"sub": "u1", "exp": 1}, "an old secret".ljust(32, ".")), "token_expired"),
    ):
        with pytest.raises(ProblemError) as at_once:
            by.at_once(token)
        later = await refusal(by, token)
        assert (at_once.value.code, at_once.value.detail) == (later.code, later.detail)
        assert later.code == code
    nowhere = verifier(jwks_url="http://127.0.0.1:9/", previous_jwt_public_key=pem(RSA))
    assert nowhere.at_once(signed({"sub": "u1"}, KEYS["ES384"], "ES384")) is None, "it waits"
    await nowhere.close()


async def test_T4_a_jwt_that_fails_is_not_shown_to_who_is_asked() -> None:
    async with running_back_end() as back_end:
        by = verifier(userinfo_url=back_end.url, previous_jwt_secret=SECRET)
        assert await user(by, back_end.sign_in(SANCTUM)) == "42"
        assert await user(by, signed({"sub": "u1"})) == "u1"
        for bad in (
            signed({"sub": "u1"}, "x" * 64),
            signed({"sub": "u1", "exp": 1}),
            signed({"n": 1}),
        ):
            assert (await refusal(by, bad)).status == 401
        assert back_end.asked == [SANCTUM]
        # What no key of ours can have signed is the back end's own.
        passport = back_end.sign_in(signed({"sub": "9"}, RSA, "RS256"), {"id": 9})
        assert await user(by, passport) == "9"
        await by.close()


async def test_T4_a_key_set_that_is_away_makes_nobody_of_the_other_source_wait() -> None:
    by = verifier(jwks_url="http://127.0.0.1:9/", previous_jwt_public_key=pem(P256))
    assert await user(by, signed({"sub": "u1"}, P256, "ES256")) == "u1"
    with pytest.raises(ProblemError) as caught:
        await by.verify(signed({"sub": "u1"}, KEYS["ES384"], "ES384"))
    assert caught.value.code == "unavailable"
    await by.close()


def test_T4_algorithms_that_are_named_serve_each_source_its_own() -> None:
    values: dict[str, Any] = {"jwt_secret": SECRET, "previous_jwt_public_key": pem(P256)}
    both = TokenSettings(**values, jwt_algorithms="HS256,ES256").phone_issuers
    assert [issuer.algorithms for issuer in both] == [("HS256",), ("ES256",)]
    with pytest.raises(ValueError, match="names nothing that ROLLCALL_PREVIOUS_JWT_PUBLIC_KEY"):
        phone_verifier(TokenSettings(**values, jwt_algorithms="HS256"))


# -- key sets as they are in the field


async def test_a_key_set_with_an_id_twice_works() -> None:
    async with key_server(
        listed(RSA_NEXT, "k", use="enc"),
        listed(RSA_NEXT, "k"),
        listed(RSA, "k", use="sig"),
        listed(RSA, "k", use="sig"),
        listed(RSA, "k", alg="RSA-OAEP"),
    ) as server:
        assert len(read_key_set(json.dumps(server.document).encode())) == 2
        by = verifier(jwks_url=server.url)
        for key in (RSA, RSA_NEXT):
            assert await user(by, signed({"sub": "u1"}, key, "RS256", headers={"kid": "k"})) == "u1"
        await by.close()


async def test_a_key_without_an_id_that_is_replaced_is_found() -> None:
    async with key_server(listed(RSA, None)) as server:
        by = verifier(jwks_url=server.url, jwks_cooldown_seconds=0)
        assert await user(by, signed({"sub": "u1"}, RSA, "RS256")) == "u1"
        server.document = {"keys": [listed(RSA_NEXT, None)]}
        assert await user(by, signed({"sub": "u2"}, RSA_NEXT, "RS256")) == "u2"
        await by.close()


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ({"keys": []}, "the key set is empty"),
        ({"keys": [{"kty": "oct", "k": "YWJj"}]}, "none of its keys verifies signatures"),
        ({"k1": "-----BEGIN CERTIFICATE-----\nx"}, "v1/jwk/securetoken@system.gserviceaccount.com"),
        ({"issuer": "x", "jwks_uri": "https://x/keys"}, "set its jwks_uri, https://x/keys"),
        ({"keys": "x"}, "not a JSON Web Key Set"),
        ([], "not a JSON Web Key Set"),
    ],
)
async def test_a_document_that_is_no_key_set_says_what_it_is(document: Any, words: str) -> None:
    with pytest.raises(NoKeysError, match=words):
        read_key_set(json.dumps(document).encode())
    async with key_server() as server:
        server.document = document
        by = verifier(jwks_url=server.url)
        with pytest.raises(ProblemError, match=words):
            await by.verify(signed({"sub": "u1"}, RSA, "RS256"))
        assert words in by.hints[0]
        await by.close()


# -- T6, T7, T12: claims


async def test_T6_the_audience_may_be_in_another_claim() -> None:
    by = verifier(audience_claim="client_id", jwt_audience="abc, def", user_claim="username")
    claims = {"sub": "u-1", "username": "bob", "client_id": "abc", "token_use": "access"}
    assert await user(by, signed(claims)) == "bob"
    assert await user(by, signed({**claims, "client_id": "def"})) == "bob"
    assert (await refusal(by, signed({**claims, "client_id": "x"}))).code == "wrong_audience"
    missing = await refusal(by, signed({"username": "bob", "aud": "abc"}))
    assert missing.code == "wrong_audience"
    assert "client_id" in missing.detail


@pytest.mark.parametrize(
    ("claim", "claims", "found"),
    [
        ("user.id", {"user": {"id": 7}}, "7"),
        ("/https:~1~1x~1claims/uid", {"https://x/claims": {"uid": "7"}}, "7"),
        ("user.id", {"user.id": "9", "user": {"id": 7}}, "9"),
        ("/user/id", {"user": {"id": 7}}, "7"),
        ("/a~0b/0", {"a~b": ["x"]}, "x"),
        ("https://x.io/claims.uid", {"https://x.io/claims": {"uid": "7"}}, "7"),
        ("https://x.io/uid", {"https://x.io/uid": "7"}, "7"),
        ("data.user.id", {"data": {"user": {"id": 7}}}, "7"),
        ("identities.0.id", {"identities": [{"id": 7}]}, "7"),
        ("/user", {"/user": "flat", "user": "deep"}, "flat"),
    ],
)
async def test_T7_a_claim_is_named_by_name_path_or_pointer(
    claim: str, claims: dict[str, Any], found: str
) -> None:
    assert await user(verifier(user_claim=claim), signed(claims)) == found


@pytest.mark.parametrize(
    ("claim", "claims"),
    [
        ("user.id", {"user": "x"}),
        ("user.id", {"user": {"id": {}}}),
        ("user.id", {"user": {"id": 1.5}}),
        ("/user/5", {"user": [1]}),
        ("/user/-1", {"user": [1]}),
        ("user", {"user": {"id": 7}}),
        ("a.b.c.d", {"a": {"b": None}}),
    ],
)
async def test_T7_a_path_to_nothing_names_no_user(claim: str, claims: dict[str, Any]) -> None:
    refused = await refusal(verifier(user_claim=claim), signed(claims))
    assert (refused.code, refused.cause) == ("token_invalid", "user_claim")
    assert claim in refused.detail


def test_T7_a_path_of_many_dots_costs_little() -> None:
    started = time.process_time()
    assert find_claim({"a": {"a": {"a": {}}}}, ".".join("a" * 200)) is None
    assert time.process_time() - started < 1


async def test_T12_several_issuers_count() -> None:
    addresses = ("http://10.0.2.2:8000", "http://192.168.1.5:8000", "https://app.example/")
    by = verifier(jwt_issuer=", ".join(addresses))
    for issuer in addresses:
        assert await user(by, signed({"sub": "u1", "iss": issuer})) == "u1"
    assert (await refusal(by, signed({"sub": "u1", "iss": "http://x"}))).code == "wrong_issuer"
    slash = await refusal(by, signed({"sub": "u1", "iss": "https://app.example"}))
    assert "slash" in slash.detail


# -- T9: times


@pytest.mark.parametrize(
    ("written", "looks"),
    [
        ('"1900000000"', "a text"),
        ('"2030-01-01T00:00:00Z"', "a text"),
        ("1900000000500", "milliseconds"),
        ("1900000000500.0", "milliseconds"),
        ("1900000000500000", "a number that is too large"),
        ("1900000000500.5", "milliseconds"),
        ("-1", "a negative number"),
        ("-1.5e9", "a negative number"),
        ("1e400", "a number that is too large"),
        ("9" * 400, "a number that is too large"),
        ("-1e400", "a number that is too large"),
        ("true", "no number"),
        ("[1900000000]", "no number"),
        ("{}", "no number"),
    ],
)
async def test_T9_an_exp_that_is_no_time_in_seconds_is_told_what_it_looks_like(
    written: str, looks: str
) -> None:
    token = jwt.api_jws.encode(f'{{"sub":"u1","exp":{written}}}'.encode(), SECRET, "HS256")
    refused = await refusal(verifier(), token)
    assert (refused.status, refused.cause) == (401, "exp")
    assert f"exp must be seconds since 1970; it looks like {looks}." in refused.detail


@pytest.mark.parametrize(
    "expires", [1_900_000_000, 1.9e9, 4_102_444_800.118342, 253_402_300_799, 0]
)
def test_T9_seconds_are_a_time_with_a_fraction_too(expires: object) -> None:
    assert exp_looks_like(expires) == ""


async def test_T9_a_float_that_is_past_is_expired() -> None:
    assert (await refusal(verifier(), signed({"sub": "u1", "exp": 1_700_000_000.5}))).status == 401


# -- what a token looks like


@pytest.mark.parametrize(
    ("token", "cause", "words"),
    [
        (SANCTUM, "sanctum", "Laravel Sanctum"),
        ("gho_16C7e42F292c6912E7710c838347Ae178B4a", "opaque", "ROLLCALL_USERINFO_URL"),
        ("eyJhbGciOiJSU0EtT0FFUCJ9.a.b.c.d", "encrypted", "audience"),
        ('"{}"', "quoted", "quotation marks"),
        ("'{}'", "quoted", "quotation marks"),
        ("Bearer {}", "double_bearer", "Bearer"),
        ("bearer {}", "double_bearer", "Bearer"),
        ("rck_" + "x" * 43, "api_key", "API key"),
        ("{}" + "x" * 70_000, "too_long", "characters"),
    ],
)
async def test_a_token_that_is_not_what_was_configured_says_what_it_looks_like(
    token: str, cause: str, words: str
) -> None:
    refused = await refusal(verifier(), token.replace("{}", signed({"sub": "u1"})))
    assert (refused.code, refused.cause) == ("token_invalid", cause)
    assert words in refused.detail


@pytest.mark.parametrize("token", ['"{}"', "Bearer {}", "rck_" + "x" * 43, "a b", "é", ""])
async def test_a_mistake_is_not_shown_to_who_is_asked(token: str) -> None:
    async with running_back_end() as back_end:
        by = verifier(userinfo_url=back_end.url)
        assert (await refusal(by, token.replace("{}", SANCTUM))).status == 401
        assert back_end.requests == 0
        await by.close()


async def test_many_phones_of_both_sources_share_what_is_asked() -> None:
    async with running_back_end() as back_end:
        by = verifier(userinfo_url=back_end.url, previous_jwt_secret=SECRET)
        tokens = [back_end.sign_in(f"{n}|{'x' * 40}", {"id": n}) for n in range(20)]
        tokens += [signed({"sub": str(n)}) for n in range(20)]
        found = await asyncio.gather(*(by.verify(token) for token in tokens * 5))
        assert [identity.user for identity in found] == [str(n) for n in range(20)] * 10
        assert back_end.requests == 20
        await by.close()
