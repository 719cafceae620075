"""The library of Standard Webhooks takes a message from standard input, or says why not."""

import json
import sys

from standardwebhooks.webhooks import (  # type: ignore[import-not-found]
    Webhook,
    WebhookVerificationError,
)

asked = json.load(sys.stdin)
try:
    message = Webhook(asked["secret"]).verify(asked["body"], asked["headers"])
except WebhookVerificationError:
    message = None
sys.stdout.write(json.dumps(message))
