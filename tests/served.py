"""A server in a thread, and bare clients of it."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from budgauge.config.load import Options
from budgauge.server.server import Server

PATIENCE_SECONDS = 60.0


class Served:
    """A running server of a ledger, or of the one that is found from here."""

    def __init__(
        self,
        ledger: Path | None,
        *,
        config: Path | None = None,
        tcp_port: int | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.ledger = ledger
        options = Options(ledger=str(ledger) if ledger else None, config=str(config) if config else None)
        self.server = Server(options, tcp_port=tcp_port, clock=clock)
        self.failure: BaseException | None = None
        self._started = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        assert self._started.wait(PATIENCE_SECONDS)
        if self.failure:
            raise self.failure

    def _run(self) -> None:
        try:
            self.server.run(self._started.set)
        except BaseException as error:
            self.failure = error
            self._started.set()

    @property
    def path(self) -> Path:
        assert self.server.socket_path is not None
        return self.server.socket_path

    def end(self) -> None:
        self.server.stop()
        self._thread.join(PATIENCE_SECONDS)
        assert not self._thread.is_alive()
        assert self.failure is None


class Bare:
    """A client that sends and reads lines."""

    def __init__(self, address: Path | tuple[str, int]) -> None:
        self.socket = socket.socket(socket.AF_UNIX if isinstance(address, Path) else socket.AF_INET)
        self.socket.settimeout(PATIENCE_SECONDS)
        self.socket.connect(str(address) if isinstance(address, Path) else address)
        self._file = self.socket.makefile("rb")
        self._number = 0

    def send(self, data: bytes | str | dict[str, Any] | list[Any]) -> None:
        if isinstance(data, (dict, list)):
            data = json.dumps(data) + "\n"
        self.socket.sendall(data if isinstance(data, bytes) else data.encode())

    def read(self) -> Any:
        """The next message; None at the end."""
        line = self._file.readline()
        return json.loads(line) if line else None

    def call(self, method: str, params: Any = None) -> Any:
        """The whole answer."""
        self._number += 1
        call = {"jsonrpc": "2.0", "method": method, "id": self._number}
        self.send(call if params is None else {**call, "params": params})
        while True:
            answer = self.read()
            if "method" not in answer:
                assert answer["id"] in (self._number, None)
                return answer

    def result(self, method: str, params: Any = None) -> Any:
        answer = self.call(method, params)
        assert "error" not in answer, answer
        return answer["result"]

    def error(self, method: str, params: Any = None) -> Any:
        return self.call(method, params)["error"]

    def events(self, until: Callable[[dict[str, Any]], bool]) -> list[dict[str, Any]]:
        """What came, up to the event that was waited for: each one's params."""
        seen = []
        while True:
            message = self.read()
            assert "method" in message
            assert message["params"]["topic"] == message["method"]
            seen.append(message["params"])
            if until(message["params"]):
                return seen

    def is_quiet(self, seconds: float = 0.3) -> bool:
        """Does nothing come?"""
        self.socket.settimeout(seconds)
        try:
            self.socket.recv(1, socket.MSG_PEEK)
        except TimeoutError:
            return True
        finally:
            self.socket.settimeout(PATIENCE_SECONDS)
        return False

    def is_over(self) -> bool:
        """Does the connection end, with nothing more said?"""
        try:
            return self._file.readline() == b""
        except ConnectionResetError:
            return True

    def close(self) -> None:
        self._file.close()
        self.socket.close()


Client = Callable[..., Bare]
Configured = Callable[[str], None]


def report(agent: str = "a", prompt: int = 1500, completion: int = 800, **more: Any) -> dict[str, Any]:
    return {"agent_id": agent, "model": "gpt-4", "prompt_tokens": prompt, "completion_tokens": completion, **more}


def lines(ledger: Path) -> list[dict[str, Any]]:
    return [json.loads(text) for text in ledger.read_bytes().splitlines() if text]


@pytest.fixture
def configured(own_place: Path) -> Callable[[str], None]:
    """Writes the config that is in force."""

    def write(text: str) -> None:
        folder = own_place / ".codex"
        folder.mkdir(exist_ok=True)
        new = folder / "new"
        new.write_text(f"[token_budget]\n{text}\n")
        new.replace(folder / "token_budget.toml")

    return write


@pytest.fixture
def serve(ledger: Path) -> Iterator[Callable[..., Served]]:
    running: list[Served] = []

    def start(**options: Any) -> Served:
        running.append(Served(ledger, **options))
        return running[-1]

    yield start
    for served in running:
        served.end()


@pytest.fixture
def client(serve: Callable[..., Served]) -> Iterator[Callable[..., Bare]]:
    """Makes bare clients, by default of a server that is started with the first."""
    open_clients: list[Bare] = []
    served: list[Served] = []

    def connect(address: Path | tuple[str, int] | None = None) -> Bare:
        if address is None and not served:
            served.append(serve())
        open_clients.append(Bare(address or served[0].path))
        return open_clients[-1]

    yield connect
    for each in open_clients:
        each.close()
