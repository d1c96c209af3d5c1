"""A home in which sessions of both agents spend, some of them without calling the gate, and what is found of it."""

from __future__ import annotations

import json
from pathlib import Path

from budgauge import gate
from budgauge.config import BudgetConfig
from budgauge.files.cache import cache_folder
from budgauge.gate import Answer
from budgauge.sources.collector import Collector
from budgauge.sources.cursors import CursorFile
from budgauge.sources.importer import Importer
from budgauge.sources.unasked.asked import Hook, add_hook
from budgauge.sources.unasked.search import find_unasked
from budgauge.sources.unasked.spent import SpentFile
from clock import Clock
from sources.rollouts import Log, iso
from sources.sessions import Session, tokens
from sources.sinks import claude, codex
from usage import importing

AGENTS = ("codex", "claude-code")


def session_id(number: int) -> str:
    return f"01a20b43-7c6e-71b0-ac6d-{number:012x}"


class Sessions:
    """Sessions of both agents, and the user's ledger."""

    def __init__(self, home: Path, clock: Clock) -> None:
        self.home, self.clock = home, clock
        self.codex, self.claude = home / ".codex", home / ".claude"
        self.codex.mkdir(exist_ok=True)
        self.ledger = self.codex / "token_usage.jsonl"
        self.logs: dict[int, Log | Session] = {}

    def folder(self, agent: str) -> Path:
        """The agent's own."""
        return self.codex if agent == "codex" else self.claude

    def begin(self, agent: str, number: int, *, begun: float | None = None, cwd: str = "") -> None:
        """A session begins now, or began then."""
        cwd = cwd or str(self.home / "work")
        start = int(self.clock.now if begun is None else begun)
        if agent == "codex":
            log: Log | Session = Log(session_id(number), start=start).meta(cwd=cwd, timestamp=iso(start)).turn()
        else:
            log = Session(session_id(number), start=start).line(
                type="user", sessionId=session_id(number), cwd=cwd, timestamp=iso(start)
            )
        self.logs[number] = log
        log.write(self.folder(agent))

    def spend(self, number: int, prompt: int = 10, completion: int = 0, read: int = 0) -> None:
        """One call now."""
        log = self.logs[number]
        log.time = int(self.clock.now)
        if isinstance(log, Log):
            log.call(prompt + read, read, completion, 0)
            log.write(self.codex)
        else:
            log.said(f"msg_{number}_{len(log.data)}", tokens(prompt, completion, read))
            log.write(self.claude)

    def install(self, agent: str, *, project: str = "") -> None:
        """Hooks of an agent call the gate from now on."""
        home = "" if project else str(self.folder(agent))
        add_hook(cache_folder(), Hook(agent, home, project, self.clock.now))

    def ask(self, agent: str, number: int, event: str = "UserPromptSubmit", **more: str) -> Answer:
        """A session calls the gate."""
        call = {"hook_event_name": event, "session_id": session_id(number), **more}
        path = next(self.folder(agent).rglob(f"*{session_id(number)}.jsonl"), None)
        call.setdefault("transcript_path", str(path))
        if agent == "codex":
            call["turn_id"] = "t"
        return gate.answer(json.dumps(call).encode())

    def collect(self, *, since: float | None = None, cache: Path | None = None) -> None:
        """As a program that is begun anew."""
        cache = cache or cache_folder()
        ledger = importing(self.ledger, cache)
        importer = Importer(ledger, count=lambda new: spent.count(new))
        spent = SpentFile(cache, ledger, self.clock)
        sources = [codex(self.codex), claude(self.claude)]
        cursors = CursorFile(cache, ledger)
        Collector(importer, sources, since=since, cursors=cursors, spent=spent).collect()

    def found(self, **config: str) -> dict[int, int]:
        """number of a session that did not ask → what it spent today."""
        rows = find_unasked(cache_folder(), self.ledger, BudgetConfig(**config), self.clock.now)
        return {int(one.row.session[-12:], 16): one.row.used for one in rows}
