"""Starts the real binary, has the client place an order, takes the database away, gives it back,
and ends it as Ctrl-C does.

    python tests/clients/run.py target/debug/souk
"""

import os
import signal
import sys
from pathlib import Path

import grpc_client
from grpc_client import AUTH, CATALOG, ORDERS, expect
from suite import eventually, running

HEALTH_LIMIT = 15
END_LIMIT = 60


def processes():
    """(name, state, parent, start time) of each process, by its id."""
    found = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            head, tail = path.read_text().rsplit(")", 1)
        except OSError:
            continue  # it has ended meanwhile
        pid, name = head.split(" (", 1)
        fields = tail.split()
        found[int(pid)] = (name, fields[0], int(fields[1]), fields[19])
    return found


def postgres_of(souk):
    """The PostgreSQL processes under a process and when they started, the postmaster first."""
    found = processes()
    family = [souk.pid]
    for parent in family:
        family += [pid for pid, process in found.items() if process[2] == parent]
    return {pid: found[pid][3] for pid in family if pid in found and found[pid][0] == "postgres"}


def still_there(servers):
    found = processes()
    return [
        pid
        for pid, started in servers.items()
        if pid in found and found[pid][3] == started and found[pid][1] != "Z"
    ]


def send(number, pids):
    for pid in pids:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            pass


def health_turns(server, status):
    for service in (CATALOG, AUTH, ORDERS):
        eventually(
            f"{service} is {status}",
            HEALTH_LIMIT,
            lambda: server.health(service) == status,
        )


def health_follows_the_database(souk, server):
    frozen = postgres_of(souk)
    assert frozen, "souk has no PostgreSQL under it"
    send(signal.SIGSTOP, frozen)
    try:
        health_turns(server, "NOT_SERVING")
    finally:
        send(signal.SIGCONT, frozen)
    health_turns(server, "SERVING")


def ends_cleanly(souk):
    servers = postgres_of(souk)
    souk.send_signal(signal.SIGINT)
    expect("the exit code after Ctrl-C", souk.wait(END_LIMIT), 0)
    eventually("PostgreSQL has ended with souk", 5, lambda: not still_there(servers))


def main(binary):
    with running(binary) as suite:
        server = grpc_client.Server(suite.grpc)
        health_turns(server, "SERVING")
        grpc_client.main(suite.grpc)
        health_follows_the_database(suite.process, server)
        print("Health turned to NOT_SERVING without the database, and back with it")
        grpc_client.main(suite.grpc)
        ends_cleanly(suite.process)
        print("Ctrl-C ended souk and its PostgreSQL")


if __name__ == "__main__":
    main(*sys.argv[1:])
