"""Everything that is stored of one user, for that user to read: what, where, and until when."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from api.privacy.answers import NotListed, Stored, StoredTable, Tracking
from schemas.log.settings import KafkaSettings
from schemas.log.topic_retention import RETENTION, SEGMENT, in_words
from schemas.log.topics import topic_specs

#: Of a table; the latest first. A phone that navigates every ten seconds, day and night, leaves
#: fewer changes in 14 days, twice as long as they are kept.
MAX_ROWS: Final = 150_000


@dataclass(frozen=True, slots=True)
class Kept:
    """A table with rows of a user. ``days`` is how long maintenance keeps them unless it is set
    otherwise; ``None``: until an operator removes them."""

    table: str
    about: str
    days: int | None
    until: str
    #: Other tables whose values are shown as columns of these rows.
    beside: tuple[str, ...] = ()

    @property
    def where(self) -> str:
        if not self.beside:
            return f"the table {self.table}"
        return f"the tables {', '.join((self.table, *self.beside[:-1]))} and {self.beside[-1]}"


TABLES: Final = (
    Kept(
        "presence",
        "Whether you are online, on which screen and device, and when you were last there.",
        90,
        "you opt out, are erased, or were not seen for {days} days",
        beside=("signs_of_life", "search_texts"),
    ),
    Kept("changes", "When your state or screen changed, and why.", 7, "{days} days after each"),
    Kept("spans", "Which screens you opened, from when until when.", 14, "{days} days after each"),
    Kept("sessions", "When you used the app, and for how long.", 14, "{days} days after each"),
    Kept("user_days", "On which days you used the app.", 62, "{days} days after each"),
    Kept(
        "erasures",
        "That you opted out or were erased, by a keyed hash of your id.",
        400,
        "{days} days after each",
    ),
    Kept(
        "privacy_flags",
        "Whether you have opted out, and until when what was stored is gone, by a keyed hash of "
        "your id.",
        None,
        "for good: else the opt-out would be forgotten",
    ),
    Kept(
        "reads_audit",
        "When this operator's staff or programs looked at you, and when they or you opted you out "
        "or in or erased you, by a keyed hash of your id.",
        400,
        "{days} days after each",
    ),
)
_SUMS_TABLE: Final = "screen_quarters"
_SUMS_DAYS: Final = 400
#: What cannot be listed: logs are not searched for one user, and of a hash nobody knows whose.
NOT_LISTED: Final = (
    {
        "where": "the topic presence.events",
        "about": "What your app sent, in the order in which it came.",
        "until": "{presence.events}",
    },
    {
        "where": "the topic presence.changes, and the table last_changes before it",
        "about": "When your state or screen changed, for other systems of this operator.",
        "until": "{presence.changes}",
    },
    {
        "where": "the topic presence.sign_outs",
        "about": "That you logged out or left, and which connections of yours were closed.",
        "until": "{presence.sign_outs}",
    },
    {
        "where": "the topic presence.rejects",
        "about": "Hashes of what came and could not be read, which may have been your app's.",
        "until": "{presence.rejects}",
    },
    {
        "where": "the topic presence.privacy",
        "about": "Whether you have opted out, by a keyed hash of your id.",
        "until": "for good: else the opt-out would be forgotten",
    },
    {
        "where": "the tables screen_names and known_screens",
        "about": "A checksum of your id beside names of screens that you were among the first to "
        "open.",
        "until": "2 minutes; the end of the day",
    },
    {
        "where": "sketches of how many used a screen: the tables screen_days and "
        "screen_hour_users, under the keys in sketch_keys",
        "about": "A hash under a key that is destroyed when the changes of its month have gone; "
        "then nobody can tell that it was you.",
        "until": "{days} days",
    },
    {
        "where": "sums, such as how often a screen was shown in a quarter-hour",
        "about": "You were counted in them; they hold no ids.",
        "until": "{days} days",
    },
    {
        "where": "the tables reads_audit, audience_exports, audience_deliveries, browser_sessions, "
        "annotations, saved_views, webhooks, alerts, share_links, managed_audit and api_keys",
        "about": "If you work for this operator: when you logged in, at whom you looked, what you "
        "exported, sent, noted and saved, which webhooks, alerts and links you made, changed and "
        "ended, and which keys were made.",
        "until": "as its page on privacy says",
    },
    {
        "where": "the table webhook_cursors",
        "about": "What is being delivered to programs of this operator: your changes among it.",
        "until": "delivered, about a day at most",
    },
    {
        "where": "the table audience_pages",
        "about": "That this operator is about to send you a push message.",
        "until": "sent, three days at most, or you opt out or are erased",
    },
    {
        "where": "the table webhook_told",
        "about": "That a program of this operator was told that you stay on a screen, or away.",
        "until": "30 days at most, or you opt out or are erased",
    },
    {
        "where": "backups, and files that this operator exported",
        "about": "What was stored at their time.",
        "until": "the operator deletes them",
    },
)


class TopicAges:
    """How long Kafka keeps what is in a topic, as the settings say: its retention, and the segment
    that it waits for."""

    def __init__(self, settings: KafkaSettings) -> None:
        self._ages = {
            spec.name.removeprefix(settings.topic_prefix): (
                int(spec.settings[RETENTION]),
                int(spec.settings[SEGMENT]),
            )
            for spec in topic_specs(settings)
            if RETENTION in spec.settings
        }

    def gone_by(self, topic: str, at: datetime | None) -> datetime | None:
        """When what was written by then has gone; ``None``: never."""
        kept_ms, more_ms = self._ages[topic]
        if at is None or kept_ms < 0:
            return None
        return at + timedelta(milliseconds=kept_ms + more_ms)

    def said(self, until: str) -> str:
        """``until`` with the times of topics in their places."""
        for topic, (kept_ms, more_ms) in self._ages.items():
            age = f"{in_words(kept_ms)} after each, and up to {in_words(more_ms)} more"
            until = until.replace(f"{{{topic}}}", "for ever" if kept_ms < 0 else age)
        return until


def stored_answer(
    user_id: str,
    enabled: bool,
    rows: Mapping[str, list[Any]],
    kept_days: Mapping[str, int],
    topics: TopicAges,
) -> Stored:
    """``rows`` by table, of which there may be one more than :data:`MAX_ROWS`."""
    sums_days = kept_days.get(_SUMS_TABLE, _SUMS_DAYS)
    return Stored(
        user_id=user_id,
        tracking=Tracking(enabled),
        stored=[
            StoredTable(
                where=kept.where,
                about=kept.about,
                until=kept.until.format(days=kept_days.get(kept.table, kept.days)),
                rows=rows[kept.table][:MAX_ROWS],
                complete=len(rows[kept.table]) <= MAX_ROWS,
            )
            for kept in TABLES
        ],
        not_listed=[
            NotListed(
                where=each["where"],
                about=each["about"],
                until=topics.said(each["until"].replace("{days}", str(sums_days))),
            )
            for each in NOT_LISTED
        ],
    )
