"""Containers for tests, where none can be had."""

from __future__ import annotations

import pytest


@pytest.mark.parametrize("name", ["kafka_container", "postgres_container"])
def test_where_no_engine_answers_it_is_said_in_a_line(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Here, not above: Docker's library would cost every test process a third of a second.
    from tests import containers

    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere/docker.sock")
    container = getattr(containers, name)
    with pytest.raises(containers.NoContainerError) as refused, container():
        pass
    assert "\n" not in str(refused.value)
    assert str(refused.value).startswith(("no container of apache/kafka:", "no container of post"))
