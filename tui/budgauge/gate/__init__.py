"""The gate: an agent asks at its hooks whether it may go on, and is allowed or refused by the budget.

Codex and Claude Code call a command at certain events, with one JSON object on standard input,
and obey its exit code: 2 refuses, with the reason on standard error. Before anything is decided,
what the session's own logs say is new is booked, so that the answer is right with nothing else
running; a collector beside it books the same calls under the same ids.
"""

import os
import re
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import msgspec

from budgauge.config.find import config_files
from budgauge.config.load import Options, load
from budgauge.errors import BudgaugeError
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
    event, start = "", None
    try:
        call = decode_call(data)
        event, start = call.hook_event_name, call.folder(env)
        return Gate(call, options, env).answer()
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        trouble = f"this is no hook call: {error}"
        call = picked(data)
        event, start = call.hook_event_name, call.folder(env)
        if event in DECIDING:
            # A prompt, or what a tool is told, may be anything: it must not open the gate.
            with suppress(Exception):
                reply = Gate(call, options, env).answer()
                if reply.code:
                    return reply
    except (BudgaugeError, OSError) as error:
        trouble = str(error)
    except Exception as error:  # whatever it is, the agent must get an answer
        trouble = f"{type(error).__name__}: {error}"
    return failed(event, trouble, denies=_denies_on_error(options, env, start))


_DENIES = re.compile(rb"""^[^#\n]*\bon_hook_error["']?\s*=\s*["']deny["']""", re.MULTILINE)


def _denies_on_error(options: Options, env: Mapping[str, str], start: Path | None) -> bool:
    """What `on_hook_error` says, as well as it can be told where the config itself is what is wrong."""
    with suppress(BudgaugeError, OSError):
        return load(options, env=env, start=start).config.on_hook_error == "deny"
    with suppress(BudgaugeError, OSError):
        files = [Path(options.config)] if options.config else config_files(start or Path.cwd(), env)
        return any(_DENIES.search(path.read_bytes()) for path in files if path.is_file())
    return False
