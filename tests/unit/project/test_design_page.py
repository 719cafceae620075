"""What docs/design.md says in numbers and closed sets is what the code says."""

from __future__ import annotations

import re
from typing import Any, get_args

import pytest

from api.settings import ApiSettings
from ingest.settings import IngestSettings
from ingest.socket.actions import CLOSE_CODES
from ingest.socket.frames import ERROR_CODES
from processor.core.model import MAX_CONNECTIONS, MAX_DEVICES, MAX_SIGN_OUTS
from processor.core.outage import EVENTS_DUE
from processor.settings import ProcessorSettings
from schemas.http.problems import TOKEN_CODES
from schemas.log.changes import Reason
from schemas.log.events import BACKGROUND_APP_STATES, FOREGROUND_APP_STATES, MAX_DEVICE_ID, MAX_TEXT
from schemas.log.events import Event as AnyEvent
from schemas.log.settings import KafkaSettings
from schemas.log.topics import topic_specs
from schemas.service.settings import TimingSettings
from tests.repository_text import ROOT, one_line

#: This page alone: every test process imports the module, and would read the whole repository.
PAGE = (ROOT / "docs/design.md").read_text("utf-8")


def section(number: int) -> str:
    """The text of a section, in one line, without what is not built yet."""
    _, _, rest = PAGE.partition(f'<a id="section-{number}"></a>')
    text, _, _ = rest.partition(f'<a id="section-{number + 1}"></a>')
    return one_line(re.sub(r"^>.*\n", "", text, flags=re.MULTILINE))


def named(text: str) -> set[str]:
    """What stands in backticks."""
    return set(re.findall(r"`([^`]+)`", text))


def between(text: str, start: str, end: str) -> str:
    assert text.count(start) == 1, start
    return text.partition(start)[2].partition(end)[0]


def defaults(*settings: Any) -> dict[str, Any]:
    return {
        f"ROLLCALL_{name.upper()}": field.default
        for model in settings
        for name, field in model.model_fields.items()
    }


def test_durations_and_retentions_are_the_defaults_of_their_settings() -> None:
    rows = re.findall(r"^\| [^|]+ \| (\d+)(?: s)? \| `(ROLLCALL_\w+)` \|$", PAGE, re.MULTILINE)
    assert len(rows) == 10 + 13
    known = defaults(IngestSettings, ProcessorSettings, ApiSettings)
    assert {name: float(value) for value, name in rows} == {
        name: float(known[name]) for _, name in rows
    }


def test_the_grace_after_an_outage_is_that_of_the_default_interval() -> None:
    [grace] = re.findall(r"^\| `reconnect_grace` \| (\d+) s \|", PAGE, re.MULTILINE)
    assert float(grace) == TimingSettings().reconnect_grace_seconds


def test_the_reasons_are_those_of_the_schema() -> None:
    text = between(section(2), "**Reason**", ". A user's")
    assert named(text) == set(get_args(Reason))


def test_the_kinds_of_events_are_those_of_the_log() -> None:
    text = between(section(5), "The kinds of events are", ";")
    assert named(text) == {kind.__struct_config__.tag for kind in get_args(AnyEvent)}


def test_the_states_of_an_app_are_those_that_ingest_knows() -> None:
    text = between(section(1), "or its `app_state` is", ". Case")
    assert named(text) == BACKGROUND_APP_STATES | FOREGROUND_APP_STATES


def test_the_longest_texts_are_those_that_ingest_cuts_to() -> None:
    text = between(section(1), "Names (", " characters)")
    assert {name: int(most) for name, most in re.findall(r"`(\w+)` (\d+)", text)} == MAX_TEXT
    assert f"a `device_id` over {MAX_DEVICE_ID} characters" in section(1)


def test_the_codes_of_a_socket_are_those_of_the_session() -> None:
    assert named(between(section(4), "Error codes:", ". ")) == set(ERROR_CODES)
    cells = re.findall(r"^\| ((?:\d{4}(?:, )?)+) \|", PAGE, re.MULTILINE)
    assert {int(code) for cell in cells for code in cell.split(", ")} == set(CLOSE_CODES)


def test_the_causes_of_a_401_are_those_of_the_table() -> None:
    text = between(section(8), "says why in its `code`:", " for the rest")
    assert named(text) == TOKEN_CODES


def test_the_topics_and_their_retentions_are_those_that_are_made() -> None:
    rows = re.findall(r"^\| `(presence\.\w+)` \|.*\| (\d+) ([hd])\b[^|]*\|$", PAGE, re.MULTILINE)
    hours = {name: int(number) * {"h": 1, "d": 24}[unit] for name, number, unit in rows}
    specs = topic_specs(KafkaSettings(topic_prefix=""))
    kept = {s.name: s.settings.get("retention.ms") for s in specs}
    assert hours == {name: int(ms) / 3_600_000 for name, ms in kept.items() if ms is not None}
    compacted = re.findall(r"^\| `(presence\.\w+)` \|.*\| compacted \|$", PAGE, re.MULTILINE)
    assert compacted == [name for name, ms in kept.items() if ms is None]


@pytest.mark.parametrize(
    ("number", "sentence"),
    [
        (2, f"A user has at most {MAX_DEVICES} devices"),
        (3, f"while at least {EVENTS_DUE} were due"),
        (3, f"a user has the latest {MAX_SIGN_OUTS}"),
        (4, f"its open connections, at most {MAX_CONNECTIONS}"),
    ],
)
def test_bounds_are_those_of_the_model(number: int, sentence: str) -> None:
    assert sentence in section(number)
