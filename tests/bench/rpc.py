"""The RPC server against a bare asyncio echo server on a socket of the same kind, with the same clients."""

from __future__ import annotations

import json
import os
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mode import sized
from pairs import report, report_least

ROUNDS = sized(5, 25)
"""Of each server in turn."""
CALLS = 1000
"""In a round."""
CLIENTS = 16
CHARGES = sized(500, 3000)
"""Of each client."""
EVENTS = sized(40, 200)
SUBSCRIBERS = 20

ECHO = """
import asyncio, sys

class Echo(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport = transport
    def data_received(self, data):
        self.transport.write(data)

async def main():
    server = await asyncio.get_running_loop().create_unix_server(Echo, sys.argv[1])
    print(sys.argv[1], flush=True)
    await server.serve_forever()

asyncio.run(main())
"""
CHARGING = """
import socket, sys, time
path, agent, number, own = sys.argv[1:]
call = (
    '{"jsonrpc":"2.0","method":"tokens.reportUsage","params":{"agent_id":"%s","model":"gpt-4",'
    '"prompt_tokens":150,"completion_tokens":80%s},"id":1}\\n'
)
calls = [
    (call % (agent, ',"id":"%s-%s-%d"' % (agent, own, place) if own else "")).encode() for place in range(int(number))
]
server = socket.socket(socket.AF_UNIX)
server.connect(path)
server.sendall(calls[0])
assert b'"success":true' in server.recv(65536)
print("ready", flush=True)
sys.stdin.readline()
begun = time.time()
for call in calls[1:]:
    server.sendall(call)
    server.recv(65536)
print(begun, time.time(), flush=True)
"""


def run(home: Path) -> None:
    """Round trips, charges of many clients, events, and a subscriber that does not read."""
    (home / ".codex").mkdir(exist_ok=True)
    (home / ".codex" / "token_budget.toml").write_text(
        "[token_budget]\ntotal_budget = 1_000_000_000_000\nsync = false\n"
    )
    os.environ["XDG_RUNTIME_DIR"] = str(home)
    ledger = home / "rpc.jsonl"
    with _process(_serve(ledger)) as (server, path):
        _round_trips(home, server, path)
        _many(path, "")
        _many(path, "retry")
        _events(path, ledger)
        _stalled(path)
    ledger.unlink()


def _serve(ledger: Path) -> list[str]:
    return ["-m", "budgauge", "serve", "--ledger", str(ledger)]


