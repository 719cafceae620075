"""What runs, by name, and the timing that all of it has."""

from __future__ import annotations

from typing import Final

PARTITIONS: Final = 2
INGESTS: Final = ("ingest-1", "ingest-2")
PROCESSORS: Final = ("processor-1", "processor-2")
#: Only while a fault has it join.
THIRD: Final = "processor-3"
API: Final = "api"
SERVICES: Final = (*INGESTS, *PROCESSORS, API)
CLIENTS: Final = (*SERVICES, THIRD)
KAFKA, POSTGRES = "kafka", "postgres"
GROUP: Final = "rollcall-processor"

OFFLINE_AFTER_SECONDS: Final = 15.0
BEAT_SECONDS: Final = 3.0
DISCONNECT_GRACE_SECONDS: Final = 8.0
#: All that decides who is online is shorter than in life, so that a round takes seconds.
TIMING: Final = {
    "OFFLINE_AFTER_SECONDS": f"{OFFLINE_AFTER_SECONDS:g}",
    "HEARTBEAT_INTERVAL_SECONDS": f"{BEAT_SECONDS:g}",
    "CLIENT_INTERVAL_SECONDS": f"{BEAT_SECONDS:g}",
    "DISCONNECT_GRACE_SECONDS": f"{DISCONNECT_GRACE_SECONDS:g}",
    "LOGOUT_FENCE_SECONDS": "5",
    "OUTAGE_GAP_SECONDS": "5",
    "OUTAGE_HOLD_SECONDS": "900",
    "TICK_INTERVAL_SECONDS": "0.5",
    "SESSION_TIMEOUT_SECONDS": "3",
    "STALL_SECONDS": "30",
    "ACCEPT_TIMEOUT_SECONDS": "2",
    "DRAIN_SECONDS": "1",
    "ALLOW_SHORT_TIMING": "true",
}
