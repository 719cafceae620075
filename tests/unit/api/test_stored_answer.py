"""What a user is told of what is stored about them leaves nothing out."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import to_builtins

from api.privacy.data import MAX_ROWS, TABLES, TopicAges, stored_answer
from schemas.log.settings import KafkaSettings
from schemas.stored_data import TABLES as EVERY_TABLE
from schemas.stored_data import TOPICS

OF_PEOPLE = [name for name, t in EVERY_TABLE.items() if t.names or t.tells or t.staff]
AGES = TopicAges(KafkaSettings(topic_prefix="of-tests.", log_retention_hours=30))
EMPTY: dict[str, list[Any]] = {kept.table: [] for kept in TABLES}


@pytest.mark.parametrize("place", [*OF_PEOPLE, *TOPICS])
def test_every_table_and_topic_that_holds_something_of_people_is_named(place: str) -> None:
    answer = to_builtins(stored_answer("ada", True, EMPTY, {}, AGES))
    named = [part["where"] for part in (*answer["stored"], *answer["not_listed"])]
    assert any(place in where.replace(",", "").split() for where in named), named


def test_how_long_is_what_maintenance_keeps_and_a_number_wherever_there_is_one() -> None:
    kept = {"changes": 3, "presence": 45, "reads_audit": 10, "screen_quarters": 20}
    answer = to_builtins(stored_answer("ada", True, EMPTY, kept, AGES))
    until = {part["where"]: part["until"] for part in (*answer["stored"], *answer["not_listed"])}
    assert until["the table changes"] == "3 days after each"
    assert until["the tables presence, signs_of_life and search_texts"].endswith("45 days")
    assert until["the table reads_audit"] == "10 days after each"
    assert "20 days" in until.values()
    assert until["the topic presence.events"] == "30 hours after each, and up to 3 hours more"
    assert until["the topic presence.sign_outs"] == "1 hour after each, and up to 5 minutes more"
    assert until["the topic presence.rejects"] == "7 days after each, and up to 14 hours more"
    assert not any("{" in text for text in until.values())


def test_what_is_cut_is_said_to_be() -> None:
    rows: dict[str, list[Any]] = {**EMPTY, "changes": [{}] * (MAX_ROWS + 1)}
    answer = to_builtins(stored_answer("ada", True, rows, {}, AGES))
    [changes] = [part for part in answer["stored"] if part["rows"]]
    assert (changes["where"], len(changes["rows"]), changes["complete"]) == (
        "the table changes",
        MAX_ROWS,
        False,
    )
