"""Pastes into a shell what the README and the welcome say of grpcurl, and reads what it answers.

    python tests/clients/grpcurl.py target/debug/souk

An old grpcurl is the best test: it speaks reflection v1alpha only.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

from grpc_client import AUTH, CATALOG, HEALTH, ORDERS
from suite import running

README = Path(__file__).parents[2] / "README.md"
REFLECTION = {f"grpc.reflection.{version}.ServerReflection" for version in ("v1", "v1alpha")}


def block_under(heading):
    """The commands under a heading of the README."""
    text = README.read_text()
    assert heading in text, f"the README has no {heading!r}"
    return re.search(r"```sh\n(.*?)```", text.partition(heading)[2], re.DOTALL)[1]


def paste(commands):
    """What commands print, both ways; grpcurl is beside this Python."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    shell = ["bash", "-c", commands]
    environment = os.environ | {"PATH": path}
    return subprocess.run(
        shell, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60
    )


def succeeded(commands):
    done = paste(f"set -euo pipefail\n{commands}")
    assert done.returncode == 0, f"{commands}\nexits with {done.returncode}: {done.stdout}"
    return done.stdout


def lists_everything(said):
    missing = {HEALTH, CATALOG, AUTH, ORDERS, *REFLECTION} - set(said.split())
    assert not missing, f"`list` does not show {sorted(missing)}: {said}"


def readme(suite):
    rest, grpc = (
        block_under(heading).replace("127.0.0.1:8080", suite.http)
        for heading in ("### Sign up and order over REST", "### The same over gRPC")
    )
    # answers over REST end without a new line
    said = succeeded(f"{rest}\necho\n{grpc.replace('127.0.0.1:50051', suite.grpc)}")
    lists_everything(said)
    # over REST, and with the same key again over gRPC
    orders = set(re.findall(r'"id": ?"(ord_\w+)"', said))
    assert len(orders) == 1, f"not one order, the same one twice: {said}"
    assert said.count(orders.pop()) >= 2, said


def welcome(suite):
    commands = [line.strip() for line in suite.written().splitlines() if "grpcurl -" in line]
    assert len(commands) == 1, f"the welcome has no grpcurl command: {suite.written()}"
    lists_everything(succeeded(commands[0]))


def errors(suite):
    call = f"grpcurl -plaintext -d '%s' {suite.grpc} {CATALOG}/%s"
    for message, rpc, words in (
        ('{"id":"abc"}', "GetProduct", ["NotFound", "product abc not found", "ErrorInfo"]),
        ('{"size":1000}', "ListProducts", ["InvalidArgument", "VALIDATION_FAILED", "BadRequest"]),
        ("{}", "CreateProduct", ["Unauthenticated", "UNAUTHENTICATED", '"domain":"souk"']),
    ):
        done = paste(call % (message, rpc))
        assert done.returncode != 0, done.stdout
        for word in words:
            assert word in done.stdout, f"{word!r} is not in {done.stdout}"
        assert "google.rpc.ErrorInfo" in done.stdout and "@error" not in done.stdout, done.stdout


def main(binary):
    print(succeeded("grpcurl -version").strip())
    with running(binary) as suite:
        readme(suite)
        welcome(suite)
        errors(suite)
    print("The README's commands and the welcome's work as pasted; details of errors are readable")


if __name__ == "__main__":
    main(*sys.argv[1:])
