"""Run README's demo command in a fresh clone on a pseudo-terminal, with an empty home: the gauges must move."""

from __future__ import annotations

import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from terminal import Terminal

clone, home = Path(sys.argv[1]), Path(sys.argv[2])
home.mkdir()
match = re.search(r"^python3 -m venv .* demo$", (clone / "README.md").read_text(encoding="utf-8"), re.MULTILINE)
assert match, "README has no demo command"
print(f"$ {match[0]}", flush=True)
with Terminal(["bash", "-c", match[0]], env={"HOME": str(home)}, cwd=str(clone)) as terminal:
    terminal.wait_for("/ 2,000,000", seconds=300)
    first = terminal.text
    terminal.wait_for(lambda text: "codex" in text and text != first)
    terminal.send("q")
    code = terminal.wait_for_end()
print(first)
sys.exit(code)
