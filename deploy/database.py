"""Which database a command means: that of the environment, or that of `rollcall up`."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from pydantic import SecretStr, ValidationError

from schemas.service.settings import SECRETS_DIR_VARIABLE, DatabaseSettings, load_or_exit

DATABASE_VARIABLE: Final = "ROLLCALL_DATABASE_URL"
SESSION_VARIABLE: Final = "ROLLCALL_DATABASE_SESSION_URL"


class NoDatabaseError(RuntimeError):
    """There is no such database. The message names the remedy."""


def database_url(data_dir: Path, environment: Mapping[str, str] = os.environ) -> str:
    """`ROLLCALL_DATABASE_URL` if set, else what the folder of secrets says, else the database of
    the stack in the data directory.

    Raises `NoDatabaseError`.
    """
    given = environment.get(DATABASE_VARIABLE)
    if given:
        try:
            return DatabaseSettings(database_url=SecretStr(given)).dsn
        except ValidationError:  # whose text may show the password
            raise NoDatabaseError(f"{DATABASE_VARIABLE} is no PostgreSQL URL") from None
    if environment.get(SECRETS_DIR_VARIABLE):
        settings = load_or_exit(DatabaseSettings)
        if "database_url" in settings.model_fields_set:
            return settings.dsn
    try:
        return url_of_stack(data_dir)
    except NoDatabaseError as error:
        raise NoDatabaseError(f"{error}, or set {DATABASE_VARIABLE}") from error


def session_url(data_dir: Path, environment: Mapping[str, str] = os.environ) -> str:
    """As `database_url`, but one whose connections are sessions: `ROLLCALL_DATABASE_SESSION_URL`
    where that is set.

    Raises `NoDatabaseError`; exits if a setting is no PostgreSQL URL.
    """
    if any(environment.get(name) for name in (DATABASE_VARIABLE, SESSION_VARIABLE)):
        return load_or_exit(DatabaseSettings).session_dsn
    if environment.get(SECRETS_DIR_VARIABLE):
        settings = load_or_exit(DatabaseSettings)
        if settings.model_fields_set & {"database_url", "database_session_url"}:
            return settings.session_dsn
    return database_url(data_dir, environment)


def url_of_stack(data_dir: Path) -> str:
    """The database of the stack in the data directory, as its superuser.

    Raises `NoDatabaseError`.
    """
    try:
        port = json.loads((data_dir / "ports.json").read_text())["postgres"]
        # Where there is such a directory, what `rollcall up` needs is installed.
        from deploy.local.postgres import url_of_cluster

        return url_of_cluster(data_dir / "postgres", port)
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise NoDatabaseError(
            f"no database in {data_dir}: start `rollcall up` with this --data-dir first"
        ) from error
