"""An address that mail is sent to. PURE."""

from __future__ import annotations

import re
from typing import Final

#: As browsers take them (HTML's type=email), which is all that mail servers take: no quotes, no
#: comments, nothing that a header could be broken with.
ADDRESS_PATTERN: Final = (
    r"^[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@"
    r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
    r"(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*$"
)
_ADDRESS: Final = re.compile(ADDRESS_PATTERN)
MAX_ADDRESS: Final = 254


def check_email(address: object) -> str:
    """Raises ``ValueError``: the rest of a sentence that begins with the field's name."""
    if (
        not isinstance(address, str)
        or len(address) > MAX_ADDRESS
        or _ADDRESS.fullmatch(address) is None
    ):
        raise ValueError(
            f"must be one address such as ops@example.com, of {MAX_ADDRESS} characters at most"
        )
    return address
