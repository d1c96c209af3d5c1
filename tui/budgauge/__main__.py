"""`python -m budgauge` and the console script."""

from __future__ import annotations

import gc
import io
import os
import sys


def main() -> None:
    """Run the command line; ends the process with its exit code."""
    # What loading modules leaves behind is no garbage: looking for some costs a tenth of the start.
    # Each command switches it on again when all that it needs is loaded.
    gc.disable()
    for stream in (sys.stdout, sys.stderr):
        # An agent's name that the terminal's encoding lacks is no reason to fail.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    try:
        if sys.argv[1:2] == ["hook"]:
            # An agent waits for the answer: what the command line costs to load is spared.
            from budgauge import gate
            from budgauge.gate.command import plain_call

            call = plain_call(sys.argv[1:])
        else:
            call = None
        if call is not None:
            asker, options = call
            code = gate.main(options, asker=asker)
            # Nothing is left to be tidied up; an agent waits.
            os._exit(code)
        from budgauge.cli import cli

        cli(prog_name="budgauge")
    except KeyboardInterrupt:
        # While modules are loaded, nobody else takes it.
        sys.exit(130)


if __name__ == "__main__":
    main()
