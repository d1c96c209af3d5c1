"""A client's connection: lines, limits, and the events kept while the client does not read."""

from __future__ import annotations

import asyncio
import hmac
import re
import select
import socket
import sys
from collections import deque
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, cast

from budgauge.rpc.protocol import INVALID_REQUEST, MAX_FRAME_BYTES, NOT_ALLOWED, Answer, CallError, failure
from budgauge.server.events import TOKENS_UPDATED, resync_event

if TYPE_CHECKING:
    from budgauge.server.server import Server

STALL_SECONDS = 30.0
"""The longest wait for the rest of a line, and for a client to read."""
AUTH_SECONDS = 10.0
"""The longest wait for the token."""
HIGH_WATER_BYTES = 1 << 18
"""The most unread output; with more, nothing is read or sent until the client reads."""
MAX_MISSED = 100
"""The most events kept for a client that does not read; the latest state is always kept."""
_HTTP = re.compile(rb"(GET|HEAD|POST|PUT|DELETE|CONNECT|OPTIONS|TRACE|PATCH|PRI) ")
_HTTP_STARTS = (b"C", b"D", b"G", b"H", b"O", b"P", b"T")
_TURN_SECONDS = 0.001
"""The longest turn of one connection."""
LONG_BYTES = 1 << 16
"""Parts of an answer this long are sent unjoined: a join would copy them."""


