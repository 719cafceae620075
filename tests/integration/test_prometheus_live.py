"""Debian's Prometheus looks at a running ingest, processor, notify and API: every query of rules,
runbook and dashboards is understood and finds what it asks for, and alerts fire when something
breaks.

One stack for all, and faults one after the other: the tests depend on their order.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import threading
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.error import URLError
from urllib.request import urlopen

import psycopg
import pytest
import requests
from psycopg import sql
from typer.testing import CliRunner

from deploy.audit.snapshot import note_result
from deploy.cli.command import app
from deploy.local.ports import free_port
from schemas.database.migrate import grant_analytics
from tests.conftest import fresh_database, fresh_topics
from tests.grafana_dashboards import ANALYTICS, PROMETHEUS, questions
from tests.integration.processor.small_fleet import small_fleet, store
from tests.prometheus_rules import ROOT, rules, tool
from tests.rigs.harness import SECRET, token
from tests.rigs.ingest_process import Process
from tests.rigs.maintenance_rig import run
from tests.rigs.prometheus_process import Prometheus
from tests.rigs.rig import ProcessorProcess, processor_environment, wait_for
from tests.suite.forks import start_python

RUNBOOK = (ROOT / "docs/runbook.md").read_text("utf-8")
SELECTOR = re.compile(r"\b((?:rollcall[_:]|process_)[a-z0-9_:]+|up\b)(\{[^}]*\})?")
_NOBODY_ASKS = "nobody asks the API but Prometheus"
_ALL_ACCEPTED = "every call is accepted"
#: What such a stack gives no answer to, in part or at all.
EMPTY = {
    "Fleet: Fields that were mended": "apps send nothing that has to be",
    "Ingest: Tokens refused": _ALL_ACCEPTED,
    "Ingest: Sockets closed": "phones use HTTP",
    "API: Outcomes": _NOBODY_ASKS,
    "API: Calls by route": _NOBODY_ASKS,
    "API: Time of an answer": _NOBODY_ASKS,
    "API: Refused": _NOBODY_ASKS,
    "SLO: Firing": "all is well",
    **dict.fromkeys(
        (
            "SLO: Shown online: over 3 days",
            "SLO: Canaries shown wrong",
            "SLO: Until a change is shown",
            "SLO: Budget burnt at this rate",
        ),
        "no canaries run",
    ),
}


class Phones(threading.Thread):
    """Twenty users, ten calls a second; while ``wrong_key`` every second call has a bad
    signature."""

    def __init__(self, port: int) -> None:
        super().__init__(daemon=True)
        self._url = f"http://127.0.0.1:{port}/api/update-online-status"
        self._stop_asked = threading.Event()
        self.wrong_key = False

    def run(self) -> None:
        good = [token(f"u{n}") for n in range(20)]
        bad = token("u0", "another secret of 32 bytes and more, too")
        with requests.Session() as session:
            for number in range(1_000_000):
                wrong = self.wrong_key and number % 2
                bearer = bad if wrong else good[number % 20]
                headers = {"Authorization": f"Bearer {bearer}"}
                session.post(self._url, headers=headers, json={"screen": "Home"}, timeout=60)
                if self._stop_asked.wait(0.1):
                    return

    def stop(self) -> None:
        self._stop_asked.set()
        self.join(30)


@dataclass
class Stack:
    """What runs, and who watches."""

    prometheus: Prometheus
    processor: ProcessorProcess
    phones: Phones
    database_url: str

    def wait_firing(self, *names: str) -> None:
        wait_for(f"{names} fire", lambda: set(names) <= self.prometheus.firing())


@pytest.fixture(scope="module")
def stack(
    kafka_bootstrap: str,
    postgres_url: str,
    template_database: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Stack]:
    tool("prometheus")
    folder = tmp_path_factory.mktemp("prometheus")
    kafka = fresh_topics(kafka_bootstrap)
    with ExitStack() as ending:
        database_url = ending.enter_context(fresh_database(postgres_url, template_database))
        # Several workers have metrics that one process has not.
        ingest = Process(kafka, folder / "ingest.log", ROLLCALL_INGEST_WORKERS="2")
        ending.callback(ingest.end)
        ports = {"ingest": ingest.admin_port}
        ports |= {job: free_port() for job in ("processor", "api", "notify")}
        environment = processor_environment(
            kafka, database_url, PROCESSOR_ADMIN_PORT=str(ports["processor"])
        )
        # As rollcall audit leaves it.
        result = {"as_of_ms": 0, "users": 1, "percent_in_full": 100, "rows": 1}
        note_result(database_url, {**result, "difference_count": 0})
        processor = ProcessorProcess(environment, folder / "processor.log")
        ending.callback(processor.kill)
        webhook = ["webhooks", "create", "--url", "https://1.1.1.1/", "--screen", "Nowhere"]
        keys = {"ROLLCALL_DATABASE_URL": database_url, "ROLLCALL_ENCRYPTION_KEY": SECRET}
        made = CliRunner().invoke(app, webhook, env=keys)
        assert made.exit_code == 0, made.output
        notify = ProcessorProcess(
            {
                **environment,
                "ROLLCALL_ENCRYPTION_KEY": SECRET,
                "ROLLCALL_NOTIFY_ADMIN_PORT": str(ports["notify"]),
            },
            folder / "notify.log",
            script="from processor.notify.__main__ import main; main()",
        )
        ending.callback(notify.kill)
        api = start_python(
            ["-m", "api"],
            env={
                **os.environ,
                "ROLLCALL_DATABASE_URL": database_url,
                "ROLLCALL_JWT_SECRET": SECRET,
                "ROLLCALL_API_PORT": str(free_port()),
                "ROLLCALL_API_ADMIN_PORT": str(ports["api"]),
            },
            stderr=subprocess.DEVNULL,
        )
        ending.callback(api.wait)
        ending.callback(api.kill)
        for port in ports.values():
            wait_for(f"port {port} is ready", lambda port=port: _is_ready(port))  # type: ignore[misc]
        # After they are ready: what fires while a stack starts is no news.
        prometheus = Prometheus(folder, ports)
        ending.callback(prometheus.end)
        phones = Phones(ingest.port)
        phones.start()
        ending.callback(phones.stop)
        wait_for("Prometheus is ready", prometheus.ready)
        # What comes last: what is recorded from what is recorded, and maintenance's second run.
        for last in (
            "rollcall:signs_of_life:rate2m > 5",
            "rollcall:visible_late:ratio5m < 0.5",
            "rollcall_processor_rollup_lag_seconds",
            "increase(rollcall_processor_maintenance_runs_total[20s]) > 0",
        ):
            wait_for(f"Prometheus has {last}", lambda last=last: prometheus.query(last))  # type: ignore[misc]
        wait_for("nothing fires that fired before that", lambda: not prometheus.firing())
        yield Stack(prometheus, processor, phones, database_url)


def _is_ready(port: int) -> bool:
    try:
        with urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5):
            return True
    except (URLError, OSError):
        return False


def test_every_query_finds_the_metrics_that_it_names(stack: Stack) -> None:
    blocks = re.findall(r"^```promql\n(.*?)```", RUNBOOK, re.MULTILINE | re.DOTALL)
    assert len(blocks) > 15
    asked = [
        *(rule["expr"] for rule in rules()),
        *blocks,
        *(q.promql for q in questions() if q.source == PROMETHEUS),
    ]
    selectors = {name + labels for text in asked for name, labels in SELECTOR.findall(text)}
    assert len(selectors) > 100
    # Canaries do not run here: tests/e2e/test_canary.py has theirs.
    selectors = {selector for selector in selectors if "canary" not in selector}
    unknown: set[str] = set()

    def all_are_known() -> bool:
        unknown.clear()
        unknown.update(each for each in selectors if not stack.prometheus.series(each))
        return not unknown

    # Some are recorded from what others recorded, a look later.
    with suppress(AssertionError):
        wait_for("every series was seen", all_are_known)
    assert not unknown
    for block in blocks:
        stack.prometheus.query(block)


def test_every_rule_is_evaluated_without_a_fault(stack: Stack) -> None:
    def evaluated() -> bool:
        return all(rule["health"] != "unknown" for rule in stack.prometheus.rules())

    wait_for("every rule was evaluated", evaluated)
    faults = {
        rule["name"]: rule["lastError"]
        for rule in stack.prometheus.rules()
        if rule["health"] != "ok"
    }
    assert not faults


def test_every_panel_has_an_answer(stack: Stack) -> None:
    def empty() -> set[str]:
        found = {
            f"{question.dashboard.removeprefix('Rollcall: ')}: {question.asked_by}"
            for question in questions()
            if question.source == PROMETHEUS and not stack.prometheus.query(question.promql)
        }
        # What annotations mark does not happen in a stack that is well.
        return {name for name in found if ": annotation " not in name}

    looks: list[set[str]] = []

    def as_expected() -> bool:
        looks.append(empty())
        return looks[-1] == set(EMPTY)

    # On a busy machine Prometheus' look at a service may have failed just now.
    with suppress(AssertionError):
        wait_for("every panel has an answer but those", as_expected)
    assert looks[-1] == set(EMPTY)


def test_nothing_pages_while_all_is_well(stack: Stack) -> None:
    pages = 'ALERTS{alertstate="firing",severity="page"}'
    wait_for("no page", lambda: not stack.prometheus.query(pages))


def test_a_wrong_key_fires(stack: Stack) -> None:
    assert "RollcallTokensRefused" not in stack.prometheus.firing()
    stack.phones.wrong_key = True
    stack.wait_firing("RollcallTokensRefused")
    stack.phones.wrong_key = False


def test_phones_that_fall_silent_fire_while_ticks_go_on(stack: Stack) -> None:
    stack.phones.stop()
    stack.wait_firing("RollcallHeartbeatsHalved")
    assert "RollcallNoTicks" not in stack.prometheus.firing()


def test_a_processor_that_stands_still_fires(stack: Stack) -> None:
    assert "RollcallCountsStale" not in stack.prometheus.firing()
    stack.processor.send(signal.SIGSTOP)
    try:
        # It tells nothing itself; the API sees how old counts are.
        stack.wait_firing(
            "RollcallCountsStale",
            "RollcallCountsNotFresh",
            "RollcallNoProcessor",
            "RollcallTargetDown",
        )
    finally:
        stack.processor.send(signal.SIGCONT)
    wait_for(
        "counts are fresh again", lambda: "RollcallCountsStale" not in stack.prometheus.firing()
    )


def test_the_runbooks_sql_runs(stack: Stack) -> None:
    blocks = re.findall(r"^```sql\n(.*?)```", RUNBOOK, re.MULTILINE | re.DOTALL)
    assert len(blocks) > 4
    with psycopg.connect(stack.database_url) as connection:
        for block in blocks:
            connection.execute(block.encode())


def test_every_panel_on_analytics_has_an_answer_for_an_analyst(database_url: str) -> None:
    as_of = datetime.now(UTC)
    store(
        database_url,
        small_fleet(5, "UTC", as_of.replace(microsecond=as_of.microsecond // 1000 * 1000), 4),
    )
    run(database_url)
    role = sql.Identifier(f"grafana_{uuid.uuid4().hex[:8]}")
    with psycopg.connect(database_url) as connection:
        connection.execute(sql.SQL("CREATE ROLE {}").format(role))
        connection.commit()
        grant_analytics(database_url, role.as_string(connection).strip('"'), with_people=False)
        connection.execute(sql.SQL("SET ROLE {}").format(role))
        for question in questions():
            if question.source == ANALYTICS:
                query = re.sub(
                    r"\$__timeFilter\(([^)]*)\)",
                    r"\1 BETWEEN now() - interval '30 days' AND now()",
                    question.text,
                )
                assert "$" not in query, query
                assert connection.execute(query.encode()).fetchall(), question.asked_by
        connection.rollback()
        connection.execute(sql.SQL("DROP OWNED BY {}").format(role))
        connection.execute(sql.SQL("DROP ROLE {}").format(role))
