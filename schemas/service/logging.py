"""What services write to standard error: lines with a time, and nothing about who called.

Lines are JSON, one object each, or text for a terminal (``ROLLCALL_LOG_FORMAT``); those of the
libraries look like ours. A line that is written while a request is answered carries its
``request_id``. Repeats are bounded (``schemas/service/repeats.py``).

Of a request that it cannot parse, aiohttp logs the sender's address, a traceback and the first
bytes of what was sent, perhaps a token. SECURITY.md promises that addresses and tokens are not
logged, and on a public address such requests come by the minute: each gets one line with the kind
of error. Tracebacks show no values of variables. Of an exception there is what
``schemas.untrusted.safe_errors`` says, in a traceback and in a line: its text may name people.
"""

from __future__ import annotations

import atexit
import copy
import logging
import math
import sys
import time
from contextvars import ContextVar
from typing import Any, Final, TextIO

import structlog
from aiohttp.http_exceptions import HttpProcessingError
from structlog.typing import EventDict, ExcInfo, Processor

from schemas.service.repeats import Repeats
from schemas.service.settings import LogSettings
from schemas.untrusted.safe_errors import told, traceback_of

#: Of the request that is being answered; doors set it.
REQUEST_ID_IN_LOG: Final[ContextVar[str]] = ContextVar("request_id")
#: What ROLLCALL_LOG_LEVEL=debug is for. Libraries would show what they send and get.
OURS: Final = ("api", "deploy", "ingest", "processor", "schemas")


class ServiceHandler(logging.StreamHandler[Any]):
    """Writes lines to standard error, and few repeats of any."""

    def __init__(self, repeats: Repeats | None = None, stream: Any = None) -> None:
        super().__init__(stream or sys.stderr)
        self._repeats = repeats or Repeats()

    def emit(self, record: logging.LogRecord) -> None:
        now = time.monotonic()
        self._tell_repeats(now)
        if self._repeats.admits(record, now):
            super().emit(_without_texts(record))

    def tell_all_repeats(self) -> None:
        """At the end of the process."""
        self.acquire()
        try:
            self._tell_repeats(math.inf)
        finally:
            self.release()

    def _tell_repeats(self, now: float) -> None:
        for (name, level, text), count in self._repeats.over(now):
            said = f"{count} more lines like this were not written: {text}"
            super().emit(logging.LogRecord(name, level, "", 0, said, (), None))


def log_to_stderr(settings: LogSettings, *, worker: int | None = None) -> None:
    """Set up the logging of a service; once, at its start. ``worker`` is this process's number
    where it is one of several."""
    as_json = settings.log_format == "json" or (
        settings.log_format == "auto" and not sys.stderr.isatty()
    )
    handler = ServiceHandler()
    handler.setFormatter(formatter(as_json=as_json, worker=worker))
    level = settings.log_level.upper()
    logging.basicConfig(level=max(logging.INFO, logging.getLevelName(level)), handlers=[handler])
    atexit.register(handler.tell_all_repeats)
    for name in OURS:
        logging.getLogger(name).setLevel(level)
    logging.getLogger("aiohttp.server").addFilter(without_caller)
    # It warns of each handshake that offers subprotocols, naming the sender's address and what was
    # offered, where some web clients put their token.
    logging.getLogger("aiohttp.websocket").setLevel(logging.ERROR)
    # It warns of every attempt to connect; the API says once that PostgreSQL is away.
    logging.getLogger("psycopg.pool").setLevel(logging.ERROR)


def formatter(*, as_json: bool, worker: int | None = None) -> logging.Formatter:
    """From a record to a line."""

    def add_context(_logger: Any, _method: str, event: EventDict) -> EventDict:
        request_id = REQUEST_ID_IN_LOG.get(None)
        if request_id is not None:
            event["request_id"] = request_id
        if worker is not None:
            event["worker"] = worker
        return event

    common: list[Processor] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        add_context,
    ]
    render: list[Processor]
    if as_json:
        render = [
            structlog.processors.ExceptionRenderer(_traceback_of),
            structlog.processors.EventRenamer("message"),
            structlog.processors.JSONRenderer(ensure_ascii=False),
        ]
    else:
        render = [
            structlog.dev.ConsoleRenderer(
                colors=sys.stderr.isatty(),
                pad_event_to=0,
                exception_formatter=_write_traceback,
            )
        ]
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=common,
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *render],
    )


def _without_texts(record: logging.LogRecord) -> logging.LogRecord:
    """The record with what may be said of the exceptions that are put into its line."""
    if not isinstance(record.args, tuple) or not any(
        isinstance(value, BaseException) for value in record.args
    ):
        return record
    told_of = copy.copy(record)
    told_of.args = tuple(
        _Told(value) if isinstance(value, BaseException) else value for value in record.args
    )
    return told_of


class _Told:
    """An exception as ``%s`` and ``%r`` show it."""

    def __init__(self, error: BaseException) -> None:
        self._text = told(error)

    def __repr__(self) -> str:
        return self._text


def _traceback_of(exc_info: ExcInfo) -> str:
    return traceback_of(exc_info[1])


def _write_traceback(out: TextIO, exc_info: ExcInfo) -> None:
    out.write(_traceback_of(exc_info))


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
