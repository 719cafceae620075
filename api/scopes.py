"""What a reader's token may allow. PURE."""

from __future__ import annotations

from typing import Final

READ_SCOPE: Final = "presence:read"
#: To take a list of users out of Rollcall: see api.audiences.
EXPORT_SCOPE: Final = "presence:export"
#: To see who looked at whom: see api.reads.
AUDIT_SCOPE: Final = "presence:audit"
#: To opt a user out, to see what is stored of them, and to erase them: see api.privacy.
PRIVACY_SCOPE: Final = "presence:privacy"
#: To write and delete notes on the time axis, and to say which webhooks are told of changes and
#: which alerts there are: see api.annotations, api.webhooks and api.alerts.
MANAGE_SCOPE: Final = "presence:manage"
