"""Waiting for a line that the agent's log does not hold yet."""

import os
import time
from contextlib import suppress
from pathlib import Path

from budgauge.gate.call import HookCall

LINE_SECONDS = 0.1
"""How long a line of the log is waited for: it comes 40 to 70 ms after the hook is called."""
LOOK_SECONDS = 0.004
END_BYTES = 1 << 18
"""So much of the log's end is looked at for that line."""


def await_tool_use(call: HookCall) -> None:
    """Wait, not for long, until the log holds the message that asked for the tool.

    Claude Code asks this hook while it still writes that message: without it the decision would
    be one call behind.
    """
    from budgauge.sources.claude_code import agents_log

    log = agents_log(call.transcripts[0], call.agent_id) if call.agent_id else call.transcripts[0]
    mark = f'"{call.tool_use_id}"'.encode(errors="replace")
    deadline = time.monotonic() + LINE_SECONDS
    while call.tool_use_id and mark not in _end_of(log) and time.monotonic() < deadline:
        time.sleep(LOOK_SECONDS)


def _end_of(log: Path) -> bytes:
    with suppress(OSError), open(log, "rb") as file:
        file.seek(max(0, os.fstat(file.fileno()).st_size - END_BYTES))
        return file.read(END_BYTES)
    return b""
