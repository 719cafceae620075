"""How long a logout is remembered (promise 5)."""

from __future__ import annotations

from processor.core.model import SignOut, User
from processor.core.outcome import FENCED
from processor.core.sign_outs import apply_logout, without_dead_sign_outs
from tests.unit.processor.presence_story import POLICY, logout


def sign_out(token: str, *, fence_until_ms: int, expires_ms: int | None) -> SignOut:
    return SignOut(token, fence_until_ms, expires_ms, (token,), ("phone",), ())


def test_a_logout_is_forgotten_once_its_fence_and_its_token_are_over() -> None:
    fenced = sign_out("fenced", fence_until_ms=101, expires_ms=50)
    lives = sign_out("lives", fence_until_ms=50, expires_ms=101)
    endless = sign_out("endless", fence_until_ms=50, expires_ms=None)
    over = sign_out("over", fence_until_ms=100, expires_ms=100)
    user = User("ann", "offline", "logged_out", 0, sign_outs=(fenced, over, lives, endless))
    assert without_dead_sign_outs(user, 99).sign_outs == user.sign_outs
    assert without_dead_sign_outs(user, 100).sign_outs == (fenced, lives, endless)


def test_somebody_of_whom_a_logout_is_the_first_news_is_offline_by_it_since_then() -> None:
    outcome = apply_logout(None, logout(), 7, POLICY)
    user = outcome.user
    assert user is not None
    assert (user.user_id, user.state, user.reason, user.changed_ms) == (
        "ann",
        "offline",
        "logged_out",
        7,
    )
    assert outcome.changes == ()


def test_a_repeat_within_the_fence_that_signs_nobody_out_changes_nothing_and_says_so() -> None:
    first = apply_logout(None, logout(), 7, POLICY)
    repeat = apply_logout(first.user, logout(), 8, POLICY)
    assert repeat.verdict == FENCED
    assert repeat.user is first.user
