"""Imports from the gRPC libraries of others, which send each small row in an HTTP/2 frame of its own:
many rows over one stream, and several streams over one connection.

    python tests/clients/imports.py target/debug/souk contracts.binpb node_modules

The second is the contracts as `buf build` writes them, the third where Node finds its packages.
"""

import concurrent.futures
import os
import subprocess
import sys
import time
from pathlib import Path

import grpc_client
from google.protobuf.message_factory import GetMessageClass
from grpc_client import AUTH, CATALOG, expect
from suite import running

ROWS = 100_000
STREAMS = 4
ROWS_OF_EACH = 10_000
LIMIT = 300


def admin_token(suite, server):
    email, password = suite.admin()
    grant = {"grant_type": "password", "username": email, "password": password}
    return server.call(AUTH, "CreateToken", grant)[0].access_token


class Importer:
    """Python's library, over one connection."""

    def __init__(self, server, token):
        rpc = server.pool.FindServiceByName(CATALOG).FindMethodByName("ImportProducts")
        self.row = GetMessageClass(rpc.input_type)
        self.metadata = [("authorization", f"Bearer {token}")]
        self.call = server.channel.stream_unary(
            f"/{CATALOG}/ImportProducts",
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=GetMessageClass(rpc.output_type).FromString,
        )

    def rows(self, prefix, count):
        for line in range(1, count + 1):
            row = self.row(line=line, sku=f"{prefix}-{line}", name="from Python")
            row.price.value = "1.00"
            yield row

    def run(self, prefix, count):
        report = self.call(self.rows(prefix, count), metadata=self.metadata, timeout=LIMIT)
        expect(f"rows of {prefix}", (report.created, report.rejected), (count, 0))


def python(server, token):
    importer = Importer(server, token)
    importer.run("python", ROWS)
    with concurrent.futures.ThreadPoolExecutor(STREAMS) as pool:
        list(pool.map(lambda stream: importer.run(f"p{stream}", ROWS_OF_EACH), range(STREAMS)))


def node(suite, token, contracts, modules):
    client = Path(__file__).with_name("import_client.js")
    environment = os.environ | {"NODE_PATH": os.path.abspath(modules), "SOUK_TOKEN": token}
    for prefix, rows, streams in (("node", ROWS, 1), ("n", ROWS_OF_EACH, STREAMS)):
        command = ["node", client, contracts, suite.grpc, prefix, str(rows), str(streams)]
        subprocess.run(command, env=environment, check=True, timeout=LIMIT)


def main(binary, contracts, modules):
    with running(binary) as suite:
        server = grpc_client.Server(suite.grpc)
        token = admin_token(suite, server)
        for name, run in (
            ("Node", lambda: node(suite, token, contracts, modules)),
            ("Python", lambda: python(server, token)),
        ):
            began = time.monotonic()
            run()
            took = time.monotonic() - began
            print(f"{name} imported {ROWS:,} rows, and {STREAMS} × {ROWS_OF_EACH:,}, in {took:.0f} s")
        server.channel.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
