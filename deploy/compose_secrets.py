"""``python -m deploy.compose_secrets FOLDER``: what docker-compose.yml runs before everything else.

Passwords of PostgreSQL and Grafana are made on the first start and kept in volumes, one for each
that needs some; nobody chooses or sees them. Whose tokens count is for the operator to say: where
that is missing the start ends here, with the variable and what to do.
"""

from __future__ import annotations

import secrets
import sys
from pathlib import Path
from typing import Final

from api.settings import ApiSettings
from ingest.settings import IngestSettings
from schemas.settings import load_or_exit

DATABASE: Final = "postgres:5432/rollcall"
URL_FILE: Final = "rollcall_database_url"
#: PostgreSQL's roles and who has their passwords: `deploy.compose_roles` makes all but the first.
SUPERUSER, OWNER, API, GRAFANA = "postgres", "rollcall", "rollcall_api", "rollcall_grafana"


def main(arguments: list[str]) -> None:
    """Check the settings, then write what is missing; says what it did."""
    load_or_exit(IngestSettings)
    load_or_exit(ApiSettings)
    [folder] = arguments
    made = make_secrets(Path(folder))
    for name in made:
        sys.stdout.write(f"made {name}\n")
    if not made:
        sys.stdout.write("all secrets are there\n")


def make_secrets(folder: Path) -> list[str]:
    """Write what is missing; gives the names of the files written. A password that is there is
    never changed: PostgreSQL knows it."""
    postgres, grafana = folder / "postgres", folder / "grafana"
    made: list[str] = []
    passwords = {
        role: _keep(postgres / role, secrets.token_urlsafe(32), made)
        for role in (SUPERUSER, OWNER, API, GRAFANA)
    }
    for service, role in (("owner", OWNER), ("api", API)):
        url = f"postgresql://{role}:{passwords[role]}@{DATABASE}"
        _keep(folder / service / URL_FILE, url, made)
    _keep(grafana / "database_password", passwords[GRAFANA], made)
    _keep(grafana / "admin_password", secrets.token_urlsafe(18), made)
    return made


def _keep(path: Path, value: str, made: list[str]) -> str:
    """What the file holds; ``value`` if it was not there."""
    if path.exists():
        return path.read_text("utf-8").strip()
    path.parent.mkdir(parents=True, exist_ok=True)
    # Others read it under user ids of their own images; the volume goes to nobody else.
    incomplete = path.with_suffix(".new")
    incomplete.write_text(value, "utf-8")
    incomplete.chmod(0o444)
    incomplete.replace(path)
    made.append(f"{path.parent.name}/{path.name}")
    return value


if __name__ == "__main__":
    main(sys.argv[1:])
