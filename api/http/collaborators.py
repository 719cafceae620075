"""What every call about analytics works with."""

from __future__ import annotations

from dataclasses import dataclass

from api.http.documents import Reports
from api.postgres.database import Database
from api.quality import Quality


@dataclass(frozen=True, slots=True)
class Collaborators:
    """Where they read, how good that is, and how it is answered."""

    database: Database
    quality: Quality
    reports: Reports
