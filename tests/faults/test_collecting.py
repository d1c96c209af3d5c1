"""Collectors and gates that die at any moment while agents' logs grow: in the end each call is in the ledger once."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from asking import reset_line
from budgauge.accounting.codec import decode
from faults.crew import fold, wait_until
from sources.collecting import Home, tokens_by_call
from sources.rollouts import CHILD, PARENT, START, Log
from sources.sessions import SESSION, Session, tokens

_LIVES = """
import os, sys, traceback
from pathlib import Path
from budgauge.ledger import ledger as ledger_module
from budgauge.ledger.ledger import Ledger
from budgauge.sources.importer import Importer
from budgauge.sources.claude_code.files import ClaudeCodeFormat
from budgauge.sources.codex.files import CodexFormat
from budgauge.sources.collector import Collector
from budgauge.sources.cursors import CursorFile
from budgauge.sources.source import Source
ledger_module.DUE_BYTES = 1
CALLS = ("write", "replace", "fdatasync", "fsync", "fdopen", "ftruncate")
uses = 0
# Whatever was written outlives the process without a sync, too.
os.fdatasync = os.fsync = lambda fd: None

def deadly(real, nth, moment):
    def call(*args, **options):
        global uses
        uses += 1
        if uses != nth:
            return real(*args, **options)
        if moment == "within" and real is write:
            real(args[0], args[1][: len(args[1]) // 2])
        if moment == "after":
            real(*args, **options)
        os._exit(9)
    return call

def live(folder, nth, moment):
    for name in CALLS:
        setattr(os, name, deadly(getattr(os, name), nth, moment))
    ledger = Ledger(folder / "ledger.jsonl", sync=True, cache=folder / "cache", keeps_all_ids=True)
    importer = Importer(ledger)
    sources = [Source(CodexFormat(folder / ".codex")), Source(ClaudeCodeFormat([folder / ".claude" / "projects"]))]
    cursors = CursorFile(folder / "cache", ledger)
    Collector(importer, sources, lock_path=folder / "run" / "lock", cursors=cursors).collect()

write = os.write
for line in sys.stdin:
    folder, nth, moment = line.split()
    child = os.fork()
    if not child:
        code = 1
        try:
            live(Path(folder), int(nth), moment)
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""
DIED = 9


class Lives:
    """Collectors, each of which lives once: to its end, or to its nth system call that changes something."""

    def __init__(self) -> None:
        command = [sys.executable, "-W", "error", "-c", _LIVES]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def live(self, folder: Path, nth: int = 0, moment: str = "never") -> bool:
        """Did it live to its end?"""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{folder} {nth} {moment}\n")
        self._process.stdin.flush()
        code = int(self._process.stdout.readline())
        assert code in (0, DIED)
        return code == 0

    def close(self) -> None:
        self._process.communicate()


@pytest.fixture
def lives() -> Iterator[Lives]:
    lives = Lives()
    yield lives
    lives.close()


def assert_each_call_once(home: Home) -> None:
    """Every call of the logs, with all its tokens, and the fold too."""
    ids = [record.id for record in home.records]
    assert len(set(ids)) == len(ids)
    assert tokens_by_call(home.records) == home.truth
    assert sum(fold(home.ledger).values()) == sum(home.truth.values())


YOUNG_AND_GROWN = 2 * (11 + 21 + 31) + 450
"""Tokens that were spent in all of it."""


def young(folder: Path) -> Home:
    """Some calls of both agents, one of which is not complete."""
    folder.mkdir()
    home = Home(folder)
    for spent in (10, 20):
        home.grow("codex", spent)
        home.grow("claude-code", spent)
    home.claude.said("growing", tokens(50, 1), stop=None)
    home.write()
    return home


def grown(home: Home) -> None:
    """The same later: it is complete, and there are more."""
    home.claude.said("growing", tokens(50, 400))
    home.grow("codex", 30)
    home.grow("claude-code", 30)


@pytest.mark.parametrize("moment", ["before", "within", "after"])
def test_dying_at_every_system_call(
    tmp_path: Path, lives: Lives, moment: str, sized: Callable[[int, int], int], figure: Callable[[str], None]
) -> None:
    """In a first collection and in the one after it; then in each one after that, one call later."""
    deaths = torn = 0
    for nth in range(1, 100):
        home = young(tmp_path / str(nth))
        died = not lives.live(home.folder, nth, moment)
        grown(home)
        died |= not lives.live(home.folder, nth, moment)
        if not died:
            break
        for later in range(nth + 1, nth + sized(2, 12)):
            deaths += not lives.live(home.folder, later, moment)
        assert lives.live(home.folder)
        deaths += died
        torn += len(decode(home.ledger.read_bytes()).faults)
        assert_each_call_once(home)
        assert sum(home.truth.values()) == YOUNG_AND_GROWN
        assert lives.live(home.folder, 3, "before"), "nothing is left to do but to take the lock"
    assert nth > 8
    assert bool(torn) == (moment == "within")
    figure(
        f"collecting: {deaths} deaths {moment} each of {nth - 1} system calls that change something: "
        f"0 calls lost, 0 doubled, {torn} torn lines"
    )


_ASKING = """
import json, sys
from budgauge import gate
calls = [json.dumps(call).encode() for call in json.loads(sys.argv[1])]
while True:
    for call in calls:
        reply = gate.answer(call)
        if reply.code or reply.error:
            sys.exit(f"it was answered {reply}")
"""


class Growing:
    """Sessions of both agents with a sub-agent each, whose logs are appended to, not always in whole lines."""

    def __init__(self, folder: Path, chance: random.Random) -> None:
        self.home = home = Home(folder)
        self._chance = chance
        self._below = Session(agent="a1")
        self._child = Log(CHILD).meta(session_id=PARENT, parent_thread_id=PARENT, agent_role="worker").turn()
        codex, claude = folder / ".codex", folder / ".claude"
        self._logs: list[tuple[Log | Session, Path]] = [
            (home.codex, home.codex.write(codex)),
            (home.claude, home.claude.write(claude)),
            (self._child, self._child.write(codex)),
            (self._below, self._below.write(claude, kind="Explore")),
        ]
        home.ledger.write_bytes(reset_line(START - 1))
        self._messages = 0
        self.spent = 0
        """Tokens in all."""

    def grow(self, calls: int) -> None:
        """So many more calls, each of which may end in a line that is not whole yet, or be told by several lines."""
        for _ in range(calls):
            log, path = self._chance.choice(self._logs)
            spent = self._chance.randrange(1, 1000)
            if isinstance(log, Log):
                log.call(spent, 0, 1, 0)
                self.spent += spent + 1
            else:
                self._messages += 1
                log.said(f"msg_{self._messages}", tokens(spent, 1), stop=None)
                self._append(log, path, len(log.data))
                log.said(f"msg_{self._messages}", tokens(spent, spent))
                self.spent += 2 * spent
            self._append(log, path, len(log.data) - self._chance.choice([0, 0, 9]))

    def finish(self) -> None:
        """All lines are whole."""
        for log, path in self._logs:
            self._append(log, path, len(log.data))

    def _append(self, log: Log | Session, path: Path, end: int) -> None:
        with path.open("ab") as file:
            file.write(log.data[file.tell() : end])

    def asked(self) -> str:
        """What both sessions say at their hooks."""
        codex = {"session_id": PARENT, "transcript_path": str(self._logs[0][1]), "turn_id": "t"}
        claude = {"session_id": SESSION, "transcript_path": str(self._logs[1][1])}
        return json.dumps([{"hook_event_name": "PreToolUse", **call} for call in (codex, claude)])


class Crowd:
    """A collector that follows and a gate that is asked without end, killed and begun again."""

    def __init__(self, growing: Growing) -> None:
        follow = [sys.executable, "-m", "budgauge", "collect", "--follow", "--since", "all"]
        self._commands = {"collector": follow, "gate": [sys.executable, "-c", _ASKING, growing.asked()]}
        self._env = {**os.environ, "CODEX_TOKEN_LEDGER": str(growing.home.ledger)}
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        for name in self._commands:
            self.start(name)

    def start(self, name: str) -> None:
        self._processes[name] = subprocess.Popen(self._commands[name], env=self._env, stdout=subprocess.DEVNULL)

    def kill(self, name: str) -> None:
        """SIGKILL; it must not have ended by itself."""
        process = self._processes[name]
        process.kill()
        assert process.wait() == -signal.SIGKILL

    def stop(self) -> None:
        for name in self._commands:
            self.kill(name)


def test_killed_at_any_moment_beside_a_gate_on_the_same_logs(
    own_place: Path, sized: Callable[[int, int], int], figure: Callable[[str], None]
) -> None:
    kills = sized(8, 300)
    chance = random.Random(kills)
    growing = Growing(own_place, chance)
    home = growing.home
    home.cache = own_place / ".cache" / "budgauge"
    crowd = Crowd(growing)
    for _ in range(kills):
        size, calls = home.ledger.stat().st_size, chance.randrange(20, 200)
        growing.grow(calls)
        # Each call is at least so many bytes: it is killed when some of them are booked.
        enough = size + chance.randrange(1, 100 * calls)
        wait_until(lambda enough=enough: home.ledger.stat().st_size >= enough)  # type: ignore[misc]  # bound by default
        name = chance.choice(["collector", "gate"])
        crowd.kill(name)
        crowd.start(name)
    growing.finish()
    truth = home.truth
    assert sum(truth.values()) == growing.spent
    wait_until(lambda: tokens_by_call(home.records) == truth)
    crowd.stop()
    assert_each_call_once(home)
    home.collect()
    assert_each_call_once(home)
    figure(
        f"collecting: {kills} kills of a collector and a gate on the same growing logs: "
        f"0 of {len(truth):,} calls lost, 0 doubled, {sum(truth.values()):,} tokens as they were spent"
    )
