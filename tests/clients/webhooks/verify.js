// Whether Node's library of Standard Webhooks takes deliveries for real: reads a list of them, each with the
// secret that the receiver knows, and answers a list of true and false.
//
//     NODE_PATH=target/ci/npm/node_modules node tests/clients/webhooks/verify.js < deliveries.json

'use strict';

const fs = require('fs');
const { Webhook, WebhookVerificationError } = require('standardwebhooks');

function isReal({ secret, headers, body }) {
  try {
    new Webhook(secret).verify(body, headers);
    return true;
  } catch (error) {
    if (error instanceof WebhookVerificationError) {
      return false;
    }
    throw error;
  }
}

console.log(JSON.stringify(JSON.parse(fs.readFileSync(0, 'utf8')).map(isReal)));
