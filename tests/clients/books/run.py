"""Runs the tests of the Books API against a suite of their own. Usage: run.py SOUK"""

import os
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from suite import inherited, running  # noqa: E402


def main():
    with running(sys.argv[1]) as suite:
        email, password = suite.admin()
        where = {
            "SOUK_URL": f"http://{suite.http}",
            "SOUK_ADMIN_EMAIL": email,
            "SOUK_ADMIN_PASSWORD": password,
        }
        tests = [sys.executable, "-B", "-m", "pytest", "-q", "-p", "no:cacheprovider"]
        here = Path(__file__).parent
        subprocess.run([*tests, here], check=True, env=inherited() | where, cwd=here)


if __name__ == "__main__":
    os.umask(0o022)
    main()