class Connection(asyncio.BufferedProtocol):
    """A client's connection in the event loop: answers one line after the other."""

    def __init__(self, server: Server, token: str | None) -> None:
        """Take the server; with a `token`, the first call must be `auth` with this token."""
        self._server = server
        self._token = token
        self.is_allowed = token is None
        """True if the client may call."""
        self.topics: set[str] = set()
        """The subscribed topics."""
        self._loop = asyncio.get_running_loop()
        self._part = bytearray()
        """An unfinished line."""
        self._lines: deque[bytes] = deque()
        self._out: list[bytes] = []
        self._is_busy = False
        """True while a call waits for the ledger."""
        self._is_paused = False
        """True while the client does not read."""
        self._reads = True
        self._is_ending = False
        """True once no more lines are taken."""
        self._wants_state = False
        self._latest = b""
        self._missed: list[bytes] = []
        self._missed_count = 0
        self._since = self._loop.time()
        """The start of the wait watched by the sweep: for the token, the rest of a line, or a reading client."""

    # Called by asyncio.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Admit or refuse the opened connection."""
        self.transport = cast(asyncio.Transport, transport)
        self.transport.set_write_buffer_limits(high=HIGH_WATER_BYTES)
        try:
            self._server.opened(self)
        except CallError as error:
            self._refuse(error)

    def connection_lost(self, error: Exception | None) -> None:
        """Forget the ended connection."""
        self._is_ending = True
        self._lines.clear()
        self._server.closed(self)

    def get_buffer(self, sizehint: int) -> memoryview:
        """Return the buffer to read into."""
        return self._server.read_buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Take the lines read, or parts of lines."""
        if self._is_ending:
            return
        data = bytes(self._server.read_buffer[:nbytes])
        end = data.rfind(b"\n")
        if end < 0:
            self._since = self._since if self._part else self._loop.time()
            self._part += data
        else:
            self._lines.extend((bytes(self._part) + data[:end] if self._part else data[:end]).split(b"\n"))
            self._part = bytearray(data[end + 1 :])
            self._since = self._loop.time()
            self._work()
        if len(self._part) > MAX_FRAME_BYTES:
            self._refuse(_too_long())
        elif _HTTP.match(self._part):
            self.hang_up()

    def eof_received(self) -> bool:
        """Answer the lines read, then end: the client sends no more."""
        self.end()
        return True

    def pause_writing(self) -> None:
        """Pause: the client does not read."""
        self._is_paused = True
        self._since = self._loop.time()
        self._go_on()

    def resume_writing(self) -> None:
        """Go on: the client reads again."""
        self._is_paused = False
        if not self._wants_state:
            self._catch_up()
        self._work()

    # Called by methods and the server.

    def subscribe(self, topics: list[str]) -> list[str]:
        """Subscribe to more topics; return all subscribed ones."""
        subscribed = self._server.events.subscribe(self, topics)
        self._wants_state = True
        return subscribed

    def unsubscribe(self, topics: list[str]) -> list[str]:
        """End the subscription to topics; return the remaining ones."""
        return self._server.events.unsubscribe(self, topics)

    def authenticate(self, token: str) -> None:
        """Allow calls with the right token. Raises CallError."""
        if not self.is_allowed:
            self._server.check_room()
            self.is_allowed = hmac.compare_digest(token.encode(errors="replace"), (self._token or "").encode())
            if not self.is_allowed:
                raise CallError(NOT_ALLOWED, "The token is wrong.")

    def send_event(self, topic: str, line: bytes) -> None:
        """Send an event, or keep the event until the client reads again. Never waits."""
        if self._is_ending:
            return
        if not (self._is_paused or self._wants_state):
            # Earlier output stays before the event.
            self._out.append(line)
            if len(self._out) == 1:
                self._flush()
        elif topic == TOKENS_UPDATED:
            self._latest = line
        elif len(self._missed) < MAX_MISSED and not self._missed_count:
            self._missed.append(line)
        else:
            self._missed_count += 1 + len(self._missed)
            self._missed.clear()

    def _catch_up(self) -> None:
        """Send the kept events."""
        if self._missed_count:
            self._out.append(resync_event(self._missed_count))
            self._missed_count = 0
        self._out += self._missed
        self._missed.clear()
        if self._latest:
            self._out.append(self._latest)
            self._latest = b""

    def sweep(self, now: float) -> None:
        """Hang up on a client stalled for too long."""
        if not self.is_allowed:
            stalled = now - self._since > AUTH_SECONDS
        else:
            stalled = (self._is_paused or self._is_ending or bool(self._part)) and now - self._since > STALL_SECONDS
        if stalled and not self._is_busy:
            self.hang_up()

    def end(self) -> None:
        """Answer the lines read, then end."""
        self._is_ending = True
        self._since = self._loop.time()
        self._go_on()

    def hang_up(self) -> None:
        """End at once."""
        self._is_ending = True
        self._lines.clear()
        self.transport.abort()

    def _refuse(self, error: CallError) -> None:
        """Send an error, then end."""
        self._lines.clear()
        self._out.append(failure(None, error))
        self._flush()
        self.end()

    def _work(self) -> None:
        """Answer the lines read, up to one with a wait, and for one turn at most."""
        lines, until = self._lines, self._loop.time() + _TURN_SECONDS
        while lines and not self._is_busy and not self._is_paused:
            line = lines.popleft()
            if len(line) > MAX_FRAME_BYTES:
                self._refuse(_too_long())
                return
            if line.startswith(_HTTP_STARTS) and _HTTP.match(line):
                self.hang_up()
                return
            if not line or line.isspace():
                continue
            dispatcher = self._server.dispatcher if self.is_allowed else self._server.door
            answer = dispatcher.answer(line, self)
            if isinstance(answer, asyncio.Future):
                self._is_busy = True
                answer.add_done_callback(self._answered)
            else:
                self._answer(answer)
            if not self.is_allowed:
                # A client without the token has one try.
                lines.clear()
                self._is_ending = True
            if self._loop.time() > until:
                break
        self._flush()
        self._go_on()

    def _go_on(self) -> None:
        """Resume or pause reading, or end."""
        waits = self._is_busy or self._is_paused
        if self._lines and not waits:
            self._loop.call_soon(self._work)
        wants = not waits and not self._lines
        if self._is_ending and wants:
            self.transport.close()
        elif wants != self._reads:
            self._reads = wants
            (self.transport.resume_reading if wants else self.transport.pause_reading)()

    @property
    def is_gone(self) -> bool:
        """Return True if no answer can reach the client; a half-closed client can still read."""
        return self.transport.is_closing() or _has_hung_up(self.transport.get_extra_info("socket"))

    def _answered(self, future: asyncio.Future[Answer | None]) -> None:
        self._is_busy = False
        if not future.cancelled() and not self.transport.is_closing():
            self._answer(future.result())
            self._work()

    def _answer(self, answer: Answer | None) -> None:
        if answer is not None:
            self._out += answer
        if self._wants_state:
            # The answer to the call comes first, then the present state, then later changes.
            self._wants_state = False
            self._latest = b""
            self._out.append(self._server.events.present())
            self._catch_up()

    def _flush(self) -> None:
        if self._out:
            out, self._out = self._out, []
            for piece in _pieces(out):
                self.transport.write(piece)


def _pieces(parts: Sequence[bytes]) -> Iterator[bytes]:
    """Yield the same bytes, with short parts joined and long ones unchanged."""
    run: list[bytes] = []
    for part in parts:
        if len(part) < LONG_BYTES:
            run.append(part)
            continue
        if run:
            yield b"".join(run)
            run = []
        yield part
    if run:
        yield run[0] if len(run) == 1 else b"".join(run)


def _has_hung_up(around: socket.socket) -> bool:
    """Return True if the client closed both ways: asyncio does not report this while nothing is read."""
    if sys.platform != "linux":  # elsewhere a client that only stopped sending looks the same
        return False
    poll = select.poll()
    if around.fileno() < 0:
        return True
    poll.register(around.fileno(), 0)
    return bool(poll.poll(0))


def _too_long() -> CallError:
    return CallError(INVALID_REQUEST, f"Invalid Request: a line is longer than {MAX_FRAME_BYTES} bytes")
