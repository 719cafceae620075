"""Where batches keep signs of life: ``rollcall migrate --signs-of-life`` (deploy/adr/0012).

Apart, in ``signs_of_life``, a heartbeat costs least. Together with the rest, in ``presence``, a
processor of an earlier release can take a partition back. The database knows which holds, so that
all processors go by the same; each batch asks it.
"""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

import psycopg

from schemas.database.migrate import only_runner
from schemas.database.named_queries import load_queries

#: Users at a time on the way back: for so long no batch is stored.
STEP: Final = 2_000


Kept: TypeAlias = Literal["apart", "together"]


class SignsOfLifeError(RuntimeError):
    """They stay where they are; the message says why, and what to do."""


def keep_signs_of_life(dsn: str, where: Kept, *, ours_alone: bool = False, step: int = STEP) -> str:
    """Keep them there from the next batch on; gives a sentence for the operator. ``ours_alone``: no
    processor of another release can be at work. The database must be migrated. Raises
    :class:`SignsOfLifeError` or ``psycopg.Error``; who is cut off on the way back asks again."""
    queries = load_queries("schemas.database", "sql/signs_of_life.queries.sql")
    with only_runner(dsn) as connection:
        row = connection.execute(queries["kept"]).fetchone()
        if row is None:
            if where == "apart":
                return "signs of life will be kept apart: no processor has been here yet"
            raise SignsOfLifeError(
                "no processor has been here yet, and the first one will keep signs of life apart: "
                "start it, and run this again"
            )
        if row == (where,):
            return f"signs of life are kept {where} already"
        if where == "apart":
            with connection.transaction():
                connection.execute(queries["fence"])
                earlier = connection.execute(queries["earlier_releases"]).fetchall()
                if earlier and not ours_alone:
                    named = ", ".join(str(partition) for (partition,) in earlier)
                    raise SignsOfLifeError(
                        "no processor of this release has stored the latest batch of partitions "
                        f"{named}: end all processors of earlier releases, let those of this one "
                        "run for some seconds, and run this again"
                    )
                connection.execute(queries["keep"], (where,))
            return (
                "signs of life are kept apart from now on; the database refuses what a processor "
                "of an earlier release would store"
            )
        users = _join(connection, queries, step)
    return (
        f"signs of life are kept together with the rest; those of {users} users were joined. A "
        "processor of an earlier release may work again"
    )


def _join(connection: psycopg.Connection, queries: dict[str, bytes], step: int) -> int:
    """Bring what is apart back, some users at a time; how many had something there."""
    connection.execute(queries["keep"], ("joining",))
    users, after = 0, ""
    while True:
        with connection.transaction():
            # Batches lock users in another order: none is under way. The first step waits for those
            # that still kept theirs apart.
            connection.execute(queries["fence"])
            row = connection.execute(queries["join"], {"after": after, "most": step}).fetchone()
            if row is None:
                connection.execute(queries["keep"], ("together",))
                return users
        after, users = row[0], users + row[1]
