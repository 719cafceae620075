"""A mail server that can be told to refuse, to hang up and to want a password."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

OK = "250 accepted"


@dataclass
class MailServer:
    """What it answers, by how many there were before, and what it got."""

    port: int = 0
    recipients: Callable[[int], str] = lambda _: OK
    data: Callable[[int], str] = lambda _: OK
    hangs_up_at_quit: bool = False
    asked: list[str] = field(default_factory=list)
    attempts: list[bytes] = field(default_factory=list)
    accepted: list[bytes] = field(default_factory=list)
    logins: list[tuple[bytes, bytes]] = field(default_factory=list)

    @property
    def mails(self) -> list[EmailMessage]:
        return [message_from_bytes(each, policy=default) for each in self.accepted]

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        answer = self.recipients(len(self.asked))
        self.asked.append(address)
        if answer == OK:
            envelope.rcpt_tos.append(address)
        return answer

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        answer = self.data(len(self.attempts))
        content = envelope.original_content or b""
        self.attempts.append(content)
        if answer == OK:
            self.accepted.append(content)
        return answer

    async def handle_QUIT(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        if self.hangs_up_at_quit and server.transport is not None:
            server.transport.close()
        return "221 bye"

    def authenticate(
        self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: Any
    ) -> AuthResult:
        assert isinstance(data, LoginPassword)
        self.logins.append((data.login, data.password))
        return AuthResult(success=data.password == b"sesame", handled=False)


@asynccontextmanager
async def running_mail_server(tls: ssl.SSLContext | None = None) -> AsyncIterator[MailServer]:
    """On a port of its own; with ``tls`` it takes nothing but what is encrypted, of who logs in."""
    mail = MailServer()
    only_inside = tls is not None

    def session() -> SMTP:
        return SMTP(
            mail,
            hostname="mail.example.com",
            tls_context=tls,
            require_starttls=only_inside,
            auth_required=only_inside,
            authenticator=mail.authenticate if only_inside else None,
        )

    server = await asyncio.get_running_loop().create_server(session, "127.0.0.1", 0)
    mail.port = server.sockets[0].getsockname()[1]
    try:
        yield mail
    finally:
        server.close()
