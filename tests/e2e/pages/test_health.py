"""The Health page, of an API that finds itself, and of processors that are not there."""

from __future__ import annotations

import re
from typing import Any

from playwright.sync_api import Page, Route, expect

from schemas.service.distribution import rollcall_version
from tests.e2e.browser import Api, assert_no_sideways_scroll, look
from tests.e2e.pages.lives import called
from tests.rigs.api_harness import Table

USUAL = "while one hands over to another this is usual."


def fill(table: Table) -> None:
    table.run("UPDATE deployment SET partitions = 12")
    for partition in range(12):
        table.offsets(partition, age_seconds=0.5)
    table.run(
        "INSERT INTO outages VALUES (0, 'jump', now() - interval '2 h', now() - interval '1 h'),"
        " (2, 'ticks_only', now() - interval '1 min', NULL)"
    )
    table.run(
        "INSERT INTO rollup_progress VALUES ('quarters', now() - interval '40 min'),"
        " ('hours', now() - interval '50 min'), ('days', now() - interval '30 h 1 min')"
    )
    table.run("INSERT INTO retention_progress VALUES ('spans', '2026-03-16T00:00:00Z')")


def test_it_shows_what_runs_what_is_missing_and_what_is_stored(
    signed_in: Page, api: Api, table: Table
) -> None:
    fill(table)
    signed_in.goto(f"{api.origin}/health")
    rows = signed_in.locator("#processes tr")
    expect(rows).to_have_count(1)
    expect(rows.first).to_contain_text("API")
    expect(rows.first.locator("[data-state=ready]")).to_have_text("Ready")
    expect(rows.first).to_contain_text(rollcall_version())
    expect(signed_in.locator("#count")).to_have_text("1 of 1")
    expect(signed_in.locator("#partitions tr")).to_have_count(12)
    expect(signed_in.locator("#partitions tr").first).to_contain_text("nobody")
    expect(signed_in.locator("#rollups tr")).to_have_count(3)
    expect(signed_in.locator("#outages tr").first).to_contain_text("lasts")
    expect(signed_in.locator("#audit")).to_be_hidden()
    findings = signed_in.locator("#findings li")
    expect(findings).to_have_text(
        [
            "No processor that answers has any partition.",
            re.compile("^The rollup of days is 1 d 6 h behind.$"),
        ]
    )
    link = signed_in.locator("nav a[aria-current]")
    expect(link).to_have_text("Health")
    # What somebody has selected stays while the page goes on reading.
    signed_in.evaluate("document.querySelector('#processes tr').mine = true")
    asked = signed_in.locator("#asked")
    before = asked.get_attribute("datetime")
    expect(asked).not_to_have_attribute("datetime", before or "")
    assert signed_in.evaluate("document.querySelector('#processes tr').mine")
    look(signed_in, "health")
    signed_in.set_viewport_size({"width": 320, "height": 640})
    assert_no_sideways_scroll(signed_in)


def test_of_a_federation_it_shows_the_members(signed_in: Page, api: Api, table: Table) -> None:
    fill(table)
    since = "2026-03-30T12:00:00.000Z"
    here = {"name": "eu", "here": True, "problem": None, "since": since, "as_of": since}
    away = {**here, "name": "us", "here": False, "problem": "could not connect", "as_of": None}

    def with_members(route: Route) -> None:
        answer = route.fetch()
        route.fulfill(response=answer, json={**answer.json(), "members": [here, away]})

    signed_in.route("**/api/v1/health", with_members)
    signed_in.goto(f"{api.origin}/health")
    rows = signed_in.locator("#members tr")
    expect(rows).to_have_count(2)
    expect(rows.first).to_contain_text("eu")
    expect(rows.last).to_contain_text("could not connect")
    expect(signed_in.locator("#partitions-card")).to_be_hidden()
    expect(signed_in.locator("#findings li").first).to_have_text(
        "Member us counts for nothing: it does not answer. could not connect"
    )


def test_it_begins_with_what_somebody_should_know_first(modules: Page) -> None:
    def process(state: str, **told: Any) -> dict[str, Any]:
        service = [{"service": "ingest", "version": "1"}]
        every = {"target": "ingest:9081", "address": "10.0.0.1:9081", "services": service}
        return {**every, "state": state, "reason": None, **told}

    def findings(*processes: dict[str, Any], **told: Any) -> list[tuple[str, str]]:
        every = {
            **{name: [] for name in ("versions", "partitions", "rollups")},
            **dict.fromkeys(("audit", "database_problem")),
            "targets": ["ingest:9081"],
            "processes": processes,
            "left_out": 0,
        }
        found = called(modules, "lib/health.js", "findings", {**every, **told})
        return [(each["kind"], each["text"]) for each in found]

    assert findings(process("ready"), process("gone")) == [
        ("good", "The process answers and is ready.")
    ]
    assert findings(process("ready"), process("ready")) == [
        ("good", "All 2 processes answer and are ready.")
    ]
    [(kind, text)] = findings(targets=[])
    assert kind == "note"
    assert text.startswith("No process is asked. Set ROLLCALL_ADMIN_TARGETS of the API")
    nowhere: dict[str, Any] = {"address": None, "services": [], "target": "api:9082"}
    assert findings(
        process("not_ready", reason="Kafka is away"),
        process("no_answer", reason="DNS knows no such name", **nowhere),
        *(process("no_answer", reason="refuses connections") for _ in range(4)),
        database_problem="The database does not answer.",
    ) == [
        ("bad", "api:9082 does not answer: DNS knows no such name."),
        *[("bad", "Ingest at 10.0.0.1:9081 does not answer: refuses connections.")] * 2,
        ("bad", "2 more do not answer."),
        ("bad", "What PostgreSQL knows is missing. The database does not answer."),
        ("warn", "Ingest at 10.0.0.1:9081 is not ready: Kafka is away."),
    ]
    partitions = [
        {"partition": number, "processors": processors}
        for number, processors in enumerate(([], ["a"], [], [], ["a", "b"], []))
    ]
    versions = [{"service": "api", "version": version} for version in ("0.1.0", None)]
    audit = {"differences": 2}
    assert findings(
        process("ready"), partitions=partitions, versions=versions, audit=audit, left_out=3
    ) == [
        ("bad", "No processor that answers has partitions 0, 2, 3, 5."),
        ("bad", "The audit found 2 differences."),
        ("warn", "3 more than can be asked are left out."),
        ("note", "API runs in versions 0.1.0 and unknown."),
        ("note", f"Several processors say that they have the same partitions, 4: {USUAL}"),
    ]
