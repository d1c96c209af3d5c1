"""The end of a session's log: the gate waits for the latest call, and reports a missing log."""

import os
import time
from contextlib import suppress
from pathlib import Path

from budgauge.errors import SourceError
from budgauge.gate.call import HookCall
from budgauge.sources.source import Source
from budgauge.sources.tail import open_log
from budgauge.text import plural

LINE_SECONDS = 0.1
"""The longest wait for a line of the log: the line comes 40 to 70 ms after the hook call."""
RECORD_SECONDS = 0.5
"""The longest wait for Codex's usage record: the record comes when the model's answer is complete."""
LOOK_SECONDS = 0.004
_RECORD, _COUNT = b'"token_usage_record"', b'"token_count"'
END_BYTES = 1 << 18
"""The part of the log's end searched for the line."""


def await_call(call: HookCall) -> None:
    """Wait, not for long, until the log holds the model's call behind the tool's use.

    Claude Code calls this hook while still writing the message, and Codex while the answer still
    comes in, before its usage is known. Without the wait the decision would be one call behind.
    """
    log = call.transcripts[0]
    if call.agent_id and not call.is_codex:
        from budgauge.sources.claude_code.files import agents_log

        log = agents_log(log, call.agent_id)
    deadline = time.monotonic() + (RECORD_SECONDS if call.is_codex else LINE_SECONDS)
    while call.tool_use_id and not _has_call(_end_of(log), call) and time.monotonic() < deadline:
        time.sleep(LOOK_SECONDS)


def _has_call(end: bytes, call: HookCall) -> bool:
    _, mark, behind = end.partition(f'"{call.tool_use_id}"'.encode(errors="replace"))
    if not call.is_codex or not mark:
        return bool(mark)
    # A version without the record writes the usage only after the tool has run.
    return _RECORD in behind or (_RECORD not in end and _COUNT in end)


def check_log(call: HookCall) -> None:
    """Raise SourceError if the session's log is missing or empty: before a tool is used, a model was called."""
    log = call.transcripts[0]
    if log != Path(call.transcript_path or "") or not _end_of(log).strip(b"\0\r\n\t "):
        raise no_log()


def check_usage_lines(source: Source) -> None:
    """Raise SourceError if lines of the session's logs hold unreadable usage."""
    lines = sum(cursor.counts.skipped for cursor in source.cursors.values())
    if lines:
        raise SourceError(
            f"{plural(lines, 'line')} of the session's logs cannot be read, so its usage is not known",
            hint="See budgauge doctor; a new session begins without them.",
        )


def unread(caller: str) -> SourceError:
    """Return the error of an agent without a log reader."""
    if caller:
        return SourceError(f"the logs of {caller} are not read, so what its sessions use is not known")
    return SourceError(
        "the hook's command does not name its agent, and its call does not show it",
        hint="Name it behind the command, such as: budgauge hook claude-code",
    )


def no_log() -> SourceError:
    """Return the error of a session without a readable log."""
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
