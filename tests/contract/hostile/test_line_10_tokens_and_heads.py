"""Issue 15, line 10: what tokens, key sets and heads of requests may not do."""

from __future__ import annotations

import json
import time
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from pydantic import ValidationError
from websockets.frames import Frame, Opcode

from api.settings import ApiSettings
from ingest.settings import IngestSettings
from schemas.log.settings import KafkaSettings
from schemas.tokens.identity import TokenRefusedError
from schemas.tokens.jwk_set import NoKeysError, read_key_set
from schemas.tokens.verifiers import phone_verifier, staff_verifier
from tests.contract.raw_socket import RawSocket
from tests.rigs.harness import (
    SECRET,
    Ingest,
    client_events,
    ingest_settings,
    running_ingest,
    token,
    wait_until,
)


def jwk(bits: int, **members: Any) -> dict[str, Any]:
    key = rsa.generate_private_key(public_exponent=65537, key_size=bits).public_key()
    return {**json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(key)), **members}


@pytest.mark.parametrize("weak", [jwk(1024), jwk(2048, use="enc")])
def test_line_10_weak_and_encryption_keys_verify_nothing(weak: dict[str, Any]) -> None:
    with pytest.raises(NoKeysError):
        read_key_set(json.dumps({"keys": [weak]}).encode())
    assert len(read_key_set(json.dumps({"keys": [weak, jwk(2048, use="sig")]}).encode())) == 1


@pytest.mark.parametrize("spelling", ["{}=", "{}==", "{}!", "{}~~"])
async def test_line_10_a_token_has_one_identity_however_it_is_spelled(
    ingest: Ingest, kafka_settings: KafkaSettings, spelling: str
) -> None:
    plain = token("u1")
    for bearer in (plain, spelling.format(plain)):
        assert (await ingest.heartbeat(authorization=f"Bearer {bearer}")).status in (200, 401)
    assert len({event.token for event in await client_events(kafka_settings)}) == 1


@pytest.mark.parametrize(
    "source",
    [
        {"jwks_url": "http://keys.example.com/jwks"},
        {"userinfo_url": "http://app.example.com/api/user"},
        {"jwt_secret": SECRET, "previous_jwks_url": "http://keys.example.com/jwks"},
    ],
)
def test_line_10_nobody_is_asked_in_the_clear(source: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="ROLLCALL_PLAIN_HTTP_HOSTS"):
        IngestSettings(**source)
    named: dict[str, Any] = {
        key: value.replace("http://", "https://") for key, value in source.items()
    }
    assert IngestSettings(**named)
    assert IngestSettings(**source, plain_http_hosts="other,.example.com")
    assert IngestSettings(jwks_url="http://127.0.0.1:9/jwks")


async def test_line_10_a_token_lives_no_longer_than_it_may() -> None:
    by = phone_verifier(IngestSettings(jwt_secret=SECRET, token_max_age_seconds=600))
    now = int(time.time())
    young, old = token("u1", iat=now - 60, exp=now + 10**8), token("u1", iat=now - 700)
    identity = await by.verify(young)
    assert identity.accepted_until == now - 60 + 600 + 30
    for refused, code in ((old, "token_expired"), (token("u1"), "token_invalid")):
        with pytest.raises(TokenRefusedError) as raised:
            await by.verify(refused)
        assert raised.value.code == code


async def test_line_10_staff_needs_an_exp() -> None:
    staff_secret = "the secret of staff, of 32 bytes and more"
    settings = ApiSettings(jwt_secret=SECRET, staff_jwt_secret=staff_secret)
    by = staff_verifier(settings)
    assert by is not None
    with pytest.raises(TokenRefusedError) as raised:
        await by.verify(jwt.encode({"sub": "ada"}, staff_secret, "HS256"))
    assert raised.value.code == "token_invalid"


async def test_line_10_answers_name_no_version_and_are_not_guessed_at(ingest: Ingest) -> None:
    answers = [
        await ingest.heartbeat(),
        await ingest.call("/nothing"),
        await ingest.send(b"nonsense\r\n\r\n"),
    ]
    for answer in answers:
        assert answer.headers["server"] == "Rollcall"
        assert answer.headers["x-content-type-options"] == "nosniff"


async def test_line_10_a_transfer_coding_of_http_1_0_is_refused(
    kafka_settings: KafkaSettings,
) -> None:
    async with running_ingest(ingest_settings(kafka_settings)) as ingest:
        await ingest.until_ready()
        head = "POST /api/update-online-status HTTP/1.0\r\nhost: x\r\n"
        head += f"authorization: Bearer {token()}\r\n"
        answer = await ingest.send(f"{head}transfer-encoding: chunked\r\n\r\n0\r\n\r\n".encode())
        assert answer.status == 400
        assert "HTTP/1.0 has no Transfer-Encoding" in answer.json["detail"]
    assert await client_events(kafka_settings) == []


@pytest.mark.parametrize("size", [0, 30, 300])
@pytest.mark.parametrize("opcode", [Opcode.TEXT, Opcode.PING])
async def test_line_10_an_unmasked_frame_ends_a_socket_with_1002(
    kafka_settings: KafkaSettings, size: int, opcode: Opcode
) -> None:
    """Nothing of it is read, and what came before it counts."""
    if opcode is Opcode.PING:
        size = min(size, 125)
    async with running_ingest(ingest_settings(kafka_settings)) as ingest:
        await ingest.until_ready()
        raw = await RawSocket.open(ingest)
        raw.send(b'{"screen": "Masked"}')
        raw.write(Frame(opcode, b'{"screen": "Bare"}'.ljust(size)).serialize(mask=False))
        raw.send(b'{"screen": "After"}')
        assert await raw.close_code() == 1002
        raw.end()
        closes = "rollcall_ingest_socket_closes_total"
        await wait_until(lambda: ingest.metric(closes, code="1002") == 1)
    shown = [getattr(event, "screen", None) for event in await client_events(kafka_settings)]
    assert "Masked" in shown
    assert not {"Bare", "After"} & set(shown)


async def test_line_10_a_frame_that_comes_with_the_handshake_must_be_masked_too(
    ingest: Ingest,
) -> None:
    """Its bytes are there before the socket is."""
    bare = Frame(Opcode.TEXT, b'{"screen": "Bare"}').serialize(mask=False)
    raw = await RawSocket.open(ingest, early=bare)
    assert await raw.close_code() == 1002
    raw.end()
