"""Which addresses mail goes to, and with which settings there is any."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from pydantic import ValidationError

import schemas.alerts
from schemas.alerts.address import check_email
from schemas.alerts.evaluate import Notice
from schemas.alerts.message import body
from schemas.alerts.message_schema import message_schema, message_schema_page
from schemas.alerts.rule import PEAK_RULE, parse_rule
from schemas.alerts.settings import MailHostSettings, MailSettings

MAIL: dict[str, Any] = {"smtp_host": "mail.example.com", "smtp_from": "rollcall@example.com"}
LOGIN: dict[str, Any] = {"smtp_username": "rollcall", "smtp_password": "sesame"}


@pytest.mark.parametrize("address", ["ops@example.com", "o'neill+app@a-b.example", "root@mail"])
def test_an_address_is_taken(address: str) -> None:
    assert check_email(address) == address


@pytest.mark.parametrize(
    "address",
    [
        *(None, "", "ops", "ops@", "@example.com", "a@b@c", "ops@example.com, boss@example.com"),
        *("ops@example.com\nBcc: all@example.com", "Ops <ops@example.com>", "ops@-a.example"),
        *("öps@example.com", "o ps@example.com", f"{'a' * 65}@example.com"),
        f"a@{'.'.join(['a' * 60] * 5)}",
    ],
)
def test_what_is_no_address_says_what_would_be_one(address: Any) -> None:
    with pytest.raises(ValueError, match=r"^must be one address such as ops@example\.com"):
        check_email(address)


def test_without_a_server_there_is_no_mail() -> None:
    with pytest.raises(ValueError, match="needs ROLLCALL_SMTP_HOST"):
        MailHostSettings().check_email("ops@example.com")
    assert MailHostSettings(smtp_host="m").check_email("ops@example.com") == "ops@example.com"


@pytest.mark.parametrize(
    ("wrong", "names"),
    [
        ({"smtp_from": ""}, "ROLLCALL_SMTP_FROM must be one address"),
        ({"smtp_username": "rollcall"}, "ROLLCALL_SMTP_PASSWORD belong together"),
        ({"smtp_password": "sesame"}, "ROLLCALL_SMTP_USERNAME and"),
        ({**LOGIN, "smtp_tls": "none"}, "ROLLCALL_SMTP_TLS must not be none"),
        ({"smtp_tls": "ssl"}, "starttls"),
        ({"dashboard_url": "rollcall.example.com"}, "ROLLCALL_DASHBOARD_URL must be an address"),
    ],
)
def test_settings_that_cannot_send_name_the_remedy(wrong: dict[str, str], names: str) -> None:
    MailSettings(**{**MAIL, **LOGIN})
    with pytest.raises(ValidationError, match=names):
        MailSettings(**{**MAIL, **wrong})


def test_a_message_is_its_published_schema() -> None:
    schema = message_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    full = {
        "name": "n",
        "of": "exits",
        "screen": "Cart",
        "is": "below",
        "than": "band",
        "value": 3,
        "repeat_minutes": 5,
        "quiet_hours": {"from": "22:00", "to": "07:00", "time_zone": "UTC"},
    }
    for said in (PEAK_RULE, full):
        told = body(
            "webhook", "al_0123456789abcdef", parse_rule(dict(said)), Notice("fired", 60, 60, 7, 5)
        )
        jsonschema.validate(json.loads(told), schema)
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(json.loads(told.replace(b'"fired"', b'"on fire"')), schema)
    file = Path(schemas.alerts.__file__).with_name("message.schema.json")
    assert file.read_text("utf-8") == message_schema_page()
