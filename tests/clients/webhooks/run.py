"""Webhooks as their receivers verify them, with the libraries of Standard Webhooks for Python and Node: what
Souk sends is taken for real, also while two secrets are valid, and what was changed on its way is not.

    python tests/clients/webhooks/run.py target/debug/souk target/ci/npm/node_modules
"""

import contextlib
import http.server
import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import httpx
from standardwebhooks import Webhook, WebhookVerificationError

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))
from suite import eventually, running  # noqa: E402

LIMIT = 60
ENDPOINTS = "/v1/webhook-endpoints"
LOCAL = {"SOUK_WEBHOOK_ALLOW_PRIVATE": "true", "SOUK_WEBHOOK_ALLOW_HTTP": "true"}


class Receiver(http.server.BaseHTTPRequestHandler):
    """Keeps what comes."""

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"])).decode()
        self.server.got.append((dict(self.headers), body))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_):
        pass


@contextlib.contextmanager
def receiving():
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Receiver) as server:
        server.got = []
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield server
        finally:
            server.shutdown()


def received(server, event):
    """The headers and the body of the first event of a type, as they have come."""

    def find():
        return [hit for hit in server.got if json.loads(hit[1])["type"] == event]

    return eventually(event, LIMIT, find)[0]


def in_python(deliveries):
    def is_real(delivery):
        try:
            Webhook(delivery["secret"]).verify(delivery["body"], delivery["headers"])
            return True
        except WebhookVerificationError:
            return False

    return [is_real(delivery) for delivery in deliveries]


def in_node(modules):
    def verify(deliveries):
        done = subprocess.run(
            ["node", HERE / "verify.js"],
            env=os.environ | {"NODE_PATH": os.path.abspath(modules)},
            input=json.dumps(deliveries),
            stdout=subprocess.PIPE,
            text=True,
            check=True,
            timeout=LIMIT,
        )
        return json.loads(done.stdout)

    return verify


def changed(headers, body):
    """The same with a byte of it changed, each in turn, and with another id or time."""
    for at, byte in enumerate(body):
        yield headers, body[:at] + chr(ord(byte) ^ 1) + body[at + 1 :]
    names = {name.lower(): name for name in headers}
    for name in ("webhook-id", "webhook-timestamp"):
        value = headers[names[name]]
        other = value[:-1] + ("1" if value[-1] != "1" else "2")
        yield headers | {names[name]: other}, body


def check(libraries, delivery, secrets):
    """Holds that a delivery is real for who knows one of the secrets, whole, and for nobody else."""

    def known(secret, headers, body):
        return {"secret": secret, "headers": headers, "body": body}

    real = [known(secret, *delivery) for secret in secrets]
    false = [known(secret, *other) for secret in secrets for other in changed(*delivery)]
    false.append(known("whsec_" + "c2VjcmV0" * 6, *delivery))
    for name, verify in libraries.items():
        taken = verify(real + false)
        assert taken[: len(real)] == [True] * len(real), f"{name} refuses {delivery}"
        assert not any(taken[len(real) :]), f"{name} takes what was changed for {delivery}"
    return len(false)


def post(client, key, path, body):
    answer = client.post(path, json=body, headers={"idempotency-key": key})
    assert answer.is_success, answer.text
    return answer.json()


def follow(suite, receiver, libraries):
    email, password = suite.admin()
    client = httpx.Client(base_url=f"http://{suite.http}", timeout=LIMIT)
    form = {"grant_type": "password", "username": email, "password": password}
    token = client.post("/v1/auth/token", data=form).json()["access_token"]
    client.headers["authorization"] = f"Bearer {token}"

    url = f"http://127.0.0.1:{receiver.server_port}/hooks"
    endpoint = post(client, "hook", ENDPOINTS, {"url": url})
    path = f"{ENDPOINTS}/{endpoint['id']}"
    made = client.post("/v2/products", json={"sku": "CUP", "name": "A cup", "price": 5, "available": 1})
    assert made.is_success, made.text
    post(client, "order", "/v1/orders", {"product_id": made.json()["id"]})
    refused = check(libraries, received(receiver, "order.reserved"), [endpoint["secret"]])

    rotated = post(client, "rotate", f"{path}/rotate-secret", {})
    post(client, "test", f"{path}/test", {})
    both = [endpoint["secret"], rotated["secret"]]
    assert both[0] != both[1]
    return refused + check(libraries, received(receiver, "webhook.test"), both)


def main(binary, modules):
    libraries = {"Python": in_python, "Node": in_node(modules)}
    with running(binary, **LOCAL) as suite, receiving() as receiver:
        refused = follow(suite, receiver, libraries)
    print(f"{' and '.join(libraries)} verify webhooks, also of two secrets; {refused} forgeries are refused")


if __name__ == "__main__":
    main(*sys.argv[1:])
