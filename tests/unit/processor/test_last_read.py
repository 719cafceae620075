"""Whether the log, or the database, is still the one that was read; and what is said if not."""

from __future__ import annotations

import zlib

import pytest

from processor.core.deployment import UnusableDeploymentError, check_deployment
from processor.core.log.last_read import LastRead, TornLogError, last_read, require_same


def test_a_record_is_known_by_its_place_its_time_and_what_it_says() -> None:
    assert last_read(7, 1000, b"x") == LastRead(7, 1000, zlib.crc32(b"x"))
    assert last_read(7, 1000, None) == last_read(7, 1000, b"") == LastRead(7, 1000, 0)


@pytest.mark.parametrize("other", [last_read(7, 1001, b"x"), last_read(7, 1000, b"y")])
def test_another_record_at_its_place_is_a_log_that_lost_records(other: LastRead) -> None:
    stored = last_read(7, 1000, b"x")
    require_same(3, stored, last_read(7, 1000, b"x"))
    with pytest.raises(TornLogError) as told:
        require_same(3, stored, other)
    assert str(told.value) == (
        "partition 3: at offset 7 Kafka has another record than the one that was processed: it has "
        "lost records and written others in their place, or was restored from an older copy; "
        "restore the database to the same time, or start with an empty one and another "
        "ROLLCALL_TOPIC_PREFIX"
    )


def test_a_database_of_another_topic_is_not_used() -> None:
    check_deployment(("events", "id", 4), "events", "id", 4)
    with pytest.raises(UnusableDeploymentError, match="for 4 partitions, the topic has 8: use the"):
        check_deployment(("events", "id", 4), "events", "id", 8)
    for topic, topic_id in (("others", "id"), ("events", "newer")):
        with pytest.raises(UnusableDeploymentError) as told:
            check_deployment(("events", "id", 4), topic, topic_id, 4)
        assert str(told.value) == (
            f"the database belongs to topic events with id id, Kafka has {topic} with id "
            f"{topic_id}: the topic was made again, or one of ROLLCALL_KAFKA_BOOTSTRAP, "
            "ROLLCALL_TOPIC_PREFIX and ROLLCALL_DATABASE_URL names another deployment; point back "
            "to the right one, or, where the old topic is lost for good, let rollcall offsets "
            "accept-loss --new-topic keep history and opt-outs, or start with an empty database"
        )
