"""Attacks a real binary over HTTP, one way after the other, and asks it honestly all the while.

    python tests/attacks/run.py target/release/souk [NAME …]

Prints a table: how many honest requests were answered, how long they took, how much memory the
process took beyond what it had when idle, and how the server answered the attacker. Fails when an
honest request is not answered within five seconds, when memory grows by more than 200 MiB, or when
the attacker gets another answer than the attack is due. Needs no root, but many open files.
"""

import collections
import http.client
import json
import resource
import socket
import sys
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "clients"))
sys.dont_write_bytecode = True
from suite import running  # noqa: E402

HONEST_LIMIT = 5
HONEST_INTERVAL = 0.1
MEMORY_LIMIT = 200
OPEN_FILES = 5000
MIB = 1024 * 1024


class Honest(threading.Thread):
    """Somebody who only wants the first page of the products, again and again."""

    def __init__(self, target):
        super().__init__(daemon=True)
        self.target, self.over = target, threading.Event()
        self.took, self.failures, self.peak = [], [], 0

    def run(self):
        while not self.over.is_set():
            began = time.monotonic()
            try:
                status = ask(self.target.address, HONEST_LIMIT)
                if status != "200":
                    self.failures.append(status)
            except OSError as error:
                self.failures.append(type(error).__name__)
            self.took.append(time.monotonic() - began)
            self.peak = max(self.peak, self.target.memory())
            self.over.wait(HONEST_INTERVAL)


