"""Tokens that can be verified at once: what that costs those that fail."""

from __future__ import annotations

from typing import Any

import jwt
import pytest
from prometheus_client import CollectorRegistry

from ingest.auth import Authentication
from ingest.metrics import IngestMetrics
from ingest.token_watch import TokenWatch
from schemas.http.client_address import TrustedProxies
from schemas.http.problems import ProblemError
from schemas.http.token_bucket import BucketPolicy
from schemas.tokens.jwt import JwtVerifier
from schemas.tokens.jwt_keys import FixedKey
from schemas.tokens.settings import TokenSettings

SECRET = "a secret of thirty-two bytes, or more"
BAD = "Bearer " + jwt.encode({"sub": "u1"}, "another secret of thirty-two bytes", "HS256")
GOOD = "Bearer " + jwt.encode({"sub": "u1"}, SECRET, "HS256")


class CountedKey(FixedKey):
    asked = 0

    async def keys_for(self, key_id: object, algorithm: str) -> list[Any]:
        self.asked += 1
        return await super().keys_for(key_id, algorithm)


@pytest.fixture
def key() -> CountedKey:
    return CountedKey(SECRET.encode())


@pytest.fixture
def door(key: CountedKey) -> Authentication:
    metrics = IngestMetrics(CollectorRegistry())
    verifier = JwtVerifier(TokenSettings(jwt_secret=SECRET).phone_issuer, key)
    failures = BucketPolicy(1.0, 10)
    return Authentication(
        verifier, failures, TrustedProxies([]), metrics, TokenWatch(metrics, list)
    )


def client() -> str:
    return "192.0.2.1"


async def refused(door: Authentication, **options: float) -> str:
    with pytest.raises(ProblemError) as caught:
        await door.of_token(BAD.removeprefix("Bearer "), client, **options)
    return caught.value.code


async def test_a_token_that_fails_at_once_is_not_verified_again(
    door: Authentication, key: CountedKey
) -> None:
    assert door.at_once(BAD) is None
    assert await refused(door) == "bad_signature"
    assert key.asked == 1
    # And now it is remembered, in either lane.
    assert door.at_once(BAD) is None
    assert await refused(door) == "bad_signature"
    assert key.asked == 1


async def test_another_token_gets_an_answer_of_its_own(
    door: Authentication, key: CountedKey
) -> None:
    assert door.at_once(BAD) is None
    good = await door.of_token(GOOD.removeprefix("Bearer "), client)
    assert good.user == "u1"
    assert await refused(door) == "bad_signature"
    assert key.asked == 3


async def test_what_a_logout_may_still_use_is_verified_by_its_own_rule(
    door: Authentication, key: CountedKey
) -> None:
    assert door.at_once(BAD) is None
    assert await refused(door, expired_for_seconds=60.0) == "bad_signature"
    assert key.asked == 2


@pytest.mark.parametrize("authorization", [None, "", "Basic x", "Bearer "])
def test_no_token_is_nobody(door: Authentication, authorization: str | None) -> None:
    assert door.at_once(authorization) is None


def test_a_token_that_counts_is_known_from_now_on(door: Authentication, key: CountedKey) -> None:
    assert door.cached(GOOD) is None
    identity = door.at_once(GOOD)
    assert identity is not None
    assert door.cached(GOOD) is identity
    assert key.asked == 1
