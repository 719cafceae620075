"""Decisions of the supervisor that need no process."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from deploy.local.ports import VARIABLE, free_port, is_free, remembered_ports
from deploy.local.screen import base_urls, heartbeat_curl


def test_a_port_is_the_same_again_unless_somebody_took_it(tmp_path: Path) -> None:
    file = tmp_path / "ports.json"
    first = remembered_ports(file, ("one", "two"))
    assert remembered_ports(file, ("one", "two")) == first
    assert first["one"] != first["two"]
    with socket.create_server(("127.0.0.1", first["one"])):
        assert not is_free(first["one"])
        second = remembered_ports(file, ("one", "two"))
    assert second["one"] != first["one"]
    assert second["two"] == first["two"]


def test_the_port_that_was_asked_for_is_not_given_to_anybody_else(tmp_path: Path) -> None:
    file = tmp_path / "ports.json"
    first = remembered_ports(file, ("one",))["one"]
    assert remembered_ports(file, ("one",), avoid=frozenset({first}))["one"] != first


def test_ports_are_of_the_range_that_the_environment_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ("one", "two", "three")
    monkeypatch.setenv(VARIABLE, "30100-30119")
    found = remembered_ports(tmp_path / "ports.json", names)
    assert all(30_100 <= port <= 30_119 for port in found.values())
    for wrong in ("", "20000", "30119-30100", "0-99", "20000-70000", "a-b", "-1-20"):
        monkeypatch.setenv(VARIABLE, wrong)
        with pytest.raises(OSError, match=f"{VARIABLE} is '{wrong}': give the first and the last"):
            remembered_ports(tmp_path / "others.json", names)


def test_a_port_is_not_given_twice_before_somebody_may_have_bound_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of 200 out of 1,000 a score would be equal."""
    monkeypatch.setenv(VARIABLE, "30200-31199")
    given = [free_port() for _ in range(200)]
    assert len(set(given)) == len(given)
    # Where there are no others it is better than none.
    monkeypatch.setenv(VARIABLE, f"{given[-1]}-{given[-1]}")
    assert free_port() == given[-1]


def test_a_damaged_file_of_ports_is_replaced(tmp_path: Path) -> None:
    file = tmp_path / "ports.json"
    file.write_text('["one"]')
    assert set(remembered_ports(file, ("one",))) == {"one"}


def test_the_addresses_for_the_sample_fit_the_host() -> None:
    local = base_urls("127.0.0.1", 8080)
    assert local[0].startswith("http://10.0.2.2:8080/api ")
    assert local[1].startswith("http://localhost:8080/api ")
    assert "--host 0.0.0.0" in local[2]
    everywhere = base_urls("0.0.0.0", 8080)
    assert everywhere[:2] == local[:2]
    assert "phone in the same network" in everywhere[2]
    assert "development only" in everywhere[2]
    assert base_urls("192.0.2.7", 8080)[0].startswith("http://192.0.2.7:8080/api ")


def test_the_heartbeat_to_paste_survives_the_shell() -> None:
    assert "-H 'Authorization: Bearer a.b-c_d'" in heartbeat_curl("http://h:1", "a.b-c_d")
    assert '-H "Authorization: Bearer $TOKEN"' in heartbeat_curl("http://h:1", "$TOKEN")
