"""Who a Bearer token speaks for."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from hypothesis import given
from hypothesis import strategies as st

from schemas.http.problems import TOKEN_CODES, ProblemError
from schemas.log.events import MAX_NAME, MAX_USER_ID
from schemas.tokens.claims import ClaimRules
from schemas.tokens.identity import (
    LOGOUT_EXPIRY_TOLERANCE_SECONDS,
    MAX_TOKEN_CHARACTERS,
    Identity,
    TokenRefusedError,
    TokenVerifier,
)
from schemas.tokens.jwt import allowed_algorithms
from schemas.tokens.settings import TokenSettings
from schemas.tokens.verifiers import phone_verifier
from schemas.untrusted.nesting import MAX_DEPTH
from tests.rigs.rsa_keys import RSA

SECRET = "a secret of thirty-two bytes, or more"
LEEWAY_SECONDS = 30.0


@dataclass
class Clock:
    """Unix seconds that a test moves. Starts now, because PyJWT has its own clock for nbf."""

    now: float

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock(float(int(time.time())))


def settings(**values: Any) -> TokenSettings:
    if not {"jwt_public_key", "jwks_url"} & values.keys():
        values.setdefault("jwt_secret", SECRET)
    return TokenSettings(**values)


def verifier(clock: Callable[[], float] = time.time, **values: Any) -> TokenVerifier:
    return phone_verifier(settings(**values), clock)


def algorithms(**values: Any) -> tuple[str, ...]:
    return allowed_algorithms(settings(**values).phone_issuer)


def signed(key: Any = SECRET, algorithm: str = "HS256", /, **claims: Any) -> str:
    return jwt.encode({"sub": "u1", **claims}, key, algorithm)


def segment(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


async def refused(
    token: str, by: TokenVerifier | None = None, *, expired_for_seconds: float = 0.0
) -> str:
    with pytest.raises(ProblemError) as caught:
        await (by or verifier()).verify(token, expired_for_seconds=expired_for_seconds)
    assert caught.value.code in TOKEN_CODES
    assert caught.value.status == 401
    return caught.value.code


def pem(private_key: Any) -> str:
    public: bytes = private_key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return public.decode()


P256 = ec.generate_private_key(ec.SECP256R1())
P384 = ec.generate_private_key(ec.SECP384R1())
P521 = ec.generate_private_key(ec.SECP521R1())
ED25519 = ed25519.Ed25519PrivateKey.generate()


async def test_a_token_gives_its_user_name_device_and_scopes() -> None:
    token = signed(name="Zoë", device_id="d1", scope="presence:read other", exp=4e9)
    assert await verifier().verify(token) == Identity(
        user="u1",
        token="sha256:" + segment(hashlib.sha256(token.encode()).digest()[:16]),
        name="Zoë",
        device="d1",
        scopes=frozenset({"presence:read", "other"}),
        accepted_until=4e9 + LEEWAY_SECONDS,
    )


async def test_the_session_claim_is_the_token_identity_and_stands_in_for_the_device() -> None:
    identity = await verifier().verify(signed(sid="s1"))
    assert (identity.token, identity.device) == ("sid:s1", "s1")
    identity = await verifier().verify(signed(sid="s1", device_id="d1"))
    assert (identity.token, identity.device) == ("sid:s1", "d1")


async def test_two_tokens_of_one_user_have_two_identities() -> None:
    by = verifier()
    assert (await by.verify(signed(jti="1"))).token != (await by.verify(signed(jti="2"))).token


@pytest.mark.parametrize(
    ("private_key", "algorithm"), [(RSA, "RS256"), (P256, "ES256"), (ED25519, "EdDSA")]
)
async def test_public_keys_verify_their_own_algorithm(private_key: Any, algorithm: str) -> None:
    by = verifier(jwt_public_key=pem(private_key))
    assert (await by.verify(signed(private_key, algorithm))).user == "u1"
    forged = signed(private_key, algorithm).rsplit(".", 1)[0] + "." + segment(b"x" * 64)
    assert await refused(forged, by) == "bad_signature"


@pytest.mark.parametrize("private_key", [RSA, P256, ED25519])
async def test_a_public_key_is_never_taken_for_a_secret(private_key: Any) -> None:
    """The classic confusion: HS256 with the text of the public key as its secret."""
    public = pem(private_key)
    head = segment(b'{"alg":"HS256","typ":"JWT"}') + "." + segment(b'{"sub":"u1"}')
    # By hand: PyJWT itself refuses a PEM as a secret.
    token = head + "." + segment(hmac.digest(public.encode(), head.encode(), "sha256"))
    assert await refused(token, verifier(jwt_public_key=public)) == "token_invalid"


@pytest.mark.parametrize("alg", ["none", "None", "NONE", "", None, 5, ["HS256"], {}, "HS512", "XX"])
async def test_no_other_algorithm_is_accepted(alg: object) -> None:
    head = segment(json.dumps({"alg": alg, "typ": "JWT"}).encode())
    token = f"{head}.{segment(json.dumps({'sub': 'u1'}).encode())}."
    assert await refused(token) == "token_invalid"


async def test_a_secret_serves_no_hash_that_is_longer_than_itself() -> None:
    with pytest.raises(TokenRefusedError, match="HS512 wants a secret of 64 bytes") as caught:
        await verifier().verify(signed(SECRET * 3, "HS512"))
    assert caught.value.cause == "algorithm"
    assert await refused(signed(RSA, "RS256")) == "token_invalid"


def test_the_key_decides_the_algorithms() -> None:
    assert algorithms() == ("HS256",)
    assert algorithms(jwt_secret="x" * 48) == ("HS256", "HS384")
    assert algorithms(jwt_secret="x" * 64) == ("HS256", "HS384", "HS512")
    rsa_family = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")
    assert algorithms(jwt_public_key=pem(RSA)) == rsa_family
    assert algorithms(jwt_public_key=pem(P256)) == ("ES256",)
    assert algorithms(jwt_public_key=pem(P384)) == ("ES384",)
    one_line = pem(P256).replace("\n", "\\n")
    assert algorithms(jwt_public_key=f'"{one_line}"') == ("ES256",)
    assert algorithms(jwt_public_key=pem(ED25519)) == ("EdDSA",)
    assert algorithms(jwks_url="https://x", jwt_algorithms="ES256, RS256") == (
        "ES256",
        "RS256",
    )
    with pytest.raises(ValueError, match="names RS256, but this kind of key serves HS256"):
        algorithms(jwt_algorithms="RS256")
    with pytest.raises(ValueError, match="names HS256"):
        algorithms(jwks_url="https://x", jwt_algorithms="HS256")


@pytest.mark.parametrize(
    "key",
    [
        "x",
        "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----",
        pem(ec.generate_private_key(ec.SECP256K1())),
    ],
)
def test_a_key_that_serves_nothing_is_refused_at_start(key: str) -> None:
    with pytest.raises(ValueError, match="JWT_PUBLIC_KEY"):
        algorithms(jwt_public_key=key)


async def test_a_wrong_key_is_a_bad_signature() -> None:
    assert await refused(signed("another secret of 32 bytes or more")) == "bad_signature"


async def test_expiry_has_a_leeway(clock: Clock) -> None:
    token = signed(exp=clock.now)
    clock.now += LEEWAY_SECONDS - 1
    assert (await verifier(clock).verify(token)).user == "u1"
    clock.now += 1
    assert await refused(token, verifier(clock)) == "token_expired"


async def test_not_before_has_a_leeway() -> None:
    now = int(time.time())
    assert (await verifier().verify(signed(nbf=now + 20))).user == "u1"
    assert await refused(signed(nbf=now + 60)) == "token_not_yet_valid"


async def test_issued_in_the_future_is_no_reason_to_refuse() -> None:
    assert (await verifier().verify(signed(iat=int(time.time()) + 3600))).user == "u1"


async def test_logout_alone_takes_a_token_for_a_day_after_its_expiry(clock: Clock) -> None:
    by = verifier(clock)
    token = signed(exp=clock.now)
    clock.now += LEEWAY_SECONDS + LOGOUT_EXPIRY_TOLERANCE_SECONDS - 1
    identity = await by.verify(token, expired_for_seconds=LOGOUT_EXPIRY_TOLERANCE_SECONDS)
    assert identity.user == "u1"
    assert await refused(token, by) == "token_expired", "it was not remembered"
    clock.now += 1
    late = await refused(token, by, expired_for_seconds=LOGOUT_EXPIRY_TOLERANCE_SECONDS)
    assert late == "token_expired"


async def test_issuer_and_audience_are_required_where_set() -> None:
    by = verifier(jwt_issuer="https://id.example", jwt_audience="rollcall")
    good = {"iss": "https://id.example", "aud": "rollcall"}
    assert (await by.verify(signed(**good))).user == "u1"
    assert (await by.verify(signed(**{**good, "aud": ["x", "rollcall"]}))).user == "u1"
    assert await refused(signed(**{**good, "iss": "other"}), by) == "wrong_issuer"
    assert await refused(signed(**{**good, "aud": "other"}), by) == "wrong_audience"
    assert await refused(signed(aud="rollcall"), by) == "wrong_issuer"
    assert await refused(signed(iss="https://id.example"), by) == "wrong_audience"


async def test_an_audience_that_nobody_asked_for_is_ignored() -> None:
    assert (await verifier().verify(signed(aud="someone", iss="someone"))).user == "u1"


@pytest.mark.parametrize(
    ("claim", "user"),
    [
        ("u", "u"),
        ("auth0|5f/a@b", "auth0|5f/a@b"),
        ("x" * MAX_USER_ID, "x" * MAX_USER_ID),
        (12, "12"),
        (0, "0"),
        (-7, "-7"),
        (2**63, "9223372036854775808"),
    ],
)
async def test_a_user_is_a_text_or_an_integer(claim: object, user: str) -> None:
    assert (await verifier().verify(signed(sub=claim))).user == user


@pytest.mark.parametrize(
    "claim",
    ["", "x" * (MAX_USER_ID + 1), None, 1.5, True, [], ["u"], {}, "a\x00b", "\ud800", 10**300],
)
async def test_anything_else_is_no_user(claim: object) -> None:
    assert await refused(raw_claims(sub=claim)) == "token_invalid"


async def test_a_token_without_a_user_is_refused() -> None:
    assert await refused(jwt.encode({"name": "x"}, SECRET, "HS256")) == "token_invalid"


async def test_the_user_claim_can_be_another() -> None:
    by = verifier(user_claim="uid", name_claim="nick")
    identity = await by.verify(jwt.encode({"uid": 5, "nick": "N"}, SECRET, "HS256"))
    assert (identity.user, identity.name) == ("5", "N")
    assert await refused(signed(), by) == "token_invalid"


def is_canary(claim: str | None, claims: dict[str, Any]) -> bool:
    rules = ClaimRules(("sub",), None, (), (), "aud", 30.0, canary_claim=claim)
    found = rules.identity("t", {"sub": "u", **claims}).canary
    assert rules.person("t", {"sub": "u", **claims}).canary is found
    return found


@pytest.mark.parametrize("said", [True, 1, "1", "true"])
def test_a_token_may_say_that_it_is_a_canarys(said: object) -> None:
    assert is_canary("https://example.org/canary", {"https://example.org/canary": said})
    assert is_canary("app.canary", {"app": {"canary": said}})
    assert not is_canary(None, {"canary": said})


@pytest.mark.parametrize("said", [False, None, 0, "", "false", "yes", 2, 1.0, [True], {"a": True}])
def test_whatever_else_the_claim_says_is_no_canary(said: object) -> None:
    assert not is_canary("canary", {"canary": said})


@pytest.mark.parametrize(
    ("name", "stored"),
    [
        (" Zoë\n", "Zoë"),
        ("n" * 300, "n" * MAX_NAME),
        ("a\x00\ud800b", "ab"),
        (5, "5"),
        ("  ", None),
        (None, None),
        ({}, None),
        (True, None),
    ],
)
async def test_a_name_only_describes(name: object, stored: str | None) -> None:
    assert (await verifier().verify(raw_claims(name=name))).name == stored


@pytest.mark.parametrize(
    "claims",
    [
        {"scope": "a b"},
        {"scp": "a b"},
        {"scp": ["a", "b"]},
        {"scopes": ["a", "b"]},
        {"permissions": ["a", "b", 5, None]},
        {"scope": "a", "permissions": ["b"]},
    ],
)
async def test_scopes_come_in_four_spellings(claims: dict[str, Any]) -> None:
    assert (await verifier().verify(signed(**claims))).scopes == {"a", "b"}


def raw_claims(**claims: object) -> str:
    """A signed token with claims that PyJWT would not encode."""
    return jwt.api_jws.encode(json.dumps({"sub": "u1", **claims}).encode(), SECRET, "HS256")


@pytest.mark.parametrize(
    "claims",
    [
        {"exp": "soon"},
        {"exp": "1"},
        {"exp": True},
        {"exp": []},
        {"exp": float("nan")},
        {"exp": float("inf")},
        {"exp": 1e300},
        {"nbf": "soon"},
        {"nbf": []},
        {"nbf": {}},
        {"nbf": float("nan")},
        {"nbf": float("inf")},
    ],
)
async def test_instants_that_are_none_are_refused(claims: dict[str, Any]) -> None:
    assert await refused(raw_claims(**claims)) in {"token_invalid", "token_not_yet_valid"}


@pytest.mark.parametrize(
    "token",
    [
        "",
        "null",
        "a.b",
        "a.b.c",
        "..",
        "....",
        "\udcff",
        "é.é.é",
        "x" * 100_000,
        "1.5",
        segment(b"[1]") + ".e30.",
        segment(b'"HS256"') + ".e30.",
        segment(b'{"alg":"HS256","kid":5}') + ".e30.",
        segment(b'{"alg":"HS256","b64":false,"crit":["b64"]}') + ".e30.",
        segment(b'{"alg":"HS256","x":' + b"[" * 4_000 + b"]" * 1_000) + ".e30.",
        segment(b'{"alg":"HS256","x":' + b"[" * 2_800 + b"]" * 2_800 + b"}") + ".e30.",
        segment(b'{"alg":"HS256","x":' + b"9" * 5_000 + b"}") + ".e30.",
        segment(b"\xff\xfe") + ".e30.",
    ],
)
async def test_what_is_no_token_is_refused(token: str) -> None:
    assert await refused(token) in {"token_invalid", "bad_signature"}


@pytest.mark.parametrize("payload", [b"[]", b"x", b"\xff", b'{"sub":' + b"9" * 5000 + b"}"])
async def test_a_payload_that_is_no_object_is_refused(payload: bytes) -> None:
    assert await refused(jwt.api_jws.encode(payload, SECRET, "HS256")) == "token_invalid"


def nested(depth: int) -> bytes:
    """A payload that is one object, and ``depth`` deep in all."""
    expires = int(time.time()) + 3600
    inside = b"[" * (depth - 1) + b"]" * (depth - 1)
    return b'{"sub":"u1","exp":%d,"x":' % expires + inside + b"}"


async def test_how_deep_a_payload_may_nest_is_ours_to_say() -> None:
    accepted = jwt.api_jws.encode(nested(MAX_DEPTH), SECRET, "HS256")
    assert (await verifier().verify(accepted)).user == "u1"
    # Python 3.11 gives up at some thousand levels, later ones at more than a token has.
    for depth in (MAX_DEPTH + 1, 500, 2_500):
        token = jwt.api_jws.encode(nested(depth), SECRET, "HS256")
        with pytest.raises(TokenRefusedError, match="nests deeper than 256") as caught:
            await verifier().verify(token)
        assert caught.value.code == "token_invalid"


async def test_a_token_longer_than_any_header_is_refused_unread() -> None:
    assert await refused(signed(x="y" * MAX_TOKEN_CHARACTERS)) == "token_invalid"


@given(st.text(max_size=60))
async def test_no_text_at_all_is_an_unexpected_error(token: str) -> None:
    assert await refused(token) in TOKEN_CODES


async def test_a_verified_token_is_remembered() -> None:
    by = verifier()
    token = signed()
    assert by.cached(token) is None
    identity = await by.verify(token)
    assert by.cached(token) is identity


async def test_tokens_of_the_same_scopes_hold_one_set() -> None:
    """Two users' sets of equal scopes are 216 bytes each, in a cache of a hundred thousand."""
    checker = verifier()
    for claims in ({}, {"scope": "a b"}):
        one, other = [await checker.verify(signed(**claims, sub=user)) for user in ("u1", "u2")]
        assert one.scopes is other.scopes


