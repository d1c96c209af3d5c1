"""Codex's app server: threads and turns by JSON-RPC on its standard input, a message a line.

What a person does on Codex's screen by Esc Esc Enter, an editor does here by `thread/revert`.
"""

from __future__ import annotations

import itertools
import json
import subprocess
import threading
from types import TracebackType
from typing import Any

from agents.program import CODEX, RUN_SECONDS, Codex


class AppServer:
    """A running app server of a Codex home; it is ended with the `with` block."""

    def __init__(self, codex: Codex) -> None:
        assert CODEX is not None
        self._ids = itertools.count(1)
        self._project = str(codex.project)
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
        self._running = subprocess.Popen([CODEX, "app-server"], cwd=codex.project, env=codex.env, text=True, **pipes)
        self._limit = threading.Timer(RUN_SECONDS, self._running.kill)

    def __enter__(self) -> AppServer:
        self._limit.start()
        client = {"name": "test", "version": "1"}
        self._ask("initialize", clientInfo=client, capabilities={"experimentalApi": True})
        self._send({"method": "initialized"})
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        assert self._running.stdin is not None
        assert self._running.stdout is not None
        self._running.stdin.close()
        self._running.stdout.read()
        self._running.stdout.close()
        self._running.wait()
        self._limit.cancel()

    def thread(self, **settings: object) -> str:
        """Begin a thread that can be reverted; its id."""
        sandbox = {"sandbox": "danger-full-access", "approvalPolicy": "never", "historyMode": "paginated"}
        return self._thread("thread/start", cwd=self._project, **sandbox, **settings)

    def turn(self, thread: str, prompt: str) -> str:
        """Run a turn to its end; its id."""
        begun = self._ask("turn/start", threadId=thread, input=[{"type": "text", "text": prompt}])
        while (message := self._read()).get("method") != "turn/completed":
            pass
        assert message["params"]["turn"]["status"] == "completed"
        id: str = begun["turn"]["id"]
        return id

    def revert(self, thread: str, before: str) -> None:
        """Go back to where a turn began: the thread goes on in a page of its own."""
        self._ask("thread/revert", threadId=thread, beforeTurnId=before)

    def fork(self, thread: str) -> str:
        """Begin another thread with the same history; its id."""
        return self._thread("thread/fork", threadId=thread)

    def compact(self, thread: str) -> None:
        """Have the model sum up the history."""
        self._ask("thread/compact/start", threadId=thread)
        while self._read().get("method") != "turn/completed":
            pass

    def _thread(self, method: str, **params: object) -> str:
        id: str = self._ask(method, **params)["thread"]["id"]
        return id

    def _ask(self, method: str, **params: object) -> dict[str, Any]:
        number = next(self._ids)
        self._send({"id": number, "method": method, "params": params})
        while "method" in (message := self._read()) or message.get("id") != number:
            pass
        result: dict[str, Any] = message["result"]
        return result

    def _send(self, message: dict[str, object]) -> None:
        assert self._running.stdin is not None
        self._running.stdin.write(json.dumps(message) + "\n")
        self._running.stdin.flush()

    def _read(self) -> dict[str, Any]:
        assert self._running.stdout is not None
        line = self._running.stdout.readline()
        assert line, "the app server has ended"
        message: dict[str, Any] = json.loads(line)
        return message
