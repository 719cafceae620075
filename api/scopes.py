"""What a reader's token may allow. PURE."""

from __future__ import annotations

from typing import Final

READ_SCOPE: Final = "presence:read"
