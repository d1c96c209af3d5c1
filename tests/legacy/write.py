"""Writes the ledgers in this folder and the status of each as commit d2aa79e reports them.

Usage: python tests/legacy/write.py PYTHON, the Python of an environment with commit d2aa79e installed.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
AT = 1_790_000_000
FAR = 4_102_444_800
MANY = 150_000


def used(agent: str, prompt: int, completion: int, at: int = AT, **more: object) -> dict[str, object]:
    counts = {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}
    return {"agent_id": agent, "model": "gpt-4", **counts, "timestamp": at, **more}


def line(kind: str, **more: object) -> dict[str, object]:
    return {"type": kind, "timestamp": AT, **more}


def reset(name: str, **more: object) -> dict[str, object]:
    return line("reset", id=name, by="me", total_used=0, **more)


LEDGERS: dict[str, list[object]] = {
    "resets": [
        used("a", 5, 3),
        used("b", 7, 1),
        reset("r1", agent_id="a"),
        used("a", 2, 2),
        reset("r2"),
        used("b", 9, 4),
    ],
    "undo": [used("a", 5, 3), reset("r1"), used("a", 2, 2), line("undo_reset", reset="r1"), used("b", 1, 1)],
    "reservations": [
        line("reserve", id="h1", agent_id="a", tokens=100, expires=FAR),
        line("reserve", id="h2", agent_id="a", tokens=200, expires=FAR),
        line("reserve", id="h3", agent_id="b", tokens=400, expires=FAR),
        line("reserve", id="h4", agent_id="b", tokens=800, expires=AT + 1),
        {"type": "settle", "reserve": "h1", **used("a", 60, 20)},
        line("release", reserve="h3"),
    ],
    "caches": [
        used("a", 1000, 50, cached_tokens=600, cache_write_tokens=200, cache_write_1h_tokens=50, reasoning_tokens=9),
        used("a", 10, 5, cached_tokens=90),
        used("a", 10, 5, total_tokens=99),
    ],
    "ids": [
        used("codex", 10, 1, id="thread:1"),
        used("codex", 10, 1, id="thread:1", session="s"),
        used("codex", 11, 1, id="thread:1"),
        used("claude-code", 10, 1, id="msg"),
        used("claude-code", 0, 7, id="msg#2"),
    ],
    "names": [used("cafe\u0301", 1, 2), used("caf\u00e9", 3, 4), used("a\u0007b", 5, 6), used("team/one", 7, 8)],
    "foreign": [
        used("a", 1, 1),
        "not json",
        "{",
        "[]",
        used("a", -1, 1),
        used("", 1, 1),
        {"type": "new"},
        used("b", 2, 2),
    ],
}
CONFIG = """[token_budget]
total_budget = 1000000

[token_budget.per_agent_limits]
a = 5000
"team/*" = 500
"""


def lay_out(name: str, folder: Path) -> None:
    """Put a ledger and its config into a folder."""
    (folder / "config.toml").write_text(CONFIG)
    if name == "many":
        lines: list[object] = [used("a", 1, 1, AT + n, id=f"call-{n}") for n in range(MANY)]
        text = "".join(f"{json.dumps(entry)}\n" for entry in lines)
    else:
        text = (HERE / f"{name}.jsonl").read_text(encoding="utf-8")
    (folder / "ledger.jsonl").write_text(text, encoding="utf-8")


def status(python: str, folder: Path) -> dict[str, object]:
    """The status of a folder's ledger, without its path."""
    places = ["--config", str(folder / "config.toml"), "--ledger", str(folder / "ledger.jsonl")]
    run = subprocess.run(
        [python, "-m", "budgauge", *places, "status", "--json"],
        capture_output=True,
        check=True,
        text=True,
        env={**os.environ, "HOME": str(folder)},
    )
    shown: dict[str, object] = json.loads(run.stdout.replace(str(folder), "HOME"))
    return shown


def main() -> None:
    for name, entries in LEDGERS.items():
        lines = [entry if isinstance(entry, str) else json.dumps(entry, ensure_ascii=False) for entry in entries]
        (HERE / f"{name}.jsonl").write_text("".join(f"{text}\n" for text in lines), encoding="utf-8")
    for name in [*LEDGERS, "many"]:
        with tempfile.TemporaryDirectory() as folder:
            lay_out(name, Path(folder))
            expected = json.dumps(status(sys.argv[1], Path(folder)), indent=1, ensure_ascii=False)
            (HERE / f"{name}.json").write_text(expected + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
