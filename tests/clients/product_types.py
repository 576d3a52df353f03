"""Follows docs/product-types.md against a suite of its own: writes its files, runs its commands in one shell as
they stand (only ports are others), and compares what they print with what the page says. `…` there is any text.

    python tests/clients/product_types.py target/debug/souk
"""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

from suite import eventually, inherited, running

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs/product-types.md"
# ```language file
BLOCK = re.compile(r"^```(\w+) ?(\S*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
START_LIMIT = 60
ANY = "…"


class Shell:
    """One bash for all commands, so that variables and jobs stay. What it starts ends with it."""

    def __init__(self, folder):
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        self.process = subprocess.Popen(
            ["bash"],
            cwd=folder,
            env=inherited() | {"PATH": path},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def run(self, commands):
        """What they print, and not what is still running prints; each of them must succeed."""
        with tempfile.NamedTemporaryFile("r") as printed:
            self.process.stdin.write(
                f"set -e; exec 3>&1 >{printed.name}\n{commands}\nexec >&3; echo\n"
            )
            self.process.stdin.flush()
            assert self.process.stdout.readline(), f"failed: {commands}{printed.read()}"
            return printed.read()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


def free_addresses(count):
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    addresses = [f"127.0.0.1:{one.getsockname()[1]}" for one in sockets]
    for one in sockets:
        one.close()
    return addresses


def listens(address):
    host, port = address.split(":")
    with socket.socket() as client:
        return client.connect_ex((host, int(port))) == 0


def answer(printed):
    """What JSON says; text that is none, as it is."""
    try:
        return json.loads(printed)
    except json.JSONDecodeError:
        return printed


def as_expected(got, expected):
    """Whether the one is the other; `…` in what is expected stands for anything, or any part of a text."""
    if expected == ANY:
        return True
    if isinstance(expected, dict):
        return isinstance(got, dict) and got.keys() == expected.keys() and all(
            as_expected(got[name], value) for name, value in expected.items()
        )
    if isinstance(expected, list):
        return isinstance(got, list) and len(got) == len(expected) and all(
            map(as_expected, got, expected)
        )
    if isinstance(expected, str) and ANY in expected:
        pattern = ".*".join(map(re.escape, expected.split(ANY)))
        return isinstance(got, str) and re.fullmatch(pattern, got) is not None
    return got == expected


def follow(page, folder):
    """Does what the page says, and answers how many of its answers were as it has them."""
    blocks = BLOCK.findall(page)
    assert page.count("```") == 2 * len(blocks), "a block of the page is not understood"
    compared, printed = 0, ""
    with Shell(folder) as shell:
        for language, file, text in blocks:
            if file:
                (folder / file).write_text(text)
            elif language == "sh":
                printed = shell.run(text)
                if text.endswith("&\n"):  # a reader is slower than what this starts
                    for address in re.findall(r"127\.0\.0\.1:\d+", text):
                        eventually(f"{address} listens", START_LIMIT, lambda: listens(address))
            else:
                assert language == "json", f"{language} is nothing that can be followed"
                agrees = as_expected(answer(printed), json.loads(text))
                assert agrees, f"the page says {text}, and Souk {printed}"
                compared += 1
    return compared


def main(binary):
    with running(binary) as suite, tempfile.TemporaryDirectory(prefix="souk-") as scratch:
        # a clone with a suite that runs in it, and an empty folder beside it
        souk, folder = Path(scratch, "souk"), Path(scratch, "tea")
        (souk / "target/debug").mkdir(parents=True)
        folder.mkdir()
        (souk / "target/debug/souk").symlink_to(Path(binary).resolve())
        (souk / "proto").symlink_to(ROOT / "proto")
        (souk / ".souk").symlink_to(suite.data)

        page = PAGE.read_text()
        tea, rest = free_addresses(2)
        for written, here in (
            ("127.0.0.1:8080", suite.http),
            ("127.0.0.1:50051", suite.grpc),
            ("127.0.0.1:9000", tea),
            ("127.0.0.1:8081", rest),
        ):
            assert written in page, f"{written} is not on the page"
            page = page.replace(written, here)
        compared = follow(page, folder)
    print(f"{PAGE.name} works as it stands: {compared} answers are as it has them")


if __name__ == "__main__":
    main(*sys.argv[1:])
