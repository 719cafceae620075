"""Input that strangers might send, and what must hold whatever they do.

The same input on every run, so that a red build is red for its change; ``ROLLCALL_TEST_EXAMPLES``
draws that many others of each kind to hunt with.
"""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import os
from dataclasses import dataclass, field
from typing import Any, Final

import jwt
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from schemas.http.problems import CODES, PROBLEM_JSON
from tests.rigs.harness import SECRET, Answer, Ingest, token, wait_until
from tests.rigs.tasks import our_tasks

_HUNTED = int(os.environ.get("ROLLCALL_TEST_EXAMPLES") or 0)


def examples(count: int) -> settings:
    """``count`` examples of a test that shares one ingest with all of them."""
    return settings(
        max_examples=_HUNTED or count,
        derandomize=not _HUNTED,
        deadline=None,
        print_blob=True,
        database=None,
        suppress_health_check=[
            HealthCheck.too_slow,
            HealthCheck.data_too_large,
            HealthCheck.function_scoped_fixture,
        ],
    )


# -- what must hold


class Complaints(logging.Handler):
    """What is logged at ERROR, by anybody, and anything that carries a traceback."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if record.levelno >= logging.ERROR or record.exc_info:
            self.texts.append(logging.Formatter().format(record))


@dataclass
class Watch:
    """An ingest at rest. ``until_at_rest`` waits for it to be so again."""

    ingest: Ingest
    complaints: Complaints
    tasks_at_rest: int = field(default_factory=lambda: our_tasks())

    async def until_at_rest(self) -> None:
        """No socket, no byte in a buffer and no task is left, and nothing was complained of."""
        await wait_until(self._at_rest)
        texts, self.complaints.texts = self.complaints.texts, []
        assert not texts, "\n".join(texts)

    async def until_everything_is_collected(self) -> None:
        """As ``until_at_rest``, with the complaints that asyncio makes about lost exceptions."""
        gc.collect()
        await asyncio.sleep(0)
        await self.until_at_rest()

    def _at_rest(self) -> bool:
        metric = self.ingest.metric
        return (
            metric("rollcall_ingest_sockets_open") == 0
            and metric("rollcall_ingest_buffer_bytes") == 0
            and our_tasks() <= self.tasks_at_rest
        )


def assert_ours(answer: Answer) -> None:
    """An answer of the closed tables, and no fault of ours."""
    assert answer.status < 500, answer
    assert "x-request-id" in answer.headers, answer
    if answer.status == 200:
        assert answer.body == b'{"success": true}'
    elif answer.status == 204:
        assert answer.body == b""
    else:
        problem = answer.json
        assert answer.headers["content-type"] == PROBLEM_JSON, answer
        assert CODES[problem["code"]] == (answer.status, problem["title"]), answer
        assert problem["status"] == answer.status
        assert problem["request_id"] == answer.headers["x-request-id"]
        assert problem["detail"], answer
        for error in problem["errors"]:
            assert error["field"], answer
            assert error["message"], answer


# -- JSON

TEXTS: Final = st.one_of(
    st.text(max_size=20),
    st.sampled_from(["", " ", "Home", "Unknown", "background", "\x00", "\ud800", "\udfff\ud800"]),
    st.builds(
        lambda text, times: text * times,
        st.sampled_from("aé\x00😀"),
        st.sampled_from([65, 129, 257]),
    ),
)
NUMBERS: Final = st.one_of(
    st.integers(),
    st.sampled_from([0, -1, 2**31, 2**53, 2**63, 2**64, -(2**63) - 1, 10**40]),
    st.floats(),
)
SCALARS: Final = st.one_of(st.none(), st.booleans(), NUMBERS, TEXTS)
ANYTHING: Final = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=8,
)
_APP_STATES = ("foreground", "PAUSED", "background", "asleep")
_INSTANTS = ("2026-01-01T00:00:00Z", "2026-01-01", "0001-01-01T00:00:00+23:59", 1e300, -1, "now")
#: What a phone might send, and what it should not.
FIELDS: Final[dict[str, st.SearchStrategy[Any]]] = {
    "screen": SCALARS,
    "app_state": st.sampled_from(_APP_STATES) | ANYTHING,
    "app_version": ANYTHING,
    "device_info": SCALARS,
    "device_id": TEXTS | ANYTHING,
    "platform": ANYTHING,
    "sent_at": st.sampled_from(_INSTANTS) | ANYTHING,
    "unheard_of": ANYTHING,
}
BODIES: Final = st.fixed_dictionaries({}, optional=FIELDS)


def json_text(value: Any) -> str:
    """JSON as Python writes it: ``NaN`` and ``Infinity`` included, lone surrogates escaped."""
    return json.dumps(value)


@st.composite
def mangled(draw: st.DrawFn, whole: bytes, pieces: tuple[bytes, ...]) -> bytes:
    """``whole`` with a few cuts and insertions."""
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(whole)))
        end = min(len(whole), start + draw(st.sampled_from([0, 0, 1, 2, 10, 1000])))
        piece = draw(st.sampled_from(pieces) | st.binary(max_size=8))
        whole = whole[:start] + piece + whole[end:]
    return whole


# -- tokens


def _signed(claims: dict[str, Any]) -> str:
    # PyJWT checks what it signs; whoever else has the key may not.
    return jwt.api_jws.PyJWS().encode(json_text(claims).encode(), SECRET, "HS256")


CLAIMS: Final = st.fixed_dictionaries(
    {},
    optional={
        "sub": st.sampled_from(["u1", "\ud800", "a\x00b", "x" * 255, "", 7, 10**400]) | ANYTHING,
        "exp": st.just(2**33) | NUMBERS | ANYTHING,
        "nbf": NUMBERS | ANYTHING,
        "iat": ANYTHING,
        "aud": ANYTHING,
        "sid": TEXTS | ANYTHING,
        "device_id": TEXTS | ANYTHING,
        "name": TEXTS | ANYTHING,
        "scope": ANYTHING,
        "scp": ANYTHING,
    },
)
#: Tokens that are signed with the key, whatever they claim; mostly a good one.
GOOD_TOKEN: Final = token("fuzz")
SIGNED: Final = st.one_of(st.just(GOOD_TOKEN), CLAIMS.map(_signed))
