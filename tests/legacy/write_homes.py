"""Writes the homes in `homes/` as commit d2aa79e leaves them, with the status of each as it reports them.

Usage: PYTHONPATH=tests python tests/legacy/write_homes.py PYTHON, the Python of an environment with that commit.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from legacy.home import AT, CODEX_LEDGER, DATA_LEDGER, HERE, PROJECT_LEDGER, Step, lay_out, packed, run, status
from legacy.write import used
from sources.rollouts import CHILD, PARENT, Log
from sources.sessions import SESSION, Session, tokens

PAGE = "01a20b50-7c6e-71b0-ac6d-b55d744bbb24"
DAY = 86_400
CONFIG = ".codex/config.toml"
TALL = 9000
"""So many lines make a ledger of which a checkpoint is kept."""


class Home(NamedTuple):
    """What is laid in a home, what the earlier version does there, and what comes later."""

    files: dict[str, str]
    steps: list[Step]
    later: list[Step]
    """What either version may do next."""
    grown: Mapping[str, str] = MappingProxyType({})
    """Files as they are then."""
    folder: str = "."
    """Where status is asked for."""
    ledger: str = CODEX_LEDGER


def table(text: str) -> str:
    return f"[token_budget]\n{text}\n"


def ledger(*lines: dict[str, Any]) -> str:
    return "".join(f"{json.dumps(line)}\n" for line in lines)


def record(agent: str, prompt: int, completion: int, *more: str) -> Step:
    counts = ("--prompt", str(prompt), "--completion", str(completion))
    return {"args": ["record", "--agent", agent, "--model", "gpt-4", *counts, *more]}


COLLECT: Step = {"args": ["collect", "--since", "all"]}
STATUS: Step = {"args": ["status"]}


def log_file(log: Log) -> tuple[str, str]:
    with tempfile.TemporaryDirectory() as folder:
        path = log.write(Path(folder))
        return f".codex/{path.relative_to(folder).as_posix()}", log.data.decode()


def session_file(log: Session, kind: str | None = None) -> dict[str, str]:
    with tempfile.TemporaryDirectory() as folder:
        log.write(Path(folder), kind=kind)
        found = [path for path in Path(folder).rglob("*") if path.is_file()]
        return {f".claude/{path.relative_to(folder).as_posix()}": path.read_text() for path in found}


def codex_home() -> Home:
    """Cursors of a collector, pages, a fork, a sub-agent; then each log grows."""
    first = Log(ordinals=True).meta().turn("gpt-4").call(1000, 100, 10, 1).call(2000, 900, 20, 2)
    page = Log().page_of(first, PAGE).turn("gpt-4").call(500, 0, 7, 0).call(300, 0, 5, 0).call(200, 0, 3, 0)
    fork = Log(CHILD, start=first.time + 5000).meta(forked_from_id=PARENT).copy_of(first).started()
    worker = Log(CHILD.replace("01a2", "01a3")).meta(parent_thread_id=PARENT, agent_role="worker").turn("gpt-4")
    logs = [first, page, fork.turn("gpt-4").call(70, 0, 7, 0), worker.record(60, 10, 6, 3)]
    files = dict(map(log_file, logs))
    fork.call(71, 0, 1, 0)
    worker.record(61, 10, 1, 0).record(62, 0, 2, 0)
    return Home({CONFIG: table("total_budget = 100000"), **files}, [COLLECT], [COLLECT], dict(map(log_file, logs)))


def claude_home() -> Home:
    """Cursors of a collector, a message that grows, a sub-agent."""
    log = Session().said("m1", tokens(100, 20, 50, 10, 5)).said("m2", tokens(30, 1), stop=None)
    below = Session(agent="a1").said("s1", tokens(7, 3))
    files = session_file(log) | session_file(below, "Explore")
    log.said("m2", tokens(30, 90), stop="end_turn").said("m3", tokens(11, 12))
    config = {CONFIG: table('total_budget = 100000\n[token_budget.per_agent_limits]\n"claude-code/*" = 5000')}
    return Home(config | files, [COLLECT], [COLLECT], session_file(log))


def gate_home(agent: str) -> Home:
    """Notes and cursors of the gate, in a session that was warned and then refused."""
    if agent == "codex":
        logs = dict([log_file(Log(start=AT - 100).meta().turn("gpt-4").call(800, 0, 50, 0).call(200, 0, 10, 0))])
        said: dict[str, Any] = {"session_id": PARENT, "turn_id": "turn_1"}
    else:
        logs = session_file(Session(start=AT - 100).said("m1", tokens(800, 50)).said("m2", tokens(200, 10)))
        said = {"session_id": SESSION}
    said |= {"transcript_path": f"HOME/{next(iter(logs))}", "cwd": "HOME"}
    asked = [
        {"args": ["hook"], "input": {**said, "hook_event_name": event}}
        for event in ("UserPromptSubmit", "PreToolUse", "PostToolUse", "Stop")
    ]
    config = table("total_budget = 1300\nwarning_threshold = 60")
    return Home({CONFIG: config, **logs}, asked, [asked[1], record("me", 240, 0), *asked[:2]])


def cycle_home() -> Home:
    """A monthly cycle: lines of earlier months, late ones, a reset within the cycle."""
    ends = [used("a", 5, 3, AT - 60 * DAY), used("a", 7, 1, AT - 40 * DAY), used("b", 9, 4, AT - 25 * DAY)]
    lines = [*ends, used("a", 11, 2), {"type": "reset", "id": "r1", "by": "me", "timestamp": AT, "total_used": 13}]
    lines += [used("a", 100, 20), used("b", 30, 1, AT - 22 * DAY), used("b", 40, 2, AT - 15 * DAY)]
    config = table('total_budget = 1000\n[token_budget.cycle]\nperiod = "monthly"\nday = 31')
    later = [record("c", 3, 4), {"args": ["reset", "--undo"]}]
    return Home({CONFIG: config, CODEX_LEDGER: ledger(*lines)}, [STATUS], later)


def checkpoint_home() -> Home:
    """A checkpoint, and the index of ids that a collector keeps of a long ledger."""
    log = dict([log_file(Log().meta().turn("gpt-4").call(1000, 0, 10, 0))])
    lines = ledger(used("a", 3, 1)) * TALL
    config = {CONFIG: table("total_budget = 1000000"), CODEX_LEDGER: lines}
    return Home(config | log, [STATUS, COLLECT, STATUS], [record("b", 5, 6), COLLECT])


def user_data_home() -> Home:
    """No `.codex`: the ledger lies in the platform's data folder."""
    steps = [record("a", 5, 6, "--id", "one"), record("a", 7, 8)]
    return Home({"empty": ""}, steps, [record("a", 5, 6, "--id", "one"), record("b", 1, 1)], ledger=DATA_LEDGER)


