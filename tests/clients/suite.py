"""A real suite for a client: started on a directory of its own, and ended with it."""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

START_LIMIT = 120


def eventually(what, limit, check):
    """Answers what `check` answers as soon as it is something."""
    deadline = time.monotonic() + limit
    while not (answer := check()):
        assert time.monotonic() < deadline, f"not within {limit} s: {what}"
        time.sleep(0.1)
    return answer


class Suite:
    """A running binary: its process, its addresses, its admin, and what it has written."""

    def __init__(self, process, data, log):
        self.process, self.data, self.log = process, Path(data), log
        where = eventually("souk is ready", START_LIMIT, self.addresses)
        self.http, self.grpc = where["http"], where["grpc"]

    def addresses(self):
        assert self.process.poll() is None, f"souk has ended: {self.process.poll()}"
        path = self.data / "addresses.json"
        return path.exists() and json.loads(path.read_text())

    def admin(self):
        return "admin@souk.localhost", (self.data / "admin-password").read_text().strip()

    def written(self):
        return Path(f"/proc/{os.getpid()}/fd/{self.log.fileno()}").read_text()


def inherited():
    """The environment, without its word on Souk."""
    return {key: value for key, value in os.environ.items() if not key.startswith("SOUK_")}


@contextlib.contextmanager
def running(binary, **settings):
    # all clients are of one address
    unlimited = {"SOUK_RATE_LIMIT_ADDRESS": "0", "SOUK_RATE_LIMIT_PRINCIPAL": "0"}
    environment = inherited() | unlimited | settings
    with tempfile.TemporaryDirectory(prefix="souk-") as data, tempfile.TemporaryFile("w+") as log:
        os.chmod(data, 0o755)  # as root, PostgreSQL runs as somebody else
        process = subprocess.Popen(
            [os.path.abspath(binary), "--http", "127.0.0.1:0", "--grpc", "127.0.0.1:0"]
            + ["--data-dir", data],
            cwd=data,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
        try:
            yield Suite(process, data, log)
        except BaseException:
            log.seek(0)
            sys.stderr.writelines(["--- what souk wrote last:\n", *log.readlines()[-100:]])
            raise
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
