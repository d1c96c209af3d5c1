"""Real coding agents, offline: each knows no model server but the one it is given, and nothing of the caller's set-up.

Optional: `npm install @openai/codex @anthropic-ai/claude-code`, then

    BUDGAUGE_CODEX=node_modules/.bin/codex BUDGAUGE_CLAUDE=node_modules/.bin/claude python -m pytest -m agents -ra

Without these variables a `codex` or `claude` on the PATH is used; without one either, its tests are skipped.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from abc import ABC, abstractmethod
from collections.abc import Iterable
from pathlib import Path
from typing import ClassVar

import pytest

from agents.mock_models import Truth
from budgauge.accounting.records import Usage
from budgauge.sources.source import Source
from sources import sinks

RUN_SECONDS = 120


def found(variable: str, name: str) -> str | None:
    """A program by a variable that names it, else on the PATH."""
    return os.path.abspath(named) if (named := os.environ.get(variable)) else shutil.which(name)


CODEX, CLAUDE = found("BUDGAUGE_CODEX", "codex"), found("BUDGAUGE_CLAUDE", "claude")
needs_codex = pytest.mark.skipif(
    CODEX is None, reason="no Codex CLI: set BUDGAUGE_CODEX to its path, or put codex on the PATH"
)
needs_claude = pytest.mark.skipif(
    CLAUDE is None, reason="no Claude Code: set BUDGAUGE_CLAUDE to its path, or put claude on the PATH"
)


class Program(ABC):
    """An agent with a home of its own, in a project folder."""

    name: ClassVar[str]
    """As `budgauge` calls it."""
    worker: ClassVar[str]
    """The sub-agent that a prompt with "delegate" starts."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder, self.project, self.url = folder, folder / "project", url
        self.codex_home, self.claude_home = folder / "codex", folder / "claude"
        for made in (self.project, self.codex_home, self.claude_home):
            made.mkdir()

    @property
    def env(self) -> dict[str, str]:
        """Nothing of the caller's own set-up but where programs are."""
        return {"PATH": os.environ["PATH"], "HOME": str(self.folder), "CODEX_HOME": str(self.codex_home)}

    @property
    @abstractmethod
    def settings(self) -> Path:
        """Where its hooks are."""

    @property
    @abstractmethod
    def source(self) -> Source:
        """Its logs."""

    @abstractmethod
    def command(self, *prompt: str) -> list[str]:
        """What runs one prompt to its end."""

    def start(self, *prompt: str) -> subprocess.Popen[str]:
        """Run a prompt; do not wait."""
        return subprocess.Popen(
            self.command(*prompt),
            cwd=self.project,
            env=self.env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *prompt: str) -> subprocess.CompletedProcess[str]:
        """Run a prompt to its end, whatever comes of it."""
        with self.start(*prompt) as running:
            try:
                out, err = running.communicate(timeout=RUN_SECONDS)
            finally:
                running.kill()
        return subprocess.CompletedProcess(running.args, running.returncode, out, err)

    def budgauge(self, *words: str) -> subprocess.CompletedProcess[str]:
        """A command of ours in the agent's surroundings, run to its end."""
        return subprocess.run(
            [sys.executable, "-m", "budgauge", *words],
            cwd=self.project,
            env=self.env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=RUN_SECONDS,
            check=False,
        )

    def exec(self, *prompt: str) -> str:
        """Run a prompt that must go well; what it printed."""
        done = self.run(*prompt)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


class Codex(Program):
    """Codex CLI."""

    name, worker = "codex", "codex/worker"
    _CONFIG = """\
model = "gpt-5.1-codex"
model_provider = "mock"
[model_providers.mock]
name = "mock"
base_url = "{url}/v1"
wire_api = "responses"
"""

    def __init__(self, folder: Path, url: str) -> None:
        super().__init__(folder, url)
        self.settings.write_text(self._CONFIG.format(url=url))

    @property
    def settings(self) -> Path:
        return self.codex_home / "config.toml"

    @property
    def source(self) -> Source:
        return sinks.codex(self.codex_home)

    def command(self, *prompt: str) -> list[str]:
        assert CODEX is not None
        options = ["--skip-git-repo-check", "-s", "danger-full-access", "--dangerously-bypass-hook-trust"]
        return [CODEX, "exec", *options, *prompt]


class Claude(Program):
    """Claude Code."""

    name, worker = "claude-code", "claude-code/general-purpose"

    @property
    def env(self) -> dict[str, str]:
        own = {"CLAUDE_CONFIG_DIR": str(self.claude_home), "ANTHROPIC_BASE_URL": self.url, "ANTHROPIC_API_KEY": "dummy"}
        quiet = ("IS_SANDBOX", "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "DISABLE_TELEMETRY", "DISABLE_AUTOUPDATER")
        return {**super().env, **own, **dict.fromkeys(quiet, "1")}

    @property
    def settings(self) -> Path:
        return self.claude_home / "settings.json"

    @property
    def source(self) -> Source:
        return sinks.claude(self.claude_home)

    def command(self, *prompt: str) -> list[str]:
        assert CLAUDE is not None
        return [CLAUDE, "-p", *prompt, "--permission-mode", "bypassPermissions", "--output-format", "json"]


COUNTS = ("prompt_tokens", "cached_tokens", "cache_write_1h_tokens", "completion_tokens", "reasoning_tokens")


def sums(calls: Iterable[Usage]) -> Truth:
    """As the server keeps them: by model, without kinds of tokens that there are none of."""
    by_model: Truth = {}
    for call in calls:
        row = by_model.setdefault(call.model, {})
        counts = {name: getattr(call, name) or 0 for name in COUNTS}
        write_5m = (call.cache_write_tokens or 0) - counts["cache_write_1h_tokens"]
        # A line without tokens only gives a call another name.
        for name, count in {"calls": int(call.total_tokens > 0), "cache_write_5m_tokens": write_5m, **counts}.items():
            if count:
                row[name] = row.get(name, 0) + count
    return by_model


def total(truth: Truth) -> int:
    """All tokens."""
    return sum(row["prompt_tokens"] + row["completion_tokens"] for row in truth.values())


def calls_of(truth: Truth) -> int:
    """All calls."""
    return sum(row["calls"] for row in truth.values())
