"""Whatever is stored is classified: docs/privacy.md leaves nothing out."""

from __future__ import annotations

import re

import pytest

from processor.settings import ProcessorSettings
from schemas.log.settings import KafkaSettings
from schemas.log.topics import topic_specs
from schemas.stored_data import TABLES, TOPICS, Stored
from tests.rigs.rig import rows

COLUMNS = """
    SELECT c.relname, array_agg(a.attname::text)
    FROM pg_class c
    JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition
      AND c.relnamespace NOT IN ('pg_catalog'::regnamespace, 'information_schema'::regnamespace)
      AND c.relpersistence <> 't'
    GROUP BY 1
"""


def test_every_column_of_every_table_is_classified_once(database_url: str) -> None:
    """If this fails: say in schemas/stored_data.py what the column tells of whom, and make docs."""
    stored = {name: sorted(columns) for name, columns in rows(database_url, COLUMNS)}
    assert stored == {name: sorted(table.columns()) for name, table in TABLES.items()}


def test_whatever_holds_a_user_id_is_said_to_name_people(database_url: str) -> None:
    for name, columns in rows(database_url, COLUMNS):
        if "user_id" in columns:
            assert "user_id" in TABLES[name].names.split(), name


def test_every_topic_is_classified() -> None:
    assert set(TOPICS) == {spec.name for spec in topic_specs(KafkaSettings(topic_prefix=""))}


@pytest.mark.parametrize(("name", "stored"), TABLES.items())
def test_how_long_it_is_kept_is_a_setting_that_there_is(name: str, stored: Stored) -> None:
    for variable in re.findall(r"`(ROLLCALL_\w+)`", stored.kept):
        field = variable.removeprefix("ROLLCALL_").lower()
        assert field in ProcessorSettings.model_fields or field == "session_seconds", name
    if stored.names or stored.tells:
        assert "deployment" not in stored.kept, name
