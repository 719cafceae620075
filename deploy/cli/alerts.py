"""`rollcall alerts`: who is told when a number moves."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from deploy.cli.stored import database_of, manager_here, shown_time
from deploy.cli.tables import print_table
from deploy.terminal import DEFAULT_DATA_DIR, USAGE, DataDir, fail, note

if TYPE_CHECKING:
    from deploy.alerts import AlertTable
    from schemas.alerts.message import Target
    from schemas.alerts.rule import AlertRule

HEADINGS: Final = ("ID", "STATE", "NAME", "RULE", "TO", "PROBLEM")

app = typer.Typer(
    name="alerts",
    help="Be told when a number moves, by a signed webhook, Slack or e-mail: docs/alerts.md.",
    no_args_is_help=True,
)

Of = Annotated[
    str, typer.Option(help="online, screen, arrivals, exits or version_share: what is measured.")
]
Above = Annotated[
    float | None, typer.Option(help="Fires above this; by so many percent or spreads.")
]
Below = Annotated[
    float | None, typer.Option(help="Fires below this; by so many percent or spreads.")
]
Than = Annotated[str, typer.Option(help="number, yesterday, last_week or band.")]
Peak = Annotated[bool, typer.Option("--peak", help="New all-time peak of users online.")]
Name = Annotated[str | None, typer.Option(help="What the alert is called.")]
Screen = Annotated[str | None, typer.Option(help="Of screen; arrivals and exits may have one.")]
Version = Annotated[str | None, typer.Option(help="Of version_share.")]
Days = Annotated[int | None, typer.Option(help="Of a band: how many earlier days, 3 to 13.")]
ForMinutes = Annotated[int | None, typer.Option(help="How long it must hold.")]
Repeat = Annotated[int | None, typer.Option(help="Tell again after so many minutes.")]
NoRecovery = Annotated[bool, typer.Option("--no-recovery", help="Do not tell that it is over.")]
Quiet = Annotated[str | None, typer.Option(help="Tell nothing then, such as 22:00-07:00.")]
Zone = Annotated[str, typer.Option(help="IANA time zone of quiet hours.")]

AlertId = Annotated[str, typer.Argument(help="Id of the alert, such as al_0123456789abcdef.")]


@app.command()
def create(
    url: Annotated[str | None, typer.Option(help="A webhook of yours, signed.")] = None,
    slack: Annotated[
        str | None, typer.Option(help="A Slack-compatible webhook: gets a text.")
    ] = None,
    email: Annotated[
        str | None, typer.Option(help="An address: wants ROLLCALL_SMTP_HOST here, too.")
    ] = None,
    of: Of = "online",
    above: Above = None,
    below: Below = None,
    than: Than = "number",
    peak: Peak = False,
    name: Name = None,
    screen: Screen = None,
    app_version: Version = None,
    days: Days = None,
    for_minutes: ForMinutes = None,
    repeat_minutes: Repeat = None,
    no_recovery: NoRecovery = False,
    quiet: Quiet = None,
    time_zone: Zone = "UTC",
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Make an alert, and print its id and, of a webhook, its secret, once."""
    targets: dict[Target, str | None] = {"webhook": url, "slack": slack, "email": email}
    given = [(target, to) for target, to in targets.items() if to is not None]
    if len(given) != 1:
        fail("give one of --url, --slack and --email: where notices go", USAGE)
    [(target, to)] = given
    said = (of, above, below, than, peak, name, screen, app_version, days, for_minutes)
    rule = _rule(*said, repeat_minutes, no_recovery, quiet, time_zone)
    _check(target, to, data_dir)
    with _table(data_dir) as table:
        made = table.create(rule, target, to)
    if made.secret is not None:
        note("the secret is shown only now: give it to the receiver")
    typer.echo(made.id if made.secret is None else f"{made.id} {made.secret}")


