"""What lanes work with, and what they must not tell of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from processor.notify.forgotten import Forgotten
from processor.notify.messages import Record
from processor.notify.metrics import NotifyMetrics
from processor.notify.onesignal import OneSignal
from processor.notify.records import Rereader
from processor.notify.retries import RetryPolicy
from processor.notify.sender import Sender
from processor.notify.store import NotifyStore
from schemas.service.user_hash import UserHash


@dataclass(frozen=True, slots=True)
class Means:
    """What all lanes of a process share."""

    store: NotifyStore
    rereader: Rereader
    sender: Sender
    policy: RetryPolicy
    metrics: NotifyMetrics
    #: Without one it is not known who was erased.
    user_hash: UserHash | None
    #: ``None``: it is not set up.
    onesignal: OneSignal | None = None

    @property
    def forgotten(self) -> Forgotten:
        return Forgotten(self.store, self.user_hash)

    async def known(self, records: Sequence[Record]) -> list[Record]:
        """Without what users did before they were erased or opted out, for who reads of long ago.
        Their last change, which says so, stays."""
        hashed = self.user_hash
        if hashed is None:
            return list(records)
        users = {record.change.user_id for record in records if record.change is not None}
        hashes = {user: hashed(user) for user in users}
        erased = await self.store.erased(hashes.values()) if users else {}

        def is_known(record: Record) -> bool:
            change = record.change
            until = None if change is None else erased.get(hashes[change.user_id])
            return change is None or until is None or datetime.fromisoformat(change.at) >= until

        return [record for record in records if is_known(record)]
