"""A real agent that asks `budgauge hook` at its hooks, as `budgauge hook install` made them."""

from __future__ import annotations

from pathlib import Path

from agents.program import Program
from budgauge.accounting.codec import decode
from budgauge.accounting.records import Usage
from usage import line


class Gated:
    """An agent with our hooks, a budget and a ledger."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.ledger = program.codex_home / "token_usage.jsonl"
        self.marker = program.folder / "ran"
        """What the model's command writes a line to, wherever it runs."""

    def install(self, *options: str) -> None:
        """Put the hooks into the agent's settings, or with `--uninstall` take them out."""
        done = self.program.budgauge("hook", "install", self.program.name, *options)
        assert done.returncode == 0, done.stderr
        assert done.stdout.endswith(f"{self.program.settings}: written\n")

    def config(self, text: str) -> None:
        """Put it in force."""
        (self.program.codex_home / "token_budget.toml").write_text(f"[token_budget]\n{text}\n")

    def spent(self, tokens: int) -> None:
        """Someone else has spent so much."""
        with self.ledger.open("ab") as file:
            file.write(line("someone", tokens, 0))

    @property
    def command(self) -> str:
        """A command that leaves a trace."""
        return f"echo hi >> {self.marker}"

    @property
    def ran(self) -> int:
        """How often the command ran."""
        return len(self.marker.read_text().splitlines()) if self.marker.exists() else 0

    @property
    def booked(self) -> list[Usage]:
        """The agent's calls in the ledger, line by line; nothing else may stand there."""
        batch = decode(self.ledger.read_bytes() if self.ledger.exists() else b"")
        assert batch.faults == []
        return [record for record in batch.records if isinstance(record, Usage) and record.source]

    def logs(self) -> str:
        """All that the agent logged of its sessions."""
        folders: list[Path] = [self.program.codex_home / "sessions", self.program.claude_home / "projects"]
        return "\n".join(path.read_text() for folder in folders for path in sorted(folder.rglob("*.jsonl")))
