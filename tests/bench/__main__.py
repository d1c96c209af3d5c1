"""Speed, each figure as a ratio against a named rival measured in the same run.

    python tests/bench [--short] [collect] [flood] [hook] [ledger] [live] [many_agents] [paint] [rpc] [soak] [status]

Run it on an otherwise quiet machine; `--short` makes the monitor's long ones short. Modules are
compiled first, as an installed package's are. `README.md` beside this file has what was measured.
"""

from __future__ import annotations

import compileall
import contextlib
import io
import os
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from mode import SHORT

if "--short" in sys.argv:
    sys.argv.remove("--short")
    os.environ[SHORT] = "1"

import collect
import flood
import hook
import live
import many_agents
import paint
import soak

import ledger
import rpc
import status

BENCHES = {
    "collect": collect.run,
    "flood": flood.run,
    "hook": hook.run,
    "ledger": ledger.run,
    "live": live.run,
    "many_agents": many_agents.run,
    "paint": paint.run,
    "rpc": rpc.run,
    "soak": soak.run,
    "status": status.run,
}

if __name__ == "__main__":
    import budgauge

    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    with contextlib.redirect_stdout(io.StringIO()):
        compileall.compile_dir(Path(budgauge.__file__).parent, quiet=2)
    with tempfile.TemporaryDirectory() as home:
        for name in ("CODEX_HOME", "CODEX_TOKEN_LEDGER", "CODEX_TOKEN_BUDGET"):
            os.environ.pop(name, None)
        os.environ["HOME"] = home
        for name in sys.argv[1:] or BENCHES:
            BENCHES[name](Path(home))
