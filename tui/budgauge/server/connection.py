"""One client's connection: its lines, its limits, and what it is told while it does not read."""

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

from budgauge.rpc.codes import NOT_ALLOWED
from budgauge.rpc.protocol import INVALID_REQUEST, MAX_FRAME_BYTES, Answer, CallError, failure
from budgauge.server.events import TOKENS_UPDATED, resync_event

if TYPE_CHECKING:
    from budgauge.server.server import Server

STALL_SECONDS = 30.0
"""How long a line may be unfinished, and how long the other end may leave what it is sent unread."""
AUTH_SECONDS = 10.0
"""How long the token may take."""
HIGH_WATER_BYTES = 1 << 18
"""Of what it is sent, so much may wait; then it is asked and told nothing more until it reads."""
MAX_MISSED = 100
"""Events that are kept for one that does not read; state is always kept, the latest alone."""
_HTTP = re.compile(rb"(GET|HEAD|POST|PUT|DELETE|CONNECT|OPTIONS|TRACE|PATCH|PRI) ")
_HTTP_STARTS = (b"C", b"D", b"G", b"H", b"O", b"P", b"T")
_TURN_SECONDS = 0.001
"""After so long it is another connection's turn."""


LONG_BYTES = 1 << 16
"""A part of an answer that is so long is not joined with others: that would copy it."""


class Connection(asyncio.BufferedProtocol):
    """Answers one line after the other; lives in the event loop."""

    def __init__(self, hub: Server, token: str | None) -> None:
        """With a `token`, the first call must be `auth` with it."""
        self._hub = hub
        self._token = token
        self.is_allowed = token is None
        """May it call?"""
        self.topics: set[str] = set()
        """What it is told of."""
        self._loop = asyncio.get_running_loop()
        self._part = bytearray()
        """A line that has not ended."""
        self._lines: deque[bytes] = deque()
        self._out: list[bytes] = []
        self._is_busy = False
        """Does a call wait for the ledger?"""
        self._is_paused = False
        """Does the other end not read?"""
        self._reads = True
        self._is_ending = False
        """No more lines are taken."""
        self._wants_state = False
        self._latest = b""
        self._missed: list[bytes] = []
        self._missed_count = 0
        self._since = self._loop.time()
        """When what the sweep looks at began: the wait for the token, for the rest of a line, for being read."""

    # What asyncio calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It is open."""
        self.transport = cast(asyncio.Transport, transport)
        self.transport.set_write_buffer_limits(high=HIGH_WATER_BYTES)
        refused = self._hub.opened(self)
        if refused is not None:
            self._refuse(refused)

    def connection_lost(self, error: Exception | None) -> None:
        """It has ended."""
        self._is_ending = True
        self._lines.clear()
        self._hub.closed(self)

    def get_buffer(self, sizehint: int) -> memoryview:
        """Where to read into."""
        return self._hub.read_buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Lines were read, or parts of them."""
        if self._is_ending:
            return
        data = bytes(self._hub.read_buffer[:nbytes])
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
        """The other end sends nothing more: what it asked is answered, then the connection ends."""
        self.end()
        return True

    def pause_writing(self) -> None:
        """The other end does not read."""
        self._is_paused = True
        self._since = self._loop.time()
        self._go_on()

    def resume_writing(self) -> None:
        """It reads again."""
        self._is_paused = False
        if not self._wants_state:
            self._catch_up()
        self._work()

    # What methods and the server call.

    def subscribe(self, topics: list[str]) -> list[str]:
        """Tell it of these topics, too; everything that it is told of then."""
        subscribed = self._hub.subscribe(self, topics)
        self._wants_state = True
        return subscribed

    def unsubscribe(self, topics: list[str]) -> list[str]:
        """Tell it no more of these; everything that it is told of then."""
        return self._hub.unsubscribe(self, topics)

    def authenticate(self, token: str) -> None:
        """Let it call if it knows the token. Raises CallError."""
        if not self.is_allowed:
            self._hub.check_room()
            self.is_allowed = hmac.compare_digest(token.encode(errors="replace"), (self._token or "").encode())
            if not self.is_allowed:
                raise CallError(NOT_ALLOWED, "The token is wrong.")

    def send_event(self, topic: str, line: bytes) -> None:
        """Send an event, or keep it until the other end reads again. Never waits."""
        if self._is_ending:
            return
        if not (self._is_paused or self._wants_state):
            # What was to be sent before it stays before it.
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
        """Send what was kept."""
        if self._missed_count:
            self._out.append(resync_event(self._missed_count))
            self._missed_count = 0
        self._out += self._missed
        self._missed.clear()
        if self._latest:
            self._out.append(self._latest)
            self._latest = b""

    def sweep(self, now: float) -> None:
        """Hang up if the other end has left something undone for too long."""
        if not self.is_allowed:
            stalled = now - self._since > AUTH_SECONDS
        else:
            stalled = (self._is_paused or self._is_ending or bool(self._part)) and now - self._since > STALL_SECONDS
        if stalled and not self._is_busy:
            self.hang_up()

    def end(self) -> None:
        """Answer what was asked, and end."""
        self._is_ending = True
        self._since = self._loop.time()
        self._go_on()

    def hang_up(self) -> None:
        """End at once."""
        self._is_ending = True
        self._lines.clear()
        self.transport.abort()

    def _refuse(self, error: CallError) -> None:
        """Say why, and end."""
        self._lines.clear()
        self._out.append(failure(None, error))
        self._flush()
        self.end()

    def _work(self) -> None:
        """Answer the lines that are there, as far as nothing must be waited for, and not for long at a time."""
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
            dispatcher = self._hub.dispatcher if self.is_allowed else self._hub.door
            answer = dispatcher.answer(line, self)
            if isinstance(answer, asyncio.Future):
                self._is_busy = True
                answer.add_done_callback(self._answered)
            else:
                self._answer(answer)
            if not self.is_allowed:
                # Who must not call has one try.
                lines.clear()
                self._is_ending = True
            if self._loop.time() > until:
                break
        self._flush()
        self._go_on()

    def _go_on(self) -> None:
        """Read more, or what is there, or nothing; or end."""
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
        """Has the other end gone, so that no answer can reach it? One that only sends no more is still there."""
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
            # The answer to its call comes first, then the present state, then what changed since.
            self._wants_state = False
            self._latest = b""
            self._out.append(self._hub.present())
            self._catch_up()

    def _flush(self) -> None:
        if self._out:
            out, self._out = self._out, []
            for piece in _pieces(out):
                self.transport.write(piece)


def _pieces(parts: Sequence[bytes]) -> Iterator[bytes]:
    """The same bytes, with short parts joined and long ones as they are."""
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
    """Has the other end closed both ways? While nothing is read, asyncio does not tell."""
    if sys.platform != "linux":  # elsewhere an end that only sends no more looks the same
        return False
    poll = select.poll()
    if around.fileno() < 0:
        return True
    poll.register(around.fileno(), 0)
    return bool(poll.poll(0))


def _too_long() -> CallError:
    return CallError(INVALID_REQUEST, f"Invalid Request: a line is longer than {MAX_FRAME_BYTES} bytes")