def codex_place_home() -> Home:
    """`.codex` without a config: the ledger lies there."""
    return Home({".codex/auth.json": "{}"}, [record("a", 5, 6), record("a", 7, 8)], [record("b", 1, 1)])


def both_places_home() -> Home:
    """Ledgers in both default places: that in `.codex` counts."""
    files = {CODEX_LEDGER: ledger(used("a", 5, 6)), DATA_LEDGER: ledger(used("b", 7, 8))}
    return Home(files, [record("a", 1, 2)], [record("b", 3, 4)])


def project_home() -> Home:
    """A project's config with a ledger beside it, above a folder below; the user's own config under it."""
    user = table("total_budget = 5000\nwarning_threshold = 50\n[token_budget.per_agent_limits]\nz = 9")
    project = table('total_budget = 100\n[token_budget.per_agent_limits]\n"team/*" = 60')
    files = {CONFIG: user, "work/.codex/config.toml": project, "work/src/x": ""}
    files |= {CODEX_LEDGER: ledger(used("a", 1000, 1))}
    steps = [{**step, "cwd": "work/src"} for step in (record("team/a", 20, 5), record("team/b", 10, 5))]
    return Home(files, steps, [{**record("team/a", 1, 1), "cwd": "work"}], folder="work/src", ledger=PROJECT_LEDGER)


HOMES = {
    "codex": codex_home,
    "claude": claude_home,
    "gate-codex": lambda: gate_home("codex"),
    "gate-claude": lambda: gate_home("claude"),
    "cycle": cycle_home,
    "checkpoint": checkpoint_home,
    "user-data": user_data_home,
    "codex-place": codex_place_home,
    "both-places": both_places_home,
    "project": project_home,
}


def write(python: str, name: str, home: Home) -> None:
    with tempfile.TemporaryDirectory(prefix="home-") as first, tempfile.TemporaryDirectory(prefix="home-") as second:
        for file, text in home.files.items():
            path = Path(first, file)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        for step in home.steps:
            run(python, Path(first), step)
        shown = status(python, Path(first), home.folder)
        kept = packed(Path(first))
        tall = kept["files"].get(CODEX_LEDGER, "")
        if tall.count("\n") > TALL:
            line = tall.partition("\n")[0] + "\n"
            kept["files"][CODEX_LEDGER] = [[line, TALL], [tall[len(line) * TALL :], 1]]
        kept |= {"ledger": home.ledger, "folder": home.folder, "later": home.later, "grown": dict(home.grown)}
        lay_out(kept, Path(second))
        answers = grow(python, Path(second), kept)
        kept |= {"status": shown, "answers": answers, "then": status(python, Path(second), home.folder)}
    (HERE / f"{name}.json").write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")


def grow(python: str, home: Path, kept: dict[str, Any]) -> list[list[object]]:
    """Let logs grow and do what comes later; the exit code and the refusal of each run."""
    for file, text in kept["grown"].items():
        with (home / file).open("r+", encoding="utf-8") as log:
            log.write(text)
    done = [run(python, home, step) for step in kept["later"]]
    return [[one.returncode, one.stderr if one.returncode else ""] for one in done]


def main() -> None:
    HERE.mkdir(exist_ok=True)
    for name, make in HOMES.items():
        write(sys.argv[1], name, make())


if __name__ == "__main__":
    main()
