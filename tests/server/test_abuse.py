"""What clients must not be able to do."""

from __future__ import annotations

import json
import os
import random
import socket
import stat
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from budgauge.rpc.protocol import MAX_FRAME_BYTES
from budgauge.server import connection, server
from served import Bare, Client, Served, report

CALL = b'{"jsonrpc":"2.0","method":"tokens.getBudget","id":1}\n'
Serve = Callable[..., Served]


def test_a_line_without_end_is_refused_and_the_connection_ended(client: Client) -> None:
    caller = client()
    with pytest.raises((BrokenPipeError, ConnectionResetError)):  # noqa: PT012  # which send it is, is not ours
        for _ in range(200):
            caller.send(b"x" * 65536)
    other = client()
    assert other.result("tokens.getBudget")["total_used"] == 0


def test_a_line_over_the_limit_is_answered_without_an_id(client: Client) -> None:
    caller = client()
    pad = MAX_FRAME_BYTES - len(CALL) + 1
    caller.send(CALL[:-1] + b" " * pad + b"\n")
    assert caller.read()["result"]["total_used"] == 0
    caller.send(CALL[:-1] + b" " * (pad + 1) + b"\n" + CALL)
    answer = caller.read()
    assert (answer["error"]["code"], answer["id"]) == (-32600, None)
    assert caller.is_over()


def test_slow_bytes_are_answered_when_the_line_is_whole(client: Client) -> None:
    caller = client()
    for place in range(len(CALL)):
        caller.send(CALL[place : place + 1])
    assert caller.read()["result"]["total_used"] == 0


def test_a_line_that_is_never_finished_ends_the_connection(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "STALL_SECONDS", 0.2)
    monkeypatch.setattr(server, "SWEEP_SECONDS", 0.05)
    caller, idle = client(), client()
    assert idle.result("tokens.getBudget")
    caller.send(CALL[:20])
    assert caller.is_over()
    time.sleep(0.5)
    assert idle.result("tokens.getBudget")  # who sends nothing at all may wait as long as it likes


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 53\r\n\r\n" + CALL,
        b"OPTIONS * HTTP/1.1\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET /",
    ],
)
def test_http_is_hung_up_on_and_nothing_of_it_is_done(client: Client, ledger: Path, request_bytes: bytes) -> None:
    caller = client()
    caller.send(request_bytes)
    assert caller.is_over()


def test_http_after_a_call_is_hung_up_on(client: Client) -> None:
    caller = client()
    assert caller.result("tokens.getBudget")
    caller.send(b"POST / HTTP/1.1\r\n\r\n" + CALL)
    assert caller.is_over()


@pytest.mark.parametrize("bad", [b"\x16\x03\x01\x02\x00\x01\n", b"\xff\xfe\n", b"{\n", b"[" * 5000 + b"\n", b"null\n"])
def test_what_is_no_call_is_answered_and_the_connection_goes_on(client: Client, bad: bytes) -> None:
    caller = client()
    caller.send(bad)
    assert caller.read()["id"] is None
    assert caller.result("tokens.getBudget")["total_used"] == 0


def test_a_half_closed_connection_is_answered_to_the_end(client: Client) -> None:
    caller = client()
    caller.send(CALL * 50)
    caller.socket.shutdown(socket.SHUT_WR)
    for _ in range(50):
        assert caller.read()["result"]["total_used"] == 0
    assert caller.is_over()


def test_connections_beyond_the_limit_are_told_so_and_the_others_go_on(client: Client) -> None:
    first = client()
    assert first.result("tokens.getBudget")
    others = [client() for _ in range(server.MAX_CONNECTIONS - 1)]
    for caller in others:
        assert caller.result("tokens.check", ["a", 1])["allowed"]
    one_more = client()
    assert "64 connections" in one_more.read()["error"]["message"]
    assert one_more.is_over()
    assert first.result("tokens.getBudget")
    others[0].close()
    deadline = time.monotonic() + 30
    while True:
        again = client()
        again.send(CALL)
        if "result" in again.read():
            break
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_thousands_of_connections_do_no_harm(client: Client, serve: Serve) -> None:
    served = serve()
    caller = client(served.path)
    for _ in range(3000):
        # Where too many wait to be accepted, the system itself refuses.
        with socket.socket(socket.AF_UNIX) as one, suppress(BlockingIOError):
            one.setblocking(False)
            one.connect(str(served.path))
    assert caller.result("tokens.reportUsage", report())["success"]


