"""What makes the next start of a node cheap: kept beside the jars, used only where it fits."""

from __future__ import annotations

from pathlib import Path

import pytest

from deploy.local import jars, kafka_start


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ROLLCALL_CACHE_DIR", str(tmp_path / "cache"))
    (tmp_path / "cache").mkdir()
    return tmp_path / "cache"


def properties(storage: Path) -> dict[str, str]:
    lines = (storage / "meta.properties").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines)


def test_a_storage_is_made_of_what_a_former_one_was_formatted_to(tmp_path: Path) -> None:
    first, second, third = (tmp_path / name for name in ("first", "second", "third"))
    assert not kafka_start.copy_storage(first, cluster_id="a", node_id="1")
    assert not first.exists()
    first.mkdir()
    (first / kafka_start.CHECKPOINT).write_bytes(b"formatted")
    kafka_start.keep_formatted(first)
    assert kafka_start.copy_storage(second, cluster_id="b", node_id="2")
    assert kafka_start.copy_storage(third, cluster_id="b", node_id="3")
    assert (second / kafka_start.CHECKPOINT).read_bytes() == b"formatted"
    made, other = properties(second), properties(third)
    assert made["cluster.id"] == other["cluster.id"] == "b"
    assert (made["node.id"], other["node.id"]) == ("2", "3")
    assert made["directory.id"] != other["directory.id"]


def test_an_id_is_never_taken_for_an_option() -> None:
    ids = {kafka_start.new_id() for _ in range(500)}
    assert len(ids) == 500
    assert not any(each.startswith("-") for each in ids)
    assert {len(each) for each in ids} == {22}


def test_only_a_recorded_start_is_named_to_the_jvm(cache: Path) -> None:
    assert kafka_start.jvm_options() == []
    recorded = kafka_start.ahead_of_time_cache()
    assert recorded.parent == cache
    assert recorded.name.startswith(jars.jars_dir().name)
    recorded.write_bytes(b"")
    assert f"-XX:AOTCache={recorded}" in kafka_start.jvm_options()
