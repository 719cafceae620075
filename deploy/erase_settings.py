"""Which deployment `rollcall erase`, `rollcall opt-outs` and `rollcall audit` are about."""

from __future__ import annotations

import json
from pathlib import Path

from processor.settings import GroupSettings
from schemas.service.settings import PrivacySettings


class EraseSettings(GroupSettings, PrivacySettings):
    """Kafka, the processors' group, and the key by which users are known."""


def settings_of_stack(settings: EraseSettings, data_dir: Path) -> EraseSettings:
    """Those of `rollcall up` in the data directory, where the environment has neither Kafka nor a
    key: half of one deployment and half of another would be worse than an error."""
    key = data_dir / "user-hash-key"
    if (
        settings.user_hash is not None
        or "kafka_bootstrap" in settings.model_fields_set
        or not key.exists()
    ):
        return settings
    # Where there is such a directory, what `rollcall up` needs is installed.
    from deploy.local.stack import PARTITIONS

    ports = json.loads((data_dir / "ports.json").read_text("utf-8"))
    chosen = {
        "kafka_bootstrap": f"127.0.0.1:{ports['kafka']}",
        "user_hash_key": key.read_text("utf-8").strip(),
        "event_version": 2,
        "replication_factor": 1,
    }
    given = settings.model_dump(include=settings.model_fields_set)
    return EraseSettings.model_validate({"partitions": PARTITIONS, **given, **chosen})
