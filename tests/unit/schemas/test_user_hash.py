"""Users who opted out are known by a keyed hash, and by nothing else (promise 8)."""

from __future__ import annotations

import pytest
from prometheus_client import CollectorRegistry

from ingest.log.not_taken import NotTakenError
from ingest.log.opt_outs import MAX_RECENT, OptOuts
from ingest.metrics import IngestMetrics
from ingest.settings import IngestSettings
from schemas.log.privacy_flags import (
    CLAIM_KEY,
    Claim,
    Flag,
    Writer,
    encode_claim,
    encode_flag,
    flag_key,
    user_of_key,
)
from schemas.service.settings import PrivacySettings
from schemas.service.user_hash import UserHash, UserHashKeyError, check_fingerprint

KEY = "a key of the tests, of 32 characters and more"
HASHED = UserHash(KEY)


def test_a_users_hash_never_changes_and_is_of_the_key() -> None:
    """Part of what is stored: with another hash nobody who opted out would be known any more."""
    assert HASHED("ada").hex() == "5ec77296930169ea3a59c990a2162c3a"
    assert HASHED.fingerprint == "24cdff8c0d29f96b"
    assert UserHash(KEY + "!")("ada") != HASHED("ada") != HASHED("bob")


def test_another_key_is_refused_with_what_to_do() -> None:
    check_fingerprint(HASHED, HASHED.fingerprint, "the database")
    with pytest.raises(UserHashKeyError, match="never rotated"):
        check_fingerprint(UserHash(KEY + "!"), HASHED.fingerprint, "the database")
    with pytest.raises(UserHashKeyError, match="has none: set ROLLCALL_USER_HASH_KEY"):
        check_fingerprint(None, HASHED.fingerprint, "the database")


def test_a_key_that_could_be_guessed_is_refused() -> None:
    with pytest.raises(ValueError, match="32 characters"):
        PrivacySettings.model_validate({"user_hash_key": "short"})


async def nothing() -> None:
    """Nobody's sockets are to be closed."""


def opt_outs(key: str = KEY) -> OptOuts:
    settings = IngestSettings.model_validate({"jwt_secret": "x" * 40, "user_hash_key": key})
    return OptOuts(settings, nothing, IngestMetrics(CollectorRegistry()))


def said(of: OptOuts, user: str, opted_out: bool, offset: int, writer: Writer) -> bool:
    flag = Flag(opted_out, 0, offset, HASHED.fingerprint)
    return of.take(flag_key(HASHED(user), writer), encode_flag(flag))


def loaded(of: OptOuts) -> OptOuts:
    of._load_is_done()
    return of


def test_of_two_flags_that_of_the_later_event_holds_in_whatever_order_they_come() -> None:
    flags: list[tuple[bool, int, Writer]] = [
        (True, 10, "api"),
        (True, 10, "log"),
        (False, 11, "log"),
    ]
    for order in ([0, 1, 2], [2, 1, 0], [1, 2, 0]):
        found = loaded(opt_outs())
        for number in order:
            said(found, "ada", *flags[number])
        assert not found.covers("ada"), order
        assert said(found, "ada", True, 12, "api")
        assert found.covers("ada")
        assert not found.covers("bob")


def test_nobody_is_let_in_before_it_is_known_who_has_opted_out() -> None:
    with pytest.raises(NotTakenError) as caught:
        opt_outs().covers("ada")
    assert caught.value.cause == "opt_outs_unknown"
    assert opt_outs().not_ready is not None
    assert loaded(opt_outs()).not_ready is None


def test_flags_of_another_key_are_refused() -> None:
    flag = Flag(True, 0, 1, UserHash(KEY + "!").fingerprint)
    with pytest.raises(UserHashKeyError):
        opt_outs().take(flag_key(HASHED("ada"), "log"), encode_flag(flag))


@pytest.mark.parametrize("key", ["", KEY + "!"])
def test_an_ingest_that_lacks_the_key_is_not_ready_and_takes_heartbeats_until_somebody_opts_out(
    key: str,
) -> None:
    found = opt_outs(key)
    assert not found.take(CLAIM_KEY, encode_claim(Claim(HASHED.fingerprint)))
    told = loaded(found).not_ready
    assert told is not None
    assert "set ROLLCALL_USER_HASH_KEY to the deployment's" in told
    assert not found.covers("ada")
    with pytest.raises(UserHashKeyError):
        said(found, "ada", True, 1, "api")


def test_one_that_is_at_work_stays_ready_while_the_deployment_gets_a_key(
    caplog: pytest.LogCaptureFixture,
) -> None:
    found = loaded(opt_outs(""))
    assert not found.take(CLAIM_KEY, encode_claim(Claim(HASHED.fingerprint)))
    assert found.not_ready is None
    assert "set ROLLCALL_USER_HASH_KEY to the deployment's" in caplog.text


def test_one_with_the_deployments_key_is_ready_and_so_is_one_of_a_deployment_without() -> None:
    found = opt_outs()
    assert not found.take(CLAIM_KEY, encode_claim(Claim(HASHED.fingerprint)))
    assert loaded(found).not_ready is None
    assert loaded(opt_outs("")).not_ready is None


def test_services_of_before_pass_the_record_of_the_key_over() -> None:
    assert user_of_key(CLAIM_KEY) is None


def test_what_is_remembered_of_flags_is_bounded_and_who_opted_out_is_not_forgotten() -> None:
    found = loaded(opt_outs())
    for number in range(MAX_RECENT + 500):
        said(found, f"u{number}", True, number, "log")
    found._forget_old_flags()
    assert len(found._offsets) == MAX_RECENT
    assert found.covers("u0")


def test_foreign_records_of_the_topic_are_passed_over() -> None:
    found = opt_outs()
    assert not found.take(None, b"{}")
    assert not found.take(b"short", b"{}")
    assert not found.take(flag_key(HASHED("ada"), "log"), None)
    assert not found.take(flag_key(HASHED("ada"), "log"), b"no flag")
    assert not found.take(CLAIM_KEY, b"no claim")
    assert not found.take(CLAIM_KEY, None)