class Target:
    def __init__(self, address, pid):
        host, port = address.rsplit(":", 1)
        self.address, self.pid, self.token = (host, int(port)), pid, b""

    def memory(self):
        """Of the process, in MiB."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        line = next(line for line in status.splitlines() if line.startswith("VmRSS:"))
        return int(line.split()[1]) // 1024

    def sign_in(self, email, password):
        client = http.client.HTTPConnection(*self.address, timeout=10)
        body = json.dumps({"grant_type": "password", "username": email, "password": password})
        client.request("POST", "/v1/auth/token", body, {"content-type": "application/json"})
        self.token = json.load(client.getresponse())["access_token"].encode()

    def connect(self):
        stream = socket.create_connection(self.address, 10)
        stream.settimeout(10)
        return stream


def request(head, body=b""):
    return b"%s HTTP/1.1\r\nhost: souk\r\n%s\r\n" % (head, body)


def status_of(stream):
    """The status of the next answer, or that there was none."""
    try:
        answer = stream.recv(4096)
    except TimeoutError:
        return "no answer"
    except OSError:
        return "reset"
    return answer[9:12].decode() if answer else "closed"


def ask(address, limit):
    with socket.create_connection(address, limit) as stream:
        stream.settimeout(limit)
        stream.sendall(request(b"GET /v1/products?size=5", b"connection: close\r\n"))
        return status_of(stream)


def held(target, count, beginning, seconds, trickle=b""):
    """Many connections that begin a request and do not end it."""
    streams = []
    for _ in range(count):
        stream = target.connect()
        stream.sendall(beginning)
        streams.append(stream)
    until = time.monotonic() + seconds
    while trickle and time.monotonic() < until:
        time.sleep(1)
        for stream in streams:
            try:
                stream.sendall(trickle)
            except OSError:
                pass  # it was closed, as it should be
    time.sleep(max(0, until - time.monotonic()))
    answers = []
    for stream in streams:
        stream.settimeout(0.01)
        answers.append(status_of(stream))
        stream.close()
    return answers


def slowloris(target):
    """1,000 heads that come one line a second."""
    return held(target, 1000, b"GET /v1/products HTTP/1.1\r\nhost: souk\r\n", 12, b"x-a: b\r\n")


def stalled_bodies(target):
    """4,200 bodies that stop after their first byte."""
    head = b"content-type: application/json\r\ncontent-length: 1000\r\n"
    return held(target, 4200, request(b"POST /v1/auth/token", head) + b"{", 15)


def frame(kind, flags, stream, payload=b""):
    return len(payload).to_bytes(3) + bytes([kind, flags]) + stream.to_bytes(4) + payload


def rapid_resets(target):
    """100,000 requests over HTTP/2 that are taken back at once (CVE-2023-44487)."""
    literal = lambda name, value: bytes([len(name)]) + name + bytes([len(value)]) + value
    # GET, http, / from the static table; the authority as a literal that nobody remembers
    headers = b"\x82\x86\x84\x01" + bytes([4]) + b"souk" + b"\x00" + literal(b"accept", b"*/*")
    sent, answers = 0, []
    while sent < 100_000:
        with target.connect() as stream:
            try:
                stream.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, 0, 0))
                for first in range(1, 20_001, 200):
                    pairs = range(first, first + 200, 2)
                    stream.sendall(
                        b"".join(
                            frame(1, 5, number, headers) + frame(3, 0, number, bytes([0, 0, 0, 8]))
                            for number in pairs
                        )
                    )
                    sent += len(pairs)
            except OSError:
                sent += 100  # what was on its way counts too
            answers.append("told to go" if is_told_off(stream) else "not told to go")
    return answers


def is_told_off(stream):
    """Whether the server has had enough of a connection: GOAWAY, or it is gone."""
    stream.settimeout(1)
    received = b""
    try:
        while piece := stream.recv(65536):
            received += piece
        return True
    except TimeoutError:
        pass
    except OSError:
        return True
    while len(received) >= 9:
        length, kind = int.from_bytes(received[:3]), received[3]
        if kind == 7:
            return True
        received = received[9 + length :]
    return False


def huge_body(target):
    """A body of 1 GiB, sent whether it is wanted or not."""
    answers = []
    for head in (b"content-length: 1073741824\r\n", b"transfer-encoding: chunked\r\n"):
        with target.connect() as stream:
            stream.sendall(request(b"POST /v1/auth/token", b"content-type: application/json\r\n" + head))
            piece = b"x" * MIB
            if b"chunked" in head:
                piece = b"100000\r\n" + piece + b"\r\n"
            try:
                for _ in range(1024):
                    stream.sendall(piece)
            except OSError:
                pass
            answers.append(status_of(stream))
    return answers


def deep_json(target):
    """JSON that is 10,000 levels deep, from somebody who may send it."""
    answers = []
    for body in (b"[" * 10_000 + b"]" * 10_000, b'{"a":' * 10_000 + b"1" + b"}" * 10_000):
        for _ in range(100):
            with target.connect() as stream:
                head = b"content-type: application/json\r\ncontent-length: %d\r\n" % len(body)
                head += b"authorization: Bearer %s\r\n" % target.token
                stream.sendall(request(b"POST /v1/products", head) + body)
                answers.append(status_of(stream))
    return answers


def header_bomb(target):
    """Heads of 10,000 lines, and of one line of 1 MiB."""
    answers = []
    for lines in (b"x-a: b\r\n" * 10_000, b"x-a: " + b"b" * MIB + b"\r\n"):
        for _ in range(50):
            with target.connect() as stream:
                try:
                    stream.sendall(request(b"GET /v1/products", lines))
                except OSError:
                    pass
                answers.append(status_of(stream))
    return answers


# each with the answers that are due
ATTACKS = {
    slowloris: {"closed", "reset"},
    stalled_bodies: {"400", "408", "503"},
    rapid_resets: {"told to go"},
    huge_body: {"413"},
    deep_json: {"400"},
    header_bomb: {"431"},
}


def carry_out(attack, target, idle):
    """Prints a line of the table; answers what harm was done."""
    honest = Honest(target)
    honest.start()
    began = time.monotonic()
    answers = collections.Counter(attack(target))
    took = time.monotonic() - began
    honest.over.set()
    honest.join()
    name = attack.__name__.replace("_", " ")
    grown = max(0, honest.peak - idle)
    answered = len(honest.took) - len(honest.failures)
    outcome = ", ".join(f"{answer}: {count}" for answer, count in sorted(answers.items()))
    print(
        f"| {name} | {took:.0f} s | {answered} of {len(honest.took)} "
        f"| {1000 * max(honest.took):.0f} ms | {grown} MiB | {outcome} |",
        flush=True,
    )
    harm = {
        f"honest requests got {', '.join(set(honest.failures))}": honest.failures,
        f"memory grew by {grown} MiB": grown > MEMORY_LIMIT,
        f"the attacker got {outcome or 'nothing'}": not answers or answers.keys() - ATTACKS[attack],
    }
    return [f"{name}: {what}" for what, is_so in harm.items() if is_so]


def allow_open_files():
    """As many as this user may have, for us and for the server."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if hard != resource.RLIM_INFINITY and hard < OPEN_FILES:
        sys.exit(f"the attacks take {OPEN_FILES} open files, and `ulimit -Hn` allows {hard}")
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def main(binary, names):
    allow_open_files()
    # they come from one address, as the honest do: its limits would end both
    with running(binary, SOUK_RATE_LIMIT_ADDRESS="0", SOUK_MAX_CONNECTIONS_PER_ADDRESS="0") as suite:
        target = Target(suite.http, suite.process.pid)
        target.sign_in(*suite.admin())
        for _ in range(50):
            ask(target.address, HONEST_LIMIT)
        idle = target.memory()
        print(f"idle: {idle} MiB\n")
        print("| attack | lasted | honest answers | slowest | memory beyond idle | the attacker got |")
        print("| --- | --- | --- | --- | --- | --- |")
        attacks = [attack for attack in ATTACKS if not names or attack.__name__ in names]
        harm = [what for attack in attacks for what in carry_out(attack, target, idle)]
    if harm:
        sys.exit("\n".join(harm))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
