"""Of rules for screens' names: what they make of those that have arrived. PURE."""

from __future__ import annotations

from typing import Annotated

from api.http.answers import Answer, AsOf, Stale, count, instant, told


class FoldedScreen(Answer):
    screen: Annotated[str, told("As it would be.", "/product/{id}")]
    folded: Annotated[bool, told("Whether another name becomes it; `false`: it stays.", True)]
    names: Annotated[int, count("How many names become it.", 412)]
    visits: Annotated[int, count("To all of them.", 9120)]
    users: Annotated[int, count("Whose they were.", 812)]
    examples: list[Annotated[str, told("Its names with the most visits.", "/product/4711")]]


class ScreenRules(Answer):
    in_force: Annotated[
        bool, told("`false`: there are no rules, and the ready ones are shown.", True)
    ]
    rules: Annotated[
        list[Annotated[str, told("As they are applied.", "digits")]],
        told("Ready rules, then patterns."),
    ]
    since: Annotated[
        str | None,
        instant(
            "When the first of the visits was over; `null`: there are none.",
            "2026-03-30T09:12:00.000Z",
        ),
    ]
    visits: Annotated[int, count("The latest that are over: 200,000 at most.", 48_210)]
    names: Annotated[int, count("That they went to.", 430)]
    folded_names: Annotated[int, count("Of those that were looked at, how many would change.", 412)]
    screens: Annotated[int, count("What they would become.", 19)]
    items: Annotated[
        list[FoldedScreen],
        told(
            "Folded ones first, by how many names become them; then those that stay. Of more than "
            "10,000 names the least visited are not looked at."
        ),
    ]
    as_of: AsOf
    stale: Stale
