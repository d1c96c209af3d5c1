"""Clients of the RPC server, many at once, and the server killed among them."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from faults.crew import Limits, Outcome, fold, wait_until

_CALLING = """
import os, sys
import budgauge
from budgauge import RefusedError
socket, name, notes, reports = sys.argv[1:]
client = budgauge.connect(socket=socket, timeout=60)
said = os.open(notes, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
for i in range(int(reports)):
    tokens, id = 3 + i % 5, f"{name}-{i}"
    try:
        if i % 4:
            client.report_usage(name, "m", tokens, 1, id=id)
        else:
            with client.reserve(name, tokens + 1, id=f"{id}-hold") as hold:
                hold.settle("m", tokens, 1, id=id)
    except RefusedError:
        id = "refused"
    os.write(said, f"{id}\\n".encode())
"""


class Crew:
    """Clients in processes of their own, and a server that is started again whenever it was killed."""

    def __init__(self, ledger: Path, limits: Limits, reports: int, home: Path) -> None:
        self._ledger = ledger
        self._limits = limits
        self._reports = reports
        self._notes = [ledger.with_name(f"notes-{number}") for number in range(len(limits.names))]
        config = limits.config
        (home / ".codex").mkdir()
        (home / ".codex" / "token_budget.toml").write_text(
            f"[token_budget]\ntotal_budget = {config.total_budget}\n[token_budget.per_agent_limits]\n"
            + "".join(f'"{name}" = {limit}\n' for name, limit in config.per_agent_limits.items())
        )
        self._server, path = self._serve()
        self._clients = [
            subprocess.Popen([sys.executable, "-c", _CALLING, path, name, str(notes), str(reports)])
            for name, notes in zip(limits.names, self._notes, strict=True)
        ]

    def _serve(self) -> tuple[subprocess.Popen[str], str]:
        command = [sys.executable, "-m", "budgauge", "serve", "--ledger", str(self._ledger)]
        server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        assert server.stdout is not None
        return server, server.stdout.readline().strip()

    def kill_server(self, chance: random.Random) -> None:
        """In the middle of whatever it does."""
        time.sleep(chance.uniform(0, 0.005))
        self._server.kill()
        self._server.communicate()
        self._server, _ = self._serve()

    @property
    def answered(self) -> int:
        """How many reports were answered."""
        return sum(notes.read_bytes().count(b"\n") for notes in self._notes if notes.exists())

    def acknowledged(self) -> set[str]:
        """The ids that were said to be recorded."""
        return {note for notes in self._notes for note in notes.read_text().splitlines() if note != "refused"}

    def run(self, kills: int) -> None:
        """To the end, with so many kills on the way."""
        chance = random.Random(kills)
        everything = self._reports * len(self._clients)
        for kill in range(kills):
            goal = everything * (kill + 1) // (kills + 2)
            wait_until(lambda goal=goal: self.answered >= goal)  # type: ignore[misc]  # a default binds it
            self.kill_server(chance)
        for client in self._clients:
            assert client.wait(120) == 0

    def end(self) -> None:
        for process in (*self._clients, self._server):
            process.kill()
            process.communicate()


@pytest.mark.parametrize("killing", [False, True], ids=["alive", "killed"])
def test_the_budget_holds_and_nothing_is_lost_or_doubled(
    ledger: Path, own_place: Path, sized: Callable[[int, int], int], figure: Callable[[str], None], killing: bool
) -> None:
    clients, reports, kills = sized(6, 16), sized(200, 2000), sized(5, 40) if killing else 0
    limits = Limits.tight(clients, reports)
    crew = Crew(ledger, limits, reports, own_place)
    try:
        crew.run(kills)
        assert crew.answered == clients * reports
        acknowledged = crew.acknowledged()
    finally:
        crew.end()
    outcome = Outcome.of(ledger)
    lost, doubled = acknowledged - set(outcome.ids), [id for id, count in outcome.ids.items() if count > 1]
    assert (lost, doubled) == (set(), [])
    assert set(outcome.ids) == acknowledged
    assert limits.over(outcome.used) == []
    assert fold(ledger) == outcome.used
    assert outcome.faults <= kills
    figure(
        f"server: {clients} clients x {reports:,} reports, {kills} kills of the server: 0 of {len(acknowledged):,} "
        f"acknowledged lost, 0 doubled, 0 over the limits"
    )


def test_whoever_is_killed_leaves_nobody_waiting(ledger: Path, own_place: Path) -> None:
    """Clients killed in the middle of calls and lines; the server goes on for the others."""
    limits = Limits.tight(8, 10_000)
    crew = Crew(ledger, limits, 10_000, own_place)
    try:
        wait_until(lambda: crew.answered > 100)
        for client in crew._clients[1:]:
            client.kill()
        before = crew.answered
        wait_until(lambda: crew.answered > before + 100)
    finally:
        crew.end()
    assert os.path.getsize(ledger)
