"""``python -m deploy.roles.compose_secrets FOLDER``: what docker-compose.yml runs before everything
else.

Passwords of PostgreSQL, Kafka and Grafana, and the key under which users are hashed, are made on
the first start and kept in volumes, one for each that needs some; nobody chooses or sees them.
Whose tokens count is for the operator to say: where that is missing the start ends here, with the
variable and what to do. What is secret of it is handed on as files too, so that no service has it
in its environment.
"""

from __future__ import annotations

import os
import secrets
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from api.settings import ApiSettings
from ingest.settings import IngestSettings
from schemas.service.settings import load_or_exit

DATABASE: Final = "postgres:5432/rollcall"
URL_FILE: Final = "rollcall_database_url"
#: PostgreSQL's roles and who has their passwords: `deploy.roles.compose_roles` makes all but the
#: first.
SUPERUSER, OWNER, API, GRAFANA = "postgres", "rollcall", "rollcall_api", "rollcall_grafana"
NOTIFY: Final = "rollcall_notify"
#: Kafka's users, each a folder with its password: `rollcall topics` grants them what they need.
KAFKA_USERS: Final = ("ingest", "processor", "notify", "api", "topics")
#: The key by which users who opted out are known, and who has it.
USER_HASH_KEY_FILE: Final = "rollcall_user_hash_key"
USER_HASH_KEY_SERVICES: Final = ("processor", "ingest", "notify", "api")
#: The key under which webhooks' secrets are stored; the owner runs `rollcall webhooks`.
ENCRYPTION_KEY_FILE: Final = "rollcall_encryption_key"
ENCRYPTION_KEY_SERVICES: Final = ("owner", "notify", "api")
KAFKA_PASSWORD_FILE: Final = "rollcall_kafka_sasl_password"  # noqa: S105 - the name of one
#: What says whose tokens count and is not for everybody to read, and who reads it.
TOKEN_SECRETS: Final[Mapping[str, tuple[str, ...]]] = {
    "ROLLCALL_JWT_SECRET": ("ingest", "api"),
    "ROLLCALL_PREVIOUS_JWT_SECRET": ("ingest", "api"),
    "ROLLCALL_INTROSPECTION_CLIENT_SECRET": ("ingest", "api"),
    "ROLLCALL_USERINFO_HEADER": ("ingest", "api"),
    "ROLLCALL_STAFF_JWT_SECRET": ("api",),
}
RESTART: Final = "sh deploy/compose/rolling.sh restart ingest api"
_PLAIN_LOGIN: Final = "org.apache.kafka.common.security.plain.PlainLoginModule"


def main(arguments: list[str]) -> None:
    """Check the settings, then write what is missing; says what it did."""
    load_or_exit(IngestSettings)
    load_or_exit(ApiSettings)
    [folder] = arguments
    made = make_secrets(Path(folder))
    for name in made:
        sys.stdout.write(f"made {name}\n")
    changed = hand_on(Path(folder), os.environ)
    for name in changed:
        sys.stdout.write(f"changed {name}\n")
    if changed:
        sys.stdout.write(f"services that run already go on with the former ones: {RESTART}\n")
    if not made and not changed:
        sys.stdout.write("all secrets are there\n")


def make_secrets(folder: Path) -> list[str]:
    """Write what is missing; gives the names of the files written. A password that is there is
    never changed: PostgreSQL knows it. Nor is the key of users' hashes, which is one for all
    services: what is stored was hashed under it."""
    postgres, grafana = folder / "postgres", folder / "grafana"
    made: list[str] = []
    passwords = {
        role: _keep(postgres / role, secrets.token_urlsafe(32), made)
        for role in (SUPERUSER, OWNER, API, NOTIFY, GRAFANA)
    }
    for service, role in (
        *(("owner", OWNER), ("processor", OWNER)),
        *(("notify", NOTIFY), ("api", API)),
    ):
        url = f"postgresql://{role}:{passwords[role]}@{DATABASE}"
        _keep(folder / service / URL_FILE, url, made)
    _keep_key(folder, USER_HASH_KEY_FILE, USER_HASH_KEY_SERVICES, made)
    _keep_key(folder, ENCRYPTION_KEY_FILE, ENCRYPTION_KEY_SERVICES, made)
    users = {
        user: _keep(folder / user / KAFKA_PASSWORD_FILE, secrets.token_urlsafe(32), made)
        for user in KAFKA_USERS
    }
    _put(folder / "kafka" / "users.properties", _users_properties(users), made)
    _keep(grafana / "database_password", passwords[GRAFANA], made)
    _keep(grafana / "admin_password", secrets.token_urlsafe(18), made)
    return made


def hand_on(folder: Path, environment: Mapping[str, str]) -> list[str]:
    """Write what the operator has set, and remove what is set no more; gives the names of files
    that hold something else than before."""
    changed: list[str] = []
    for variable, services in TOKEN_SECRETS.items():
        value = environment.get(variable, "")
        for service in services:
            path = folder / service / variable.lower()
            if value:
                _put(path, value, changed)
            elif path.exists():
                path.unlink()
                changed.append(f"{service}/{path.name}")
    return changed


def _keep_key(folder: Path, name: str, services: tuple[str, ...], made: list[str]) -> None:
    """One for all, and never another one: who has it gives it to the others."""
    paths = [folder / service / name for service in services]
    known = [path.read_text("utf-8").strip() for path in paths if path.exists()]
    key = known[0] if known else secrets.token_urlsafe(32)
    for path in paths:
        _keep(path, key, made)


def _users_properties(passwords: Mapping[str, str]) -> str:
    """What the broker knows its clients by: lines of its properties."""
    users = " ".join(f'user_{user}="{password}"' for user, password in passwords.items())
    return f"listener.name.clients.plain.sasl.jaas.config={_PLAIN_LOGIN} required {users};\n"


def _keep(path: Path, value: str, made: list[str]) -> str:
    """What the file holds; ``value`` if it was not there."""
    if path.exists():
        return path.read_text("utf-8").strip()
    _put(path, value, made)
    return value


def _put(path: Path, value: str, written: list[str]) -> None:
    """Write a file whole, unless it holds just this."""
    if path.exists() and path.read_text("utf-8") == value:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    # Others read it under user ids of their own images; the volume goes to nobody else.
    incomplete = path.with_suffix(".new")
    incomplete.write_text(value, "utf-8")
    incomplete.chmod(0o444)
    incomplete.replace(path)
    written.append(f"{path.parent.name}/{path.name}")


if __name__ == "__main__":
    main(sys.argv[1:])
