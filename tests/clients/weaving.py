"""Whether all that path, query and body say reaches a service whose runtime does not merge fragments of
messages: one in Node behind `souk gateway`, which answers what it was asked.

    python tests/clients/weaving.py target/debug/souk target/ci/npm/node_modules
"""

import contextlib
import http.client
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from grpc_client import expect
from suite import inherited

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
# the contract, and those that it imports
MODULES = {"version": "v2", "modules": [{"path": "proto"}, {"path": "tests/clients"}]}
LIMIT = 60

ANIMAL = "/v1/zoos/z/animals/7"
NAME = "zoos/z/animals/7"
KEEPER = {"name": "Ann", "shift": "night"}

# method, path, body, and what the service has understood
CASES = [
    (
        "GET",
        "/v1/animals?like.name=a&like.id=b",
        None,
        {"like": {"name": "a", "id": "b"}},
    ),
    (
        "GET",
        "/v1/animals?like.keeper.name=Ann&like.foods=hay&size=3&like.id=b&like.foods=oats"
        "&like.keeper.shift=night",
        None,
        {"like": {"id": "b", "foods": ["hay", "oats"], "keeper": KEEPER}, "size": 3},
    ),
    (
        "PATCH",
        f"{ANIMAL}?updateMask=id,keeper.name",
        {"id": "b", "keeper": KEEPER},
        {"animal": {"name": NAME, "id": "b", "keeper": KEEPER}, "updateMask": "id,keeper.name"},
    ),
    (
        "PATCH",
        ANIMAL,
        {"id": "b", "foods": ["hay"], "keeper": KEEPER},
        {
            "animal": {"name": NAME, "id": "b", "foods": ["hay"], "keeper": KEEPER},
            "updateMask": "id,foods,keeper.name,keeper.shift",
        },
    ),
    (
        "POST",
        f"{ANIMAL}:feed",
        {"animal": {"foods": ["hay"], "keeper": KEEPER}, "updateMask": "foods"},
        {"animal": {"name": NAME, "foods": ["hay"], "keeper": KEEPER}, "updateMask": "foods"},
    ),
    (
        "POST",
        f"{ANIMAL}:feedOften?updateMask=foods",
        [{"foods": ["hay"], "keeper": KEEPER}, {"foods": ["oats"]}],
        {"animal": {"name": NAME, "foods": ["hay"], "keeper": KEEPER}, "updateMask": "foods"},
    ),
]


@contextlib.contextmanager
def listening(*command, **settings):
    """A process that ends its first line with its address, and that address."""
    environment = inherited() | settings
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        try:
            line = process.stdout.readline()
            assert line, f"{command[0]} has ended"
            yield line.split()[-1]
        finally:
            process.kill()


def ask(address, method, path, body):
    """Sends JSON, or a list of it in lines; answers the status and the answer."""
    client = http.client.HTTPConnection(address, timeout=LIMIT)
    lines = isinstance(body, list)
    headers = {"content-type": "application/x-ndjson" if lines else "application/json"}
    if body is not None:
        body = "\n".join(map(json.dumps, body if lines else [body]))
    client.request(method, path, body, headers)
    answer = client.getresponse()
    return answer.status, json.load(answer)


def main(binary, modules):
    modules = Path(modules).resolve()
    with tempfile.TemporaryDirectory(prefix="souk-") as scratch:
        contracts = f"{scratch}/contracts.binpb"
        build = [modules / ".bin/buf", "build", "--config", json.dumps(MODULES)]
        build += ["--path", "tests/clients/weaving.proto", "-o", contracts]
        subprocess.run(build, cwd=ROOT, check=True, timeout=LIMIT)
        service = ["node", HERE / "weaving_service.js", contracts]
        with listening(*service, NODE_PATH=str(modules)) as upstream:
            gateway = [os.path.abspath(binary), "gateway", "--http", "127.0.0.1:0", "--public"]
            gateway += ["--descriptors", contracts, "--upstream", f"http://{upstream}"]
            with listening(*gateway) as address:
                for method, path, body, understood in CASES:
                    expect(f"{method} {path}", ask(address, method, path, body), (200, understood))
    print(f"A service in Node has understood {len(CASES)} requests")


if __name__ == "__main__":
    main(*sys.argv[1:])
