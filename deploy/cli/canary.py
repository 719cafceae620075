"""`rollcall canary`: synthetic devices in production, and whether they are shown right."""

from __future__ import annotations


def canary() -> None:
    """Run canaries, synthetic devices whose state is known, and measure what is shown of them.

    Settings: ROLLCALL_CANARY_TOKENS_FILE, ROLLCALL_CANARY_API_KEY and others of docs/canary.md.
    """
    from deploy.canary.__main__ import main

    main()
