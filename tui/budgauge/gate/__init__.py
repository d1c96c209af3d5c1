"""The gate: an agent asks at its hooks whether it may go on, and is allowed or refused by the budget.

Codex and Claude Code call a command at certain events, with one JSON object on standard input,
and obey its exit code: 2 refuses, with the reason on standard error. Before anything is decided,
what the session's own logs say is new is booked, so that the answer is right with nothing else
running; a collector beside it books the same calls under the same ids.
"""

import os
import sys
from collections.abc import Mapping
from contextlib import suppress

import msgspec

from budgauge.config.load import Options
from budgauge.errors import BudgaugeError
from budgauge.gate.asked import Asked
from budgauge.gate.call import DECIDING, HookCall, decode_call, picked
from budgauge.gate.reply import Answer, failed
from budgauge.gate.session import Gate

__all__ = ["Answer", "HookCall", "answer", "main"]

MAX_BYTES = 64 << 20
"""A longer call is not read: whatever it is, it is none."""


def main(options: Options = Options()) -> int:
    """Answer the hook call on standard input; the exit code that answers it."""
    # A stream that was closed before the program began is None.
    reply = answer(sys.stdin.buffer.read(MAX_BYTES) if sys.stdin else b"", options)
    for stream, text in ((sys.stdout, reply.output), (sys.stderr, reply.error)):
        if stream and text:
            # Whether anybody listens or not, the exit code is the answer.
            with suppress(OSError, ValueError):
                stream.write(text)
                stream.flush()
    return reply.code


def answer(data: bytes, options: Options = Options(), env: Mapping[str, str] | None = None) -> Answer:
    """The answer to a hook call, given as it came on standard input. Never raises."""
    env = os.environ if env is None else env
    call, troubles = HookCall(""), []
    try:
        try:
            call = decode_call(data)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            troubles = [f"this is no hook call: {error}"]
            call = picked(data)
        return _answer(call, options, env, troubles)
    except Exception as error:  # whatever it is, the agent must get an answer
        return failed(call.hook_event_name, _reason(error), denies=False)


def _answer(call: HookCall, options: Options, env: Mapping[str, str], troubles: list[str]) -> Answer:
    """The answer of both budgets: each is asked and brought up to date, whatever the other says."""
    asked = Asked(options, env, call.folder(env))
    # A prompt, or what a tool is told, may be anything: it must not open the gate.
    budgets = asked.budgets if not troubles or call.hook_event_name in DECIDING else []
    troubles += map(_reason, asked.troubles)
    refused, told = None, Answer()
    remarks = asked.remarks
    for loaded in budgets:
        try:
            reply = Gate(call, loaded, remarks if loaded is budgets[0] else {}).answer(
                tells=not (troubles or refused or told.output)
            )
        except Exception as error:  # whatever it is, the other budget must be asked
            asked.troubles.append(error)
            troubles.append(_reason(error))
            continue
        if reply.code:
            refused = refused or reply
        elif reply.output:
            told = reply
    if refused is not None:
        return refused
    if troubles:
        return failed(call.hook_event_name, troubles[0], denies=asked.denies_on_error)
    return told


def _reason(error: Exception) -> str:
    return str(error) if isinstance(error, (BudgaugeError, OSError)) else f"{type(error).__name__}: {error}"