def test_one_that_floods_leaves_the_others_their_turn(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "_TURN_SECONDS", 0.0)
    flooding, caller = client(), client()
    assert caller.result("tokens.getBudget")
    report_line = json.dumps({"jsonrpc": "2.0", "method": "tokens.reportUsage", "params": report("a", 1, 0)}) + "\n"
    flooding.socket.setblocking(False)
    data = report_line.encode() * 20_000
    sent = turns = 0
    while sent < len(data):
        with suppress(BlockingIOError):
            sent += flooding.socket.send(data[sent : sent + (1 << 20)])
        turns += caller.result("tokens.getBudget")["total_used"] < sent // len(report_line)
    # Who is answered only when nothing of the flood waits gets a few dozen turns.
    assert turns > 500


def test_one_that_asks_and_never_reads_is_not_answered_for_ever(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "STALL_SECONDS", 0.3)
    monkeypatch.setattr(server, "SWEEP_SECONDS", 0.05)
    caller, other = client(), client()
    caller.socket.setblocking(False)
    ended = False
    deadline = time.monotonic() + 30
    while not ended and time.monotonic() < deadline:
        try:
            caller.socket.send(CALL * 1000)
        except BlockingIOError:
            time.sleep(0.01)
        except (BrokenPipeError, ConnectionResetError):
            ended = True
    assert ended
    assert other.result("tokens.getBudget")["total_used"] == 0


@pytest.fixture
def tcp(serve: Serve) -> Served:
    return serve(tcp_port=0)


def token(served: Served) -> str:
    assert served.server.token_path is not None
    return served.server.token_path.read_text().strip()


def at(served: Served) -> tuple[str, int]:
    assert served.server.address is not None
    return served.server.address


def test_tcp_wants_the_token_first(client: Client, tcp: Served) -> None:
    assert at(tcp)[0] == "127.0.0.1"
    assert tcp.server.token_path is not None
    assert stat.S_IMODE(os.stat(tcp.server.token_path).st_mode) == 0o600
    caller = client(at(tcp))
    assert caller.result("auth", {"token": token(tcp)}) == {"success": True}
    assert caller.result("tokens.reportUsage", report())["total_used"] == 2300
    assert caller.result("subscribe", ["tokens.updated"])


@pytest.mark.parametrize("wrong", ["", "x", "\ud800", None, 5])
def test_a_wrong_token_ends_the_connection(client: Client, tcp: Served, wrong: object) -> None:
    caller = client(at(tcp))
    answer = caller.call("auth", {"token": wrong})
    assert answer["error"]["code"] in (1007, -32602, -32700)
    assert caller.is_over()


@pytest.mark.parametrize(
    "first",
    [
        CALL,
        b'[{"jsonrpc":"2.0","method":"tokens.reset","id":1},{"jsonrpc":"2.0","method":"auth","params":{"token":"TOKEN"},"id":2}]\n',
        b'{"jsonrpc":"2.0","method":"tokens.reset","params":{"id":"auth"}}\n' + CALL,
        b"nonsense\n" + CALL,
        b'{"jsonrpc":"2.0","method":"auth","params":{"token":"wrong"}}\n' + CALL,
    ],
)
def test_nothing_is_done_before_the_token_was_shown(client: Client, tcp: Served, ledger: Path, first: bytes) -> None:
    caller = client(at(tcp))
    caller.send(first.replace(b"TOKEN", token(tcp).encode()))
    caller.socket.shutdown(socket.SHUT_WR)
    answers = []
    while (answer := caller.read()) is not None:
        answers.append(answer)
    assert "total_used" not in json.dumps(answers)
    assert not ledger.exists() or b"reset" not in ledger.read_bytes()


