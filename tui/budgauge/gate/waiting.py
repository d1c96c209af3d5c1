"""What the end of a session's log says: it is waited for, and it must not be missing."""

import os
import time
from contextlib import suppress
from pathlib import Path

from budgauge.errors import SourceError
from budgauge.gate.call import HookCall
from budgauge.sources.block import open_log

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
    from budgauge.sources.claude_code.files import agents_log

    log = agents_log(call.transcripts[0], call.agent_id) if call.agent_id else call.transcripts[0]
    mark = f'"{call.tool_use_id}"'.encode(errors="replace")
    deadline = time.monotonic() + LINE_SECONDS
    while call.tool_use_id and mark not in _end_of(log) and time.monotonic() < deadline:
        time.sleep(LOOK_SECONDS)


def check_log(call: HookCall) -> None:
    """Raise SourceError if the session's log is missing or empty: before a tool is used, a model was called."""
    log = call.transcripts[0]
    if log != Path(call.transcript_path or "") or not _end_of(log).strip(b"\0\r\n\t "):
        raise no_log()


def no_log() -> SourceError:
    """The error of a session that has no readable log."""
    return SourceError(
        "the session has no log that can be read, so its calls are not known",
        hint="Let the agent keep its session log.",
    )


def _end_of(log: Path) -> bytes:
    with suppress(OSError):
        descriptor = open_log(log)
        try:
            return os.pread(descriptor, END_BYTES, max(0, os.fstat(descriptor).st_size - END_BYTES))
        finally:
            os.close(descriptor)
    return b""
