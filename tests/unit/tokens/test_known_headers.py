"""A token whose header was read before is answered as one whose header was not."""

from __future__ import annotations

import base64
import itertools
import json
import time

import jwt
import pytest

from schemas.tokens.claims import ClaimRules
from schemas.tokens.identity import Identity, TokenRefusedError
from schemas.tokens.jwt import JwtIssuer, JwtVerifier, key_source
from schemas.untrusted.nesting import MAX_DEPTH

SECRET = "a secret of thirty-two bytes, or more"
RULES = ClaimRules(("sub",), "name", (), (), "aud", leeway_seconds=30.0)


def verifier(secret: str = SECRET) -> JwtVerifier:
    issuer = JwtIssuer("ROLLCALL_", secret, None, None, 300.0, 30.0, (), RULES, cache_size=10)
    return JwtVerifier(issuer, key_source(issuer))


def part(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


def answer(asked: JwtVerifier, token: str) -> Identity | tuple[str, str, str]:
    try:
        identity = asked.at_once(token)
    except TokenRefusedError as refused:
        return refused.code, refused.detail, refused.cause
    assert identity is not None
    return identity


def signed(payload: bytes) -> str:
    """With the usual header, whatever the payload."""
    return jwt.PyJWS().encode(payload, SECRET, "HS256")


GOOD = jwt.encode({"sub": "u1"}, SECRET, "HS256")
HEAD, BODY, SIGNATURE = GOOD.split(".")
NESTED = b'{"sub": "u1", "x": ' + b"[" * (MAX_DEPTH + 1) + b"]" * (MAX_DEPTH + 1) + b"}"
TOKENS = {
    "another user": jwt.encode({"sub": "u2", "name": "Ada"}, SECRET, "HS256"),
    "expired": jwt.encode({"sub": "u1", "exp": int(time.time()) - 60}, SECRET, "HS256"),
    "not yet": jwt.encode({"sub": "u1", "nbf": int(time.time()) + 600}, SECRET, "HS256"),
    "an nbf that is none": signed(b'{"sub": "u1", "nbf": "soon"}'),
    "another key": jwt.encode({"sub": "u1"}, SECRET[::-1], "HS256"),
    "another header": jwt.encode({"sub": "u1"}, SECRET, "HS256", headers={"kid": "k"}),
    "no JSON": signed(b"u1"),
    "no object": signed(b"[1]"),
    "no UTF-8": signed(b'{"sub": "\xff"}'),
    "nested too deeply": signed(NESTED),
    "no payload": f"{HEAD}..{SIGNATURE}",
    "odd payload": f"{HEAD}.{BODY}!.{SIGNATURE}",
    "odd last bits": f"{HEAD}.{BODY[:-1]}{chr(ord(BODY[-1]) + 1)}.{SIGNATURE}",
    "no signature": f"{HEAD}.{BODY}.",
    "odd signature": f"{HEAD}.{BODY}.!{SIGNATURE}",
    "two parts": f"{HEAD}.{BODY}",
    "four parts": f"{GOOD}.{SIGNATURE}",
    "header alone": HEAD,
    "padded": f"{HEAD}.{BODY}.{SIGNATURE}=",
    "none": f"{part(b'{}')}.{BODY}.{SIGNATURE}",
}


@pytest.mark.parametrize("token", TOKENS.values(), ids=TOKENS.keys())
def test_it_gets_the_answer_of_one_whose_header_is_new(token: str) -> None:
    knows_the_header = verifier()
    assert knows_the_header.at_once(GOOD)
    assert answer(knows_the_header, token) == answer(verifier(), token)


def test_a_header_is_known_once_a_token_with_it_counted() -> None:
    asked = verifier()
    answer(asked, TOKENS["another key"])
    answer(asked, TOKENS["no object"])
    assert asked.known_headers == 0
    asked.at_once(GOOD)
    asked.at_once(TOKENS["another user"])
    assert asked.known_headers == 1


def test_only_so_many_headers_are_kept() -> None:
    asked = verifier()
    for number in range(200):
        asked.at_once(jwt.encode({"sub": "u1"}, SECRET, "HS256", headers={"kid": str(number)}))
    assert asked.known_headers == 64


@pytest.mark.parametrize("algorithm", ["HS256", "HS384", "HS512"])
def test_secrets_that_take_turns_keep_apart(algorithm: str) -> None:
    """The check of a secret is remembered for all verifiers of the process."""
    secrets = [f"{number} {SECRET * 2}" for number in range(40)]
    for mine, others in itertools.pairwise(secrets):
        token = jwt.encode({"sub": "u1"}, mine, algorithm)
        assert isinstance(answer(verifier(mine), token), Identity)
        assert answer(verifier(others), token)[0] == "bad_signature"  # type: ignore[index]


def test_what_is_a_public_key_is_still_no_secret() -> None:
    """PyJWT's own check, which is made once for each secret now."""
    for secret in (json.dumps({"kty": "oct", "k": "x" * 64}), json.dumps([{"kty": "RSA"}] * 9)):
        for _ in range(2):
            with pytest.raises(jwt.InvalidKeyError):
                jwt.decode(GOOD, secret.encode(), algorithms=["HS256"])
