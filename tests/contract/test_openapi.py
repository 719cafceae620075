"""Ingest answers the phones' two calls as the OpenAPI document says."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING, Any

import pytest
import requests
from anyio.from_thread import start_blocking_portal

from ingest.http.calls import HEARTBEAT_PATH, LOGOUT_PATH
from ingest.socket.sockets import SOCKET_PATH
from tests.conftest import fresh_topics
from tests.rigs.harness import Ingest, ingest_settings, running_ingest, token

if TYPE_CHECKING:
    from schemathesis import Case
    from schemathesis.schemas import BaseSchema

# schemathesis does it itself; Hypothesis has seeded the module.
pytestmark = pytest.mark.filterwarnings("ignore:Do not use the `random` module")

PHONE = token("fuzz", exp=2**33)
CALLS = [f"POST {HEARTBEAT_PATH}", f"POST {LOGOUT_PATH}"]
HANDSHAKE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}


@cache
def everything() -> BaseSchema:
    from tests.openapi_harness import described

    return described(15, auth={"phoneToken": PHONE})


def hold(answer: requests.Response, path: str, method: str) -> None:
    from tests import openapi_harness

    openapi_harness.hold(answer, everything(), path, method)


@pytest.fixture(scope="module")
def ingest(kafka_bootstrap: str) -> Iterator[Ingest]:
    patient = ingest_settings(
        fresh_topics(kafka_bootstrap),
        user_events_burst=10**9,
        auth_failures_burst=10**9,
        cors_origins="https://app.example.com",
    )
    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(running_ingest(patient)) as running,
    ):
        portal.call(running.until_ready)
        yield running


def origin(ingest: Ingest) -> str:
    return f"http://127.0.0.1:{ingest.port}"


@pytest.fixture(scope="module")
def session() -> Iterator[requests.Session]:
    """Keeps its connection open, and does not read the environment for proxies at every call."""
    with requests.Session() as opened:
        opened.trust_env = False
        yield opened


def checked(
    operation: str, ingest: Ingest, session: requests.Session, examples: int | None = None
) -> None:
    from schemathesis.specs.openapi.checks import negative_data_rejection

    from tests.openapi_harness import good_data_is_refused_for_a_reason_only, hunt

    def check(case: Case[Any]) -> None:
        case.call_and_validate(
            base_url=origin(ingest),
            session=session,
            additional_checks=[good_data_is_refused_for_a_reason_only],
            # Whatever the body is, a valid token is a sign of life.
            excluded_checks=[negative_data_rejection],
        )

    hunt(everything(), operation, check, examples=examples)


@pytest.mark.parametrize("operation", CALLS)
def test_an_answer_is_one_of_those_described(
    operation: str, ingest: Ingest, session: requests.Session
) -> None:
    checked(operation, ingest, session)


@pytest.mark.parametrize("operation", CALLS)
@pytest.mark.long
def test_an_answer_is_one_of_those_described_after_a_long_hunt(
    operation: str, ingest: Ingest, session: requests.Session
) -> None:
    checked(operation, ingest, session, examples=1_000)


@pytest.mark.parametrize("path", [HEARTBEAT_PATH, LOGOUT_PATH])
@pytest.mark.parametrize(
    ("authorization", "code"),
    [
        (None, "token_missing"),
        ("Bearer nonsense", "token_invalid"),
        (f"Bearer {PHONE[:-8]}AAAAAAAA", "bad_signature"),
        (f"Bearer {token(exp=1)}", "token_expired"),
    ],
)
def test_a_token_is_refused_as_described(
    ingest: Ingest, path: str, authorization: str | None, code: str
) -> None:
    headers = {} if authorization is None else {"Authorization": authorization}
    answer = requests.post(origin(ingest) + path, headers=headers, timeout=60)
    hold(answer, path, "post")
    assert (answer.status_code, answer.json()["code"]) == (401, code)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 400),
        (HANDSHAKE | {"Authorization": "Bearer nonsense"}, 401),
        (HANDSHAKE | {"Origin": "https://elsewhere.example"}, 403),
    ],
)
def test_a_handshake_is_refused_as_described(
    ingest: Ingest, headers: dict[str, str], status: int
) -> None:
    answer = requests.get(origin(ingest) + SOCKET_PATH, headers=headers, timeout=60)
    hold(answer, SOCKET_PATH, "get")
    assert answer.status_code == status


def test_the_described_handshake_opens_a_socket(ingest: Ingest) -> None:
    told = everything()[SOCKET_PATH]["get"].definition.raw
    headers = {each["name"]: each["example"] for each in told["parameters"]}
    assert headers == HANDSHAKE
    answer = requests.get(origin(ingest) + SOCKET_PATH, headers=headers, stream=True, timeout=60)
    with answer:
        assert answer.status_code == 101
        required = {name for name, of in told["responses"]["101"]["headers"].items()}
        assert required <= answer.headers.keys()
