"""What a phone says reaches the log whole."""

from __future__ import annotations

import pytest

from ingest.body.phone_events import heartbeat_event, logout_event
from ingest.body.validate import Sent
from schemas.log.events import Heartbeat, Logout
from schemas.tokens.identity import Identity

ADA = Identity(
    user="ada",
    token="t1",
    name="Ada",
    device="phone of the token",
    scopes=frozenset(),
    accepted_until=1_795_489_200.25,
    canary=True,
)


def test_a_heartbeat_says_all_that_the_token_and_the_body_say() -> None:
    sent = Sent(
        screen="Home",
        app_state="resumed",
        app_version="1.2.3",
        device_info="Pixel 8",
        device_id="phone of the body",
        platform="android",
    )
    assert heartbeat_event(ADA, sent) == Heartbeat(
        user="ada",
        token="t1",
        name="Ada",
        device_id="phone of the body",
        claimed_device="phone of the token",
        device_info="Pixel 8",
        platform="android",
        app_version="1.2.3",
        screen="Home",
        app_state="resumed",
        canary=True,
    )


@pytest.mark.parametrize(
    ("accepted_until", "token_expires_ms"), [(1_795_489_200.25, 1_795_489_200_250), (None, None)]
)
def test_a_logout_says_whose_it_is_and_how_long_its_token_is_taken(
    accepted_until: float | None, token_expires_ms: int | None
) -> None:
    ada = Identity("ada", "t1", "Ada", None, frozenset(), accepted_until, canary=True)
    assert logout_event(ada, "phone", "phone of the token", "c1") == Logout(
        user="ada",
        token="t1",
        device_id="phone",
        claimed_device="phone of the token",
        token_expires_ms=token_expires_ms,
        connection="c1",
        canary=True,
    )
