"""Where the server is found, and how it leaves."""

from __future__ import annotations

import os
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import budgauge
from budgauge.errors import ServerError, ServerRunningError
from budgauge.rpc.endpoint import Endpoint, socket_path, token_path
from served import Client, Served

Serve = Callable[..., Served]


def test_the_socket_is_private_and_gone_afterwards(ledger: Path) -> None:
    served = Served(ledger, tcp_port=0)
    path, token = served.path, served.server.token_path
    assert path == socket_path(ledger)
    assert path.suffix == ".sock"
    assert stat.S_IMODE(os.lstat(path).st_mode) == 0o600
    assert stat.S_IMODE(os.stat(path.parent).st_mode) == 0o700
    assert token == token_path(ledger)
    served.end()
    assert not path.exists()
    assert token is not None
    assert not token.exists()


def test_one_ledger_one_place_however_it_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "real"
    folder.mkdir()
    (tmp_path / "link").symlink_to(folder)
    assert (
        socket_path(tmp_path / "link" / "l") == socket_path(folder / "l") == socket_path(folder / ".." / "real" / "l")
    )
    assert socket_path(folder / "l") != socket_path(folder / "m")


def test_a_stale_socket_is_replaced(ledger: Path, serve: Serve, client: Client) -> None:
    path = socket_path(ledger)
    path.parent.mkdir(mode=0o700, parents=True)
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    assert path.exists()
    assert client(serve().path).result("tokens.getBudget")


def test_a_live_one_is_named_and_left(ledger: Path, serve: Serve, client: Client) -> None:
    served = serve()
    inode = os.lstat(served.path).st_ino
    with pytest.raises(ServerRunningError, match=f"process {os.getpid()}") as caught:
        Endpoint(ledger)
    assert str(served.path) in str(caught.value)
    os.unlink(served.path.with_suffix(".server"))
    with pytest.raises(ServerRunningError):
        Endpoint(ledger)
    assert os.lstat(served.path).st_ino == inode
    assert client(served.path).result("tokens.getBudget")


def test_what_is_no_socket_is_left(ledger: Path) -> None:
    path = socket_path(ledger)
    path.parent.mkdir(mode=0o700, parents=True)
    path.write_text("mine")
    endpoint = Endpoint(ledger)
    with pytest.raises(ServerError, match="no socket"):
        endpoint.listen(1)
    endpoint.leave()
    assert path.read_text() == "mine"


def test_a_socket_that_another_put_there_since_is_left(ledger: Path) -> None:
    served = Served(ledger)
    path = served.path
    path.unlink()
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(path))
        served.end()
        assert path.exists()
    path.unlink()


def test_a_folder_that_others_could_change_is_refused(ledger: Path) -> None:
    folder = socket_path(ledger).parent
    folder.mkdir(parents=True)
    folder.chmod(0o755)
    with pytest.raises(ServerError, match="0700"):
        Endpoint(ledger)


def test_a_path_too_long_for_a_socket_is_told(ledger: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / ("x" * 100)))
    with pytest.raises(ServerError, match="too long"):
        Endpoint(ledger)


def test_a_port_that_is_taken_is_told_and_nothing_is_left(ledger: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(ServerError, match=r"127\.0\.0\.1"):
            Served(ledger, tcp_port=taken.getsockname()[1])
    assert not socket_path(ledger).exists()
    assert not token_path(ledger).exists()


@pytest.fixture
def command(ledger: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    running: list[subprocess.Popen[str]] = []

    def start(*options: str) -> subprocess.Popen[str]:
        running.append(
            subprocess.Popen(
                [sys.executable, "-m", "budgauge", "serve", "--ledger", str(ledger), *options],
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
        )
        return running[-1]

    yield start
    for process in running:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_the_command_prints_where_it_is_and_cleans_up(
    command: Callable[..., subprocess.Popen[str]], client: Client, ledger: Path, number: signal.Signals
) -> None:
    process = command("--tcp", "0")
    assert process.stdout is not None
    path, address, token = (process.stdout.readline().strip() for _ in range(3))
    assert Path(path) == socket_path(ledger)
    host, _, port = address.partition(":")
    caller = client((host, int(port)))
    assert caller.result("auth", [Path(token).read_text().strip()])
    assert client(Path(path)).result("tokens.getBudget")
    process.send_signal(number)
    assert process.wait(10) == 0
    assert caller.is_over()
    assert not Path(path).exists()
    assert not Path(token).exists()


def test_a_second_command_names_the_first_and_fails(command: Callable[..., subprocess.Popen[str]]) -> None:
    first = command()
    assert first.stdout is not None
    path = first.stdout.readline().strip()
    second = command()
    _, errors = second.communicate(timeout=60)
    assert second.returncode == 1
    assert f"process {first.pid}" in errors
    assert path in errors
    assert "Traceback" not in errors


def test_after_a_kill_another_takes_the_place(command: Callable[..., subprocess.Popen[str]], ledger: Path) -> None:
    first = command()
    assert first.stdout is not None
    first.stdout.readline()
    first.kill()
    first.wait()
    assert socket_path(ledger).exists()
    second = command()
    assert second.stdout is not None
    with budgauge.connect(socket=second.stdout.readline().strip()) as client:
        assert client.get_budget()["total_used"] == 0
