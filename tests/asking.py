"""A home in which agents ask at their hooks: their logs, the config, the ledger and what it comes to."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from budgauge import gate
from budgauge.config.load import Options
from budgauge.gate import Answer
from budgauge.gate.reply import ADVICE
from faults.crew import fold
from sources.rollouts import PARENT, START, Log
from sources.sessions import SESSION, Session, tokens


def refusal(reply: Answer) -> str:
    """See that it refuses in every agent's way; why it says so."""
    assert reply.code == 2
    reason, advice = reply.error[:-1].split("\n")
    assert advice == ADVICE
    assert reason.isprintable()
    assert not reply.output or json.loads(reply.output) == {"decision": "block", "reason": reply.error[:-1]}
    return reason


def reset_line(seconds: int) -> bytes:
    """A reset of everyone, as a ledger's line."""
    return json.dumps({"type": "reset", "id": f"r{seconds}", "timestamp": seconds}).encode() + b"\n"


class Stage:
    """One session of one agent; the ledger begins with a reset, so that the logs' old calls count."""

    def __init__(self, agent: str, home: Path, ledger: Path) -> None:
        self.agent = agent
        self.ledger = ledger
        self.codex, self.claude = home / ".codex", home / ".claude"
        self.codex.mkdir()
        self.log: Log | Session = Log().meta().turn() if agent == "codex" else Session()
        self.session = PARENT if agent == "codex" else SESSION
        self.transcript = self.log.write(self._folder)
        ledger.write_bytes(reset_line(START - 1))

    @property
    def _folder(self) -> Path:
        return self.codex if self.agent == "codex" else self.claude

    def config(self, text: str) -> None:
        """Put it in force."""
        (self.codex / "token_budget.toml").write_text(f"[token_budget]\n{text}\n", encoding="utf-8")

    def spend(self, prompt: int, completion: int) -> None:
        """One more call in the session's own log."""
        if isinstance(self.log, Log):
            self.log.call(prompt, 0, completion, 0)
        else:
            self.log.said(f"msg_{self.log.time}", tokens(prompt, completion))
        self.log.write(self._folder)

    def spend_below(self, number: int, prompt: int, completion: int, role: str = "Explore") -> None:
        """One call of a sub-agent of its own."""
        if self.agent == "codex":
            thread = f"{PARENT[:-2]}{number:02x}"
            child = Log(thread, start=START + 500).meta(session_id=PARENT, parent_thread_id=PARENT, agent_role=role)
            child.turn().call(prompt, 0, completion, 0).write(self.codex)
            return
        below = Session(agent=f"a{number}")
        below.said(f"sub_{number}", tokens(prompt, completion)).write(self.claude, kind=role)

    def call(self, event: str = "UserPromptSubmit", **fields: Any) -> bytes:
        """What the agent says."""
        said: dict[str, Any] = {"hook_event_name": event, "session_id": self.session, "cwd": "/home/me/app"}
        said["transcript_path"] = str(self.transcript)
        if self.agent == "codex":
            said["turn_id"] = "turn_1"
        return json.dumps({**said, **fields}).encode()

    def ask(self, event: str = "UserPromptSubmit", **fields: Any) -> Answer:
        """What it is answered."""
        return self.answer(self.call(event, **fields))

    def answer(self, data: bytes) -> Answer:
        """What bytes on standard input are answered."""
        return gate.answer(data, Options(ledger=str(self.ledger)))

    @property
    def used(self) -> dict[str, int]:
        """Tokens by agent, as a fresh reader of the ledger adds them up."""
        return fold(self.ledger)
