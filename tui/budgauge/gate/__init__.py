"""The gate: an agent asks at its hooks whether it may go on, and is allowed or refused by the budget.

Codex and Claude Code call a command at certain events, with one JSON object on standard input,
and obey its exit code: 2 refuses, with the reason on standard error. First the ledger is asked as
it is. If that does not refuse, what the session's own logs say is new is booked, so that the
answer is right with nothing else running; a collector beside it books the same calls under the
same ids. All of it ends by a deadline: an agent that gets no answer goes on.
"""

import gc
import os
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress

from budgauge.config.load import Options
from budgauge.gate.asker import ASKERS
from budgauge.gate.call import HookCall
from budgauge.gate.deadline import in_time, time_left
from budgauge.gate.inquiry import Inquiry
from budgauge.gate.reply import Answer

__all__ = ["ASKERS", "Answer", "HookCall", "answer", "main"]

MAX_BYTES = 64 << 20
"""A longer call is not read: whatever it is, it is none."""


def main(
    options: Options = Options(),
    *,
    asker: str = "",
    seconds: float | None = None,
    end: Callable[[int], object] = os._exit,
) -> int:
    """Answer the hook call on standard input; the exit code that answers it.

    `asker` is the agent that the command names (one of ASKERS); empty if it names none.
    `seconds` is how long that may take, by default until the deadline. When time is up, `end` ends
    the process: whatever is still at work must not go on while the interpreter is taken down.
    """
    inquiry = Inquiry(options, os.environ, asker)
    done, collects = False, gc.isenabled()
    # The process ends soon: looking for cycles among a long ledger's sums would take half of the time.
    gc.disable()
    # Whoever presses Ctrl+C ends the agent's turn: this ends with an answer, too.
    with suppress(KeyboardInterrupt):
        done = in_time(lambda: inquiry.run(_call_on_input), time_left() if seconds is None else seconds)
    reply = inquiry.late()
    for stream, text in ((sys.stdout, reply.output), (sys.stderr, reply.error)):
        if stream and text:
            # Whether anybody listens or not, the exit code is the answer.
            with suppress(OSError, ValueError):
                stream.write(text)
                stream.flush()
    if collects:
        gc.enable()
    if not done:
        end(reply.code)
    return reply.code


def answer(
    data: bytes, options: Options = Options(), env: Mapping[str, str] | None = None, *, asker: str = ""
) -> Answer:
    """The answer to a hook call, given as it came on standard input. Never raises."""
    return Inquiry(options, os.environ if env is None else env, asker).run(lambda: data)


def _call_on_input() -> bytes:
    # A stream that was closed before the program began is None.
    return sys.stdin.buffer.read(MAX_BYTES) if sys.stdin else b""