def test_strangers_take_no_place_from_the_others(client: Client, tcp: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    strangers = [client(at(tcp)) for _ in range(server.MAX_STRANGERS + 5)]
    assert strangers[0].is_over()
    friend = client(tcp.path)
    assert friend.result("tokens.getBudget")
    late = client(at(tcp))
    assert late.result("auth", [token(tcp)])
    assert len(tcp.server._connections) <= server.MAX_STRANGERS + 2


def test_a_stranger_has_not_long(client: Client, serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "AUTH_SECONDS", 0.2)
    monkeypatch.setattr(server, "SWEEP_SECONDS", 0.05)
    served = serve(tcp_port=0)
    assert client(at(served)).is_over()


def test_another_user_is_refused(client: Client, serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    served = serve()
    monkeypatch.setattr(server, "peer_uid", lambda _: os.geteuid() + 1)
    caller = Bare(served.path)
    with suppress(BrokenPipeError):
        caller.send(CALL)
    assert "for user" in caller.read()["error"]["message"]
    assert caller.is_over()
    caller.close()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user")
def test_another_user_is_refused_whatever_the_folder_lets_through(
    client: Client, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    with tempfile.TemporaryDirectory(dir="/tmp") as open_to_all:
        monkeypatch.setenv("XDG_RUNTIME_DIR", open_to_all)
        served = serve()
        assert served.path.is_relative_to(open_to_all)
        code = (
            "import os, socket, sys; os.setuid(65534); s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]);"
            "print(s.recv(65536).decode(), s.recv(65536))"
        )
        command = [sys.executable, "-c", code, str(served.path)]
        shut = subprocess.run(command, capture_output=True, text=True, check=False)
        assert "PermissionError" in shut.stderr
        os.chmod(open_to_all, 0o755)
        served.path.parent.chmod(0o755)
        served.path.chmod(0o666)
        refused = subprocess.run(command, capture_output=True, text=True, check=True)
        assert "for user 0 alone" in refused.stdout
        assert refused.stdout.strip().endswith("b''")
        assert client(served.path).result("tokens.getBudget")


def test_the_peers_user_is_known(serve: Serve) -> None:
    here, there = socket.socketpair(socket.AF_UNIX)
    with here, there:
        from budgauge.rpc.endpoint import peer_uid

        assert peer_uid(here) == os.geteuid()


def test_a_connection_that_is_reset_does_no_harm(client: Client, tcp: Served) -> None:
    caller = client(at(tcp))
    assert caller.result("auth", [token(tcp)])
    caller.send(CALL * 1000)
    caller.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    caller.close()
    assert client(tcp.path).result("tokens.getBudget")["total_used"] == 0


def test_damaged_calls_do_no_harm(client: Client, ledger: Path, sized: Callable[[int, int], int]) -> None:
    chance = random.Random(6)
    whole = [
        CALL,
        json.dumps({"jsonrpc": "2.0", "method": "tokens.reportUsage", "params": report(id="x"), "id": 2}).encode(),
        json.dumps([{"jsonrpc": "2.0", "method": "tokens.reserve", "params": ["a", 5, 60], "id": 3}] * 3).encode(),
        json.dumps({"jsonrpc": "2.0", "method": "subscribe", "params": ["tokens.updated"], "id": 4}).encode(),
    ]
    witness = client()
    for _ in range(sized(300, 10_000)):
        data = bytearray(b"\n".join(chance.choices(whole, k=chance.randrange(1, 6))) + b"\n")
        for _ in range(chance.randrange(1, 8)):
            place = chance.randrange(len(data))
            match chance.randrange(4):
                case 0:
                    data[place] = chance.randrange(256)
                case 1:
                    del data[place : place + chance.randrange(20)]
                case 2:
                    data[place:place] = chance.randbytes(chance.randrange(20))
                case _:
                    data[place:place] = data[: chance.randrange(len(data) + 1)]
            data = data or bytearray(b"\n")
        with socket.socket(socket.AF_UNIX) as caller, suppress(BrokenPipeError, ConnectionResetError):
            caller.connect(witness.socket.getpeername())
            caller.sendall(data)
            if chance.randrange(2):
                caller.shutdown(socket.SHUT_WR)
                while caller.recv(65536):
                    pass
    assert witness.result("tokens.getBudget")["problems"] == []
    assert all(json.loads(line) for line in ledger.read_bytes().splitlines() if line)
