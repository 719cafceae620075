"""`rollcall webhooks`: who is told of changes, and what they are told."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from deploy.cli.stored import database_of, manager_here, shown_time
from deploy.cli.tables import print_table
from deploy.terminal import DEFAULT_DATA_DIR, FAILURE, USAGE, DataDir, fail, note

if TYPE_CHECKING:
    from deploy.webhooks import WebhookTable

HEADINGS: Final = ("ID", "STATE", "URL", "FILTER", "DEAD LETTERS", "PROBLEM")
MOST_ONCE_HOURS: Final = 30 * 24
_DURATION: Final = re.compile(r"([0-9]{1,6})([smh])")
_UNITS: Final = {"s": 1, "m": 60, "h": 3600}
_VERSION: Final = re.compile(r"(<=|>=|<|>|=)?\s*(.*)", re.DOTALL)
_TIMER_OPTIONS: Final = {
    "timer.platform": "--platform",
    "timer.app_version": "--version",
    "timer.app_version.version": "--version",
    "timer.push.title": "--push-title",
    "timer.push.text": "--push-text",
    "timer.push.template_id": "--push-template",
}

app = typer.Typer(
    name="webhooks",
    help="Tell your back ends of changes by signed HTTP requests: docs/webhooks.md.",
    no_args_is_help=True,
)

WebhookId = Annotated[str, typer.Argument(help="Id of the webhook, such as wh_0123456789abcdef.")]


@app.command()
def create(
    url: Annotated[
        str | None, typer.Option(help="Where messages go; left out with --push-….")
    ] = None,
    of: Annotated[
        str,
        typer.Option(
            help="device: every change; user: those that show in the user's state; audience: "
            "audiences that are sent to it."
        ),
    ] = "device",
    reason: Annotated[list[str] | None, typer.Option(help="Only such; may be repeated.")] = None,
    state: Annotated[
        list[str] | None, typer.Option(help="Only changes to this state; may be repeated.")
    ] = None,
    screen: Annotated[
        list[str] | None, typer.Option(help="Only changes to this screen; may be repeated.")
    ] = None,
    app_version: Annotated[
        list[str] | None, typer.Option(help="Only of this version; may be repeated.")
    ] = None,
    offline_for: Annotated[
        str | None,
        typer.Option(help="Tell who stays offline for so long, such as 10m, and no changes."),
    ] = None,
    on_screen: Annotated[
        str | None,
        typer.Option(help="Tell who stays on this screen for as long as --for, and no changes."),
    ] = None,
    for_: Annotated[
        str | None, typer.Option("--for", help="How long, with --on-screen: 30s, 5m, 2h.")
    ] = None,
    once_per: Annotated[
        str | None,
        typer.Option(help="A live audience: tell of each user once in so long, such as 24h."),
    ] = None,
    platform: Annotated[
        str | None, typer.Option(help="With --offline-for or --on-screen: only on this platform.")
    ] = None,
    version: Annotated[
        str | None,
        typer.Option(help="With --offline-for or --on-screen: only of versions such as '>=1.10'."),
    ] = None,
    push_title: Annotated[str | None, typer.Option(help="Tell it through OneSignal.")] = None,
    push_text: Annotated[str | None, typer.Option(help="Tell it through OneSignal.")] = None,
    push_template: Annotated[
        str | None, typer.Option(help="Tell it through OneSignal, by the id of a template.")
    ] = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Make a webhook, and print its id and its secret, once.

    It is told of what changes from now on. That a user was erased or opted out is always told.
    """
    from deploy.webhooks import settings_of_stack
    from schemas.bodies.fields import BadFieldsError
    from schemas.service.settings import load_or_exit
    from schemas.webhooks.filter import parse_filter
    from schemas.webhooks.forms import NO_ONESIGNAL, ONESIGNAL
    from schemas.webhooks.settings import WebhookSettings

    lists = {"reasons": reason, "states": state, "screens": screen, "app_versions": app_version}
    said: dict[str, Any] = {name: values for name, values in lists.items() if values}
    timer = _timer(offline_for, on_screen, for_)
    push = {"title": push_title, "text": push_text, "template_id": push_template}
    push = {name: value for name, value in push.items() if value is not None}
    if timer is None:
        said["of"] = of
        if push or any(each is not None for each in (once_per, platform, version)):
            fail(
                "--once-per, --platform, --version and --push-… go with --offline-for or "
                "--on-screen",
                USAGE,
            )
    else:
        if once_per is not None:
            timer["once_in_seconds"] = _seconds("--once-per", once_per, MOST_ONCE_HOURS)
        if platform is not None:
            timer["platform"] = platform
        if version is not None:
            timer["app_version"] = _version(version)
        if push:
            timer["push"] = push
        said["timer"] = timer
        if len(said) > 1 or of != "device":
            fail(f"{_option(timer)} stands alone: make another webhook for changes", USAGE)
    try:
        wanted = parse_filter(said)
        settings = settings_of_stack(load_or_exit(WebhookSettings), data_dir)
        if push:
            if url is not None:
                fail("--url must be left out: --push-… goes to OneSignal", USAGE)
            if not settings.onesignal_app_id:
                fail(f"--push-… {NO_ONESIGNAL}", USAGE)
            url = ONESIGNAL
        elif url is None:
            fail("--url is missing: say where messages go", USAGE)
        else:
            settings.check_webhook_url(url)
    except BadFieldsError as error:
        problem = error.problems[0]
        if timer is not None:
            option = _TIMER_OPTIONS.get(problem.field, _option(timer))
            fail(f"{option} {problem.message}", USAGE)
        option = problem.field.partition("[")[0].removesuffix("s").replace("_", "-")
        fail(f"--{option} {problem.message}", USAGE)
    except ValueError as error:
        fail(f"--url {error}", USAGE)
    with _table(data_dir) as table:
        made = table.create(url, wanted)
    if push:
        typer.echo(made.id)
        return
    note("the secret is shown only now: give it to the receiver")
    typer.echo(f"{made.id} {made.secret}")


