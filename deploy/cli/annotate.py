"""`rollcall annotate`: a note on the time axis, for release scripts."""

from __future__ import annotations

import json
from typing import Annotated, Final

import typer

from deploy.terminal import FAILURE, USAGE, fail

SECONDS: Final = 10.0


def annotate(
    text: Annotated[str, typer.Argument(help="What happened, up to 200 characters.")],
    at: Annotated[
        str | None, typer.Option(help="When, such as 2026-03-30T12:00:00Z. Without it: now.")
    ] = None,
    kind: Annotated[str, typer.Option(help="release, incident, campaign or note.")] = "release",
    url: Annotated[
        str, typer.Option(envvar="ROLLCALL_URL", help="Where the API is.")
    ] = "http://127.0.0.1:8080",
    key: Annotated[
        str,
        typer.Option(
            envvar="ROLLCALL_API_KEY",
            help="API key or token with the scope presence:manage; better in the variable, which "
            "no list of processes shows.",
        ),
    ] = "",
) -> None:
    """Write a note on the time axis: charts of the dashboard mark it."""
    import urllib.error
    import urllib.request

    if not url.startswith(("http://", "https://")):
        fail(f"--url {url}: must begin with http:// or https://", USAGE)
    if not key:
        fail("set ROLLCALL_API_KEY: rollcall key create --name ci --scope presence:manage", USAGE)
    note = {"text": text, "kind": kind, **({} if at is None else {"at": at})}
    request = urllib.request.Request(  # noqa: S310 - looked at above
        f"{url.rstrip('/')}/api/v1/annotations",
        json.dumps(note).encode(),
        {"Authorization": f"Bearer {key}", "Content-Type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=SECONDS) as answer:  # noqa: S310
            told = json.load(answer)
    except urllib.error.HTTPError as error:
        fail(f"the API refused the note: {_detail(error.read(), error.reason)}", FAILURE)
    except (OSError, ValueError) as error:
        fail(f"{url} did not answer as the API does: {error}", FAILURE)
    typer.echo(f"{told['id']} {told['at']} {told['kind']}: {told['text']}")


def _detail(body: bytes, reason: str) -> str:
    """Of a problem; a gateway may send something else."""
    try:
        return str(json.loads(body)["detail"])
    except (ValueError, KeyError, TypeError):
        return reason
