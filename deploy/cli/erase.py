"""`rollcall erase` and `rollcall opt-outs`: users out of every table, and out for good."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from deploy.terminal import (
    DEFAULT_DATA_DIR,
    FAILURE,
    USAGE,
    DataDir,
    fail,
    fail_without_kafka,
)

if TYPE_CHECKING:
    from deploy.erasing import Erasing

T = TypeVar("T")

DespiteProcessors = Annotated[
    bool,
    typer.Option(
        "--despite-processors",
        help="Do it though processors run. They learn of the opt-outs only when they are started "
        "again, which you do right after it.",
    ),
]

opt_outs = typer.Typer(
    name="opt-outs",
    help="Who has opted out: the topic presence.privacy and the table privacy_flags.",
    no_args_is_help=True,
)


def erase(
    user: Annotated[
        list[str] | None, typer.Option(help="User id; may be given more than once.")
    ] = None,
    users_from: Annotated[
        Path | None,
        typer.Option(help="A file of user ids, one a line.", exists=True, dir_okay=False),
    ] = None,
    since_restore: Annotated[
        bool,
        typer.Option(
            "--since-restore",
            help="After a restore of PostgreSQL, before the processors start: apply again the "
            "erasures and opt-outs that presence.privacy knows of.",
        ),
    ] = False,
    despite_processors: DespiteProcessors = False,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Erase users from every table.

    Each is one event of the log, in order with what the user's phones send; sums that they were
    counted in stay. It is no opt-out. Kafka, the database and ROLLCALL_USER_HASH_KEY are those of
    the services, and ROLLCALL_EVENT_VERSION must be 2.
    """
    if bool(user or users_from) == since_restore:
        fail("name users with --user or --users-from, or say --since-restore", USAGE)
    if despite_processors and not since_restore:
        fail("--despite-processors is for --since-restore: erasures go through processors", USAGE)
    users = _usable(user or []) + (_users_of(users_from) if users_from else [])

    async def of_users(erasing: Erasing) -> list[tuple[str, str, int]]:
        ids = await erasing.erase(dict.fromkeys(users))
        removed = await erasing.rows_removed(ids.values())
        return [(name, each, removed.get(each, 0)) for name, each in ids.items()]

    async def again(erasing: Erasing) -> tuple[int, int]:
        if not despite_processors:
            await erasing.require_stopped_processors()
        flags = await erasing.flags_of_topic()
        restored = await erasing.restore_table(flags)
        known = await erasing.known_again(flags)
        await erasing.erase(known, wait=False)
        return restored, len(known)

    if since_restore:
        restored, erased = _run(again, data_dir)
        typer.echo(f"{restored} opt-outs and erasures restored to the database")
        typer.echo(f"{erased} users are erased again, once the processors run")
        _echo_restart(despite_processors)
        return
    for name, erasure_id, removed in _run(of_users, data_dir):
        # Of a name that was mistyped there is nothing.
        found = f"{removed} rows" if removed else "nothing was stored of this user"
        typer.echo(f"erased {name}: {erasure_id} ({found})")


def users_in(file: Path) -> list[str]:
    """User ids, one a line, each once. Raises ``ValueError`` that says why not."""
    from deploy.erasing import usable_ids

    try:
        # With or without the mark that editors of Windows begin a file with.
        users = usable_ids(file.read_text("utf-8-sig").split("\n"))
    except UnicodeDecodeError:
        raise ValueError("it is not UTF-8") from None
    if not users:
        raise ValueError("there are no user ids in it: one a line is wanted")
    return users


def _users_of(file: Path) -> list[str]:
    try:
        return users_in(file)
    except ValueError as error:
        fail(f"--users-from {file}: {error}", USAGE)


def _usable(users: list[str]) -> list[str]:
    from deploy.erasing import is_user_id
    from schemas.log.events import MAX_USER_ID

    for user in users:
        if not is_user_id(user):
            known = f"1 to {MAX_USER_ID} characters, none of them a control character"
            fail(f"--user: {user[:50]!r} is no user id, which has {known}", USAGE)
    return users


@opt_outs.command("restore-topic")
def restore_topic(data_dir: DataDir = DEFAULT_DATA_DIR) -> None:
    """Write presence.privacy anew from the database, for a Kafka that has lost it."""
    published = _run(lambda erasing: erasing.restore_topic(), data_dir)
    typer.echo(f"{published} flags published")


@opt_outs.command("restore-table")
def restore_table(
    despite_processors: DespiteProcessors = False, data_dir: DataDir = DEFAULT_DATA_DIR
) -> None:
    """Fill the database from presence.privacy; the processors must be stopped meanwhile."""

    async def restore(erasing: Erasing) -> int:
        if not despite_processors:
            await erasing.require_stopped_processors()
        return await erasing.restore_table(await erasing.flags_of_topic())

    typer.echo(f"{_run(restore, data_dir)} flags restored")
    _echo_restart(despite_processors)


def _echo_restart(despite_processors: bool) -> None:
    if despite_processors:
        typer.echo("now start the processors again: those that run know nothing of it")


def _run(work: Callable[[Erasing], Awaitable[T]], data_dir: Path) -> T:
    import psycopg
    from aiokafka.errors import KafkaError

    from deploy.database import NoDatabaseError, session_url
    from deploy.erase_settings import EraseSettings, settings_of_stack
    from deploy.erasing import Erasing, NotPassedError, ProcessorsRunError
    from schemas.log.events import PRIVACY_VERSION
    from schemas.service.settings import load_or_exit
    from schemas.service.user_hash import UserHashKeyError

    try:
        dsn = session_url(data_dir)
    except NoDatabaseError as error:
        fail(str(error), USAGE)
    settings = settings_of_stack(load_or_exit(EraseSettings), data_dir)
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    hashed = settings.user_hash
    if hashed is None:
        fail("set ROLLCALL_USER_HASH_KEY to the key that the services have", USAGE)
    if settings.event_version < PRIVACY_VERSION:
        fail("set ROLLCALL_EVENT_VERSION=2 once every processor is of this release", USAGE)

    async def run() -> T:
        erasing = Erasing(settings, dsn, hashed)
        await erasing.check()
        return await work(erasing)

    try:
        return asyncio.run(run())
    except (UserHashKeyError, NotPassedError, ProcessorsRunError) as error:
        fail(str(error), FAILURE)
    except psycopg.errors.UndefinedTable:
        fail("the database lacks tables of this release: run rollcall migrate", FAILURE)
    except psycopg.Error as error:
        fail(f"PostgreSQL (ROLLCALL_DATABASE_URL) did not do it: {error}", FAILURE)
    except (KafkaError, OSError) as error:
        fail_without_kafka(settings, error)
