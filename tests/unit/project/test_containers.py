"""Containers for tests, where none can be had."""

from __future__ import annotations

import pytest

from tests.containers import NoContainerError, kafka_container, postgres_container


@pytest.mark.parametrize("container", [kafka_container, postgres_container])
def test_where_no_engine_answers_it_is_said_in_a_line(
    container: type, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere/docker.sock")
    with pytest.raises(NoContainerError) as refused, container():
        pass
    assert "\n" not in str(refused.value)
    assert str(refused.value).startswith(("no container of apache/kafka:", "no container of post"))
