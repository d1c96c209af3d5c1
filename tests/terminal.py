"""A program on a pseudo-terminal, and its screen as a person sees it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType

import pexpect
import pyte


class Terminal:
    """Runs a command on a pseudo-terminal of a given size and keeps its screen up to date."""

    def __init__(
        self,
        command: Sequence[str],
        *,
        columns: int = 100,
        lines: int = 30,
        env: Mapping[str, str] | None = None,
        cwd: str | None = None,
    ) -> None:
        self.screen = pyte.Screen(columns, lines)
        self.raw = bytearray()
        """Every byte the program wrote."""
        self.draws = True
        """Is the screen kept up to date? Drawing takes more of the processor than a program needs to write."""
        self._stream = pyte.ByteStream(self.screen)
        environment = {**os.environ, "TERM": "xterm-256color", "COLORTERM": "truecolor", **(env or {})}
        self.process = pexpect.spawn(
            command[0], list(command[1:]), dimensions=(lines, columns), env=environment, cwd=cwd, timeout=None
        )

    def __enter__(self) -> Terminal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.process.close(force=True)

    @property
    def text(self) -> str:
        """The screen's lines as they stand now."""
        # Not `screen.display`: between two updates a wide character may have lost its first half, which ends that.
        rows, columns = range(self.screen.lines), range(self.screen.columns)
        return "\n".join("".join(self.screen.buffer[row][at].data for at in columns).rstrip() for row in rows)

    def pump(self, seconds: float) -> bool:
        """Take over what the program writes within so long; False once it has ended."""
        try:
            data = self.process.read_nonblocking(65536, timeout=seconds)
        except pexpect.TIMEOUT:
            return True
        except pexpect.EOF:
            return False
        self.raw += data
        if not self.draws:
            return True
        # pyte knows no private-mode keyboard protocol; what it cannot parse it would draw.
        self._stream.feed(data.replace(b"\x1b[>1u", b"").replace(b"\x1b[<u", b""))
        return True

    def settle(self, seconds: float) -> None:
        """Take over what the program writes for so long."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self.pump(left)

    def rest(self, seconds: float = 0.1) -> None:
        """Take over what the program writes until it has written nothing for so long."""
        before = -1
        while before < len(self.raw):
            before = len(self.raw)
            self.pump(seconds)

    def wait_for(self, condition: str | Callable[[str], bool], *, seconds: float = 60.0) -> None:
        """Wait until the screen shows a text or meets a condition. Else AssertionError."""
        begin = time.monotonic()
        meets = condition if callable(condition) else lambda text: condition in text
        while not meets(self.text):
            left = begin + seconds - time.monotonic()
            alive = left > 0 and self.pump(min(left, 0.05))
            assert alive or meets(self.text), f"never on the screen: {condition!r}\n{self.text}"

    def resize(self, columns: int, lines: int) -> None:
        """Give the terminal another size."""
        self.screen.resize(lines, columns)
        self.screen.reset()
        self.process.setwinsize(lines, columns)

    def send(self, keys: str) -> None:
        """Type something."""
        self.process.send(keys)

    def ends_within(self, seconds: float) -> bool:
        """Does the program end within so long?"""
        deadline = time.monotonic() + seconds
        while self.pump(0.05):
            if time.monotonic() > deadline:
                return False
        return True

    def wait_for_end(self, *, seconds: float = 60.0) -> int:
        """Wait until the program has ended; its exit code, or minus the signal's number."""
        assert self.ends_within(seconds), f"still running\n{self.text}"
        self.process.wait()
        status = self.process.exitstatus
        return status if status is not None else -self.process.signalstatus
