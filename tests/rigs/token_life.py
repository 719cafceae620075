"""When the tokens of tests end.

Once a process, so that a token of the same claims is the same token however many seconds lie
between two calls: what a test shows must not depend on a second beginning.
"""

from __future__ import annotations

import time
from typing import Final

#: Seconds since 1970: later than every test of this process.
TOKENS_END_S: Final = int(time.time()) + 2 * 3600
