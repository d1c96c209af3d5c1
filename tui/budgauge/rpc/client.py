"""A client for programs that call and wait."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import msgspec

from budgauge.accounting.reservation import Hold
from budgauge.rpc import calls as wire
from budgauge.rpc import protocol
from budgauge.rpc.calls import Charge, Target

_CHUNK_BYTES = 1 << 16


class Client:
    """Calls a ledger's server as if it were a tracker; made by `budgauge.connect`. Safe to use from several threads.

    A call whose answer is lost is made again, with the same id, until it is answered or
    `timeout` seconds are over: it counts once. Errors are those of a tracker, and ServerError.
    """

    def __init__(self, target: Target, *, timeout: float = 10.0) -> None:
        self._target = target
        self._line = _Line(target)
        self._timeout = timeout
        self._mutex = threading.Lock()

    def report_usage(
        self, agent_id: str, model: str, prompt_tokens: int, completion_tokens: int, **fields: Any
    ) -> Charge:
        """Record a call if the budget admits it; as `TokenBudgetTracker.report_usage`, with its fields."""
        call = wire.report_call(agent_id, model, prompt_tokens, completion_tokens, fields)
        return wire.charge_of(self._call(call))

    def get_budget(self) -> dict[str, Any]:
        """The status, with the fields of `status --json`, `used` and `remaining`."""
        status: dict[str, Any] = self._call(("tokens.getBudget", {}))
        return status

    def check(self, agent_id: str, tokens: int = 1) -> str | None:
        """Would `tokens` counted tokens more be refused? The message then, else None."""
        answer: dict[str, Any] = self._call(("tokens.check", {"agent_id": agent_id, "tokens": tokens}))
        return answer["message"]  # type: ignore[no-any-return]  # as the method says

    def reserve(self, agent_id: str, tokens: int, ttl: float = 600, *, id: str | None = None) -> Hold[Charge]:
        """Hold counted tokens for a call to come, for at most `ttl` seconds; as `TokenBudgetTracker.reserve`."""
        call = wire.reserve_call(agent_id, tokens, ttl, id)
        return Hold(self, wire.reserve_of(call, self._call(call)))

    def settle(self, reserve: str, model: str, prompt_tokens: int, completion_tokens: int, **fields: Any) -> Charge:
        """End a reservation, by its id, with what was spent; as `TokenBudgetTracker.settle`."""
        return wire.charge_of(self._call(wire.settle_call(reserve, model, prompt_tokens, completion_tokens, fields)))

    def release(self, reserve: str) -> None:
        """Give a reservation back unused, by its id; as `TokenBudgetTracker.release`."""
        self._call(wire.release_call(reserve))

    def reset(
        self, agent_id: str | None = None, *, expected_reset_id: str | msgspec.UnsetType | None = msgspec.UNSET
    ) -> str:
        """Start the counters afresh; the reset's id. As `TokenBudgetTracker.reset`."""
        reset_id: str = self._call(wire.reset_call(agent_id, expected_reset_id))["reset_id"]
        return reset_id

    def events(self, *topics: str) -> Iterator[dict[str, Any]]:
        """Events as they come, without end: `topic`, `data`, `timestamp`; the present state first.

        Without topics, `tokens.updated`. They come over a connection of their own; when it was
        lost and made again, the present state comes again.
        """
        line = _Line(self._target)
        try:
            while True:
                self._retried(line, ("subscribe", {"topics": list(topics or ("tokens.updated",))}))
                try:
                    while True:
                        event = wire.event_of(line.read(None))
                        if event is not None:
                            yield event
                except OSError:
                    line.close()
        finally:
            line.close()

    def close(self) -> None:
        """End the connection; another call makes another."""
        with self._mutex:
            self._line.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _call(self, call: wire.Call) -> Any:
        with self._mutex:
            return self._retried(self._line, call)

    def _retried(self, line: _Line, call: wire.Call) -> Any:
        deadline = time.monotonic() + self._timeout
        tries = 0
        while True:
            try:
                answer = line.call(*call, deadline)
                break
            except OSError as error:
                line.close()
                pause = wire.PAUSES[min(tries, len(wire.PAUSES) - 1)]
                if time.monotonic() + pause > deadline:
                    raise wire.not_reached(self._target, error) from error
                time.sleep(pause)
                tries += 1
            except BaseException:
                # Its answer may still come, and would be taken for the next one's.
                line.close()
                raise
        return wire.result_of(answer)


class _Line:
    """A connection to a server, made when it is needed. OSError where a call may be tried again."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._socket: socket.socket | None = None
        self._process = os.getpid()
        self._part = b""
        self._number = 0

    def call(self, method: str, params: object, deadline: float) -> dict[str, Any]:
        """The answer to a call."""
        if self._process != os.getpid():
            # A fork shares the connection, and each would take the other's answers.
            self.close()
            self._process = os.getpid()
        if self._socket is None:
            self._open(deadline)
        return self._ask(method, params, deadline)

    def _ask(self, method: str, params: object, deadline: float) -> dict[str, Any]:
        assert self._socket is not None
        self._number += 1
        self._socket.settimeout(_left(deadline))
        self._socket.sendall(protocol.request(self._number, method, params))
        while True:
            answer = self.read(deadline)
            if "method" not in answer and answer.get("id") in (self._number, None):
                return answer

    def read(self, deadline: float | None) -> dict[str, Any]:
        """The next message."""
        assert self._socket is not None
        while b"\n" not in self._part:
            self._socket.settimeout(None if deadline is None else _left(deadline))
            data = self._socket.recv(_CHUNK_BYTES)
            if not data:
                raise ConnectionResetError("the server ended the connection")
            self._part += data
        line, _, self._part = self._part.partition(b"\n")
        return wire.message_of(line)

    def _open(self, deadline: float) -> None:
        target = self._target
        if target.path:
            wire.check_private(target.path)
            self._socket = socket.socket(socket.AF_UNIX)
            self._socket.settimeout(_left(deadline))
            self._socket.connect(target.path)
        else:
            self._socket = socket.create_connection((target.host, target.port), _left(deadline))
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            wire.result_of(self._ask("auth", {"token": target.token}, deadline))

    def close(self) -> None:
        """End it."""
        if self._socket is not None:
            self._socket.close()
        self._socket, self._part = None, b""


def _left(deadline: float) -> float:
    """Seconds left; at least a moment, for 0 would mean not to wait at all."""
    return max(0.001, deadline - time.monotonic())
