"""Calls and answers over one connection. A lost connection is opened again, and the call is made again."""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections.abc import AsyncGenerator, Awaitable
from contextlib import suppress
from typing import Any, TypeVar

from budgauge.errors import ServerError
from budgauge.rpc import protocol
from budgauge.rpc.address import Address
from budgauge.rpc.calls import Call, event_of, message_of, result_of, subscribe

PAUSES = (0.01, 0.02, 0.05, 0.1, 0.2)
"""Seconds between tries to reach the server. The last one is used again and again."""
_CHUNK_BYTES = 1 << 16
_MOST_BYTES = 1 << 26
"""The longest line taken from the server: a status with very many agents."""
_Result = TypeVar("_Result")


class Exchange:
    """Calls and answers over one connection, blocking or awaited. Used for one call at a time."""

    def __init__(self, address: Address, timeout: float, *, blocks: bool) -> None:
        """`timeout` is the seconds of a call with all tries. With `blocks`, nothing waits for an event loop."""
        self._address = address
        self._transport = _Blocking() if blocks else _Awaited()
        self._timeout = timeout
        self._number = 0
        self._is_sent = False

    async def call(self, call: Call[_Result]) -> _Result:
        """Make a call until an answer comes or the time is over. Raises the tracker's errors, and ServerError."""
        deadline = time.monotonic() + self._timeout
        tries = 0
        while True:
            try:
                answer = await self._try(call, deadline)
                break
            except OSError as error:
                self.close()
                pause = PAUSES[min(tries, len(PAUSES) - 1)]
                if time.monotonic() + pause > deadline:
                    raise self._unreachable(error) from error
                if self._is_sent and not call.is_repeatable:
                    raise self._unanswered(call.method) from error
                await self._transport.sleep(pause)
                tries += 1
            except BaseException:
                # Its answer may still come, and would be taken for the next one's.
                self.close()
                raise
        return call.read(result_of(answer))

    async def events(self, topics: tuple[str, ...]) -> AsyncGenerator[dict[str, Any], None]:
        """Yield events as they come, without end. A new connection begins with the present state."""
        try:
            while True:
                await self.call(subscribe(topics))
                with suppress(OSError):
                    while True:
                        event = event_of(message_of(await self._transport.read_line(None)))
                        if event is not None:
                            yield event
                self.close()
        finally:
            self.close()

    def close(self) -> None:
        """End the connection. The next call opens another."""
        self._transport.close()

    async def _try(self, call: Call[Any], deadline: float) -> dict[str, Any]:
        self._is_sent = False
        if not self._transport.is_open:
            await self._transport.open(self._address, deadline)
            if not self._address.path:
                result_of(await self._ask("auth", {"token": self._address.token}, deadline))
        self._is_sent = True
        return await self._ask(call.method, call.params, deadline)

    async def _ask(self, method: str, params: dict[str, Any], deadline: float) -> dict[str, Any]:
        self._number += 1
        await self._transport.send(protocol.request(self._number, method, params), deadline)
        while True:
            answer = message_of(await self._transport.read_line(deadline))
            if "method" not in answer and answer.get("id") in (self._number, None):
                return answer

    def _unreachable(self, error: OSError) -> ServerError:
        return ServerError(
            f"no budgauge server answers at {self._address}: {str(error) or 'it does not answer in time'}",
            hint="Start one: budgauge serve. Or use TokenBudgetTracker.open(), which needs none.",
        )

    def _unanswered(self, method: str) -> ServerError:
        return ServerError(
            f"the answer to {method} of {self._address} was lost: the call may have been done",
            hint="Look at the state before you call again.",
        )


class _Blocking:
    """A connection of blocking steps."""

    def __init__(self) -> None:
        self._socket: socket.socket | None = None
        self._process = 0
        self._part = b""

    @property
    def is_open(self) -> bool:
        # A fork shares the connection, and each would take the other's answers.
        return self._socket is not None and self._process == os.getpid()

    async def open(self, address: Address, deadline: float) -> None:
        self.close()
        self._process = os.getpid()
        if address.path:
            address.check_private()
            self._socket = socket.socket(socket.AF_UNIX)
            self._socket.settimeout(_left(deadline))
            self._socket.connect(address.path)
        else:
            self._socket = socket.create_connection((address.host, address.port), _left(deadline))
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    async def send(self, data: bytes, deadline: float) -> None:
        assert self._socket is not None
        self._socket.settimeout(_left(deadline))
        self._socket.sendall(data)

    async def read_line(self, deadline: float | None) -> bytes:
        assert self._socket is not None
        while b"\n" not in self._part:
            self._socket.settimeout(None if deadline is None else _left(deadline))
            data = self._socket.recv(_CHUNK_BYTES)
            if not data:
                raise ConnectionResetError("the server ended the connection")
            self._part += data
        line, _, self._part = self._part.partition(b"\n")
        return line

    async def sleep(self, seconds: float) -> None:
        time.sleep(seconds)

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
        self._socket, self._part = None, b""


class _Awaited:
    """A connection of awaited steps."""

    def __init__(self) -> None:
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    @property
    def is_open(self) -> bool:
        return self._streams is not None

    async def open(self, address: Address, deadline: float) -> None:
        if address.path:
            address.check_private()
            opening = asyncio.open_unix_connection(address.path, limit=_MOST_BYTES)
        else:
            opening = asyncio.open_connection(address.host, address.port, limit=_MOST_BYTES)
        self._streams = await _before(deadline, opening)

    async def send(self, data: bytes, deadline: float) -> None:
        assert self._streams is not None
        self._streams[1].write(data)
        await _before(deadline, self._streams[1].drain())

    async def read_line(self, deadline: float | None) -> bytes:
        assert self._streams is not None
        line = await _before(deadline, self._streams[0].readline())
        if not line.endswith(b"\n"):
            raise ConnectionResetError("the server ended the connection")
        return line

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    def close(self) -> None:
        if self._streams is not None:
            self._streams[1].close()
        self._streams = None


async def _before(deadline: float | None, step: Awaitable[_Result]) -> _Result:
    """Await a step until the deadline. Raises TimeoutError."""
    if deadline is None:
        return await step
    try:
        return await asyncio.wait_for(step, _left(deadline))
    except asyncio.TimeoutError as error:
        # Before Python 3.11 another class than the built-in one.
        raise TimeoutError from error


def _left(deadline: float) -> float:
    """Return the seconds left; at least a moment, for 0 would mean not to wait at all."""
    return max(0.001, deadline - time.monotonic())
