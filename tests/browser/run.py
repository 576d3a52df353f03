"""Starts the real binary and reads its pages in a real browser, as a person does.

    python tests/browser/run.py target/debug/souk target/ci/npm/node_modules target/ci/screenshots

The second is where Node finds playwright-core, the third where the pictures of the pages go.
"""

import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.append(str(HERE.parent / "clients"))

from suite import running  # noqa: E402, it is there only now

LIMIT = 180


def main(binary, modules, pictures):
    Path(pictures).mkdir(parents=True, exist_ok=True)
    with running(binary) as suite:
        email, password = suite.admin()
        environment = os.environ | {
            "NODE_PATH": os.path.abspath(modules),
            "SOUK_URL": f"http://{suite.http}",
            "SOUK_EMAIL": email,
            "SOUK_PASSWORD": password,
            "SOUK_PICTURES": os.path.abspath(pictures),
        }
        command = ["node", "--test", "--test-reporter=spec", HERE / "docs.test.js"]
        subprocess.run(command, env=environment, check=True, timeout=LIMIT)


if __name__ == "__main__":
    main(*sys.argv[1:])
