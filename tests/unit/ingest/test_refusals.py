"""What the log refuses, as phones hear it."""

from __future__ import annotations

from typing import get_args

import pytest

from ingest.http.errors import problem_of
from ingest.log.not_taken import Cause, NotTakenError

#: The code, a word of the sentence, and when to come back, in seconds.
TOLD = {
    "away": ("unavailable", "the log cannot be written to", (5, 15)),
    "full": ("unavailable", "too much is waiting", (1, 5)),
    "too_often": ("rate_limited", "signs out more often", (3, 3)),
    "opt_outs_unknown": ("unavailable", "who has opted out", (1, 5)),
}


@pytest.mark.parametrize("cause", get_args(Cause))
def test_every_no_of_the_log_has_its_code_and_says_when_to_come_back(cause: Cause) -> None:
    code, words, (soonest, latest) = TOLD[cause]
    problem = problem_of(NotTakenError(cause, wait_seconds=2.5))
    assert (problem.code, words in problem.detail) == (code, True)
    assert soonest <= int(problem.all_headers()["Retry-After"]) <= latest


def test_a_problem_of_the_door_stays_what_it_is() -> None:
    problem = problem_of(NotTakenError("full"))
    assert problem_of(problem) is problem