@contextmanager
def _process(arguments: list[str]) -> Iterator[tuple[int, str]]:
    """A server: its process id, and the path that it prints."""
    process = subprocess.Popen(
        [sys.executable, *arguments], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert process.stdout is not None
    try:
        yield process.pid, process.stdout.readline().strip()
    finally:
        process.kill()
        process.communicate()


def _connect(path: str) -> socket.socket:
    server = socket.socket(socket.AF_UNIX)
    server.connect(path)
    return server


def _call(method: str, params: object) -> bytes:
    return json.dumps({"jsonrpc": "2.0", "method": method, "params": params, "id": 1}).encode() + b"\n"


CHARGE = _call("tokens.reportUsage", {"agent_id": "a", "model": "gpt-4", "prompt_tokens": 150, "completion_tokens": 80})


def _seconds(server: socket.socket, call: bytes, number: int) -> list[float]:
    """How long so many round trips took."""
    took = []
    for _ in range(number):
        begun = time.perf_counter()
        server.sendall(call)
        server.recv(65536)
        took.append(time.perf_counter() - begun)
    return sorted(took)


def _at(took: list[float], part: float) -> float:
    return took[min(len(took) - 1, int(len(took) * part))]


def _round_trips(home: Path, pid: int, path: str) -> None:
    """One client, each server in turn: all on one processor, and then as the system places them.

    Where one serves a little longer the system puts server and client on two processors, and what
    is then measured is how long an idle one takes to wake up: 25 us here, whoever is woken. Each
    echo server is a new one: once it has lost a connection its reads happen to take half as long.
    """
    everywhere = os.sched_getaffinity(0)
    for where, processors in (("", {min(everywhere)}), (", anywhere", everywhere)):
        for name, call in (("check", _call("tokens.check", ["a", 1])), ("charge", CHARGE)):
            echo_at = home / f"{name}{where}.sock"
            with _process(["-c", ECHO, str(echo_at)]) as (echo_pid, echo_path):
                for process in (0, echo_pid, pid):
                    os.sched_setaffinity(process, processors)
                _compare(f"{name}{where}", call, _connect(echo_path), _connect(path))


def _compare(name: str, call: bytes, echo: socket.socket, server: socket.socket) -> None:
    with echo, server:
        for warm in (echo, server):
            _seconds(warm, call, CALLS)
        pairs = [(_seconds(server, call, CALLS), _seconds(echo, call, CALLS)) for _ in range(ROUNDS)]
    for part, bound in ((0.5, 2), (0.99, 4)):
        ours = statistics.median(_at(pair[0], part) for pair in pairs)
        theirs = statistics.median(_at(pair[1], part) for pair in pairs)
        report(
            f"rpc: p{part * 100:.0f} of a {name} / echo",
            statistics.median(_at(ours, part) / _at(theirs, part) for ours, theirs in pairs),
            bound,
            f"{ours * 1e6:.0f} and {theirs * 1e6:.0f} us, {ROUNDS} pairs of {CALLS}",
        )


def _many(path: str, own: str) -> None:
    """With `own`, each charge has an id to be known again by."""
    clients = [
        subprocess.Popen(
            [sys.executable, "-c", CHARGING, path, f"agent-{number}", str(CHARGES + 1), own],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(CLIENTS)
    ]
    for client in clients:
        assert client.stdout is not None
        client.stdout.readline()
    for client in clients:
        assert client.stdin is not None
        client.stdin.write("go\n")
        client.stdin.flush()
    spans = [tuple(map(float, client.communicate()[0].split())) for client in clients]
    took = max(end for _, end in spans) - min(begun for begun, _ in spans)
    report_least(
        f"rpc: charges a second of {CLIENTS} clients{', with ids' if own else ''}",
        CLIENTS * CHARGES / took,
        15_000,
        f"{CLIENTS * CHARGES:,} charges, without sync, the clients on the same machine",
    )


def _events(path: str, ledger: Path) -> None:
    """From the write of a lone line to the event about it, whoever wrote."""
    charging, subscriber = _connect(path), _connect(path)
    lines = subscriber.makefile("rb")
    subscriber.sendall(_call("subscribe", ["tokens.updated"]))
    lines.readline(), lines.readline()

    def by_rpc() -> None:
        charging.sendall(CHARGE)
        charging.recv(65536)

    def by_line() -> None:
        with ledger.open("ab", buffering=0) as file:
            file.write(
                b'\n{"agent_id":"foreign","model":"gpt-4","prompt_tokens":1,"completion_tokens":1,"total_tokens":2,'
                b'"timestamp":%d}\n' % time.time()
            )

    for name, write in (("a charge", by_rpc), ("an appended line", by_line)):
        took = []
        for _ in range(EVENTS):
            time.sleep(0.12)
            begun = time.perf_counter()
            write()
            lines.readline()
            took.append(time.perf_counter() - begun)
        took.sort()
        report(
            f"rpc: {name} to its event, p95 ms",
            _at(took, 0.95) * 1000,
            30,
            f"median {_at(took, 0.5) * 1000:.1f} ms, {EVENTS} of them",
        )
    charging.close()
    subscriber.close()


def _stalled(path: str) -> None:
    """Charges while all subscribers read, and while one of them does not."""
    subscribers = [_connect(path) for _ in range(SUBSCRIBERS)]
    stalled, done = threading.Event(), threading.Event()

    def read() -> None:
        import selectors

        selector = selectors.DefaultSelector()
        for subscriber in subscribers:
            selector.register(subscriber, selectors.EVENT_READ)
        gone = False
        while not done.is_set():
            if stalled.is_set() and not gone:
                selector.unregister(subscribers[0])
                gone = True
            for key, _ in selector.select(0.1):
                key.fileobj.recv(1 << 20)  # type: ignore[union-attr]  # a socket

    for subscriber in subscribers:
        subscriber.sendall(_call("subscribe", ["tokens.updated"]))
    reading = threading.Thread(target=read)
    reading.start()
    charging = _connect(path)
    _seconds(charging, CHARGE, 5 * CALLS)
    rounds = max(5, ROUNDS)
    before = [_at(_seconds(charging, CHARGE, CALLS), 0.99) for _ in range(rounds)]
    stalled.set()
    # Until what the system's buffers take is full.
    _seconds(charging, CHARGE, 20 * CALLS)
    after = [_at(_seconds(charging, CHARGE, CALLS), 0.99) for _ in range(rounds)]
    done.set()
    reading.join()
    report(
        f"rpc: p99 of a charge, 1 of {SUBSCRIBERS} stalled / none",
        statistics.median(after) / statistics.median(before),
        2,
        f"{statistics.median(after) * 1e6:.0f} and {statistics.median(before) * 1e6:.0f} us",
    )
    for each in (*subscribers, charging):
        each.close()