@app.command("try")
def try_(
    of: Of = "online",
    above: Above = None,
    below: Below = None,
    than: Than = "number",
    peak: Peak = False,
    name: Name = None,
    screen: Screen = None,
    app_version: Version = None,
    days: Days = None,
    for_minutes: ForMinutes = None,
    repeat_minutes: Repeat = None,
    no_recovery: NoRecovery = False,
    quiet: Quiet = None,
    time_zone: Zone = "UTC",
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Say how often such an alert would have fired in the last week, and when."""
    from schemas.alerts.reading import instant, shown_trial

    said = (of, above, below, than, peak, name, screen, app_version, days, for_minutes)
    rule = _rule(*said, repeat_minutes, no_recovery, quiet, time_zone)
    with _table(data_dir) as table:
        found = table.try_rule(rule)
    shown = shown_trial(found)
    times = "once" if shown["fired"] == 1 else f"{shown['fired']} times"
    typer.echo(
        f"would have fired {times} from {shown_time(instant(found.begin))} to "
        f"{shown_time(instant(found.end))}: {shown['notices']} messages"
    )
    if shown["known_percent"] < 100:
        note(f"{shown['known_percent']} % of that time is known: the rest are gaps")
    for at in shown["fired_at"]:
        typer.echo(shown_time(at))


@app.command("list")
def list_alerts(data_dir: DataDir = DEFAULT_DATA_DIR) -> None:
    """Show all alerts: everything but their secrets."""
    from schemas.alerts.reading import instant

    with _table(data_dir) as table:
        found = table.all()
    rows = [
        (
            each.id,
            "quiet"
            if each.firing_since is None
            else f"firing {shown_time(instant(each.firing_since))}",
            str(each.rule.get("name", "")),
            _summary(each.rule),
            f"{each.target} {each.address}",
            each.problem or (f"{each.given_up} given up" if each.given_up else "-"),
        )
        for each in found
    ]
    print_table(HEADINGS, rows)


@app.command()
def rotate(
    alert: AlertId,
    overlap_hours: Annotated[
        int, typer.Option(help="How long the secret of before signs too.", min=0, max=168)
    ] = 24,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Print a new secret, once. Messages are signed with the one of before as well, for a while."""
    with _table(data_dir) as table:
        secret, until = table.rotate(alert, overlap_hours)
    note(f"the secret is shown only now; the one of before signs too until {shown_time(until)}")
    typer.echo(secret)


@app.command()
def delete(
    alert: AlertId,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """End an alert, with what it had to tell."""
    with _table(data_dir) as table:
        table.delete(alert)
    typer.echo(f"deleted {alert}")


def _check(target: Target, to: str, data_dir: Path) -> None:
    from deploy.webhooks import settings_of_stack
    from schemas.alerts.settings import MailHostSettings
    from schemas.service.settings import load_or_exit
    from schemas.webhooks.settings import WebhookSettings

    try:
        if target == "email":
            load_or_exit(MailHostSettings).check_email(to)
        else:
            settings_of_stack(load_or_exit(WebhookSettings), data_dir).check_webhook_url(to)
    except ValueError as error:
        option = "url" if target == "webhook" else target
        fail(f"--{option} {error}", USAGE)


def _rule(
    of: str,
    above: float | None,
    below: float | None,
    than: str,
    peak: bool,
    name: str | None,
    screen: str | None,
    app_version: str | None,
    days: int | None,
    for_minutes: int | None,
    repeat_minutes: int | None,
    no_recovery: bool,
    quiet: str | None,
    time_zone: str,
) -> AlertRule:
    from schemas.alerts.rule import PEAK_RULE, parse_rule

    if peak:
        said: dict[str, Any] = dict(PEAK_RULE)
    elif (above is None) == (below is None):
        fail("give one of --above and --below, or --peak", USAGE)
    else:
        side = "below" if above is None else "above"
        value = below if above is None else above
        what = f"{value:g}" if than == "number" else than
        said = {"name": f"{of} {side} {what}", "of": of, "than": than, "is": side, "value": value}
    if quiet is not None:
        begin, _, end = quiet.partition("-")
        said["quiet_hours"] = {"from": begin, "to": end, "time_zone": time_zone}
    given = {
        "name": name,
        "screen": screen,
        "app_version": app_version,
        "days": days,
        "for_minutes": for_minutes,
        "repeat_minutes": repeat_minutes,
        "recovery": False if no_recovery else None,
    }
    try:
        return parse_rule(said | {key: each for key, each in given.items() if each is not None})
    except ValueError as error:
        fail(str(error), USAGE)


def _summary(rule: dict[str, Any]) -> str:
    of = " ".join(str(rule[each]) for each in ("of", "screen", "app_version") if rule.get(each))
    than = "" if rule.get("than") == "number" else f" {rule.get('than')}"
    value = f" {rule['value']:g}" if "value" in rule else ""
    return f"{of} {rule.get('is')}{than}{value}, {rule.get('for_minutes')} min"


@contextmanager
def _table(data_dir: Path) -> Iterator[AlertTable]:
    from deploy.alerts import AlertProblemError, AlertTable
    from deploy.webhooks import settings_of_stack
    from schemas.service.settings import load_or_exit
    from schemas.webhooks.settings import WebhookSettings

    settings = settings_of_stack(load_or_exit(WebhookSettings), data_dir)
    with database_of(data_dir, "alerts", AlertProblemError) as url:
        yield AlertTable(url, settings.secret_box, manager_here())
