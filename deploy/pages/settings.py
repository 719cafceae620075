"""``make docs``: docs/settings.md from the settings classes, so that it cannot be out of date."""

from __future__ import annotations

from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from api.settings import ApiSettings
from deploy.canary.settings import CanarySettings
from ingest.settings import IngestSettings
from processor.notify.settings import NotifySettings
from processor.settings import ProcessorSettings
from schemas.service.settings import Settings

SERVICES: dict[str, type[Settings]] = {
    "ingest": IngestSettings,
    "processor": ProcessorSettings,
    "notify": NotifySettings,
    "api": ApiSettings,
    "canary": CanarySettings,
}
HEAD = """\
# Settings

Every setting is an environment variable; an empty one counts as unset. Durations are seconds. A
bad value ends the start of a service with a line that names the variable. Made by `make docs` from
the settings classes.

What must not be in an environment comes from files: `ROLLCALL_SECRETS_DIR` names a folder in which
each file is called like its variable (`ROLLCALL_DATABASE_URL`; upper or lower case) and holds its
value, as Docker and Kubernetes mount secrets. A variable that is set goes before its file.

| variable | default | meaning | read by |
| --- | --- | --- | --- |
"""


def settings_page() -> str:
    """The page as Markdown."""
    fields: dict[str, FieldInfo] = {}
    readers: dict[str, list[str]] = {}
    for service, settings in SERVICES.items():
        for name, field in settings.model_fields.items():
            fields[name] = field
            readers.setdefault(name, []).append(service)
    lines = [
        f"| `ROLLCALL_{name.upper()}` | {_default(field)} | {field.description} "
        f"| {', '.join(readers[name])} |\n"
        for name, field in fields.items()
    ]
    return HEAD + "".join(lines)


def _default(field: FieldInfo) -> str:
    value = field.default
    if value is PydanticUndefined or value is None or str(value) == "":
        return ""
    if hasattr(value, "get_secret_value"):
        value = value.get_secret_value()
    return f"`{value}`"
