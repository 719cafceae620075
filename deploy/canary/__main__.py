"""``python -m deploy.canary``, which is ``rollcall canary``; settings are in the environment."""

from __future__ import annotations

import asyncio

from deploy.canary.run import serve
from deploy.canary.settings import CanarySettings
from deploy.canary.tokens import TokensFileError
from deploy.terminal import FAILURE, USAGE, fail
from schemas.service.logging import log_to_stderr
from schemas.service.settings import load_or_exit


def main() -> None:
    """Run until SIGTERM."""
    settings = load_or_exit(CanarySettings)
    log_to_stderr(settings)
    try:
        asyncio.run(serve(settings))
    except TokensFileError as error:
        fail(f"ROLLCALL_CANARY_TOKENS_FILE: {error}", USAGE)
    except OSError as error:
        fail(f"ROLLCALL_CANARY_ADMIN_PORT: {error.strerror or error}", FAILURE)


if __name__ == "__main__":
    main()