async def test_a_remembered_token_is_not_used_past_its_expiry(clock: Clock) -> None:
    by = verifier(clock)
    token = signed(exp=clock.now + 60)
    await by.verify(token)
    clock.now += 60 + LEEWAY_SECONDS - 0.001
    assert by.cached(token) is not None
    clock.now += 0.001
    assert by.cached(token) is None
    assert await refused(token, by) == "token_expired"


async def test_the_least_recently_used_token_is_forgotten_first() -> None:
    by = verifier(token_cache_size=2)
    first, second, third = (signed(jti=str(number)) for number in range(3))
    await by.verify(first)
    await by.verify(second)
    by.cached(first)
    await by.verify(third)
    assert [by.cached(token) is not None for token in (first, second, third)] == [True, False, True]


async def test_refusals_are_not_remembered() -> None:
    by = verifier()
    token = signed("another secret of 32 bytes or more")
    await refused(token, by)
    assert by.cached(token) is None


def test_a_refusal_says_how_to_authenticate() -> None:
    expired = ProblemError("token_expired", "…").all_headers()["WWW-Authenticate"]
    assert expired.startswith('Bearer realm="rollcall", error="invalid_token"')
    missing = ProblemError("token_missing", "…").all_headers()["WWW-Authenticate"]
    assert missing == 'Bearer realm="rollcall"'
