"""`rollcall deliveries`: audiences on their way to a push provider."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final
from uuid import UUID

import typer

from deploy.cli.stored import database_of, manager_here, shown_time
from deploy.cli.tables import print_table
from deploy.terminal import DEFAULT_DATA_DIR, DataDir

if TYPE_CHECKING:
    from deploy.deliveries import DeliveryTable

HEADINGS: Final = ("ID", "STATE", "TO", "NAME", "SENT", "OF", "MADE", "PROBLEM")

app = typer.Typer(
    name="deliveries",
    help="Audiences that are sent to a push provider: docs/targeting.md.",
    no_args_is_help=True,
)

DeliveryId = Annotated[UUID, typer.Argument(help="Id of the delivery.")]


@app.command("list")
def list_deliveries(data_dir: DataDir = DEFAULT_DATA_DIR) -> None:
    """Show the latest 100, newest first."""
    with _table(data_dir) as table:
        found = table.all()
    rows = [
        (
            *(each["id"], each["state"], each["destination"], each["name"]),
            *(str(each["sent"]), str(each["users"])),
            *(shown_time(each["created_at"]), each["problem"] or "-"),
        )
        for each in found
    ]
    print_table(HEADINGS, rows)


@app.command()
def resume(delivery: DeliveryId, data_dir: DataDir = DEFAULT_DATA_DIR) -> None:
    """Go on with one that failed in the last day, where it stood."""
    with _table(data_dir) as table:
        left = table.resume(delivery)
    typer.echo(f"resumed {delivery}: {left} users are still to be sent")


@app.command()
def cancel(delivery: DeliveryId, data_dir: DataDir = DEFAULT_DATA_DIR) -> None:
    """Send no more of one, from its next call on."""
    with _table(data_dir) as table:
        table.cancel(delivery)
    typer.echo(f"cancelled {delivery}")


@contextmanager
def _table(data_dir: Path) -> Iterator[DeliveryTable]:
    from deploy.deliveries import DeliveryProblemError, DeliveryTable

    with database_of(data_dir, "deliveries", DeliveryProblemError) as url:
        yield DeliveryTable(url, manager_here())
