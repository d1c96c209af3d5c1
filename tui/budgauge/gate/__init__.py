"""The gate: the budget's answer to an agent's hook call.

Codex and Claude Code call a command at certain events, with one JSON object on standard input,
and obey its exit code: 2 refuses, with the reason on standard error. The gate first asks the
ledger as it is. If the ledger does not refuse, the gate imports the new calls of the session's own
logs, so that the answer is right with nothing else running; a collector imports the same calls
under the same ids. A deadline bounds all of this: an agent without an answer goes on.
"""

import gc
import os
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress

from budgauge.config.load import Options
from budgauge.gate.call import HookCall
from budgauge.gate.caller import CALLERS
from budgauge.gate.deadline import in_time, time_left
from budgauge.gate.inquiry import Inquiry
from budgauge.gate.reply import Answer

__all__ = ["CALLERS", "Answer", "HookCall", "answer", "main"]

MAX_BYTES = 64 << 20
"""The longest input that is read; no hook call is longer."""


def main(
    options: Options = Options(),
    *,
    caller: str = "",
    seconds: float | None = None,
    end: Callable[[int], object] = os._exit,
) -> int:
    """Answer the hook call on standard input; return the exit code for the agent.

    `caller` is the agent that the command names (one of CALLERS); empty if it names none.
    `seconds` is the time for the answer, by default until the deadline. When time is up, `end` ends
    the process: no thread must go on while the interpreter is taken down.
    """
    inquiry = Inquiry(options, os.environ, caller)
    done, collects = False, gc.isenabled()
    # The process ends soon; a search for cycles among a long ledger's sums would take half of the time.
    gc.disable()
    # Ctrl+C ends the agent's turn; the gate still gives an answer.
    with suppress(KeyboardInterrupt):
        done = in_time(lambda: inquiry.run(_call_on_input), time_left() if seconds is None else seconds)
    reply = inquiry.late()
    for stream, text in ((sys.stdout, reply.output), (sys.stderr, reply.error)):
        if stream and text:
            # The exit code is the answer, even if nobody reads the text.
            with suppress(OSError, ValueError):
                stream.write(text)
                stream.flush()
    if collects:
        gc.enable()
    if not done:
        end(reply.code)
    return reply.code


def answer(
    data: bytes, options: Options = Options(), env: Mapping[str, str] | None = None, *, caller: str = ""
) -> Answer:
    """Return the answer to a hook call from the raw bytes of standard input. Never raises."""
    return Inquiry(options, os.environ if env is None else env, caller).run(lambda: data)


def _call_on_input() -> bytes:
    # A stream that was closed before the program began is None.
    return sys.stdin.buffer.read(MAX_BYTES) if sys.stdin else b""
