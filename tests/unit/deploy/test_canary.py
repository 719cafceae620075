"""Canaries: what they do, whose tokens they have, and how what is shown of them is judged."""

from __future__ import annotations

import os
from itertools import islice
from pathlib import Path

import jwt
import pytest

from deploy.canary.judge import Judge
from deploy.canary.script import AWAY, Change, Pace, Step, Truth, life
from deploy.canary.tokens import TokensFile, TokensFileError, parse_tokens
from deploy.simulate.behaviour import Kind
from processor.core.model import Policy
from schemas.log.events import Heartbeat, Logout
from tests.unit.processor.presence_story import Story

PACE = Pace(interval=90.0, window=300.0, settle=15.0)
ONE = Truth("foreground", "Canary one")
NOW = 1_900_000_000.0
KEY = "k" * 32


def token(user: object = "c1", **claims: object) -> str:
    return jwt.encode({"sub": user, "exp": int(NOW) + 60, **claims}, KEY)


# -- the file of tokens


def test_a_line_is_a_token_or_a_user_and_a_token() -> None:
    text = f"# canaries\n\n{token('c1')}\r\n  c2 opaque-token\n{token(7, exp=int(NOW) + 9)}\n"
    found = parse_tokens(text, "sub", NOW)
    assert [(each.user, each.expires_at) for each in found] == [
        ("c1", NOW + 60),
        ("c2", None),
        ("7", NOW + 9),
    ]
    assert found[1].token == "opaque-token"
    nested = jwt.encode({"user": {"id": "c9"}}, KEY)
    assert parse_tokens(nested, "user.id", NOW)[0].user == "c9"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "there is no token in it"),
        ("# only\n", "there is no token in it"),
        ("\nopaque", "line 2: the token tells no user"),
        ("a.b.c", "line 1: the token tells no user"),
        ("a b c", "line 1: give a token, or a user id, a blank and a token"),
        (f"{token()}\n{token()}", "line 2: its user is that of line 1"),
        (token(exp=int(NOW) - 1), "line 1: the token has expired"),
        ("\n".join(f"u{n} t{n}" for n in range(101)), "101 tokens: give 100 at most"),
    ],
)
def test_what_is_wrong_with_a_file_is_told_without_a_token(
    tmp_path: Path, text: str, problem: str
) -> None:
    path = tmp_path / "tokens"
    path.write_text(text)
    with pytest.raises(TokensFileError) as caught:
        TokensFile(path, "sub").read(NOW)
    assert problem in str(caught.value)
    assert all(word not in str(caught.value) for word in text.split() if len(word) > 12)


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    with pytest.raises(TokensFileError, match="No such file"):
        TokensFile(tmp_path / "none", "sub").read(NOW)
    (tmp_path / "bytes").write_bytes(b"\xff\xfe")
    with pytest.raises(TokensFileError, match="no UTF-8 text"):
        TokensFile(tmp_path / "bytes", "sub").read(NOW)


def test_a_renewed_file_is_noticed_also_where_it_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "tokens"
    path.write_text("c1 first")
    file = TokensFile(path, "sub")
    assert file.has_changed
    file.read(NOW)
    assert not file.has_changed
    (tmp_path / "new").write_text("c1 other")
    os.replace(tmp_path / "new", path)
    assert file.has_changed
    assert file.read(NOW)[0].token == "other"
    path.unlink()
    assert file.has_changed
    with pytest.raises(TokensFileError):
        file.read(NOW)
    assert not file.has_changed  # it is told once


# -- the script


@pytest.mark.parametrize("on_socket", [False, True])
def test_the_script_comes_back_and_stays_longer_than_silence_is_tolerated(on_socket: bool) -> None:
    steps = list(islice(life(PACE, on_socket=on_socket), 60))
    changes = [step.change for step in steps if step.change]
    round_ = ["arrival", "screen", "background", "return"]
    assert changes[:10] == [*round_, "logout", *round_, "death"]
    assert ({step.kind for step in steps} & {Kind.BEAT} != set()) is not on_socket
    at, first = 0.0, next(step for step in steps if step.change == "screen")
    for step in steps[: steps.index(first) + 1]:
        at += step.after_seconds
    assert at > PACE.window
    if not on_socket:
        assert max(step.after_seconds for step in steps[1:8]) <= PACE.interval


def test_the_processors_rules_show_what_the_script_says() -> None:
    """Over HTTP, told by the pure core: so the script's truth is that of the design."""
    story = Story(Policy(300_000, 30_000, 200_000))
    for step in islice(life(PACE, on_socket=False), 40):
        story.wait(step.after_seconds)
        story.record(*told(step))
        row = story.user()
        if step.kind is not Kind.DIE:
            assert (row["state"], row["screen"]) == (step.truth.state, step.truth.screen)
        assert row["canary"] is True
    assert story.processor.changes == []


