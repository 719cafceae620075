"""Why Kafka cannot be used, in one line that names the variable which mends it.

aiokafka says that no bootstrap server could be used, and only logs why. So they are asked once
more. Passwords are in none of these messages.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from typing import Final

from aiokafka.conn import collect_hosts, create_conn
from aiokafka.errors import (
    IllegalSaslStateError,
    KafkaConnectionError,
    KafkaError,
    SaslAuthenticationFailed,
    UnsupportedSaslMechanismError,
)

from schemas.log.client import client_options
from schemas.log.settings import KafkaSettings

#: How long asking for the cause may take, beside what the failed attempt took.
ASK_SECONDS: Final = 3.0
#: How long to wait for somebody who turns us away.
KNOCK_SECONDS: Final = 1.0
#: X509_V_ERR_HOSTNAME_MISMATCH and X509_V_ERR_IP_ADDRESS_MISMATCH of OpenSSL.
_NAMES_ANOTHER_HOST: Final = (62, 64)


async def why_away(settings: KafkaSettings, error: BaseException) -> str:
    """Why an attempt to use Kafka ended with ``error``, in one line and without secrets."""
    told = str(error) or type(error).__name__
    if not isinstance(error, KafkaConnectionError):
        return told
    causes: list[str] = []
    try:
        async with asyncio.timeout(ASK_SECONDS):
            for host, port, _ in collect_hosts(settings.kafka_servers, randomize=False):
                cause = await _cause(settings, host, port)
                if cause is not None and cause not in causes:
                    causes.append(cause)
    except TimeoutError:
        causes.append("no answer")
    return "; ".join(causes) or told


async def turns_away(settings: KafkaSettings) -> bool:
    """Whether somebody says, where a server of Kafka should be, that it is not there: its name does
    not exist, a connection is refused, or is closed at once. Silence is what one hears, too, who is
    cut off."""
    servers = collect_hosts(settings.kafka_servers, randomize=False)
    return any(await asyncio.gather(*(_turns_away(host, port) for host, port, _ in servers)))


async def _turns_away(host: str, port: int) -> bool:
    try:
        async with asyncio.timeout(KNOCK_SECONDS):
            reader, writer = await asyncio.open_connection(host, port)
            try:
                return not await reader.read(1)
            finally:
                writer.close()
    except (ConnectionRefusedError, ConnectionResetError):
        return True
    except socket.gaierror as error:
        return error.errno == socket.EAI_NONAME
    except OSError:  # nobody answers in time, or there is no way there
        return False


async def _cause(settings: KafkaSettings, host: str, port: int) -> str | None:
    """What keeps us from this server; ``None`` if nothing does."""
    server = f"{host}:{port}"
    check = "check ROLLCALL_KAFKA_SECURITY_PROTOCOL"
    try:
        options = client_options(settings)
        del options["bootstrap_servers"]
        connection = await create_conn(host, port, client_id="rollcall-why-away", **options)
    except ssl.SSLCertVerificationError as error:
        if error.verify_code in _NAMES_ANOTHER_HOST:
            return (
                f"{server}: the broker's certificate is for another host "
                f"({error.verify_message.rstrip('.')}): name the broker in "
                "ROLLCALL_KAFKA_BOOTSTRAP and in its advertised.listeners as its certificate does"
            )
        return (
            f"{server}: the broker's certificate is not trusted ({error.verify_message}): check "
            "ROLLCALL_KAFKA_SSL_CA_FILE"
        )
    except ssl.SSLError as error:
        return f"{server}: no TLS connection ({error.reason or error}): {check}"
    except SaslAuthenticationFailed:
        return (
            f"{server}: the broker refuses user {settings.kafka_sasl_username!r} with "
            f"{settings.kafka_sasl_mechanism}: check ROLLCALL_KAFKA_SASL_USERNAME and "
            "ROLLCALL_KAFKA_SASL_PASSWORD"
        )
    except UnsupportedSaslMechanismError:
        return (
            f"{server}: the broker does not take {settings.kafka_sasl_mechanism}: check "
            "ROLLCALL_KAFKA_SASL_MECHANISM"
        )
    except IllegalSaslStateError:
        return f"{server}: the broker wants no user: {check}"
    except (KafkaConnectionError, ConnectionResetError, BrokenPipeError):
        # What a listener does with a client that speaks TLS when it does not, the other way round,
        # or does not show the certificate that it wants.
        return f"{server}: the broker closed the connection: {check}"
    except (KafkaError, OSError) as error:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        return f"{server}: {reason}"
    connection.close()
    return None
