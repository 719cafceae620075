"""What `rollcall up` runs: settings, files, ports and the environment of the services."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, replace
from pathlib import Path

from deploy.local.child import Child
from deploy.local.kafka import LocalKafka
from deploy.local.ports import remembered_ports
from deploy.local.postgres import LocalPostgres
from deploy.local.private import make_private
from deploy.tokens import (
    CANARY_CLAIM,
    CANARY_CLAIM_VARIABLE,
    SECRET_VARIABLE,
    NoKeyError,
    is_staffs,
    keep_encryption_key,
    keep_user_hash_key,
    make_dev_key,
    make_token,
    signing_key,
)
from deploy.webhooks import LOCAL_HOSTS
from schemas.log.settings import KafkaSettings

PARTITIONS = 4
USER_HASH_KEY_VARIABLE = "ROLLCALL_USER_HASH_KEY"
ENCRYPTION_KEY_VARIABLE = "ROLLCALL_ENCRYPTION_KEY"
SIMULATION_NAME = "simulation"
CANARY_NAME = "canary"
#: Nobody renews them here.
CANARY_TOKEN_SECONDS = 365 * 86_400.0
PORTS = (
    *("kafka", "kafka_controller", "postgres"),
    *("front_admin", "processor_admin", "notify_admin", "canary_admin"),
)
LOCAL_ORIGINS = "http://localhost:*,http://127.0.0.1:*"
# Where keys come from elsewhere, the development key must not open a second door.
FOREIGN_KEYS = (
    "ROLLCALL_JWKS_URL",
    "ROLLCALL_JWT_PUBLIC_KEY",
    "ROLLCALL_INTROSPECTION_URL",
    "ROLLCALL_USERINFO_URL",
)
# The Kafka of a stack speaks plainly; what the environment says of another one is not for it.
KAFKA_SECURITY = {
    name: field.default
    for name, field in KafkaSettings.model_fields.items()
    if name.startswith(("kafka_security_", "kafka_sasl_", "kafka_ssl_"))
}
# Longer than the front waits for Kafka (5 s) and its clients (2 s more).
SERVICE_STOP_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class UpOptions:
    """The options of `rollcall up`."""

    host: str
    port: int
    data_dir: Path
    offline_after_seconds: float
    heartbeat_interval_seconds: float
    allow_short_timing: bool
    #: So many users are simulated; 0: none.
    simulated_users: int = 0
    #: Whether changes are delivered to webhooks.
    webhooks: bool = False
    #: So many canaries run; 0: none.
    canaries: int = 0


class Stack:
    """One data directory and everything that runs on it."""

    def __init__(self, options: UpOptions) -> None:
        """Choose ports and keys; nothing is started, nothing is downloaded."""
        self.options = options
        self.data_dir = options.data_dir.absolute()
        self.log_dir = self.data_dir / "logs"
        make_private(self.log_dir)
        ports = remembered_ports(
            self.data_dir / "ports.json", PORTS, avoid=frozenset({options.port})
        )
        self.kafka = LocalKafka(
            self.data_dir / "kafka",
            log_dir=self.log_dir,
            ports=(ports["kafka"], ports["kafka_controller"]),
        )
        self.postgres = LocalPostgres(
            self.data_dir / "postgres", log_dir=self.log_dir, port=ports["postgres"]
        )
        self._ports = ports
        self._foreign_keys = any(os.environ.get(name) for name in FOREIGN_KEYS)
        self._user_hash_key = keep_user_hash_key(self.data_dir)
        self._encryption_key = keep_encryption_key(self.data_dir)
        self._key = os.environ.get(SECRET_VARIABLE) or make_dev_key(self.data_dir)

    @property
    def public_url(self) -> str:
        """Where a browser on this machine finds the front."""
        host = self.options.host
        if host in ("", "0.0.0.0", "::"):  # noqa: S104 - compared, not bound
            host = "127.0.0.1"
        return f"http://{f'[{host}]' if ':' in host else host}:{self.options.port}"

    def admin_url(self, service: str) -> str:
        """Base URL of a service's admin port."""
        return f"http://127.0.0.1:{self._ports[f'{service}_admin']}"

    def token(self, user: str, *, scope: str | None = None, expires_seconds: float) -> str | None:
        """A token that this stack accepts; `None` where another issuer makes them."""
        if self._foreign_keys and not is_staffs(scope):
            return None
        try:
            key = signing_key(self.data_dir, scope=scope)
        except NoKeyError:
            return None
        return make_token(key, user=user, scope=scope, expires_seconds=expires_seconds)

    def environment(self) -> dict[str, str]:
        """What the services read, beside the `ROLLCALL_…` variables that the user has set."""
        options = self.options
        chosen = {
            "ROLLCALL_KAFKA_BOOTSTRAP": self.kafka.bootstrap,
            **{f"ROLLCALL_{name.upper()}": "" for name in KAFKA_SECURITY},
            "ROLLCALL_REPLICATION_FACTOR": "1",
            "ROLLCALL_DATABASE_URL": self.postgres.dsn,
            "ROLLCALL_OFFLINE_AFTER_SECONDS": f"{options.offline_after_seconds:g}",
            "ROLLCALL_HEARTBEAT_INTERVAL_SECONDS": f"{options.heartbeat_interval_seconds:g}",
            "ROLLCALL_ALLOW_SHORT_TIMING": str(options.allow_short_timing).lower(),
            "ROLLCALL_INGEST_HOST": options.host,
            "ROLLCALL_INGEST_PORT": str(options.port),
            "ROLLCALL_API_HOST": options.host,
            "ROLLCALL_API_PORT": str(options.port),
            "ROLLCALL_INGEST_ADMIN_HOST": "127.0.0.1",
            "ROLLCALL_INGEST_ADMIN_PORT": str(self._ports["front_admin"]),
            "ROLLCALL_API_ADMIN_HOST": "127.0.0.1",
            "ROLLCALL_API_ADMIN_PORT": str(self._ports["front_admin"]),
            "ROLLCALL_NOTIFY_ADMIN_HOST": "127.0.0.1",
            "ROLLCALL_NOTIFY_ADMIN_PORT": str(self._ports["notify_admin"]),
            "ROLLCALL_PROCESSOR_ADMIN_HOST": "127.0.0.1",
            "ROLLCALL_PROCESSOR_ADMIN_PORT": str(self._ports["processor_admin"]),
            "ROLLCALL_ADMIN_TARGETS": ",".join(
                f"127.0.0.1:{self._ports[f'{service}_admin']}"
                for service in ("front", "processor", *(("notify",) if options.webhooks else ()))
            ),
            "PYTHONUNBUFFERED": "1",
        }
        if options.simulated_users:
            chosen["ROLLCALL_SIMULATED"] = "true"
        if not self._foreign_keys:
            chosen[SECRET_VARIABLE] = self._key
        defaults = {
            USER_HASH_KEY_VARIABLE: self._user_hash_key,
            ENCRYPTION_KEY_VARIABLE: self._encryption_key,
            "ROLLCALL_WEBHOOK_PRIVATE_HOSTS": LOCAL_HOSTS,
            CANARY_CLAIM_VARIABLE: CANARY_CLAIM,
            # All services are of one release.
            "ROLLCALL_EVENT_VERSION": "2",
            "ROLLCALL_PARTITIONS": str(PARTITIONS),
            "ROLLCALL_CORS_ORIGINS": LOCAL_ORIGINS,
            # Log files of a developer's machine are read by people.
            "ROLLCALL_LOG_FORMAT": "console",
        }
        return {
            **{name: value for name, value in defaults.items() if not os.environ.get(name)},
            **chosen,
        }

    def kafka_settings(self) -> KafkaSettings:
        """The services' Kafka settings, for creating the topics in this process."""
        environment = {**os.environ, **self.environment()}
        return KafkaSettings(
            kafka_bootstrap=environment["ROLLCALL_KAFKA_BOOTSTRAP"],
            topic_prefix=environment.get("ROLLCALL_TOPIC_PREFIX", ""),
            partitions=int(environment["ROLLCALL_PARTITIONS"]),
            replication_factor=1,
            **KAFKA_SECURITY,
        )

    def service(self, name: str, module: str, *arguments: str) -> Child:
        """A Python service of this stack as a supervised child."""
        return Child(
            name=name,
            # -P: a package `api` in the directory that the user stands in is not ours.
            command=[sys.executable, "-P", "-m", module, *arguments],
            log_path=self.log_dir / f"{name}.log",
            environment=self.environment(),
            stop_seconds=SERVICE_STOP_SECONDS,
        )

    def canaries(self) -> Child:
        """The canaries as a supervised child; the file of their tokens lies beside the keys."""
        path = self.data_dir / "canary-tokens"
        key = signing_key(self.data_dir)
        tokens = [
            make_token(
                key,
                user=f"canary-{number}",
                expires_seconds=CANARY_TOKEN_SECONDS,
                canary=True,
                environment={**os.environ, **self.environment()},
            )
            for number in range(self.options.canaries)
        ]
        path.write_text("".join(f"{token}\n" for token in tokens))
        reader = self.token("canaries", scope="presence:read", expires_seconds=CANARY_TOKEN_SECONDS)
        child = self.service(CANARY_NAME, "deploy.cli", "canary")
        settings = {
            "ROLLCALL_CANARY_TOKENS_FILE": str(path),
            "ROLLCALL_CANARY_API_KEY": reader or "",
            "ROLLCALL_CANARY_URL": self.public_url,
            "ROLLCALL_CANARY_HEARTBEAT_SECONDS": f"{self.options.heartbeat_interval_seconds:g}",
            "ROLLCALL_CANARY_ADMIN_PORT": str(self._ports["canary_admin"]),
        }
        return replace(child, environment={**child.environment, **settings})

    def simulation(self) -> Child:
        """The synthetic fleet as a supervised child."""
        options = ["--users", str(self.options.simulated_users), "--url", self.public_url]
        options += ["--data-dir", str(self.data_dir)]
        return self.service(SIMULATION_NAME, "deploy.cli", "simulate", *options)
