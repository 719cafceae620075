// The library of Standard Webhooks takes a message from the environment, or says why not.

import { createRequire } from 'node:module';

const { Webhook, WebhookVerificationError } = createRequire(process.env.NODE_PACKAGES)('standardwebhooks');
const { secret, headers, body } = JSON.parse(process.env.ASKED);
let message = null;
try {
  message = new Webhook(secret).verify(body, headers);
} catch (error) {
  if (!(error instanceof WebhookVerificationError)) throw error;
}
console.log(JSON.stringify(message));
