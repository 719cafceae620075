"""Reading a file of events: what a line means, and how what is wrong with it is told."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from deploy.replay.table import Columns, FileProblemError, View, read_views
from ingest.body.validate import BodyReader, DoorRules
from schemas.log.screen_rules import READY_RULES
from schemas.service.settings import time_zone

COLUMNS = Columns("who", "page", "at")
NOON_US = 1_774_785_600_000_000  # 2026-03-29T12:00:00Z


def read(
    *lines: str, columns: Columns = COLUMNS, zone: str = "UTC", max_views: int = 100
) -> list[View]:
    return read_views(
        [f"{line}\r\n" for line in lines],
        columns,
        time_zone(zone),
        BodyReader(),
        max_views=max_views,
    )


def refusal(*lines: str, columns: Columns = COLUMNS, max_views: int = 100) -> str:
    with pytest.raises(FileProblemError) as caught:
        read(*lines, columns=columns, max_views=max_views)
    return str(caught.value)


def test_rules_for_screens_names_hold_for_a_file_too() -> None:
    reader = BodyReader(DoorRules(screen=READY_RULES.folder()))
    lines = ["at,who,page", "2026-03-29T12:00:00Z,ada,/product/4711?from=mail"]
    [view] = read_views(lines, COLUMNS, time_zone("UTC"), reader)
    assert view.sent.screen == "/product/{id}"


def test_views_are_in_the_order_of_their_times_and_then_of_the_file() -> None:
    views = read(
        "at,who,page",
        "2026-03-29T12:00:01Z,ada,Cart",
        "2026-03-29T12:00:00Z,bob,Home",
        "2026-03-29T12:00:00Z,ada,Home",
    )
    assert [(v.at_us - NOON_US, v.user, v.sent.screen) for v in views] == [
        (0, "bob", "Home"),
        (0, "ada", "Home"),
        (1_000_000, "ada", "Cart"),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "2026-03-29T12:00:00Z",
        "2026-03-29 12:00:00",
        "2026-03-29T14:00:00.000000+02:00",
        " 2026-03-29 12:00 ",
        "1774785600",
        "1774785600.0",
        "1774785600000",
    ],
)
def test_a_time_is_iso_8601_or_a_number_since_1970(text: str) -> None:
    [view] = read("who,page,at", f"ada,Home,{text}")
    assert view.at_us == NOON_US


def test_a_time_without_an_offset_is_of_the_zone_that_was_named() -> None:
    [view] = read("who,page,at", "ada,Home,2026-03-29 12:00:00", zone="Europe/Berlin")
    local = datetime(2026, 3, 29, 12, tzinfo=ZoneInfo("Europe/Berlin"))
    assert datetime.fromtimestamp(view.at_us / 1e6, UTC) == local


@pytest.mark.parametrize(
    "text",
    ["", "yesterday", "nan", "inf", "-1", "1969-12-31T23:59:59Z", "2200-01-01T00:00:00Z", "1e300"],
)
def test_a_time_that_is_none_is_told_with_line_and_column(text: str) -> None:
    message = refusal("who,page,at", "ada,Home,2026-03-29", f"ada,Cart,{text}")
    assert message.startswith("line 3: column 'at': ")
    assert "2026-03-29T10:15:00Z" in message


@pytest.mark.parametrize("user", ["", "a" * 257, "a\x01b"])
def test_a_user_who_cannot_be_one_is_told_with_line_and_column(user: str) -> None:
    message = refusal("who,page,at", f"{user},Home,2026-03-29")
    assert message.startswith("line 2: column 'who': ")


def test_a_column_that_is_not_there_is_told_with_those_that_are() -> None:
    message = refusal("who,screen,at", "ada,Home,2026-03-29")
    assert "no column 'page'" in message
    assert "who, screen, at" in message


def test_a_column_that_is_there_twice_is_refused() -> None:
    assert "more than one column 'at'" in refusal("who,page,at,at", "ada,Home,2026-03-29,2026")


def test_a_line_that_ends_too_soon_is_told() -> None:
    message = refusal("who,page,at", "ada,Home,2026-03-29", "ada,Home")
    assert message.startswith("line 3 has 2 columns")


@pytest.mark.parametrize("lines", [(), ("who,page,at",), ("who,page,at", "")])
def test_a_file_without_events_is_refused(lines: tuple[str, ...]) -> None:
    refusal(*lines)


def test_a_line_number_counts_lines_and_not_rows() -> None:
    message = refusal("who,page,at", '"ada","two', 'lines",2026-03-29', "ada,Home,never")
    assert message.startswith("line 4: ")


def test_more_events_than_memory_is_for_are_refused() -> None:
    line = "ada,Home,2026-03-29"
    assert len(read("who,page,at", line, line, max_views=2)) == 2
    assert "more than 2 events" in refusal("who,page,at", line, line, line, max_views=2)


def test_texts_mean_what_they_mean_from_a_phone() -> None:
    columns = Columns("who", "page", "at", app_version="v", device="d", platform="p")
    blank, long = read(
        "who,page,at,v,d,p,unused",
        "ada,,2026-03-28, ,,,x",
        f"ada,{'s' * 200},2026-03-29,1.2,Pixel\x00 8,android,x",
        columns=columns,
    )
    assert blank.sent.screen is None
    assert blank.sent.app_version is None
    assert long.sent.screen == "s" * 128
    assert long.sent.device_info == "Pixel 8"
    assert (long.sent.app_version, long.sent.platform) == ("1.2", "android")
