"""What single sign-on cannot be set to: a mistake there lets strangers in."""

from __future__ import annotations

import os
from typing import Any

import pytest
from pydantic import ValidationError

from api.single_sign_on_settings import SingleSignOnSettings
from tests.suite.forks import run_python

GOOD: dict[str, Any] = {
    "sso_user_header": "X-Staff-User",
    "sso_trusted_proxies": "10.0.0.0/8, 2001:db8::7",
}


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("ROLLCALL_"):
            monkeypatch.delenv(name)


def mistake(**values: Any) -> str:
    with pytest.raises(ValidationError) as caught:
        SingleSignOnSettings(**values)
    return str(caught.value)


def test_it_is_off_by_default() -> None:
    assert SingleSignOnSettings().sso_user_header == ""


def test_a_header_of_trusted_proxies_is_accepted() -> None:
    settings = SingleSignOnSettings(**GOOD)
    assert settings.sso_scopes == "presence:read"
    SingleSignOnSettings(**GOOD, sso_scopes_header="X-Staff-Scopes")


def test_a_header_that_anybody_could_write_is_refused() -> None:
    message = mistake(sso_user_header="X-Staff-User")
    assert "ROLLCALL_SSO_USER_HEADER needs ROLLCALL_SSO_TRUSTED_PROXIES" in message


@pytest.mark.parametrize("everybody", ["0.0.0.0/0", "::/0", "10.0.0.0/8, 0.0.0.0/0"])
def test_everybody_is_no_proxy(everybody: str) -> None:
    assert "is everybody" in mistake(**{**GOOD, "sso_trusted_proxies": everybody})


@pytest.mark.parametrize("text", ["proxy.example.com", "10.1.2.3/8"])
def test_proxies_are_addresses_or_networks(text: str) -> None:
    message = mistake(**{**GOOD, "sso_trusted_proxies": text})
    assert "ROLLCALL_SSO_TRUSTED_PROXIES" in message
    assert "10.0.0.0/8" in message


@pytest.mark.parametrize("name", ["sso_trusted_proxies", "sso_scopes_header"])
def test_what_means_nothing_without_the_header_is_refused(name: str) -> None:
    values = {"sso_trusted_proxies": "10.0.0.7", "sso_scopes_header": "X-Staff-Scopes"}
    message = mistake(**{name: values[name]})
    assert f"ROLLCALL_{name.upper()} means nothing without ROLLCALL_SSO_USER_HEADER" in message


@pytest.mark.parametrize(
    "header", ["Authorization", "cookie", "X Staff", "X-Staff-User:", "X_Staff_User", "-X", "ä"]
)
def test_a_header_has_a_name_that_nobody_else_uses(header: str) -> None:
    assert "X-Rollcall-User" in mistake(**{**GOOD, "sso_user_header": header})
    assert "X-Rollcall-User" in mistake(**GOOD, sso_scopes_header=header)


def test_one_header_cannot_be_both() -> None:
    assert "name another header" in mistake(**GOOD, sso_scopes_header="x-staff-user")


def test_scopes_are_scopes() -> None:
    assert "ROLLCALL_SSO_SCOPES: 'read' is no scope" in mistake(**GOOD, sso_scopes="read")


def test_the_api_refuses_to_start_with_one_line_that_names_the_remedy() -> None:
    done = run_python(
        ["-m", "api"],
        env={
            **os.environ,
            "ROLLCALL_JWT_SECRET": "x" * 32,
            "ROLLCALL_SSO_USER_HEADER": "X-Staff-User",
        },
        timeout=60,
    )
    assert done.returncode == 2
    [line] = done.stderr.splitlines()
    assert "ROLLCALL_SSO_USER_HEADER needs ROLLCALL_SSO_TRUSTED_PROXIES" in line
