"""`budgauge hook` answering a tool call, beside a long ledger, against importing one package that it needs.

The ledger has a million lines; `BUDGAUGE_BENCH_LINES` sets another number.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from datetime import datetime, timezone
from pathlib import Path

from corpora import write_claude
from cost import seconds
from pairs import ratio, report

LINES = int(os.environ.get("BUDGAUGE_BENCH_LINES", "1000000"))
RUNS = 41
TRANSCRIPT_BYTES = 100_000
MOST_MILLISECONDS = 200
RESET = '{"type":"reset","id":"r","timestamp":1700000000}\n'
LINE = (
    '{"agent_id":"agent-%d","model":"%s","prompt_tokens":%d,"completion_tokens":200,"total_tokens":%d,"timestamp":%d}\n'
)
MODELS = ("gpt-4", "gpt-4o", "claude-sonnet-4-5")


def _write_ledger(path: Path) -> None:
    """It begins with an old reset, so that the session's calls count."""
    with path.open("w") as file:
        file.write(RESET)
        file.writelines(
            LINE % (i % 7, MODELS[i % 3], 1000 + i % 500, 1200 + i % 500, 1_795_000_000 + i // 10) for i in range(LINES)
        )


class _Session:
    """A session of Claude Code, and the gate that it asks."""

    def __init__(self, home: Path) -> None:
        claude, codex = home / "claude", home / "codex"
        write_claude(claude, size=TRANSCRIPT_BYTES, files=1)
        (self._transcript,) = claude.glob("projects/*/*.jsonl")
        codex.mkdir()
        (codex / "token_budget.toml").write_text(f"[token_budget]\ntotal_budget = {10**15}\n", encoding="utf-8")
        self.ledger = home / "ledger.jsonl"
        _write_ledger(self.ledger)
        self._env = {**os.environ, "CLAUDE_CONFIG_DIR": str(claude), "CODEX_HOME": str(codex)}
        self._env.pop("XDG_CACHE_HOME", None)
        self._command = [str(Path(sys.executable).with_name("budgauge")), "hook", "--ledger", str(self.ledger)]
        call = {"hook_event_name": "PreToolUse", "session_id": self._transcript.stem, "cwd": str(home)}
        call |= {"transcript_path": str(self._transcript), "tool_name": "Bash", "tool_input": {"command": "ls"}}
        self._call = json.dumps(call).encode()
        self._said = 0

    def ask(self) -> float:
        """Seconds until the answer, which allows."""
        begin = time.perf_counter()
        done = subprocess.run(self._command, input=self._call, capture_output=True, env=self._env)
        taken = time.perf_counter() - begin
        assert (done.returncode, done.stdout, done.stderr) == (0, b"", b""), done
        return taken

    def ask_after_message(self) -> float:
        """The same, where a message has come since the last time, as it has before nearly every tool call."""
        self._said += 1
        usage = {"input_tokens": 5, "cache_read_input_tokens": 1000, "output_tokens": 50}
        message = {"model": "claude-sonnet-4-5", "id": f"msg_{self._said}", "role": "assistant", "usage": usage}
        line = {"sessionId": self._transcript.stem, "type": "assistant", "message": message}
        now = datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.000Z")
        with self._transcript.open("a", encoding="utf-8") as file:
            file.write(json.dumps({**line, "timestamp": now}, separators=(",", ":")) + "\n")
        before = self.ledger.stat().st_size
        taken = self.ask()
        assert self.ledger.stat().st_size > before, "the message was not booked"
        return taken


def _report_milliseconds(what: str, times: list[float]) -> None:
    p95 = statistics.quantiles(times, n=20)[-1] * 1000
    median = statistics.median(times) * 1000
    report(f"{what}, p95 in ms", p95, MOST_MILLISECONDS, f"median {median:.0f} ms, {len(times)} calls")


def run(home: Path) -> None:
    """Print the ratio, and how long an agent waits."""
    home = home / "hook"
    home.mkdir()
    session = _Session(home)
    first = session.ask()
    times: list[float] = []

    def ours() -> float:
        times.append(session.ask())
        return times[-1]

    imports = [sys.executable, "-c", "import msgspec"]
    value, own, other = ratio(ours, lambda: seconds(imports), RUNS)
    detail = f"hook {own * 1000:.0f} ms, python -c 'import msgspec' {other * 1000:.0f} ms, the first time {first:.2f} s"
    report(f"hook beside {LINES:,} lines / import msgspec", value, 3, detail)
    _report_milliseconds("  hook", times)
    _report_milliseconds("  hook after a new message", [session.ask_after_message() for _ in range(RUNS)])
    session.ledger.unlink()
