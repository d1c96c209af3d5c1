"""What the doctor looks at around agents: their logs, and whether they ask the gate."""

from __future__ import annotations

import os
import shlex
import shutil
import time
from pathlib import Path

from budgauge.config.both import SET_ONE, load_budgets
from budgauge.config.load import Loaded, working_folder
from budgauge.doctor.finding import Finding
from budgauge.files.cache import cache_folder
from budgauge.ledger.booked import Booked
from budgauge.sources.cursors import CursorFile
from budgauge.sources.hook_obstacle import obstacles, project_folders
from budgauge.sources.hook_settings import commands_at, settings_files
from budgauge.sources.log import Counts
from budgauge.sources.settings.command import is_understood
from budgauge.sources.settings.entry import EVENTS, Agent
from budgauge.sources.unasked.search import find_unasked
from budgauge.status.unasked import unasked_words
from budgauge.text import count, plural

_AGENTS: tuple[Agent, ...] = ("codex", "claude-code")
_REFUSING = ("UserPromptSubmit", "PreToolUse")
"""The events at which a refusal is obeyed."""


def agents_logs(loaded: Loaded) -> Finding:
    """What was met in agents' own logs, as far as they are collected into this ledger."""
    booked = Booked(loaded.ledger.path, cache_folder())
    file = CursorFile(cache_folder(), booked, loaded.ledger.project, writes=False)
    kept = file.read()
    by_source = {source: list(cursors.values()) for source, cursors in kept.items() if cursors}
    if not by_source:
        booked.refresh()
        gated = "calls were booked by the gate, or it is no longer known from where"
        message = "none are collected into this ledger so far" if booked.earliest is None else gated
        return Finding(name="agents' logs", state="ok", message=message)
    counts = {source: sum((one.counts for one in cursors), Counts()) for source, cursors in by_source.items()}
    details = tuple(
        f"{source}: {plural(len(by_source[source]), 'log')} read; {count(of.duplicates)} copies of calls, "
        f"{count(of.replayed)} repeated from other sessions, {count(of.set_aside)} set aside, "
        f"{count(of.lower_bounds)} without a final output count, {count(of.disagreements)} that do not add up"
        for source, of in counts.items()
    )
    total = sum(counts.values(), Counts())
    message = f"collected: {', '.join(by_source)}"
    if total.set_aside or total.disagreements:
        logs = tuple(
            f"{key}: {count(one.counts.set_aside)} set aside, {count(one.counts.disagreements)} that do not add up"
            for cursors in kept.values()
            for key, one in cursors.items()
            if one.counts.set_aside or one.counts.disagreements
        )
        mend = "Look at these logs: what was set aside in them is not counted."
        message = f"{message}; not everything could be read"
        return Finding(name="agents' logs", state="warning", message=message, mend=mend, details=details + logs)
    return Finding(name="agents' logs", state="ok", message=message, details=details)


def gate(loaded: Loaded) -> Finding:
    """Whether agents call `budgauge hook`, in their user's settings and in this folder's. Raises ConfigError."""
    hooks = _Hooks()
    for agent in _AGENTS:
        hooks.add(agent, working_folder())
    if hooks.gone:
        message, mend = "an agent calls a program that is not there, and is let through", "budgauge hook install"
        return Finding(name="gate", state="error", message=message, mend=mend, details=(*hooks.gone, *hooks.off))
    if hooks.off:
        message = "an agent's settings switch it off, or weaken it"
        mend = "Change what is named above. To write our hooks anew: budgauge hook install AGENT"
        return Finding(name="gate", state="error", message=message, mend=mend, details=tuple(hooks.off))
    if not hooks.asking:
        message = "no agent asks it; to stop one: budgauge hook install codex, or claude-code"
        return Finding(name="gate", state="ok", message=message)
    if not any(budget.sets_something for budget in load_budgets(loaded.options).all):
        message = "agents ask it, but no budget and no limit is set: it refuses nothing"
        return Finding(name="gate", state="warning", message=message, mend=SET_ONE, details=tuple(hooks.asking))
    return Finding(name="gate", state="ok", message="agents ask it", details=tuple(hooks.asking))


class _Hooks:
    """Our hooks in agents' settings, and what is wrong with them, a line each."""

    def __init__(self) -> None:
        self.asking: list[str] = []
        """The files in which they stand."""
        self.gone: list[str] = []
        """The commands that cannot be run."""
        self.off: list[str] = []
        """What keeps an agent from asking, or from obeying."""

    def add(self, agent: Agent, here: Path) -> None:
        """Look at all files of an agent that is started in the folder `here`. Raises ConfigError."""
        places = (settings_files(agent, os.environ, project) for project in (None, *project_folders(here)))
        covered: set[str] = set()
        for path in dict.fromkeys(path for files in places for path in files):
            calls = commands_at(agent, path)
            covered.update(calls)
            missing = [event for event in EVENTS[agent] if event not in calls]
            if calls:
                but = f", but not at {', '.join(missing)}" if missing else ""
                self.asking.append(f"{path}: {agent} asks at {plural(len(calls), 'event')}{but}")
            for command in sorted(set(calls.values())):
                self._check(agent, path, command)
        if covered:
            silent = [event for event in _REFUSING if event not in covered]
            self.off += [f"{agent} does not ask at {event}, so nothing is refused there" for event in silent]
            self.off += obstacles(agent, os.environ, here)

    def _check(self, agent: Agent, path: Path, command: str) -> None:
        if not _can_run(command):
            self.gone.append(f"{path}: {command}")
        elif not is_understood(command, agent):
            self.off.append(f"{path}: the command is not understood, so {agent} is let through: {command}")


def sessions(loaded: Loaded) -> Finding:
    """Sessions that spent today without asking the gate, though their agent's hooks ask it."""
    found = find_unasked(cache_folder(), loaded.ledger.path, loaded.config, time.time())
    if not found:
        message = "none that was collected into this ledger today is known to have spent without asking the gate"
        return Finding(name="sessions", state="ok", message=message)
    details = tuple(
        f"{one.source} {one.row.session}: {count(one.row.used)} tokens, begun in {one.folder or 'an unknown folder'}"
        for one in found
    )
    mend = (
        "See whether hooks are switched off there (Claude Code: disableAllHooks, --bare, --setting-sources; "
        "Codex: features.hooks, or hooks that are not trusted: /hooks). If you took them out yourself: "
        "budgauge hook install AGENT --uninstall"
    )
    message = unasked_words([one.row for one in found])
    return Finding(name="sessions", state="warning", message=message, mend=mend, details=details)


def _can_run(command: str) -> bool:
    program = shlex.split(command)[0]
    return shutil.which(program) is not None or os.access(Path(program), os.X_OK)
