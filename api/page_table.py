"""Which pages the dashboard has. A page is one row here, a template and a script. PURE."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from api.scopes import AUDIT_SCOPE, EXPORT_SCOPE, MANAGE_SCOPE, READ_SCOPE


@dataclass(frozen=True, slots=True)
class Page:
    """``path`` as aiohttp's router has it; ``route`` is the page's name in metrics; who has not
    ``scope`` is not shown the page, unless it is ``public``. ``within`` is the path of the page in
    the navigation that this one is a part of; empty if it stands there itself. ``has_time``: its
    charts have an axis of time."""

    path: str
    route: str
    template: str
    title: str
    scope: str = READ_SCOPE
    within: str = ""
    public: bool = False
    has_time: bool = False


#: The page that is Swagger UI.
DOCS_ROUTE: Final = "docs_page"
PAGES: Final = (
    Page("/", "live_page", "live.html", "Live", has_time=True),
    Page("/users", "users_page", "users.html", "Users"),
    # Any character: an id or a name may hold a slash, which is decoded before routes match.
    Page(
        r"/users/{user_id:[\s\S]+}",
        "user_page",
        "user.html",
        "User",
        within="/users",
        has_time=True,
    ),
    Page("/screens", "screens_page", "screens.html", "Screens", has_time=True),
    Page(
        r"/screens/{screen:[\s\S]+}",
        "screen_page",
        "screen.html",
        "Screen",
        within="/screens",
        has_time=True,
    ),
    Page(
        "/screen-rules", "screen_rules_page", "screen_rules.html", "Screen rules", within="/screens"
    ),
    Page("/funnel", "funnel_page", "funnel.html", "Funnel"),
    Page("/active-users", "active_users_page", "active_users.html", "Active users", has_time=True),
    Page("/retention", "retention_page", "retention.html", "Retention"),
    Page("/audience", "audience_page", "audience.html", "Audience", EXPORT_SCOPE),
    Page("/alerts", "alerts_page", "alerts.html", "Alerts", MANAGE_SCOPE),
    Page("/webhooks", "webhooks_page", "webhooks.html", "Webhooks", MANAGE_SCOPE, within="/alerts"),
    Page(
        "/share-links",
        "share_links_page",
        "share_links.html",
        "Share links",
        MANAGE_SCOPE,
        within="/alerts",
    ),
    Page("/audit", "audit_page", "audit.html", "Who looked", AUDIT_SCOPE),
    Page("/health", "health_page", "health.html", "Health"),
    Page("/docs", DOCS_ROUTE, "docs.html", "API", public=True),
)


def navigation(scopes: Iterable[str]) -> list[Page]:
    """What is in the navigation of a reader with these scopes."""
    return [page for page in PAGES if not page.within and page.scope in scopes]
