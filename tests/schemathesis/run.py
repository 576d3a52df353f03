"""Has Schemathesis look for requests that the real binary answers otherwise than its own OpenAPI
document says: as nobody, as a user and as an admin.

    python tests/schemathesis/run.py target/debug/souk target/ci/schemathesis --examples 200

The second is where it leaves what it has said and sent. Examples are those of each operation, besides
some fifty that follow from its schema.
"""

import argparse
import http.client
import json
import re
import secrets
import shutil
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

HERE = Path(__file__).parent
sys.path.append(str(HERE.parent / "clients"))

from suite import running  # noqa: E402, it is there only now

EVERYBODY = ("nobody", "user", "admin")


def call(suite, method, path, body=None, **headers):
    """Sends JSON and answers JSON."""
    client = http.client.HTTPConnection(suite.http, timeout=20)
    client.request(method, path, json.dumps(body), {"content-type": "application/json"} | headers)
    response = client.getresponse()
    answer = json.load(response)
    assert response.status in (200, 201), f"{path} answers {response.status}: {answer}"
    return answer


def grant(email, password):
    return {"grant_type": "password", "username": email, "password": password}


def ids(suite, what):
    return [one["id"] for one in call(suite, "GET", f"/v1/{what}?size=100")["data"]]


def register(suite):
    """The e-mail address and the password of a new account."""
    email, password = f"{secrets.token_hex(8)}@example.com", secrets.token_urlsafe(18)
    account = {"email": email, "password": password, "name": "Somebody"}
    call(suite, "POST", "/v1/auth/register", account)
    return email, password


def order(suite, account, product):
    """The id of an order."""
    token = call(suite, "POST", "/v1/auth/token", grant(*account))["access_token"]
    headers = {"authorization": f"Bearer {token}", "idempotency-key": secrets.token_hex(8)}
    items = [{"product_id": product, "quantity": 1}]
    return call(suite, "POST", "/v1/orders", {"items": items}, **headers)["id"]


def login(name, email, password):
    """How Schemathesis signs in, again and again, in the format of Web Fuzzing Commons."""
    return {
        "name": name,
        "loginEndpointAuth": {
            "endpoint": "/v1/auth/token",
            "verb": "POST",
            "contentType": "application/json",
            "payloadRaw": json.dumps(grant(email, password)),
            "token": {
                "extractFrom": "body",
                "extractSelector": "/access_token",
                "sendIn": "header",
                "sendName": "Authorization",
                "sendTemplate": "Bearer {token}",
            },
        },
    }


def prepare(suite, who, folder):
    """A folder to run in, with ids of what is there; users must not see each other's orders."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    shutil.copy(HERE / "hooks.py", folder)
    accounts = {"user": register(suite), "another": register(suite), "admin": suite.admin()}
    products, categories = ids(suite, "products"), ids(suite, "categories")
    orders = [order(suite, accounts["user"], product) for product in products[:3]]
    # lists of ids are the same in TOML
    settings = f"""
[dictionaries.products]
values = {products}
[dictionaries.categories]
values = {categories}
[dictionaries.orders]
values = {orders}
"""
    if who != "nobody":
        logins = [login(name, *account) for name, account in accounts.items()]
        (folder / "accounts.json").write_text(json.dumps({"auth": logins}))
        settings += f"""
[auth.wfc]
path = "accounts.json"
user = "{who}"
peers = ["user", "another"]
"""
    (folder / "schemathesis.toml").write_text((HERE / "schemathesis.toml").read_text() + settings)


def passes(suite, who, folder, examples, seed):
    prepare(suite, who, folder)
    schemathesis = Path(sys.executable).with_name("st")
    command = [schemathesis, "run", f"http://{suite.http}/openapi.json", "--no-color"]
    command += ["--max-examples", str(examples), "--seed", str(seed)]
    command += ["--report", "ndjson", "--report-ndjson-path", "sent.ndjson"]
    began = time.monotonic()
    with (folder / "said.txt").open("w") as said:
        done = subprocess.run(command, check=False, cwd=folder, stdout=said, stderr=subprocess.STDOUT)
    text = (folder / "said.txt").read_text()
    if done.returncode != 0:
        print(text)
    elif few := starved(suite, folder, examples):
        print(f"Fewer than {examples} examples of {few}")
    else:
        cases = re.search(r"Test cases:\n *(.*)", text)[1]
        print(f"As {who}, in {time.monotonic() - began:.0f} s: {cases}")
        return True
    return False


def starved(suite, folder, examples):
    """Operations with input that had fewer examples: Schemathesis says nothing when it ends early."""
    had = Counter()
    with (folder / "sent.ndjson").open() as events:
        for line in events:
            [(name, event)] = json.loads(line).items()
            if name == "ScenarioFinished" and event["phase"] == "fuzzing":
                had[event["recorder"]["label"]] += len(event["recorder"]["cases"])
    paths = call(suite, "GET", "/openapi.json")["paths"]
    return [
        f"{method.upper()} {path}"
        for path, methods in paths.items()
        for method, operation in methods.items()
        if had[f"{method.upper()} {path}"] < examples
        and operation.keys() & {"parameters", "requestBody"}
        # has no end: see schemathesis.toml
        and not path.endswith("/watch")
    ]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("binary")
    parser.add_argument("work", type=Path)
    parser.add_argument("--examples", type=int, default=10)
    # what changes the result shall be a change of the code
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--as", dest="who", nargs="+", choices=EVERYBODY, default=EVERYBODY)
    options = parser.parse_args()
    failed = []
    for who in options.who:
        with running(options.binary) as suite:
            if not passes(suite, who, options.work / who, options.examples, options.seed):
                failed.append(who)
    assert not failed, f"not as the document says, as {failed}"


if __name__ == "__main__":
    main()