@app.command("list")
def list_webhooks(data_dir: DataDir = DEFAULT_DATA_DIR) -> None:
    """Show all webhooks: everything but their secrets."""
    with _table(data_dir) as table:
        found = table.all()
    rows = [
        (
            each.id,
            each.state,
            each.url,
            json.dumps(each.filter),
            str(each.dead_letters),
            f"{each.problem} since {shown_time(each.failing_since)}" if each.failing_since else "-",
        )
        for each in found
    ]
    print_table(HEADINGS, rows)


@app.command()
def delete(webhook: WebhookId, data_dir: DataDir = DEFAULT_DATA_DIR) -> None:
    """End a webhook, with its dead letters."""
    with _table(data_dir) as table:
        table.delete(webhook)
    typer.echo(f"deleted {webhook}")


@app.command()
def enable(webhook: WebhookId, data_dir: DataDir = DEFAULT_DATA_DIR) -> None:
    """Go on with a webhook whose receiver answered 410, from where it was."""
    with _table(data_dir) as table:
        table.enable(webhook)
    typer.echo(f"enabled {webhook}")


@app.command()
def rotate(
    webhook: WebhookId,
    overlap_hours: Annotated[
        int, typer.Option(help="How long the secret of before signs too.", min=0, max=168)
    ] = 24,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Print a new secret, once. Messages are signed with the one of before as well, for a while."""
    with _table(data_dir) as table:
        secret, until = table.rotate(webhook, overlap_hours)
    note(f"the secret is shown only now; the one of before signs too until {shown_time(until)}")
    typer.echo(secret)


@app.command()
def replay(
    webhook: WebhookId,
    show: Annotated[
        bool, typer.Option("--show", help="Only show the dead letters, the latest first.")
    ] = False,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Deliver what could not be delivered, while later changes go on."""
    with _table(data_dir) as table:
        if show:
            for letter in table.dead_letters(webhook):
                since = letter["replaying_since"]
                typer.echo(
                    f"partition {letter['partition']}, offsets {letter['from_offset']} to "
                    f"{letter['next_offset']}: {letter['changes']} changes, {letter['why']}, "
                    f"{shown_time(letter['first_at'])}" + (", is replayed" if since else "")
                )
            return
        begun = table.replay(webhook)
    typer.echo(f"{begun} dead letters are replayed" if begun else "no dead letters to replay")


@app.command()
def listen(
    secret: Annotated[
        str, typer.Option(envvar="ROLLCALL_WEBHOOK_SECRET", help="The webhook's secret.")
    ],
    port: Annotated[int, typer.Option(help="TCP port.", min=1, max=65_535)] = 9090,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
) -> None:
    """Receive messages here, verify their signatures and show their changes, until Ctrl-C."""
    from deploy.listening import listen as run
    from schemas.webhooks.signing import secret_key

    try:
        secret_key(secret)
    except ValueError as error:
        fail(f"--secret: {error}", USAGE)
    try:
        run(host, port, secret)
    except OSError as error:
        fail(f"cannot listen on {host}:{port}: {error.strerror}", FAILURE)


def _timer(
    offline_for: str | None, on_screen: str | None, lasting: str | None
) -> dict[str, Any] | None:
    """As a filter has it."""
    if offline_for is not None:
        if on_screen is not None or lasting is not None:
            fail("--offline-for stands alone: leave out --on-screen and --for", USAGE)
        return {"while": "offline", "seconds": _seconds("--offline-for", offline_for)}
    if on_screen is None and lasting is None:
        return None
    if on_screen is None or lasting is None:
        fail("--on-screen and --for go together: --on-screen Checkout --for 5m", USAGE)
    return {"while": "on_screen", "screen": on_screen, "seconds": _seconds("--for", lasting)}


def _version(text: str) -> dict[str, str]:
    """As a filter has it; without an order it is that version."""
    found = _VERSION.fullmatch(text.strip())
    op, version = found.groups() if found else (None, text)
    return {"op": op or "=", "version": version}


def _option(timer: dict[str, Any]) -> str:
    return "--offline-for" if timer["while"] == "offline" else "--on-screen"


def _seconds(option: str, text: str, most_hours: int = 24) -> int:
    found = _DURATION.fullmatch(text)
    seconds = int(found[1]) * _UNITS[found[2]] if found else 0
    if not 1 <= seconds <= _UNITS["h"] * most_hours:
        fail(f"{option} {text}: write 30s, 10m or 2h, up to {most_hours}h", USAGE)
    return seconds


@contextmanager
def _table(data_dir: Path) -> Iterator[WebhookTable]:
    from deploy.webhooks import WebhookProblemError, WebhookTable, settings_of_stack
    from schemas.service.settings import load_or_exit
    from schemas.webhooks.settings import WebhookSettings

    settings = settings_of_stack(load_or_exit(WebhookSettings), data_dir)
    with database_of(data_dir, "webhooks", WebhookProblemError) as url:
        yield WebhookTable(url, settings.secret_box, manager_here())
