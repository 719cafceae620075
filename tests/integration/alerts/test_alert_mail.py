"""Alerts by e-mail: what is sent, once, and what becomes of it where the server refuses."""

from __future__ import annotations

import asyncio
import json
import ssl
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest
from prometheus_client import CollectorRegistry

from deploy.alerts import AlertTable
from processor.alerts.mail import Mailer
from processor.alerts.metrics import AlertMetrics
from processor.alerts.store import AlertStore
from processor.alerts.watcher import Watcher
from processor.notify.sender import Sender
from processor.notify.settings import NotifySettings
from schemas.alerts.evaluate import Notice
from schemas.alerts.message import body
from schemas.alerts.rule import parse_rule
from schemas.webhooks.addresses import PrivateHosts
from schemas.webhooks.secret_box import SecretBox
from tests.certificates import Authority
from tests.rigs.mail_server import OK, MailServer, running_mail_server
from tests.rigs.webhook_receiver import BY

KEY = "the key under which the tests encrypt secrets"
TO = "ops@example.com"
RULE = parse_rule({"name": "Wenige Menschen – früh", "of": "online", "is": "below", "value": 10})
AT = int(datetime(2026, 3, 30, 12, 3, tzinfo=UTC).timestamp())
BODY = body("email", "al_1", RULE, Notice("fired", AT, AT, 7.0, 10.0))


def settings(mail: MailServer, **more: Any) -> NotifySettings:
    usual: dict[str, Any] = {
        "encryption_key": KEY,
        "smtp_host": "localhost",
        "smtp_port": mail.port,
        "smtp_tls": "none",
        "smtp_from": "rollcall@example.org",
        "dashboard_url": "https://rollcall.example.org/",
    }
    return NotifySettings(**(usual | more))


async def test_a_mail_says_what_fired_and_where_to_look() -> None:
    async with running_mail_server() as mail:
        mail.hangs_up_at_quit = True  # it is told all the same
        found = await Mailer(settings(mail)).send(TO, "msg_1", BODY)
    assert found.outcome == "delivered"
    [message] = mail.mails
    assert (message["To"], message["From"]) == (TO, "Rollcall <rollcall@example.org>")
    assert message["Subject"].startswith("Wenige Menschen – früh: users online 7, below 10")
    assert message["Message-ID"] == "<msg_1@example.org>"
    assert message["Date"] == "Mon, 30 Mar 2026 12:03:00 +0000"
    assert message["Auto-Submitted"] == "auto-generated"
    assert message.get_content_type() == "text/plain"
    text = message.get_content()
    assert "since 2026-03-30 12:03 UTC" in text
    assert text.splitlines()[-1] == "https://rollcall.example.org/alerts"


@pytest.mark.parametrize(
    ("recipients", "data", "outcome", "problem"),
    [
        ("550 unknown", OK, "gone", "recipient refused: status 550"),
        ("451 greylisted", OK, "refused", "recipient refused: status 451"),
        (OK, "554 spam", "gone", "mail refused: status 554"),
        (OK, "452 full", "refused", "mail refused: status 452"),
    ],
)
async def test_what_is_refused_for_good_is_not_tried_again(
    recipients: str, data: str, outcome: str, problem: str
) -> None:
    async with running_mail_server() as mail:
        mail.recipients, mail.data = (lambda _: recipients), (lambda _: data)
        found = await Mailer(settings(mail)).send(TO, "msg_1", BODY)
    assert (found.outcome, found.problem) == (outcome, problem)
    assert mail.accepted == []


async def test_a_server_that_is_away_or_none_says_so() -> None:
    async with running_mail_server() as mail:
        pass
    assert (await Mailer(settings(mail)).send(TO, "msg_1", BODY)).outcome == "unreachable"
    none = await Mailer(NotifySettings(encryption_key=KEY)).send(TO, "msg_1", BODY)
    assert (none.outcome, none.problem) == ("not_allowed", "there is no ROLLCALL_SMTP_HOST")


async def test_a_password_goes_over_tls_to_a_server_that_is_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = Authority(tmp_path)
    signed = authority.sign("localhost")
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(signed.certificate, signed.key)
    login: dict[str, Any] = {
        "smtp_username": "rollcall",
        "smtp_password": "sesame",
    }
    async with running_mail_server(tls) as mail:
        unknown = await Mailer(settings(mail, smtp_tls="starttls", **login)).send(TO, "msg_1", BODY)
        assert unknown.outcome == "unreachable", unknown
        assert mail.logins == []
        monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
        refused = await Mailer(
            settings(mail, smtp_tls="starttls", smtp_username="rollcall", smtp_password="wrong")
        ).send(TO, "msg_1", BODY)
        assert refused.problem == "login at the mail server refused: status 535"
        right = await Mailer(settings(mail, smtp_tls="starttls", **login)).send(TO, "msg_1", BODY)
        assert right.outcome == "delivered"
    assert mail.logins[-1] == (b"rollcall", b"sesame")
    assert len(mail.accepted) == 1


def history(db: psycopg.Connection[Any], low: bool) -> None:
    """The next minute of one partition."""
    db.execute("UPDATE stream_offsets SET log_time = log_time + interval '1 minute'")
    db.execute(
        'INSERT INTO concurrency_samples (at, "partition", foreground, background) '
        "SELECT date_trunc('minute', log_time), 0, %s, 0 FROM stream_offsets",
        (1 if low else 20,),
    )


async def test_what_is_not_taken_is_told_again_once_with_the_same_bytes(database_url: str) -> None:
    async with running_mail_server() as mail:
        mail.data = lambda before: "451 later" if before == 0 else OK
        store = AlertStore(settings(mail, database_url=database_url))
        sender = Sender(PrivateHosts([]), 5.0)
        await store.open()
        watcher = Watcher(
            *(store, sender, Mailer(settings(mail)), SecretBox(KEY)),
            AlertMetrics(CollectorRegistry()),
            timeout_seconds=5.0,
            retry_seconds=86_400,
        )
        rule = parse_rule({**RULE.document, "for_minutes": 1, "recovery": False})
        AlertTable(database_url, SecretBox(KEY), BY).create(rule, "email", TO)

        async def settle() -> None:
            while await watcher.look() or await watcher.deliver():
                continue

        with psycopg.connect(database_url, autocommit=True) as db:
            db.execute(
                "INSERT INTO deployment (topic, topic_id, partitions) "
                "VALUES ('t', gen_random_uuid(), 1)"
            )
            db.execute(
                'INSERT INTO stream_offsets ("partition", next_offset, log_time, '
                "published_through) VALUES (0, 9, '2026-03-30T12:00:05Z', 9)"
            )
            await asyncio.to_thread(history, db, False)
            await settle()
            await asyncio.to_thread(history, db, True)
            await settle()
            [(problem,)] = db.execute("SELECT problem FROM alert_notices").fetchall()
            assert problem == "mail refused: status 451"
            assert mail.accepted == []
            db.execute("UPDATE alert_notices SET next_at = now()")
            await settle()
            await settle()
            [(notice, stored)] = db.execute("SELECT id, body FROM alert_notices").fetchall()
            [(secret,)] = db.execute("SELECT secret FROM alerts").fetchall()
        await sender.close()
        await store.close()
    first, second = mail.attempts
    assert first == second
    [message] = mail.mails
    assert message["Message-ID"] == f"<{notice}@example.org>"
    assert json.loads(stored)["subject"] == message["Subject"]
    assert TO.encode() not in secret