def told(step: Step) -> list[Heartbeat | Logout]:
    if step.kind is Kind.DIE:
        return []
    if step.kind is Kind.LOG_OUT:
        return [Logout(user="ann", token="t1", canary=True)]
    screen = {Kind.BEAT: "Unknown", Kind.RESUME: "Unknown", Kind.BACKGROUND: "background"}
    named = screen.get(step.kind, step.screen)
    return [Heartbeat(user="ann", token="t1", device_info="x", screen=named, canary=True)]


# -- the judge


class Notes:
    def __init__(self) -> None:
        self.online_seconds = 0.0
        self.found: list[tuple[object, ...]] = []

    def online(self, seconds: float) -> None:
        self.online_seconds += seconds

    def false_offline(self, seconds: float, *, begins: bool) -> None:
        self.found.append(("false offline", seconds, begins))

    def false_online(self, seconds: float, *, begins: bool) -> None:
        self.found.append(("false online", seconds, begins))

    def detected(self, change: Change, seconds: float) -> None:
        self.found.append(("detected", change, seconds))

    def undetected(self, change: Change) -> None:
        self.found.append(("undetected", change))


@pytest.fixture
def notes() -> Notes:
    return Notes()


@pytest.fixture
def judge(notes: Notes) -> Judge:
    return Judge(notes, PACE, began=0.0, most=15.0)


def test_a_change_is_detected_at_the_first_look_that_shows_it(judge: Judge, notes: Notes) -> None:
    judge.happens(ONE, "arrival", 1.0)
    judge.shows(AWAY, 2.0)
    judge.shows(ONE, 3.5)
    judge.shows(ONE, 8.5)
    assert notes.found == [("detected", "arrival", 2.5)]
    assert notes.online_seconds == 1.0 + 1.5 + 5.0
    two = Truth("foreground", "Canary two")
    judge.happens(two, "screen", 9.0)
    judge.happens(Truth("background", "Canary two"), "background", 10.0)
    assert notes.found[1:] == [("undetected", "screen")]


def test_what_was_shown_already_is_detected_by_nothing(judge: Judge, notes: Notes) -> None:
    """As after a restart: the canary of the run before is still online."""
    judge.shows(ONE, 1.0)
    judge.happens(ONE, "arrival", 2.0)
    judge.shows(ONE, 6.0)
    assert notes.found == []


def test_who_is_online_and_shown_offline_is_falsely_so_once_that_has_settled(
    judge: Judge, notes: Notes
) -> None:
    judge.happens(ONE, "arrival", 0.0)
    for at in (5.0, 15.0):
        judge.shows(AWAY, at)
    assert notes.found == []
    judge.shows(AWAY, 20.0)
    judge.shows(AWAY, 25.0)
    judge.shows(ONE, 30.0)
    judge.shows(AWAY, 35.0)
    assert notes.found == [
        ("false offline", 5.0, True),
        ("false offline", 5.0, False),
        ("detected", "arrival", 30.0),
        ("false offline", 5.0, True),
    ]


def test_a_look_that_began_before_a_change_says_nothing_of_it(judge: Judge, notes: Notes) -> None:
    judge.happens(ONE, "arrival", 5.0)
    judge.shows(ONE, 4.9)
    assert (notes.found, notes.online_seconds) == ([], 0.0)
    judge.shows(ONE, 9.9)
    assert [each[:2] for each in notes.found] == [("detected", "arrival")]


def test_of_a_time_in_which_nobody_looked_nothing_is_known(judge: Judge, notes: Notes) -> None:
    judge.happens(ONE, "arrival", 0.0)
    judge.shows(ONE, 5.0)
    judge.shows(AWAY, 600.0)
    assert notes.found[1:] == [("false offline", 15.0, True)]
    assert notes.online_seconds == 20.0


@pytest.mark.parametrize(("how", "granted"), [("logout", 15.0), ("death", 315.0)])
def test_who_left_may_be_shown_for_so_long(
    judge: Judge, notes: Notes, how: Change, granted: float
) -> None:
    judge.happens(ONE, "arrival", 0.0)
    judge.shows(ONE, 1.0)
    judge.happens(AWAY, how, 100.0)
    judge.shows(ONE, 100.0 + granted)
    assert len(notes.found) == 1
    judge.shows(ONE, 105.0 + granted)
    judge.shows(AWAY, 110.0 + granted)
    assert notes.found[1:] == [
        ("false online", 5.0, True),
        ("detected", how, 10.0 + granted),
    ]
