"""What every call about analytics works with."""

from __future__ import annotations

from dataclasses import dataclass

from api.access.readers import Readers
from api.http.documents import Reports
from api.postgres.database import Database
from api.quality import Quality


@dataclass(frozen=True, slots=True)
class Calls:
    """The collaborators of the calls about analytics."""

    database: Database
    readers: Readers
    quality: Quality
    reports: Reports
