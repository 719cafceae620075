"""What services write to standard error: lines with a time, and nothing about who called.

aiohttp logs a request that it cannot parse with the sender's address, a traceback and the first
bytes of what was sent, which may be a token. SECURITY.md promises neither to be logged, and on a
public address such requests come by the minute: one line with the kind of error is all they get.
"""

from __future__ import annotations

import logging

from aiohttp.http_exceptions import HttpProcessingError


def log_to_stderr(who: str = "") -> None:
    """Set up the logging of a service; once, at its start. ``who`` goes before each message."""
    logging.basicConfig(
        level=logging.INFO, format=f"%(asctime)s %(levelname)s %(name)s {who}%(message)s"
    )
    logging.getLogger("aiohttp.server").addFilter(without_caller)
    # It warns of each handshake that offers subprotocols, naming the sender's address and what was
    # offered, where some web clients put their token.
    logging.getLogger("aiohttp.websocket").setLevel(logging.ERROR)


def without_caller(record: logging.LogRecord) -> bool:
    """A filter that rewrites aiohttp's records of failed requests; never drops one."""
    if record.args:  # the sender's address is the only one that aiohttp gives
        record.msg, record.args = "Error handling a request", ()
    error = record.exc_info[1] if record.exc_info else None
    if isinstance(error, HttpProcessingError):
        record.levelno, record.levelname = logging.WARNING, "WARNING"
        record.msg, record.args = "Refused a request: %s", (type(error).__name__,)
        record.exc_info = None
    return True
