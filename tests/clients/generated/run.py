"""Generates clients with the generators of others and has each of them place an order with the real
binary: in TypeScript and Python from the OpenAPI document, over Connect and gRPC-Web from the contracts.

    python tests/clients/generated/run.py target/debug/souk target/ci/npm/node_modules target/ci/generated

The second is where npm has put generators and libraries, the third where the clients go; the
generator for Python is beside this Python.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
sys.path.append(str(HERE.parent))

from suite import running  # noqa: E402, it is there only now

LIMIT = 120


def run(*command, **options):
    subprocess.run(command, check=True, timeout=LIMIT, **options)


def python(document, into):
    generator = Path(sys.executable).with_name("openapi-python-client")
    config = HERE / "openapi-python-client.yaml"
    run(generator, "generate", "--url", document, "--config", config, "--output-path", into,
        "--overwrite", "--fail-on-warning")  # fmt: skip


def typescript(document, modules, into):
    shutil.copytree(HERE / "typescript", into)
    (into / "node_modules").symlink_to(modules)
    generated, bin = into / "generated", modules / ".bin"
    plugins = os.environ | {"PATH": f"{bin}:{os.environ['PATH']}"}
    run(bin / "buf", "generate", "--template", HERE / "buf.gen.yaml", "-o", generated, cwd=ROOT, env=plugins)
    run(bin / "openapi-typescript", document, "--output", generated / "souk.d.ts")
    run(bin / "tsc", "--project", into)


def main(binary, modules, into):
    into = Path(into).absolute()
    shutil.rmtree(into, ignore_errors=True)
    with running(binary) as suite:
        url = f"http://{suite.http}"
        python(f"{url}/openapi.json", into / "python")
        typescript(f"{url}/openapi.json", Path(modules).absolute(), into / "typescript")
        email, password = suite.admin()
        who = {"SOUK_URL": url, "SOUK_EMAIL": email, "SOUK_PASSWORD": password}
        environment = os.environ | who | {"PYTHONPATH": str(into / "python")}
        run(sys.executable, HERE / "order.py", env=environment)
        for client in ("rest", "connect"):
            run("node", into / "typescript" / "built" / f"{client}.js", env=environment)


if __name__ == "__main__":
    main(*sys.argv[1:])
