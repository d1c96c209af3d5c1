"""`budgauge collect` on long histories against ccusage's native binary; then with nothing new, and following.

`BUDGAUGE_CCUSAGE` names that binary; without it there are plain seconds. `BUDGAUGE_BENCH_LOGS_MB`
sets another size of Claude Code's logs than 1000 MB; Codex's have half of it.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

from corpora import Corpus, write_claude, write_codex
from cost import core_percent, peak_mb, seconds
from pairs import ratio, report

MEGABYTES = int(os.environ.get("BUDGAUGE_BENCH_LOGS_MB", "1000"))
CCUSAGE = os.environ.get("BUDGAUGE_CCUSAGE", "")
FILES = 200
RUNS = 5
MEMORY_RUNS = 3
AGAIN_RUNS = 25
SETTLE_SECONDS = 15.0
IDLE_SECONDS = 30.0

_BUDGAUGE = str(Path(sys.executable).with_name("budgauge"))


class _Logs:
    """One agent's logs, and how both sides are asked what they come to."""

    def __init__(self, agent: str, corpus: Corpus, home: Path) -> None:
        self.agent = agent
        self.corpus = corpus
        self.env = _env(home)
        collect = [_BUDGAUGE, "collect", agent, "--since", "all", "--dry-run", "--json"]
        self.ours = [*collect, "--ledger", str(home / "none.jsonl")]
        self.theirs = [CCUSAGE, agent.partition("-")[0], "daily", "--offline", "--json"]

    def check(self) -> None:
        """The totals, in all, by agent and by model, are the truth."""
        done = subprocess.run(self.ours, check=True, capture_output=True, env=self.env)
        said, true = json.loads(done.stdout), self.corpus
        sums = ("prompt_tokens", "completion_tokens", "cached_tokens")
        for rows, name, truth in (("agents", "agent_id", true.agents), ("models", "model", true.models)):
            assert {row[name]: [row[key] for key in sums] for row in said[rows]} == truth, (said[rows], truth)
        assert said["records"] == true.calls
        assert [said[key] for key in sums] == [sum(column) for column in zip(*true.agents.values(), strict=True)]
        self._compare(said["total_tokens"])

    def _compare(self, true: int) -> None:
        about = f"{self.agent}: {self.corpus.size / 1e6:,.0f} MB, {self.corpus.calls:,} calls, totals exact"
        if CCUSAGE:
            done = subprocess.run(self.theirs, check=True, capture_output=True, env=self.env)
            about += f"; ccusage counts {json.loads(done.stdout)['totals']['totalTokens'] / true:.2%} of them"
        print(about, flush=True)

    def report_time(self, bound: float) -> None:
        """Seconds, as a ratio where there is a rival."""
        if not CCUSAGE:
            own = statistics.median(seconds(self.ours, self.env) for _ in range(RUNS))
            print(f"{self.agent}, {own:.2f} s", flush=True)
            return
        value, own, other = ratio(lambda: seconds(self.ours, self.env), lambda: seconds(self.theirs, self.env), RUNS)
        report(f"{self.agent} logs / ccusage, wall", value, bound, f"{own:.2f} s, ccusage {other:.2f} s")

    def report_memory(self, bound: float | None = None) -> None:
        """Peak memory, as a ratio where there is a rival; without a bound it is only told."""
        own = statistics.median(peak_mb(self.ours, self.env) for _ in range(MEMORY_RUNS))
        if not CCUSAGE:
            print(f"{self.agent}, {own:.0f} MB", flush=True)
            return
        other = statistics.median(peak_mb(self.theirs, self.env) for _ in range(MEMORY_RUNS))
        detail = f"Pss of all processes {own:.0f} MB, ccusage {other:.0f} MB"
        if bound is None:
            print(f"  {own / other:.2f} times ccusage's memory ({detail})", flush=True)
        else:
            report("  memory / ccusage's", own / other, bound, detail)


def _env(home: Path) -> dict[str, str]:
    own = {name: value for name, value in os.environ.items() if not name.startswith(("XDG_", "CLAUDE_"))}
    return {**own, "CLAUDE_CONFIG_DIR": str(home / "claude"), "CODEX_HOME": str(home / "codex")}


def _again(home: Path, ledger: Path) -> None:
    """With nothing new, after all was collected once."""
    env = _env(home)
    collect = [_BUDGAUGE, "collect", "--since", "all", "--ledger", str(ledger)]
    first = seconds(collect, env)
    size = ledger.stat().st_size
    imports = [sys.executable, "-c", "import click, msgspec"]
    value, own, other = ratio(lambda: seconds(collect, env), lambda: seconds(imports, env), AGAIN_RUNS)
    assert ledger.stat().st_size == size, "something was recorded twice"
    detail = (
        f"{own * 1000:.0f} ms, python -c 'import click, msgspec' {other * 1000:.0f} ms, the first time {first:.1f} s"
    )
    report("collect, nothing new / import click, msgspec", value, 2, detail)


def _follow(home: Path, ledger: Path) -> None:
    """Waiting for something to happen."""
    command = [_BUDGAUGE, "collect", "--follow", "--since", "all", "--ledger", str(ledger)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=_env(home)) as follower:
        assert follower.stdout is not None
        assert follower.stdout.readline()
        time.sleep(SETTLE_SECONDS)
        percent = core_percent(follower.pid, IDLE_SECONDS)
        assert follower.poll() is None
        follower.terminate()
    detail = f"all threads over {IDLE_SECONDS:.0f} s, {2 * FILES} logs"
    report("collect --follow idle, percent of a core", percent, 0.3, detail)


def run(home: Path) -> None:
    """Print the figures of both agents' logs, then those of collecting again and of following."""
    home = home / "collect"
    size = MEGABYTES * 1_000_000
    claude = _Logs("claude-code", write_claude(home / "claude", size=size, files=FILES), home)
    codex = _Logs("codex", write_codex(home / "codex", size=size // 2, files=FILES), home)
    if not CCUSAGE:
        print("ccusage is not there (BUDGAUGE_CCUSAGE names its native binary): no ratios against it", flush=True)
    claude.check()
    claude.report_time(0.6)
    claude.report_memory(0.35)
    codex.check()
    codex.report_time(1.0)
    codex.report_memory()
    ledger = home / "ledger.jsonl"
    _again(home, ledger)
    _follow(home, ledger)
