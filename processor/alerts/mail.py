"""Notices by e-mail: a message whose bytes are the same at each attempt, and one attempt.

A mail server that has taken the message but whose answer was lost is asked again: that is the one
way in which a notice comes twice. Then it has the same Message-ID, by which mailboxes know it.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from typing import Final

import aiosmtplib
from aiosmtplib.errors import (
    SMTPAuthenticationError,
    SMTPConnectError,
    SMTPDataError,
    SMTPException,
    SMTPRecipientsRefused,
    SMTPResponseException,
    SMTPTimeoutError,
)

from processor.notify.sender import Attempt
from schemas.alerts.reading import instant
from schemas.alerts.settings import MailSettings

#: A server that looks for viruses answers late: to give up early would tell twice.
MAIL_SECONDS: Final = 120.0
_CONNECT_SECONDS: Final = 15.0
_QUIT_SECONDS: Final = 2.0
_PERMANENT: Final = 500


class Mailer:
    """Of one server. Without one every attempt says so."""

    def __init__(self, settings: MailSettings) -> None:
        self._settings = settings

    async def send(self, address: str, notice_id: str, body: bytes) -> Attempt:
        """Give it to the server, and say what came of it."""
        if not self._settings.smtp_host:
            return Attempt("not_allowed", "there is no ROLLCALL_SMTP_HOST")
        message = mail(self._settings, address, notice_id, body)
        try:
            async with asyncio.timeout(MAIL_SECONDS):
                return await self._give(message, address)
        except (TimeoutError, SMTPTimeoutError):
            return Attempt("timed_out", f"no answer of the mail server in {MAIL_SECONDS:g} s")
        except SMTPConnectError:
            return Attempt("unreachable", "the mail server cannot be reached")
        except (SMTPException, OSError) as error:
            return _failed(error)

    async def _give(self, message: EmailMessage, address: str) -> Attempt:
        settings = self._settings
        client = aiosmtplib.SMTP(
            hostname=settings.smtp_host,
            port=settings.smtp_port,
            use_tls=settings.smtp_tls == "implicit",
            start_tls=settings.smtp_tls == "starttls",
            username=settings.smtp_username or None,
            password=settings.smtp_password.get_secret_value() or None,
            timeout=MAIL_SECONDS,
        )
        try:
            await client.connect(timeout=_CONNECT_SECONDS)
            await client.sendmail(settings.smtp_from, [address], message.as_bytes(policy=SMTP))
            # It is told: what comes after does not matter.
            with contextlib.suppress(Exception):
                await client.quit(timeout=_QUIT_SECONDS)
        finally:
            client.close()
        return Attempt("delivered")


def mail(settings: MailSettings, address: str, notice_id: str, body: bytes) -> EmailMessage:
    """``body`` is what ``schemas.alerts.message.body`` made of a notice."""
    said = json.loads(body)
    message = EmailMessage(policy=SMTP)
    message["From"] = f"Rollcall <{settings.smtp_from}>"
    message["To"] = address
    message["Subject"] = said["subject"]
    message["Date"] = format_datetime(instant(said["at"]))
    message["Message-ID"] = f"<{notice_id}@{settings.smtp_from.rpartition('@')[2]}>"
    # Nobody's absence note answers to it.
    message["Auto-Submitted"] = "auto-generated"
    lines = [said["text"]]
    if settings.dashboard_url:
        lines += ["", f"{settings.dashboard_url.rstrip('/')}/alerts"]
    message.set_content("\n".join(lines) + "\n", charset="utf-8")
    return message


def _failed(error: Exception) -> Attempt:
    """Without anything that the server wrote."""
    if isinstance(error, SMTPRecipientsRefused):
        codes = [each.code for each in error.recipients]
        permanent = all(code >= _PERMANENT for code in codes)
        return Attempt("gone" if permanent else "refused", f"recipient refused: status {codes[0]}")
    if isinstance(error, SMTPDataError):
        permanent = error.code >= _PERMANENT
        return Attempt("gone" if permanent else "refused", f"mail refused: status {error.code}")
    if isinstance(error, SMTPAuthenticationError):
        return Attempt("refused", f"login at the mail server refused: status {error.code}")
    if isinstance(error, SMTPResponseException):
        return Attempt("refused", f"the mail server refused us: status {error.code}")
    return Attempt("unreachable", type(error).__name__)
