"""The entry of `python -m budgauge` and of the console script."""

from __future__ import annotations

import gc
import io
import os
import sys
from contextlib import suppress

MAX_CALL_BYTES = 1 << 20


def main() -> None:
    """Run the command line and end the process with an exit code."""
    # Loading modules leaves no garbage: a search for some costs a tenth of the start.
    # Each command enables the collector again when everything is loaded.
    gc.disable()
    for stream in (sys.stdout, sys.stderr):
        # A name outside the terminal's encoding must not raise.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    try:
        if sys.argv[1:2] == ["hook"] and not (sys.stdin and sys.stdin.isatty()):
            _answer_hook(sys.argv[1:])
        from budgauge.cli import cli

        cli(prog_name="budgauge")
    except KeyboardInterrupt:
        # Nothing else catches Ctrl+C while modules are loading.
        sys.exit(130)


def _answer_hook(words: list[str]) -> None:
    """Answer a hook call without loading the command line, because an agent waits; return for other words."""
    try:
        from budgauge import gate
        from budgauge.gate.command import plain_call
    except BaseException as error:
        # Some agents take a crash for consent, others for a refusal.
        os._exit(_answer_for_a_crash(error, words))
    call = plain_call(words, os.environ)
    if call is not None:
        caller, options = call
        # Nothing is left to clean up, and an agent waits.
        os._exit(gate.main(options, caller=caller))


def _answer_for_a_crash(error: BaseException, words: list[str]) -> int:
    import json
    import re
    from itertools import pairwise

    from budgauge.files.denying import any_says_deny, nearby_files
    from budgauge.files.pinned import pin

    named = dict(pairwise(words))
    pin(os.environ, named.get("--home"), named.get("--codex-home"), None)
    call = sys.stdin.buffer.read(MAX_CALL_BYTES) if sys.stdin else b""
    event = re.search(rb'"hook_event_name"\s*:\s*"(\w*)"', call)
    decides = event is None or event[1].startswith((b"UserPrompt", b"PreTool", b"Before"))
    denies = decides and any_says_deny(nearby_files(os.environ))
    done = "so this was refused" if denies else "so this was allowed without a check"
    text = f"budgauge could not decide, {done}: it cannot be loaded ({type(error).__name__}). Install it anew."
    answer = {"decision": "block", "reason": text} if denies else {"systemMessage": text}
    with suppress(OSError, ValueError, AttributeError):
        print(json.dumps(answer), flush=True)
        print(text, file=sys.stderr, flush=True)
    return 2 if denies else 0


if __name__ == "__main__":
    main()
