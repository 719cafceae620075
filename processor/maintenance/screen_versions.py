"""Engagement by screen, version and platform: an hour of it, from spans and sessions.

Everything counts where its visit or session ends, views too, because a span is written once its
visit is over. So an hour is whole once every partition is past it, as all other rollups are.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

from processor.maintenance.database_session import Session

#: Of an hour those with the most visits count as themselves, the rest together.
LIMITS: Final = {"screens": 200, "versions": 10, "platforms": 10}


def replace_versions(session: Session, hour: datetime) -> None:
    """Count an hour, whose spans and sessions must be there."""
    session.do("clear_screen_versions", {"hour": hour})
    session.do("roll_up_screen_versions", {"hour": hour, **LIMITS})
