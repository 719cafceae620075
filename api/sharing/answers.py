"""What managers are told of share links, and what whoever has one is shown. PURE."""

from __future__ import annotations

from typing import Annotated, Final

from api.http.answers import Answer, count, instant, told
from api.periods.instants import rfc3339
from api.presence.answers import Count, count_answer
from api.sharing.link import Listed, OpenLink
from api.sharing.store import Snapshot

_NOON: Final = "2026-03-31T12:00:00.000Z"
_AN_ID: Final = told("Of the link.", "sl_5b0c9a2f7d31e846")
_A_NAME: Final = told("Whoever has the link sees it.", "The screen in the lobby")
_AN_END: Final = instant("Nobody sees anything by it from then on.", _NOON)


class ShareLinkMade(Answer):
    id: Annotated[str, _AN_ID]
    name: Annotated[str, _A_NAME]
    expires_at: Annotated[str, _AN_END]
    path: Annotated[
        str,
        told(
            "Of the page, on the dashboard's origin; told now and never again.",
            "/shared/Wq3xqGJv0mZ5b1cYH6pWb8m2r4nTn0h2u3oY7kq1xZc",
        ),
    ]
    token: Annotated[
        str,
        told("The end of `path`.", "Wq3xqGJv0mZ5b1cYH6pWb8m2r4nTn0h2u3oY7kq1xZc"),
    ]


class ShareLink(Answer):
    id: Annotated[str, _AN_ID]
    name: Annotated[str, _A_NAME]
    created_by: Annotated[str, told("Who made it.", "lead")]
    created_at: Annotated[str, instant("By PostgreSQL's clock.", "2026-03-30T12:00:00.000Z")]
    expires_at: Annotated[str, _AN_END]


class ShareLinks(Answer):
    """Those that have not ended, oldest first."""

    items: list[ShareLink]


class SharedScreen(Answer):
    screen: Annotated[str | None, told("`null`: none that was named.", "Cart")]
    foreground: Annotated[int, count("Users with the app in front there.", 312)]


class OtherScreens(Answer):
    screens: Annotated[int, count("How many screens are not told apart.", 14)]
    foreground: Annotated[int, count("Users on them together.", 220)]


class SharedVersion(Answer):
    version: Annotated[str | None, told("`null`: unknown.", "1.10.0")]
    users: Annotated[int, count("Online with it.", 410)]


class SharedPlatform(Answer):
    platform: Annotated[str | None, told("`null`: unknown.", "android")]
    users: Annotated[int, count("Online with it.", 640)]


class SharedLive(Count, kw_only=True):
    """What the page of a share link shows; all of one moment."""

    name: Annotated[str, told("Of the link.", "The screen in the lobby")]
    expires_at: Annotated[str, _AN_END]
    screens: Annotated[list[SharedScreen], told("The ten with most users, most first.")]
    other_screens: OtherScreens
    versions: Annotated[list[SharedVersion], told("The ten with most users, newest first.")]
    other_versions: Annotated[int, count("Users with any other.", 12)]
    platforms: Annotated[list[SharedPlatform], told("The ten with most users, most first.")]
    other_platforms: Annotated[int, count("Users with any other.", 0)]


def shown(link: Listed) -> ShareLink:
    """Everything but its token, which nobody has any more."""
    return ShareLink(
        id=link.id,
        name=link.name,
        created_by=link.created_by,
        created_at=rfc3339(link.created_at),
        expires_at=rfc3339(link.expires_at),
    )


def shared_live(
    link: OpenLink, found: Snapshot, *, stale_after_seconds: float, offline_after_seconds: float
) -> SharedLive:
    """Of a link that was opened."""
    counted = count_answer(
        found.freshness,
        stale_after_seconds=stale_after_seconds,
        offline_after_seconds=offline_after_seconds,
    )
    (versions, other_versions), (platforms, other_platforms) = (
        found.mix["app_version"],
        found.mix["platform"],
    )
    return SharedLive(
        count=counted.count,
        by_state=counted.by_state,
        as_of=counted.as_of,
        window_seconds=counted.window_seconds,
        stale=counted.stale,
        members_away=counted.members_away,
        name=link.name,
        expires_at=rfc3339(link.expires_at),
        screens=[SharedScreen(row["screen"], row["foreground"]) for row in found.screens],
        other_screens=OtherScreens(found.others, found.others_foreground),
        versions=[SharedVersion(row["value"], row["users"]) for row in versions],
        other_versions=other_versions,
        platforms=[SharedPlatform(row["value"], row["users"]) for row in platforms],
        other_platforms=other_platforms,
    )
